"""Builds images on one engine (port ``Builder``): each in a hardened container whose layer is then kept.

Whose fault is it? A script that fails, takes too long or breaks a limit is the repository's doing: it is returned. A
daemon that is gone, a full disk, a base image that vanished: that is raised. An image gets its tag last, so what lies
under a tag is whole, whenever and whatever died.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.build_container import COMMIT_PATIENCE, build_container, read_outputs
from swemill.adapters.docker.build_lock import container_name
from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.adapters.docker.policy import check_engine, owner
from swemill.adapters.docker.registry import ImageRegistry
from swemill.errors import SandboxUnavailable
from swemill.settings import Settings
from swemill.values import BaseImage, BuildEnd, BuildPlan, BuildResult, Limits, SandboxSpec

if TYPE_CHECKING:
    from docker import APIClient

    from swemill.adapters.docker.build_network import BuildReach

log = logging.getLogger(__name__)

_STAGE = "build"
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG = re.compile(r"[a-z0-9][a-z0-9._/-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class DockerBuilder:
    """Builds on one engine."""

    def __init__(self, client: "APIClient", *, settings: Settings, store: str = "") -> None:
        """Use ``client``, the engine's low-level client; a build gets the memory and cores of a sandbox.

        ``store`` names the database whose claims guard the builds (see ``DockerSandboxEngine``).
        """
        self._api = client
        self._settings = settings
        self._store = store
        self._bases = BaseImages(client, config=BaseImageConfig.of(settings))
        self._registry = ImageRegistry(client, settings.registry)
        self._checked = False

    def pythons(self) -> tuple[str, ...]:
        """Minor versions of Python that base images can be had with (see ``BaseImages.pythons``)."""
        return self._bases.pythons()

    def base(self, python: str = "", packages: Sequence[str] = ()) -> BaseImage:
        """A base image, made on first use (see ``BaseImages.get`` for the errors)."""
        return self._bases.get(python, packages)

    def has(self, image: str) -> bool:
        """True when the engine holds the image (tag or content id), pulled now where the registry has it.

        Raises:
            SandboxUnavailable: the engine or the registry does not answer.
        """
        if self._inspect(image) is not None:
            return True
        return self._registry.shares(image) and self._registry.pull(image)

    def build(self, plan: BuildPlan) -> BuildResult:
        """Build ``plan``, unless its image is there or another process makes it now: then wait and take that.

        Raises:
            SandboxUnavailable: the engine is gone, the base image vanished, or the registry refuses the image.
            DiskFull: the engine's disk is full.
            ForgeUnavailable: the package index cannot be had for builds.
            ValueError: a name of a file, a variable or the tag is malformed.
        """
        _check(plan)
        started = time.monotonic()
        if plan.tag and self.has(plan.tag):
            return self._repeated(plan, started)
        self._check_engine()
        base = self._inspect(plan.base) if self.has(plan.base) else None
        if base is None:
            raise SandboxUnavailable(
                f"the image {plan.base}, which {plan.tag or 'a build'} starts from, is not on this engine; run again: "
                "it is made anew"
            )
        reach = self.reach()
        with build_container(
            self._api,
            plan,
            self._spec(plan),
            base=base["Config"],
            network=reach.network,
            runtime=self._settings.sandbox_runtime,
            store=self._store,
            is_done=lambda: bool(plan.tag) and self._inspect(plan.tag) is not None,
        ) as container:
            if container is None:
                return self._repeated(plan, started)
            did = container.run(plan, reach=_variables(reach))
            image = container.commit(plan) if plan.tag and did.end == BuildEnd.BUILT else None
        if image and self._registry.shares(plan.tag):
            self._registry.push(plan.tag)
        return BuildResult(
            image=image,
            end=did.end,
            exit_code=did.exit_code,
            log=did.log,
            seconds=time.monotonic() - started,
            bytes=self._size(image) if image else 0,
            outputs=did.outputs,
        )

    @cached_property
    def _network(self) -> Any:
        from swemill.adapters.docker.build_network import BuildNetwork

        return BuildNetwork(self._api, settings=self._settings, base_images=self._bases)

    def reach(self) -> "BuildReach":
        """The network of builds and the package index on it, made on first use; for sandboxes that set up as well."""
        reach: BuildReach = self._network.ensure()
        return reach

    def _repeated(self, plan: BuildPlan, started: float) -> BuildResult:
        """The result for an image that is there already."""
        found = self._inspect(plan.tag)
        if found is None:
            raise SandboxUnavailable(f"the image {plan.tag} vanished the moment it was found; run again")
        # The push of an earlier try may have failed.
        if self._registry.shares(plan.tag) and not self._registry.holds(plan.tag):
            self._registry.push(plan.tag)
        outputs: Mapping[str, bytes] = {}
        if plan.outputs:
            spec = self._spec(plan, name=f"{container_name(plan)}-{owner().rpartition('/')[2]}", image=found["Id"])
            engine = DockerSandboxEngine(self._api, runtime=self._settings.sandbox_runtime, store=self._store)
            with engine.start(spec) as sandbox:
                outputs = read_outputs(sandbox, plan.outputs)
        return BuildResult(
            image=found["Id"],
            log="",
            seconds=time.monotonic() - started,
            bytes=self._size(found["Id"]),
            outputs=outputs,
            repeated=True,
        )

    def _spec(self, plan: BuildPlan, *, name: str = "", image: str = "") -> SandboxSpec:
        settings = self._settings
        return SandboxSpec(
            name=name or container_name(plan),
            image=image or plan.base,
            limits=Limits(
                memory_bytes=settings.sandbox_memory,
                cpus=settings.sandbox_cpus,
                pids=settings.build_pids,
                disk_bytes=settings.build_disk,
                wall_clock=plan.timeout + COMMIT_PATIENCE,
            ),
            effect_key=plan.effect_key,
            stage=_STAGE,
            subject=plan.subject,
        )

    def _inspect(self, image: str) -> dict[str, Any] | None:
        import docker.errors

        with engine_errors(f"looking for the image {image}"):
            try:
                found: dict[str, Any] = self._api.inspect_image(image)
            except docker.errors.ImageNotFound:
                return None
        return found

    def _size(self, image: str) -> int:
        found = self._inspect(image)
        return int(found["Size"]) if found else 0

    def _check_engine(self) -> None:
        if not self._checked:
            with engine_errors("asking the Docker engine what it can do"):
                info = self._api.info()
            check_engine(info, runtime=self._settings.sandbox_runtime)
            self._checked = True


def _variables(reach: "BuildReach") -> dict[str, str]:
    """What leads installers to the index."""
    return {"UV_DEFAULT_INDEX": reach.index_url, "PIP_INDEX_URL": reach.index_url, "PIP_TRUSTED_HOST": reach.host}


def _check(plan: BuildPlan) -> None:
    """Refuse what would be something else than it says: a path in place of a name, two variables in place of one."""
    if not all(_FILE.fullmatch(name) for name in (*plan.files, plan.script)) or plan.script not in plan.files:
        raise ValueError(f"the files of a build need plain names, and its script must be among them: {plan.script!r}")
    if wrong := [name for name, value in plan.env.items() if not _VARIABLE.fullmatch(name) or "\0" in value]:
        raise ValueError(f"no environment variables: {wrong!r}")
    if plan.tag and not _TAG.fullmatch(plan.tag):
        raise ValueError(f"no tag of an image: {plan.tag!r}")
