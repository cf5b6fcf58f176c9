"""A sandbox that is a folder of this machine: enough to run an agent's commands, nothing against a hostile one.

``/testbed`` is the folder; commands run there as the current user. What needs isolation is tested with Docker.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from swemill.ports import Claims
from swemill.values import ExecResult, SandboxSpec


class FolderSandbox:
    """The port ``RunningSandbox`` over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: list[str] = []

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = "/testbed",
        output_limit: int = 1 << 20,
    ) -> ExecResult:
        self.commands.append(command[-1])
        started = time.monotonic()
        process = subprocess.Popen(
            list(command),
            cwd=self.folder / cwd.removeprefix("/testbed").lstrip("/"),
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder.parent), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = False
        try:
            output, _ = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            timed_out = True
        return ExecResult(
            exit_code=137 if timed_out else process.returncode,
            output=output[-output_limit:],
            truncated=len(output) > output_limit,
            timed_out=timed_out,
            seconds=time.monotonic() - started,
        )

    def write(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.folder / name.removeprefix("/testbed/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def read(self, path: str, *, limit: int = 64 << 20) -> bytes | None:
        file = self.folder / path.removeprefix("/testbed/")
        return file.read_bytes()[:limit] if file.is_file() else None


class FolderEngine:
    """The port ``SandboxEngine`` whose every sandbox is the given folder."""

    def __init__(self, folder: Path) -> None:
        self.sandbox = FolderSandbox(folder)
        self.started: list[SandboxSpec] = []

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[FolderSandbox]:
        self.started.append(spec)
        yield self.sandbox

    def reap(self, is_claimed: Claims) -> list[str]:
        return []
