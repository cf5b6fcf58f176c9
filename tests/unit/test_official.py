"""Scripts for SWE-bench's harness: what is in them, which ids it loses, and that they choose tests as judging does."""

import ast
import base64
import importlib.util
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swemill.patches import changed_paths
from swemill.stages.worktree import protection, targets_of
from swemill.testreports.official import evaluation_script, lost_ids
from swemill.testreports.reader import read_report

COMMIT = "0" * 40
HEAD = b"diff --git a/tests/test_a.py b/tests/test_a.py\n--- a/tests/test_a.py\n+++ b/tests/test_a.py\n"
PATCH = HEAD + b"@@ -1 +1 @@\n-a\n+\xe9\r\n"


def packed(script: str) -> dict[str, bytes]:
    """The files that a script brings along."""
    archive = base64.b64decode(re.search(r"<<'(\w+)'.*?\n(.*)\n\1\n", script, re.DOTALL)[2])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """What runs in the container, as it is brought there."""
    folder = tmp_path_factory.mktemp("brought")
    for name, data in packed(evaluation_script(COMMIT, PATCH, [], timeout=1)).items():
        (folder / name).write_bytes(data)
    spec = importlib.util.spec_from_file_location("official_run", folder / "official_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(folder))
    del sys.modules["paths"]


def test_a_script_is_made_of_its_arguments_alone():
    script = evaluation_script(COMMIT, PATCH, ["tests/test_a.py::test"], timeout=600)
    assert script == evaluation_script(COMMIT, PATCH, ["tests/test_a.py::test"], timeout=600)
    assert script != evaluation_script(COMMIT, PATCH, ["tests/test_b.py::test"], timeout=600)
    lines = script.splitlines()
    assert lines[:2] == ["#!/bin/bash", "set -uxo pipefail"]
    # The harness puts lines around the mark of the end, wherever it finds that first.
    assert [line for line in lines if ">>>>>" in line] == [
        "echo '>>>>> Start Test Output'",
        "echo '>>>>> End Test Output'",
    ]
    assert script.isascii()


def test_a_script_brings_the_test_patch_byte_by_byte():
    files = packed(evaluation_script(COMMIT, PATCH, ["tests/test_a.py::C::test[x::y]"], timeout=9))
    assert files["test.patch"] == PATCH
    task = json.loads(files["task.json"])
    assert (task["base_commit"], task["changed"], task["timeout"]) == (COMMIT, ["tests/test_a.py"], 9)
    assert task["test_files"] == ["tests/test_a.py"]


@pytest.mark.parametrize("name", ["official_run.py", "paths.py"])
def test_what_runs_in_containers_is_old_python(name):
    source = packed(evaluation_script(COMMIT, PATCH, [], timeout=9))[name].decode()
    tree = ast.parse(source, feature_version=(3, 6))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in imported if name.startswith("swemill")} <= {"swemill.patches.paths"}


@pytest.mark.parametrize(
    ("test", "lost"),
    [
        ("t.py::t[a b]", False),
        ("t.py::t[a - b]", False),
        ("t.py::t[\u00e9 \u4e2d]", False),
        ("t.py::t[100%]", False),
        ("t.py::t[a  b]", True),
        ("t.py::t[a ]", False),
        ("t.py::t ", True),
        ("t.py::t[\u00a0]", True),
        ("t.py::t[\u2028]", True),
        ("t.py::t[[31m]", True),
        ("t.py::t[>>>>> Tests Errored]", True),
    ],
)
def test_ids_that_the_harness_does_not_give_back(test, lost):
    assert (lost_ids(["t.py::other", test]) == (test,)) is lost


def test_an_id_that_begins_another_is_lost_when_it_looks_cut_off():
    assert lost_ids(["t.py::t[a[]", "t.py::t[a[]]"]) == ("t.py::t[a[]",)
    assert lost_ids(["t.py::t[a[]", "t.py::t[b]"]) == ()


_NAMES = st.sampled_from(["test_a.py", "b_test.py", "tests.py", "conftest.py", "data.json", "check_it.py", "core.py"])
_PATHS = st.builds(
    lambda folders, name: "/".join([*folders, name]), st.lists(st.sampled_from("ab"), max_size=2), _NAMES
)


@given(changed=st.sets(_PATHS, min_size=1, max_size=3), others=st.sets(_PATHS, max_size=4), gone=st.booleans())
def test_the_tests_are_those_of_judging(driver, changed, others, gone):
    patch = b"".join(
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n".encode() for path in changed
    )
    existing = frozenset(others if gone else others | changed)
    task = {"changed": sorted(changed_paths(patch)), "test_files": []}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(driver, "listed", lambda *_: sorted(existing))
        assert driver.targets(task) == list(targets_of(patch, existing))
    ours, theirs = protection(patch), driver.protection(task["changed"])
    assert [ours(path) for path in sorted(others)] == [theirs(path) for path in sorted(others)]


@given(test=st.text(min_size=1, max_size=1100))
def test_ids_are_spelled_as_in_reports(driver, test):
    line = json.dumps({"e": "finish", "id": test, "outcome": "passed"}).encode()
    assert list(read_report(line).outcomes) == [driver.clean_id(test)]


def test_results_are_lines_that_the_harness_reads_whole(driver):
    outcomes = {
        "a": "passed",
        "b": "failed",
        "b[x - y]": "failed",
        "c": "error",
        "d": "skipped",
        "e": "xfailed",
        "f": "xpassed",
    }
    assert driver.result_lines(outcomes) == [
        *("PASSED a", "FAILED b", "ERROR b[x - y]", "ERROR c", "XFAIL e"),
        "SKIPPED swemill: the run reached its end",
    ]


def test_output_holds_no_mark_of_the_harness(driver, tmp_path: Path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * driver.LOG_LIMIT + b"\n>>>>> Start Test Output\nPASSED a\n\xff")
    end = driver.end_of(log)
    assert ">>>>>" not in end
    assert len(end) <= driver.LOG_LIMIT + 1
    assert end.endswith("Start Test Output\nPASSED a\n\N{REPLACEMENT CHARACTER}")
