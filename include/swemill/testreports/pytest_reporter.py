"""Runs pytest inside a sandbox and writes what happens, event by event, so that any end leaves the results so far.

This file is copied into sandboxes and started there as a script (``python reporter.py PYTEST-ARGUMENTS``), below
whatever Python and pytest a repository needs. Hence: standard library only, Python 3.6 syntax, hooks that pytest has
had from 3.0 to 9, and no import from swemill.

Each event is one JSON line, written with one ``write`` to a file opened for that line alone: a hang, a crash,
``os._exit``, or a test that closes all file descriptors costs at most the line that was never written. Events
(key ``e``): ``start`` and ``phase`` and ``finish`` of a test, ``collect`` (a module that failed or skipped at
collection), ``collected`` (count), ``stop`` (stopped on purpose), ``end`` (pytest returned; its exit status).

It is a script and no ``-p`` plugin because ``python -m pytest`` would import a ``pytest.py`` that a patch put into the
work folder. It reads two variables and removes them, so that code under test does not inherit them:
``SWEMILL_REPORT`` (path to write) and ``SWEMILL_UNTIL_FIRST_PASS``.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # The script's own folder; the work folder takes its place, as under `python -m pytest`, once pytest is imported.
    del sys.path[0]

import pytest

# Options that repositories put into `addopts` for plugins that a plain installation lacks: accepted, and ignored.
_FOREIGN_OPTIONS = {
    "pytest_cov": (
        ("--cov", "?"),
        ("--cov-report", "?"),
        ("--cov-config", 1),
        ("--cov-fail-under", 1),
        ("--cov-context", 1),
        ("--cov-branch", 0),
        ("--cov-append", 0),
        ("--no-cov", 0),
        ("--no-cov-on-fail", 0),
    ),
    "xdist": (("-n", 1), ("--numprocesses", 1), ("--maxprocesses", 1), ("--dist", 1), ("--tx", 1)),
}


class Reporter:
    """The plugin: one instance a pytest session."""

    def __init__(self, path: str, until_first_pass: bool) -> None:
        self._path = path
        self._until_first_pass = until_first_pass
        self._phases = {}  # type: dict[str, list[Any]]
        self._pid = os.getpid()
        # Bound now: tests replace functions of os and json (pyfakefs, mocks) while events are written.
        self._open, self._write, self._close, self._getpid = os.open, os.write, os.close, os.getpid
        self._flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._dumps = json.dumps

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event. Forked children of a test are not the session and write nothing."""
        if self._getpid() != self._pid:
            return
        line = self._dumps(dict(fields, e=event)).encode("ascii") + b"\n"
        try:
            handle = self._open(self._path, self._flags, 0o600)
            try:
                self._write(handle, line)
            finally:
                self._close(handle)
        except OSError:
            # No room or no descriptor left, by the tests' doing. The test stays without a result, which is never a
            # pass; raising here would blame the next test for it.
            return

    # --- configuration -----------------------------------------------------------------------------------------------

    def pytest_addoption(self, parser: Any) -> None:
        """Accept the options of plugins that are not installed, so that `addopts` naming them does no harm."""
        group = parser.getgroup("swemill", "options of absent plugins, ignored")
        for module, options in _FOREIGN_OPTIONS.items():
            if importlib.util.find_spec(module) is None:
                for name, arity in options:
                    kind = {"action": "store_true"} if arity == 0 else {"action": "append"}  # type: dict[str, Any]
                    if arity == "?":
                        kind.update(nargs="?", const="")
                    # pytest reserves short lower-case options for itself; `-n` is one.
                    getattr(group, "_addoption", group.addoption)(name, **kind)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> "Iterator[None]":
        """Switch coverage off: its plugin reads its options here."""
        if importlib.util.find_spec("pytest_cov") is not None:
            early_config.known_args_namespace.no_cov = True
        yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_main(self, config: Any) -> "Iterator[None]":
        """Run in this one process whatever xdist was told: one running test, one memory limit, one order."""
        if config.pluginmanager.hasplugin("xdist"):
            config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []
        if config.pluginmanager.hasplugin("_cov"):
            config.option.no_cov = True
        yield

    # --- collection --------------------------------------------------------------------------------------------------

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be collected, or skips itself as a whole."""
        if report.nodeid and report.outcome in ("failed", "skipped"):
            outcome = "error" if report.outcome == "failed" else "skipped"
            self.emit("collect", id=_spelled(report.nodeid), outcome=outcome)

    def pytest_collection_finish(self, session: Any) -> None:
        """How many tests will run."""
        self.emit("collected", n=len(session.items))

    # --- tests -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> "Iterator[None]":
        """Start and finish of one test, reruns by a plugin included."""
        nodeid = item.nodeid
        self._phases[nodeid] = []
        self.emit("start", id=_spelled(nodeid))
        result = yield
        phases = self._phases.pop(nodeid, [])
        if getattr(result, "excinfo", None) is not None:
            return  # interrupted: the test has no outcome of its own
        outcome = _final(phases)
        if outcome is None:
            return
        self.emit("finish", id=_spelled(nodeid), outcome=outcome, seconds=sum(phase[2] for phase in phases))
        if self._until_first_pass and outcome == "passed":
            self.emit("stop", why="first pass")
            item.session.shouldstop = "a first test passed"

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Outcome of one phase (setup, call, teardown) of a test."""
        outcome = str(report.outcome)
        if hasattr(report, "wasxfail"):
            outcome = {"skipped": "xfailed", "passed": "xpassed"}.get(outcome, outcome)
        seconds = float(getattr(report, "duration", 0.0) or 0.0)
        self.emit("phase", id=_spelled(report.nodeid), when=str(report.when), outcome=outcome, seconds=seconds)
        phases = self._phases.setdefault(report.nodeid, [])
        if outcome == "rerun":  # pytest-rerunfailures tries again: only the last attempt counts
            del phases[:]
        else:
            phases.append((str(report.when), outcome, seconds))


def _spelled(nodeid: str) -> str:
    # pytest before 4.0 put an instance node between class and function.
    return nodeid.replace("::()", "")


def _final(phases: Any) -> Any:
    """One outcome from the phases; None when the test's body never reported. Subtests report several calls."""
    outcomes = [(when, outcome) for when, outcome, _ in phases]
    calls = [outcome for when, outcome in outcomes if when == "call"]
    if "failed" in calls:
        return "failed"
    if any(outcome == "failed" for _, outcome in outcomes):
        return "error"
    for outcome in ("xpassed", "passed"):
        if outcome in calls:
            return outcome
    for outcome in ("xfailed", "skipped"):
        if any(outcome == found for _, found in outcomes):
            return outcome
    return None


def main() -> int:
    """Run pytest with this process's arguments and report; the exit status is pytest's."""
    path = os.environ.pop("SWEMILL_REPORT")
    reporter = Reporter(path, bool(os.environ.pop("SWEMILL_UNTIL_FIRST_PASS", "")))
    sys.path.insert(0, str(Path.cwd()))
    sys.argv[0] = "pytest"
    status = int(pytest.main(sys.argv[1:], plugins=[reporter]))
    reporter.emit("end", status=status)
    return status


if __name__ == "__main__":
    sys.exit(main())
