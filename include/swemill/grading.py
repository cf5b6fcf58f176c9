"""Compares test reports: which tests a change turns green, which it keeps green, and how a candidate does against them.

SWE-bench's definitions. A test passes when it passed or failed as expected (xfail). For FAIL_TO_PASS a test that is
absent before (its module could not even be imported) counts as failing; after the change, absence is never a pass.
A skipped test is neither. One departure: ids that hold a memory address (``test_x[<object at 0x7f...>]``) are left out
of both lists, since no other process will ever give the same id.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from swemill.reasons import Reason
from swemill.values import TestOutcome, TestReport

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a change did to the tests. All tuples are sorted."""

    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    broken: tuple[str, ...]
    """Passed before; failed, or gone, after. A test that is now skipped is not broken."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """How many of the required tests pass in a report, and which do not."""

    fail_to_pass_passed: int
    fail_to_pass_total: int
    pass_to_pass_passed: int
    pass_to_pass_total: int
    fail_to_pass_missed: tuple[str, ...]
    pass_to_pass_missed: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """All required tests pass, and there is at least one that the change had to turn green."""
        return self.fail_to_pass_total > 0 and not self.fail_to_pass_missed and not self.pass_to_pass_missed


def compare(before: TestReport, after: TestReport) -> Comparison:
    """FAIL_TO_PASS, PASS_TO_PASS and the broken tests of a change, from the reports before and after it."""
    passed_before, passes = before.passing(), after.passing()
    failed_before = before.failing()
    to_pass = {test for test in passes if test in failed_before or test not in before.outcomes}
    skipped = {test for test, outcome in after.outcomes.items() if outcome is TestOutcome.SKIPPED}
    return Comparison(
        fail_to_pass=_lasting(to_pass),
        pass_to_pass=_lasting(passed_before & passes),
        broken=_lasting(passed_before - passes - skipped),
    )


def grade(report: TestReport, fail_to_pass: Iterable[str], pass_to_pass: Iterable[str]) -> Grade:
    """Count the required tests that pass in ``report``. A test without a result there has not passed."""
    to_pass, to_keep, passes = set(fail_to_pass), set(pass_to_pass), report.passing()
    return Grade(
        fail_to_pass_passed=len(to_pass & passes),
        fail_to_pass_total=len(to_pass),
        pass_to_pass_passed=len(to_keep & passes),
        pass_to_pass_total=len(to_keep),
        fail_to_pass_missed=tuple(sorted(to_pass - passes)),
        pass_to_pass_missed=tuple(sorted(to_keep - passes)),
    )


def failure(report: TestReport) -> tuple[Reason, str] | None:
    """Why a run cannot be graded as a whole, with a sentence that names the running test; None for a finished run."""
    running = f"while {report.running} was running" if report.running else "with no test running"
    so_far = f"{running}; {len(report.outcomes)} results of {report.collected} collected tests"
    if report.timed_out:
        return Reason.TESTS_TIMED_OUT, f"stopped after {report.seconds:.0f} s, {so_far}"
    if report.out_of_memory:
        return Reason.TESTS_OUT_OF_MEMORY, f"killed for memory {so_far}"
    if report.tampered:
        return Reason.TAMPERED, f"code under test changed {report.tampered}, {so_far}"
    if report.finished:
        return None
    if report.running or report.outcomes or report.collected:
        return Reason.TESTS_CRASHED, f"the run ended early with exit code {report.exit_code}, {so_far}"
    return Reason.NO_REPORT, f"the run ended with exit code {report.exit_code} before a test was collected"


def some(tests: Iterable[str], limit: int = 5) -> str:
    """The first few ids, for a message: ``a, b and 3 more``."""
    names = [test if len(test) <= 200 else f"{test[:200]}..." for test in tests]
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def is_lasting(test: str) -> bool:
    """Whether another run can have a test of this id: not one that holds a memory address."""
    return not _ADDRESS.search(test)


def _lasting(tests: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(filter(is_lasting, tests)))
