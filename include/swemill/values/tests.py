"""What one run of a test suite showed. Every judgement rests on these reports and on nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TestOutcome(StrEnum):
    """Outcome of one test, in pytest's words."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"

    __test__ = False


class TestRunner(StrEnum):
    """What a suite is run with."""

    PYTEST = "pytest"
    UNITTEST = "unittest"
    NOSE = "nose"
    DJANGO = "django"
    """A ``runtests.py`` or ``manage.py test`` of its own."""

    __test__ = False


@dataclass(frozen=True, kw_only=True)
class TestReport:
    """Structured result of one test run, kept even when the run ended badly."""

    outcomes: Mapping[str, TestOutcome]
    """Outcome by test id (``path::Class::test[param]``; docs/validation.md has the spelling of other runners)."""
    collected: int
    finished: bool
    """The framework reached its own end of session."""
    running: str | None = None
    """The test that was running when the process ended before its time."""
    exit_code: int = 0
    timed_out: bool = False
    out_of_memory: bool = False
    log_tail: str = ""
    seconds: float = 0.0
    tampered: str = ""
    """What code under test changed of the test framework, as far as that was noticed; no result then counts."""

    __test__ = False

    def passing(self) -> frozenset[str]:
        """Ids that count as passing (SWE-bench counts an expected failure as a pass)."""
        good = (TestOutcome.PASSED, TestOutcome.XFAILED)
        return frozenset(test for test, outcome in self.outcomes.items() if outcome in good)

    def failing(self) -> frozenset[str]:
        """Ids that ran and did not pass. Skipped tests are neither."""
        bad = (TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.XPASSED)
        return frozenset(test for test, outcome in self.outcomes.items() if outcome in bad)
