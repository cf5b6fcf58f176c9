"""A sandbox that is no sandbox: commands as plain subprocesses in a temporary folder, for fast tests and trusted code.

It honours the port's contract where a process on the host can (exit codes, output limit, time-outs, files, left-behind
processes) and nothing of the confinement: never give it foreign code. Its host name is but a variable. ``/testbed``,
``/tmp`` and ``/opt`` in commands, paths and environment stand for folders of its own.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from swemill.ports import Claims
from swemill.values import ExecResult, SandboxSpec

_FOLDERS = re.compile(r"(?<![\w.-])/(testbed|tmp|opt)(?=/|\b)")


class FakeSandbox:
    """A temporary folder in which commands run (port ``RunningSandbox``)."""

    def __init__(self, root: Path, *, env: Mapping[str, str]) -> None:
        """Use ``root`` as the sandbox's file system."""
        self.root = root
        self._env = dict(env)
        for name in ("testbed", "tmp", "opt"):
            (root / name).mkdir(exist_ok=True)
        if (root / "opt" / "testbed").is_dir():
            shutil.copytree(root / "opt" / "testbed", root / "testbed", dirs_exist_ok=True, symlinks=True)

    def place(self, text: str) -> str:
        """``text`` with the sandbox's absolute folders replaced by the real ones."""
        if text.startswith(str(self.root)):
            return text
        return _FOLDERS.sub(lambda found: f"{self.root}/{found[1]}", text)

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
        """Run one command in a session of its own; the whole session is killed at its end."""
        started = time.monotonic()
        merged = {"PATH": os.defpath, "HOME": "/tmp", **self._env, **(env or {})}
        try:
            process = subprocess.Popen(
                [self.place(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={name: self.place(value) for name, value in merged.items()},
                cwd=self.place(cwd),
                start_new_session=True,
            )
        except OSError as error:
            return ExecResult(exit_code=127, output=f"{error}\n".encode()[-output_limit:])
        assert process.stdout is not None
        output = process.stdout.fileno()
        kept = bytearray()
        dropped = threading.Event()

        def collect() -> None:
            while data := os.read(output, 1 << 16):
                kept.extend(data)
                if len(kept) > output_limit:
                    del kept[: len(kept) - output_limit]
                    dropped.set()

        def feed() -> None:
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin:  # a command may end without reading all of its input
                process.stdin.write(stdin)

        threads = [threading.Thread(target=work, daemon=True) for work in (collect, feed)]
        for thread in threads:
            thread.start()
        timed_out = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _kill_session(process.pid)
            process.wait()
        for thread in threads:
            thread.join(5)
        process.stdout.close()
        code = process.returncode
        return ExecResult(
            exit_code=code if code >= 0 else 128 - code,
            output=bytes(kept),
            truncated=dropped.is_set(),
            timed_out=timed_out,
            seconds=time.monotonic() - started,
        )

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, creating folders."""
        for path, data in files.items():
            place = Path(self.place(path))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    def read(self, path: str, *, limit: int = 64 << 20) -> bytes | None:
        """The first ``limit`` bytes of a regular file; None when there is none."""
        place = Path(self.place(path))
        if not place.is_file():
            return None
        with place.open("rb") as handle:
            return handle.read(limit)


class FakeSandboxEngine:
    """Makes fake sandboxes (port ``SandboxEngine``)."""

    def __init__(self, prepare: Callable[[Path], None] | None = None) -> None:
        """``prepare`` fills the root folder of each sandbox, as an image would (``testbed/``, ``opt/``)."""
        self._prepare = prepare
        self.running: dict[str, SandboxSpec] = {}

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[FakeSandbox]:
        """A fresh folder, removed with the context."""
        with tempfile.TemporaryDirectory(prefix="swemill-fake-") as folder:
            if self._prepare:
                self._prepare(Path(folder))
            self.running[spec.name] = spec
            try:
                yield FakeSandbox(Path(folder).resolve(), env={"HOSTNAME": spec.hostname, **spec.env})
            finally:
                self.running.pop(spec.name, None)

    def reap(self, is_claimed: Claims) -> list[str]:
        """Forget sandboxes whose effect nobody claims."""
        reaped = [name for name, spec in self.running.items() if not is_claimed(spec.effect_key)]
        for name in reaped:
            del self.running[name]
        return reaped


def _kill_session(leader: int) -> None:
    """Kill every process of the session that ``leader`` opened, whatever process groups they made."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
                if session == leader:
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, IndexError):
                continue  # it ended in between
