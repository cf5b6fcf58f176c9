"""Another Python: where the code is too old or too young for this one."""

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.failures import removed_in
from swemill.environment.repairs.changes import older, on_python, younger
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure


@rule(Kind.PYTHON_TOO_OLD, name="Python from")
def younger_python(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The oldest Python that has what is needed."""
    python = younger(means.pythons, failure.subject)
    return on_python(candidate, python) if python else None


@rule(Kind.REMOVED_STDLIB, Kind.PYTHON_TOO_NEW, Kind.DISTUTILS_MISSING, Kind.SYNTAX_ERROR, name="Python that has")
def older_python(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The youngest Python that still has what is missing; where that is unknown, the next older one."""
    known = {Kind.PYTHON_TOO_NEW.value: failure.subject, Kind.DISTUTILS_MISSING.value: "3.12"}
    without = known.get(failure.kind) or removed_in(failure.subject) or candidate.python
    python = older(means.pythons, without)
    return on_python(candidate, python) if python else None


@rule(Kind.WARNING_AS_ERROR, Kind.COMPILER_TOO_STRICT, name="Python before the one that")
def before_the_warning(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """An older Python, on an older system, does not warn of it yet."""
    del failure
    python = older(means.pythons, candidate.python)
    return on_python(candidate, python) if python else None
