"""Reads the end of a failed try's log and names the cause: signs in the order of what they are worth, over its lines.

A build tells its cause last, so its lines are read from the end; a script makes several attempts, and the last one that
says something known counts. A suite fails in many places at once, so there the cause that shows most often counts.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from packaging.utils import canonicalize_name

from swemill.environment.failures import building, importing, resolving, testing
from swemill.environment.failures.kinds import FailureKind
from swemill.environment.failures.modules import distribution
from swemill.environment.failures.signs import NAME, Named, Sign, Where
from swemill.values import BuildEnd, Failure, Phase

LOOKED_AT = 64 << 10
"""Characters of a log that are looked at: its end."""
_LINE = 600
"""Characters of a line that are looked at."""
_TOLD = 300
_FRAMES = 15
"""Lines above a message among which the file that raised it is looked for."""

_BUILD_TIERS: tuple[tuple[Sign, ...], ...] = (
    resolving.SPECIFIC,
    building.SYSTEM + building.CODE + importing.SPECIFIC,
    testing.LIMITS,
    resolving.GENERAL,
    building.GENERAL,
)
_TEST_TIERS: tuple[tuple[Sign, ...], ...] = (
    testing.REFUSED,
    building.SYSTEM + testing.SUITE + importing.SPECIFIC,
    testing.SURROUNDINGS,
    testing.LIMITS,
    testing.GENERAL,
)
_ENDS = {
    BuildEnd.TIMED_OUT: FailureKind.TIMED_OUT,
    BuildEnd.OUT_OF_MEMORY: FailureKind.OUT_OF_MEMORY,
    BuildEnd.TOO_LARGE: FailureKind.DISK_FULL,
}

_ATTEMPT = re.compile(r"^== (?!failed)", re.MULTILINE)
_LEGACY = "python setup.py develop"
_BUILT = re.compile(
    rf"[Ff]ailed to (?:download and )?(?:build|prepare)[^`]{{0,30}} ?`(?P<name>{NAME})(?P<rest>[^`]{{0,200}})`"
)
_CACHED = re.compile(rf"/sdists-v\d{{1,3}}/(?:pypi|index/[0-9a-f]{{8,64}})/(?P<name>{NAME})/[\w.+!-]{{1,60}}/")
"""Where uv unpacks a source distribution: told even where the log's head is cut off."""
_HINT_FOR = re.compile(rf"hint: [^\n]{{0,120}} `(?P<name>{NAME})@[^`]{{1,60}}`")
_INCLUDED = re.compile(rf"hint: `(?P<name>{NAME})` \([^)]{{1,40}}\) was included because")
_FRAME = re.compile(r"(?:File \"|^|[ >])(?P<path>[\w./@+-]{1,300}\.(?:py|pyx))\"?(?:, line |:)\d{1,6}")
_INSTALLED = re.compile(r"(?:site|dist)-packages/(?P<top>[A-Za-z0-9_]{1,80})")
_PLUGIN = re.compile(r" in plugin <module '[\w.]{1,100}' from '(?P<path>[^']{1,300})'")
_STDLIB = re.compile(r"/lib/python3(?:\.\d{1,2})?/(?!site-packages|dist-packages)|^<")
_RAISED = re.compile(
    r"^(?:E\s{1,8}|INTERNALERROR> )?(?P<exception>(?:[a-z_]\w{0,40}\.){0,5}[A-Z]\w{0,60}(?:Error|Exception)): "
)
_SUMMARY = re.compile(r"^(?:ERROR|FAILED) \S{1,300} - ")
"""pytest's summary repeats messages, cut off."""


def classify(phase: Phase, log: str, *, python: str, end: BuildEnd = BuildEnd.FAILED) -> Failure:
    """Name the cause of a failed try.

    Args:
        phase: where it failed.
        log: what was written; only its last ``LOOKED_AT`` characters are looked at.
        python: minor version of Python that was tried (``3.9``): what it lacks tells too old from too new.
        end: how the build ended; one that was ended from outside needs no reading.
    """
    if end in _ENDS:
        return Failure(phase=phase, kind=_ENDS[end])
    text = log[-LOOKED_AT:]
    if phase is Phase.PROBE:
        return _suite(_lines(text), python)
    unknown: Failure | None = None
    head = _head(log)
    for section in _sections(text):
        failure = _build(phase, _lines(section), python, head)
        if failure.kind not in (FailureKind.UNKNOWN, FailureKind.SOURCE_BUILD_FAILED):
            return failure
        if unknown is None or unknown.kind == FailureKind.UNKNOWN:
            unknown = failure
    return unknown or Failure(phase=phase, kind=FailureKind.UNKNOWN)


def _head(log: str) -> str:
    """The line that names what failed to build, where so much was written after it that it lies before the tail."""
    at = log.rfind("ailed to build `", 0, -LOOKED_AT)
    start = max(at, log.rfind("ailed to download and build `", 0, -LOOKED_AT))
    return log[start - 1 : start + _LINE].split("\n", 1)[0] if start > 0 else ""


def _lines(text: str) -> list[str]:
    return [line[:_LINE].rstrip() for line in text.splitlines() if line.strip()]


def _sections(text: str) -> list[str]:
    """The attempts of a script, the last first; that without a back end comes after those with one."""
    sections = _ATTEMPT.split(text)[::-1]
    return sorted(sections, key=lambda section: section.startswith(_LEGACY))


def _build(phase: Phase, lines: Sequence[str], python: str, head: str) -> Failure:
    package = _built_package([head, *lines])
    where = Where(phase=phase, python=python, package=package)
    for tier in _BUILD_TIERS:
        for line in reversed(lines):
            if found := _read(tier, line, lambda: where, phase):
                return _failure(phase, found, package, line)
    return Failure(phase=phase, kind=FailureKind.UNKNOWN, package=package, line=_last(lines))


def _built_package(lines: Sequence[str]) -> str:
    """The distribution whose build failed, in uv's words: the innermost; empty for the project in the checkout."""
    named = [match for line in lines if (match := _BUILT.search(line))]
    if named:
        return "" if " @ file:" in named[-1]["rest"] else canonicalize_name(named[-1]["name"])
    for pattern in (_INCLUDED, _HINT_FOR, _CACHED):
        hints = [match for line in lines if (match := pattern.search(line))]
        if hints:
            return canonicalize_name(hints[-1]["name"])
    return ""


def _suite(lines: Sequence[str], python: str) -> Failure:
    for tier in _TEST_TIERS:
        count: Counter[tuple[Named, str]] = Counter()
        first: dict[tuple[Named, str], str] = {}
        for index, line in enumerate(lines):
            if _SUMMARY.match(line):
                continue
            found = _read(tier, line, partial(_where, lines, index, python), Phase.PROBE)
            if found:
                key = (found, _raised_in(lines, index))
                count[key] += 1
                first.setdefault(key, line)
        if count:
            most = max(count, key=lambda key: count[key])
            return _failure(Phase.PROBE, most[0], most[1], first[most])
    return _own_error(lines)


def _where(lines: Sequence[str], index: int, python: str) -> Where:
    return Where(phase=Phase.PROBE, python=python, package=_raised_in(lines, index))


def _own_error(lines: Sequence[str]) -> Failure:
    """An exception that no sign knows: it is an installed distribution's affair when that raised it on import."""
    for index in range(len(lines) - 1, -1, -1):
        raised = _RAISED.match(lines[index])
        package = _raised_in(lines, index) if raised else ""
        if raised and package and package != "pytest":
            named = (FailureKind.DEPENDENCY_FAILS, raised["exception"])
            return _failure(Phase.PROBE, named, package, lines[index])
    return Failure(phase=Phase.PROBE, kind=FailureKind.UNKNOWN, line=_last(lines))


def _raised_in(lines: Sequence[str], index: int) -> str:
    """The distribution in whose file the message at ``index`` was raised; empty for the repository's own files."""
    if (plugin := _PLUGIN.search(lines[index])) and (inside := _INSTALLED.search(plugin["path"])):
        return distribution(inside["top"])  # pytest raises, but of whom is said
    for line in reversed(lines[max(0, index - _FRAMES) : index + 1]):
        frame = _FRAME.search(line)
        if not frame or (_STDLIB.search(frame["path"]) and not _INSTALLED.search(frame["path"])):
            continue
        inside = _INSTALLED.search(frame["path"])
        return distribution(inside["top"]) if inside else ""
    return ""


def _read(tier: Sequence[Sign], line: str, where: Callable[[], Where], phase: Phase) -> Named | None:
    for one in tier:
        if found := one.read(line, where, phase):
            return found
    return None


def _failure(phase: Phase, named: Named, package: str, line: str) -> Failure:
    kind, subject = named
    return Failure(phase=phase, kind=kind, subject=subject[:200], package=package, line=line.strip()[:_TOLD])


def _last(lines: Sequence[str]) -> str:
    return lines[-1].strip()[:_TOLD] if lines else ""
