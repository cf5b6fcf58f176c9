"""How an item came out of a stage: lost with its evidence, validated, or a candidate patch judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Execution validation succeeded: the lists and both reports."""

    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    before: TestReport
    after: TestReport


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
