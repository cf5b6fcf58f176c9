"""Starts, recognises and stops the long-lived processes of the embedded set-up.

A pid alone says nothing after a crash or a reboot: numbers are reused. A process is identified by its pid, its start
time and the boot it belongs to, so that nothing is ever stopped that was not started here. Each service also carries a
mark in its environment, which its children inherit: with the session that it leads, this finds what a killed service
left behind.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from swemill.errors import Infrastructure

MARK = "SWEMILL_SERVICE_OF"
"""Environment variable that every service and its children carry; its value is the installation's home folder."""

_LOG_LIMIT = 50 << 20
_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which process this is, for as long as the machine is up."""

    pid: int
    started: int
    """Start time in clock ticks since boot, as the kernel counts it."""
    boot: str
    """The kernel's id of this boot."""

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return self == identify(self.pid)


def identify(pid: int) -> Identity | None:
    """The identity of a running process; None when there is none, or only a zombie."""
    stat = _stat(pid)
    if stat is None or stat[0] in ("Z", "X"):
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return Identity(pid=pid, started=int(stat[19]), boot=boot)


def start(
    argv: Sequence[str], *, record: Path, log: Path, environ: Mapping[str, str], folder: Path, home: Path | None
) -> Identity:
    """Start a service detached, in a session and process group of its own, and record it.

    Args:
        argv: program and arguments.
        record: file that remembers the process for ``recorded`` and ``stop``.
        log: file that its output is appended to; one that has grown large is set aside first.
        environ: its whole environment.
        folder: its working folder.
        home: the installation it is marked as part of. None: no mark, so what it leaves behind is left alone.

    Raises:
        Infrastructure: the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
    mark = {MARK: str(home)} if home else {}
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env={**environ, **mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as cause:
            raise Infrastructure(f"{argv[0]} cannot be started: {cause}") from cause
    identity = identify(process.pid)
    process.returncode = 0  # it outlives us and nobody waits for it, which is no oversight to be warned of
    if identity is None:
        raise Infrastructure(f"{argv[0]} ended at once; its output is in {log}\n{tail(log)}")
    write_private(record, json.dumps(asdict(identity)))
    return identity


def recorded(record: Path) -> Identity | None:
    """The recorded process if it is still alive, else None."""
    identity = _read(record)
    return identity if identity and identity.alive() else None


def stop(records: Sequence[Path], *, grace: float) -> None:
    """Stop the recorded processes and all their descendants: TERM, then KILL for what ``grace`` seconds leave over."""
    roots = [identity for record in records if (identity := recorded(record))]
    family = {member for root in roots for member in descendants(root.pid)}
    _signal(roots, signal.SIGTERM)
    _wait(roots, grace)
    # A descendant that was born meanwhile belongs to a root's session, or carries the mark (see ``marked``).
    sessions = {root.pid for root in roots}
    family |= {member for pid in _pids() if _session(pid) in sessions and (member := identify(pid))}
    end([*roots, *family], grace=2)
    for record in records:
        record.unlink(missing_ok=True)


def left_behind(record: Path) -> list[Identity]:
    """What lives on of a recorded process that has died: the members of its session.

    Workers that rename themselves overwrite their environment, and the mark with it; their session they keep.
    """
    leader = _read(record)
    if leader is None or leader.alive():
        return []
    if identify(leader.pid) is not None:
        return []  # the number, and so the session of that number, is another program's by now
    members = [identity for pid in _pids() if _session(pid) == leader.pid and (identity := identify(pid))]
    return [member for member in members if member.boot == leader.boot and member.started >= leader.started]


def end(processes: Sequence[Identity], *, grace: float) -> None:
    """End these processes: TERM, and KILL for what is left after ``grace`` seconds."""
    _signal(processes, signal.SIGTERM)
    _wait(processes, grace)
    _signal(processes, signal.SIGKILL)
    _wait(processes, 5)


def marked(home: Path) -> list[Identity]:
    """All processes that carry the mark of this installation, orphans of dead services included."""
    wanted = f"{MARK}={home}".encode()
    found = []
    for pid in _pids():
        try:
            environ = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # ended meanwhile, or another user's: not ours
        if wanted in environ and (identity := identify(pid)):
            found.append(identity)
    return found


def descendants(pid: int) -> list[Identity]:
    """All living descendants of a process, nearest first."""
    children: dict[int, list[int]] = {}
    for other in _pids():
        if stat := _stat(other):
            children.setdefault(int(stat[1]), []).append(other)
    found: list[Identity] = []
    queue = list(children.get(pid, ()))
    while queue:
        child = queue.pop(0)
        queue += children.get(child, ())
        if identity := identify(child):
            found.append(identity)
    return found


def processes_in(folder: Path) -> list[int]:
    """Numbers of the processes whose working folder this is, as far as we may see."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if (_PROC / str(pid) / "cwd").readlink() == folder:
                found.append(pid)
    return found


def tail(log: Path, *, lines: int = 20) -> str:
    """The last lines of a log file; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - (64 << 10)))
            return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _read(record: Path) -> Identity | None:
    try:
        return Identity(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None  # no record, or one cut short by a crash: nothing that we could name as ours


def _signal(processes: Sequence[Identity], number: signal.Signals) -> None:
    for process in processes:
        if process.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _wait(processes: Sequence[Identity], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.alive() for process in processes):
        time.sleep(0.1)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _session(pid: int) -> int | None:
    stat = _stat(pid)
    return int(stat[3]) if stat else None


def _stat(pid: int) -> list[str] | None:
    """Fields of ``/proc/<pid>/stat`` from the state on: 0 state, 1 parent, 2 group, 3 session, 19 start time."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    return text.rpartition(")")[2].split()
