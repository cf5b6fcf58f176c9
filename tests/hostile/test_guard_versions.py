"""What guards a report works below old versions of pytest, and beside plugins that change pytest honestly."""

import pytest

from swemill.ports import SandboxEngine
from swemill.reasons import Reason
from tests.contract.conftest import BuildTestbed
from tests.hostile.attacked import AttackedRepository, judged
from tests.hostile.cheats import QUIET_CALL
from tests.unit.shapes_of_repositories import BASE

pytestmark = pytest.mark.docker

INSTALL = """\
. /etc/swemill/build.env
uv venv --quiet --allow-existing /opt/venv
uv pip install --quiet --python /opt/venv {packages}
"""
SETS = {
    "pytest 4": "pytest==4.6.11",
    "pytest 6": "pytest==6.2.5 hypothesis pytest-mock pytest-rerunfailures==10.3",
    "pytest 8": "pytest==8.3.5 hypothesis pytest-asyncio anyio trio pytest-mock pytest-subtests flaky pytest-timeout",
}


@pytest.mark.parametrize("packages", SETS.values(), ids=SETS.keys())
def test_honest_tests_pass_and_a_changed_pytest_is_seen(
    packages: str, tmp_path, engine: SandboxEngine, build_testbed: BuildTestbed
) -> None:
    repository = AttackedRepository(tmp_path / "repository", BASE)
    tag = f"swemill/test-hostile-{packages.split()[0].replace('==', '-')}:1"
    image = build_testbed(repository.root, tag, steps=INSTALL.format(packages=packages))
    instance = repository.instance()
    end = judged(instance, instance.patch, engine, image)
    assert end.good, (end.reason, end.detail, end.log)
    end = judged(instance, repository.hostile_diff({"calc.py": BASE["calc.py"] + QUIET_CALL}), engine, image)
    # pytest 4 has no class method there: its AttributeError is an import error, and no pass either.
    assert end.reason in (Reason.TAMPERED, Reason.FAIL_TO_PASS_FAILED), (end.detail, end.log)
