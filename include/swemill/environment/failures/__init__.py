"""Names the cause of a failed installation from the end of its log. Pure; what the log says is never trusted.

Signs (one expression for one line) lie in themed modules; ``reading`` weighs them. ``docs/repair-rules.md`` tells how
to add one.
"""

from swemill.environment.failures.kinds import FailureKind
from swemill.environment.failures.modules import NOBODYS, distribution, is_guess
from swemill.environment.failures.reading import LOOKED_AT, classify
from swemill.environment.failures.stdlib import added_in, is_stdlib, minor, removed_in

__all__ = [
    "LOOKED_AT",
    "NOBODYS",
    "FailureKind",
    "added_in",
    "classify",
    "distribution",
    "is_guess",
    "is_stdlib",
    "minor",
    "removed_in",
]
