"""Requirements that cannot be met as they are written."""

from dataclasses import replace

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.repairs.changes import lift_to_settled, loosen, names, override, without_isolation
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure


@rule(Kind.NO_SUCH_PACKAGE, Kind.NOT_ON_INDEX, name="without")
def without_requirement(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Leave out what no index has, where it is asked for beside the project."""
    del means
    return replace(
        candidate,
        requirements=tuple(line for line in candidate.requirements if not names(line, failure.subject)),
        build_requires=tuple(line for line in candidate.build_requires if not names(line, failure.subject)),
    )


@rule(Kind.NO_WHEEL, name="build inside the environment with any")
def build_with_any(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The project is built with a release that has no wheel for this Python: build it with the one of its tests."""
    del means
    if not any(names(line, failure.subject) for line in candidate.build_requires):
        return None
    lines = (failure.subject if names(line, failure.subject) else line for line in candidate.build_requires)
    return without_isolation(replace(candidate, build_requires=tuple(dict.fromkeys(lines))))


@rule(Kind.NO_VERSION, Kind.NO_WHEEL, Kind.VERSION_CONFLICT, Kind.BAD_METADATA, name="any version of")
def any_version(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Drop the bounds of what is asked for beside the project."""
    del means
    return loosen(candidate, failure.subject) if failure.subject else None


@rule(Kind.NO_WHEEL, name="over all else, as young as Python:")
def wheel_whatever_is_said(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """The project itself asks for a release without a wheel: the youngest that had one when Python was settled."""
    del means
    return override(lift_to_settled(candidate, failure.subject), failure.subject)


@rule(Kind.VERSION_CONFLICT, Kind.NOT_ON_INDEX, name="over all else:")
def whatever_is_said(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Two others cannot agree on it, or it lies elsewhere: any version that the index has."""
    del means
    return override(candidate, failure.subject) if failure.subject else None


@rule(Kind.NO_SUCH_PACKAGE, name="whoever asks for it, without")
def without_package(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """The project itself, or what it needs, asks for what its author took from the index: some tests may live on."""
    del means
    return override(candidate, f'{failure.subject} ; python_version < "0"')


@rule(Kind.UNKNOWN_GROUP, name="without group")
def without_group(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Leave out a dependency group that the project does not have."""
    del means
    return replace(candidate, groups=tuple(name for name in candidate.groups if name != failure.subject))


@rule(Kind.NOT_A_PROJECT, name="nothing to install")
def nothing_to_install(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """The checkout is used as it lies there."""
    del failure, means
    return replace(candidate, has_project=False, extras=(), groups=())
