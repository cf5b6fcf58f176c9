"""A sandbox for unit tests: commands run as plain processes in a folder. It isolates nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from swemill.values import ExecResult, SandboxSpec


class LocalSandbox:
    """``/testbed`` is ``root``; every other path is the host's own (the parts under test write to ``/tmp`` only)."""

    def __init__(self, root: Path, *, bin_folder: Path) -> None:
        self.root = root
        self._bin = bin_folder

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
        inner = {
            "PATH": f"{self._bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root.parent),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # this project's own plugins only cost time here
            **(env or {}),
        }
        started = time.monotonic()
        process = subprocess.Popen(
            list(command),
            cwd=cwd.replace("/testbed", str(self.root), 1),
            env=inner,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = False
        try:
            output, _ = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        code = process.returncode
        return ExecResult(
            exit_code=code if code >= 0 else 128 - code,
            output=output[-output_limit:],
            truncated=len(output) > output_limit,
            timed_out=timed_out,
            seconds=time.monotonic() - started,
        )

    def write(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(data)

    def read(self, path: str, *, limit: int = 64 << 20) -> bytes | None:
        return Path(path).read_bytes()[:limit] if Path(path).is_file() else None


class LocalEngine:
    """Starts each sandbox on a fresh copy of a folder: the "image"."""

    def __init__(self, image: Path, work: Path) -> None:
        self._image = image
        self._work = work
        self.started: list[SandboxSpec] = []
        self._bin = work / "bin"
        self._bin.mkdir(parents=True)
        (self._bin / "python").symlink_to(sys.executable)

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[LocalSandbox]:
        self.started.append(spec)
        root = self._work / f"sandbox{len(self.started)}"
        shutil.copytree(self._image, root, symlinks=True)
        yield LocalSandbox(root, bin_folder=self._bin)

    def reap(self, is_claimed: object) -> list[str]:
        return []
