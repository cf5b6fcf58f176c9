"""Validation and judging in real containers: what only a real sandbox can show (limits, users, no network)."""

from dataclasses import replace

import pytest

from swemill.ports import SandboxEngine
from swemill.reasons import Reason
from swemill.stages.judge import JudgeConfig, judge
from swemill.stages.validate import ValidateConfig, validate
from swemill.values import InstanceSpec, Limits, Loss, SandboxSpec, Validated, Verdict
from tests.contract.conftest import BuildTestbed
from tests.unit.shapes_of_repositories import BASE, FAIL_TO_PASS, FIXED, NEW_TESTS, PASS_TO_PASS, Repository

pytestmark = pytest.mark.docker

INSTALL = """\
. /etc/swemill/build.env
uv venv --quiet --allow-existing /opt/venv
uv pip install --quiet --python /opt/venv pytest pytest-xdist
"""
SPEC = SandboxSpec(
    name="swemill-test-validate",
    image="",
    limits=Limits(memory_bytes=512 << 20, disk_bytes=256 << 20, wall_clock=300),
    effect_key="test-validate",
    stage="validate",
    subject="owner__calc-1",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    files = {**BASE, "setup.cfg": "[tool:pytest]\naddopts = -n 2 --cov=calc --cov-report=xml\n"}
    return Repository(tmp_path_factory.mktemp("origin") / "repository", files)


@pytest.fixture(scope="module")
def image(repository: Repository, build_testbed: BuildTestbed) -> str:
    return build_testbed(repository.root, "swemill/test-validate:1", steps=INSTALL)


def validated(engine: SandboxEngine, image: str, instance: InstanceSpec, timeout: float = 60) -> Validated | Loss:
    return validate(instance, image, engine=engine, spec=SPEC, config=ValidateConfig(test_timeout=timeout))


def judged(engine: SandboxEngine, image: str, instance: InstanceSpec, patch: bytes, timeout: float = 60) -> Verdict:
    return judge(
        instance,
        image,
        fail_to_pass=FAIL_TO_PASS,
        pass_to_pass=PASS_TO_PASS,
        candidate_patch=patch,
        engine=engine,
        spec=replace(SPEC, name="swemill-test-judge", stage="judge"),
        config=JudgeConfig(test_timeout=timeout),
    )


def test_the_lists_of_a_good_instance(engine: SandboxEngine, image: str, repository: Repository) -> None:
    result = validated(engine, image, repository.instance())
    assert isinstance(result, Validated)
    assert (result.fail_to_pass, result.pass_to_pass) == (FAIL_TO_PASS, PASS_TO_PASS)
    assert result.runs[-1].report.finished
    assert "2 passed" in result.runs[-1].report.log_tail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import time; time.sleep(600)", Reason.TESTS_TIMED_OUT),
        ("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)", Reason.TESTS_TIMED_OUT),
        ("return sum(bytearray(2 << 30))", Reason.TESTS_OUT_OF_MEMORY),
        ("import ctypes; ctypes.string_at(0)", Reason.TESTS_CRASHED),
        ("import os; os._exit(0)", Reason.TESTS_CRASHED),
        ("import os; os.kill(-1, 9); os.kill(os.getpid(), 9)", Reason.TESTS_CRASHED),
    ],
    ids=["hang", "deaf hang", "memory", "segfault", "exit", "kill all"],
)
def test_a_run_that_ends_badly_names_its_cause_and_test(
    engine: SandboxEngine, image: str, repository: Repository, body: str, reason: Reason
) -> None:
    fix: dict[str, str | None] = {"calc.py": BASE["calc.py"].replace("return a - b", body)}
    result = validated(engine, image, repository.instance(fix=fix), timeout=8)
    assert isinstance(result, Loss)
    assert result.reason is reason
    assert FAIL_TO_PASS[0] in result.detail


def test_a_flood_of_output_is_cut_and_does_no_harm(engine: SandboxEngine, image: str, repository: Repository) -> None:
    flood = (
        NEW_TESTS
        + "\n\ndef test_flood():\n    import os\n    for _ in range(200): os.system('head -c 1000000 /dev/zero')\n"
    )
    tests: dict[str, str | None] = {"tests/test_calc.py": flood, "tests/pytest.ini": "[pytest]\naddopts = -s\n"}
    result = validated(engine, image, repository.instance(tests=tests))
    assert isinstance(result, Validated)
    assert result.fail_to_pass == FAIL_TO_PASS
    assert len(result.runs[-1].report.log_tail) <= 2 * (64 << 10)


def test_the_oracle_resolves_and_a_wrong_fix_does_not(
    engine: SandboxEngine, image: str, repository: Repository
) -> None:
    instance = repository.instance()
    assert judged(engine, image, instance, instance.patch).resolved
    wrong = judged(engine, image, instance, repository.diff({"calc.py": BASE["calc.py"].replace("a - b", "a * b")}))
    assert (wrong.resolved, wrong.reason, wrong.pass_to_pass_passed) == (False, Reason.FAIL_TO_PASS_FAILED, 1)


def test_a_hanging_patch_is_a_verdict(engine: SandboxEngine, image: str, repository: Repository) -> None:
    patch = repository.diff({"calc.py": FIXED.replace("return a + b", "import time; time.sleep(600)")})
    verdict = judged(engine, image, repository.instance(), patch, timeout=8)
    assert (verdict.resolved, verdict.reason, verdict.pass_to_pass_passed) == (False, Reason.TESTS_TIMED_OUT, 1)
    assert FAIL_TO_PASS[0] in verdict.detail
