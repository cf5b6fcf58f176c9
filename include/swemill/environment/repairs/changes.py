"""How a candidate changes: the steps that rules are made of. Each gives an equal candidate where nothing changes."""

import re
from dataclasses import replace
from datetime import UTC, datetime

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from swemill.environment.as_of import lifted, settled
from swemill.environment.failures import minor
from swemill.environment.repairs.bound import INTERPRETER_BOUND
from swemill.values import Candidate

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
"""A canonical name of a distribution: what a log calls one need not be."""
WITHOUT_LIMIT = datetime(2100, 1, 1, tzinfo=UTC)
"""As young as it gets."""


def lift(candidate: Candidate, package: str, to: datetime | None) -> Candidate:
    """Let ``package`` be as young as ``to``; never older than it may be already."""
    name = canonicalize_name(package)
    if to is None or not _NAME.fullmatch(name) or to <= candidate.lifted.get(name, candidate.as_of):
        return candidate
    return replace(candidate, lifted={**candidate.lifted, name: to})


def lift_to_settled(candidate: Candidate, package: str) -> Candidate:
    """Let ``package`` be as young as this Python had to be for its packages to have caught up."""
    return lift(candidate, package, settled(candidate.python))


def sink(candidate: Candidate, package: str) -> Candidate:
    """Take back that ``package`` may be younger than the commit."""
    name = canonicalize_name(package)
    if name not in candidate.lifted:
        return candidate
    return replace(candidate, lifted={other: date for other, date in candidate.lifted.items() if other != name})


def loosen(candidate: Candidate, package: str) -> Candidate:
    """Ask for any version of ``package`` in what is asked for beside the project's own requirements."""
    return replace(
        candidate,
        requirements=tuple(dict.fromkeys(_loose(line, package) for line in candidate.requirements)),
        constraints=tuple(line for line in candidate.constraints if not names(line, package)),
    )


def bound(candidate: Candidate, constraint: str) -> Candidate:
    """Hold a package, wherever it comes from, to ``constraint`` (``setuptools<58``); what was pinned gives way."""
    if constraint in candidate.constraints:
        return candidate
    pinless = tuple(_loose(line, Requirement(constraint).name) for line in candidate.requirements)
    return replace(
        candidate, requirements=tuple(dict.fromkeys(pinless)), constraints=(*candidate.constraints, constraint)
    )


def require(candidate: Candidate, requirement: str) -> Candidate:
    """Install ``requirement`` as well, unless its package is asked for already."""
    name = _named(requirement)
    if not name or any(names(line, name) for line in candidate.requirements):
        return candidate
    return replace(candidate, requirements=(*candidate.requirements, requirement))


def override(candidate: Candidate, requirement: str) -> Candidate:
    """Let ``requirement`` win over whatever else is said of its package."""
    name = _named(requirement)
    if not name or requirement in candidate.overrides:
        return candidate
    others = tuple(line for line in candidate.overrides if not names(line, name))
    return replace(candidate, overrides=(*others, requirement))


def wheels_only(candidate: Candidate, package: str) -> Candidate:
    """Never build ``package``."""
    name = canonicalize_name(package)
    if name in candidate.only_binary or not _NAME.fullmatch(name):
        return candidate
    return replace(candidate, only_binary=(*candidate.only_binary, name))


def with_system_packages(candidate: Candidate, packages: str) -> Candidate:
    """Add Debian packages (space separated)."""
    added = tuple(sorted({*candidate.system_packages, *packages.split()}))
    return replace(candidate, system_packages=added)


def with_environment(candidate: Candidate, **variables: str) -> Candidate:
    """Set variables that the repository does not set itself."""
    return replace(candidate, environment={**variables, **candidate.environment})


def without_isolation(candidate: Candidate, *more: str) -> Candidate:
    """Build the project inside the environment, with its build requirements and ``more`` installed there."""
    requires = candidate.build_requires or ("setuptools", "wheel")
    missing = tuple(line for line in more if _named(line) and not any(names(other, _named(line)) for other in requires))
    return replace(candidate, build_isolation=False, build_requires=(*requires, *missing))


def on_python(candidate: Candidate, python: str) -> Candidate:
    """The same on another Python; what is bound to the interpreter is dated anew."""
    before = lifted(candidate.python, candidate.as_of, INTERPRETER_BOUND)
    own = {name: date for name, date in candidate.lifted.items() if before.get(name) != date}
    anew = lifted(python, candidate.as_of, INTERPRETER_BOUND)
    return replace(candidate, python=python, lifted={**anew, **own})


def older(pythons: tuple[str, ...], than: str) -> str:
    """The youngest of ``pythons`` below ``than``; empty when there is none."""
    fitting = [python for python in pythons if 0 <= minor(python) < minor(than)]
    return max(fitting, key=minor, default="")


def younger(pythons: tuple[str, ...], at_least: str) -> str:
    """The oldest of ``pythons`` from ``at_least`` on; empty when there is none."""
    fitting = [python for python in pythons if minor(python) >= max(minor(at_least), 0)]
    return min(fitting, key=minor, default="")


def names(line: str, package: str) -> bool:
    """Whether a requirement is one of ``package``."""
    try:
        return canonicalize_name(Requirement(line).name) == canonicalize_name(package)
    except InvalidRequirement:
        return False


def _named(requirement: str) -> str:
    """The package of a requirement; empty when it cannot be read."""
    try:
        name = Requirement(requirement).name
    except InvalidRequirement:
        return ""
    return name if _NAME.fullmatch(canonicalize_name(name)) else ""


def _loose(line: str, package: str) -> str:
    if not names(line, package):
        return line
    parsed = Requirement(line)
    extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    return f"{parsed.name}{extras}" + (f" ; {parsed.marker}" if parsed.marker else "")
