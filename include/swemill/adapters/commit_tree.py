"""What a repository holds at one commit, for those who infer how to install it: names, a few contents, submodules.

Shared by all forges, over their mirrors. Nothing is checked out or run, and everything is bounded: a repository decides
how many files it has, how large they are and what ``.gitmodules`` says.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping

from swemill.adapters.git_command import BrokenRepository
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.git_objects import REGULAR, SUBMODULE, TreeFile
from swemill.values import CommitTree, Submodule

LISTING_LIMIT = 128 << 20
"""Bytes of a listing; a tree that refers to itself many times over has few objects and no end of files."""
MOST_PATHS = 200_000
"""Of more files those nearest to the root are told."""
MOST_WANTED = 5_000
"""Of more wanted files those nearest to the root are read."""
FILE_LIMIT = 1 << 20
"""Bytes; a larger wanted file is left out."""
TOTAL_LIMIT = 32 << 20
"""Bytes of all wanted files together; the smallest are read first."""
_SUBMODULES_FILE = ".gitmodules"
_LONGEST_URL = 2048

Fill = Callable[[Iterable[str]], object]
"""Gets blobs by their ids, for a forge that does not have them yet."""


def commit_tree(
    mirror: GitMirror, commit: str, wanted: Callable[[str], bool], *, fill: Fill | None = None
) -> CommitTree:
    """The files and submodules at a commit, and the contents of the regular files that are ``wanted``.

    Files that no checkout could have (``..``, ``.git``) are left out, as are names that are no UTF-8; a symbolic link
    is a path without content. Contents that the mirror lacks are left out.

    Raises:
        BrokenRepository: the commit is not here; OutputTooLarge: its tree has no end.
    """
    loaded = mirror.load([commit])
    if not loaded:
        raise BrokenRepository(f"{mirror.path} does not have the commit {commit}")
    listed = listing(mirror, commit)
    regular = [file for file in listed if file.mode in REGULAR]
    chosen = _nearest([file for file in regular if wanted(file.path)], MOST_WANTED)
    if fill is not None:
        fill({file.oid for file in (*chosen, *_submodules_file(listed))})
    return CommitTree(
        commit=commit,
        committed_at=loaded[0].committed_at,
        paths=tuple(file.path for file in listed if file.mode != SUBMODULE),
        files=_contents(mirror, chosen),
        submodules=submodules_of(mirror, listed),
    )


def listing(mirror: GitMirror, commit: str) -> tuple[TreeFile, ...]:
    """The entries of a commit that a checkout could have, submodules included, sorted by path."""
    found = {file.path: file for file in mirror.tree(commit, limit=LISTING_LIMIT) if _is_plain(file.path)}
    return tuple(sorted(_nearest(list(found.values()), MOST_PATHS), key=lambda file: file.path))


def submodules_of(mirror: GitMirror, listed: Iterable[TreeFile]) -> tuple[Submodule, ...]:
    """The submodules that both the tree and its ``.gitmodules`` name, by path.

    URLs are as written, but for those that git itself refuses (they look like an option) and those that are no text.
    An unreadable ``.gitmodules`` names none. Source: git's documentation, gitmodules.
    """
    listed = tuple(listed)
    urls = {path: url for path, url in _named(mirror, listed) if _is_url(url)}
    links = (file for file in listed if file.mode == SUBMODULE and file.path in urls)
    return tuple(Submodule(path=file.path, url=urls[file.path], commit=file.oid) for file in links)


def _contents(mirror: GitMirror, files: Iterable[TreeFile]) -> Mapping[str, bytes]:
    """Contents by path, from the smallest file up to the limit of all together."""
    files = tuple(files)
    sizes = mirror.sizes(file.oid for file in files)
    readable = [file for file in files if sizes.get(file.oid, FILE_LIMIT + 1) <= FILE_LIMIT]
    chosen, total = [], 0
    for file in sorted(readable, key=lambda file: (sizes[file.oid], file.path)):
        total += sizes[file.oid]
        if total > TOTAL_LIMIT:
            break
        chosen.append(file)
    contents = mirror.blobs((file.oid for file in chosen), limit=FILE_LIMIT)
    return {file.path: contents[file.oid] for file in sorted(chosen, key=lambda file: file.path)}


def _submodules_file(listed: Iterable[TreeFile]) -> tuple[TreeFile, ...]:
    """The file that names submodules, where there is one; git does not follow a symbolic link in its place."""
    return tuple(file for file in listed if file.path == _SUBMODULES_FILE and file.mode in REGULAR)


def _named(mirror: GitMirror, listed: Iterable[TreeFile]) -> list[tuple[str, str]]:
    """Path and URL of each submodule that ``.gitmodules`` names; read by git, which then includes no other file."""
    files = _submodules_file(listed)
    if not any(size <= FILE_LIMIT for size in mirror.sizes(file.oid for file in files).values()):
        return []
    try:
        told = mirror.run("config", "--blob", files[0].oid, "--no-includes", "--null", "--list")
    except BrokenRepository:  # not in the form of git's configuration
        return []
    sections: dict[str, dict[str, str]] = {}
    for item in told.decode("utf-8", "replace").split("\0"):
        key, _, value = item.partition("\n")
        name, _, variable = key.rpartition(".")
        if name.startswith("submodule."):
            sections.setdefault(name, {})[variable] = value
    return [
        (section["path"].rstrip("/"), section["url"])
        for section in sections.values()
        if {"path", "url"} <= section.keys()
    ]


def _is_url(text: str) -> bool:
    return bool(text) and len(text) <= _LONGEST_URL and text.isprintable() and not text.startswith("-")


def _is_plain(path: str) -> bool:
    """Whether a path is text, relative, and without parts that git refuses to check out."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not any(part in ("", ".", "..") or part.casefold() == ".git" for part in path.split("/"))


def _nearest(files: list[TreeFile], most: int) -> list[TreeFile]:
    """All, or of more than ``most`` those nearest to the root."""
    if len(files) <= most:
        return files
    return heapq.nsmallest(most, files, key=lambda file: (file.path.count("/"), file.path))
