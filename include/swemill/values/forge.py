"""What forges say: repositories, merged pull requests, their issues and changes, and records that are no good."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from swemill.reasons import Reason


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
