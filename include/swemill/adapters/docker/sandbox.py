"""Sandboxes on a Docker engine: the port ``SandboxEngine`` with one hardened policy and no host mount anywhere.

Everything goes through the engine's API (commands, input, output, files), so it works the same with an engine on
another machine. A sandbox serves one thread at a time: after every command its left-behind processes are killed, and
they are told apart by user only.

Whose fault is it? The engine's or the network's: ``SandboxUnavailable`` is raised. The command's (it ended its own
sandbox by exhausting it): that is a result, with exit code 137, and so is every later command in that sandbox.
"""

import io
import logging
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.exec_stream import StreamEnd, exec_stream
from swemill.adapters.docker.policy import (
    EFFECT_LABEL,
    LABEL,
    OWNER_LABEL,
    STORE_LABEL,
    USER,
    WORKDIR,
    check_engine,
    container_arguments,
    owner,
)
from swemill.errors import SandboxUnavailable
from swemill.ports import Claims
from swemill.values import ExecResult, SandboxSpec

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

KILLED = 137
_GRACE = 15.0
"""Seconds that the engine gets beyond a command's own time-out before the outer clock acts."""
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
        self._ended: str | None = None
        self._oom_kills = 0

    @property
    def container_id(self) -> str:
        """The engine's id of the container."""
        return self._container

    def prepare(self) -> None:
        """Copy the image's checkout to the writable work folder. An image without one keeps an empty folder."""
        self._oom_kills = self._settle() or 0
        end = self._exec(["/bin/sh", "-c", _PREPARE], timeout=_HOUSEKEEPING * 5)
        code = self._exit_code(end)
        if code:
            tail = self._ended or end.output[-500:].decode(errors="replace")
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
        if self._dead():
            return self._gone()
        end = self._exec(command, timeout=timeout, stdin=stdin, env=env, cwd=cwd, output_limit=output_limit)
        if end.expired:
            # The command defeated the clock inside (it killed its guards, or floods the engine): sweep, then end it.
            self._settle(required=False)
            if not self._dead() and self._running(end.exec_id, patience=5.0):
                self._end("a command outlived its time-out and could not be killed")
        elif not end.started and not self._dead():
            self._settle()
            if not self._dead():
                raise SandboxUnavailable(
                    f"the engine could not start a command in sandbox {self._name}: "
                    f"{end.output[-500:].decode(errors='replace')}"
                )
        exit_code = KILLED if end.expired else self._exit_code(end)
        kills = None if self._dead() else self._settle()
        if self._dead():
            return self._gone(end)
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

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files by absolute path. In a sandbox that its command has ended, there is nothing to write to.

        Raises:
            SandboxUnavailable: the engine is gone, or the files do not fit.
        """
        if self._dead() or not files:
            return
        end = self._exec(["tar", "-x", "-C", "/", "-f", "-"], timeout=_HOUSEKEEPING, stdin=_archive(files))
        code = self._exit_code(end)
        if code and not self._dead():
            tail = end.output[-500:].decode(errors="replace")
            raise SandboxUnavailable(f"writing {len(files)} files into sandbox {self._name} failed ({code}): {tail}")

    def read(self, path: str, *, limit: int = 64 << 20) -> bytes | None:
        """The first ``limit`` bytes of a regular file; None when there is none, or when the sandbox has ended."""
        if self._dead():
            return None
        command = ["/bin/sh", "-c", _READ, "sh", path, str(limit)]
        end = self._exec(command, timeout=_HOUSEKEEPING, stderr=False, output_limit=limit)
        code = self._exit_code(end)
        return end.output if code == 0 and not self._dead() else None

    def _dead(self) -> bool:
        """True once the sandbox has ended within its own rules; what comes after is its command's doing."""
        return self._ended is not None

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
                deadline=time.monotonic() + timeout + _GRACE,
                stdin=stdin,
                env={"HOME": "/tmp", **(env or {})},
                cwd=cwd,
                stderr=stderr,
                output_limit=output_limit,
            )
        except SandboxUnavailable:
            if not self._ended_by_itself():
                raise
            return StreamEnd(exec_id="", started=False, expired=False, output=b"", truncated=False, seconds=0.0)

    def _settle(self, *, required: bool = True) -> int | None:
        """Kill left-behind processes; returns the count of processes ever killed for memory, if the kernel tells.

        Where not even that can be started (a fork bomb that escaped its group holds every process slot), the sandbox
        ends: ``required`` says whether that is the only choice left here.
        """
        end = self._exec(_SWEEP, timeout=_HOUSEKEEPING)
        if self._dead():
            return None
        if end.expired or not end.started:
            self._blame(end)
            if required and not self._dead():
                self._end("its processes could not be killed")
            return None
        self._exit_code(end)
        counts = [int(line) for line in end.output.split() if line.isdigit()]
        return counts[0] if counts else None

    def _blame(self, end: StreamEnd) -> None:
        """A command of ours came to nothing. Raises SandboxUnavailable when that is the connection's doing."""
        if self._ended_by_itself() or end.expired:
            return
        if self._inspect(end.exec_id).get("ExitCode") is None:
            raise SandboxUnavailable(f"the connection to sandbox {self._name} broke; run again")

    def _exit_code(self, end: StreamEnd) -> int:
        """Exit code of an ended exec. A sandbox that ended meanwhile by its command's doing counts as killed."""
        if self._dead():
            return KILLED
        if self._running(end.exec_id, patience=_GRACE):
            if self._ended_by_itself():
                return KILLED
            # The command's guard holds the stream open as long as it runs: only the connection can have ended it.
            raise SandboxUnavailable(f"the connection to a command in sandbox {self._name} broke; run again")
        code = self._inspect(end.exec_id).get("ExitCode")
        if code is None or self._ended_by_itself():
            return KILLED
        return int(code)

    def _running(self, exec_id: str, *, patience: float) -> bool:
        until = time.monotonic() + patience
        pause = 0.005
        while self._inspect(exec_id).get("Running"):
            if time.monotonic() > until:
                return True
            time.sleep(pause)
            pause = min(0.25, pause * 2)
        return False

    def _inspect(self, exec_id: str) -> dict[str, Any]:
        with engine_errors("asking how a command ended"):
            answer: dict[str, Any] = self._api.exec_inspect(exec_id)
        return answer

    def _state(self) -> dict[str, Any]:
        with engine_errors(f"looking at sandbox {self._name}"):
            state: dict[str, Any] = self._api.inspect_container(self._container)["State"]
        return state

    def _ended_by_itself(self) -> bool:
        """True when the container has ended within its own rules: out of memory, or its wall clock is over.

        Raises:
            SandboxUnavailable: somebody else stopped or removed it, or the engine is gone.
        """
        if self._dead():
            return True
        state = self._state()
        if state.get("Running"):
            return False
        if state.get("OOMKilled"):
            self._ended = "the sandbox ended: out of memory"
        elif state.get("ExitCode") == 0:
            self._ended = "the sandbox ended: its wall clock is over"
        else:
            raise SandboxUnavailable(
                f"sandbox {self._name} was stopped from outside (exit code {state.get('ExitCode')}); run again"
            )
        return True

    def _end(self, why: str) -> None:
        log.warning("sandbox %s: %s; ending it", self._name, why)
        with engine_errors(f"killing sandbox {self._name}"):
            self._api.kill(self._container)
        self._ended = f"the sandbox was ended: {why}"

    def _gone(self, end: StreamEnd | None = None) -> ExecResult:
        """The result of a command that ended its sandbox, or came after one that did."""
        for_memory = bool(self._ended and "out of memory" in self._ended)
        return ExecResult(
            exit_code=KILLED,
            output=(end.output if end else b"") + f"\n[{self._ended}]\n".encode(),
            truncated=end.truncated if end else False,
            timed_out=not for_memory,
            out_of_memory=for_memory,
            seconds=end.seconds if end else 0.0,
        )


class DockerSandboxEngine:
    """Starts sandboxes on one engine (port ``SandboxEngine``)."""

    def __init__(self, client: "APIClient", *, runtime: str = "runc", store: str = "") -> None:
        """Use ``client``, the engine's low-level client (of ``connect``, or one that Airflow's hook made).

        ``runtime`` is the OCI runtime (``runc``, ``runsc``); the engine must know it when a sandbox starts.
        ``store`` names the database whose claims guard the sandboxes: those of another one are never reaped from here.
        """
        self._api = client
        self._runtime = runtime
        self._store = store
        self._checked = False

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[DockerSandbox]:
        """Start a sandbox; leaving the context removes it, whatever happened inside.

        Raises:
            ConfigurationError: the engine cannot honour the policy (unknown runtime, no seccomp).
            SandboxUnavailable: the engine is down or lacks the image.
            DiskFull: the engine has no room left.
        """
        import docker.errors

        self._check()
        with engine_errors(f"removing a leftover sandbox {spec.name}"):
            self._remove(spec.name)
        # Until the engine has told the id, only the name can be removed (an interrupt in between must leave nothing).
        mine: str | None = spec.name
        try:
            with engine_errors(f"starting sandbox {spec.name}"):
                try:
                    mine = container = container_arguments(spec, runtime=self._runtime, store=self._store).create(
                        self._api
                    )
                except docker.errors.APIError as error:
                    if error.status_code == 409:
                        mine = None  # another owner took the name a moment ago: its container is not ours to remove
                    raise
                self._api.start(container)
            sandbox = DockerSandbox(self._api, container, name=spec.name)
            sandbox.prepare()
            yield sandbox
        finally:
            # Also after KeyboardInterrupt, and between creation and start. Should the engine be gone, the container's
            # own clock ends it and the reaper removes it: that trouble must not hide the one that brought us here.
            try:
                if mine:
                    with engine_errors(f"removing sandbox {spec.name}"):
                        self._remove(mine)
            except SandboxUnavailable as error:
                log.warning("sandbox %s is left to the reaper: %s", spec.name, error)

    def reap(self, is_claimed: Claims) -> list[str]:
        """Remove this store's sandboxes whose effect nobody claims; returns their names. Raises SandboxUnavailable."""
        reaped = []
        with engine_errors("listing sandboxes"):
            wanted = [f"{LABEL}=1", EFFECT_LABEL, f"{STORE_LABEL}={self._store}"]
            found = self._api.containers(all=True, filters={"label": wanted})
        for container in found:
            name = container["Names"][0].lstrip("/") if container.get("Names") else container["Id"]
            if is_claimed(container["Labels"][EFFECT_LABEL]):
                continue
            with engine_errors(f"reaping sandbox {name}"):
                self._remove(container["Id"])
            reaped.append(name)
        return reaped

    def _check(self) -> None:
        if not self._checked:
            with engine_errors("asking the Docker engine what it can do"):
                info = self._api.info()
            check_engine(info, runtime=self._runtime)
            self._checked = True

    def _remove(self, name: str) -> None:
        _remove(self._api, name)


def remove_own(api: "APIClient") -> list[str]:
    """Remove the sandboxes that this very process started (it is being stopped); returns their names.

    Raises:
        SandboxUnavailable: the engine is gone; the reaper will remove them.
    """
    removed = []
    with engine_errors("removing this process's sandboxes"):
        for container in api.containers(all=True, filters={"label": [f"{LABEL}=1", f"{OWNER_LABEL}={owner()}"]}):
            _remove(api, container["Id"])
            removed.append(container["Names"][0].lstrip("/") if container.get("Names") else container["Id"])
    return removed


def _remove(api: "APIClient", name: str) -> None:
    import docker.errors

    for _ in range(50):
        try:
            api.remove_container(name, force=True, v=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            # 409: another removal of the same container is under way (a reaper); wait for it to be over.
            if error.status_code != 409 or "already in progress" not in str(error):
                raise
            time.sleep(0.1)


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode, info.mtime = len(data), 0o644, int(time.time())
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
