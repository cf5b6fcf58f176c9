"""Runs a repository's tests in a sandbox and brings back a structured report, however the run ends.

The repository's own pytest configuration stays in force, as under SWE-bench, with these exceptions, each because it
changes which results there are rather than what they mean:

- ``--continue-on-collection-errors`` and ``--maxfail=0``: one broken file or failure does not hide the other tests;
- ``--rootdir=.``: ids are relative to the work folder even when a configuration file lies deeper;
- ``cache_dir`` in ``/tmp``: nothing is written into the work folder (the ``cache`` fixture still works);
- no random order (pytest-randomly), no xdist workers, no coverage: see ``pytest_reporter``.

Options of pytest-cov and xdist in ``addopts`` are accepted where those plugins are missing. When pytest refuses its
command line for another reason before any test is collected (exit status 4: options of other missing plugins, a
``minversion``), it runs once more without ``addopts``, ``minversion`` and ``required_plugins``; the log says so.

Suites of unittest, of nose and of Django's own runner have reporters of their own. Where nose, or a script that runs
Django's tests, is not there, pytest runs the suite, and the log says so: that depends on the image alone, so that every
run of an instance has the same runner and with it the same ids.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from time import monotonic

from swemill.errors import SandboxUnavailable
from swemill.ports import RunningSandbox
from swemill.testreports.reader import clean_text, read_report, unsealed
from swemill.values import ExecResult, TestReport, TestRunner

LOG_LIMIT = 64 << 10
"""Bytes of the run's output that are kept: its end."""
USAGE_ERROR = 4
"""pytest's exit status for a command line or configuration that it refuses, or a conftest.py that fails to import.

The other reporters end with it where their runner cannot be: no nose that works, no script that runs Django's tests.
"""

ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "PYTEST_ADDOPTS": "",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "NO_COLOR": "1",
    "PY_COLORS": "0",
    "COLUMNS": "120",
}
"""What a run of tests is given beyond the image's own variables."""
_CLEANING = 60.0
WITHOUT_OPTIONS = ("-o", "addopts=", "-o", "minversion=", "-o", "required_plugins=")
"""Words for pytest that take the repository's own back."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one runner is started: the scripts to put beside each other, the first of them with these words."""

    scripts: tuple[str, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What to run, whatever the runner."""

    test_files: tuple[str, ...]
    until_first_pass: bool
    order_seed: str
    env: Mapping[str, str]


PYTEST = Way(
    scripts=("pytest_reporter.py", "event_lines.py", "pytest_guard.py", "tamper_watch.py"),
    words=(
        *("--continue-on-collection-errors", "--maxfail=0", "--rootdir=.", "--color=no", "--tb=short"),
        *("-p", "no:randomly", "-o", "cache_dir={folder}/cache"),
    ),
)
_UNITTEST = Way(
    scripts=("unittest_reporter.py", "unittest_loading.py", "event_lines.py", "unittest_guard.py", "tamper_watch.py")
)
_WAYS: Mapping[TestRunner, Way] = {
    TestRunner.PYTEST: PYTEST,
    TestRunner.UNITTEST: _UNITTEST,
    TestRunner.NOSE: Way(scripts=("nose_reporter.py", *_UNITTEST.scripts)),
    TestRunner.DJANGO: replace(_UNITTEST, words=("--django",)),
}


def run_tests(
    sandbox: RunningSandbox,
    *,
    test_files: Sequence[str],
    timeout: float,
    until_first_pass: bool = False,
    order_seed: str = "",
    runner: TestRunner = TestRunner.PYTEST,
    env: Mapping[str, str] | None = None,
) -> TestReport:
    """Run the tests of ``test_files`` (paths in the work folder; none: all) for at most ``timeout`` seconds.

    ``until_first_pass`` ends the run at the first test that passes. ``order_seed``, where it is not empty, shuffles
    the tests, the same way for the same seed; nose makes its tests as it goes and keeps its order. ``runner`` is what
    the suite was written for. ``env`` is added to the environment, and wins over what all runs have alike (time zone,
    locale). The report's ``log_tail`` holds the output's end.

    Raises:
        SandboxUnavailable: the engine or the container is gone.
    """
    started = monotonic()
    asked = _Asked(
        test_files=tuple(test_files), until_first_pass=until_first_pass, order_seed=order_seed, env=env or {}
    )
    way = _WAYS[runner]
    report = _attempt(sandbox, way, asked, timeout=timeout)
    left = timeout - (monotonic() - started)
    if not _refused(report) or left < 1:
        return report
    if way is PYTEST:
        return _without_options(sandbox, asked, report, timeout=left)
    again = run_tests(
        sandbox,
        test_files=test_files,
        timeout=left,
        until_first_pass=until_first_pass,
        order_seed=order_seed,
        env=env,
    )
    return _after(f"{runner} cannot run here, and pytest ran instead. Its words:", report, "--- pytest ---", again)


def _without_options(sandbox: RunningSandbox, asked: _Asked, report: TestReport, *, timeout: float) -> TestReport:
    way = replace(PYTEST, words=(*PYTEST.words, *WITHOUT_OPTIONS))
    again = _attempt(sandbox, way, asked, timeout=timeout)
    if again.exit_code == USAGE_ERROR:
        return report  # not a matter of options: the first log tells it as the repository sees it
    note = "pytest refused the repository's options and ran without them. Its words:"
    return _after(note, report, "--- without addopts ---", again)


def _refused(report: TestReport) -> bool:
    return report.exit_code == USAGE_ERROR and not report.outcomes and not report.collected


def _after(note: str, report: TestReport, line: str, again: TestReport) -> TestReport:
    log = f"{note}\n{report.log_tail[-2048:]}\n{line}\n{again.log_tail}".encode()
    return replace(again, log_tail=clean_text(log, limit=LOG_LIMIT + 4096))


def _attempt(sandbox: RunningSandbox, way: Way, asked: _Asked, *, timeout: float) -> TestReport:
    # Random, so that no patch can know where to put a forged report.
    folder = f"/tmp/swemill-{secrets.token_hex(8)}"
    place = f"{folder}/{secrets.token_hex(8)}.jsonl"
    source = resources.files("swemill.testreports")
    sandbox.write({f"{folder}/{name}": source.joinpath(name).read_bytes() for name in way.scripts})
    command = [
        *("python", f"{folder}/{way.scripts[0]}"),
        *(word.format(folder=folder) for word in way.words),
        *(path if not path.startswith("-") else f"./{path}" for path in asked.test_files),
    ]
    env = {**ENVIRONMENT, **asked.env, "SWEMILL_REPORT": place}
    if asked.order_seed:
        env["SWEMILL_ORDER"] = asked.order_seed
    if asked.until_first_pass:
        env["SWEMILL_UNTIL_FIRST_PASS"] = "1"
    # By standard input, where nobody can read it a second time: a line without its seal is none.
    key = secrets.token_hex(16).encode()
    result = sandbox.run(command, timeout=timeout, env=env, stdin=key, output_limit=LOG_LIMIT)
    data = unsealed(_report_bytes(sandbox, place, result), key)
    sandbox.run(["rm", "-rf", folder], timeout=_CLEANING)  # the next run meets nothing of this one
    return read_report(
        data,
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        out_of_memory=result.out_of_memory,
        log_tail=clean_text(result.output, limit=LOG_LIMIT),
        seconds=result.seconds,
    )


def _report_bytes(sandbox: RunningSandbox, place: str, result: ExecResult) -> bytes:
    try:
        return sandbox.read(place) or b""
    except SandboxUnavailable:
        if result.timed_out or result.out_of_memory:
            return b""  # the limit took the whole sandbox down: that is the run's own doing, and already known
        raise
