"""The files of a commit's submodules, to lie beside its snapshot: plain files, and no way to their repositories.

git itself is never asked to get a submodule: what ``.gitmodules`` says is only read. A URL counts where it names a
repository the way forges do, ``owner/name`` on a host; the forge then decides whether it has that, and the commit's id
in the tree decides whether it is the right one.
"""

import logging
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from swemill.adapters.commit_tree import listing, submodules_of
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.git_objects import REGULAR, TreeFile
from swemill.adapters.git_snapshot import PlainFile
from swemill.errors import SourceError
from swemill.values import Submodule

MOST_BYTES = 200 << 20
"""Of all submodules of a commit together. One that does not fit is left out whole."""
MOST_FILES = 20_000
"""Likewise."""
_MOST_TRIED = 100
"""Submodules, so that a repository cannot make us fetch for days."""
_LEVELS = 2
"""Submodules, and submodules of these."""
_WEB = ("http", "https")
_OTHERS = ("git", "ssh", "git+ssh")
_SHORT = re.compile(r"(?:[A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+):(?!/)([^:]+)")
"""``git@host:owner/name``"""
_PART = re.compile(r"[A-Za-z0-9_.-]{1,100}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a repository is: ``name`` is ``owner/name``, ``host`` may have a port."""

    host: str
    name: str


Open = Callable[[Place, str], GitMirror]
"""Gives a mirror that has this commit of that repository, contents included. Raises a SourceError where it cannot be
had, and an Infrastructure error where it may be had later."""


def place_of(url: str, parent: Place | None = None) -> Place | None:
    """The repository that a URL names, or one relative to that of ``parent``; None when it names none.

    Only the ways in which forges offer git: http, https, git, ssh. Credentials in a URL are ignored.
    """
    if url.startswith(("./", "../")):
        return _named(parent.host, posixpath.normpath(f"/{parent.name}/{url}")) if parent else None
    if short := _SHORT.fullmatch(url):
        return _named(short[1], short[2])
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if not host or parts.query or parts.fragment or parts.scheme not in (*_WEB, *_OTHERS):
        return None
    return _named(f"{host}:{port}" if port and parts.scheme in _WEB else host, parts.path)


def submodule_files(mirror: GitMirror, commit: str, *, place: Place | None, open_mirror: Open) -> tuple[PlainFile, ...]:
    """The regular files of all submodules of a commit that can be had, sorted by their paths in a checkout.

    A submodule that cannot be had is left out, with a line in the log, as are symbolic links.

    Args:
        mirror: where the commit is.
        commit: its id.
        place: where the repository is on its forge, for relative URLs.
        open_mirror: gives the repositories of submodules.

    Raises:
        Infrastructure: as ``open_mirror``.
    """
    gathering = _Gathering(open_mirror)
    gathering.add(mirror, listing(mirror, commit), place, "", _LEVELS)
    return tuple(file for _, file in sorted(gathering.files.items()))


class _Gathering:
    def __init__(self, open_mirror: Open) -> None:
        self.files: dict[str, PlainFile] = {}
        self._folders: set[str] = set()
        self._open = open_mirror
        self._bytes = 0
        self._tried = 0

    def add(
        self, mirror: GitMirror, listed: tuple[TreeFile, ...], place: Place | None, prefix: str, levels: int
    ) -> None:
        """Take the submodules of one commit, and ``levels - 1`` levels of theirs."""
        for submodule in submodules_of(mirror, listed):
            where = f"{prefix}{submodule.path}"
            try:
                inner, target = self._opened(submodule, place)
                inside = listing(inner, submodule.commit)
                self._take(inner, inside, where)
            except SourceError as error:
                log.warning("the submodule %r (%s) is left out: %s", where, submodule.commit, error)
                continue
            if levels > 1:
                self.add(inner, inside, target, f"{where}/", levels - 1)

    def _opened(self, submodule: Submodule, place: Place | None) -> tuple[GitMirror, Place]:
        self._tried += 1
        if self._tried > _MOST_TRIED:
            raise SourceError(f"more than {_MOST_TRIED} submodules")
        if (target := place_of(submodule.url, place)) is None:
            raise SourceError("its URL names no repository of a forge")
        return self._open(target, submodule.commit), target

    def _take(self, mirror: GitMirror, listed: tuple[TreeFile, ...], where: str) -> None:
        """Take all of a submodule's files or, when they do not fit or are not all here, none."""
        files = [file for file in listed if file.mode in REGULAR]
        sizes = mirror.sizes(file.oid for file in files)
        if lacking := sum(file.oid not in sizes for file in files):
            raise SourceError(f"its repository lacks the contents of {lacking} files")
        size = sum(sizes[file.oid] for file in files)
        if self._bytes + size > MOST_BYTES or len(self.files) + len(files) > MOST_FILES:
            limits = f"{MOST_BYTES >> 20} MiB and {MOST_FILES} files"
            raise SourceError(f"{len(files)} files of {size} bytes; all submodules may have {limits}")
        contents = mirror.blobs((file.oid for file in files), limit=MOST_BYTES)
        self._bytes += size
        for file in files:
            path = f"{where}/{file.path}"
            folders = [path[:at] for at, character in enumerate(path) if character == "/"]
            if path in self._folders or not self.files.keys().isdisjoint(folders):
                continue  # a hostile tree has a folder and a file of one name: not both can be written
            self._folders.update(folders)
            self.files[path] = PlainFile(path=path, data=contents[file.oid], is_executable=bool(file.mode & 0o111))


def _named(host: str, path: str) -> Place | None:
    owner, _, name = path.strip("/").removesuffix(".git").rstrip("/").partition("/")
    parts = (owner, name)
    if not all(_PART.fullmatch(part) and part not in (".", "..") for part in parts):
        return None
    return Place(host=host.lower(), name=f"{owner}/{name}")
