"""unittest suites through the whole chain: a real process, its events, the report. And Django's way to run them."""

import ast
import sys
from pathlib import Path

import pytest

from swemill.testreports import run_tests
from swemill.values import TestReport, TestRunner
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import spec

REPORTERS = Path(run_tests.__code__.co_filename).parent

SUITE = '''
import os, unittest
class T(unittest.TestCase):
    def test_ok(self):
        """A docstring is no part of an id ... ok"""
        assert not [name for name in os.environ if name.startswith("SWEMILL")]
    def test_bad(self): self.fail("x")
    def test_raises(self): raise ValueError
    def test_exits(self): raise SystemExit(0)
    def test_cleanup(self): self.addCleanup(lambda: 1 / 0)
    @unittest.skip("no")
    def test_skip(self): pass
    def test_skips(self): self.skipTest("no")
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_subtests(self):
        for i in range(3):
            with self.subTest(i=i): self.assertNotEqual(i, 1)
    def test_good_subtests(self):
        for i in range(3):
            with self.subTest(i=i): pass
    def test_skipping_subtest(self):
        with self.subTest(i=1): self.skipTest("no")
class Async(unittest.IsolatedAsyncioTestCase):
    async def test_ok(self): pass
    async def test_bad(self): self.fail()
class NoClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise ValueError
    def test_never(self): pass
class SkippedClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest("no")
    def test_never(self): pass
class Torn(unittest.TestCase):
    @classmethod
    def tearDownClass(cls): raise ValueError
    def test_ok(self): pass
'''


def run(
    tmp_path: Path, files: dict[str, str], *test_files: str, runner: TestRunner = TestRunner.UNITTEST, **options: object
) -> TestReport:
    for name, text in files.items():
        place = tmp_path / "image" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    with LocalEngine(tmp_path / "image", tmp_path / "work").start(spec()) as sandbox:
        return run_tests(sandbox, test_files=test_files, runner=runner, **{"timeout": 30, **options})


def spelled(test: str) -> str:
    """``test_name (module.Class)`` as this Python prints it."""
    name, _, place = test.partition(" (")
    return test if sys.version_info < (3, 11) else f"{name} ({place[:-1]}.{name})"


def outcomes_of(report: TestReport) -> dict[str, str]:
    return {test: str(outcome) for test, outcome in report.outcomes.items()}


def test_every_outcome_as_unittest_spells_it(tmp_path: Path) -> None:
    report = run(tmp_path, {"tests/__init__.py": "", "tests/test_a.py": SUITE}, "tests/test_a.py")
    words = {
        "T": {
            "ok": "passed",
            "bad": "failed",
            "raises": "error",
            "exits": "error",
            "cleanup": "error",
            "skip": "skipped",
            "skips": "skipped",
            "expected": "xfailed",
            "unexpected": "xpassed",
            "subtests": "failed",
            "good_subtests": "passed",
            "skipping_subtest": "skipped",
        },
        "Async": {"ok": "passed", "bad": "failed"},
        "NoClass": {"never": "error"},
        "SkippedClass": {"never": "skipped"},
        "Torn": {"ok": "passed"},
    }
    assert outcomes_of(report) == {
        **{
            spelled(f"test_{name} (tests.test_a.{place})"): word
            for place, names in words.items()
            for name, word in names.items()
        },
        "setUpClass (tests.test_a.NoClass)": "error",
        "setUpClass (tests.test_a.SkippedClass)": "skipped",
        "tearDownClass (tests.test_a.Torn)": "error",
    }
    assert (report.finished, report.exit_code, report.collected) == (True, 1, 17)


def test_modules_that_fail_skip_or_never_start(tmp_path: Path) -> None:
    case = "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): pass\n"
    report = run(
        tmp_path,
        {
            "pkg/tests/__init__.py": "",
            "pkg/__init__.py": "",
            "pkg/tests/test_absent.py": "import nope",
            "pkg/tests/test_no_python.py": "def (",
            "pkg/tests/test_exit.py": "raise SystemExit(0)",
            "pkg/tests/test_skip.py": "import unittest\nraise unittest.SkipTest('no')",
            "pkg/tests/test_module.py": case + "def setUpModule(): raise ValueError\n",
            "pkg/tests/test_x.py": case,
            "checks/test_x.py": case,
            "other/test_x.py": case,
            "other/deep/y_test.py": case,
            "other/test-dashed.py": case,
            ".hidden/test_z.py": "raise ValueError",
            "venv/pyvenv.cfg": "",
            "venv/test_z.py": "raise ValueError",
        },
    )
    assert outcomes_of(report) == {
        "pkg/tests/test_absent.py": "error",
        "pkg/tests/test_no_python.py": "error",
        "pkg/tests/test_exit.py": "error",
        "pkg/tests/test_skip.py": "skipped",
        "setUpModule (pkg.tests.test_module)": "error",
        spelled("test_x (pkg.tests.test_module.T)"): "error",
        spelled("test_x (pkg.tests.test_x.T)"): "passed",
        spelled("test_x (test_x.T)"): "passed",
        spelled("test_x (other.test_x.T)"): "passed",  # the name of another file by now: loaded by path
        spelled("test_x (y_test.T)"): "passed",
        spelled("test_x (other.test-dashed.T)"): "passed",
    }
    assert (report.finished, report.exit_code, report.collected) == (True, 1, 6)


def test_load_tests_decides_what_a_module_or_package_has(tmp_path: Path) -> None:
    case = "import unittest\nclass {}(unittest.TestCase):\n    def test_x(self): pass\n    def test_y(self): pass\n"
    package = (
        "import os\ndef load_tests(loader, tests, pattern):\n"
        "    tests.addTests(loader.discover(os.path.dirname(__file__), 'check*.py'))\n    return tests\n"
    )
    module = "def load_tests(loader, tests, pattern): return loader.suiteClass([One('test_x')])\n"
    report = run(
        tmp_path,
        {
            "pkg/__init__.py": package,
            "pkg/check_a.py": case.format("A"),
            "pkg/test_b.py": case.format("B"),
            "test_one.py": case.format("One") + module,
            "test_none.py": case.format("None_") + "def load_tests(loader, tests, pattern): return None\n",
            "test_raises.py": case.format("R") + "def load_tests(loader, tests, pattern): raise ValueError\n",
        },
    )
    raised = spelled("test_raises (unittest.loader._FailedTest)")
    assert outcomes_of(report) == {
        spelled("test_x (pkg.check_a.A)"): "passed",
        spelled("test_y (pkg.check_a.A)"): "passed",
        spelled("test_x (test_one.One)"): "passed",
        raised: "error",
        "test_none.py": "error",
    }
    assert (report.finished, report.collected) == (True, 3)


def test_modules_and_folders_can_be_named(tmp_path: Path) -> None:
    case = "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): pass\n"
    files = {"a/__init__.py": "", "a/test_a.py": case, "b/test_b.py": case, "test_c.py": case}
    report = run(tmp_path, files, "a.test_a", "b", "absent.module")
    assert outcomes_of(report) == {
        spelled("test_x (a.test_a.T)"): "passed",
        spelled("test_x (test_b.T)"): "passed",
        spelled("absent (unittest.loader._FailedTest)"): "error",
    }


@pytest.mark.parametrize(
    ("body", "exit_code"),
    [
        ("os._exit(0)", 0),
        ("ctypes.string_at(0)", 139),
        ("os.kill(os.getpid(), 9)", 137),
        ("os.closerange(3, 99); os._exit(0)", 0),
    ],
)
def test_a_dying_run_leaves_its_results_and_names_the_running_test(tmp_path: Path, body: str, exit_code: int) -> None:
    text = "import os, ctypes, unittest\nclass T(unittest.TestCase):\n    def test_1(self): pass\n"
    report = run(tmp_path, {"test_a.py": f"{text}    def test_2(self): {body}\n    def test_3(self): pass\n"})
    assert outcomes_of(report) == {spelled("test_1 (test_a.T)"): "passed"}
    assert (report.finished, report.running) == (False, spelled("test_2 (test_a.T)"))
    assert (report.exit_code, report.collected) == (exit_code, 3)


def test_a_hanging_test_is_named(tmp_path: Path) -> None:
    text = "import time, unittest\nclass T(unittest.TestCase):\n    def test_1(self): pass\n"
    report = run(tmp_path, {"test_a.py": text + "    def test_2(self): time.sleep(60)\n"}, timeout=2)
    assert (report.timed_out, report.running) == (True, spelled("test_2 (test_a.T)"))
    assert outcomes_of(report) == {spelled("test_1 (test_a.T)"): "passed"}


def test_a_forked_child_reports_nothing(tmp_path: Path) -> None:
    text = (
        "import os, unittest\nclass T(unittest.TestCase):\n    def test_1(self):\n"
        "        if os.fork(): os.wait()\n        else: self.fail()\n    def test_2(self): pass\n"
    )
    report = run(tmp_path, {"test_a.py": text})
    assert outcomes_of(report) == {spelled(f"test_{n} (test_a.T)"): "passed" for n in (1, 2)}
    assert report.finished


def test_until_first_pass_stops_there(tmp_path: Path) -> None:
    text = "import unittest\nclass T(unittest.TestCase):\n    def test_0(self): 1 / 0\n    def test_1(self): pass\n"
    report = run(tmp_path, {"test_a.py": text + "    def test_2(self): pass\n"}, until_first_pass=True)
    assert outcomes_of(report) == {spelled("test_0 (test_a.T)"): "error", spelled("test_1 (test_a.T)"): "passed"}
    assert report.finished


def test_a_seed_shuffles_the_tests_the_same_way_each_time(tmp_path: Path) -> None:
    names = [f"test_{n}" for n in range(8)]
    text = "import unittest\nclass T(unittest.TestCase):\n" + "".join(f"    def {n}(self): pass\n" for n in names)
    orders = [
        list(run(tmp_path / str(n), {"test_a.py": text}, order_seed=seed).outcomes)
        for n, seed in enumerate(["", "one", "one", "two"])
    ]
    assert orders[0] == [spelled(f"{name} (test_a.T)") for name in names]
    assert orders[1] == orders[2] != orders[3]
    assert {frozenset(order) for order in orders} == {frozenset(orders[0])}


def test_nothing_to_run_is_told(tmp_path: Path) -> None:
    report = run(tmp_path, {"test_a.py": "x = 1\n"})
    assert (report.finished, report.exit_code, report.collected, outcomes_of(report)) == (True, 5, 0, {})


def test_a_script_that_runs_unittest_is_reported(tmp_path: Path) -> None:
    script = (
        "import sys, unittest\nsys.path.insert(0, 'tests')\n"
        "suite = unittest.defaultTestLoader.loadTestsFromNames([name.split('.', 1)[1] for name in sys.argv[1:]])\n"
        "result = unittest.TextTestRunner().run(suite)\nsys.exit(len(result.failures) + 10)\n"
    )
    case = (
        "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): pass\n    def test_y(self): self.fail()\n"
    )
    files = {"runtests.py": script, "tests/test_a.py": case, "tests/test_b.py": case}
    report = run(tmp_path, files, "tests/test_a.py", runner=TestRunner.DJANGO)
    assert outcomes_of(report) == {spelled("test_x (test_a.T)"): "passed", spelled("test_y (test_a.T)"): "failed"}
    assert (report.finished, report.exit_code, report.collected) == (True, 1, 2)


@pytest.mark.parametrize("runner", [TestRunner.NOSE, TestRunner.DJANGO])
def test_pytest_runs_what_its_own_runner_cannot(tmp_path: Path, runner: TestRunner) -> None:
    report = run(tmp_path, {"test_a.py": "def test_1(): pass\n"}, runner=runner)
    assert (report.outcomes, report.finished) == ({"test_a.py::test_1": "passed"}, True)
    assert f"{runner} cannot run here" in report.log_tail


@pytest.mark.parametrize("name", ["unittest_reporter.py", "unittest_loading.py", "nose_reporter.py"])
def test_the_scripts_are_of_python_3_6(name: str) -> None:
    tree = ast.parse((REPORTERS / name).read_text(), feature_version=(3, 6))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.NamedExpr | ast.Match)
        if isinstance(node, ast.FunctionDef):
            written = [node.returns, *(one.annotation for one in node.args.args)]
            # Annotations are evaluated: no `list[str]`, no `str | None`.
            assert not [one for one in written if isinstance(one, ast.Subscript | ast.BinOp)]
