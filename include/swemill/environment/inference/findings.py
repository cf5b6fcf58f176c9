"""A value and where it was read: what a person needs to believe an inference, or to find what misled it."""

from collections.abc import Iterable
from dataclasses import dataclass

from swemill.environment.inference.sources import unique

_MOST_EVIDENCE = 400


@dataclass(frozen=True)
class Finding:
    """One value."""

    value: str
    where: str


def values(findings: Iterable[Finding], most: int = 200) -> tuple[str, ...]:
    """Each value once, in order."""
    return unique((finding.value for finding in findings), most)


def evidence(findings_by_kind: Iterable[tuple[str, Iterable[Finding]]]) -> tuple[str, ...]:
    """One line a finding: ``python 3.6: tox.ini envlist``."""
    lines = (f"{kind} {finding.value}: {finding.where}" for kind, found in findings_by_kind for finding in found)
    return unique(lines, _MOST_EVIDENCE)
