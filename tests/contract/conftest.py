"""One connection to the Docker engine of this machine for all contract tests, and images with a checkout in them."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.ports import SandboxEngine
from swemill.settings import Settings
from swemill.values import BuildPlan

BuildTestbed = Callable[..., str]
"""``build_testbed(checkout, tag, steps="RUN ...")``: the id of an image with a folder as its checkout."""


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
def build_testbed(api) -> BuildTestbed:
    """A maker of images on the base image: Docker's own cache keeps the second time cheap."""

    def build(checkout: Path, tag: str, *, steps: str = "") -> str:
        builder = DockerBuilder(api, settings=Settings.load())
        plan = BuildPlan(
            dockerfile=f"FROM {builder.base().reference}\n{steps}ADD testbed.tar /opt/testbed\n",
            context={"testbed.tar": _tar(checkout)},
            tag=tag,
            timeout=300,
        )
        result = builder.build(plan)
        assert result.image, result.log
        return result.image

    return build


def _tar(folder: Path) -> bytes:
    """A tar of a folder that belongs to the sandbox's user."""

    def owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 1000
        return info

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".", filter=owned)
    return buffer.getvalue()
