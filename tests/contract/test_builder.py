"""Builds and installations on the real engine, with small projects made here."""

import io
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.environment import plan
from swemill.errors import ForgeUnavailable, SandboxUnavailable
from swemill.reasons import Reason
from swemill.settings import Settings
from swemill.stages.install import InstallConfig, build_loss, install
from swemill.values import (
    BuildPlan,
    Installed,
    Limits,
    Loss,
    SandboxSpec,
    Strategy,
)
from tests.instances import INSTANCE
from tests.unit.git_work_tree import commit_files

pytestmark = pytest.mark.docker

SETTINGS = replace(Settings.load(), sandbox_memory=2 << 30, sandbox_cpus=2.0)
PROJECT = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools>=61", "setuptools_scm"]\n'
    'build-backend = "setuptools.build_meta"\n'
    '[project]\nname = "tiny"\ndynamic = ["version"]\n[project.optional-dependencies]\ntests = ["iniconfig"]\n'
    '[tool.setuptools]\npackages = ["tiny"]\n[tool.setuptools_scm]\n',
    "tiny/__init__.py": "VALUE = 1\n",
    "tests/test_tiny.py": "import iniconfig\nfrom importlib.metadata import version\nimport tiny\n\n\n"
    "def test_value():\n    assert tiny.VALUE == 1\n\n\ndef test_version():\n    assert version('tiny') == '3.1.4'\n",
}


TINY = replace(
    INSTANCE,
    repository="tiny/tiny",
    instance_id="tiny__tiny-1",
    base_committed_at=datetime(2023, 6, 1, tzinfo=UTC),
    version="3.1.4",
)


@pytest.fixture(scope="module")
def builder(api) -> DockerBuilder:
    return DockerBuilder(api, settings=SETTINGS)


@pytest.fixture(scope="module")
def tag(api):
    tags = []

    def make(name: str) -> str:
        tags.append(f"swemill/test:{name}-{os.getpid()}")
        return tags[-1]

    yield make
    for made in tags:
        if api.images(made):
            api.remove_image(made, force=True)


def step(builder: DockerBuilder, command: str, tag: str, *, timeout: int = 60) -> BuildPlan:
    dockerfile = f"FROM {builder.base().reference}\nRUN {command}\n"
    return BuildPlan(dockerfile=dockerfile, context={"file": b"x"}, tag=tag, timeout=timeout)


def test_the_base_image_is_made_once_and_found_again(builder: DockerBuilder) -> None:
    base = builder.base()
    started = time.monotonic()
    assert builder.base() == base
    assert time.monotonic() - started < 2
    assert base.digest.startswith("sha256:")
    assert base.python == "3.9"
    assert base.source in ("registry", "debootstrap")
    assert builder.has(base.reference)
    assert builder.has(base.digest)
    assert not builder.has("swemill/base:no-such")


def test_two_callers_make_one_base_image(api, builder: DockerBuilder, tmp_path: Path) -> None:
    made: list[str] = []

    class Counting(BaseImages):
        def _make(self, reference: str, context: Mapping[str, bytes]) -> None:
            time.sleep(0.3)
            repository, _, name = reference.rpartition(":")
            api.tag(builder.base().reference, repository, name)
            made.append(reference)

    url = f"http://127.0.0.1:9/{os.getpid()}"  # makes a recipe of its own
    config = replace(BaseImageConfig.of(SETTINGS), index_url=url, lock_dir=tmp_path)
    callers = [threading.Thread(target=Counting(connect(SETTINGS.docker_host), config=config).get) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(made) == 1
    api.remove_image(made[0])


def test_a_build_gives_an_image_and_the_same_plan_comes_from_the_cache(api, builder: DockerBuilder, tag) -> None:
    planned = step(builder, "id -u > /opt/build/user; sleep 1", tag("good"))
    first, second = builder.build(planned), builder.build(planned)
    assert first.image
    assert first.image == second.image
    assert first.bytes > 0
    assert second.seconds < first.seconds
    assert api.inspect_image(first.image)["Config"]["Labels"]["swemill"] == "1"
    spec = SandboxSpec(
        name=f"swemill-built-{os.getpid()}",
        image=first.image,
        limits=Limits(),
        effect_key="b",
        stage="test",
        subject="b",
    )
    with DockerSandboxEngine(api).start(spec) as sandbox:
        assert sandbox.read("/opt/build/user") == b"1000\n"


def test_a_failing_step_is_returned_with_the_logs_tail(builder: DockerBuilder, tag) -> None:
    result = builder.build(step(builder, "seq 200000; echo the cause >&2; exit 3", tag("bad")))
    assert result.image is None
    assert not result.timed_out
    assert "the cause" in result.log[-2000:]
    assert len(result.log) <= 1 << 20


def test_a_build_out_of_time_is_ended_and_leaves_no_container(api, builder: DockerBuilder, tag) -> None:
    marker = f"sleep 9{os.getpid()}"
    result = builder.build(step(builder, f"echo begun; {marker}", tag("slow"), timeout=3))
    assert result.timed_out
    assert result.image is None
    assert "begun" in result.log
    assert result.seconds < 30
    until = time.monotonic() + 20
    while left := [found for found in api.containers(all=True) if marker in found["Command"]]:
        assert time.monotonic() < until, left
        time.sleep(0.2)


def test_a_missing_base_is_infrastructure(builder: DockerBuilder, tag) -> None:
    lost = BuildPlan(dockerfile="FROM swemill/no-such:base\nRUN true\n", context={}, tag=tag("none"), timeout=30)
    with pytest.raises(SandboxUnavailable):
        builder.build(lost)


# --- installations ---


def snapshot(folder: Path, target: Path) -> bytes:
    subprocess.run(["git", "clone", "-q", "--bare", "--depth=1", f"file://{folder}", str(target)], check=True)
    return packed(target)


def packed(repository: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(repository, "repo.git")
    return buffer.getvalue()


def attempt(api, builder, base_commit: str, tar: bytes, tag: str, *, strategy: Strategy = Strategy.UNIFIED):
    instance = replace(TINY, base_commit=base_commit)
    spec = SandboxSpec(
        name=tag.replace("/", "-").replace(":", "-"),
        image="",
        limits=Limits(),
        effect_key="i",
        stage="install",
        subject="tiny",
    )
    return install(
        instance,
        tar,
        strategy=strategy,
        tag=tag,
        builder=builder,
        engine=DockerSandboxEngine(api),
        spec=spec,
        config=InstallConfig(build_timeout=300, test_timeout=60),
    )


def test_an_installed_environment_holds_the_base_commit_and_nothing_else(api, builder, tag, tmp_path: Path) -> None:
    base = commit_files(tmp_path / "tiny", PROJECT)
    name = tag("tiny")
    result = attempt(
        api, builder, base, snapshot(tmp_path / "tiny", tmp_path / "tiny.git"), name, strategy=Strategy.DATED
    )
    assert isinstance(result, Installed), result
    assert result.collected == 2
    versions = dict(line.split("==") for line in result.lock.splitlines())
    assert versions["tiny"] == "3.1.4", "the version is known although the image has no tag"
    assert versions["pytest"] == "7.3.1", "the newest of June 2023"
    assert "iniconfig" in versions
    spec = SandboxSpec(
        name=f"swemill-look-{os.getpid()}", image=name, limits=Limits(), effect_key="l", stage="test", subject="tiny"
    )
    with DockerSandboxEngine(api).start(spec) as sandbox:

        def words(text: str) -> str:
            return sandbox.run(["sh", "-c", text], timeout=30).output.decode().strip()

        assert words("git log --all --format=%H; git remote; git tag; git reflog") == base
        assert words("git status --porcelain") == ""
        assert words("git branch --show-current; git config user.name") == "main\nSWE-Mill"
        assert words("stat -c %u:%g . tiny") == "1000:1000\n1000:1000"
        assert words("ls -A /opt/build /home/mill/.cache 2>/dev/null | grep -v '^/\\|^$'") == ""
        assert words("env | grep -E 'CERT|INDEX|SWEMILL|UV_'") == ""
        assert words("find /opt/venv /opt/testbed -name '*.pyc' | head -1") == ""
        assert words("echo 'VALUE = 2' > tiny/__init__.py; python -c 'import tiny; print(tiny.VALUE)'") == "2"
        assert words("git diff --stat | tail -1").startswith("1 file changed")


CONFLICT = "from setuptools import setup\nsetup(name='c', py_modules=[], install_requires=['six==1.15', 'six==1.16'])\n"


@pytest.mark.parametrize(
    "setup, reason",
    [("raise SystemExit('broken on purpose')\n", Reason.BUILD_FAILED), (CONFLICT, Reason.DEPENDENCY_CONFLICT)],
)
def test_a_project_that_does_not_install_is_lost_with_its_reason(
    api, builder, tag, tmp_path: Path, setup: str, reason: Reason
) -> None:
    base = commit_files(tmp_path / "bad", {"setup.py": setup})
    result = attempt(api, builder, base, snapshot(tmp_path / "bad", tmp_path / "bad.git"), tag(f"lost-{reason}"))
    assert isinstance(result, Loss)
    assert result.reason == reason
    assert result.log


def test_a_silent_package_index_is_infrastructure(builder, tag, tmp_path: Path) -> None:
    base = commit_files(tmp_path / "tiny", PROJECT)
    tar = snapshot(tmp_path / "tiny", tmp_path / "tiny.git")
    good = plan(
        replace(TINY, base_commit=base),
        tar,
        strategy=Strategy.UNIFIED,
        base=builder.base(),
        tag=tag("mute"),
        timeout=120,
    )
    mute = good.dockerfile.replace("COPY", "ENV UV_DEFAULT_INDEX=http://127.0.0.1:9/ UV_HTTP_RETRIES=0\nCOPY")
    built = builder.build(replace(good, dockerfile=mute))
    assert built.image is None
    with pytest.raises(ForgeUnavailable):
        build_loss(built, timeout=120)


def test_a_snapshot_with_other_commits_is_refused(api, builder, tag, tmp_path: Path) -> None:
    base = commit_files(tmp_path / "leak", PROJECT)
    commit_files(tmp_path / "leak", {"tiny/future.py": "FIX = 1\n"})
    subprocess.run(["git", "clone", "-q", "--bare", str(tmp_path / "leak"), str(tmp_path / "leak.git")], check=True)
    result = attempt(api, builder, base, packed(tmp_path / "leak.git"), tag("leak"))
    assert isinstance(result, Loss)
    assert "more than the base commit" in result.detail
