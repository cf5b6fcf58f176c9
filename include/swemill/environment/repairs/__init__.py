"""Repair rules: from a failed candidate and the named cause to the next candidate. Pure.

The themed modules register their rules when they are imported; for one kind of failure the order of these imports is
the order of the rules. ``docs/repair-rules.md`` tells how to add one.
"""

from swemill.environment.repairs import (  # noqa: I001  the order of the rules
    system_packages,
    versions,
    setuptools_age,
    plugins,
    modules,
    removed_apis,
    dates,
    pytest_age,
    interpreters,
)
from swemill.environment.repairs.bound import INTERPRETER_BOUND, never_built
from swemill.environment.repairs.debian import debian_packages
from swemill.environment.repairs.rules import RULES, Means, Rule, repair, rule
from swemill.environment.repairs.unrepairable import UNREPAIRABLE

__all__ = [
    "INTERPRETER_BOUND",
    "RULES",
    "UNREPAIRABLE",
    "Means",
    "Rule",
    "dates",
    "debian_packages",
    "interpreters",
    "modules",
    "never_built",
    "plugins",
    "pytest_age",
    "removed_apis",
    "repair",
    "rule",
    "setuptools_age",
    "system_packages",
    "versions",
]
