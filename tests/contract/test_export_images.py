"""Exported images on the real engine: the engine's own build makes of the folders what the mill had made."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from swemill.cli.main import app
from swemill.environment.exported_images import ExportedImage
from swemill.jobs import harvest, install
from swemill.jobs.export_images import export_images
from swemill.settings import Settings
from swemill.stages import leak_gate
from swemill.store.loading import load_instance
from swemill.values import ImageLevel, Limits, SandboxSpec
from swemill.wiring import Mill
from tests.jobs.local_mill import ID, record
from tests.unit.git_work_tree import WorkTree
from tests.unit.shapes_of_repositories import BASE, FIXED, NEW_TESTS

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

# No other test has this lock: its image can be removed.
SETUP = """from setuptools import setup
setup(name='calc', version='1', py_modules=['calc'], install_requires=['toml==0.9.6'])
"""


@pytest.fixture
def mill(tmp_path: Path, database: str, api, monkeypatch) -> Iterator[Mill]:
    """A mill over the real engine with one harvested instance; the command line is pointed at it."""
    tree = WorkTree(tmp_path / "work")
    base = tree.commit("base", setup=SETUP, calc=BASE["calc.py"], tests__test_calc=BASE["tests/test_calc.py"])
    fixed = tree.commit("Fix add (#1)", calc=FIXED, tests__test_calc=NEW_TESTS)
    folder = tmp_path / "archive"
    tree.mirror(folder / "repos" / "o" / "n.git")
    (folder / "pulls").mkdir()
    (folder / "pulls" / "o__n.jsonl").write_bytes(record(base, fixed) + b"\n")
    own = {
        "SWEMILL_HOME": str(tmp_path / "home"),
        "SWEMILL_DATABASE_URL": database,
        "SWEMILL_ARCHIVE_DIR": str(folder),
        "SWEMILL_REGISTRY": "",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    opened = Mill.open(Settings.load(), docker_client=api)
    harvest.harvest(opened, "archive")
    yield opened
    opened.close()


@pytest.fixture
def remove(api) -> Iterator:
    """Removes exported images, those of the mill or those made again; the rest goes at the end."""
    seen: list[ExportedImage] = []

    def gone(images: tuple[ExportedImage, ...]) -> None:
        seen.extend(images)
        for image in reversed(images):
            if image.level is not ImageLevel.BASE and api.images(image.tag):
                api.remove_image(image.tag, force=True)

    yield gone
    gone(tuple(seen))


def swemill(*arguments: str) -> str:
    """What the command said."""
    ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lock_of(mill: Mill, image: str, base_commit: str) -> str:
    """The image's lock; its tests pass and nothing leaks."""
    spec = SandboxSpec(
        name=f"swemill-exported-{os.getpid()}",
        image=image,
        limits=Limits(),
        effect_key="l",
        stage="test",
        subject=ID,
    )
    with mill.engine.start(spec) as sandbox:
        assert leak_gate.check(sandbox, base_commit, 60) == ()
        tests = sandbox.run(["python", "-m", "pytest", "-q"], timeout=60)
        assert (tests.exit_code, b"1 passed" in tests.output) == (0, True), tests.output
        return (sandbox.read("/opt/lock.txt") or b"").decode()


def test_the_folders_build_what_the_mill_had_built(mill: Mill, api, remove, tmp_path: Path) -> None:
    done = install.install(mill, ID, strategies=["adaptive"])
    assert done.passed, done
    images = export_images(mill, ID, tmp_path / "exported")
    assert [image.level.value for image in images] == ["base", "environment", "instance"]
    assert images[-1].tag in swemill("images", "--level", "instance")
    assert "base, environment, instance" in swemill("images", "export", ID, str(tmp_path / "again"))
    assert written(tmp_path / "again") == written(tmp_path / "exported")
    with mill.store.session() as session:
        base_commit = load_instance(session, ID).instance.base_commit
    lock = lock_of(mill, images[-1].tag, base_commit)
    assert "toml==0.9.6" in lock.splitlines()
    remove(images)
    assert not any(mill.builder.has(image.tag) for image in images[1:])
    for image in images[1:]:
        folder = tmp_path / "exported" / image.level.value
        answers = list(api.build(path=str(folder), tag=image.tag, rm=True, forcerm=True, decode=True, timeout=300))
        assert api.images(image.tag), "".join(
            str(answer.get("stream") or answer.get("error") or "") for answer in answers
        )
    assert lock_of(mill, images[-1].tag, base_commit) == lock
