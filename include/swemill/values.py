"""Frozen values that travel between ports, stages and adapters. No behaviour beyond their own fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from swemill.reasons import Reason

# --- forge -----------------------------------------------------------------------------------------------------------


class StatementSource(StrEnum):
    """Where a problem statement was taken from; weaker sources are marked, not hidden."""

    ISSUE = "issue"
    PULL_REQUEST = "pull_request"
    COMMIT_MESSAGE = "commit_message"
    CHANGELOG = "changelog"


class BaseInference(StrEnum):
    """How ``base_commit`` was found (see ``PullRequest.base_inference``)."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"
    MERGE_BASE = "merge_base"
    RELEASE = "release"


@dataclass(frozen=True, kw_only=True)
class RepositoryRecord:
    """One repository of a forge. ``name`` is ``owner/name``."""

    forge: str
    name: str
    location: str
    """Where the forge finds it again: an URL or a folder."""


@dataclass(frozen=True, kw_only=True)
class Comment:
    """One comment of an issue."""

    body: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An issue that a pull request closes."""

    number: int
    title: str
    body: str
    created_at: datetime
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PullRequestRecord:
    """A merged pull request, or what stands for one (a squash commit, a release step), in GitHub's GraphQL terms."""

    number: int
    title: str
    body: str
    merged_at: datetime
    base_ref_name: str
    base_ref_oid: str | None = None
    head_ref_oid: str | None = None
    merge_commit_oid: str | None = None
    issues: tuple[Issue, ...] = ()
    statement_source: StatementSource = StatementSource.ISSUE
    version: str = ""
    """Version of the software at the base commit where the forge knows it (release steps), else empty."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a pull request changed: the commits it lies between and the whole binary-safe diff."""

    base_commit: str
    head_commit: str
    base_inference: BaseInference
    base_committed_at: datetime
    diff: bytes
    first_authored_at: datetime | None = None
    """When the first commit of the change was written, where the forge knows it."""


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A rejection with its named reason. ``detail`` names what exactly (a file, a line, a count)."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """A record of a source that could not be read: rejected with its place, never skipped in silence."""

    repository: str
    where: str
    drop: Drop


# --- instances -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InstanceSpec:
    """One task: a repository at ``base_commit``, a statement, the gold ``patch`` and the ``test_patch``.

    Field names and meanings are SWE-bench's. Patches are bytes, kept as git printed them.
    """

    instance_id: str
    repository: str
    forge: str
    number: int
    base_commit: str
    base_committed_at: datetime
    patch: bytes
    test_patch: bytes
    problem_statement: str
    hints_text: str
    statement_source: StatementSource
    base_inference: BaseInference
    created_at: datetime
    version: str = ""


def instance_id(repository: str, number: int) -> str:
    """SWE-bench's instance id: ``owner__name-number``."""
    return f"{repository.replace('/', '__')}-{number}"


# --- sandbox ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a sandbox may use. Memory is also the limit of memory plus swap."""

    memory_bytes: int = 4 << 30
    cpus: float = 1.0
    pids: int = 512
    disk_bytes: int = 1 << 30
    """Size of each writable tmpfs (work folder, ``/tmp``)."""
    wall_clock: int = 3600
    """Seconds after which the container ends by itself, whatever became of its owner."""


@dataclass(frozen=True, kw_only=True)
class SandboxSpec:
    """One hardened container to start."""

    name: str
    """Deterministic, from the effect key: a leftover of the same name is replaced, never doubled."""
    image: str
    limits: Limits
    effect_key: str
    """Claim key; the reaper removes containers whose claim nobody holds."""
    stage: str
    subject: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExecResult:
    """What one command in a sandbox did."""

    exit_code: int
    """The command's exit code; 137 when it was killed."""
    output: bytes
    """Last ``output_limit`` bytes of stdout and stderr together."""
    truncated: bool = False
    timed_out: bool = False
    out_of_memory: bool = False
    seconds: float = 0.0


# --- tests and verdicts ----------------------------------------------------------------------------------------------


class TestOutcome(StrEnum):
    """Outcome of one test, in pytest's words."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"

    __test__ = False


@dataclass(frozen=True, kw_only=True)
class TestReport:
    """Structured result of one test run, kept even when the run ended badly."""

    outcomes: Mapping[str, TestOutcome]
    """Outcome by test id (``path::Class::test[param]``)."""
    collected: int
    finished: bool
    """The framework reached its own end of session."""
    running: str | None = None
    """The test that was running when the process ended before its time."""
    exit_code: int = 0
    timed_out: bool = False
    out_of_memory: bool = False
    log_tail: str = ""
    seconds: float = 0.0

    __test__ = False

    def passing(self) -> frozenset[str]:
        """Ids that count as passing (SWE-bench counts an expected failure as a pass)."""
        good = (TestOutcome.PASSED, TestOutcome.XFAILED)
        return frozenset(test for test, outcome in self.outcomes.items() if outcome in good)

    def failing(self) -> frozenset[str]:
        """Ids that ran and did not pass. Skipped tests are neither."""
        bad = (TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.XPASSED)
        return frozenset(test for test, outcome in self.outcomes.items() if outcome in bad)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A stage's verdict that an item goes no further, with the evidence a person wants to see."""

    reason: Reason
    detail: str
    log: str = ""
    """Log tail."""
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    """Named blobs worth keeping (reports, logs, a Dockerfile)."""


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Execution validation succeeded: the lists and both reports."""

    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    before: TestReport
    after: TestReport


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Judgement of one candidate patch."""

    resolved: bool
    reason: Reason | None
    detail: str
    fail_to_pass_passed: int
    fail_to_pass_total: int
    pass_to_pass_passed: int
    pass_to_pass_total: int
    patch: bytes
    """The patch as judged: sanitised, test and configuration files removed."""
    report: TestReport | None = None


# --- environments ----------------------------------------------------------------------------------------------------


class Strategy(StrEnum):
    """Rungs of the installation ladder, in the order in which they are tried."""

    UNIFIED = "unified"
    DATED = "dated"


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """A base image: the system and Python below all environments of one kind."""

    reference: str
    """Tag that builds start FROM."""
    digest: str
    """Content id of the image (``sha256:...``)."""
    python: str
    """Python version, such as ``3.9``."""
    source: str
    """``registry`` or ``debootstrap``."""


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """Everything that defines an image: the Dockerfile and the files of its context."""

    dockerfile: str
    context: Mapping[str, bytes]
    """Files beside the Dockerfile, by relative path."""
    tag: str
    timeout: int


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """How a build ended. ``image`` is None when the build failed for a reason of the repository's own."""

    image: str | None
    """Content id (``sha256:...``)."""
    log: str
    seconds: float
    bytes: int = 0
    timed_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment that works: built, collected, at least one test passing at the base commit."""

    strategy: Strategy
    image: str
    python: str
    dockerfile: str
    lock: str
    """Installed distributions, one ``name==version`` a line."""
    collected: int
    log: str
    seconds: float
    bytes: int


# --- rollouts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """What acts: agent, model, prompt and limits. Its hash identifies it."""

    name: str
    agent: str
    """Agent adapter, such as ``mini-swe-agent``."""
    model: str
    """LiteLLM model name (``openai/gpt-4.1``), or the script's name of the scripted provider."""
    provider: str
    """``scripted``, or the variable that holds the provider's key."""
    prompt: str = ""
    """The agent's prompt templates (its own YAML form); empty: the agent's stock SWE-bench prompt."""
    temperature: float = 0.0
    turns: int = 100
    minutes: float = 30.0
    dollars: float = 3.0
    max_output_tokens: int = 8192

    def config(self) -> dict[str, Any]:
        """All that could change a rollout, for the effect key."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True)
class ModelEndpoint:
    """An OpenAI-compatible endpoint for one rollout. ``api_key`` never leaves the process that calls it."""

    model: str
    base_url: str | None
    api_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """How an agent ended. The patch is not its word: it is taken from the sandbox afterwards."""

    exit_status: str
    """The agent's own word for its end (``Submitted``, ``LimitsExceeded`` ...)."""
    messages: Sequence[Mapping[str, Any]]
    """The transcript as OpenAI chat messages: system, user, assistant with tool_calls, tool."""
    tools: Sequence[Mapping[str, Any]]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    reason: Reason | None = None
    """Set when the end is a loss in itself (a limit, malformed answers)."""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class RolloutResult:
    """One rollout: the agent's end and the diff found in its sandbox."""

    agent: AgentResult
    patch: bytes
    seconds: float


# --- training --------------------------------------------------------------------------------------------------------


class JobState(StrEnum):
    """State of a job on a GPU node."""

    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """What a node says of a job."""

    state: JobState
    step: int = 0
    total_steps: int = 0
    loss: float | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A supervised fine-tuning job: files in, files out (see ``training/README.md``)."""

    job_id: str
    config: str
    overrides: Mapping[str, Any]
    nproc: int
    files: Mapping[str, bytes]
    """``dataset.jsonl`` and ``manifest.json``."""
