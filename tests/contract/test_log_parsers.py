"""The same suites under many versions of pytest, nose and unittest: the report, the log, SWE-bench's parsers agree.

Each difference that there is has a name here and a sentence in ``docs/validation.md``.
"""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swemill.testreports import run_tests
from swemill.testreports.log_parsers import parse_log
from swemill.testreports.official import lost_ids
from swemill.values import TestReport, TestRunner
from tests.unit.local_sandbox import LocalSandbox
from tests.unit.test_unittest_reports import SUITE as UNITTEST_SUITE

VERSIONS = ("3.0.7", "3.10.1", "4.6.11", "5.4.3", "6.2.5", "7.4.4", "8.4.2", "9.2.0")
NEWEST = VERSIONS[-1]
SWEBENCH = "swebench==5.0.2"

SUITE = {
    "test_a.py": """
import unittest, pytest
def test_ok():
    print("PASSED test_a.py::test_bad")
    print("test_a.py::test_bad PASSED")
    print("=== short test summary info ===")
def test_bad(): assert 0, "x - y"
@pytest.fixture
def early(): raise ValueError("early - bird")
@pytest.fixture
def late():
    yield
    raise ValueError("late")
def test_setup(early): pass
def test_teardown(late): pass
def test_both(late): assert 0
@pytest.mark.skip(reason="why - not PASSED")
def test_skip(): pass
@pytest.mark.xfail(reason="known - bug")
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True)
def test_strict(): pass
@pytest.mark.parametrize("x", ["a b", "\\u00e9", "a - b", "x[1] - y", "]", "[100%]", "PASSED", "n" * 300, "\\t", " l"])
def test_param(x): pass
@pytest.mark.parametrize("x", ["a - b", "FAILED", "q] - r"])
def test_bad_param(x): assert 0, "boo - hoo"
@pytest.mark.parametrize("x", [1, 2], ids=["same", "same"])
def test_same(x): assert x == 1
class TestC(object):
    def test_m(self): pass
    @pytest.mark.xfail(run=False)
    def test_not_run(self): pass
class U(unittest.TestCase):
    def test_subtests(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    @unittest.skip("nope")
    def test_skip(self): pass
""",
    "test_absent.py": "import nope\n",
    "test_no_module.py": "import pytest\npytest.importorskip('nope')\n",
    "test_deselected.py": "def test_kept(): pass\ndef test_left_out(): pass\n",
}
# `-rA`, spelled out for versions that do not have it.
LOG = ("-v", "-rPpsxXEf", "--tb=short", "--color=no", "--continue-on-collection-errors", "-p", "no:cacheprovider")

MakeEnvironment = Callable[..., Path]
"""``make_environment("pytest==8.4.2", ...)``: the folder of programs of a virtual environment with these packages."""


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory: pytest.TempPathFactory) -> MakeEnvironment:
    made: dict[tuple[str, ...], Path] = {}

    def make(*packages: str) -> Path:
        if packages not in made:
            folder = tmp_path_factory.mktemp("environment") / "venv"
            uv(["venv", "-q", "--python", sys.executable, str(folder)])
            if packages:
                uv(["pip", "install", "-q", "--python", str(folder / "bin" / "python"), *packages])
            made[packages] = folder / "bin"
        return made[packages]

    return make


def uv(words: list[str]) -> None:
    subprocess.run([str(Path(sys.executable).parent / "uv"), *words], check=True, timeout=300)


@pytest.fixture(scope="session")
def swebench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """SWE-bench's own parsers: their module, as published, without the packages that the rest of it imports."""
    folder = tmp_path_factory.mktemp("swebench")
    uv(["pip", "install", "-q", "--no-deps", "--target", str(folder), SWEBENCH])
    packages = ("swebench", "swebench.harness", "swebench.harness.log_parsers")
    for name in packages:
        shell = ModuleType(name)
        shell.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = shell
    yield importlib.import_module("swebench.harness.log_parsers.python")
    for name in [name for name in sys.modules if name.partition(".")[0] == "swebench"]:
        del sys.modules[name]


def lay(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def usable_pytest(make_environment: MakeEnvironment, version: str, tmp_path: Path) -> tuple[Path, str]:
    """The programs of that version, and the ``addopts`` that it needs on this Python. Else skips, and says why."""
    old = ("setuptools<66",) if int(version.split(".")[0]) < 5 else ()
    programs = make_environment(f"pytest=={version}", *old)
    lay(tmp_path / "tried", {"test_it.py": "def test_it(): assert 1\n"})
    said = ""
    for options in ("", "--assert=plain"):
        command = [str(programs / "python"), "-m", "pytest", "-p", "no:cacheprovider", *options.split()]
        done = subprocess.run(command, cwd=tmp_path / "tried", capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return programs, options
        said = done.stdout[-300:] + done.stderr[-300:]
    pytest.skip(f"pytest {version} cannot run on Python {sys.version.partition(' ')[0]}: {said}")


def both(
    tmp_path: Path, programs: Path, files: Mapping[str, str], command: list[str], runner: TestRunner, *places: str
) -> tuple[TestReport, str]:
    """The report of a suite, and the log that its runner prints by itself."""
    root = lay(tmp_path / "suite", files)
    report = run_tests(LocalSandbox(root, bin_folder=programs), test_files=places, timeout=120, runner=runner)
    done = subprocess.run(
        [str(programs / "python"), *command],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C.UTF-8",
            "NOSE_IGNORE_CONFIG_FILES": "1",
        },
    )
    return report, done.stdout.decode()


@pytest.fixture(scope="session", params=VERSIONS)
def pytest_run(
    request: pytest.FixtureRequest, make_environment: MakeEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, TestReport, str]:
    """Version, report and log of the suite above under one version of pytest."""
    tmp_path = tmp_path_factory.mktemp("pytest_run")
    programs, options = usable_pytest(make_environment, request.param, tmp_path)
    settings = f"[pytest]\naddopts = --deselect test_deselected.py::test_left_out {options}\n"
    files = {**SUITE, "pytest.ini": settings}
    report, log = both(tmp_path, programs, files, ["-m", "pytest", *LOG], TestRunner.PYTEST)
    return request.param, report, log


def differences(ours: Mapping[str, object], theirs: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {
        test: (ours.get(test), theirs.get(test))
        for test in sorted({*ours, *theirs})
        if ours.get(test) != theirs.get(test)
    }


def test_pytests_log_says_what_its_report_says(pytest_run: tuple[str, TestReport, str]) -> None:
    _, report, log = pytest_run
    assert (report.finished, report.exit_code) == (True, 1)
    assert "test_deselected.py::test_kept" in report.outcomes
    assert "test_deselected.py::test_left_out" not in report.outcomes
    # A log names no module that skips itself: only the line that did it.
    assert differences(report.outcomes, parse_log(log, TestRunner.PYTEST)) == {"test_no_module.py": ("skipped", None)}


OFFICIAL = {"PASSED": "passed", "FAILED": "failed", "ERROR": "error", "SKIPPED": "skipped", "XFAIL": "xfailed"}


def why(run: tuple[str, TestReport], parser: str, test: str, ours: str | None, said: Mapping[str, str]) -> str:
    """The name of a difference to SWE-bench's parsers; empty for one that nobody has decided on."""
    version, report = run
    theirs = OFFICIAL.get(said.get(test, ""))
    if theirs is None and ours in ("xpassed", "skipped"):
        return f"no word for {ours}"
    if test.startswith("at") or ((ours, theirs) == ("xfailed", None) and "at" in said):
        return "at setup of"
    if (ours, theirs) == ("failed", "passed") and test.endswith("test_subtests"):
        return "subtests"
    if version < "4" and ("SKIP [" in test or "::TestC::" in test or ours == "failed"):
        return "words and ids of pytest 3"
    if parser == "parse_log_pytest_v2" and _holds_a_message(test, ours, theirs, report, said):
        return "message in the id"
    if " " in test or any(one.startswith(f"{test} ") for one in report.outcomes):
        return "cut at a space"
    return ""


def _holds_a_message(
    test: str, ours: str | None, theirs: str | None, report: TestReport, said: Mapping[str, str]
) -> bool:
    if ours is None:
        return any(test.startswith(f"{one} - ") for one in report.outcomes)
    told = any(one.startswith((f"{test} - ", f"at setup of {test}")) for one in said)
    return told and (theirs is None or (ours, theirs) == ("error", "passed"))


@pytest.mark.parametrize("parser", ["parse_log_pytest", "parse_log_pytest_options", "parse_log_pytest_v2"])
def test_differences_to_swe_bench_are_known(
    pytest_run: tuple[str, TestReport, str], swebench: ModuleType, parser: str
) -> None:
    version, report, log = pytest_run
    ours = {test: str(outcome) for test, outcome in parse_log(log, TestRunner.PYTEST).items()}
    said = getattr(swebench, parser)(log, None)
    theirs = {test: OFFICIAL[word] for test, word in said.items()}
    found = {
        test: why((version, report), parser, test, mine, said) for test, (mine, _) in differences(ours, theirs).items()
    }
    assert [test for test, name in found.items() if not name] == []
    if version == NEWEST:  # none of the names is there for nothing
        seen = {"no word for xpassed", "no word for skipped", "at setup of", "subtests", "cut at a space"}
        assert set(found.values()) >= seen | ({"message in the id"} if parser.endswith("v2") else set())
    assert {"test_a.py::test_ok", "test_a.py::test_param[PASSED]", "test_absent.py"} <= {*ours} - {*found}


def test_unittests_log_says_what_its_report_says(
    make_environment: MakeEnvironment, tmp_path: Path, swebench: ModuleType
) -> None:
    files = {"test_a.py": UNITTEST_SUITE, "test_absent.py": "import nope\n"}
    command = ["-m", "unittest", "-v", "test_a", "test_absent"]
    report, log = both(tmp_path, make_environment(), files, command, TestRunner.UNITTEST)
    assert report.finished
    found = differences(report.outcomes, parse_log(log, TestRunner.UNITTEST))
    absent = "test_absent (unittest.loader._FailedTest.test_absent)"
    assert found == {
        # A log does not name the tests of a class that was never set up, and knows a module by its name.
        "test_never (test_a.NoClass.test_never)": ("error", None),
        "test_never (test_a.SkippedClass.test_never)": ("skipped", None),
        "test_absent.py": ("error", None),
        absent: (None, "error"),
    }
    theirs = {test: OFFICIAL[word] for test, word in swebench.parse_log_django(log, None).items()}
    assert differences({test: str(word) for test, word in parse_log(log, TestRunner.UNITTEST).items()}, theirs) == {
        # Names out of headings, without their module; a docstring as a name; no word for what was expected, or not.
        **{f"test_{name}": (None, "error") for name in ("absent", "cleanup", "exits", "raises")},
        **{f"test_{name}": (None, "failed") for name in ("bad", "subtests")},
        "setUpClass": (None, "error"),
        "tearDownClass": (None, "error"),
        "A docstring is no part of an id ... ok": (None, "passed"),
        "test_ok (test_a.T.test_ok)": ("passed", None),
        "test_expected (test_a.T.test_expected)": ("xfailed", None),
        "test_unexpected (test_a.T.test_unexpected)": ("xpassed", None),
        # Subtests are tests of their own there, and their test is none.
        "test_subtests (test_a.T.test_subtests)": ("failed", None),
        "test_subtests (test_a.T.test_subtests) (i=1)": (None, "failed"),
        "test_skipping_subtest (test_a.T.test_skipping_subtest)": ("skipped", None),
        "test_skipping_subtest (test_a.T.test_skipping_subtest) (i=1)": (None, "skipped"),
    }


def test_the_ids_that_an_export_calls_lost_are_those_that_swe_bench_does_not_give_back(swebench: ModuleType) -> None:
    characters = st.one_of(
        st.sampled_from("ab []-31m\t\u00a0\u2028\u3000\x85"), st.characters(exclude_categories=["Cs"])
    )

    @given(st.text(characters, min_size=1).filter(lambda test: "\n" not in test and ">>>>>" not in test))
    def holds(test: str) -> None:
        read = {word: swebench.parse_log_pytest_v2(f"{word} {test}\n", None) for word in ("PASSED", "XFAIL", "ERROR")}
        assert (lost_ids([test]) == ()) is all(found == {test: word} for word, found in read.items())
        if " - " not in test and not lost_ids([test]):
            assert swebench.parse_log_pytest_v2(f"FAILED {test}\n", None) == {test: "FAILED"}

    holds()


NOSE_SUITE = """
import unittest
def test_ok(): pass
def test_bad(): assert 0
def test_raises(): raise ValueError
def test_skip(): raise unittest.SkipTest("no")
def test_generated():
    for n in (1, 2): yield check, n
def check(n): assert n != 2
class TestPlain(object):
    def setup(self): self.x = 1
    def test_m(self): assert self.x
class U(unittest.TestCase):
    def test_m(self): pass
    @unittest.skip("no")
    def test_skip(self): pass
class TestBroken(object):
    @classmethod
    def setup_class(cls): raise ValueError
    def test_never(self): pass
"""


def test_nose_reports_through_its_plugin(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    files = {
        "tests/__init__.py": "",
        "tests/test_a.py": NOSE_SUITE,
        "tests/test_absent.py": "import nope\n",
        "setup.cfg": "[nosetests]\nstop = 1\nwith-coverage = 1\nprocesses = 4\n",
    }
    command = ["-m", "nose", "-v", "--processes=0"]
    report, log = both(tmp_path, make_environment("pynose"), files, command, TestRunner.NOSE, "tests")
    assert {test: str(outcome) for test, outcome in report.outcomes.items()} == {
        "tests.test_a.test_ok": "passed",
        "tests.test_a.test_bad": "failed",
        "tests.test_a.test_raises": "error",
        "tests.test_a.test_skip": "skipped",
        "tests.test_a.test_generated(1,)": "passed",
        "tests.test_a.test_generated(2,)": "failed",
        "tests.test_a.TestPlain.test_m": "passed",
        "test_m (tests.test_a.U.test_m)": "passed",
        "test_skip (tests.test_a.U.test_skip)": "skipped",
        "<nose.suite.ContextSuite context=TestBroken>": "error",
        "tests/test_absent.py": "error",
    }
    assert (report.finished, report.exit_code) == (True, 1)
    said = parse_log(log, TestRunner.NOSE)
    # Modules and contexts have no name there that is one of a test.
    assert differences(report.outcomes, said) == {
        "tests/test_absent.py": ("error", None),
        "<nose.suite.ContextSuite context=TestBroken>": ("error", None),
    }


@pytest.mark.parametrize(
    ("body", "exit_code", "running"),
    [("os._exit(0)", 0, "test_a.test_2"), ("os.kill(os.getpid(), 9)", 137, "test_a.test_2"), ("pass", 0, None)],
)
def test_a_nose_run_that_ends_early_leaves_its_results(
    make_environment: MakeEnvironment, tmp_path: Path, body: str, exit_code: int, running: str | None
) -> None:
    root = lay(
        tmp_path, {"test_a.py": f"import os\ndef test_1(): assert 0\ndef test_2(): {body}\ndef test_3(): 1 / 0\n"}
    )
    sandbox = LocalSandbox(root, bin_folder=make_environment("pynose"))
    report = run_tests(sandbox, test_files=(), timeout=60, runner=TestRunner.NOSE, until_first_pass=True)
    passed = {} if running else {"test_a.test_2": "passed"}
    assert report.outcomes == {"test_a.test_1": "failed", **passed}
    assert (report.finished, report.running) == (running is None, running)
    assert report.exit_code == (exit_code if running else 1)


def test_a_nose_too_old_for_this_python_leaves_the_suite_to_pytest(
    make_environment: MakeEnvironment, tmp_path: Path
) -> None:
    programs = make_environment("nose==1.3.7", "pytest==8.4.2")
    root = lay(tmp_path, {"test_a.py": "def test_1(): pass\n"})
    report = run_tests(LocalSandbox(root, bin_folder=programs), test_files=(), timeout=60, runner=TestRunner.NOSE)
    assert report.outcomes == {"test_a.py::test_1": "passed"}
    assert "nose cannot be used: AttributeError" in report.log_tail


def test_djangos_own_runner_is_reported(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    case = (
        "import unittest\nfrom django.test import TestCase\nfrom app.models import Thing\n"
        "class T(TestCase):\n"
        "    def test_rows(self):\n        Thing.objects.create()\n        self.assertEqual(Thing.objects.count(), 1)\n"
        "    def test_bad(self):\n        'A docstring'\n        self.fail()\n"
        "    @unittest.skip('no')\n    def test_skip(self): pass\n"
    )
    settings = (
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['app']\nDEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n"
    )
    manage = (
        "import os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
        "from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n"
    )
    files = {
        "manage.py": manage,
        "settings.py": settings,
        "app/__init__.py": "",
        "app/models.py": "from django.db import models\nclass Thing(models.Model): pass\n",
        "app/tests/__init__.py": "",
        "app/tests/test_things.py": case,
        "app/tests/test_others.py": "import nope\n",
    }
    command = ["manage.py", "test", "-v", "2", "app.tests.test_things"]
    place = "app/tests/test_things.py"
    report, log = both(tmp_path, make_environment("django==4.2.16"), files, command, TestRunner.DJANGO, place)
    assert {test: str(outcome) for test, outcome in report.outcomes.items()} == {
        "test_rows (app.tests.test_things.T.test_rows)": "passed",
        "test_bad (app.tests.test_things.T.test_bad)": "failed",
        "test_skip (app.tests.test_things.T.test_skip)": "skipped",
    }
    assert (report.finished, report.exit_code, report.collected) == (True, 1, 3)
    assert differences(report.outcomes, parse_log(log, TestRunner.DJANGO)) == {}
