"""Outcomes out of logs: what the forms of lines mean, and what hostile text can and cannot do."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swemill.testreports import log_parsers
from swemill.testreports.log_parsers import parse_log
from swemill.testreports.reader import MAX_ID
from swemill.values import TestRunner

PYTEST, UNITTEST = TestRunner.PYTEST, TestRunner.UNITTEST
SUMMARY = "=========== short test summary info ============\n"


def outcomes_of(log: str, runner: TestRunner = PYTEST) -> dict[str, str]:
    return {test: str(outcome) for test, outcome in parse_log(log, runner).items()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.py::t PASSED   [ 50%]", {"a.py::t": "passed"}),
        ("a.py::t PASSED [12/90]", {"a.py::t": "passed"}),
        ("a.py::t SKIPPED (why (not) PASSED)   [100%]", {"a.py::t": "skipped"}),
        ("a.py::t[PASSED (x)] FAILED", {"a.py::t[PASSED (x)]": "failed"}),
        ("a.py::t[x] XFAIL ([NOTRUN] )", {"a.py::t[x]": "xfailed"}),
        ("a.py::t[[100%]] PASSED", {"a.py::t[[100%]]": "passed"}),
        ("a.py::t[ [ 7%]] xpass [  7%]", {"a.py::t[ [ 7%]]": "xpassed"}),
        ("a.py::T::()::t xfail", {"a.py::T::t": "xfailed"}),
        ("[gw1] [ 33%] PASSED a.py::t[a b] ", {"a.py::t[a b]": "passed"}),
        ("\x1b[32ma.py::t \x1b[0m\x1b[32mPASSED\x1b[0m\r", {"a.py::t": "passed"}),
        ("a.py::U::t SUBFAILED(i=1) [ 96%]\na.py::U::t PASSED", {"a.py::U::t": "failed"}),
        ("a.py::U::t \na.py::U::t SUBPASSED(i=0)\na.py::U::t PASSED", {"a.py::U::t": "passed"}),
        ("PASSED", {}),
        ("all is PASSED", {}),
    ],
)
def test_verbose_lines_of_pytest(line: str, expected: dict[str, str]) -> None:
    assert outcomes_of(f"==== test session starts ====\ncollecting ...\n{line}\n") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PASSED a.py::t[a b]", {"a.py::t[a b]": "passed"}),
        ("PASSED a.py::t[a - b]", {"a.py::t[a - b]": "passed"}),
        ("FAILED a.py::t - assert 1 - 1", {"a.py::t": "failed"}),
        ("FAILED a.py::t[a - b] - assert [x] - 1", {"a.py::t[a - b]": "failed"}),
        ("FAIL a.py::T::()::t", {"a.py::T::t": "failed"}),
        ("ERROR a.py - ImportError: x", {"a.py": "error"}),
        ("XFAIL at setup of a.py::t - [NOTRUN] ", {"a.py::t": "xfailed"}),
        ("XPASS a.py::t ", {"a.py::t": "xpassed"}),
        ("SUBFAILED(i=1) a.py::t - boo", {"a.py::t": "failed"}),
        ("SUBFAILED[a b] (i=1) a.py::t[x y] - boo", {"a.py::t[x y]": "failed"}),
        ("SKIPPED [1] a.py:3: no", {}),
        ("  reason: a.py::t", {}),
    ],
)
def test_lines_of_pytests_summary(line: str, expected: dict[str, str]) -> None:
    assert outcomes_of(f"{SUMMARY}{line}\n===== 1 x in 0.1s =====\nPASSED a.py::after\n") == expected


def test_what_was_seen_running_tells_where_an_id_ends() -> None:
    log = f"a.py::t[q] - r] FAILED\n{SUMMARY}FAILED a.py::t[q] - r] - boo - hoo\n"
    assert outcomes_of(log) == {"a.py::t[q] - r]": "failed"}


def test_a_file_that_failed_at_collection_is_named_without_a_summary() -> None:
    log = (
        "===== ERRORS =====\n____ ERROR collecting a b/test_x.py ____\n_ ERROR collecting\n __ ERROR collecting x __\n"
    )
    assert outcomes_of(log) == {"a b/test_x.py": "error"}


def test_a_failure_is_not_talked_away() -> None:
    log = (
        "===== test session starts =====\na.py::t FAILED\na.py::u PASSED\n"
        "===== FAILURES =====\nPASSED a.py::t\na.py::t PASSED\n"
        f"{SUMMARY}PASSED a.py::u\nERROR a.py::u - late\nFAILED a.py::t - x\n===== 1 failed =====\n"
        f"{SUMMARY}PASSED a.py::t\nPASSED a.py::u\n"
    )
    assert outcomes_of(log)["a.py::t"] == "failed"
    assert set(outcomes_of(log)) == {"a.py::t", "a.py::u"}


def test_a_test_that_fails_and_cannot_be_torn_down_failed() -> None:
    assert outcomes_of(f"{SUMMARY}ERROR a.py::t - late\nFAILED a.py::t - x\n") == {"a.py::t": "failed"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test_x (m.C) ... ok", {"test_x (m.C)": "passed"}),
        ("test_x (m.C.test_x)\nThe docstring ... ok ... FAIL", {"test_x (m.C.test_x)": "failed"}),
        ("test_x (m.C) ... some output\nmore ... ok\nok", {"test_x (m.C)": "passed"}),
        ("test_x (m.C) ... skipped 'no ... ok'", {"test_x (m.C)": "skipped"}),
        ("test_x (m.C) ... expected failure", {"test_x (m.C)": "xfailed"}),
        ("test_x (m.C) ... unexpected success", {"test_x (m.C)": "xpassed"}),
        ("test_x (m.C) ... \n  test_x (m.C) (i=1) ... ERROR", {"test_x (m.C)": "error"}),
        ("test_x (m.C) ... ok\nFAIL: test_x (m.C) (i=1)", {"test_x (m.C)": "failed"}),
        ("UNEXPECTED SUCCESS: test_x (m.C)\nThe docstring", {"test_x (m.C)": "xpassed"}),
        ("setUpClass (m.C) ... ERROR", {"setUpClass (m.C)": "error"}),
        ("m.test_f ... ok\nm.test_g(1, 'a') ... SKIP: no", {"m.test_f": "passed", "m.test_g(1, 'a')": "skipped"}),
        ("ERROR: tests/test_a.py\nTraceback", {"tests/test_a.py": "error"}),
        ("test_x (m.C) ... cut", {}),
        ("It works ... ok\nok", {}),
        ("test_x (m.C) ... SKIP: no\nm.test_f ... ok", {"test_x (m.C)": "skipped", "m.test_f": "passed"}),
    ],
)
def test_lines_of_unittest(text: str, expected: dict[str, str]) -> None:
    assert outcomes_of(text + "\n", UNITTEST) == expected


def test_ids_are_those_of_reports() -> None:
    long = "a.py::" + "x" * 5000
    found = outcomes_of(f"{SUMMARY}PASSED {long}1\nPASSED {long}2\nPASSED a.py::\u202e\n")
    assert len(found) == 3
    assert all(len(test) <= MAX_ID + 17 for test in found)
    assert "a.py::\\u202e" in found


HOSTILE = {
    "spaces": " " * 60_000,
    "words": "a::b" + " PASSED (" * 6_000,
    "brackets": "a::b" + "[" * 60_000 + " PASSED",
    "equals": "=" * 60_000,
    "headings": "=== " + " ===" * 15_000,
    "underscores": "_" * 60_000 + " ERROR collecting " + "_ " * 20_000,
    "dashes": "FAILED a::b" + " - [" * 15_000,
    "subtests": "SUBFAILED" + " a::b SUBFAILED(" * 3_000,
    "unittest": "test_x (" + "a" * 60_000,
    "headings of unittest": "ERROR: " + "x" * 60_000,
    "dots": "m.x(" + " ... " * 12_000,
    "colours": "\x1b[" * 30_000,
    "many dots": "a." * 30_000 + " ... ok",
}


@pytest.mark.parametrize("runner", [PYTEST, UNITTEST])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lines_cost_linear_time(name: str, runner: TestRunner) -> None:
    log = "===== test session starts =====\n" + f"{HOSTILE[name]}\n" * 20 + SUMMARY + f"{HOSTILE[name]}\n" * 20
    started = time.process_time()
    parse_log(log, runner)
    assert time.process_time() - started < 2


def test_a_line_without_end_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_parsers, "MAX_LOG", 1000)
    assert outcomes_of(f"{SUMMARY}PASSED a::{'x' * (1 << 17)}\n") == {}
    assert outcomes_of(f"{SUMMARY}PASSED a::b\n" + "\n" * 1000) == {}


@settings(max_examples=200)
@given(st.text(max_size=300), st.sampled_from(list(TestRunner)))
def test_no_text_brings_it_down(text: str, runner: TestRunner) -> None:
    for log in (text, f"a::b {text}", f"{SUMMARY}FAILED {text}", f"test_x (m.C) ... {text}"):
        assert isinstance(parse_log(log, runner), dict)
