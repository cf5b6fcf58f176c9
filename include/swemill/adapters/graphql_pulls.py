"""A pull request in the field names of GitHub's GraphQL API: foreign JSON in, our values out.

Kept apart from the forges so that every source of such records reads them alike.
"""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from swemill.values import Comment, Issue, PullRequestRecord, StatementSource

CLOSING = re.compile(r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\s*:?\s+(?:[\w.-]+/[\w.-]+)?#(\d{1,18})\b")
"""GitHub's closing keywords, followed by an issue number."""
MAX_NUMBER = 10**18 - 1
"""Largest number of a pull request or issue: the database keeps 64 bits."""


class UnreadablePull(ValueError):
    """A line that is no pull request record; the message names the fields and what is wrong with them."""


class NotMerged(UnreadablePull):
    """A well-formed record of a pull request that was never merged."""


def _storable(text: str | None) -> str:
    """Text as a database can hold it: JSON can spell NUL, PostgreSQL cannot keep it."""
    return (text or "").replace("\0", "")


def _in_range(time: datetime) -> datetime:
    """A time that every zone can spell: the database gives times back in UTC, where the year may be another."""
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time lies outside of the years 1 to 9999 in UTC") from None
    return time


_Text = Annotated[str | None, AfterValidator(_storable)]
_Time = Annotated[AwareDatetime, AfterValidator(_in_range)]
_Number = Annotated[int, Field(gt=0, le=MAX_NUMBER)]
_Oid = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class _Payload(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _Comment(_Payload):
    body: _Text = None
    created_at: _Time


class _Comments(_Payload):
    nodes: list[_Comment] = []


class _Issue(_Payload):
    number: _Number
    title: _Text = None
    body: _Text = None
    created_at: _Time
    comments: _Comments | None = None


class _Issues(_Payload):
    nodes: list[_Issue] = []


class _Commit(_Payload):
    oid: _Oid


class _PullRequest(_Payload):
    number: _Number
    title: _Text
    body: _Text = None
    merged_at: _Time | None
    base_ref_name: str
    base_ref_oid: _Oid | None = None
    head_ref_oid: _Oid | None = None
    merge_commit: _Commit | None = None
    closing_issues_references: _Issues | None = None


def parse_pull_request(line: bytes) -> PullRequestRecord:
    """Read one JSON object.

    Where no closing reference is listed (GitHub lists none for other target branches) but title or body carry a closing
    keyword, the pull request's own text becomes the statement, and is marked so.

    Raises:
        UnreadablePull: not JSON, a field missing or of a wrong kind.
        NotMerged: ``mergedAt`` is null.
    """
    try:
        pull = _PullRequest.model_validate_json(line)
    except ValidationError as error:
        raise UnreadablePull(_explain(error)) from None
    if pull.merged_at is None:
        raise NotMerged(f"pull request {pull.number} was never merged (mergedAt is null)")
    issues = pull.closing_issues_references.nodes if pull.closing_issues_references else []
    by_keyword = not issues and CLOSING.search(f"{pull.title}\n{pull.body}") is not None
    return PullRequestRecord(
        number=pull.number,
        title=pull.title or "",
        body=pull.body or "",
        merged_at=pull.merged_at,
        base_ref_name=pull.base_ref_name,
        base_ref_oid=pull.base_ref_oid,
        head_ref_oid=pull.head_ref_oid,
        merge_commit_oid=pull.merge_commit.oid if pull.merge_commit else None,
        issues=tuple(_issue(issue) for issue in issues),
        statement_source=StatementSource.PULL_REQUEST if by_keyword else StatementSource.ISSUE,
    )


def _issue(issue: _Issue) -> Issue:
    comments = issue.comments.nodes if issue.comments else []
    return Issue(
        number=issue.number,
        title=issue.title or "",
        body=issue.body or "",
        created_at=issue.created_at,
        comments=tuple(Comment(body=comment.body or "", created_at=comment.created_at) for comment in comments),
    )


def _explain(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, item['loc'])) or 'line'}: {item['msg']}" for item in error.errors()[:5]]
    return _storable("; ".join(parts))
