"""How an item came out of a stage: lost with its evidence, validated, or a candidate patch judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from swemill.reasons import Reason
from swemill.values.tests import TestReport


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A stage's verdict that an item goes no further, with the evidence a person wants to see."""

    reason: Reason
    detail: str
    log: str = ""
    """Log tail."""
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    """Named blobs worth keeping (reports, logs, a Dockerfile)."""


class Arm(StrEnum):
    """Which code was tested: with the test patch alone, or with the gold patch as well."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class TestRun:
    """One run of an instance's tests."""

    arm: Arm
    round: int
    """From 1; each round has a sandbox of its own."""
    order_seed: str
    """What the tests were shuffled by; empty: they ran in the suite's own order."""
    report: TestReport

    __test__ = False


@dataclass(frozen=True, kw_only=True)
class FlakyTest:
    """A test that passes in some runs of the same code, and not in others."""

    test: str
    arm: Arm
    passes: int
    runs: int


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Execution validation succeeded in every round: the lists, and what they rest on."""

    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    runs: tuple[TestRun, ...]
    flaky: tuple[FlakyTest, ...] = ()
    """In neither list."""


@dataclass(frozen=True, kw_only=True)
class Unsteady(Loss):
    """Lost because its rounds do not agree on what the gold patch turns green."""

    runs: tuple[TestRun, ...]
    flaky: tuple[FlakyTest, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Judgement of one candidate patch."""

    resolved: bool
    reason: Reason | None
    detail: str
    fail_to_pass_passed: int
    fail_to_pass_total: int
    pass_to_pass_passed: int
    pass_to_pass_total: int
    patch: bytes
    """The patch as judged: sanitised, test and configuration files removed."""
    report: TestReport | None = None
