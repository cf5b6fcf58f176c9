"""How old a package may be on a Python at all: holding it below that means another Python."""

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from swemill.environment.failures import minor
from swemill.environment.repairs.changes import bound, on_python
from swemill.environment.repairs.rules import Means
from swemill.values import Candidate

_FLOORS = {
    "setuptools": {12: "66.1"},
    "numpy": {9: "1.19.3", 10: "1.21.2", 11: "1.23.2", 12: "1.26", 13: "2.1"},
    "pytest": {10: "6.2.5", 12: "7.3", 14: "8.4"},
    "cython": {13: "3.0.11"},
}
"""Package -> minor version of Python 3 -> the oldest release that runs on it."""


def held(candidate: Candidate, constraint: str, means: Means) -> Candidate | None:
    """Hold a package to ``constraint``, on an older Python where this one needs a younger release than that."""
    wanted = Requirement(constraint)
    limit = max((Version(one.version) for one in wanted.specifier if one.operator.startswith("<")), default=None)
    fitting = [python for python in means.pythons if limit is None or _floor(wanted.name, python) < limit]
    if limit is None or _floor(wanted.name, candidate.python) < limit:
        return bound(candidate, constraint)
    below = [python for python in fitting if minor(python) < minor(candidate.python)]
    return bound(on_python(candidate, max(below, key=minor)), constraint) if below else None


def _floor(package: str, python: str) -> Version:
    by_minor = _FLOORS.get(canonicalize_name(package), {})
    reached = [number for number in by_minor if number <= minor(python)]
    return Version(by_minor[max(reached)]) if reached else Version("0")
