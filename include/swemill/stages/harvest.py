"""Harvest: from a forge's pull requests to task instances. Pure over the port ``Forge``; saving is the caller's.

Every pull request ends as a Candidate or as a Rejected with its reason; nothing disappears. When the forge cannot be
reached for one repository, the others are still harvested, and the error is raised at the end so that whoever drives
the work tries again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from swemill.errors import ForgeUnavailable
from swemill.filters import (
    empty_statement,
    first,
    no_code_change,
    no_linked_issue,
    no_test_change,
    patch_too_large,
)
from swemill.patches import BadPatch, split
from swemill.ports import Forge
from swemill.reasons import Reason
from swemill.values import (
    Change,
    Drop,
    InstanceSpec,
    Malformed,
    PullRequestRecord,
    RepositoryRecord,
    StatementSource,
    instance_id,
)

CODE_VERSION = 1
"""Raised when the same pull request would make another instance than before."""


@dataclass(frozen=True, kw_only=True)
class HarvestConfig:
    """What a harvest keeps. Every field is part of the effect key."""

    max_patch_bytes: int = 1 << 20
    """Gold patch and test patch together."""
    require_issue: bool = True
    """Whether a pull request of a forge with issues must close one."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A pull request that became an instance."""

    repository: RepositoryRecord
    pull_request: PullRequestRecord
    instance: InstanceSpec


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """What did not, and why."""

    repository_name: str
    subject: str
    """The instance id it would have had, or the place of an unreadable record."""
    drop: Drop
    pull_request: PullRequestRecord | None = None


def harvest(forge: Forge, *, config: HarvestConfig) -> Iterator[Candidate | Rejected]:
    """Every pull request of every repository of ``forge``, in the forge's order.

    Raises:
        SourceError: the source as a whole cannot be read.
        ForgeUnavailable: at the end, when some repositories could not be reached; the message names them.
        DiskFull: at once.
    """
    unreachable: list[str] = []
    for repository in forge.repositories():
        if isinstance(repository, Malformed):
            yield _rejected(repository)
            continue
        try:
            yield from harvest_repository(forge, repository, config=config)
        except ForgeUnavailable as error:
            unreachable.append(f"{repository.name}: {error}")
    if unreachable:
        raise ForgeUnavailable("; ".join(unreachable))


def harvest_repository(
    forge: Forge, repository: RepositoryRecord, *, config: HarvestConfig
) -> Iterator[Candidate | Rejected]:
    """Every pull request of one repository. Raises ForgeUnavailable and DiskFull as they come."""
    for pull in forge.pull_requests(repository):
        if isinstance(pull, Malformed):
            yield _rejected(pull)
            continue
        instance = _instance(forge, repository, pull, config)
        if isinstance(instance, Drop):
            subject = instance_id(repository.name, pull.number)
            yield Rejected(repository_name=repository.name, subject=subject, drop=instance, pull_request=pull)
        else:
            yield Candidate(repository=repository, pull_request=pull, instance=instance)


def _instance(
    forge: Forge, repository: RepositoryRecord, pull: PullRequestRecord, config: HarvestConfig
) -> InstanceSpec | Drop:
    statement = problem_statement(pull)
    # What the record alone decides comes first: a diff costs a hundred times as much.
    drop = first(
        (
            lambda: no_linked_issue(pull, required=config.require_issue),
            lambda: empty_statement(statement, pull.statement_source),
        )
    )
    if drop is not None:
        return drop
    change = forge.change(repository, pull)
    if isinstance(change, Drop):
        return change
    source = pull.statement_source
    if source is StatementSource.ISSUE and not pull.issues:
        source = StatementSource.PULL_REQUEST  # issues were not required: the words are the pull request's own
    try:
        patch, test_patch = split(change.diff)
        drop = first(
            (
                lambda: no_test_change(test_patch),
                lambda: no_code_change(patch),
                lambda: patch_too_large(len(patch) + len(test_patch), limit=config.max_patch_bytes),
            )
        )
    except BadPatch as error:
        return Drop(reason=Reason.MALFORMED_RECORD, detail=f"its diff: {error}")
    if drop is not None:
        return drop
    return InstanceSpec(
        instance_id=instance_id(repository.name, pull.number),
        repository=repository.name,
        forge=forge.name,
        number=pull.number,
        base_commit=change.base_commit,
        base_committed_at=change.base_committed_at,
        patch=patch,
        test_patch=test_patch,
        problem_statement=statement,
        hints_text=hints(pull, change),
        statement_source=source,
        base_inference=change.base_inference,
        created_at=pull.merged_at,
        version=pull.version,
    )


def problem_statement(pull: PullRequestRecord) -> str:
    """The task in words: title and body of each issue, as SWE-bench has it; without issues the weaker source's text.

    A changelog's entry stands alone: the title of a release step says nothing.
    """
    if pull.statement_source is StatementSource.CHANGELOG:
        return pull.body.strip()
    texts = [(pull.title, pull.body)]
    if pull.statement_source is StatementSource.ISSUE and pull.issues:
        texts = [(issue.title, issue.body) for issue in pull.issues]
    return "\n\n".join(f"{title}\n\n{body}".strip() for title, body in texts).strip()


def hints(pull: PullRequestRecord, change: Change) -> str:
    """What was said on the issues before the first commit of the change: later comments may tell the solution."""
    until: datetime = change.first_authored_at or pull.merged_at
    comments = [comment for issue in pull.issues for comment in issue.comments if comment.created_at < until]
    ordered = sorted(comments, key=lambda comment: comment.created_at.astimezone(UTC))
    return "\n\n".join(comment.body.strip() for comment in ordered if comment.body.strip())


def _rejected(record: Malformed) -> Rejected:
    return Rejected(repository_name=record.repository, subject=record.where, drop=record.drop)
