"""The gate that no instance's image passes with anything in it that came after the base commit.

A model that finds the fix in an object, a tag, a reflog or another clone need not write it, and what it then does is
worth nothing as training data. Builds run foreign code, so their own word is not taken: the listing is made from
outside, in a fresh sandbox of the finished image, by programs and texts that a build cannot have changed. What it may
find there is the base commit with its ancestors, on one branch, checked out; everything else is a leak.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from typing import Any

BRANCH = "refs/heads/main"
"""The one reference that a checkout may have."""
_TEXTS = ("leak_files", "leak_search", "leak_listing")
_SHOWN = 200

START = """\
import json, sys, types
for name, text in json.load(sys.stdin):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main()
"""
"""Runs ``texts`` from standard input: no file that they could be changed in."""


class LeakKind(StrEnum):
    """What kind of thing leaks, or keeps the gate from telling."""

    OBJECT = "object"
    """A commit, tag, tree or blob that does not belong to the base commit, reachable or not."""
    REFERENCE = "reference"
    """A tag, a stash, a remote's branch, another branch; also HEAD when it is not at the base commit."""
    REFLOG = "reflog"
    OPERATION = "operation"
    """What a fetch, merge or reset leaves: FETCH_HEAD, ORIG_HEAD, MERGE_HEAD ..."""
    REMOTE = "remote"
    """A setting that names another repository: remotes, submodules, rewritten URLs."""
    SETTING = "setting"
    """A setting that changes what git takes for the repository: includes, ``core.worktree``, extensions."""
    ALTERNATE = "alternate"
    REPLACEMENT = "replacement"
    """Replaced objects and grafts."""
    WORKTREE = "worktree"
    SUBMODULE = "submodule"
    """History of a submodule."""
    PARTIAL = "partial"
    """A pack whose missing objects a remote has promised."""
    SHALLOW = "shallow"
    """History is cut at a commit that is not the base commit's."""
    PACK = "pack"
    """A pack or object that does not hold what its index or name says."""
    STRAY = "stray"
    """A file in ``.git`` that a checkout does not need, a link among them."""
    INDEX = "index"
    """The index differs from the base commit."""
    TREE = "tree"
    """A tracked file differs from the base commit."""
    REPOSITORY = "repository"
    """Another repository, pack, bundle or object elsewhere in the image."""
    UNREADABLE = "unreadable"
    """A folder or file that a build has closed."""
    UNLISTABLE = "unlistable"
    """No repository, or one that git cannot list."""


@dataclass(frozen=True, kw_only=True)
class Leak:
    """One thing that must not be in the image."""

    kind: LeakKind
    detail: str
    """What and where; printable, whatever the repository calls it."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Lists of findings by name: the first of each, and how many there were."""

    items: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RepositoryListing(Listed):
    """What one checkout's repository holds (see ``leak_listing``)."""

    path: str
    head: str
    """Contents of ``HEAD``."""
    problem: str = ""
    """Why it could not be listed to its end."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What an image holds of git's."""

    repositories: tuple[RepositoryListing, ...]
    elsewhere: Listed = Listed()


def texts() -> bytes:
    """The programs that make the listing, for the standard input of ``START``."""
    folder = resources.files("swemill.environment")
    return json.dumps(
        [(f"swemill.environment.{name}", folder.joinpath(f"{name}.py").read_text("utf-8")) for name in _TEXTS]
    ).encode()


def request(base_commit: str, *, repositories: Sequence[str], search: Sequence[str], skip: Sequence[str]) -> str:
    """The argument of ``START`` (see ``leak_listing.main``)."""
    return json.dumps({"base": base_commit, "repositories": repositories, "search": search, "skip": skip})


def read_listing(answer: bytes) -> Listing:
    """The listing from what the programs wrote. Raises ValueError when that is none: they broke off."""
    lines = answer.splitlines()
    if not lines:
        raise ValueError("no listing was written")
    try:
        found = json.loads(lines[-1])
        return Listing(
            repositories=tuple(RepositoryListing(**listed) for listed in found["repositories"]),
            elsewhere=Listed(**found["elsewhere"]),
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"this is no listing: {error}") from error


def leaks(listing: Listing, base_commit: str) -> tuple[Leak, ...]:
    """Everything in the image that is not the base commit's; empty: the gate is passed."""
    found = [leak for repository in listing.repositories for leak in _of_repository(repository, base_commit)]
    found += _told(LeakKind.REPOSITORY, listing.elsewhere, "repositories")
    found += _told(LeakKind.REPOSITORY, listing.elsewhere, "files")
    found += _told(LeakKind.UNREADABLE, listing.elsewhere, "unreadable")
    if not listing.repositories:
        found.append(Leak(kind=LeakKind.UNLISTABLE, detail="the image has no checkout"))
    return tuple(found)


_WHOLE_LISTS = {
    "objects": LeakKind.OBJECT,
    "reflogs": LeakKind.REFLOG,
    "alternates": LeakKind.ALTERNATE,
    "promisors": LeakKind.PARTIAL,
    "shallow": LeakKind.SHALLOW,
    "packs": LeakKind.PACK,
    "staged": LeakKind.INDEX,
    "changed": LeakKind.TREE,
}
"""Lists of the listing that hold leaks and nothing else."""


def _of_repository(listed: RepositoryListing, base_commit: str) -> Iterator[Leak]:
    if listed.problem:
        yield _leak(LeakKind.UNLISTABLE, f"{listed.path}: {listed.problem}")
    for name, kind in _WHOLE_LISTS.items():
        yield from _told(kind, listed, name)
    refs: Mapping[str, str] = dict(listed.items.get("refs", ()))
    if not listed.problem and listed.head != base_commit:
        named = listed.head.removeprefix("ref:").strip()
        if named != BRANCH or refs.get(named) != base_commit:
            yield _leak(LeakKind.REFERENCE, f"HEAD is {listed.head}")
    for name, value in listed.items.get("refs", ()):
        if name != BRANCH or value != base_commit:
            replaces = name.startswith("refs/replace/")
            yield _leak(LeakKind.REPLACEMENT if replaces else LeakKind.REFERENCE, f"{name} is {value}")
    for name in listed.items.get("unusual", ()):
        yield _leak(_kind_of_file(name), f".git/{name}")
    for key, value in listed.items.get("settings", ()):
        if (leaking := _kind_of_setting(key)) is not None:
            yield _leak(leaking, f"{key} = {value}")
    for name in ("refs", "unusual", "settings"):
        yield from _rest(LeakKind.STRAY, listed, name)


def _kind_of_file(name: str) -> LeakKind:
    """What a file that ``.git`` of a fresh checkout does not have tells of."""
    first = name.partition("/")[0]
    if first == "modules":
        return LeakKind.SUBMODULE
    if first in ("worktrees", "commondir", "gitdir"):
        return LeakKind.WORKTREE
    if name == "info/grafts":
        return LeakKind.REPLACEMENT
    if first.isupper() or first.startswith(("rebase-", "sequencer")):
        return LeakKind.OPERATION
    return LeakKind.STRAY


def _kind_of_setting(key: str) -> LeakKind | None:
    """What a setting leaks; None for those that say nothing of another place. Keys are as git lists them."""
    section = key.partition(".")[0]
    if section in ("remote", "remotes", "branch", "url", "submodule", "lfs"):
        return LeakKind.REMOTE
    if section in ("include", "includeif") or key in ("core.worktree", "config", "config.worktree"):
        return LeakKind.SETTING
    if section == "extensions" and key not in ("extensions.objectformat",):
        return LeakKind.SETTING
    return None


def _told(kind: LeakKind, listed: Listed, name: str) -> Iterator[Leak]:
    """One leak an item of a list, and one for the rest."""
    for item in listed.items.get(name, ()):
        yield _leak(kind, item if isinstance(item, str) else " ".join(item))
    yield from _rest(kind, listed, name)


def _rest(kind: LeakKind, listed: Listed, name: str) -> Iterator[Leak]:
    more = listed.counts.get(name, 0) - len(listed.items.get(name, ()))
    if more > 0:
        yield Leak(kind=kind, detail=f"and {more} more {name}")


def _leak(kind: LeakKind, text: str) -> Leak:
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return Leak(kind=kind, detail=shown[:_SHOWN])
