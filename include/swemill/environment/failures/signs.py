"""What a sign is: one regular expression for one line of a log, and the kind of failure that it shows.

Logs are written by foreign code. So a line is cut before it is looked at, no expression has nested repetitions, and
what is taken out of a line is bounded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from swemill.environment.failures.kinds import FailureKind
from swemill.values import Phase

BUILDS = frozenset({Phase.RESOLVE, Phase.ENVIRONMENT, Phase.PROJECT})
TESTS = frozenset({Phase.PROBE})
ANYWHERE = BUILDS | TESTS

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
"""A distribution, as a part of an expression."""
MODULE = r"[A-Za-z_][A-Za-z0-9_.]{0,99}"
"""A module, as a part of an expression."""


@dataclass(frozen=True)
class Where:
    """What a sign may depend on beside its line."""

    phase: Phase
    python: str
    package: str
    """The distribution whose code or build the line is about; empty: the project's own."""


Named = tuple[FailureKind, str]
Refine = Callable[[re.Match[str], Where], Named | None]


@dataclass(frozen=True)
class Sign:
    """One way in which a failure shows."""

    kind: FailureKind
    pattern: re.Pattern[str]
    phases: frozenset[Phase] = ANYWHERE
    subject: str | None = None
    """A fixed subject; None: the group ``subject`` of the expression, where it has one."""
    refine: Refine | None = None
    """Decides kind and subject, or that it is no sign after all."""

    def read(self, line: str, where: Callable[[], Where], phase: Phase) -> Named | None:
        """Kind and subject, when ``line`` shows it."""
        if phase not in self.phases or not (match := self.pattern.search(line)):
            return None
        if self.refine:
            return self.refine(match, where())
        if self.subject is not None:
            return self.kind, self.subject
        return self.kind, (match.groupdict().get("subject") or "").strip(" .'\"")


def sign(
    kind: FailureKind,
    pattern: str,
    *,
    phases: frozenset[Phase] = ANYWHERE,
    subject: str | None = None,
    refine: Refine | None = None,
) -> Sign:
    """A sign from an expression."""
    return Sign(kind=kind, pattern=re.compile(pattern), phases=phases, subject=subject, refine=refine)
