"""One bare git repository, read by the real git: what the forges share.

A mirror is untrusted data; every question goes through the hardened ``run_git``. Only plumbing commands are used, so
that what they print depends on the objects alone.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swemill.adapters.git_command import OUTPUT_LIMIT, TIMEOUT, BrokenRepository, run_git
from swemill.adapters.git_objects import Commit, Entry, TreeFile, parse_commit, parse_entries, parse_tree
from swemill.adapters.git_snapshot import PlainFile, make_bare_repository, snapshot_of
from swemill.adapters.kept import Kept

_KEPT_CONTENTS = 32 << 20
"""Bytes of contents that are kept in memory: configuration and licence files, which hardly ever change."""
_KEPT_ENTRIES = 100_000
"""Changed paths, and entries of roots, that are kept in memory."""
_KEPT_SIZES = 1_000_000
"""Ids of objects that are known to be here."""


class GitMirror:
    """A bare repository at ``path``. Methods raise BrokenRepository, ForgeUnavailable (time limit) or DiskFull."""

    def __init__(self, path: Path, *, timeout: float = TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout
        self._loaded: dict[str, Commit] = {}
        self._tops: Kept[str, tuple[TreeFile, ...]] = Kept(_KEPT_ENTRIES)
        self._entries: Kept[tuple[str, str], tuple[Entry, ...]] = Kept(_KEPT_ENTRIES)
        self._sizes: Kept[str, int] = Kept(_KEPT_SIZES)
        self._contents: Kept[str, bytes] = Kept(_KEPT_CONTENTS)

    # --- asking --------------------------------------------------------------------------------------------------

    def trouble(self) -> str | None:
        """Why this is no usable repository, in a few words, or None. Looks at its form and at the tip of HEAD."""
        for part, kind in (("HEAD", Path.is_file), ("objects", Path.is_dir), ("refs", Path.is_dir)):
            if not kind(self.path / part):
                return f"{part} is missing: not a bare git repository, or copied only in part"
        try:
            self.run("ls-tree", "-r", "--name-only", "HEAD")
        except BrokenRepository as error:
            return f"HEAD cannot be read: empty, or copied only in part ({error})"
        return None

    def exists(self, oid: str) -> bool:
        """Whether the commit is here, with its tree."""
        if not is_oid(oid):
            return False
        if oid in self._loaded:
            return True
        try:
            self.run("cat-file", "-e", f"{oid}^{{tree}}")
        except BrokenRepository:
            return False
        return True

    def resolve(self, name: str) -> str | None:
        """The commit that a full reference name (``HEAD``, ``refs/...``) stands for, or None."""
        try:
            return (
                self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
            )
        except BrokenRepository:
            return None

    def default_branch(self) -> str:
        """Short name of the branch that HEAD points to; ``HEAD`` when it is detached."""
        try:
            return self.run("symbolic-ref", "--short", "HEAD").decode("utf-8", "replace").strip()
        except BrokenRepository:
            return "HEAD"

    def commit(self, oid: str) -> Commit:
        """One commit."""
        return self._loaded.get(oid) or next(self.log("--no-walk", oid))

    def load(self, oids: Iterable[str]) -> list[Commit]:
        """Read many commits at once, and remember them; returns those that are here, with their trees."""
        asked_for = list(dict.fromkeys(oids))
        if wanted := [oid for oid in asked_for if is_oid(oid) and oid not in self._loaded]:
            asked = (f"{oid}^{{tree}}\n".encode() for oid in wanted)
            answers = self.run("cat-file", "--batch-check=%(objecttype)", stdin=asked).split(b"\n")
            here = [oid for oid, answer in zip(wanted, answers, strict=False) if answer == b"tree"]
            if here:
                names = (f"{oid}\n".encode() for oid in here)
                records = self.run("rev-list", "--header", "--no-walk=unsorted", "--stdin", stdin=names).split(b"\0")
                self._loaded |= {one.oid: one for one in (parse_commit(record) for record in records if record.strip())}
        return [self._loaded[oid] for oid in asked_for if oid in self._loaded]

    def log(self, *selection: str) -> Iterator[Commit]:
        """The commits that ``git rev-list`` selects, in its order."""
        records = self.run("rev-list", "--header", *selection, "--").split(b"\0")
        return (parse_commit(record) for record in records if record.strip())

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits, or None when the histories share none (as far as they are here)."""
        try:
            return self.run("merge-base", one, other).decode().strip()
        except BrokenRepository:
            return None

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``old`` is ``new`` or reachable from it."""
        return self.merge_base(old, new) == old

    def entries(self, base: str, head: str) -> tuple[Entry, ...]:
        """What differs between two commits, by path, without looking into any file. Submodules are left out."""
        if (kept := self._entries.get((base, head))) is not None:
            return kept
        options = ("-r", "-z", "--raw", "--full-index", "--no-abbrev", "--no-renames")
        found = parse_entries(self.run("diff-tree", *options, base, head))
        self._entries.put((base, head), found, len(found) + 1)
        return found

    def diff(
        self, base: str, head: str, *, exclude: Sequence[str] = (), only: Sequence[str] = (), limit: int = OUTPUT_LIMIT
    ) -> bytes:
        """The change between two commits such that ``git apply`` reproduces the head's tree, byte for byte.

        Without rename detection: each section then names one path, so that a change can be divided by path and its
        parts applied in any order. Submodules are left out: their content is not here.

        Args:
            base: the old commit.
            head: the new commit.
            exclude: paths to leave out.
            only: paths to show; empty shows all.
            limit: bytes; a larger diff raises OutputTooLarge.
        """
        options = "-r -p --binary --full-index --no-renames --no-ext-diff --no-textconv --no-color --unified=3"
        fixed = "--src-prefix=a/ --dst-prefix=b/ --diff-algorithm=myers --ignore-submodules=all --no-relative"
        paths = [f":(top,literal){path}" for path in only] or (["."] if exclude else [])
        paths += [f":(exclude,top,literal){path}" for path in exclude]
        return self.run("diff-tree", *options.split(), *fixed.split(), base, head, "--", *paths, limit=limit)

    def top(self, oid: str) -> tuple[TreeFile, ...]:
        """The entries at the root of a commit, folders included (mode 0o40000)."""
        if (kept := self._tops.get(oid)) is not None:
            return kept
        found = parse_tree(self.run("ls-tree", "-z", "--full-tree", oid))
        self._tops.put(oid, found, len(found) + 1)
        return found

    def tree(self, oid: str, *, limit: int = OUTPUT_LIMIT) -> tuple[TreeFile, ...]:
        """All files of a commit, submodules included. A listing of more than ``limit`` bytes raises OutputTooLarge."""
        return parse_tree(self.run("ls-tree", "-r", "-z", "--full-tree", oid, limit=limit))

    def files(self, oid: str) -> tuple[str, ...]:
        """Paths of all files of a commit (undecodable bytes as surrogates)."""
        return tuple(file.path for file in self.tree(oid))

    def read(self, oid: str, path: str, *, limit: int = 16 << 20) -> bytes:
        """Content of one file of a commit."""
        return self.run("cat-file", "blob", f"{oid}:{path}", limit=limit)

    def sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each object that is here; the others are absent."""
        wanted = dict.fromkeys(oids)
        found = {oid: size for oid in wanted if (size := self._sizes.get(oid)) is not None}
        if len(found) == len(wanted):
            return found
        asked = (f"{oid}\n".encode() for oid in wanted if oid not in found)
        lines = self.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).decode().splitlines()
        for oid, told in (line.split(" ") for line in lines):
            if told.isdigit():
                found[oid] = int(told)
                self._sizes.put(oid, int(told), 1)
        return found

    def blobs(self, oids: Iterable[str], *, limit: int) -> dict[str, bytes]:
        """Content of each object that is here and has at most ``limit`` bytes."""
        small = [oid for oid, size in self.sizes(oids).items() if size <= limit]
        found = {oid: content for oid in small if (content := self._contents.get(oid)) is not None}
        if len(found) == len(small):
            return found
        asked = (f"{oid}\n".encode() for oid in small if oid not in found)
        stream = io.BytesIO(self.run("cat-file", "--batch=%(objectname) %(objectsize)", stdin=asked))
        while header := stream.readline().decode().split():
            found[header[0]] = read = stream.read(int(header[1]))
            self._contents.put(header[0], read, len(read))
            stream.read(1)  # a line feed follows each content
        return found

    # --- making --------------------------------------------------------------------------------------------------

    def snapshot(self, oid: str, *, submodules: Sequence[PlainFile] = ()) -> bytes:
        """A tar with one commit and nothing else but files of ``submodules``, for a sandbox (see ``snapshot_of``)."""
        return snapshot_of(self.path, oid, submodules=submodules, timeout=self._timeout)

    @classmethod
    def create(cls, path: Path, *, timeout: float = TIMEOUT) -> "GitMirror":
        """Make an empty bare repository (see ``make_bare_repository``)."""
        make_bare_repository(path)
        return cls(path, timeout=timeout)

    # --- running git ---------------------------------------------------------------------------------------------

    def run(self, *arguments: str, stdin: Iterable[bytes] = (), limit: int = OUTPUT_LIMIT) -> bytes:
        """Run one git command on this repository and return what it printed (see ``run_git`` for the errors)."""
        return run_git(self.path, *arguments, stdin=stdin, timeout=self._timeout, limit=limit)


def is_oid(text: str) -> bool:
    """Whether a text has the form of a full object id, and so can be nothing else to git."""
    return len(text) in (40, 64) and all(character in "0123456789abcdef" for character in text)
