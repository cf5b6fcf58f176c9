"""The conditions under which an instance is tried again: as today, a year ahead, and on another machine.

What a condition needs is made in each sandbox before its tests run, from what every base image has (gcc, localedef,
tzdata): so images that were made long ago, which are the ones that rot, can be tried like new ones. Where an image
lacks it, the condition cannot be tried, and ``unavailable`` says why.

- ``YEAR_AHEAD``: a preloaded library shows the tests a clock that is 365 days ahead (``clock_ahead.c``).
- ``ELSEWHERE``: another host name, a German locale, and a time zone ten hours west of Greenwich without daylight saving
  time. The zone goes by its name, because libraries that look it up know none such as ``XYZ+10``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import resources

from swemill.errors import SandboxUnavailable
from swemill.ports import Claims, RunningSandbox, SandboxEngine
from swemill.values import SandboxSpec

FOLDER = "/tmp/swemill-conditions"
"""In the sandbox; what the tests are surrounded with lies there."""
YEAR = 365 * 24 * 3600
"""Seconds."""

_PATIENCE = 120.0
"""Seconds that making it may take; it takes about one."""
_SOURCE = "clock_ahead.c"


class Condition(StrEnum):
    """What an instance has to stand."""

    TODAY = "today"
    YEAR_AHEAD = "year_ahead"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is different around the tests."""

    hostname: str | None = None
    """None: that of any sandbox."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Of the run of the tests."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    script: str = ""
    """For ``sh``: makes what ``env`` needs and sees that it works; else its last line says what is missing."""


def surroundings(condition: Condition) -> Surroundings:
    """What there is to a condition."""
    match condition:
        case Condition.TODAY:
            return Surroundings()
        case Condition.YEAR_AHEAD:
            return clock_ahead(YEAR)
        case Condition.ELSEWHERE:
            return Surroundings(
                hostname="elsewhere",
                env={
                    "LC_ALL": "de_DE.UTF-8",
                    "LANG": "de_DE.UTF-8",
                    "LOCPATH": f"{FOLDER}/locales",
                    "TZ": "Pacific/Honolulu",
                },
                script=_ELSEWHERE.format(folder=FOLDER),
            )


def clock_ahead(seconds: int) -> Surroundings:
    """A clock that far ahead; with 0 the same means, and the true time."""
    return Surroundings(
        env={"LD_PRELOAD": f"{FOLDER}/clock_ahead.so"},
        files={f"{FOLDER}/{_SOURCE}": resources.files("swemill.stages").joinpath(_SOURCE).read_bytes()},
        script=_CLOCK.format(folder=FOLDER, seconds=seconds),
    )


class Surrounded:
    """Starts sandboxes in which the surroundings are made already (port ``SandboxEngine``)."""

    def __init__(self, engine: SandboxEngine, around: Surroundings) -> None:
        """Start them on ``engine``."""
        self._engine = engine
        self._around = around

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[RunningSandbox]:
        """Start a sandbox.

        Raises:
            SandboxUnavailable: likewise, or what ``unavailable`` found to be there is not there now.
        """
        named = spec if self._around.hostname is None else replace(spec, hostname=self._around.hostname)
        with self._engine.start(named) as sandbox:
            if words := unavailable(sandbox, self._around):
                raise SandboxUnavailable(
                    f"the surroundings of the tests could not be made this time: {words}; run again"
                )
            yield sandbox

    def reap(self, is_claimed: Claims) -> list[str]:
        """As the engine does."""
        return self._engine.reap(is_claimed)


def unavailable(sandbox: RunningSandbox, around: Surroundings) -> str:
    """Make the surroundings in a sandbox; returns why they cannot be had, or nothing."""
    if not around.script:
        return ""
    sandbox.write(around.files)
    result = sandbox.run(["sh", "-c", around.script], timeout=_PATIENCE)
    if result.exit_code == 0 and not result.timed_out:
        return ""
    lines = result.output.decode("utf-8", "replace").replace("\x00", "").split("\n")
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return words[:300] or f"making the surroundings ended with exit code {result.exit_code}"


# One stream: two may come in any order, and the last line is what is told.
_CLOCK = """\
exec 2>&1
fail() {{ echo "$*"; exit 1; }}
cd {folder} || fail "no folder can be made in /tmp"
command -v gcc >/dev/null || fail "the image has no gcc, which makes the clock"
now=$(date +%s)
gcc -shared -fPIC -w -DAHEAD={seconds}L -DSINCE="$now"L -o clock_ahead.so clock_ahead.c -ldl ||
    fail "gcc cannot make the clock"
seen=$(LD_PRELOAD={folder}/clock_ahead.so python -c 'import time; print(int(time.time()))') ||
    fail "python does not run with the clock"
[ $((seen - now)) -ge {seconds} ] || fail "python does not see the clock"
"""

_ELSEWHERE = """\
exec 2>&1
fail() {{ echo "$*"; exit 1; }}
mkdir -p {folder}/locales || fail "no folder can be made in /tmp"
command -v localedef >/dev/null || fail "the image has no localedef, which makes the locale"
localedef -i de_DE -f UTF-8 {folder}/locales/de_DE.UTF-8
seen=$(LOCPATH={folder}/locales LC_ALL=de_DE.UTF-8 locale decimal_point)
[ "$seen" = , ] || fail "the image cannot make the locale de_DE.UTF-8"
[ "$(TZ=Pacific/Honolulu date +%z)" = -1000 ] || fail "the image does not know the time zone Pacific/Honolulu"
"""
