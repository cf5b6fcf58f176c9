"""Admission on real git and real pytest: what each of the four checks turns away, and what is told of the tests."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from swemill.environment.leak_gate import Leak, LeakKind
from swemill.reasons import Reason
from swemill.stages.admit import AdmitConfig, Admitted, admit
from swemill.values import InstanceSpec, Loss
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import FAIL_TO_PASS, NEW_TESTS, PASS_TO_PASS, Repository, spec

FIXED_TWICE = "def add(a, b):\n    total = a + b\n    return total\n\n\ndef one():\n    return 1\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def run(
    repository: Repository,
    instance: InstanceSpec,
    *,
    fail_to_pass: Sequence[str] = FAIL_TO_PASS,
    leaks: Sequence[Leak] = (),
    wrong_patches: int = 4,
) -> Admitted | Loss:
    return admit(
        instance,
        "sha256:image",
        fail_to_pass=fail_to_pass,
        pass_to_pass=PASS_TO_PASS,
        engine=LocalEngine(repository.root, repository.root.parent / "work"),
        spec=spec(),
        config=AdmitConfig(test_timeout=30, wrong_patches=wrong_patches),
        gate=lambda sandbox, base_commit, timeout: leaks,
    )


def test_a_good_instance_is_admitted_and_its_tests_are_strong(repository: Repository) -> None:
    result = run(repository, repository.instance(fix={"calc.py": FIXED_TWICE}))
    assert isinstance(result, Admitted)
    assert result.tried
    assert result.strength == 1.0
    assert all(one.how.startswith("fail_to_pass_failed") for one in result.tried)
    told = json.loads(result.evidence())
    assert told["strength"] == 1.0
    assert told["quality"]["files"] == 1
    assert "tests_weak" not in told["labels"]


def test_tests_that_let_a_wrong_patch_through_are_weak(repository: Repository) -> None:
    weak = NEW_TESTS.replace("assert add(1, 2) == 3", "assert add(1, 2) != -1")
    result = run(repository, repository.instance(fix={"calc.py": FIXED_TWICE}, tests={"tests/test_calc.py": weak}))
    assert isinstance(result, Admitted)
    assert result.strength is not None
    assert result.strength < 1
    assert "tests_weak" in result.labels()
    assert any(one.resolved and "return None" in one.what for one in result.tried)


def test_no_wrong_patch_means_no_strength(repository: Repository) -> None:
    result = run(repository, repository.instance(), wrong_patches=0)
    assert isinstance(result, Admitted)
    assert (result.tried, result.strength) == ((), None)


def test_what_passes_without_a_patch_is_lost(repository: Repository) -> None:
    result = run(repository, repository.instance(), fail_to_pass=(*FAIL_TO_PASS, *PASS_TO_PASS))
    assert isinstance(result, Loss)
    assert result.reason is Reason.PASSES_WITHOUT_PATCH
    assert result.detail == "without any patch there pass: tests/test_calc.py::test_one"


def test_a_gold_patch_that_does_not_resolve_is_lost(repository: Repository) -> None:
    result = run(repository, repository.instance(), fail_to_pass=("tests/test_calc.py::test_gone",))
    assert isinstance(result, Loss)
    assert result.reason is Reason.GOLD_NOT_RESOLVED
    assert "test_gone" in result.detail


def test_a_leak_ends_it_before_any_test(repository: Repository) -> None:
    result = run(repository, repository.instance(), leaks=[Leak(kind=LeakKind.UNLISTABLE, detail="a tag")])
    assert isinstance(result, Loss)
    assert result.reason is Reason.LEAKS_FUTURE
    assert "a tag" in result.detail
