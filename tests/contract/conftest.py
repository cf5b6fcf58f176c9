"""One connection to the Docker engine of this machine for all contract tests, and images with a checkout in them."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.ports import SandboxEngine
from swemill.settings import Settings
from swemill.testreports.official import VERSION
from swemill.values import BuildPlan

BuildTestbed = Callable[..., str]
"""``build_testbed(checkout, name, steps="shell text", python="3.11")``: the id of an image with that checkout."""


@pytest.fixture(scope="session")
def api() -> Iterator:
    """The engine's low-level client."""
    client = connect(Settings.load().docker_host)
    yield client
    client.close()


@pytest.fixture(scope="session")
def engine(api) -> SandboxEngine:
    """The port over that engine, for tests of what uses it."""
    return DockerSandboxEngine(api)


@pytest.fixture(scope="session")
def build_testbed(api) -> Iterator[BuildTestbed]:
    """A maker of images on the base image, gone when the session ends."""
    builder = DockerBuilder(api, settings=Settings.load())
    made = []

    def build(checkout: Path, name: str, *, steps: str = "", python: str = "") -> str:
        plan = BuildPlan(
            base=builder.base(python).reference,
            files={
                "testbed.tar": _tar(checkout),
                "install.sh": f"set -e\n{steps}\ntar -xf /opt/build/testbed.tar -C /opt/testbed\n".encode(),
            },
            tag=f"{name}-{os.getpid()}",
            timeout=300,
        )
        result = builder.build(plan)
        assert result.image, result.log
        made.append(plan.tag)
        return result.image

    yield build
    for tag in made:
        api.remove_image(tag, force=True)


def _tar(folder: Path) -> bytes:
    """A tar of a folder that belongs to the sandbox's user."""

    def owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 1000
        return info

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".", filter=owned)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def official_swebench(pytestconfig: pytest.Config) -> Path:
    """The official command in an environment of its own, kept from run to run; skipped where no index answers."""
    uv, folder = Path(sys.executable).parent / "uv", pytestconfig.cache.mkdir(f"swebench-{VERSION}")
    command = folder / "bin" / "swebench"
    if not (folder / "complete").exists():
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True, timeout=120)
        install = [uv, "pip", "install", "-q", "--python", folder / "bin" / "python", f"swebench=={VERSION}"]
        done = subprocess.run(install, capture_output=True, text=True, timeout=600)
        if done.returncode and _index_is_silent(uv):
            pytest.skip(f"the package index does not answer: {done.stderr[-500:]}")
        assert done.returncode == 0, done.stderr
        (folder / "complete").touch()
    return command


def _index_is_silent(uv: Path) -> bool:
    ask = [uv, "pip", "install", "-q", "--dry-run", "--refresh", "--no-deps", "--target", "/nowhere", "pytest"]
    return subprocess.run(ask, capture_output=True, timeout=120).returncode != 0
