"""Validation on real git and real pytest: what is accepted, and the reason of every loss."""

from dataclasses import replace
from pathlib import Path

import pytest

from swemill.patches import TestLayout
from swemill.reasons import Reason
from swemill.stages.validate import ValidateConfig, validate
from swemill.stages.worktree import targets_of
from swemill.testreports import report_from_json
from swemill.values import Arm, FlakyTest, InstanceSpec, Loss, Unsteady, Validated
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import BASE, FAIL_TO_PASS, FIXED, NEW_TESTS, PASS_TO_PASS, Repository, spec


def run(repository: Repository, instance: InstanceSpec, **config: object) -> Validated | Loss:
    engine = LocalEngine(repository.root, repository.root.parent / "work")
    result = validate(
        instance,
        "sha256:image",
        engine=engine,
        spec=spec(),
        config=ValidateConfig(**{"test_timeout": 30.0, **config}),
    )
    assert all(started.image == "sha256:image" for started in engine.started)
    return result


def lost(result: Validated | Loss, reason: Reason) -> Loss:
    assert isinstance(result, Loss)
    assert result.reason is reason
    return result


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_the_lists_of_a_good_instance(repository: Repository) -> None:
    result = run(repository, repository.instance())
    assert isinstance(result, Validated)
    assert (result.fail_to_pass, result.pass_to_pass) == (FAIL_TO_PASS, PASS_TO_PASS)
    assert [(run.arm, run.round) for run in result.runs] == [(arm, number) for number in (1, 2, 3) for arm in Arm]
    assert [bool(run.order_seed) for run in result.runs] == [False, False, True, True, False, False]
    assert result.runs[0].report.outcomes["tests/test_calc.py::test_add"] == "failed"
    assert all(run.report.finished for run in result.runs)
    assert result.flaky == ()


def counting(place: Path) -> str:
    """Code of a test module that knows how often it was run, whatever sandbox it is in."""
    return f"import os\nopen({str(place)!r}, 'a').write('x')\nturn = os.path.getsize({str(place)!r})\n"


def test_a_flaky_test_leaves_the_lists_with_its_record(repository: Repository, tmp_path: Path) -> None:
    # Runs one to six: before and after, three times over.
    flaky = counting(tmp_path / "count") + "def test_sometimes(): assert turn != 4\n"
    result = run(repository, repository.instance(tests={"tests/test_calc.py": NEW_TESTS + flaky}))
    assert isinstance(result, Validated)
    assert (result.fail_to_pass, result.pass_to_pass) == (FAIL_TO_PASS, PASS_TO_PASS)
    assert result.flaky == (FlakyTest(test="tests/test_calc.py::test_sometimes", arm=Arm.AFTER, passes=2, runs=3),)


def test_an_instance_whose_fail_to_pass_is_flaky_is_lost(repository: Repository, tmp_path: Path) -> None:
    flaky = (
        counting(tmp_path / "count")
        + "def test_mul():\n    from calc import add\n    assert add(1, 1) == 2 and turn != 6\n"
    )
    result = lost(
        run(repository, repository.instance(tests={"tests/test_calc.py": NEW_TESTS + flaky})), Reason.FLAKY_FAIL_TO_PASS
    )
    assert isinstance(result, Unsteady)
    assert result.detail == "not in every one of 3 rounds: tests/test_calc.py::test_mul"
    assert [(one.test, one.passes, one.runs) for one in result.flaky] == [("tests/test_calc.py::test_mul", 2, 3)]
    assert set(result.evidence) == {"before.json", "after.json"} | {
        f"round-{number}-{arm}.json" for number in (2, 3) for arm in Arm
    }


def test_a_later_round_that_ends_badly_is_no_verdict_of_the_first(repository: Repository, tmp_path: Path) -> None:
    dying = counting(tmp_path / "count") + "if turn == 4: os._exit(3)\n"
    result = lost(
        run(repository, repository.instance(tests={"tests/test_calc.py": NEW_TESTS + dying})), Reason.FLAKY_FAIL_TO_PASS
    )
    assert result.detail.startswith("round 2 ended otherwise than those before (no_report): with the gold patch: ")


def test_what_depends_on_the_order_is_flaky(repository: Repository) -> None:
    names = [f"test_{letter}" for letter in "abcdefgh"]
    ordered = "seen = []\n" + "".join(
        f"def {name}():\n    seen.append({number})\n    assert seen == list(range({number + 1}))\n"
        for number, name in enumerate(names)
    )
    result = run(
        repository, repository.instance(tests={"tests/test_calc.py": NEW_TESTS, "tests/test_order.py": ordered})
    )
    assert isinstance(result, Validated)
    assert result.fail_to_pass == FAIL_TO_PASS
    assert {one.arm for one in result.flaky} == set(Arm)
    assert not set(result.pass_to_pass) & {one.test for one in result.flaky}


def test_one_round_is_enough_for_who_wants_it_so(repository: Repository) -> None:
    result = run(repository, repository.instance(), rounds=1)
    assert isinstance(result, Validated)
    assert len(result.runs) == 2


@pytest.mark.parametrize(
    "tests",
    [
        {"tests/test_new.py": "from calc import mul\ndef test_mul(): assert mul(2, 3) == 6\n"},
        {"tests/conftest.py": "import calc\ncalc.mul\n", "tests/test_new.py": "def test_mul(): pass\n"},
    ],
    ids=["test module", "conftest"],
)
def test_tests_that_cannot_be_imported_before_turn_green(repository: Repository, tests: dict[str, str | None]) -> None:
    fix: dict[str, str | None] = {"calc.py": FIXED + "\n\ndef mul(a, b):\n    return a * b\n"}
    result = run(repository, repository.instance(fix=fix, tests=tests))
    assert isinstance(result, Validated)
    assert result.fail_to_pass == ("tests/test_new.py::test_mul",)


def test_one_broken_file_before_does_not_hide_the_others(repository: Repository) -> None:
    fix: dict[str, str | None] = {"calc.py": FIXED + "\n\ndef mul(a, b):\n    return a * b\n"}
    tests: dict[str, str | None] = {
        "tests/test_a_new.py": "from calc import mul\ndef test_mul(): assert mul(2, 3) == 6\n",
        "tests/test_calc.py": NEW_TESTS,
    }
    result = run(repository, repository.instance(fix=fix, tests=tests))
    assert isinstance(result, Validated)
    assert result.pass_to_pass == PASS_TO_PASS


def test_tests_that_only_the_configuration_knows_are_run_with_the_others(tmp_path: Path) -> None:
    ini = "[pytest]\npython_files = check_*.py test_*.py\n"
    repository = Repository(
        tmp_path / "r", {**BASE, "pytest.ini": ini, "verify/check_calc.py": "def test_no(): pass\n"}
    )
    check = "from calc import add\ndef test_add(): assert add(1, 2) == 3\n"
    tests: dict[str, str | None] = {"verify/check_calc.py": check, "tests/test_calc.py": NEW_TESTS}
    result = run(repository, repository.instance(tests=tests))
    assert isinstance(result, Validated)
    assert result.fail_to_pass == (*FAIL_TO_PASS, "verify/check_calc.py::test_add")


def test_data_alone_runs_the_tests_around_it(tmp_path: Path) -> None:
    read = "from pathlib import Path\nfrom calc import add\n"
    body = "def test_data(): assert add(3, 1) == int((Path(__file__).parent / 'data/n.txt').read_text())\n"
    repository = Repository(tmp_path / "r", {**BASE, "tests/test_data.py": read + body, "tests/data/n.txt": "2"})
    result = run(repository, repository.instance(tests={"tests/data/n.txt": "4"}))
    assert isinstance(result, Validated)
    assert result.fail_to_pass == ("tests/test_data.py::test_data",)


def test_configuration_in_the_gold_patch_is_left_out(repository: Repository) -> None:
    fix: dict[str, str | None] = {"calc.py": FIXED, "setup.cfg": "[tool:pytest]\naddopts = --ignore=tests\n"}
    result = run(repository, repository.instance(fix=fix))
    assert isinstance(result, Validated)
    assert result.fail_to_pass == FAIL_TO_PASS


def test_a_test_patch_that_does_not_apply_carries_gits_words(repository: Repository) -> None:
    patch = repository.instance().test_patch.replace(b"assert one() == 1", b"assert one() == 9")
    loss = lost(run(repository, _with(repository.instance(), test_patch=patch)), Reason.TEST_PATCH_DOES_NOT_APPLY)
    assert "tests/test_calc.py" in loss.detail


def test_a_gold_patch_that_does_not_apply_is_known_before_any_run(repository: Repository) -> None:
    patch = repository.instance().patch.replace(b"return a - b", b"return a % b")
    loss = lost(run(repository, _with(repository.instance(), patch=patch)), Reason.GOLD_PATCH_DOES_NOT_APPLY)
    assert "calc.py" in loss.detail
    assert not loss.evidence


def test_no_patch_at_all(repository: Repository) -> None:
    lost(run(repository, _with(repository.instance(), test_patch=b"words\n")), Reason.TEST_PATCH_DOES_NOT_APPLY)
    lost(run_again(repository, _with(repository.instance(), patch=b"words\n")), Reason.GOLD_PATCH_DOES_NOT_APPLY)


def test_a_fix_that_fixes_nothing(repository: Repository) -> None:
    loss = lost(
        run(repository, repository.instance(fix={"calc.py": "# note\n" + BASE["calc.py"]})), Reason.NO_FAIL_TO_PASS
    )
    assert "tests/test_calc.py::test_add" in loss.detail
    assert (
        report_from_json(loss.evidence["before.json"]).outcomes
        == report_from_json(loss.evidence["after.json"]).outcomes
    )


def test_a_fix_that_breaks_most(repository: Repository) -> None:
    fix: dict[str, str | None] = {"calc.py": FIXED.replace("return 1", "return 2")}
    loss = lost(run(repository, repository.instance(fix=fix)), Reason.GOLD_BREAKS_TESTS)
    assert "tests/test_calc.py::test_one" in loss.detail
    kept = run_again(repository, repository.instance(fix=fix), max_broken_share=1.0)
    assert isinstance(kept, Validated)
    assert (kept.fail_to_pass, kept.pass_to_pass) == (FAIL_TO_PASS, ())


def test_an_empty_pass_to_pass_is_lost_only_on_demand(repository: Repository) -> None:
    only = {"tests/test_only.py": "from calc import add\ndef test_add(): assert add(1, 2) == 3\n"}
    assert isinstance(run(repository, repository.instance(tests=dict(only))), Validated)
    lost(
        run_again(repository, repository.instance(tests=dict(only)), require_pass_to_pass=True), Reason.NO_PASS_TO_PASS
    )


def test_a_run_that_dies_names_its_test(repository: Repository) -> None:
    fix: dict[str, str | None] = {"calc.py": BASE["calc.py"].replace("return a - b", "import os; os._exit(0)")}
    loss = lost(run(repository, repository.instance(fix=fix)), Reason.TESTS_CRASHED)
    assert loss.detail.startswith("with the gold patch")
    assert FAIL_TO_PASS[0] in loss.detail
    assert report_from_json(loss.evidence["after.json"]).running == FAIL_TO_PASS[0]


def test_a_suite_that_never_starts(repository: Repository) -> None:
    loss = lost(
        run(repository, repository.instance(tests={"tests/conftest.py": "import absent_module\n"})), Reason.NO_REPORT
    )
    assert "absent_module" in loss.log


def test_tests_that_change_the_code_are_told_apart(repository: Repository) -> None:
    tests = {"tests/test_calc.py": NEW_TESTS + "\n\ndef test_write():\n    open('calc.py', 'w').write('')\n"}
    loss = lost(run(repository, repository.instance(tests=dict(tests))), Reason.GOLD_PATCH_DOES_NOT_APPLY)
    assert "test run" in loss.detail


def _patch_of(*paths: str) -> bytes:
    one = "diff --git a/{0} b/{0}\nindex 1..2 100644\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-a\n+b\n"
    return "".join(one.format(path) for path in paths).encode()


@pytest.mark.parametrize(
    ("changed", "existing", "expected"),
    [
        (["tests/test_a.py", "tests/u.py", "tests/test_b.py"], ["tests/test_a.py", "tests/u.py"], ["tests/test_a.py"]),
        (["pkg/tests/util.py"], ["pkg/tests/util.py", "pkg/tests/test_a.py", "test_b.py"], ["pkg/tests"]),
        (["tests/data/deep/x.txt"], ["tests/test_a.py", "tests/data/deep/x.txt"], ["tests"]),
        (["tests/conftest.py"], ["tests/conftest.py", "tests/unit/a_test.py"], ["tests"]),
        (["tests/check_a.py", "tests/__init__.py"], ["tests/check_a.py", "tests/__init__.py"], ["tests/check_a.py"]),
        (["conftest.py"], ["conftest.py", "test_a.py"], []),
    ],
)  # fmt: skip
def test_what_is_given_to_pytest(changed: list[str], existing: list[str], expected: list[str]) -> None:
    assert targets_of(_patch_of(*changed), frozenset(existing)) == tuple(expected)


def test_what_the_layout_calls_a_test_is_given_to_pytest() -> None:
    layout = TestLayout(python_files=("check_*.py",))
    existing = frozenset({"a/check_a.py", "a/x.json", "test_b.py"})
    assert targets_of(_patch_of("a/check_a.py", "test_b.py"), existing, layout) == ("a/check_a.py", "test_b.py")
    assert targets_of(_patch_of("a/x.json"), existing, layout) == ("a",)


def run_again(repository: Repository, instance: InstanceSpec, **config: object) -> Validated | Loss:
    """``run`` in a second work folder."""
    engine = LocalEngine(repository.root, repository.root.parent / "work2")
    settings = ValidateConfig(**{"test_timeout": 30.0, **config})
    return validate(instance, "sha256:image", engine=engine, spec=spec(), config=settings)


def _with(instance: InstanceSpec, **fields: bytes) -> InstanceSpec:
    return replace(instance, **fields)
