"""What stands against code under test that changes unittest's mind, or nose's, instead of its own behaviour.

Copied into sandboxes beside ``unittest_reporter`` and ``nose_reporter``: standard library only, Python 3.6 syntax. As
``pytest_guard`` does, it looks for changes of the framework and of the reporter (``tamper_watch``), and for tests that
are no longer those which were loaded. One that finds something says so once; the reader takes no result of such a run.

It also tells honest expected failures from made ones: one counts only where a file of the test speaks of it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swemill.testreports.tamper_watch import Knowing, Watch
else:
    from tamper_watch import Knowing, Watch

_FRAMEWORK = (
    *("unittest.case", "unittest.result", "unittest.runner", "unittest.suite", "unittest.signals"),
    *("__main__", "unittest_reporter", "unittest_loading"),
    *("nose.case", "nose.proxy", "nose.result", "nose.suite", "nose.plugins.manager"),
)
_EXPECTED = (b"expectedfailure", b"expected_failure")


class Guard(Knowing):
    """One a run; ``tell`` is called once, with what was changed."""

    def __init__(self, tell: "Callable[[str], None]") -> None:
        super().__init__(tell, _EXPECTED)
        self._watch = Watch()

    def run_begins(self) -> None:
        """Before anything of the code under test is imported."""
        self._watch.note_builtins()
        self._watch.note_modules(*_FRAMEWORK)

    def loaded(self, tests: "list[Any]") -> None:
        """The tests as they will run."""
        for test in tests:
            self.note_test(test, _function_of(test))
        self.look()

    def look(self) -> None:
        """Tell of changes of the framework."""
        if self.told:
            return
        found = self._watch.changed()
        if found:
            self.found(found)

    def test_begins(self, test: Any, name: str) -> None:
        """Tell of a test that is another one than was loaded; of one that nobody loaded nothing is known."""
        self.compare_test(test, _function_of(test), name)

    def expects_failure(self, test: Any) -> bool:
        """Whether an expected failure is one by the tests' own word."""
        modules = [sys.modules.get(one.__module__) for one in type(test).__mro__]
        files = [str(getattr(module, "__file__", "") or "") for module in modules]
        return any(self.speaks_of_it(file) for file in files if file.endswith(".py") and not _is_unittest(file))


def _function_of(test: Any) -> Any:
    method = getattr(type(test), getattr(test, "_testMethodName", ""), None)
    return getattr(method, "__func__", method)


def _is_unittest(file: str) -> bool:
    return Path(file).parent.name == "unittest" and "site-packages" not in Path(file).parts
