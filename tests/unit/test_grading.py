"""SWE-bench's definitions, one test each."""

import pytest

from swemill.grading import compare, failure, grade, some
from swemill.reasons import Reason
from swemill.values import TestOutcome, TestReport


def report(outcomes: dict[str, str], **fields: object) -> TestReport:
    kinds = {test: TestOutcome(word) for test, word in outcomes.items()}
    return TestReport(**{"outcomes": kinds, "collected": len(kinds), "finished": True, **fields})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("failed", "passed", "F2P"),
        ("error", "passed", "F2P"),
        (None, "passed", "F2P"),
        ("failed", "xfailed", "F2P"),
        ("xpassed", "passed", "F2P"),
        ("skipped", "passed", None),
        ("passed", "passed", "P2P"),
        ("xfailed", "passed", "P2P"),
        ("passed", "xfailed", "P2P"),
        ("passed", "failed", "broken"),
        ("passed", "error", "broken"),
        ("passed", None, "broken"),
        ("passed", "skipped", None),
        ("failed", None, None),
        ("failed", "failed", None),
        ("failed", "skipped", None),
        (None, "failed", None),
        (None, "xpassed", None),
    ],
)
def test_a_test_lands_in_the_list_of_its_change(before: str | None, after: str | None, expected: str | None) -> None:
    result = compare(report({"t": before} if before else {}), report({"t": after} if after else {}))
    lists = {"F2P": result.fail_to_pass, "P2P": result.pass_to_pass, "broken": result.broken}
    assert lists == {name: ("t",) if name == expected else () for name in lists}


def test_ids_with_addresses_are_left_out() -> None:
    result = compare(report({}), report({"t[<object at 0x7f12ab34cd56>]": "passed", "t[0xff]": "passed"}))
    assert result.fail_to_pass == ("t[0xff]",)


def test_lists_are_sorted() -> None:
    assert compare(report({}), report({"b": "passed", "a": "passed"})).fail_to_pass == ("a", "b")


def test_absent_tests_are_not_passes() -> None:
    result = grade(report({"a": "passed"}), ["a", "gone"], ["kept-gone"])
    assert (result.fail_to_pass_passed, result.fail_to_pass_total, result.fail_to_pass_missed) == (1, 2, ("gone",))
    assert (result.pass_to_pass_passed, result.pass_to_pass_total) == (0, 1)
    assert not result.complete


def test_complete_needs_a_test_that_turned_green() -> None:
    assert not grade(report({"a": "passed"}), [], ["a"]).complete
    assert grade(report({"a": "passed", "b": "xfailed"}), ["a"], ["b"]).complete
    assert not grade(report({"a": "passed", "b": "skipped"}), ["a"], ["b"]).complete


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"timed_out": True, "running": "t::hang", "seconds": 600.0}, Reason.TESTS_TIMED_OUT, "t::hang was running"),
        ({"out_of_memory": True, "running": "t::big"}, Reason.TESTS_OUT_OF_MEMORY, "t::big was running"),
        ({"exit_code": 139, "running": "t::c"}, Reason.TESTS_CRASHED, "exit code 139"),
        ({"exit_code": 0, "collected": 3}, Reason.TESTS_CRASHED, "exit code 0"),
        ({"exit_code": 4}, Reason.NO_REPORT, "exit code 4"),
    ],
)
def test_a_run_that_ended_badly_names_its_cause(fields: dict[str, object], reason: Reason, words: str) -> None:
    trouble = failure(report({}, finished=False, **fields))
    assert trouble is not None
    assert trouble[0] is reason
    assert words in trouble[1]


def test_a_finished_run_is_no_failure_even_when_tests_failed() -> None:
    assert failure(report({"a": "failed"}, exit_code=1)) is None


def test_messages_name_a_few() -> None:
    assert some("abcdefg", 3) == "a, b, c and 4 more"
    assert some(["x" * 1000]) == "x" * 200 + "..."
