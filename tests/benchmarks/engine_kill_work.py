"""What the drill installs and how it is worked on: repositories, an index for them, and commands that install."""

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from swemill.errors import ForgeUnavailable, SwemillError
from swemill.settings import CHECKOUT
from tests.benchmarks.engine_kill_machine import kill_group
from tests.jobs.local_mill import record
from tests.unit.git_work_tree import WorkTree

if TYPE_CHECKING:
    pass

STRATEGY = "adaptive"
SHARED_BY = 2
"""Instances that have one lock, and so one environment's image."""
RETRY_PAUSE = 2.0
_TOOLS = ("pip", "setuptools", "wheel", "pytest")
_COMMAND = [sys.executable, "-c", "from swemill.cli import main; main()"]
_INFRASTRUCTURE = 3
"""Exit code of a command whose work stays pending."""
_PART_BYTES = 6 << 20


# --- what is installed ---


def make_wheels(folder: Path, *, count: int, more: Sequence[str] = ()) -> None:
    """The index: the tools that every environment has and ``more``, from this system's index; a part for each lock.

    Raises:
        ForgeUnavailable: the package index does not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = ["--only-binary", ":all:", "--python-version", "3.11", "--dest", str(folder), *_TOOLS, *more]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", *wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ForgeUnavailable(f"the wheels of {', '.join(_TOOLS)} cannot be had: {done.stderr.strip()[-500:]}")
    for number in range((count + SHARED_BY - 1) // SHARED_BY):
        make_part(folder, f"part{number}")


def make_part(folder: Path, name: str) -> None:
    """A wheel with one module, and enough data to keep the engine at work for a moment while it is kept."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n".encode(),
        f"{name}.bin": random.Random(name).randbytes(_PART_BYTES),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD")).encode()
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, data in files.items():
            wheel.writestr(zipfile.ZipInfo(path), data)


def make_archive(folder: Path, *, count: int) -> None:
    """Repositories, each with one pull request; two of them need the same part."""
    (folder / "pulls").mkdir(parents=True)
    for number in range(count):
        name, part = f"tool{number}", f"part{number // SHARED_BY}"
        project = (
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            f'[project]\nname = "{name}"\nversion = "1.{number}"\nrequires-python = ">=3.8"\n'
            f'dependencies = ["{part}"]\n[tool.setuptools]\npy-modules = ["{name}"]\n'
        )
        tests = "".join(
            f"def test_{one}():\n    assert {name}.add({one}, 0) == {one}\n\n\n" for one in range(number + 1)
        )
        with tempfile.TemporaryDirectory() as work:
            tree = WorkTree(Path(work) / "tree")
            (tree.root / "pyproject.toml").write_text(project)
            code = f"import {part}\n\n\ndef add(a, b):\n    return a {{}} b\n"
            base = tree.commit(
                "base", **{name: code.format("-"), "tests__test_it": f"import {part}\nimport {name}\n\n\n{tests}"}
            )
            fixed = tree.commit(
                "Fix add (#1)",
                **{
                    name: code.format("+"),
                    "tests__test_it": f"import {name}\n\n\n{tests}def test_fix():\n    assert {name}.add(1, 1) == 2\n",
                },
            )
            tree.mirror(folder / "repos" / "o" / f"{name}.git")
        (folder / "pulls" / f"o__{name}.jsonl").write_bytes(record(base, fixed) + b"\n")


# --- working on it ---


class Refused(SwemillError):
    """A command ended as no retry mends: neither done nor in trouble with its infrastructure."""


def installing(instance: str) -> list[str]:
    """The command that installs an instance."""
    return [*_COMMAND, "install", instance, "--strategy", STRATEGY]


class Workers:
    """A command for each piece of work, several at a time, each again until it is done: as mapped tasks are."""

    def __init__(
        self,
        pieces: Sequence[str],
        environ: Mapping[str, str],
        *,
        at_once: int,
        patience: float,
        command: Callable[[str], list[str]] = installing,
    ) -> None:
        """Start to work; after ``patience`` seconds nothing is tried again."""
        self._command = command
        self._environ = dict(environ)
        self._until = time.monotonic() + patience
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False
        self.tries: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(at_once)
        self._work: list[Future[None]] = [self._pool.submit(self._until_done, one) for one in pieces]

    def wait(self) -> None:
        """Until all is done. Raises Refused."""
        for one in self._work:
            one.result()

    def kill(self) -> None:
        """Kill the commands that run; each is tried again."""
        with self._lock:
            for process in self._running:
                kill_group(process)

    def close(self) -> None:
        """Give up whatever is not done."""
        with self._lock:
            self._over = True
        self.kill()
        self._pool.shutdown(cancel_futures=True)

    def _until_done(self, piece: str) -> None:
        while True:
            self.tries[piece] += 1
            code, said = self._once(piece)
            if code == 0 or self._over:
                return
            if code not in (_INFRASTRUCTURE, -signal.SIGKILL) or time.monotonic() > self._until:
                raise Refused(f"{piece} ended with {code} at try {self.tries[piece]}: {said[-2000:]}")
            time.sleep(RETRY_PAUSE)

    def _once(self, piece: str) -> tuple[int, str]:
        with self._lock:
            if self._over:
                return -signal.SIGKILL, ""
            process = subprocess.Popen(
                self._command(piece),
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        said, _ = process.communicate()
        with self._lock:
            self._running.remove(process)
        return process.returncode, said


def command_environment(kept: Mapping[str, str], own: Mapping[str, str], *, pip_config: Path) -> dict[str, str]:
    """Variables for the drill's commands: none of this installation's own settings, and an index by pip's settings."""
    others = ("SWEMILL_", "PIP_INDEX", "PIP_EXTRA_INDEX", "UV_", "DOCKER_")
    plain = {
        name: value
        for name, value in kept.items()
        if not name.startswith(others) or name == "SWEMILL_CA_BUNDLE"  # the images are made with it
    }
    return {**plain, "PIP_CONFIG_FILE": str(pip_config), "PYTHONPATH": str(CHECKOUT / "include"), **own}
