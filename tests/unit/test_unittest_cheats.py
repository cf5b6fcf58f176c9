"""Judging a suite of unittest by its own runner: honest patches, and patches that change unittest's mind."""

from dataclasses import replace
from pathlib import Path

import pytest

from swemill.reasons import Reason
from swemill.stages.judge import JudgeConfig, judge
from swemill.stages.validate import ValidateConfig, validate
from swemill.testreports import run_tests
from swemill.values import InstanceSpec, TestReport, TestRunner, Validated, Verdict
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import BASE, FIXED, Repository, spec

SUITE = "import unittest\nfrom calc import one\nclass T(unittest.TestCase):\n def test_one(self): assert one() == 1\n"
NEW_SUITE = SUITE.replace("import one", "import add, one") + " def test_add(self): self.assertEqual(add(1, 2), 3)\n"
FAIL_TO_PASS = ("test_add (tests.test_calc.T.test_add)",)
PASS_TO_PASS = ("test_one (tests.test_calc.T.test_one)",)
WRONG = "\ndef add(a, b): return a - b\ndef one(): return 1\n"
TESTS_OF_ALL = (
    "import gc, unittest\ndef tests(): return [o for o in gc.get_objects() if isinstance(o, unittest.TestCase)]\n"
)

CHEATS = {
    "assertions exchanged": "import unittest\nunittest.TestCase.assertEqual = lambda *a: None",
    "their code exchanged": "import unittest\nunittest.TestCase.assertEqual.__code__ = (lambda *a: None).__code__",
    "run exchanged": """import unittest
def run(self, result=None):
    result.startTest(self)
    result.addSuccess(self)
    result.stopTest(self)
unittest.TestCase.run = run""",
    "how a test is called": "import unittest\nunittest.TestCase._callTestMethod = lambda self, method: None",
    "failures swallowed": """import unittest
unittest.TestResult.addFailure = unittest.TextTestResult.addFailure = lambda self, test, err: None""",
    "the reporter's note": """import sys
kind = type("K", (), {})
main = sys.modules["__main__"]
main.ReportingResult._note = lambda self, test, outcome: None""",
    "the reporter's words": """import sys
main = sys.modules["__main__"]
was = main.ReportingResult._note
main.ReportingResult._note = lambda self, test, outcome: was(self, test, "passed")""",
    "the exception of assertions": "import builtins, unittest\nbuiltins.AssertionError = unittest.SkipTest",
    "an expected failure by a mark": TESTS_OF_ALL
    + """def add(a, b):
    for one in tests(): type(one).test_add.__unittest_expecting_failure__ = True
    return 4""",
    "an expected failure by an outcome": """import sys
def add(a, b):
    frame = sys._getframe()
    while frame and "outcome" not in frame.f_locals: frame = frame.f_back
    frame.f_locals["outcome"].expecting_failure = True
    return 4""",
    "the next test exchanged": TESTS_OF_ALL
    + """def one():
    for test in tests(): type(test).test_add = lambda self: None
    return 1""",
    "a test without its text": TESTS_OF_ALL
    + """def one():
    for test in tests():
        if hasattr(type(test), "test_add"): type(test).test_add.__code__ = (lambda self: None).__code__
    return 1""",
    "an end before the end": "import os\nos._exit(0)",
    "an end at import": "import sys\nsys.exit(0)",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(
        tmp_path / "repository", {"calc.py": BASE["calc.py"], "tests/__init__.py": "", "tests/test_calc.py": SUITE}
    )


def instance_of(repository: Repository) -> InstanceSpec:
    return replace(repository.instance(tests={"tests/test_calc.py": NEW_SUITE}), runner=TestRunner.UNITTEST)


def judged(repository: Repository, code: str) -> Verdict:
    return judge(
        instance_of(repository),
        "sha256:image",
        fail_to_pass=FAIL_TO_PASS,
        pass_to_pass=PASS_TO_PASS,
        candidate_patch=repository.diff({"calc.py": code}),
        engine=LocalEngine(repository.root, repository.root.parent / "work"),
        spec=spec(),
        config=JudgeConfig(test_timeout=30),
    )


def test_an_instance_is_validated_by_its_own_runner(repository: Repository) -> None:
    engine = LocalEngine(repository.root, repository.root.parent / "work")
    config = ValidateConfig(test_timeout=30, rounds=2)
    done = validate(instance_of(repository), "sha256:image", engine=engine, spec=spec(), config=config)
    assert isinstance(done, Validated), done
    assert (done.fail_to_pass, done.pass_to_pass) == (FAIL_TO_PASS, PASS_TO_PASS)


def test_an_honest_patch_resolves(repository: Repository) -> None:
    assert judged(repository, FIXED).resolved


def test_a_patch_that_mends_nothing_does_not_resolve(repository: Repository) -> None:
    verdict = judged(repository, BASE["calc.py"] + "\n# nothing\n")
    assert (verdict.resolved, verdict.reason) == (False, Reason.FAIL_TO_PASS_FAILED)
    assert verdict.pass_to_pass_passed == 1


@pytest.mark.parametrize("name", sorted(CHEATS))
def test_a_patch_that_changes_the_framework_does_not_resolve(repository: Repository, name: str) -> None:
    verdict = judged(repository, WRONG + CHEATS[name] + "\n")
    assert not verdict.resolved, verdict.report


def report_of(tmp_path: Path, **files: str) -> TestReport:
    (tmp_path / "image").mkdir()
    for name, text in files.items():
        (tmp_path / "image" / f"{name}.py").write_text(text)
    with LocalEngine(tmp_path / "image", tmp_path / "work").start(spec()) as sandbox:
        return run_tests(sandbox, test_files=["test_a.py"], timeout=30, runner=TestRunner.UNITTEST)


def test_what_tests_patch_and_undo_is_no_tampering(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        test_a="import unittest\nfrom unittest import mock\nclass T(unittest.TestCase):\n"
        " @mock.patch('unittest.TestCase.fail')\n def test_1(self, m): self.fail()\n"
        " @unittest.expectedFailure\n def test_2(self): self.fail()\n"
        "unittest.TestCase.assertNew = lambda self: None\n",
    )
    assert (report.tampered, report.finished, len(report.passing())) == ("", True, 2)


def test_an_expected_failure_that_no_test_speaks_of_is_a_failure(tmp_path: Path) -> None:
    report = report_of(
        tmp_path,
        product="def mark(test): test.__unittest_expecting_failure__ = True\n",
        test_a="import unittest, product\nclass T(unittest.TestCase):\n def test_1(self): self.fail()\n"
        "product.mark(T.test_1)\n",
    )
    assert [outcome.value for outcome in report.outcomes.values()] == ["failed"]
    assert report.passing() == frozenset()
