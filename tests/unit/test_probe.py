"""The probe on real processes: which suite, under which runner."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from swemill.reasons import Reason
from swemill.stages.install import Probed, Workshop, probe
from swemill.values import CommitTree, TestRunner
from tests.instances import INSTANCE
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import spec

MADE_BY_ITSELF = """import unittest

def load_tests(loader, tests, pattern):
    return unittest.TestSuite([unittest.FunctionTestCase(lambda: None)])
"""
"""pytest does not ask ``load_tests``."""
BY_UNITTEST = {"tox.ini": "[testenv]\ncommands = python -m unittest discover\n"}


def probed(tmp_path: Path, files: dict[str, str]) -> Probed:
    image = tmp_path / "image"
    for name, text in files.items():
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_text(text)
    tree = CommitTree(
        commit=INSTANCE.base_commit,
        paths=tuple(files),
        files={name: text.encode() for name, text in files.items()},
        committed_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    never: Any = None
    shop = Workshop(
        instance=INSTANCE,
        snapshot=lambda: b"",
        tree=lambda: tree,
        builder=cast("Any", never),
        engine=LocalEngine(image, tmp_path / "work"),
        spec=spec(),
        gate=lambda *_: (),
    )
    return probe(shop, "sha256:image")


def test_what_pytest_runs_it_runs_whatever_the_repository_does(tmp_path: Path) -> None:
    suite = "import unittest\nclass T(unittest.TestCase):\n def test_a(self): pass\n"
    done = probed(tmp_path, {**BY_UNITTEST, "tests/test_a.py": suite})
    assert (done.loss, done.runner) == (None, TestRunner.PYTEST)


def test_where_pytest_finds_nothing_the_repositorys_own_runner_has_its_turn(tmp_path: Path) -> None:
    done = probed(tmp_path, {**BY_UNITTEST, "test_a.py": MADE_BY_ITSELF})
    assert (done.loss, done.runner) == (None, TestRunner.UNITTEST)
    assert len(done.report.passing()) == 1


@pytest.mark.parametrize("own", [BY_UNITTEST, {}])
def test_where_nobody_passes_pytest_has_the_word(tmp_path: Path, own: dict[str, str]) -> None:
    suite = "import unittest, nothing_of_this_name\nclass T(unittest.TestCase):\n def test_a(self): pass\n"
    done = probed(tmp_path, {**own, "test_a.py": suite})
    assert done.loss
    assert done.loss.reason is Reason.NOTHING_COLLECTED
    assert done.runner is TestRunner.PYTEST
    assert "nothing_of_this_name" in done.report.log_tail
