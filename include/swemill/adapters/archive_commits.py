"""Which commits of an archive `swemill bench environments` installs: a list beside it, or a draw from its changes.

The draw goes by a rule and not by taste: what was picked because it installs would measure nothing. Every candidate has
a place by hash, so that the same seed draws the same commits again, on any machine and however many are added later.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from swemill.adapters.archive import Archive
from swemill.adapters.git_mirror import GitMirror
from swemill.errors import ForgeUnavailable, SourceError, boundary
from swemill.filters import no_code_change, no_test_change
from swemill.patches import TestLayout
from swemill.values import Drop, PullRequestRecord, RepositoryRecord

LIST = "commits.toml"
"""Name of the list in the root of an archive."""
SEED = 2506
PER_REPOSITORY = 4
"""Commits of one repository, one from each equal part of the time in which it has candidates."""
_LARGEST_LIST = 4 << 20
"""Bytes of a list that is read."""


class Half(StrEnum):
    """Where a repository's commits belong: rules are made by looking at one half, and believed by the other."""

    TUNING = "tuning"
    HELD_OUT = "held_out"


@dataclass(frozen=True, kw_only=True)
class BenchCommit:
    """One commit to install."""

    repository: str
    """``owner/name``."""
    commit: str
    """The base commit of a change: what would be an instance's."""
    date: datetime
    """When it was committed."""
    half: Half


@dataclass(frozen=True, kw_only=True)
class Dated:
    """A candidate of a draw: a name (a commit, a number) with its time."""

    name: str
    date: datetime


def read_list(path: Path) -> tuple[BenchCommit, ...]:
    """The commits of a list (tables ``[[commit]]``: repository, commit, date, half), in its order.

    Raises:
        SourceError: it is missing or malformed; the message names the first wrong entry.
    """
    if not path.is_file():
        raise SourceError(f"there is no list of commits at {path}: give --commits FILE, or leave it out")
    with boundary(ForgeUnavailable, f"reading {path}", OSError), path.open("rb") as file:
        data = file.read(_LARGEST_LIST + 1)
    if len(data) > _LARGEST_LIST:
        raise SourceError(f"{path} has more than {_LARGEST_LIST} bytes: that is no list of commits")
    try:
        listed = _List.model_validate(tomllib.loads(data.decode()))
    except ValidationError as error:
        first = error.errors()[0]
        raise SourceError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:
        raise SourceError(f"{path} is no TOML: {error}") from None
    commits = tuple(
        BenchCommit(repository=one.repository, commit=one.commit, date=_aware(one.date), half=one.half)
        for one in listed.commit
    )
    if len(set(commits)) < len(commits):
        raise SourceError(f"{path} names a commit twice")
    return commits


def draw_from_pulls(archive: Archive, *, seed: int = SEED) -> tuple[BenchCommit, ...]:
    """Base commits of the archive's pull requests, recorded or mined: those that touch both tests and code.

    Drawn over the time of merging. A repository or pull request that cannot be read is left out: the harvest tells of
    it. Raises SourceError when the archive as a whole is none.
    """
    drawn = {
        record.name: bases
        for record in archive.repositories()
        if isinstance(record, RepositoryRecord) and (bases := _bases(archive, record, seed))
    }
    return in_halves(drawn, seed=seed)


def a_mixture(commits: Sequence[BenchCommit], limit: int, *, seed: int = SEED) -> tuple[BenchCommit, ...]:
    """``limit`` of the commits, from anywhere among them, in their order; a larger limit holds a smaller one's."""
    kept = sorted(commits, key=lambda one: _place(seed, one.repository, one.commit))[:limit]
    return tuple(one for one in commits if one in kept)


def check_held(root: Path, commits: Iterable[BenchCommit]) -> None:
    """Raise SourceError when the archive at ``root`` lacks one of the commits; the message names the first."""
    for one in commits:
        mirror = GitMirror(root / "repos" / f"{one.repository}.git")
        if not mirror.exists(one.commit):
            raise SourceError(
                f"{root} lacks commit {one.commit} of {one.repository}: mirror it to repos/{one.repository}.git "
                "(git clone --mirror), or choose others (--repository, --commits)"
            )


def draw(
    repository: str, candidates: Iterable[Dated], *, seed: int, usable: Callable[[Dated], bool] = lambda _: True
) -> tuple[Dated, ...]:
    """Up to four of the candidates, oldest first: one from each quarter of the time between the first and the last.

    Within a quarter the lowest hash of seed, repository and name wins, or the next one that is ``usable`` (asked of
    as few as possible). A quarter without any gives none.
    """
    found = sorted(set(candidates), key=lambda one: (one.date, one.name))
    if not found:
        return ()
    first, span = found[0].date, found[-1].date - found[0].date
    quarters: dict[int, list[Dated]] = {}
    for one in found:
        at = int(PER_REPOSITORY * ((one.date - first) / span)) if span else 0
        quarters.setdefault(min(at, PER_REPOSITORY - 1), []).append(one)
    drawn: list[Dated] = []
    for at in sorted(quarters):
        in_order = sorted(quarters[at], key=lambda one: _place(seed, repository, one.name))
        drawn += islice(filter(usable, in_order), 1)
    return tuple(drawn)


def in_halves(drawn: Mapping[str, Sequence[Dated]], *, seed: int) -> tuple[BenchCommit, ...]:
    """The drawn commits by repository and date, each repository as a whole in one half.

    The repositories come in an order that the seed shuffles; each goes where there are fewer commits so far.
    """
    sizes = {Half.TUNING: 0, Half.HELD_OUT: 0}
    halves = {}
    for repository in sorted(drawn, key=lambda name: _place(seed, name)):
        halves[repository] = min(sizes, key=lambda half: sizes[half])
        sizes[halves[repository]] += len(drawn[repository])
    return tuple(
        BenchCommit(repository=repository, commit=one.name, date=one.date, half=halves[repository])
        for repository in sorted(drawn)
        for one in sorted(drawn[repository], key=lambda one: one.date)
    )


def _place(seed: int, repository: str, name: str = "") -> str:
    return sha256(sha256(f"{seed}{repository}".encode()).digest() + name.encode()).hexdigest()


def _bases(archive: Archive, repository: RepositoryRecord, seed: int) -> list[Dated]:
    """Base commits of the drawn pull requests, each once."""
    pulls = {
        Dated(name=str(pull.number), date=pull.merged_at): pull
        for pull in archive.pull_requests(repository)
        if isinstance(pull, PullRequestRecord)
    }
    bases: dict[Dated, Dated] = {}

    def usable(one: Dated) -> bool:
        if base := _base(archive, repository, pulls[one]):
            bases[one] = base
        return base is not None

    return list(dict.fromkeys(bases[one] for one in draw(repository.name, pulls, seed=seed, usable=usable)))


def _base(archive: Archive, repository: RepositoryRecord, pull: PullRequestRecord) -> Dated | None:
    """The base commit, where the pull request could become an instance."""
    touched = archive.touched(repository, pull)
    if isinstance(touched, Drop):
        return None
    layout = TestLayout.of(touched.configuration)
    if no_test_change(touched.paths, layout) or no_code_change(touched.paths, layout):
        return None
    change = archive.change(repository, pull)
    return None if isinstance(change, Drop) else Dated(name=change.base_commit, date=change.base_committed_at)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    commit: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
    date: datetime
    half: Half = Half.TUNING


class _List(BaseModel):
    commit: Annotated[list[_Listed], Field(min_length=1)]
