"""Notices, inside a sandbox, that code under test changed what decides about the tests: pytest, pluggy, unittest.

Copied into sandboxes beside the reporters: standard library only, Python 3.6 syntax. A watch notes functions and
classes as they are before code under test is imported, and compares later: another object under the name, or another
code in the function. What tests patch and undo (mocks, ``monkeypatch``) is not seen, because it looks between tests.

Code that undoes its change before the next look is not seen either. The watch shares its process with what it watches.
"""

import builtins
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

_EXCEPTIONS = tuple(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)
_BUILTINS = (*_EXCEPTIONS, "isinstance", "issubclass", "getattr", "hasattr", "len", "str", "type", "super", "bool")
"""Not ``open``, ``print`` and the like, which programs do replace."""
_MOST_READ = 8 << 20


class Watch:
    """What was noted, and whether it is still so."""

    def __init__(self) -> None:
        self._noted = []  # type: list[tuple[Any, str, Any, Any, Any, str]]
        self._known = set()  # type: set[int]

    def note_builtins(self) -> None:
        """Note exceptions and the functions that reporters rest on."""
        for name in _BUILTINS:
            self._note(vars(builtins), name, getattr(builtins, name), "builtins")

    def note_modules(self, *prefixes: str) -> None:
        """Note functions and classes of the loaded modules with these names, and of the packages below them."""
        for module_name, module in sorted(sys.modules.items()):
            below = any(module_name == prefix or module_name.startswith(prefix + ".") for prefix in prefixes)
            if below and isinstance(module, types.ModuleType):
                self._note_module(module_name, vars(module))

    def changed(self, *, but_by_packages: bool = False) -> str:
        """The first thing that is not as it was; empty when all is.

        ``but_by_packages`` lets pass what an installed package put in another's place, as plugins of pytest do.
        """
        for owner, name, value, function, state, label in self._noted:
            now = owner.get(name)
            if now is value and (function is None or _same(_state(function), state)):
                continue
            if not (but_by_packages and now is not value and _is_of_a_package(now)):
                return label
        return ""

    def _note_module(self, module_name: str, names: "dict[str, Any]") -> None:
        for name, value in list(names.items()):
            if not isinstance(value, (type, types.FunctionType)):
                continue
            self._note(names, name, value, module_name)
            if isinstance(value, type) and value.__module__ == module_name and id(value) not in self._known:
                self._known.add(id(value))
                for inner, member in list(vars(value).items()):
                    if _function(member) is not None:
                        self._note(vars(value), inner, member, f"{module_name}.{name}")

    def _note(self, owner: Any, name: str, value: Any, place: str) -> None:
        function = _function(value)
        state = None if function is None else _state(function)
        self._noted.append((owner, name, value, function, state, f"{place}.{name}"))


class Knowing:
    """What guards of every framework know: the tests as they were loaded, what their files speak of, what was told."""

    def __init__(self, tell: "Callable[[str], None]", expected: "tuple[bytes, ...]") -> None:
        self._tell = tell
        self._expected = expected
        self._functions = {}  # type: dict[int, tuple[Any, Any, Any]]
        self._texts = {}  # type: dict[str, bool]
        self.told = False

    def found(self, what: str) -> None:
        """Tell what was changed."""
        self.told = True
        self._tell(what)

    def note_test(self, test: Any, function: Any) -> None:
        """A test, and the function that it will run."""
        self._functions[id(test)] = (test, function, getattr(function, "__code__", None))

    def compare_test(self, test: Any, function: Any, name: str) -> None:
        """Tell of a test whose function is another one than was noted; of one that was not noted nothing is known."""
        noted = self._functions.get(id(test))
        if noted is None or self.told:
            return
        if function is not noted[1] or getattr(function, "__code__", None) is not noted[2]:
            self.found(f"the test {name}")

    def speaks_of_it(self, file: str) -> bool:
        """Whether a file has one of the words for an expected failure."""
        if file not in self._texts:
            try:
                with Path(file).open("rb") as stream:
                    text = stream.read(_MOST_READ).lower()
            except OSError:
                text = b""
            self._texts[file] = any(word in text for word in self._expected)
        return self._texts[file]


def _function(value: Any) -> Any:
    """The Python function in a member of a class or module; None for anything else."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    return value if isinstance(value, types.FunctionType) else None


def _is_of_a_package(value: Any) -> bool:
    function = _function(value)
    return function is not None and "site-packages" in Path(function.__code__.co_filename).parts


def _state(function: Any) -> "tuple[Any, Any, Any]":
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _same(now: "tuple[Any, Any, Any]", noted: "tuple[Any, Any, Any]") -> bool:
    return now[0] is noted[0] and now[1] is noted[1] and now[2] is noted[2]
