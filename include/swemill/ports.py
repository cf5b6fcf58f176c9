"""The ports: what stages need from the world, as Protocols. Adapters implement them; ``wiring`` chooses.

Conventions of all ports: trouble of the infrastructure raises an ``errors.Infrastructure``; bad input raises an
``errors.UserError``; everything that a repository, patch or model did is in the returned value.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from swemill.values import (
    AgentResult,
    BaseImage,
    BuildPlan,
    BuildResult,
    Change,
    Comment,
    CommitTree,
    Drop,
    ExecResult,
    InstanceSpec,
    Issue,
    JobStatus,
    ListedPull,
    Malformed,
    ModelEndpoint,
    PolicySpec,
    Probe,
    PullPage,
    PullRequestRecord,
    RepositoryPage,
    RepositoryQuery,
    RepositoryRecord,
    RepositorySighting,
    SandboxSpec,
    StoredImage,
    Touched,
    TrainingJob,
)


class Forge(Protocol):
    """Where repositories, pull requests and their changes come from. What costs a quota is behind ``ForgeApi``."""

    name: str

    def fingerprint(self) -> str:
        """Hash of what the source offers now: equal fingerprints mean that nothing new can be harvested."""

    def repositories(self) -> Iterator[RepositoryRecord | Malformed]:
        """Every repository of the source. Raises SourceError when the source as a whole cannot be read."""

    def pull_requests(self, repository: RepositoryRecord) -> Iterator[PullRequestRecord | Malformed]:
        """Every merged pull request of ``repository``, oldest first; unreadable records as Malformed."""

    def prepare(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Get in bulk the commits that ``touched`` of these will need, but no file contents. May do nothing."""

    def touched(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Touched | Drop:
        """What a pull request changes, by path: cheap, so that most pull requests are lost before a diff is made."""

    def fill(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Get in bulk the file contents that ``change`` of these will need. May do nothing."""

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        """The commits and the diff of a pull request, or why they cannot be had."""

    def tree(self, repository: RepositoryRecord, commit: str, wanted: Callable[[str], bool]) -> CommitTree:
        """What the repository holds at ``commit``: all paths, and the contents of those that are ``wanted``."""

    def snapshot(self, repository: RepositoryRecord, commit: str) -> bytes:
        """A tar of a bare, shallow git repository whose only commit is ``commit`` (folder ``repo.git``).

        Beside it the folder ``submodules`` with the files of those submodules that can be had, at their paths.
        """


class ForgeApi(Protocol):
    """The metered side of a forge. Each method is one request, or as few as the forge allows.

    All raise RateLimited (wait until its ``until``), ForgeUnavailable (try again) and ConfigurationError (the
    credentials are refused).
    """

    name: str
    newest_at_once: int
    """How many repositories one request of ``newest_pulls`` takes; 1: asking for many together saves nothing."""

    def search(self, query: RepositoryQuery, *, cursor: str | None = None) -> RepositoryPage:
        """One page of the repositories that match, at most 100. Only the first 1,000 matches can be paged through."""

    def repositories(self, names: Sequence[str]) -> Mapping[str, RepositorySighting]:
        """The repositories of these names, by the name asked for; those that do not exist are absent."""

    def deeper_paths(self, forge_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Paths of the two top levels of these repositories' trees, by id: for those whose top shows no tests."""

    def probe(self, repositories: Sequence[RepositoryRecord]) -> Mapping[str, Probe]:
        """When each repository's merged pull requests last changed, by ``forge_id``; those that are gone are absent."""

    def pull_page(self, repository: RepositoryRecord, *, cursor: str | None = None) -> PullPage:
        """One page of merged pull requests with the issues they close (without comments), the last updated first.

        What the forge cannot give, however small the page, is Malformed; nothing is left out. Raises UnknownSubject
        when the repository is gone.
        """

    def newest_pulls(self, repositories: Sequence[RepositoryRecord]) -> Mapping[str, PullPage]:
        """The start of each repository's merged pull requests, by ``forge_id``; those that are gone are absent.

        Each is a page like the first of ``pull_page``, which goes on at its cursor, but may be much shorter. The points
        of all pages together are what was paid. When this raises, what was read is lost: ask for ``newest_at_once``
        repositories at a time.
        """

    def pull_request(self, repository: RepositoryRecord, number: int) -> ListedPull | Malformed:
        """One pull request by its number; Malformed when it does not exist or was not merged."""

    def issues(self, repository: RepositoryRecord, numbers: Sequence[int]) -> Mapping[int, Issue]:
        """Issues by number (without comments); numbers that are none, or are pull requests, are absent."""

    def comments(self, repository: RepositoryRecord, issues: Sequence[Issue]) -> Mapping[Issue, tuple[Comment, ...]]:
        """All comments of each issue, oldest first."""


class Budget(Protocol):
    """The quota of one credential, shared by every worker on every machine."""

    def spend(self, resource: str, cost: int) -> None:
        """Set ``cost`` units of ``resource`` (``graphql``, ``core``, ``search``) aside before a request.

        Raises RateLimited when they are not to be had now.
        """

    def settle(self, resource: str, *, remaining: int, limit: int, resets_at: datetime) -> None:
        """Note what the forge itself said after a request: it knows best, but answers may come out of order."""

    def block(self, resource: str, until: datetime, why: str) -> None:
        """Let nobody spend ``resource`` before ``until``: the forge asked for it (Retry-After, secondary limits)."""


class Blobs(Protocol):
    """Content-addressed bytes."""

    def put(self, data: bytes) -> str:
        """Store ``data`` durably and return its hex sha256. Storing twice is storing once."""

    def get(self, key: str) -> bytes:
        """The bytes of ``key``. Raises StoreUnavailable when absent or not matching their hash."""


class RunningSandbox(Protocol):
    """A started sandbox. Commands run as an unprivileged user in the work folder ``/testbed``, without network."""

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = "/testbed",
        output_limit: int = 1 << 20,
    ) -> ExecResult:
        """Run one command and wait. A time-out kills the command; when even that fails, the whole sandbox.

        Raises SandboxUnavailable when the engine or the container is gone.
        """

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files (absolute path -> bytes) as the unprivileged user, creating folders."""

    def read(self, path: str, *, limit: int = 64 << 20) -> bytes | None:
        """The first ``limit`` bytes of a regular file; None when there is none."""


class SandboxEngine(Protocol):
    """Starts sandboxes. One policy, whatever runs inside."""

    def start(self, spec: SandboxSpec) -> AbstractContextManager[RunningSandbox]:
        """Start a sandbox; leaving the context removes it. A leftover of the same name is removed first."""

    def reap(self, is_claimed: "Claims") -> list[str]:
        """Remove labelled sandboxes without a live claim; returns their names."""


class Claims(Protocol):
    """Tells whether some live process holds the claim on an effect."""

    def __call__(self, effect_key: str) -> bool:
        """True while the claim is held."""


class Builder(Protocol):
    """Builds images, on hostile scripts: unprivileged, with limits, with no way out but to the package index."""

    def pythons(self) -> tuple[str, ...]:
        """Minor versions of Python that base images can be had with (``3.9``), oldest first; nothing is made."""

    def base(self, python: str = "", packages: Sequence[str] = ()) -> BaseImage:
        """The base image with this Python (empty: the configured default) and these Debian packages beyond its own.

        Made on first use (registry where reachable, else debootstrap). Packages that Debian does not have are left
        out. Raises ConfigurationError for a Python that is not among ``pythons``.
        """

    def has(self, image: str) -> bool:
        """True when the engine holds the image (tag or content id), fetched now where a registry has it."""

    def build(self, plan: BuildPlan) -> BuildResult:
        """Build an image, unless it is there already. A script that fails, or breaks a limit, is in the result.

        Raises SandboxUnavailable, DiskFull, and ForgeUnavailable when the package index did not answer.
        """


class ImageStore(Protocol):
    """The images of SWE-Mill on an engine. All can be made again: from their stored plans, a base from its recipe."""

    def images(self) -> Sequence[StoredImage]:
        """Every image, leftovers without a tag among them."""

    def remove(self, image: StoredImage) -> bool:
        """Remove an image with all its tags; False when it stays: a container or another image needs it by now."""


class Gateway(Protocol):
    """Opens a model endpoint for one rollout."""

    def open(self, policy: PolicySpec, instance: InstanceSpec) -> AbstractContextManager[ModelEndpoint]:
        """An endpoint that lives as long as the context. Raises ConfigurationError when the policy's key is not set."""


class Agent(Protocol):
    """Drives a model in a sandbox."""

    name: str

    def run(
        self, instance: InstanceSpec, policy: PolicySpec, endpoint: ModelEndpoint, sandbox: RunningSandbox
    ) -> AgentResult:
        """Work on the instance until done or a limit is reached. Raises Provider* and Sandbox* errors only."""


Judge = Callable[[str], str | None]
"""Builds and probes a proposed Dockerfile: None when that is the end, else what the agent should know of it."""


class SetupAgent(Protocol):
    """Has a model find out how a repository is installed. Whether what it proposes works is judged without it."""

    name: str

    def propose(
        self,
        instance: InstanceSpec,
        task: str,
        policy: PolicySpec,
        endpoint: ModelEndpoint,
        sandbox: RunningSandbox,
        *,
        snapshot: bytes,
        judge: Judge,
    ) -> AgentResult:
        """Explore the checkout of ``snapshot`` and hand Dockerfiles to ``judge`` until it, or a limit, makes an end.

        Raises Provider* and Sandbox* errors, and what ``judge`` raises.
        """


class GpuNode(Protocol):
    """Where training runs: files in, files out."""

    name: str

    def submit(self, job: TrainingJob) -> None:
        """Start the job; submitting a running or finished job again changes nothing."""

    def status(self, job_id: str) -> JobStatus:
        """State and progress."""

    def result(self, job_id: str) -> Mapping[str, bytes]:
        """``result.json`` and ``train.log`` of an ended job."""

    def checkpoint(self, job_id: str) -> str:
        """Place of the checkpoint folder (a path or URL)."""

    def cancel(self, job_id: str) -> None:
        """Stop the job and every process of it."""
