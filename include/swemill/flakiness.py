"""Flaky tests: the same code, the same image, and not the same outcome.

A test's pass probability in an arm is the share of the arm's runs in which it passed; absent, skipped and failed are
not passed. What lies strictly between 0 and 1 is flaky, and belongs into no list by which anybody is judged. Ids that
no other run can have are no tests here, as they are in no list.
"""

from collections import Counter
from collections.abc import Iterable

from swemill.grading import is_lasting
from swemill.values import Arm, FlakyTest, TestReport, TestRun


def passes(reports: Iterable[TestReport]) -> Counter[str]:
    """In how many of these reports each test passed; 0 for one that is there and never did."""
    counts = Counter[str]()
    for report in reports:
        passing = report.passing()
        for test in filter(is_lasting, report.outcomes):
            counts[test] += test in passing
    return counts


def flaky_tests(runs: Iterable[TestRun]) -> tuple[FlakyTest, ...]:
    """The tests that passed in some runs of an arm and not in all, by arm and id."""
    by_arm: dict[Arm, list[TestReport]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run.report)
    return tuple(
        FlakyTest(test=test, arm=arm, passes=times, runs=len(of_arm))
        for arm, of_arm in sorted(by_arm.items())
        for test, times in sorted(passes(of_arm).items())
        if 0 < times < len(of_arm)
    )


def steadiness(passed: int, runs: int) -> tuple[float, float]:
    """A sort key that puts last what comes nearest to always doing the same; of equals the likelier pass is later.

    ``store.flakes`` orders by the same two numbers in SQL.
    """
    return abs(2 * passed - runs) / runs, passed / runs
