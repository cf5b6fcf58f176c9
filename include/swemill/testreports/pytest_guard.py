"""What stands against code under test that changes pytest's mind instead of its own behaviour.

Copied into sandboxes beside ``pytest_reporter``: standard library only, Python 3.6 syntax, pytest 3.0 to 9. The guard
looks for changes of pytest and pluggy (``tamper_watch``), for plugins that came out of the code under test while tests
were collected, and for tests that are no longer those which were collected. One that finds something says so once; the
reader takes no result of such a run.

It also tells honest expected failures from made ones: an xfail counts only where tests ask for it, in their own text.
"""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swemill.testreports.tamper_watch import Knowing, Watch
else:
    from tamper_watch import Knowing, Watch

_DECIDING = ("_pytest.runner", "_pytest.reports", "_pytest.outcomes", "pluggy", "unittest.case")
"""Noted before any plugin is loaded. Not ``_pytest.fixtures``: hypothesis, for one, changes that as it is loaded."""
_ASSERTING = (
    *("pytest", "_pytest.python", "_pytest.unittest", "_pytest.skipping", "_pytest.python_api"),
    *("_pytest.raises", "_pytest.recwarn", "_pytest.fixtures", "_pytest.assertion", "_pytest.mark"),
)
"""Noted before the first conftest.py; installed plugins (pytest-subtests, for one) still may change it.

pytest changes some of the rest itself (``_pytest.legacypath``).
"""
_EXPECTED = (b"xfail", b"expectedfailure", b"expected_failure")
_OF_PYTEST = frozenset({"_pytest", "pluggy"})


class Guard(Knowing):
    """One a session; ``tell`` is called once, with what was changed."""

    def __init__(self, tell: "Callable[[str], None]") -> None:
        super().__init__(tell, _EXPECTED)
        self._deciding, self._rest = Watch(), Watch()
        self._deciding.note_builtins()
        self._deciding.note_modules(*_DECIDING)
        self._callers = []  # type: list[tuple[Any, str, Any]]
        self._manager = None  # type: Any
        self._plugins = []  # type: list[Any]

    # --- what is noted, in the order of a session --------------------------------------------------------------------

    def plugins_are_loaded(self, config: Any) -> None:
        """Before the first conftest.py, which may import the code under test."""
        self._manager = config.pluginmanager
        self._rest.note_modules(*_ASSERTING)
        self._note_attribute(self._manager, "_inner_hookexec")
        for caller in list(vars(config.hook).values()):
            self._note_attribute(caller, "_hookexec")

    def collection_begins(self) -> None:
        """After the first conftest.py files: what registers itself from here on does so while tests are imported."""
        self._plugins = list(self._manager.get_plugins())

    def collection_ends(self, items: "list[Any]") -> None:
        """The tests as they will run."""
        for item in items:
            self.note_test(item, _function_of(item))
        self.look(thoroughly=True)

    # --- what is looked for ------------------------------------------------------------------------------------------

    def look(self, *, thoroughly: bool = False) -> None:
        """Tell of changes; between tests only of those that matter most, because there may be many tests."""
        if self.told:
            return
        found = self._deciding.changed() or self._changed_caller()
        if thoroughly and not found:
            found = self._rest.changed(but_by_packages=True) or self._new_plugin()
        if found:
            self.found(found)

    def test_begins(self, item: Any) -> None:
        """Tell of a test that is another one than was collected."""
        self.compare_test(item, _function_of(item), item.nodeid)

    def expects_failure(self, item: Any, excinfo: Any) -> bool:
        """Whether an expected failure is one by the tests' own word."""
        if excinfo is not None and type(excinfo.value).__name__ == "XFailed" and not _is_called_by_tests(item, excinfo):
            return False
        classes = getattr(getattr(item, "cls", None), "__mro__", ())
        modules = [sys.modules.get(one.__module__) for one in classes]
        files = [str(getattr(item, "fspath", ""))] + [str(getattr(module, "__file__", "")) for module in modules]
        folders = Path(files[0]).parents if files[0] else ()
        files += [str(folder / "conftest.py") for folder in folders]
        return any(self.speaks_of_it(file) for file in files if file.endswith(".py"))

    def _note_attribute(self, owner: Any, name: str) -> None:
        if hasattr(owner, name):
            self._callers.append((owner, name, getattr(owner, name)))

    def _changed_caller(self) -> str:
        for owner, name, value in self._callers:
            if getattr(owner, name, None) != value:
                return f"pluggy's {type(owner).__name__}.{name}"
        return ""

    def _new_plugin(self) -> str:
        for plugin in self._manager.get_plugins():
            if not any(plugin is known for known in self._plugins) and _comes_from_the_code(plugin):
                return f"the list of plugins, by {type(plugin).__name__}"
        return ""


def _function_of(item: Any) -> Any:
    function = getattr(item, "obj", None)
    return getattr(function, "__func__", function)


def _is_called_by_tests(item: Any, excinfo: Any) -> bool:
    """``pytest.xfail`` was called by a file of tests, not by what they test."""
    places = [str(entry.path) for entry in excinfo.traceback]
    outside = [place for place in places if not _OF_PYTEST.intersection(Path(place).parts)]
    if not outside:  # unittest's expectedFailure, or xfail(run=False): pytest itself calls it
        return True
    return outside[-1] == str(getattr(item, "fspath", "")) or _is_test(outside[-1])


def _is_test(place: str) -> bool:
    path = Path(place)
    folders = {part.lower() for part in path.parts[:-1]}
    return path.name.startswith(("test_", "conftest")) or bool(folders & {"test", "tests"})


def _comes_from_the_code(plugin: Any) -> bool:
    """Neither pytest's, nor an installed package's, nor a test's: it lies in the work folder, or nowhere."""
    owner = plugin if isinstance(plugin, type) else type(plugin)
    module = plugin if isinstance(plugin, types.ModuleType) else sys.modules.get(owner.__module__)
    place = str(getattr(module, "__file__", None) or "")
    if not place:
        return True
    inside = Path.cwd() in Path(place).parents and "site-packages" not in Path(place).parts
    return inside and not _is_test(place)
