"""The baseline strategies on the real engine, with small projects made here."""

import io
import os
import subprocess
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.environment.unified import PACKAGES
from swemill.errors import ForgeUnavailable
from swemill.reasons import Reason
from swemill.settings import Settings
from swemill.stages.install import InstallConfig, Workshop, baseline
from swemill.values import BuildPlan, BuildResult, CommitTree, Installed, Limits, Loss, SandboxSpec, Strategy
from tests.instances import INSTANCE
from tests.unit.git_work_tree import commit_files

pytestmark = pytest.mark.docker

SETTINGS = replace(Settings.load(), sandbox_memory=2 << 30, sandbox_cpus=2.0, registry="")
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


class Remembering(DockerBuilder):
    """The builder, which remembers the tags of its images."""

    tags: list[str]

    def build(self, plan: BuildPlan) -> BuildResult:
        self.tags.append(plan.tag)
        return super().build(plan)


@pytest.fixture
def builder(api):
    made = Remembering(api, settings=SETTINGS)
    made.tags = []
    yield made
    for tag in made.tags:
        if tag and api.images(tag):
            api.remove_image(tag, force=True)


def snapshot(folder: Path, target: Path) -> bytes:
    subprocess.run(["git", "clone", "-q", "--bare", "--depth=1", f"file://{folder}", str(target)], check=True)
    return packed(target)


def packed(repository: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(repository, "repo.git")
    return buffer.getvalue()


def attempt(api, builder: DockerBuilder, base_commit: str, tar: bytes, strategy: Strategy = Strategy.UNIFIED):
    key = f"{base_commit[:24]}{os.getpid():08d}"
    spec = SandboxSpec(
        name=f"swemill-{key}", image="", limits=Limits(), effect_key=key, stage="install", subject="tiny"
    )
    shop = Workshop(
        instance=replace(TINY, base_commit=base_commit),
        snapshot=lambda: tar,
        tree=lambda: CommitTree(commit=base_commit, committed_at=TINY.base_committed_at, paths=(), files={}),
        builder=builder,
        engine=DockerSandboxEngine(api),
        spec=spec,
        config=InstallConfig(build_timeout=300, test_timeout=60),
    )
    return baseline(shop, strategy)


def test_an_installed_environment_holds_the_base_commit_and_nothing_else(api, builder, tmp_path: Path) -> None:
    base = commit_files(tmp_path / "tiny", PROJECT)
    result = attempt(api, builder, base, snapshot(tmp_path / "tiny", tmp_path / "tiny.git"), Strategy.DATED)
    assert isinstance(result, Installed), result
    assert result.collected == 2
    versions = dict(line.split("==") for line in result.lock.splitlines())
    assert versions["tiny"] == "3.1.4", "the version is known although the image has no tag"
    assert versions["pytest"] == "7.3.1", "the newest of June 2023"
    assert "iniconfig" in versions
    spec = SandboxSpec(
        name=f"swemill-look-{os.getpid()}",
        image=result.image,
        limits=Limits(),
        effect_key="l",
        stage="test",
        subject="tiny",
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
    "files, reason",
    [
        ({"setup.py": "raise SystemExit('broken on purpose')\n"}, Reason.BUILD_FAILED),
        ({"setup.py": CONFLICT}, Reason.DEPENDENCY_CONFLICT),
        ({**PROJECT, "requirements.txt": "six==1.15\nsix==1.16\n"}, Reason.DEPENDENCY_CONFLICT),
    ],
)
def test_a_project_that_does_not_install_is_lost_with_its_reason(
    api, builder, tmp_path: Path, files: dict[str, str], reason: Reason
) -> None:
    base = commit_files(tmp_path / "bad", files)
    result = attempt(api, builder, base, snapshot(tmp_path / "bad", tmp_path / "bad.git"))
    assert isinstance(result, Loss)
    assert result.reason == reason
    assert result.log


def test_unified_takes_the_first_file_of_requirements_and_the_extras_that_work(api, builder, tmp_path: Path) -> None:
    extras = 'dev = ["six==1.15", "six==1.16"]\ntests = ["iniconfig"]'
    project = PROJECT["pyproject.toml"].replace('tests = ["iniconfig"]', extras)
    files = {"pyproject.toml": project, "requirements.txt": "six<1.17\n", "requirements-dev.txt": "six==0\n"}
    base = commit_files(tmp_path / "tiny", {**PROJECT, **files})
    result = attempt(api, builder, base, snapshot(tmp_path / "tiny", tmp_path / "tiny.git"))
    assert isinstance(result, Installed), result
    versions = dict(line.split("==") for line in result.lock.splitlines())
    assert (versions["six"], versions["tiny"]) == ("1.16.0", "3.1.4")
    assert {*PACKAGES.split(), "iniconfig"} <= set(versions)


def test_a_silent_package_index_is_infrastructure(api, builder, tmp_path: Path) -> None:
    class Mute(Remembering):
        def build(self, plan: BuildPlan) -> BuildResult:
            mute = b"export UV_DEFAULT_INDEX=http://127.0.0.1:9/ UV_HTTP_RETRIES=0\n"
            return super().build(replace(plan, files={**plan.files, "install.sh": mute + plan.files["install.sh"]}))

    base = commit_files(tmp_path / "tiny", PROJECT)
    tar = snapshot(tmp_path / "tiny", tmp_path / "tiny.git")
    muted = Mute(api, settings=SETTINGS)
    muted.tags = builder.tags
    with pytest.raises(ForgeUnavailable):
        attempt(api, muted, base, tar)


def test_a_snapshot_with_other_commits_is_refused(api, builder, tmp_path: Path) -> None:
    base = commit_files(tmp_path / "leak", PROJECT)
    commit_files(tmp_path / "leak", {"tiny/future.py": "FIX = 1\n"})
    subprocess.run(["git", "clone", "-q", "--bare", str(tmp_path / "leak"), str(tmp_path / "leak.git")], check=True)
    result = attempt(api, builder, base, packed(tmp_path / "leak.git"))
    assert isinstance(result, Loss)
    assert "more than the base commit" in result.detail
