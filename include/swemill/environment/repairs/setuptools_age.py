"""setuptools, Cython and other build back ends: too young or too old for a build."""

from dataclasses import replace

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.failures import distribution
from swemill.environment.repairs.changes import WITHOUT_LIMIT, lift, loosen, names, require, sink, without_isolation
from swemill.environment.repairs.floors import held
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure, Phase

GONE_IN = {
    "use_2to3": "58",
    "Feature": "46",
    "convert_2to3_doctests": "58",
    "setuptools.command.test": "72",
    "test": "72",
    "flat-layout": "61",
    "dash-separated": "78",
    "version": "66",
    "requirements": "66",
    "strip_trailing_zero": "71",
    "distutils.msvccompiler": "74",
    "distutils.command.bdist_msi": "65",
    "distutils.command.bdist_wininst": "60",
    "CCompiler": "60",
    "setuptools.extern": "71",
    "convert_path": "69",
}
"""What setuptools dropped -> the first version without it (setuptools' own "History")."""
_LONG_AGO = "58"
_EDITABLE = {"setuptools": "64", "flit-core": "3.4", "poetry-core": "1.0.8", "pdm-pep517": "1.0", "hatchling": "0.20"}
"""The first release of a back end that installs editable."""
_METADATA = {"setuptools": "77", "poetry-core": "2.0"}
"""The first release that reads all of today's ``[project]``."""


@rule(Kind.INVALID_VERSION, name="built under another")
def another_version(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The project's own version is none: give it one while it is built."""
    del means
    return None if failure.package else replace(candidate, valid_version=True)


@rule(Kind.SETUPTOOLS_TOO_NEW, Kind.INVALID_VERSION, name="older setuptools for")
def older_setuptools(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Hold setuptools below the version that dropped it, in builds and in the environment."""
    return held(candidate, f"setuptools<{GONE_IN.get(failure.subject, _LONG_AGO)}", means)


@rule(Kind.PKG_RESOURCES_MISSING, name="setuptools with")
def with_pkg_resources(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """pkg_resources left setuptools with version 82; in an environment setuptools may be missing altogether."""
    del failure
    with_it = require(candidate, "setuptools")
    return held(with_it, "setuptools<81", means)


@rule(Kind.CYTHON_TOO_NEW, name="Cython 0.29")
def older_cython(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Hold Cython below 3."""
    del failure
    return held(candidate, "cython<3", means)


@rule(Kind.EDITABLE_UNSUPPORTED, name="editable with")
def back_end_for_editable(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Build inside the environment with a back end that knows PEP 660, whatever the project pins."""
    del means
    return _back_end(candidate, failure.subject, _EDITABLE.get(failure.subject, ""))


@rule(Kind.BACK_END_TOO_OLD, name="younger back end")
def back_end_for_metadata(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Build inside the environment with a back end that reads the project's metadata."""
    del means
    return _back_end(candidate, failure.subject, _METADATA.get(failure.subject, ""))


@rule(Kind.VERSION_FROM_TAGS, name="older setuptools-scm for")
def older_scm(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """setuptools-scm 8 was written anew; plugins on top of it, and old settings, need the one before."""
    if failure.subject not in ("setuptools-scm", "vcs"):
        return None
    return held(candidate, "setuptools-scm<8", means)


@rule(Kind.VERSION_FROM_TAGS, Kind.SOURCE_BUILD_FAILED, name="setuptools of the commit for")
def setuptools_of_the_commit(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """A young setuptools may be what the project's old version tool or build command cannot do with."""
    del means
    of_the_project = failure.phase is Phase.PROJECT and not failure.package
    return sink(candidate, "setuptools") if of_the_project else None


@rule(Kind.WARNING_AS_ERROR, name="setuptools before it warned of")
def setuptools_before_the_warning(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """setuptools warns of pkg_resources since 67.3."""
    return held(candidate, "setuptools<67.3", means) if "pkg_resources" in failure.subject else None


@rule(Kind.DISTUTILS_MISSING, name="setuptools in place of distutils")
def setuptools_for_distutils(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """setuptools brings distutils along, if it is young enough for this Python."""
    del means
    changed = loosen(require(candidate, "setuptools"), "setuptools")
    return lift(changed, "setuptools", WITHOUT_LIMIT) if failure.phase is not Phase.PROBE else changed


@rule(Kind.BUILD_NEEDS_MODULE, name="build inside the environment with")
def build_inside(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """The project's build imports what it does not declare: install that, and build without isolation."""
    if failure.package or failure.subject.partition(".")[0].lower() in means.own_modules:
        return None
    return without_isolation(candidate, distribution(failure.subject))


@rule(Kind.MISSING_FILE, name="Cython for")
def cython_for_generated_c(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """C files that Cython makes are not in the checkout: many a setup.py makes them, where Cython is at hand."""
    del means
    if failure.package or not failure.subject.endswith((".c", ".cpp")):
        return None
    return without_isolation(candidate, "cython<3")


def _back_end(candidate: Candidate, name: str, version: str) -> Candidate | None:
    if not version:
        return None
    inside = without_isolation(lift(loosen(candidate, name), name, WITHOUT_LIMIT))
    others = tuple(line for line in inside.build_requires if not names(line, name))
    return replace(inside, build_requires=(*others, f"{name}>={version}"))
