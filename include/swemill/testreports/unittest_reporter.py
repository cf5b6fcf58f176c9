"""Runs unittest inside a sandbox and writes what happens, event by event, so that any end leaves the results so far.

This file is copied into sandboxes, beside ``unittest_loading``, and started there as a script, as ``pytest_reporter``
is: standard library only, Python 3.6 syntax. Its events are those of ``pytest_reporter``, read by the same reader::

    python unittest_reporter.py [PLACE ...]               files, folders, dotted modules; none: all that is there
    python unittest_reporter.py --django [PLACE ...]      the repository's own Django runner, in this process

``--django`` runs Django's ``tests/runtests.py``, else ``manage.py test``, else a ``runtests.py``, as ``__main__``.
Whatever it gives to ``unittest.TextTestRunner`` is reported; results of another runner or of worker processes are not.
Without such a script it ends with exit status 4 before any event, and the suite is for another runner.

Ids are ``str(test)``, which SWE-bench reads from the log: ``test_name (module.Class)``, and from Python 3.11 on
``test_name (module.Class.test_name)``. A docstring is never part of one. Subtests count for their test.
"""

import hashlib
import os
import runpy
import sys
import time
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swemill.testreports.event_lines import line_writer, read_key
    from swemill.testreports.unittest_guard import Guard
    from swemill.testreports.unittest_loading import Loading, django_command, flat, is_stand_in
else:
    from event_lines import line_writer, read_key
    from unittest_guard import Guard
    from unittest_loading import Loading, django_command, flat, is_stand_in

if __name__ == "__main__":
    # The script's own folder; the work folder takes its place, as under `python -m unittest`.
    del sys.path[0]

_WORST_FIRST = ("error", "failed", "xpassed", "passed", "xfailed", "skipped")
_UNUSABLE = 4
_NOTHING_RAN = 5


class Events:
    """Where events go, and what was asked for."""

    def __init__(self, path: str, until_first_pass: bool, order_seed: str) -> None:
        self.until_first_pass = until_first_pass
        self.order_seed = order_seed
        self._write_line = line_writer(path, read_key())
        self.guard = Guard(lambda what: self.emit("tampered", what=what))

    @classmethod
    def of_environment(cls) -> "Events":
        """As the variables say; they are removed, so that code under test does not inherit them."""
        path = os.environ.pop("SWEMILL_REPORT")
        until_first_pass = bool(os.environ.pop("SWEMILL_UNTIL_FIRST_PASS", ""))
        return cls(path, until_first_pass, os.environ.pop("SWEMILL_ORDER", ""))

    def emit(self, event: str, **fields: object) -> None:
        """Write one event."""
        self._write_line(dict(fields, e=event))


def spelled(test: Any) -> str:
    """The id of a test: what unittest itself prints, on one line."""
    return " ".join(str(test).split()) or f"{type(test).__module__}.{type(test).__name__}"


def shuffled(suite: Any, seed: str) -> unittest.TestSuite:
    """The tests of a suite with modules, classes within a module and tests within a class in an order by ``seed``."""

    def key(test: Any) -> "list[str]":
        place = type(test)
        parts = [place.__module__, f"{place.__module__}.{place.__qualname__}", spelled(test)]
        return [hashlib.sha256(f"{seed}\0{part}".encode("utf-8", "surrogatepass")).hexdigest() for part in parts]

    return unittest.TestSuite(sorted(flat(suite), key=key))


class ReportingResult(unittest.TextTestResult):
    """unittest's own verbose result, which also reports."""

    events = None  # type: Any
    made = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        type(self).made += 1
        self._running = {}  # type: dict[int, tuple[str, float, list[str]]]
        self._clock = time.monotonic  # tests freeze the clock
        self._planned = []  # type: list[tuple[str, str, str]]

    def plan(self, suite: Any) -> None:
        """Note what will run: a class or module whose set-up fails never starts its tests."""
        tests = [test for test in flat(suite) if not is_stand_in(test)]
        for test in tests:
            place = type(test)
            self._planned.append((spelled(test), place.__module__, f"{place.__module__}.{place.__qualname__}"))
        self.events.emit("collected", n=len(tests))
        self.events.guard.loaded(tests)

    def startTest(self, test: unittest.TestCase) -> None:
        name = spelled(test)
        self._running[id(test)] = (name, self._clock(), [])
        self.events.guard.test_begins(test, name)
        self.events.emit("start", id=name)
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self.events.guard.look()
        name, since, found = self._running.pop(id(test), ("", 0.0, []))
        outcome = next((word for word in _WORST_FIRST if word in found), None)
        if outcome is None:
            return
        if is_stand_in(test):
            self.events.emit("collect", id=name, outcome=outcome)
            return
        self.events.emit("finish", id=name, outcome=outcome, seconds=self._clock() - since)
        if self.events.until_first_pass and outcome == "passed":
            self.events.emit("stop", why="first pass")
            self.stop()

    def _note(self, test: Any, outcome: str) -> None:
        if id(test) in self._running:
            name, _, found = self._running[id(test)]
            found.append(outcome)
            self.events.emit("phase", id=name, when="call", outcome=outcome, seconds=0.0)
            return
        # No test is running: the set-up or tear-down of a class or module.
        name = spelled(test)
        self.events.emit("collect", id=name, outcome=outcome)
        kind, _, place = name.partition(" (")
        if kind in ("setUpClass", "setUpModule"):
            for planned, module, owner in self._planned:
                if place.rstrip(")") == (owner if kind == "setUpClass" else module):
                    self.events.emit("finish", id=planned, outcome=outcome, seconds=0.0)

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        # An exception that was taken for an expected one, of a test that nobody expects to fail.
        hidden = getattr(getattr(test, "_outcome", None), "expectedFailure", None)
        self._note(test, "failed" if hidden else "passed")

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, "error")  # first: printing an error runs its own __str__
        super().addError(test, err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, "failed")
        super().addFailure(test, err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._note(getattr(test, "test_case", test), "skipped")  # one that skips in a subtest is that subtest here
        super().addSkip(test, reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(test, "xfailed" if self.events.guard.expects_failure(test) else "failed")
        super().addExpectedFailure(test, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "xpassed")
        super().addUnexpectedSuccess(test)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._note(test, "failed" if failed else "error")
        super().addSubTest(test, subtest, err)


class ReportingRunner(unittest.TextTestRunner):
    """Tells the result what is about to run."""

    def _makeResult(self) -> unittest.TextTestResult:
        result = super()._makeResult()
        if isinstance(result, ReportingResult):
            result.plan(self._suite)
        return result

    def run(self, test: Any) -> unittest.TextTestResult:
        seed = ReportingResult.events.order_seed
        self._suite = shuffled(test, seed) if seed else test
        return super().run(self._suite)


# --- ways to run -----------------------------------------------------------------------------------------------------


def run_places(events: Events, places: "list[str]") -> int:
    """Load and run; the exit status, as unittest (from 3.12 on) and pytest have it."""
    loading = Loading(events.emit)
    events.guard.run_begins()
    suite = loading.suite(places)
    warnings = None if sys.warnoptions else "default"
    result = ReportingRunner(verbosity=2, resultclass=ReportingResult, warnings=warnings).run(suite)
    if loading.failed or not result.wasSuccessful():
        return 1
    return 0 if result.testsRun else _NOTHING_RAN


def run_script(events: Events, words: "list[str]") -> int:
    """Run a script as ``__main__``, with unittest's runner replaced by the reporting one; the exit status."""
    ReportingRunner.resultclass = ReportingResult
    unittest.TextTestRunner = unittest.runner.TextTestRunner = ReportingRunner  # type: ignore[misc]
    events.guard.run_begins()
    sys.argv[:] = words
    os.environ["DJANGO_TEST_PROCESSES"] = "1"
    sys.path.insert(0, str(Path(words[0]).resolve().parent))
    status = 0
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        status = int(end.code) & 0xFF if isinstance(end.code, int) else int(end.code is not None)
    if ReportingResult.made:
        return int(status != 0)  # scripts end with the number of failures, or 2, or what they like
    return status or _NOTHING_RAN


def main() -> int:
    """Run what this process's arguments name and report; returns the exit status."""
    events = Events.of_environment()
    ReportingResult.events = events
    words = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    if words[:1] == ["--django"]:
        command = django_command(words[1:])
        if not command:
            return _UNUSABLE
        status = run_script(events, command)
    else:
        sys.argv[:] = ["python -m unittest"]
        status = run_places(events, words)
    events.guard.look()
    events.emit("end", status=status)
    return status


if __name__ == "__main__":
    sys.exit(main())
