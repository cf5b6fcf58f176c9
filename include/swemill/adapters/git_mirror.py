"""One bare git repository, read by the real git in a hardened environment: what the forges share.

A mirror is untrusted data: its configuration, attributes and hooks come from elsewhere. Every call therefore overrides
whatever could run a program or change the output (hooks, pagers, external diffs, textconv, lazy fetching from a
promisor remote), ignores system and user configuration, allows no transport at all, and has a time limit and an output
limit. Only plumbing commands are used, so that what they print depends on the objects alone.
"""

import io
import os
import signal
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from swemill.errors import ConfigurationError, DiskFull, ForgeUnavailable, SourceError, boundary

TIMEOUT = 600.0
"""Seconds one git command may take."""
OUTPUT_LIMIT = 1 << 30
"""Bytes one git command may print."""

_SAFE = {
    "safe.directory": "*",  # a mirror may belong to another user; nothing it configures is obeyed anyway
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.bare": "true",
    "core.quotePath": "true",
    "core.commitGraph": "false",  # a stale one lies about parents
    "core.logAllRefUpdates": "false",
    "diff.suppressBlankEmpty": "false",
    "diff.renames": "false",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "diff.indentHeuristic": "true",
    "diff.interHunkContext": "0",
    "diff.context": "3",
    "gc.auto": "0",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "pack.compression": "6",
    "pack.writeReverseIndex": "false",
    "protocol.allow": "never",
}
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",  # not even file: a promisor remote in a mirror's config names a program to run
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": f"{os.devnull}/none",  # an existing file makes git print advice
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "HOME": os.devnull,
    "LC_ALL": "C",
}


class BrokenRepository(SourceError):
    """git cannot read the repository, or not the object asked for: half-copied, damaged or not a repository."""


class OutputTooLarge(SourceError):
    """git's output exceeds the limit given."""


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
        """A tar with a bare, shallow repository ``repo.git`` whose only commit is ``oid``, on ``main``.

        It holds the commit and its tree and nothing else: no other object, remote, tag or reflog, so that nothing of
        the future can be found in it. Deltas are not reused, so the bytes depend on the commit alone.
        """
        wanted = self.run("rev-list", "--objects", "--no-object-names", f"{oid}^{{tree}}")
        packing = ("--stdout", "--window=0", "--no-reuse-delta", "--no-reuse-object", "--quiet", "--threads=1")
        pack = self.run("pack-objects", *packing, stdin=[f"{oid}\n".encode(), wanted])
        with boundary(ForgeUnavailable, "making a snapshot", OSError), tempfile.TemporaryDirectory() as folder:
            target = GitMirror.create(Path(folder) / "repo.git", timeout=self._timeout)
            target.run("index-pack", "--stdin", stdin=[pack])
            (target.path / "shallow").write_text(f"{oid}\n")
            (target.path / "refs" / "heads" / "main").write_text(f"{oid}\n")
            return _tar(target.path)

    @classmethod
    def create(cls, path: Path, *, timeout: float = TIMEOUT) -> "GitMirror":
        """Make an empty bare repository by hand: no template, no hook, nothing that depends on the machine."""
        with boundary(ForgeUnavailable, f"making the repository {path}", OSError):
            for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
                (path / folder).mkdir(parents=True, exist_ok=True)
            (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")
            (path / "HEAD").write_text("ref: refs/heads/main\n")
        return cls(path, timeout=timeout)

    # --- running git ---------------------------------------------------------------------------------------------

    def run(self, *arguments: str, stdin: Iterable[bytes] = (), limit: int = OUTPUT_LIMIT) -> bytes:
        """Run one git command on this repository and return what it printed.

        Raises:
            BrokenRepository: git failed; the message is git's own.
            OutputTooLarge: it printed more than ``limit`` bytes.
            ForgeUnavailable: it ran into the time limit.
            DiskFull: no room left.
        """
        settings = [item for name, value in _SAFE.items() for item in ("-c", f"{name}={value}")]
        command = ["git", "--no-pager", f"--git-dir={self.path}", *settings, *arguments]
        doing = f"git {arguments[0]} in {self.path}"
        with (
            boundary(ForgeUnavailable, doing, OSError),
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as complaints,
        ):
            for chunk in stdin:
                given.write(chunk)
            given.seek(0)
            ended = _run(command, given.fileno(), complaints.fileno(), timeout=self._timeout, limit=limit)
            complaints.seek(0)
            said = complaints.read(4096).decode("utf-8", "replace").strip()
        if "No space left on device" in said:
            raise DiskFull(f"{doing} failed: no space left (free some disk space and run again)")
        if ended.too_slow:
            raise ForgeUnavailable(f"{doing} took more than {self._timeout:.0f} seconds and was stopped")
        if ended.too_large:
            raise OutputTooLarge(f"{doing} printed more than {limit} bytes")
        if ended.exit_code != 0:
            raise BrokenRepository(said.replace("\n", "; ") or f"{doing} failed with exit code {ended.exit_code}")
        return ended.output


@dataclass(frozen=True, kw_only=True)
class _Ended:
    output: bytes
    exit_code: int
    too_slow: bool
    too_large: bool


def _run(command: Sequence[str], stdin: int, stderr: int, *, timeout: float, limit: int) -> _Ended:
    try:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ConfigurationError("git was not found: install it (apt-get install git)") from None
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        os.killpg(process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own

    timer = threading.Timer(timeout, stop)
    timer.start()
    output = io.BytesIO()
    assert process.stdout is not None
    try:
        while output.tell() <= limit and (chunk := process.stdout.read(1 << 16)):
            output.write(chunk)
        too_large = output.tell() > limit
        if too_large:
            os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.stdout.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended but not reaped: a late timer hits nobody else
        timer.cancel()
        timer.join()
        exit_code = process.wait()
    return _Ended(output=output.getvalue(), exit_code=exit_code, too_slow=stopped.is_set(), too_large=too_large)


def _environment() -> Mapping[str, str]:
    # GIT_* of our own process (GIT_DIR of a hook, GIT_CONFIG_COUNT ...) must not reach these commands
    return {"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT}


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


def _tar(folder: Path) -> bytes:
    """A tar whose bytes depend on names and contents alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in (folder, *sorted(folder.rglob("*"))):
            info = tarfile.TarInfo(str(path.relative_to(folder.parent)))
            if path.is_dir():
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                data = path.read_bytes()
                info.size, info.mode = len(data), 0o644
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
