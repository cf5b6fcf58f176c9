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
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from time import monotonic

from swemill.errors import SandboxUnavailable
from swemill.ports import RunningSandbox
from swemill.testreports.reader import clean_text, read_report
from swemill.values import ExecResult, TestReport

LOG_LIMIT = 64 << 10
"""Bytes of the run's output that are kept: its end."""
USAGE_ERROR = 4
"""pytest's exit status for a command line or configuration that it refuses, or a conftest.py that fails to import."""

_ENVIRONMENT = {
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
_CLEANING = 60.0
_WITHOUT_OPTIONS = ("-o", "addopts=", "-o", "minversion=", "-o", "required_plugins=")


def run_tests(
    sandbox: RunningSandbox,
    *,
    test_files: Sequence[str],
    timeout: float,
    until_first_pass: bool = False,
) -> TestReport:
    """Run pytest on ``test_files`` (paths in the work folder; none: the whole suite) for at most ``timeout`` seconds.

    ``until_first_pass`` ends the run at the first test that passes. The report's ``log_tail`` holds the output's end.

    Raises:
        SandboxUnavailable: the engine or the container is gone.
    """
    started = monotonic()
    report = _attempt(sandbox, test_files=test_files, timeout=timeout, until_first_pass=until_first_pass, options=())
    refused = report.exit_code == USAGE_ERROR and not report.outcomes and not report.collected
    left = timeout - (monotonic() - started)
    if not refused or left < 1:
        return report
    again = _attempt(
        sandbox, test_files=test_files, timeout=left, until_first_pass=until_first_pass, options=_WITHOUT_OPTIONS
    )
    if again.exit_code == USAGE_ERROR:
        return report  # not a matter of options: the first log tells it as the repository sees it
    note = b"pytest refused the repository's options and ran without them. Its words:\n"
    log = note + report.log_tail[-2048:].encode() + b"\n--- without addopts ---\n" + again.log_tail.encode()
    return replace(again, log_tail=clean_text(log, limit=LOG_LIMIT + 4096))


def _attempt(
    sandbox: RunningSandbox,
    *,
    test_files: Sequence[str],
    timeout: float,
    until_first_pass: bool,
    options: Sequence[str],
) -> TestReport:
    # Random, so that no patch can know where to put a forged report.
    folder = f"/tmp/swemill-{secrets.token_hex(8)}"
    script, place = f"{folder}/{secrets.token_hex(8)}.py", f"{folder}/{secrets.token_hex(8)}.jsonl"
    sandbox.write({script: resources.files("swemill.testreports").joinpath("pytest_reporter.py").read_bytes()})
    command = [
        *("python", script, "--continue-on-collection-errors", "--maxfail=0", "--rootdir=.", "--color=no"),
        *("--tb=short", "-p", "no:randomly", "-o", f"cache_dir={folder}/cache"),
        *options,
        *(path if not path.startswith("-") else f"./{path}" for path in test_files),
    ]
    env = {**_ENVIRONMENT, "SWEMILL_REPORT": place}
    if until_first_pass:
        env["SWEMILL_UNTIL_FIRST_PASS"] = "1"
    result = sandbox.run(command, timeout=timeout, env=env, output_limit=LOG_LIMIT)
    data = _report_bytes(sandbox, place, result)
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
