"""One bare git repository, read by the real git: what the forges share.

A mirror is untrusted data; every question goes through the hardened ``run_git``. Only plumbing commands are used, so
that what they print depends on the objects alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from swemill.adapters.git_command import OUTPUT_LIMIT, TIMEOUT, BrokenRepository, run_git
from swemill.adapters.git_snapshot import make_bare_repository, snapshot_of


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit, as its object says."""

    oid: str
    parents: tuple[str, ...]
    authored_at: datetime
    committed_at: datetime
    message: str


class GitMirror:
    """A bare repository at ``path``. Methods raise BrokenRepository, ForgeUnavailable (time limit) or DiskFull."""

    def __init__(self, path: Path, *, timeout: float = TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout

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
        if not _is_oid(oid):
            return False
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
        return next(self.log("--no-walk", oid))

    def log(self, *selection: str) -> Iterator[Commit]:
        """The commits that ``git rev-list`` selects, in its order."""
        records = self.run("rev-list", "--header", *selection, "--").split(b"\0")
        return (_parse_commit(record) for record in records if record.strip())

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits, or None when the histories share none (as far as they are here)."""
        try:
            return self.run("merge-base", one, other).decode().strip()
        except BrokenRepository:
            return None

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether ``old`` is ``new`` or reachable from it."""
        return self.merge_base(old, new) == old

    def patch_id(self, commit: Commit) -> str:
        """Identity of what a commit changes, independent of where it stands; empty for a commit without a change."""
        diff = self.diff(commit.parents[0], commit.oid) if commit.parents else b""
        return self.run("patch-id", "--stable", stdin=[diff]).split(b" ")[0].decode().strip()

    def diff(self, base: str, head: str, *, exclude: Sequence[str] = (), limit: int = OUTPUT_LIMIT) -> bytes:
        """The change between two commits such that ``git apply`` reproduces the head's tree, byte for byte.

        Without rename detection: each section then names one path, so that a change can be divided by path and its
        parts applied in any order. Submodules are left out: their content is not here.

        Args:
            base: the old commit.
            head: the new commit.
            exclude: paths to leave out.
            limit: bytes; a larger diff raises OutputTooLarge.
        """
        options = "-r -p --binary --full-index --no-renames --no-ext-diff --no-textconv --no-color --unified=3"
        fixed = "--src-prefix=a/ --dst-prefix=b/ --diff-algorithm=myers --ignore-submodules=all --no-relative"
        paths = [".", *(f":(exclude,top,literal){path}" for path in exclude)] if exclude else []
        return self.run("diff-tree", *options.split(), *fixed.split(), base, head, "--", *paths, limit=limit)

    def files(self, oid: str) -> tuple[str, ...]:
        """Paths of all files of a commit (undecodable bytes as surrogates)."""
        listed = self.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", oid)
        return tuple(path.decode("utf-8", "surrogateescape") for path in listed.split(b"\0") if path)

    def read(self, oid: str, path: str, *, limit: int = 16 << 20) -> bytes:
        """Content of one file of a commit."""
        return self.run("cat-file", "blob", f"{oid}:{path}", limit=limit)

    # --- making --------------------------------------------------------------------------------------------------

    def snapshot(self, oid: str) -> bytes:
        """A tar with one commit and nothing else, for a sandbox (see ``snapshot_of``)."""
        return snapshot_of(self.path, oid, timeout=self._timeout)

    @classmethod
    def create(cls, path: Path, *, timeout: float = TIMEOUT) -> "GitMirror":
        """Make an empty bare repository (see ``make_bare_repository``)."""
        make_bare_repository(path)
        return cls(path, timeout=timeout)

    # --- running git ---------------------------------------------------------------------------------------------

    def run(self, *arguments: str, stdin: Iterable[bytes] = (), limit: int = OUTPUT_LIMIT) -> bytes:
        """Run one git command on this repository and return what it printed (see ``run_git`` for the errors)."""
        return run_git(self.path, *arguments, stdin=stdin, timeout=self._timeout, limit=limit)


def _is_oid(text: str) -> bool:
    return len(text) in (40, 64) and all(character in "0123456789abcdef" for character in text)


def _parse_commit(record: bytes) -> Commit:
    head, _, body = record.partition(b"\n\n")
    oid, *headers = head.decode("utf-8", "replace").lstrip("\n").split("\n")
    values = [line.partition(" ") for line in headers]
    times = {key: _time(value) for key, _, value in values if key in ("author", "committer")}
    message = "\n".join(line.removeprefix("    ") for line in body.decode("utf-8", "replace").split("\n"))
    return Commit(
        oid=oid,
        parents=tuple(value for key, _, value in values if key == "parent"),
        authored_at=times["author"],
        committed_at=times["committer"],
        message=message.strip("\n").replace("\0", ""),
    )


def _time(person: str) -> datetime:
    seconds = int(person.rsplit(" ", 2)[-2])
    return datetime.fromtimestamp(min(max(seconds, 0), 253402300799), UTC)
