"""Signs of failed resolutions, in the words of uv."""

import re

from swemill.environment.failures.kinds import FailureKind as Kind
from swemill.environment.failures.signs import BUILDS, NAME, Named, Sign, Where, sign


def _needs_python(match: re.Match[str], where: Where) -> Named:
    """``Python>=3.10`` needs a younger one, ``Python<3.8`` an older one; of ``>=3.7,<3.9`` the bound that is broken."""
    del where
    current = _minor(match["current"])
    for operator, version in re.findall(r"(>=|<=|<|>)(3\.\d{1,2})", match["wanted"]):
        if operator.startswith(">") and current < _minor(version):
            return Kind.PYTHON_TOO_OLD, version
        if operator.startswith("<") and current >= _minor(version):
            return Kind.PYTHON_TOO_NEW, version
    return Kind.PYTHON_TOO_NEW, ""


def _elsewhere(match: re.Match[str], where: Where) -> Named:
    del match
    return Kind.NOT_ON_INDEX, where.package


def _minor(version: str) -> int:
    return int(version.split(".")[1])


SPECIFIC: tuple[Sign, ...] = (
    sign(Kind.NO_VERSION_AS_OF, rf"hint: `(?P<subject>{NAME})` was filtered by `exclude-newer`", phases=BUILDS),
    # Releases of that time are archives of a kind that uv does not take; younger ones are not.
    sign(Kind.NO_VERSION_AS_OF, rf"all versions of (?P<subject>{NAME}) have a non-PEP 625-compliant", phases=BUILDS),
    sign(Kind.NO_WHEEL, rf"Wheels are required for `(?P<subject>{NAME})` because", phases=BUILDS),
    sign(
        Kind.PYTHON_TOO_OLD,
        r"the current Python version \((?P<current>3\.\d{1,2})[\d.a-z]*\) does not satisfy "
        r"Python(?P<wanted>[<>=!~\d.,]{1,40})",
        phases=BUILDS,
        refine=_needs_python,
    ),
    sign(
        Kind.PYTHON_TOO_NEW,
        r"[Pp]ython version (?P<current>3\.\d{1,2})[\d.]*; only versions (?P<wanted>[<>=\d.,]{1,40}) are supported",
        phases=BUILDS,
        refine=_needs_python,
    ),
    sign(
        Kind.PYTHON_TOO_NEW,
        r"(?:Python|python_requires|[Rr]equires-[Pp]ython)[^\n]{0,60}(?P<wanted>[<>]=?\s?3\.\d{1,2})[^\n]{0,60}"
        r"(?:but|running|current|found)[^\n]{0,30}\b(?P<current>3\.\d{1,2})",
        phases=BUILDS,
        refine=_needs_python,
    ),
    sign(
        Kind.BAD_METADATA,
        rf"Because (?P<subject>{NAME})[=<>,\d.a-z]* has (?:invalid metadata|a non-PEP 625)",
        phases=BUILDS,
    ),
    sign(Kind.BAD_METADATA, rf"Metadata for `(?P<subject>{NAME})` \([^)]{{0,40}}\) could not be parsed", phases=BUILDS),
    sign(Kind.NO_SUCH_PACKAGE, rf"(?P<subject>{NAME}) was not found in the package registry", phases=BUILDS),
    sign(
        Kind.NOT_ON_INDEX,
        rf"Failed to (?:download and )?(?:build|download) `(?P<subject>{NAME}) @ git\+",
        phases=BUILDS,
    ),
    sign(
        Kind.NOT_ON_INDEX, rf"[Ff]ailed to (?:download|fetch)[^`]{{0,20}} `(?P<subject>{NAME}) @ https?:", phases=BUILDS
    ),
    sign(Kind.NOT_ON_INDEX, r"cause: Git operation failed", phases=BUILDS, refine=_elsewhere),
    sign(Kind.UNKNOWN_GROUP, rf"dependency group '(?P<subject>{NAME})' was not found", phases=BUILDS),
    sign(Kind.NOT_A_PROJECT, r"does not appear to be a Python project", phases=BUILDS),
)

GENERAL: tuple[Sign, ...] = (
    sign(Kind.NO_VERSION, rf"there (?:is|are) no versions? of (?P<subject>{NAME})(?:[=<>~!,\[]| and|$)", phases=BUILDS),
    sign(
        Kind.NO_VERSION,
        rf"Because only (?P<subject>{NAME})(?:\[[^\]]{{0,60}}\])?[<>=!,\w. ]{{0,60}} (?:is|are) available",
        phases=BUILDS,
    ),
    sign(Kind.NO_VERSION, rf"(?:Because|because) (?P<subject>{NAME})==[\w.]{{1,40}} (?:was|is) yanked", phases=BUILDS),
    sign(
        Kind.VERSION_CONFLICT,
        rf"And because you require (?P<subject>{NAME})[^\n]{{0,200}}your requirements are unsatisfiable",
        phases=BUILDS,
    ),
    sign(Kind.VERSION_CONFLICT, rf"we can conclude that you require (?P<subject>{NAME})", phases=BUILDS),
    sign(Kind.VERSION_CONFLICT, r"No solution found when resolving", phases=BUILDS, subject=""),
)
