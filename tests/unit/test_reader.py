"""The reader on lines that a hostile or dying process left, and the whole chain through a real pytest."""

import json
from pathlib import Path

import pytest

from swemill.testreports import read_report, reader, report_from_json, report_to_json, run_tests
from swemill.testreports.reader import MAX_ID
from swemill.values import TestReport
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import spec


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def start(test: object) -> dict[str, object]:
    return {"e": "start", "id": test}


def finish(test: object, outcome: object) -> dict[str, object]:
    return {"e": "finish", "id": test, "outcome": outcome, "seconds": 0.1}


END = {"e": "end", "status": 0}


def test_a_cut_last_line_costs_only_itself() -> None:
    whole = lines(start("a"), finish("a", "passed"), start("b"), finish("b", "passed"))
    report = read_report(whole[:-5], exit_code=137)
    assert report.outcomes == {"a": "passed"}
    assert report.running == "b"
    assert not report.finished


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\xfe\x00garbage\n",
        b"[]\n3\nnull\n",
        b'{"e": "finish", "id": {}, "outcome": "passed"}\n',
        b'{"e": "finish", "id": "", "outcome": "passed"}\n',
        b'{"e": "finish", "id": "x", "outcome": ["passed"]}\n',
        b'{"e": "finish", "id": "x", "outcome": "PASSED!"}\n',
        b'{"e": "collected", "n": -4}\n{"e": "collected", "n": true}\n{"e": "collected", "n": 1e400}\n',
        b'{"e": "end", "status": "0"}\n',
        b"[" * 100_000 + b"\n",
        b'{"e": "finish", "id": "' + b"x" * (2 << 20) + b'", "outcome": "passed"}\n',
    ],
    ids=range(10),
)
def test_junk_is_no_result(junk: bytes) -> None:
    report = read_report(junk + lines(start("a"), finish("a", "passed"), {"e": "collected", "n": 1}, END))
    assert report.outcomes == {"a": "passed"}
    assert report.collected == 1
    assert report.finished


@pytest.mark.parametrize(("first", "second"), [("failed", "passed"), ("passed", "failed")])
def test_the_worse_of_two_results_stays(first: str, second: str) -> None:
    assert read_report(lines(finish("a", first), finish("a", second))).outcomes == {"a": "failed"}


def test_long_ids_are_cut_and_stay_distinct() -> None:
    report = read_report(lines(finish("x" * 5000 + "1", "passed"), finish("x" * 5000 + "2", "failed")))
    assert len(report.outcomes) == 2
    assert all(len(test) <= MAX_ID + 17 for test in report.outcomes)


def test_ids_become_storable_text() -> None:
    report = read_report(b'{"e":"finish","id":"a\\u0000\\ud800","outcome":"passed"}\n')
    assert report.outcomes == {"a\\x00\\ud800": "passed"}
    assert report_from_json(report_to_json(report)) == report


def test_the_number_of_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_TESTS", 1000)
    data = b"".join(b'{"e":"finish","id":"t%d","outcome":"passed"}\n' % n for n in range(1010))
    assert len(read_report(data).outcomes) == 1000


@pytest.mark.parametrize(
    ("end", "fields"),
    [
        ([], {}),
        ([END], {"exit_code": 1}),
        ([END, {"e": "end", "status": 1}], {}),
        ([{"e": "end", "status": 3}], {"exit_code": 3}),
        ([{"e": "end", "status": 2}], {"exit_code": 2}),
        ([END], {"timed_out": True}),
        ([END], {"out_of_memory": True}),
        ([start("b"), END], {}),
    ],
    ids=["no end", "other exit code", "two ends", "internal error", "interrupted", "time-out", "memory", "unfinished"],
)
def test_finished_needs_one_agreeing_end(end: list[object], fields: dict[str, int]) -> None:
    assert not read_report(lines(start("a"), finish("a", "passed"), *end), **fields).finished


def test_a_report_survives_its_blob() -> None:
    report = read_report(
        lines(start("a"), finish("a", "xfailed"), start("b")), exit_code=139, log_tail="é", seconds=1.5
    )
    assert report_from_json(report_to_json(report)) == report


# --- through a real pytest -------------------------------------------------------------------------------------------

OUTCOMES = """
import os, unittest, pytest
def test_ok(): assert not [name for name in os.environ if name.startswith("SWEMILL")]
def test_bad(): assert 0
@pytest.fixture
def early(): raise ValueError
@pytest.fixture
def late():
    yield
    raise ValueError
def test_setup(early): pass
def test_teardown(late): pass
@pytest.mark.skip
def test_skip(): pass
@pytest.mark.xfail
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.parametrize("x", ["a b", "é"])
def test_param(x): pass
class TestC:
    def test_m(self): pass
class U(unittest.TestCase):
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
"""


def run(tmp_path: Path, files: dict[str, str], *test_files: str, timeout: float = 30, **options: bool) -> TestReport:
    for name, text in files.items():
        place = tmp_path / "image" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    with LocalEngine(tmp_path / "image", tmp_path / "work").start(spec()) as sandbox:
        report = run_tests(sandbox, test_files=test_files, timeout=timeout, **options)
        assert not list(sandbox.root.rglob("__pycache__")) + list(sandbox.root.glob(".pytest_cache"))
    return report


def test_every_outcome_as_swe_bench_spells_it(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        {
            "tests/test_a.py": OUTCOMES,
            "tests/test_broken.py": "import nope",
            # Options of absent plugins, a lower root, and a module that would take over `python -m pytest`.
            "tests/pytest.ini": "[pytest]\naddopts = -x --cov=pkg --cov-report term --cov-report=xml -n auto\n",
            "pytest.py": "raise SystemExit(0)",
        },
        "tests/test_a.py",
        "tests/test_broken.py",
    )
    assert report.outcomes == {
        "tests/test_a.py::test_ok": "passed",
        "tests/test_a.py::test_bad": "failed",
        "tests/test_a.py::test_setup": "error",
        "tests/test_a.py::test_teardown": "error",
        "tests/test_a.py::test_skip": "skipped",
        "tests/test_a.py::test_xfail": "xfailed",
        "tests/test_a.py::test_xpass": "xpassed",
        "tests/test_a.py::test_param[a b]": "passed",
        "tests/test_a.py::test_param[\\xe9]": "passed",
        "tests/test_a.py::TestC::test_m": "passed",
        "tests/test_a.py::U::test_sub": "failed",
        "tests/test_broken.py": "error",
    }
    assert (report.finished, report.exit_code, report.collected) == (True, 1, 11)


@pytest.mark.parametrize(
    ("body", "exit_code"),
    [("os._exit(0)", 0), ("ctypes.string_at(0)", 139), ("os.kill(os.getpid(), 9)", 137), ("pytest.exit('x')", 2)],
)
def test_a_dying_run_leaves_its_results_and_names_the_running_test(tmp_path: Path, body: str, exit_code: int) -> None:
    report = run(
        tmp_path,
        {"test_a.py": f"import os, ctypes, pytest\ndef test_1(): pass\ndef test_2(): {body}\ndef test_3(): pass\n"},
    )
    assert report.outcomes == {"test_a.py::test_1": "passed"}
    assert (report.finished, report.running, report.exit_code) == (False, "test_a.py::test_2", exit_code)


def test_an_exit_at_import_is_no_end(tmp_path: Path) -> None:
    report = run(tmp_path, {"test_a.py": "import os; os._exit(0)"})
    assert (report.finished, report.exit_code, report.outcomes) == (False, 0, {})


def test_until_first_pass_stops_there(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        {"test_a.py": "def test_0(): assert 0\ndef test_1(): pass\ndef test_2(): pass\n"},
        until_first_pass=True,
    )
    assert report.outcomes == {"test_a.py::test_0": "failed", "test_a.py::test_1": "passed"}
    assert report.finished


def test_options_that_pytest_refuses_are_dropped_and_said_so(tmp_path: Path) -> None:
    report = run(
        tmp_path, {"test_a.py": "def test_1(): pass\n", "pytest.ini": "[pytest]\naddopts = --from-elsewhere=3\n"}
    )
    assert (report.outcomes, report.finished) == ({"test_a.py::test_1": "passed"}, True)
    assert "ran without them" in report.log_tail
    assert "--from-elsewhere" in report.log_tail


def test_a_conftest_that_fails_leaves_its_words(tmp_path: Path) -> None:
    report = run(tmp_path, {"test_a.py": "def test_1(): pass\n", "conftest.py": "import absent_module\n"})
    assert (report.outcomes, report.finished, report.exit_code) == ({}, False, 4)
    assert "absent_module" in report.log_tail
