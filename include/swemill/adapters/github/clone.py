"""A blobless clone of one repository of GitHub: all commits and trees, and file contents in bulk when they are wanted.

git's own lazy fetching would ask for one content at a time, so it is off: what is missing is found out first, and
fetched together. Git traffic costs no quota of the API.

One process at a time fetches (a lock beside the mirror); reading needs no lock. The git that fetches inherits the lock,
so a killed worker's orphan is waited for, and what a killed git leaves behind is removed before the next fetch.
Nothing is ever pruned but references, so a commit that was here stays here.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from swemill.adapters.file_lock import only_one
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.git_objects import SUBMODULE
from swemill.adapters.git_snapshot import PlainFile
from swemill.adapters.github.git_fetch import NotOnServer, PackTooLarge, Remote, fetch, pull_numbers, repack
from swemill.errors import ForgeUnavailable, SourceError, boundary
from swemill.values import RepositoryRecord

OBJECTS_A_FETCH = 5000
"""Ids asked for at once."""
MOST_PACKS = 50
"""More packs than this are made into one: each fetch leaves one, and git looks into all of them."""
_LISTING_LIMIT = 32 << 20
"""Bytes of the listing of a commit whose size is limited."""
_ONE_BY_ONE = 3
"""References found missing one by one before all that exist are listed."""
_CONFIGURATION = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
"""Whole: that contents are missing is said to git on the command line, and only when it is to fetch."""
_BRANCHES_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


def clone_path(mirrors: Path, repository: RepositoryRecord) -> Path:
    """Where the clone of a repository lies: readable, safe on any disk, and the same after a rename on the forge."""
    identity = hashlib.sha256((repository.forge_id or repository.name).encode()).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", repository.name)[:80]
    return mirrors / "github" / f"{name}-{identity}.git"


class Clone(GitMirror):
    """The clone at ``path``, fetched from ``remote``.

    Methods that fetch raise RepositoryGone, ForgeUnavailable, ConfigurationError and DiskFull (see ``fetch``).
    """

    def __init__(self, path: Path, remote: Remote) -> None:
        super().__init__(path)
        self._remote = remote

    def is_made(self) -> bool:
        """Whether there is anything to read."""
        return (self.path / "HEAD").is_file()

    def missing(self, oids: Iterable[str]) -> list[str]:
        """Those of the objects that are not here."""
        wanted = list(dict.fromkeys(oids))
        if not self.is_made():
            return wanted
        here = self.sizes(wanted)
        return [oid for oid in wanted if oid not in here]

    def refresh(self) -> None:
        """Fetch all branches and tags as they are now; make the clone where there is none.

        Deleted branches are forgotten (a branch ``a/b`` could not be made beside an old ``a``); their commits stay.
        """
        with self._alone() as lock:
            fetch(self.path, self._remote, "--prune", "--force", wanted=_BRANCHES_AND_TAGS, keep=[lock])

    def bring_heads(self, numbers: Iterable[int]) -> set[int]:
        """Fetch the heads of pull requests; returns the numbers whose head the forge does not have."""
        left = {f"refs/pull/{number}/head": number for number in numbers}
        absent: set[int] = set()
        with self._alone() as lock:
            while left:
                try:
                    fetch(self.path, self._remote, wanted=[f"+{name}:{name}" for name in left], keep=[lock])
                    break
                except NotOnServer as error:
                    if error.name not in left:
                        raise ForgeUnavailable(f"{error}, which nobody asked for; try again later") from None
                    absent.add(left.pop(error.name))
                if len(absent) == _ONE_BY_ONE and left:
                    known = pull_numbers(self.path, self._remote)
                    absent |= set(left.values()) - known
                    left = {name: number for name, number in left.items() if number in known}
        return absent

    def bring_commits(self, oids: Iterable[str]) -> set[str]:
        """Fetch commits by their ids, for those that no reference leads to; returns the ids that the forge lacks."""
        with self._alone() as lock:
            return self._bring_objects(self.missing(oids), lock, plain=False)

    def fill(self, oids: Iterable[str]) -> set[str]:
        """Fetch file contents by their ids, in bulk, where they are not here; returns the ids that the forge lacks."""
        if not (wanted := self.missing(oids)):
            return set()
        absent: set[str] = set()
        with self._alone() as lock:
            for some in _portions(self.missing(wanted), OBJECTS_A_FETCH):
                absent |= self._bring_objects(some, lock, plain=True)
        return absent

    def snapshot(self, oid: str, *, submodules: Sequence[PlainFile] = ()) -> bytes:
        """See ``GitMirror.snapshot``; the contents of its files are fetched first."""
        self.fill_whole(oid)
        return super().snapshot(oid, submodules=submodules)

    def fill_whole(self, oid: str) -> None:
        """Fetch the contents of all files of a commit."""
        self.fill(file.oid for file in self.tree(oid) if file.mode != SUBMODULE)

    def bring_alone(self, oid: str, *, most_files: int, most_bytes: int) -> None:
        """Fetch one commit with its contents and without its history, into a clone that is only for such commits.

        Raises NotOnServer and, where the commit is larger than allowed, a SourceError; that is remembered.
        """
        is_too_large = self.path / f"too-large-{most_bytes}-{oid}"
        with self._alone() as lock:
            if is_too_large.is_file():
                raise PackTooLarge(f"{self._remote.url} at {oid} is known to be larger than {most_bytes} bytes")
            try:
                if self.missing([oid]):
                    fetch(self.path, self._remote, "--depth=1", wanted=[oid], keep=[lock], most_bytes=most_bytes)
                files = [file for file in self.tree(oid, limit=_LISTING_LIMIT) if file.mode != SUBMODULE]
                if len(files) > most_files:
                    raise SourceError(f"{self._remote.url} has {len(files)} files at {oid}, of {most_files} at most")
                for some in _portions(self.missing(file.oid for file in files), OBJECTS_A_FETCH):
                    self._bring_objects(some, lock, plain=True, most_bytes=most_bytes)
            except PackTooLarge:
                self._remove_leftovers()
                is_too_large.touch()
                raise

    def _bring_objects(self, oids: Iterable[str], lock: int, *, plain: bool, most_bytes: int | None = None) -> set[str]:
        left = dict.fromkeys(oids)
        absent: set[str] = set()
        while left:
            try:
                fetch(self.path, self._remote, wanted=left, keep=[lock], plain=plain, most_bytes=most_bytes)
                break
            except NotOnServer as error:
                if error.name not in left:
                    raise ForgeUnavailable(f"{error}, which nobody asked for; try again later") from None
                absent.add(error.name)
                del left[error.name]
        return absent

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The lock to fetch under, the mirror made and free of what a killed git left; tidied at the end."""
        with ExitStack() as held:
            with boundary(ForgeUnavailable, f"locking {self.path}", OSError):
                lock = held.enter_context(only_one(self.path.with_suffix(".lock")))
                self._make()
                self._remove_leftovers()
            yield lock
            self.run("pack-refs", "--all")
            if len(list((self.path / "objects" / "pack").glob("*.pack"))) > MOST_PACKS:
                repack(self.path, keep=[lock])

    def _make(self) -> None:
        """Make the mirror whole or not at all, since others may read it; and give it back its own configuration."""
        if not self.is_made():
            draft = self.path.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            GitMirror.create(draft)
            (draft / "config").write_text(_CONFIGURATION)
            draft.rename(self.path)
        elif not (config := self.path / "config").is_file() or config.read_bytes() != _CONFIGURATION.encode():
            (self.path / "config.new").write_text(_CONFIGURATION)
            (self.path / "config.new").replace(config)

    def _remove_leftovers(self) -> None:
        packs = self.path / "objects" / "pack"
        patterns = ((self.path, "*.lock"), (self.path / "refs", "**/*.lock"), (packs, "tmp_*"), (packs, "*.keep"))
        for folder, pattern in (*patterns, (self.path / "objects", "??/tmp_*"), (packs, ".tmp-*")):
            for path in list(folder.glob(pattern)):
                path.unlink(missing_ok=True)


def _portions(items: list[str], size: int) -> Iterator[list[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
