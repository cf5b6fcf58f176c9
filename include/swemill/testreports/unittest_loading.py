"""Loads unittest's tests for ``unittest_reporter``, beside which it is copied into sandboxes: one suite of any places.

Python 3.6 syntax and the standard library only. unittest's own discovery is not enough: it skips folders that are no
packages, and gives up altogether on two files of one name or a named module that is no valid Python.

A file is imported as ``unittest discover -s`` with its top folder would: that is the nearest folder above that is no
package. A file that has no importable name, or whose name another file has taken, is loaded by path.
"""

import os
import re
import sys
import traceback
import unittest
from importlib import util
from pathlib import Path
from typing import Any

_PATTERNS = ("test*.py", "*_test.py")
_FOREIGN = ("node_modules", "site-packages", "build", "dist", "__pycache__")
_LOAD_TESTS = re.compile(rb"^(?:def load_tests\b|load_tests *=|from .* import .*\bload_tests\b)", re.MULTILINE)


def is_stand_in(test: object) -> bool:
    """A test that the loader made for a module that cannot be imported, or skips itself as a whole."""
    return type(test).__module__ == "unittest.loader"


def flat(tests: Any) -> "list[Any]":
    """The tests of a suite, in order."""
    if isinstance(tests, unittest.TestCase) or not hasattr(tests, "__iter__"):
        return [] if tests is None else [tests]
    return [one for part in tests for one in flat(part)]


class Loading:
    """Makes one suite of files, folders and modules. What cannot be loaded is reported, and hides nothing else."""

    def __init__(self, emit: Any) -> None:
        self._emit = emit
        self.failed = False

    def suite(self, places: "list[str]") -> unittest.TestSuite:
        """The tests of ``places``; without any, those below the work folder."""
        return unittest.TestSuite(self._place(place) for place in places or ["."])

    def _place(self, place: str) -> Any:
        if Path(place).is_dir():
            return self._guarded(place, lambda: self._folder(Path(place)))
        if Path(place).is_file():
            return self._file(Path(place))
        return self._guarded(place, lambda: unittest.TestLoader().loadTestsFromName(place))

    def _folder(self, folder: Path) -> unittest.TestSuite:
        package = folder / "__init__.py"
        if package.is_file() and _LOAD_TESTS.search(package.read_bytes()):
            return unittest.TestSuite([self._file(package)])
        inside = sorted(folder.iterdir())
        files = [one for one in inside if any(one.match(pattern) for pattern in _PATTERNS) and one.is_file()]
        folders = [one for one in inside if one.is_dir() and not one.is_symlink() and _is_own(one)]
        return unittest.TestSuite([self._file(one) for one in files] + [self._folder(one) for one in folders])

    def _file(self, path: Path) -> Any:
        return self._guarded(str(path), lambda: self._tests_of(path))

    def _tests_of(self, path: Path) -> Any:
        path = Path.cwd() / path
        top = path.parent
        while (top / "__init__.py").is_file() and top not in (Path.cwd(), top.parent):
            top = top.parent
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        name = ".".join(place.relative_to(top).parts)
        if str(top) not in sys.path:
            sys.path.insert(0, str(top))
        loader = unittest.TestLoader()
        # For a load_tests that discovers below its own package.
        loader._top_level_dir = str(top)  # type: ignore[attr-defined]
        loader._loading_packages.add(name)  # type: ignore[attr-defined]
        tests = loader.loadTestsFromModule(_imported(name, path), pattern=_PATTERNS[0])
        return unittest.TestSuite([tests])

    def _guarded(self, place: str, load: Any) -> Any:
        try:
            return load()
        except unittest.SkipTest as why:
            sys.stderr.write(f"{place} ... skipped {str(why)!r}\n")
            self._emit("collect", id=place, outcome="skipped")
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - a module may raise anything, SystemExit too
            sys.stderr.write(f"ERROR: {place}\n{traceback.format_exc()}")
            self._emit("collect", id=place, outcome="error")
            self.failed = True
        return unittest.TestSuite()


def _is_own(folder: Path) -> bool:
    return folder.name not in _FOREIGN and folder.name[0] != "." and not (folder / "pyvenv.cfg").exists()


def _imported(name: str, path: Path) -> Any:
    if all(part.isidentifier() for part in name.split(".")):
        __import__(name)
        module = sys.modules[name]
        found = getattr(module, "__file__", None)
        if found and os.path.realpath(found) == os.path.realpath(str(path)):
            return module
    # Named by its place, so that two files of one name have different tests.
    name = ".".join(path.relative_to(Path.cwd()).with_suffix("").parts) if Path.cwd() in path.parents else name
    spec = util.spec_from_file_location(name, str(path))  # type: Any
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def django_command(places: "list[str]") -> "list[str]":
    """The script that runs the tests of ``places``, with its arguments; empty where there is none."""
    if Path("django/__init__.py").is_file() and Path("tests/runtests.py").is_file():
        return ["tests/runtests.py", "--verbosity=2", *_labels(places, "tests/")]
    if Path("manage.py").is_file():
        return ["manage.py", "test", "--noinput", "--verbosity=2", *_labels(places, "")]
    for script in ("runtests.py", "tests/runtests.py"):
        if Path(script).is_file():
            return [script, *_labels(places, "")]
    return []


def _labels(places: "list[str]", top: str) -> "list[str]":
    """Django's names of places: dotted, from the script's folder on."""
    plain = [os.path.normpath(place) for place in places]
    inner = [place[len(top) :] if place.startswith(top) else place for place in plain]
    return [(place[:-3] if place.endswith(".py") else place).replace("/", ".") for place in inner]
