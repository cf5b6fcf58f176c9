"""Runs pytest inside a sandbox and writes what happens, event by event, so that any end leaves the results so far.

This file is copied into sandboxes and started there as a script (``python reporter.py PYTEST-ARGUMENTS``), below
whatever Python and pytest a repository needs. Hence: standard library only, Python 3.6 syntax, hooks that pytest has
had from 3.0 to 9, and no import from swemill.

Each event is one sealed JSON line, written by ``event_lines`` with one ``write``: a hang, a crash,
``os._exit``, or a test that closes all file descriptors costs at most the line that was never written. Events
(key ``e``): ``start`` and ``phase`` and ``finish`` of a test, ``collect`` (a module that failed or skipped at
collection), ``collected`` (count), ``stop`` (stopped on purpose), ``tampered`` (``pytest_guard`` found something),
``end`` (pytest returned; its exit status).

It is a script and no ``-p`` plugin because ``python -m pytest`` would import a ``pytest.py`` that a patch put into the
work folder. It reads three variables and removes them, so that code under test does not inherit them:
``SWEMILL_REPORT`` (path to write), ``SWEMILL_UNTIL_FIRST_PASS`` and ``SWEMILL_ORDER`` (what to shuffle the tests by).
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swemill.testreports.event_lines import line_writer, read_key
    from swemill.testreports.pytest_guard import Guard
else:
    from event_lines import line_writer, read_key
    from pytest_guard import Guard

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

    def __init__(self, write_line: Any, until_first_pass: bool, order_seed: str = "") -> None:
        self._write_line = write_line
        self._order_seed = order_seed
        self._until_first_pass = until_first_pass
        self._phases = {}  # type: dict[str, list[Any]]
        self._raised, self._unasked = set(), set()  # type: set[tuple[str, str]], set[tuple[str, str]]
        self.guard = Guard(lambda what: self.emit("tampered", what=what))

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event."""
        self._write_line(dict(fields, e=event))

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
        """Switch coverage off: its plugin reads its options here. Plugins are loaded, no conftest.py is."""
        if importlib.util.find_spec("pytest_cov") is not None:
            early_config.known_args_namespace.no_cov = True
        self.guard.plugins_are_loaded(early_config)
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

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection(self) -> "Iterator[None]":
        """From here on code under test is imported."""
        self.guard.collection_begins()
        yield

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be collected, or skips itself as a whole."""
        if report.nodeid and report.outcome in ("failed", "skipped"):
            outcome = "error" if report.outcome == "failed" else "skipped"
            self.emit("collect", id=_spelled(report.nodeid), outcome=outcome)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: Any) -> None:
        """Shuffle files, classes within a file and tests within a class, so that what they share is made once."""
        if self._order_seed:
            items.sort(key=lambda item: [_mixed(self._order_seed, part) for part in _places(item.nodeid)])

    def pytest_collection_finish(self, session: Any) -> None:
        """How many tests will run."""
        self.guard.collection_ends(session.items)
        self.emit("collected", n=len(session.items))

    # --- tests -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> "Iterator[None]":
        """Start and finish of one test, reruns by a plugin included."""
        nodeid = item.nodeid
        self._phases[nodeid] = []
        self.emit("start", id=_spelled(nodeid))
        self.guard.test_begins(item)
        result = yield
        self.guard.look()
        self._raised.clear()
        self._unasked.clear()
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

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> "Iterator[None]":
        """See the exceptions themselves, whatever is made of them."""
        raised = call.excinfo
        yield
        raised = raised or call.excinfo
        phase = (item.nodeid, str(call.when))
        self._raised.discard(phase)  # of an attempt before this one
        self._unasked.discard(phase)
        if raised is not None:
            self._raised.add(phase)
            if not self.guard.expects_failure(item, raised):
                self._unasked.add(phase)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Outcome of one phase (setup, call, teardown) of a test. An exception is never a pass."""
        outcome = str(report.outcome)
        phase = (report.nodeid, str(report.when))
        if outcome == "passed" and phase in self._raised:
            outcome = "failed"
        elif hasattr(report, "wasxfail") and phase not in self._unasked:
            outcome = {"skipped": "xfailed", "passed": "xpassed"}.get(outcome, outcome)
        seconds = float(getattr(report, "duration", 0.0) or 0.0)
        self.emit("phase", id=_spelled(report.nodeid), when=str(report.when), outcome=outcome, seconds=seconds)
        phases = self._phases.setdefault(report.nodeid, [])
        if outcome == "rerun":  # pytest-rerunfailures tries again: only the last attempt counts
            del phases[:]
        else:
            phases.append((str(report.when), outcome, seconds))


def _places(nodeid: str) -> "list[str]":
    """File, class (or the file again) and test, each with what is above it."""
    test = nodeid.partition("[")[0]
    return [nodeid.partition("::")[0], test.rpartition("::")[0], nodeid]


def _mixed(seed: str, part: str) -> str:
    return hashlib.sha256((seed + "\0" + part).encode("utf-8", "surrogatepass")).hexdigest()


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
    until_first_pass = bool(os.environ.pop("SWEMILL_UNTIL_FIRST_PASS", ""))
    reporter = Reporter(line_writer(path, read_key()), until_first_pass, os.environ.pop("SWEMILL_ORDER", ""))
    sys.path.insert(0, str(Path.cwd()))
    sys.argv[0] = "pytest"
    status = int(pytest.main(sys.argv[1:], plugins=[reporter]))
    reporter.guard.look(thoroughly=True)
    reporter.emit("end", status=status)
    return status


if __name__ == "__main__":
    sys.exit(main())
