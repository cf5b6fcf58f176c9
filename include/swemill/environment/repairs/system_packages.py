"""What Debian has: headers, libraries, programs, locales, and windows that are not shown."""

from swemill.environment.failures import FailureKind as Kind
from swemill.environment.repairs.changes import with_environment, with_system_packages
from swemill.environment.repairs.rules import Means, rule
from swemill.values import Candidate, Failure

_OPTIONAL = ("AIOHTTP", "MULTIDICT", "YARL", "FROZENLIST", "PROPCACHE")
"""Projects whose builds leave C extensions out when a variable says so."""


@rule(Kind.MISSING_HEADER, name="where to find")
def python_header(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """Python's own headers are in every base image, but a project's own trial of the compiler may not look there."""
    del means
    if failure.subject != "Python.h":
        return None
    folders = (f"{prefix}/include/python{candidate.python}" for prefix in ("/usr", "/usr/local"))
    return with_environment(candidate, CPATH=":".join(folders))


@rule(
    Kind.MISSING_HEADER,
    Kind.MISSING_LIBRARY,
    Kind.MISSING_PKG_CONFIG,
    Kind.MISSING_PROGRAM,
    name="system package for",
)
def system_package(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Install the Debian package that brings what is missing."""
    packages = means.system_packages(Kind(failure.kind), failure.subject)
    return with_system_packages(candidate, packages)


@rule(Kind.MISSING_PKG_CONFIG, name="pkg-config for")
def pkg_config(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """pkg-config itself may be what is missing."""
    del failure, means
    return with_system_packages(candidate, "pkg-config")


@rule(Kind.LOCALE, name="all locales")
def locales(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Debian has every locale, ready made, in one package."""
    del failure, means
    return with_system_packages(candidate, "locales-all")


@rule(Kind.DISPLAY, name="windows that are not shown")
def no_display(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """The toolkits that can draw without a display are told to."""
    del failure, means
    return with_environment(candidate, QT_QPA_PLATFORM="offscreen", MPLBACKEND="Agg", SDL_VIDEODRIVER="dummy")


@rule(Kind.COMPILER_TOO_STRICT, name="warnings as before")
def lenient_compiler(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """Compilers of 2024 made errors of what had been warnings; they can be told to go on."""
    del failure, means
    flags = " ".join(
        f"-Wno-error={warning}"
        for warning in ("implicit-function-declaration", "incompatible-pointer-types", "int-conversion", "implicit-int")
    )
    return with_environment(candidate, CFLAGS=flags)


@rule(Kind.MISSING_SUBMODULE, name="without what needs submodules")
def without_submodules(candidate: Candidate, failure: Failure, means: Means) -> Candidate:
    """The C code of the aiohttp family lies in submodules, and each of it can do without."""
    del failure, means
    return with_environment(candidate, **{f"{project}_NO_EXTENSIONS": "1" for project in _OPTIONAL})


@rule(Kind.MISSING_FILE, name="without C extensions")
def pure_python(candidate: Candidate, failure: Failure, means: Means) -> Candidate | None:
    """C files that a release makes with Cython are not in the checkout; some projects can do without them."""
    del means
    project = failure.subject.partition("/")[0].upper()
    if not failure.subject.endswith(".c") or project not in _OPTIONAL:
        return None
    return with_environment(candidate, **{f"{project}_NO_EXTENSIONS": "1"})
