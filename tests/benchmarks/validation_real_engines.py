"""A registry that is kept, and a second engine that knows nothing but what it pulls from there."""

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from swemill.errors import ConfigurationError, SandboxUnavailable
from tests.benchmarks.engine_kill_machine import Machine

PORT = 5055
ADDRESS = f"127.0.0.1:{PORT}/mill"
"""The same on both engines' machines, each of which has a loopback of its own: so facts name one registry."""
_CONFIG = f"""\
version: 0.1
storage: {{filesystem: {{rootdirectory: FOLDER}}}}
http: {{addr: "127.0.0.1:{PORT}"}}
"""
_ASK = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{PORT}/v2/', timeout=5)"
_PATIENCE = 30


@contextmanager
def registry(folder: Path, *, inside: Sequence[str] = ()) -> Iterator[str]:
    """Debian's registry over ``folder``; gives its address. ``inside`` is the command that enters a machine.

    Raises:
        ConfigurationError: it is not installed. SandboxUnavailable: it does not start.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise ConfigurationError("there is no docker-registry here: apt-get install docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(_CONFIG.replace("FOLDER", str(folder / "data")))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*inside, program, "serve", config], stdout=log, stderr=log)
    try:
        until = time.monotonic() + _PATIENCE
        while not _answers(inside):
            if process.poll() is not None or time.monotonic() > until:
                raise SandboxUnavailable(f"the registry does not start: see {folder / 'log'}")
            time.sleep(0.2)
        yield ADDRESS
    finally:
        process.terminate()
        process.wait(timeout=_PATIENCE)


def _answers(inside: Sequence[str]) -> bool:
    if inside:
        return not subprocess.run([*inside, sys.executable, "-c", _ASK], capture_output=True, check=False).returncode
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v2/", timeout=5).close()
    except URLError:
        return False
    return True


@contextmanager
def second_engine(folder: Path, images: Path) -> Iterator[str]:
    """An engine with an empty image store on a machine of its own, with a registry over ``images``; gives its host."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "wheels").mkdir()
    machine = Machine(folder / "engine", folder / "wheels")
    try:
        machine.power_on()
        with registry(images, inside=["nsenter", "--net", "--target", str(machine.pid)]):
            yield machine.host
    finally:
        machine.discard()
        shutil.rmtree(folder, ignore_errors=True)
