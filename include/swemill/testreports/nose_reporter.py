"""Runs nose inside a sandbox and writes what happens, event by event, so that any end leaves the results so far.

A script as ``unittest_reporter`` is, which must lie beside it: ``python nose_reporter.py [PLACE ...]``. It serves nose
1.3.7 (to Python 3.9) and pynose, which has the same module and hooks (from 3.7). Where neither is there or works, it
ends with exit status 4 before any event, and the suite is for another runner.

The repository's own configuration of nose stays in force, save what changes which results there are: stopping at the
first failure, worker processes, coverage. Where nose refuses it (options of absent plugins) it runs without. Ids are
``str(test)``, as nose prints them: ``test_name (module.Class)`` for a ``unittest.TestCase``, ``module.Class.test_name``
and ``module.test_name`` for the rest, with the arguments of a generated test in brackets after it. A module that cannot
be imported goes by its path.
"""

import os
import sys
import time
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swemill.testreports.unittest_reporter import Events, spelled
else:
    from unittest_reporter import Events, spelled

if __name__ == "__main__":
    # The script's own folder; the work folder takes its place once nose is imported.
    del sys.path[0]

_UNUSABLE = 4
_NOTHING_RAN = 5


class ReportingPlugin:
    """The plugin: one instance a run. nose asks for attributes, not for its own base class."""

    name = "swemill"
    enabled = True
    score = 1 << 20  # called before any other plugin

    def __init__(self, events: Events) -> None:
        self._events = events
        self._found = []  # type: list[str]
        self._running = ""
        self._since = 0.0
        self._clock = time.monotonic  # tests freeze the clock
        self._result = None  # type: Any
        self.started = 0
        self.troubled = False

    def options(self, parser: Any, env: Any) -> None:
        """It has no options."""

    def configure(self, options: Any, conf: Any) -> None:
        """Run everything, in this process."""
        conf.stopOnError = False
        # All have been configured by now; those that are enabled then are kept.
        for plugin in conf.plugins:
            if getattr(plugin, "name", "") in ("coverage", "multiprocess"):
                plugin.enabled = False

    def prepareTestResult(self, result: Any) -> None:
        """Keep the result: it is what can be told to stop."""
        self._result = result

    def startTest(self, test: Any) -> None:
        """A test begins; nose makes tests as it goes, so that their number grows."""
        self._running, self._found, self._since = _name(test), [], self._clock()
        if not _is_failure(test):
            self.started += 1
            self._events.emit("collected", n=self.started)
        self._events.guard.test_begins(_inner(test), self._running)
        self._events.emit("start", id=self._running)

    def stopTest(self, test: Any) -> None:
        """A test ends, with the worst that was said of it."""
        self._events.guard.look()
        name, found, self._running = self._running, self._found, ""
        outcome = next((word for word in ("error", "failed", "passed", "skipped") if word in found), None)
        if outcome is None:
            return
        if _is_failure(test):
            self._events.emit("collect", id=name, outcome=outcome)
            return
        self._events.emit("finish", id=name, outcome=outcome, seconds=self._clock() - self._since)
        if self._events.until_first_pass and outcome == "passed" and self._result is not None:
            self._events.emit("stop", why="first pass")
            self._result.stop()

    def addSuccess(self, test: Any) -> None:
        """It passed. An expected failure is one too: nose's results know no other word for it."""
        self._note(test, "passed")

    def addFailure(self, test: Any, err: Any) -> None:
        """An assertion failed."""
        self._note(test, "failed")

    def addError(self, test: Any, err: Any) -> None:
        """Another exception, and those by which nose is told of a skipped or deprecated test."""
        skipped = issubclass(err[0], unittest.SkipTest) or err[0].__name__ in ("SkipTest", "DeprecatedTest")
        self._note(test, "skipped" if skipped else "error")

    def _note(self, test: Any, outcome: str) -> None:
        self.troubled = self.troubled or outcome in ("error", "failed")
        if self._running:
            self._found.append(outcome)
            self._events.emit("phase", id=self._running, when="call", outcome=outcome, seconds=0.0)
        else:
            self._events.emit("collect", id=_name(test), outcome=outcome)


def _inner(test: Any) -> Any:
    return getattr(test, "test", test)


def _is_failure(test: Any) -> bool:
    return type(_inner(test)).__name__ == "Failure"


def _name(test: Any) -> str:
    if _is_failure(test):
        path = (test.address() or ("", "", ""))[0]
        if path:
            return os.path.relpath(path)
    return spelled(test)


def _program() -> Any:
    """nose's program; None where it is not there, or is too old for this Python."""
    try:
        from nose.core import TestProgram  # type: ignore[import-not-found]
        from nose.suite import LazySuite  # type: ignore[import-not-found]

        LazySuite([])
    except (ImportError, AttributeError, SyntaxError) as why:
        sys.stderr.write(f"nose cannot be used: {type(why).__name__}: {why}\n")
        return None
    return TestProgram


def main() -> int:
    """Run nose on what this process's arguments name and report; returns the exit status."""
    events = Events.of_environment()
    program = _program()
    if program is None:
        return _UNUSABLE
    plugin = ReportingPlugin(events)
    sys.path.insert(0, str(Path.cwd()))
    events.guard.run_begins()
    words, sys.argv[:] = sys.argv[1:], ["nosetests"]
    command = ["nosetests", "--verbosity=2", *words]
    try:
        run = program(argv=command, addplugins=[plugin], exit=False)
    except SystemExit:
        if plugin.started:
            raise
        sys.stderr.write("nose refused the repository's options and runs without them.\n")
        os.environ["NOSE_IGNORE_CONFIG_FILES"] = "1"
        run = program(argv=command, addplugins=[plugin], exit=False)
    status = 1 if plugin.troubled or not run.success else 0 if plugin.started else _NOTHING_RAN
    events.guard.look()
    events.emit("end", status=status)
    return status


if __name__ == "__main__":
    sys.exit(main())
