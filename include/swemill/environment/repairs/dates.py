"""A release that does not go with this Python, or is not there as of the date: a younger one, step by step.

The steps, each only when the one before did not help: as young as packages were a year after this Python, which is when
they had wheels for it; wheels only; any release that there is, whatever is said of the package elsewhere.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.repairs.bound import never_built
from swemill.environment.repairs.changes import (
    WITHOUT_LIMIT,
    lift,
    lift_to_settled,
    loosen,
    override,
    wheels_only,
)
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure, Phase

_DOES_NOT_BUILD = (
    Kind.C_API_REMOVED,
    Kind.SOURCE_BUILD_FAILED,
    Kind.BUILD_NEEDS_MODULE,
    Kind.SETUPTOOLS_TOO_NEW,
    Kind.PKG_RESOURCES_MISSING,
    Kind.CYTHON_TOO_NEW,
    Kind.EDITABLE_UNSUPPORTED,
    Kind.BACK_END_TOO_OLD,
    Kind.COMPILER_TOO_STRICT,
    Kind.DISTUTILS_MISSING,
    Kind.REMOVED_STDLIB,
    Kind.PYTHON2_ONLY,
    Kind.SYNTAX_ERROR,
    Kind.PYTHON_TOO_NEW,
    Kind.MISSING_FILE,
    Kind.VERSION_FROM_TAGS,
    Kind.MISSING_HEADER,
    Kind.MISSING_LIBRARY,
    Kind.MISSING_PKG_CONFIG,
    Kind.MISSING_PROGRAM,
    Kind.DEPENDENCY_FAILS,
    Kind.PLUGIN_TOO_OLD,
    Kind.OUT_OF_MEMORY,
    Kind.TIMED_OUT,
)
_PUBLISHED = re.compile(r"published at (?P<date>\d{4}-\d{2}-\d{2})")


@rule(*_DOES_NOT_BUILD, name="as young as Python", of_package=True)
def as_young_as_python(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The release is older than this Python can take: a year after its release packages had caught up."""
    del means
    if _is_no_matter_of_release(failure):
        return None
    return loosen(lift_to_settled(candidate, failure.package), failure.package)


@rule(*_DOES_NOT_BUILD, name="wheels of", of_package=True)
def wheels(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Take the youngest release that need not be built."""
    del means
    return wheels_only(candidate, failure.package) if failure.phase is not Phase.PROBE else None


@rule(*_DOES_NOT_BUILD, Kind.BAD_METADATA, name="any release of", of_package=True)
def any_release(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Whatever the project says of the package, and however young it is."""
    del means
    if _is_no_matter_of_release(failure):
        return None
    return override(lift(candidate, failure.package, WITHOUT_LIMIT), failure.package)


@rule(Kind.NO_VERSION_AS_OF, name="as of the commit itself: it asks for")
def as_of_the_commit(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The date of a resolution is the start of a quarter; a commit may ask for what came out later, in its own days.

    Where one package shows it others do as well, so the date moves for all of them.
    """
    published = _published(failure, candidate) if "requested version" in failure.line else None
    if means.committed_at is None or (published and published > means.committed_at + timedelta(days=1)):
        return None
    return replace(candidate, as_of=max(candidate.as_of, means.committed_at))


@rule(Kind.NO_VERSION_AS_OF, Kind.BAD_METADATA, name="as young as needed")
def as_young_as_needed(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Nothing fits as of the date: a year more, or until Python's packages had caught up, or until the one release.

    The log names the youngest release that would do; where that is nearer, it is the limit.
    """
    del means
    near = max(candidate.as_of + timedelta(days=365), candidate.lifted.get(failure.subject, candidate.as_of))
    first = lift_to_settled(lift(candidate, failure.subject, near), failure.subject)
    published = _published(failure, candidate)
    limit = first.lifted.get(failure.subject, near)
    return lift(candidate, failure.subject, min(limit, published) if published else limit)


@rule(Kind.NO_VERSION_AS_OF, Kind.NO_VERSION, Kind.NO_WHEEL, Kind.BAD_METADATA, name="without a date")
def without_date(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Any release that there is."""
    del means
    return lift(candidate, failure.subject, WITHOUT_LIMIT)


@rule(Kind.NO_VERSION_AS_OF, Kind.NO_VERSION, name="over all else:")
def whatever_is_said(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Any version that the index has, whatever the project says of the package."""
    del means
    return override(candidate, failure.subject)


@rule(Kind.NO_WHEEL, name="built again")
def built_again(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """No release has a wheel that fits: to build one is all that is left, unless that takes minutes and is in vain."""
    del means
    if failure.subject in never_built(()):
        return None
    return replace(candidate, only_binary=tuple(name for name in candidate.only_binary if name != failure.subject))


@rule(Kind.DEPENDENCY_TOO_OLD, name="younger")
def younger_dependency(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """What another distribution already expects of it."""
    del means
    return lift_to_settled(loosen(candidate, failure.subject), failure.subject)


def _is_no_matter_of_release(failure: Failure) -> bool:
    """setuptools has rules of its own; and what a system lacks when tests run, a younger release would lack as well."""
    lacking = (Kind.MISSING_HEADER, Kind.MISSING_LIBRARY, Kind.MISSING_PKG_CONFIG, Kind.MISSING_PROGRAM)
    return failure.package == "setuptools" or (failure.phase is Phase.PROBE and failure.kind in lacking)


def _published(failure: Failure, candidate: Candidate) -> datetime | None:
    found = _PUBLISHED.search(failure.line)
    if not found:
        return None
    return datetime.fromisoformat(found["date"]).replace(tzinfo=candidate.as_of.tzinfo) + timedelta(days=1)
