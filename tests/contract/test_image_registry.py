"""Images shared through a registry: Debian's own ``docker-registry``, started here on loopback."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.registry import ImageRegistry
from swemill.errors import SandboxUnavailable
from swemill.settings import Settings
from swemill.values import BuildPlan

pytestmark = pytest.mark.docker

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}, maintenance: {{readonly: {{enabled: {readonly}}}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def program() -> str:
    """Debian's registry, installed where it is missing and that is allowed."""
    if not shutil.which("docker-registry") and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends"]
        # Its service would take a port that is not ours to take.
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run([*install, "docker-registry"], env=environ, capture_output=True, check=False, timeout=300)
    found = shutil.which("docker-registry")
    if found is None:
        pytest.skip("no docker-registry here, and none to be had from Debian")
    return found


@contextmanager
def registry(folder: Path, *, readonly: bool = False) -> Iterator[str]:
    """A running registry; gives the address of a folder of images in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder / "data", port=port, readonly=str(readonly).lower()))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program(), "serve", config], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            except urllib.error.URLError:
                assert time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.1)
        yield f"127.0.0.1:{port}/mill"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as where:
        yield where


@pytest.fixture
def builder(api, address: str) -> DockerBuilder:
    return DockerBuilder(api, settings=replace(Settings.load(), registry=address))


@pytest.fixture
def plan(api, builder: DockerBuilder, request: pytest.FixtureRequest) -> Iterator[BuildPlan]:
    key = f"{request.node.name.replace('_', '-')[:60]}-{os.getpid()}"
    made = BuildPlan(
        base=builder.base().reference,
        files={"install.sh": b"date +%N >/opt/lock.txt\n"},
        tag=f"swemill/environment:{key}",
        timeout=60,
        outputs=("/opt/lock.txt",),
    )
    yield made
    if api.images(made.tag):
        api.remove_image(made.tag, force=True)


def names(api, image: str) -> list[str]:
    return list(api.inspect_image(image)["RepoTags"])


def test_what_one_engine_has_built_another_one_pulls(api, builder: DockerBuilder, plan: BuildPlan) -> None:
    built = builder.build(plan)
    assert built.image
    assert names(api, plan.tag) == [plan.tag], "the registry's name does not keep the image on the engine"
    api.remove_image(plan.tag)
    assert not api.images(plan.tag)
    assert builder.has(plan.tag)
    again = builder.build(plan)
    assert again.repeated
    assert again.image == built.image
    assert again.outputs == built.outputs
    assert names(api, plan.tag) == [plan.tag]


def test_an_image_that_a_failed_push_left_behind_is_pushed_later(
    api, address: str, builder: DockerBuilder, plan: BuildPlan, tmp_path: Path
) -> None:
    there = ImageRegistry(api, address)
    with registry(tmp_path, readonly=True) as full:
        refused = DockerBuilder(api, settings=replace(Settings.load(), registry=full))
        with pytest.raises(SandboxUnavailable, match="pushing"):
            refused.build(plan)
    assert names(api, plan.tag) == [plan.tag]
    assert not there.holds(plan.tag)
    assert builder.build(plan).repeated, "what was built is not lost with the push"
    assert there.holds(plan.tag)


def test_what_no_registry_has_is_absent(builder: DockerBuilder) -> None:
    assert not builder.has("swemill/instance:no-such-image")
    assert not builder.has("swemill/other:never-asked-for")
    assert not builder.has("sha256:" + "0" * 64)


def test_a_registry_that_is_away_is_infrastructure(api) -> None:
    away = DockerBuilder(api, settings=replace(Settings.load(), registry="127.0.0.1:9/mill"))
    with pytest.raises(SandboxUnavailable):
        away.has("swemill/instance:no-such-image")


def test_the_next_level_is_built_on_an_image_of_the_registry(api, builder: DockerBuilder, plan: BuildPlan) -> None:
    builder.build(plan)
    api.remove_image(plan.tag)
    upper = replace(plan, base=plan.tag, tag="", files={"install.sh": b"test -s /opt/lock.txt"}, outputs=())
    assert builder.build(upper).exit_code == 0
