"""One started container as a sandbox: commands, files in, files out, all through the engine's API.

Nothing of the host is mounted, so it works the same with an engine on another machine. A sandbox serves one thread at a
time: after every command its left-behind processes are killed, and they are told apart by user only. Whose fault it is
when a command ends badly, ``container_life`` says.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from swemill.adapters.docker.container_life import GRACE, KILLED, ContainerLife
from swemill.adapters.docker.exec_stream import StreamEnd, exec_stream
from swemill.adapters.docker.policy import USER, WORKDIR
from swemill.adapters.docker.tar import tar_of
from swemill.errors import SandboxUnavailable
from swemill.values import ExecResult

if TYPE_CHECKING:
    from docker import APIClient

_HOUSEKEEPING = 60.0
"""Seconds a command of our own (copying, reading a counter) may take."""
_ABSENT = 66

# Kills what a command left behind and prints the kernel's count of processes killed for memory (cgroup v1, then v2).
# All builtins: a fork bomb may hold every process slot.
_SWEEP = """\
exec 2>/dev/null
kill -KILL -1
for file in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events; do
    if [ -r $file ]; then while read -r key value; do [ $key != oom_kill ] || echo $value; done <$file; fi
done
exit 0
"""
_PREPARE = "if [ -d /opt/testbed ]; then cp -a /opt/testbed/. /testbed/; fi"
_READ = f'[ -f "$1" ] || exit {_ABSENT}; exec head -c "$2" -- "$1"'


class DockerSandbox:
    """One started container (port ``RunningSandbox``)."""

    def __init__(self, api: "APIClient", container: str, *, name: str) -> None:
        """Wrap the running container ``container`` (its id); ``name`` is for messages."""
        self._api = api
        self._container = container
        self._name = name
        self._life = ContainerLife(api, container, name=name)
        self._oom_kills = 0

    def prepare(self) -> None:
        """Copy the image's checkout to the writable work folder. An image without one keeps an empty folder."""
        self._oom_kills = self._settle() or 0
        end = self._exec(["/bin/sh", "-c", _PREPARE], timeout=_HOUSEKEEPING * 5)
        code = self._life.exit_code(end)
        if code:
            tail = self._life.ended or end.output[-500:].decode(errors="replace")
            raise SandboxUnavailable(
                f"copying the checkout into sandbox {self._name} failed ({code}): {tail} "
                "(a repository larger than the work folder: raise SWEMILL_SANDBOX_DISK)"
            )

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = WORKDIR,
        output_limit: int = 1 << 20,
    ) -> ExecResult:
        """Run one command as uid 1000 and wait (see the port). Left-behind processes are killed afterwards."""
        if self._life.is_over():
            return self._life.result()
        end = self._exec(command, timeout=timeout, stdin=stdin, env=env, cwd=cwd, output_limit=output_limit)
        if end.expired:
            # The command defeated the clock inside (it killed its guards, or floods the engine): sweep, then end it.
            self._settle(required=False)
            if not self._life.is_over() and self._life.is_running(end.exec_id, patience=5.0):
                self._life.end("a command outlived its time-out and could not be killed")
        elif not end.started and not self._life.is_over():
            self._settle()
            if not self._life.is_over():
                raise SandboxUnavailable(
                    f"the engine could not start a command in sandbox {self._name}: "
                    f"{end.output[-500:].decode(errors='replace')}"
                )
        exit_code = KILLED if end.expired else self._life.exit_code(end)
        kills = None if self._life.is_over() else self._settle()
        if self._life.is_over():
            return self._life.result(end)
        out_of_memory = kills is not None and kills > self._oom_kills
        self._oom_kills = kills or self._oom_kills
        return ExecResult(
            exit_code=exit_code,
            output=end.output,
            truncated=end.truncated,
            timed_out=end.expired or (exit_code == KILLED and end.seconds >= timeout and not out_of_memory),
            out_of_memory=out_of_memory,
            seconds=end.seconds,
        )

    def is_over(self) -> bool:
        """True once the sandbox has ended within its own rules, or was ended: nothing can be done in it any more."""
        return self._life.is_over()

    def end(self, why: str) -> None:
        """End the sandbox from outside (from another thread, say), for what its command does.

        Raises:
            SandboxUnavailable: the engine is gone, or the container ended before.
        """
        self._life.end(why)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files by absolute path. In a sandbox that its command has ended, there is nothing to write to.

        Raises:
            SandboxUnavailable: the engine is gone, or the files do not fit.
        """
        if self._life.is_over() or not files:
            return
        archive = tar_of({path.lstrip("/"): data for path, data in files.items()}, modified=int(time.time()))
        end = self._exec(["tar", "-x", "-C", "/", "-f", "-"], timeout=_HOUSEKEEPING, stdin=archive)
        code = self._life.exit_code(end)
        if code and not self._life.is_over():
            tail = end.output[-500:].decode(errors="replace")
            raise SandboxUnavailable(f"writing {len(files)} files into sandbox {self._name} failed ({code}): {tail}")

    def read(self, path: str, *, limit: int = 64 << 20) -> bytes | None:
        """The first ``limit`` bytes of a regular file; None when there is none, or when the sandbox has ended."""
        if self._life.is_over():
            return None
        command = ["/bin/sh", "-c", _READ, "sh", path, str(limit)]
        end = self._exec(command, timeout=_HOUSEKEEPING, stderr=False, output_limit=limit)
        code = self._life.exit_code(end)
        return end.output if code == 0 and not self._life.is_over() else None

    def _exec(
        self,
        command: Sequence[str] | str,
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stderr: bool = True,
        output_limit: int = 1 << 16,
    ) -> StreamEnd:
        try:
            return exec_stream(
                self._api,
                self._container,
                command,
                user=USER,
                timeout=timeout,
                deadline=time.monotonic() + timeout + GRACE,
                stdin=stdin,
                env={"HOME": "/tmp", **(env or {})},
                cwd=cwd,
                stderr=stderr,
                output_limit=output_limit,
            )
        except SandboxUnavailable:
            if not self._life.ended_by_itself():
                raise
            return StreamEnd(exec_id="", started=False, expired=False, output=b"", truncated=False, seconds=0.0)

    def _settle(self, *, required: bool = True) -> int | None:
        """Kill left-behind processes; returns the count of processes ever killed for memory, if the kernel tells.

        Where not even that can be started (a fork bomb that escaped its group holds every process slot), the sandbox
        ends: ``required`` says whether that is the only choice left here.
        """
        end = self._exec(_SWEEP, timeout=_HOUSEKEEPING)
        if self._life.is_over():
            return None
        if end.expired or not end.started:
            self._life.blame(end)
            if required and not self._life.is_over():
                self._life.end("its processes could not be killed")
            return None
        self._life.exit_code(end)
        counts = [int(line) for line in end.output.split() if line.isdigit()]
        return counts[0] if counts else None
