"""Flaky tests: the same code, the same image, and not the same outcome.

A test's pass probability in an arm is the share of the arm's runs in which it passed; absent, skipped and failed are
not passed. What lies strictly between 0 and 1 is flaky, and belongs into no list by which anybody is judged.
"""

from collections import Counter
from collections.abc import Iterable

from swemill.values import Arm, FlakyTest, TestRun


def flaky_tests(runs: Iterable[TestRun]) -> tuple[FlakyTest, ...]:
    """The tests that passed in some runs of an arm and not in all, by arm and id."""
    by_arm: dict[Arm, list[TestRun]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    return tuple(
        FlakyTest(test=test, arm=arm, passes=passes, runs=len(of_arm))
        for arm, of_arm in sorted(by_arm.items())
        for test, passes in sorted(Counter(test for run in of_arm for test in run.report.passing()).items())
        if passes < len(of_arm)
    )
