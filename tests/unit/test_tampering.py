"""The seals of report lines, and the guard of pytest, through real runs. The whole corpus is in tests/hostile."""

from pathlib import Path

import pytest

from swemill.stages.worktree import protection
from swemill.testreports.event_lines import line_writer
from swemill.testreports.reader import clean_text, read_report, unsealed
from swemill.testreports.runner import run_tests
from swemill.values import TestReport
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import spec


def run(tmp_path: Path, **files: str) -> TestReport:
    (tmp_path / "image").mkdir()
    for name, text in files.items():
        (tmp_path / "image" / f"{name}.py").write_text(text)
    with LocalEngine(tmp_path / "image", tmp_path / "work").start(spec()) as sandbox:
        return run_tests(sandbox, test_files=["test_a.py"], timeout=30)


def test_only_lines_with_this_runs_seal_are_read(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    line_writer(str(mine), b"key")(
        {"id": 'a"\n\u00e9\udcff', "outcome": "failed", "seconds": float("nan"), "e": "finish"}
    )
    line_writer(str(other), b"another key")({"id": "b", "outcome": "passed", "seconds": 0.1, "e": "finish"})
    forged = b'{"e": "finish", "id": "c", "outcome": "passed"}\n'
    data = other.read_bytes() + forged + mine.read_bytes() + b"0" * 32 + b" " + forged + mine.read_bytes()[:-20]
    assert list(read_report(unsealed(data, b"key")).outcomes.values()) == ["failed"]


def test_a_log_holds_no_control_characters() -> None:
    assert clean_text(b"a\r\n\x1b[2J\tb\x9b\x00\xe2\x80\xae\xff") == "a\n\\x1b[2J\tb\ufffd\\0\\u202e\ufffd"


@pytest.mark.parametrize(
    ("product", "changed"),
    [
        ("import _pytest.runner\n_pytest.runner.call_and_report = print", "_pytest.runner.call_and_report"),
        ("import pytest\npytest.Function.runtest.__code__ = (lambda self: 0).__code__", "Function.runtest"),
        ("import builtins, pytest\nbuiltins.AssertionError = pytest.xfail.Exception", "builtins.AssertionError"),
        ("import unittest\nunittest.TestCase.assertEqual = print", "unittest.case.TestCase.assertEqual"),
    ],
)
def test_a_change_of_the_framework_is_told_and_nothing_counts(tmp_path: Path, product: str, changed: str) -> None:
    report = run(tmp_path, product=product, test_a="import product\ndef test_1(): assert 0\n")
    assert changed in report.tampered
    assert not report.finished


@pytest.mark.parametrize("plugin", ["Plugin", "Plugin()"])
def test_tests_may_register_plugins_of_their_own(tmp_path: Path, plugin: str) -> None:
    register = f"def pytest_collection_modifyitems(config): config.pluginmanager.register({plugin})\n"
    report = run(tmp_path, conftest="class Plugin: pass\n" + register, test_a="def test_1(): pass\n")
    assert (report.tampered, report.finished, len(report.passing())) == ("", True, 1)


@pytest.mark.parametrize("plugin", ["Plugin", "Plugin()"])
def test_the_product_may_not(tmp_path: Path, plugin: str) -> None:
    product = f"class Plugin: pass\ndef add(config): config.pluginmanager.register({plugin})\n"
    register = "def pytest_collection_modifyitems(config):\n import product\n product.add(config)\n"
    report = run(tmp_path, product=product, conftest=register, test_a="def test_1(): pass\n")
    assert "the list of plugins, by" in report.tampered


def test_what_tests_patch_and_undo_is_no_tampering(tmp_path: Path) -> None:
    patching = "from unittest import mock\n@mock.patch('pytest.raises')\n@mock.patch('unittest.TestCase.fail')\n"
    report = run(tmp_path, test_a=patching + "def test_1(*m): pass\ndef test_2(): pass\n")
    assert (report.tampered, report.finished, len(report.passing())) == ("", True, 2)


def test_an_expected_failure_counts_only_where_tests_ask_for_it(tmp_path: Path) -> None:
    asked = (
        "import product, pytest\ndef test_mine():\n    pytest.xfail('known')\ndef test_its():\n    product.give_up()\n"
    )
    report = run(tmp_path, product="import pytest\ndef give_up(): pytest.xfail('known')\n", test_a=asked)
    assert report.outcomes == {"test_a.py::test_mine": "xfailed", "test_a.py::test_its": "skipped"}


def test_a_mark_that_no_text_of_the_tests_speaks_of_does_not_count(tmp_path: Path) -> None:
    product = (
        "import sys, pytest\nframe = sys._getframe()\nwhile frame:\n"
        "    if frame.f_globals.get('__name__') == 'test_a':\n"
        "        frame.f_globals['pytestmark'] = pytest.mark.xfail\n    frame = frame.f_back\n"
    )
    report = run(tmp_path, product=product, test_a="import product\ndef test_1(): assert 0\n")
    assert report.outcomes == {"test_a.py::test_1": "skipped"}


@pytest.mark.parametrize(
    "path",
    ["sitecustomize/__init__.py", "src/usercustomize.pyc", "x.egg-info/entry_points.txt", "a/b-1.dist-info/METADATA"],
)
def test_what_python_takes_up_unasked_is_protected(path: str) -> None:
    assert protection(b"")(path)
    assert not protection(b"")(path.replace("customize", "customised").replace("-info", "_info"))
