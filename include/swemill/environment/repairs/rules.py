"""The registry of repair rules, and the step from a failed candidate to the next one.

A rule is a small function for one or more kinds of failure. It returns the changed candidate; the same one, or None,
when it has nothing to offer. Rules of a kind are tried in the order in which they were registered; what a rule did for
a subject is noted in ``Candidate.rules`` and never done again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from swemill.environment.failures import FailureKind
from swemill.environment.repairs.debian import debian_packages
from swemill.values import Candidate, Failure

SystemPackages = Callable[[FailureKind, str], str]
"""Debian packages (space separated) that bring a header, library or program; empty when none is known."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a repair can draw on."""

    pythons: tuple[str, ...]
    """Minor versions that base images can be had with."""
    system_packages: SystemPackages
    own_modules: frozenset[str] = frozenset()
    """Top-level modules of the repository itself: never taken from an index."""
    committed_at: datetime | None = None
    """When the commit was made; resolutions begin as of a date before."""


Change = Callable[[Candidate, Failure, Means], Candidate | None]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One registered rule."""

    name: str
    change: Change
    of_package: bool
    """What it repairs is the failure's package; else its subject."""

    def label(self, failure: Failure) -> str:
        """How it is noted in ``Candidate.rules``."""
        return f"{self.name} {failure.package if self.of_package else failure.subject[:80]}".strip()


RULES: dict[FailureKind, list[Rule]] = {}


def rule(*kinds: FailureKind, name: str, of_package: bool = False) -> Callable[[Change], Change]:
    """Register a rule for ``kinds``. With ``of_package`` it is for failures that name a distribution only."""

    def register(change: Change) -> Change:
        for kind in kinds:
            RULES.setdefault(kind, []).append(Rule(name=name, change=change, of_package=of_package))
        return change

    return register


def repair(
    candidate: Candidate,
    failure: Failure,
    *,
    pythons: Sequence[str],
    system_packages: SystemPackages = debian_packages,
    own_modules: Sequence[str] = (),
    committed_at: datetime | None = None,
) -> Candidate | None:
    """The candidate, changed by the first rule that has something new to offer; None when none has.

    Args:
        candidate: what was tried.
        failure: how it failed (``failures.classify``).
        pythons: minor versions that base images can be had with.
        system_packages: which Debian packages bring what is missing.
        own_modules: top-level modules of the repository, which no index is asked for.
        committed_at: when the commit was made.
    """
    means = Means(
        pythons=tuple(pythons),
        system_packages=system_packages,
        own_modules=frozenset(name.lower() for name in own_modules),
        committed_at=committed_at,
    )
    for one in RULES.get(FailureKind(failure.kind), ()):
        label = one.label(failure)
        if label in candidate.rules or (one.of_package and not failure.package):
            continue
        changed = one.change(candidate, failure, means)
        if changed is not None and changed != candidate:
            return replace(changed, rules=(*candidate.rules, label))
    return None
