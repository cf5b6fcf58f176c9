"""One git command on a bare repository that nobody trusts: hardened, limited, and its failures told apart.

A mirror's configuration, attributes and hooks come from elsewhere. Every call therefore overrides whatever could run a
program or change the output (hooks, pagers, external diffs, textconv, lazy fetching from a promisor remote), ignores
system and user configuration, allows no transport at all, and has a time limit and an output limit.
"""

import io
import os
import resource
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

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


def run_git(
    repository: Path,
    *arguments: str,
    stdin: Iterable[bytes] = (),
    timeout: float = TIMEOUT,
    limit: int = OUTPUT_LIMIT,
) -> bytes:
    """Run one git command on the bare repository, without any network, and return what it printed.

    Raises:
        BrokenRepository: git failed; the message is git's own.
        OutputTooLarge: it printed more than ``limit`` bytes.
        ForgeUnavailable: it took more than ``timeout`` seconds.
        DiskFull: no room left.
    """
    ended = execute(repository, arguments, stdin=stdin, timeout=timeout, limit=limit)
    if ended.exit_code != 0:
        doing = f"git {arguments[0]} in {repository}"
        raise BrokenRepository(ended.said.replace("\n", "; ") or f"{doing} failed with exit code {ended.exit_code}")
    return ended.output


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A git command that came to its end by itself."""

    output: bytes
    exit_code: int
    said: str
    """What it printed to stderr; of much, the two ends."""


def execute(
    repository: Path,
    arguments: Sequence[str],
    *,
    settings: Mapping[str, str] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
    stdin: Iterable[bytes] = (),
    timeout: float = TIMEOUT,
    limit: int = OUTPUT_LIMIT,
    keep: Sequence[int] = (),
    largest_file: int | None = None,
) -> Ended:
    """Run one hardened git command; what its exit code means is the caller's to say.

    Args:
        repository: the bare repository.
        arguments: git's command and its arguments.
        settings: more configuration; it lands in argv, where everybody on the machine can read it.
        environment: more environment variables, stronger than the hardening ones.
        stdin: what git reads.
        timeout: seconds.
        limit: bytes of output.
        keep: file descriptors that git inherits, such as a lock's: it is then held as long as git lives.
        largest_file: bytes; a program of git that writes a larger file is ended by SIGXFSZ.

    Raises:
        OutputTooLarge, ForgeUnavailable (time), DiskFull: as ``run_git``.
    """
    given_settings = [item for name, value in {**_SAFE, **settings}.items() for item in ("-c", f"{name}={value}")]
    command = ["git", "--no-pager", f"--git-dir={repository}", *given_settings, *arguments]
    doing = f"git {arguments[0]} in {repository}"
    with (
        boundary(ForgeUnavailable, doing, OSError),
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as complaints,
    ):
        for chunk in stdin:
            given.write(chunk)
        given.seek(0)
        files = _Files(stdin=given.fileno(), stderr=complaints.fileno(), keep=tuple(keep), largest=largest_file)
        ended = _run(command, files, {**_environment(), **environment}, timeout=timeout, limit=limit)
        said = _ends(complaints).decode("utf-8", "replace").strip()
    if "No space left on device" in said:
        raise DiskFull(f"{doing} failed: no space left (free some disk space and run again)")
    if ended.too_slow:
        raise ForgeUnavailable(f"{doing} took more than {timeout:.0f} seconds and was stopped")
    if ended.too_large:
        raise OutputTooLarge(f"{doing} printed more than {limit} bytes")
    return Ended(output=ended.output, exit_code=ended.exit_code, said=said)


@dataclass(frozen=True, kw_only=True)
class _Files:
    stdin: int
    stderr: int
    keep: tuple[int, ...]
    largest: int | None


@dataclass(frozen=True, kw_only=True)
class _Run:
    output: bytes
    exit_code: int
    too_slow: bool
    too_large: bool


def _run(command: Sequence[str], files: _Files, environment: Mapping[str, str], *, timeout: float, limit: int) -> _Run:
    try:
        process = subprocess.Popen(
            command,
            stdin=files.stdin,
            stdout=subprocess.PIPE,
            stderr=files.stderr,
            env=environment,
            pass_fds=files.keep,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ConfigurationError("git was not found: install it (apt-get install git)") from None
    if files.largest is not None:  # well before git has reached a server and started what writes
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (files.largest, files.largest))
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
    return _Run(output=output.getvalue(), exit_code=exit_code, too_slow=stopped.is_set(), too_large=too_large)


def _ends(complaints: BinaryIO) -> bytes:
    """What was written, at most 4 KiB: the first complaint and the last say most."""
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(0)
    if size <= 4096:
        return complaints.read()
    start = complaints.read(2048)
    complaints.seek(-2048, os.SEEK_END)
    return start + b"\n...\n" + complaints.read()


def _environment() -> Mapping[str, str]:
    # GIT_* of our own process (GIT_DIR of a hook, GIT_CONFIG_COUNT ...) must not reach these commands
    return {"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT}
