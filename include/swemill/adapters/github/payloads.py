"""What GitHub's GraphQL API answers, in our values: repositories, trees, comments, and nulls with their reasons.

Pull requests and issues are read by ``graphql_pulls``, as those of an archive are.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from swemill.adapters.github.answers import GONE, GraphqlAnswer, GraphqlError, one_line
from swemill.adapters.graphql_pulls import Text, Time, Word
from swemill.errors import ForgeUnavailable
from swemill.reasons import Reason
from swemill.values import Comment, Drop, Malformed, Probe, RepositoryRecord, RepositorySighting

FORGE = "github"
NAME = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")
"""``owner/name`` as GitHub allows it (to be matched as a whole). Owners of long ago may begin with a hyphen."""
MAX_PATHS = 5_000
"""Paths of a tree that are kept, folders first: what shows tests or none is among far fewer."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}/[A-Za-z0-9_.-]{1,100}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s@]{1,500}$")]
_Cursor = Annotated[str, Field(pattern=r"^[!-~]{1,1000}$")]
_Payload = TypeVar("_Payload", bound=BaseModel)


class Foreign(BaseModel):
    """Base of what comes from GitHub's GraphQL API: camelCase, unknown fields left out."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _Named(Foreign):
    name: Word


class _Licence(Foreign):
    spdx_id: Text


class TreeEntry(Foreign):
    """An entry of a git tree."""

    name: Word
    type: str
    object: "Tree | None" = None


class Tree(Foreign):
    """A git tree; any other git object has no entries."""

    entries: list[TreeEntry] = []


class _Repository(Foreign):
    id: Word
    name_with_owner: Name
    url: Url
    stargazer_count: int
    disk_usage: int | None
    created_at: Time
    pushed_at: Time | None
    is_fork: bool
    is_archived: bool
    primary_language: _Named | None
    license_info: _Licence | None
    default_branch_ref: _Named | None
    object: Tree | None


class _Updated(Foreign):
    updated_at: Time


class _Newest(Foreign):
    nodes: list[_Updated | None]


class _Probed(Foreign):
    name_with_owner: Name
    url: Url
    pull_requests: _Newest = _Newest(nodes=[None])


class PageInfo(Foreign):
    """Where the next page of a connection starts."""

    has_next_page: bool
    end_cursor: _Cursor | None = None

    def after(self, here: str | None) -> str | None:
        """The cursor of the page behind that at ``here``; None: this was the last. Raises ForgeUnavailable."""
        if not self.has_next_page:
            return None
        if self.end_cursor is None or self.end_cursor == here:
            raise ForgeUnavailable(f"GitHub's page at cursor {here or '(start)'} leads back to itself; try again")
        return self.end_cursor


class _Comment(Foreign):
    body: Text
    created_at: Time
    updated_at: Time


class Comments(Foreign):
    """One page of an issue's comments."""

    nodes: list[_Comment | None]
    page_info: PageInfo

    def values(self) -> tuple[Comment, ...]:
        """The comments; one that GitHub withholds is null, and left out."""
        return tuple(
            Comment(body=one.body or "", created_at=one.created_at, updated_at=one.updated_at)
            for one in self.nodes
            if one
        )


class SearchPage(Foreign):
    """One page of a search."""

    repository_count: int
    nodes: list[Any] = []
    """None where they were not asked for."""
    page_info: PageInfo


class PullConnection(Foreign):
    """One page of a repository's pull requests; each is read by itself."""

    nodes: list[Any] = [None]
    """Where they were not asked for: the one at the place."""
    page_info: PageInfo


def read(model: type[_Payload], data: object, what: str) -> _Payload:
    """``data`` as a ``model``. Raises ForgeUnavailable, naming ``what``, when GitHub's answer has another form."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ForgeUnavailable(
            f"GitHub's answer about {what} has an unexpected form ({one_line(where)}: {first['msg']}); "
            "try again, and if it stays, compare the API's version"
        ) from None


def sighting(node: object) -> RepositorySighting:
    """A repository with the top of its tree. Raises ForgeUnavailable."""
    found = read(_Repository, node, "a repository")
    return RepositorySighting(
        forge_id=found.id,
        name=found.name_with_owner,
        location=f"{found.url}.git",
        language=found.primary_language.name if found.primary_language else None,
        licence=spdx(found.license_info.spdx_id) if found.license_info else None,
        stars=found.stargazer_count,
        size_kb=found.disk_usage or 0,
        created_at=found.created_at,
        pushed_at=found.pushed_at,
        is_fork=found.is_fork,
        is_archived=found.is_archived,
        default_branch=found.default_branch_ref.name if found.default_branch_ref else "",
        paths=paths(found.object),
    )


def spdx(identifier: str | None) -> str | None:
    """A licence as ``RepositorySighting`` has it: a licence that GitHub cannot name is ``NOASSERTION``."""
    return None if identifier == "NONE" else identifier or "NOASSERTION"


def paths(tree: Tree | None) -> tuple[str, ...]:
    """The paths of a tree and of the trees that came with it, folders first and with a final ``/``."""
    return bounded(_walk(tree, "")) if tree else ()


def bounded(found: Iterable[str]) -> tuple[str, ...]:
    """The first ``MAX_PATHS``: folders, then files, each in order."""
    return tuple(sorted(found, key=lambda path: (not path.endswith("/"), path))[:MAX_PATHS])


def _walk(tree: Tree, above: str) -> Iterable[str]:
    for entry in tree.entries:
        path = f"{above}{entry.name}"
        yield f"{path}/" if entry.type == "tree" else path
        if entry.object:
            yield from _walk(entry.object, f"{path}/")


def probe(node: object, asked_at: datetime) -> Probe:
    """Where a repository is and when it last changed: where GitHub does not say, now. Raises ForgeUnavailable."""
    found = read(_Probed, node, "a repository")
    newest = next((one.updated_at if one else asked_at for one in found.pull_requests.nodes), None)
    return Probe(name=found.name_with_owner, location=f"{found.url}.git", newest_update=newest)


def malformed(repository: RepositoryRecord, where: str, detail: str, reason: Reason | None = None) -> Malformed:
    """A record of GitHub that is no good, with its place."""
    drop = Drop(reason=reason or Reason.MALFORMED_RECORD, detail=detail)
    return Malformed(repository=repository.name, where=where, drop=drop)


def at(answer: GraphqlAnswer, *path: str | int) -> Any:
    """What lies at ``path`` of an answer; None where it is not there for us (see ``GONE``).

    Raises ForgeUnavailable when it, or a part of it, is missing for another reason: a passing one, as far as we know.
    """
    for error in answer.errors:
        length = min(len(path), len(error.path))
        if error.path[:length] == path[:length] and error.type not in GONE:
            raise unexplained(error)
    value: Any = answer.data
    for step in path:
        if value is None:
            return None
        try:
            value = value[step]
        except (LookupError, TypeError):
            raise ForgeUnavailable(f"GitHub's answer lacks {'.'.join(map(str, path))}; try again") from None
    return value


def gone_because(answer: GraphqlAnswer) -> str:
    """GitHub's words for why something is gone."""
    return next((error.message for error in answer.errors if error.message), "it is not there")


def unexplained(error: GraphqlError) -> ForgeUnavailable:
    """The error to raise for one that GitHub gave in place of an answer."""
    place = one_line(".".join(map(str, error.path))) or "the whole query"
    return ForgeUnavailable(f"GitHub could not answer {place}: {error.type or 'error'}: {error.message}; try again")
