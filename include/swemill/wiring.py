"""Chooses the adapters: the one place where ports and adapters meet.

A ``Mill`` is opened once per process and hands out lazily made parts, so that ``swemill funnel`` needs no Docker and a
harvest needs no model provider.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from swemill.adapters.blobs import FsspecBlobs
from swemill.errors import ConfigurationError
from swemill.ports import (
    Agent,
    Blobs,
    Builder,
    Forge,
    ForgeApi,
    Gateway,
    GpuNode,
    ImageStore,
    RunningSandbox,
    SandboxEngine,
)
from swemill.settings import CHECKOUT, Settings
from swemill.store import Store
from swemill.values import Limits, PolicySpec, RepositoryRecord

if TYPE_CHECKING:
    from docker import APIClient

    from swemill.adapters.docker.builder import DockerBuilder
    from swemill.adapters.github.client import GithubClient
    from swemill.contamination import EvaluationSets
    from swemill.environment.leak_gate import Leak
    from swemill.stages.propose import Proposer


@dataclass(frozen=True, kw_only=True)
class Mill:
    """Settings and everything made from them."""

    settings: Settings
    docker_client: "APIClient | None" = None
    """An engine client to use instead of one made from the settings (an Airflow connection's)."""

    @classmethod
    def open(cls, settings: Settings | None = None, *, docker_client: "APIClient | None" = None) -> "Mill":
        """A mill over the given settings (default: those of the environment)."""
        return cls(settings=settings or Settings.load(), docker_client=docker_client)

    def close(self) -> None:
        """Close the connections kept open to GitHub; what is used later opens them anew.

        The end of a process closes them as well: this is for one that opens many mills.
        """
        if "github_client" in self.__dict__:
            self.github_client.close()

    @cached_property
    def store(self) -> Store:
        """The facts."""
        if not self.settings.database_url:
            raise ConfigurationError(
                "SWEMILL_DATABASE_URL is not set and the embedded PostgreSQL was not started; "
                "use the `swemill` command, which starts it, or set the variable"
            )
        return Store(self.settings.database_url)

    @cached_property
    def blobs(self) -> Blobs:
        """Logs, patches, trajectories, reports, datasets."""
        return FsspecBlobs(self.settings.blobs_url)

    @cached_property
    def engine(self) -> SandboxEngine:
        """Hardened containers."""
        from swemill.adapters.docker.engine import DockerSandboxEngine

        return DockerSandboxEngine(
            self._docker,
            runtime=self.settings.sandbox_runtime,
            store=self.store.identity(),
            reach=lambda: self._docker_builder.reach(),
        )

    @property
    def leak_gate(self) -> "Callable[[RunningSandbox, str, float], Sequence[Leak]]":
        """What an image is checked with for objects of the future."""
        from swemill.stages.leak_gate import check

        return check

    @cached_property
    def builder(self) -> Builder:
        """Images."""
        return self._docker_builder

    @cached_property
    def _docker_builder(self) -> "DockerBuilder":
        from swemill.adapters.docker.builder import DockerBuilder

        store = self.store.identity() if self.settings.database_url else ""
        return DockerBuilder(client=self._docker, settings=self.settings, store=store)

    @cached_property
    def image_store(self) -> ImageStore:
        """What images the engine holds."""
        from swemill.adapters.docker.image_store import DockerImageStore

        return DockerImageStore(self._docker)

    @cached_property
    def _docker(self) -> "APIClient":
        from swemill.adapters.docker.client import connect

        return self.docker_client or connect(self.settings.docker_host)

    @cached_property
    def gateway(self) -> Gateway:
        """Model endpoints."""
        from swemill.adapters.gateway import LiteLlmGateway

        return LiteLlmGateway(provider_keys=self.settings.provider_keys)

    def agent(self, name: str) -> Agent:
        """The agent adapter of that name."""
        from swemill.adapters.miniswe import MiniSweAgent

        if name != MiniSweAgent.name:
            raise ConfigurationError(f"no agent is called {name!r}; there is: {MiniSweAgent.name}")
        return MiniSweAgent()

    @cached_property
    def policies(self) -> list[PolicySpec]:
        """All policies of the policies file."""
        from swemill.adapters.policies import load

        return load(self.settings.policies_file)

    @cached_property
    def proposer(self) -> "Proposer":
        """Who proposes environments where no rule finds one.

        Raises:
            ConfigurationError: no policy of the file has its key set.
        """
        from swemill.adapters.environment_agent import EnvironmentAgent
        from swemill.adapters.policies import active, load
        from swemill.stages.propose import Proposer

        file = self.settings.setup_policies_file
        ready = active(load(file), self.settings.provider_keys)
        if not ready:
            raise ConfigurationError(f"the strategy `agent` has no model: set the key of one of the policies of {file}")
        return Proposer(agent=EnvironmentAgent(), gateway=self.gateway, policy=ready[0])

    @cached_property
    def evaluation_sets(self) -> "EvaluationSets":
        """What must not be trained on: the checked-in lists, and those of the user's folder."""
        from swemill.adapters.evaluation_sets import load

        return load(CHECKOUT / "config" / "evaluation", self.settings.evaluation_dir)

    def active_policies(self, names: list[str] | None = None) -> list[PolicySpec]:
        """The policies to roll out: the named ones, else those whose key is set, else the scripted ones."""
        from swemill.adapters.policies import active

        if not names:
            return active(self.policies, self.settings.provider_keys)
        by_name = {policy.name: policy for policy in self.policies}
        unknown = sorted(set(names) - set(by_name))
        if unknown:
            raise ConfigurationError(f"no policy is called {', '.join(unknown)}; there are: {', '.join(by_name)}")
        return [by_name[name] for name in dict.fromkeys(names)]

    def forge_of(self, repository: RepositoryRecord) -> Forge:
        """The source of a harvested repository: an archive is the configured one, else that of the harvest."""
        if repository.forge == "archive" and self.settings.archive_dir is None:
            return self.forge("archive", archive=Path(repository.location))
        return self.forge(repository.forge)

    def forge(self, name: str, *, archive: Path | None = None, names: Sequence[str] = ()) -> Forge:
        """The source of that name (``archive``, ``github`` or ``releases``); ``names`` of repositories for GitHub."""
        from swemill.adapters.archive import Archive
        from swemill.adapters.releases import Releases

        if name == "releases":
            return Releases(
                self.settings.releases_list,
                cache=self.settings.home / "sources",
                index_url=self.settings.index_url,
                ca_bundle=self.settings.ca_bundle,
            )
        if name == "archive":
            folder = archive or self.settings.archive_dir
            if folder is None:
                raise ConfigurationError("the source `archive` needs a folder: --archive DIR or SWEMILL_ARCHIVE_DIR")
            return Archive(folder)
        if name == "github":
            from swemill.adapters.github.forge import GitHub

            return GitHub(
                lambda: self.forge_api("github"),
                mirrors=self.settings.mirrors_dir,
                names=names,
                api_url=self.settings.github_api_url,
                token=lambda: self.settings.github_token,
                ca_bundle=self.settings.ca_bundle,
            )
        raise ConfigurationError(f"no source is called {name!r}; there are: archive, github, releases")

    @cached_property
    def github_client(self) -> "GithubClient":
        """GitHub's APIs with the credentials of the settings, metered by the quota that all workers share."""
        from swemill.adapters.github.client import GithubClient
        from swemill.adapters.github.credentials import credentials_of
        from swemill.store.budget import StoredBudget

        return GithubClient(
            credentials_of(self.settings),
            lambda credential: StoredBudget(self.store, credential),
            api_url=self.settings.github_api_url,
            cache=self.settings.home / "github-http-cache",
            ca_bundle=self.settings.ca_bundle,
        )

    def forge_api(self, name: str) -> ForgeApi:
        """The metered side of the source of that name: GraphQL with a token or an App, else REST."""
        from swemill.adapters.github.graphql_api import GraphqlApi
        from swemill.adapters.github.rest_api import RestApi

        if name != "github":
            raise ConfigurationError(f"the source {name!r} has no metered side; there is: github")
        if self.settings.github_token or self.settings.github_app_id:
            return GraphqlApi(self.github_client)
        return RestApi(self.github_client)

    @cached_property
    def node(self) -> GpuNode:
        """Where training runs."""
        from swemill.adapters.local_node import LocalNode

        return LocalNode(jobs_dir=self.settings.home / "jobs", checkout=CHECKOUT)

    @property
    def limits(self) -> Limits:
        """What a sandbox may use."""
        return Limits(
            memory_bytes=self.settings.sandbox_memory,
            cpus=self.settings.sandbox_cpus,
            pids=self.settings.sandbox_pids,
            disk_bytes=self.settings.sandbox_disk,
        )
