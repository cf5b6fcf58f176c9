"""Re-validation in real containers: the clock, the host and the locale that only a real sandbox can change."""

import json
import time
from pathlib import Path

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.ports import SandboxEngine
from swemill.reasons import Reason
from swemill.settings import Settings
from swemill.stages.conditions import Condition
from swemill.stages.revalidate import EVIDENCE, RevalidateConfig, Revalidated, revalidate
from swemill.values import Limits, Loss, SandboxSpec
from tests.contract.conftest import BuildTestbed
from tests.unit.shapes_of_repositories import BASE, FAIL_TO_PASS, NEW_TESTS, PASS_TO_PASS, Repository
from tests.unit.test_revalidate import HONEST, TIME_BOMB

pytestmark = pytest.mark.docker

INSTALL = """\
. /etc/swemill/build.env
uv venv --quiet --allow-existing /opt/venv
uv pip install --quiet --python /opt/venv pytest
"""
SPEC = SandboxSpec(
    name="swemill-test-revalidate",
    image="",
    limits=Limits(memory_bytes=512 << 20, disk_bytes=256 << 20, wall_clock=300),
    effect_key="test-revalidate",
    stage="revalidate",
    subject="owner__calc-1",
)
ONE_MACHINE = """

def test_host_name():
    import socket
    assert socket.gethostname() == "sandbox"


def test_locale():
    import locale
    locale.setlocale(locale.LC_ALL, "")
    assert locale.localeconv()["decimal_point"] == "."


def test_time_zone():
    import time
    assert time.localtime(0).tm_year == 1970
"""
DEPENDING = tuple(f"tests/test_calc.py::test_{name}" for name in ("host_name", "locale", "time_zone"))


class Calc:
    """A repository in an image, and instances of it whose kept test does this or that."""

    def __init__(self, repository: Repository, image: str, engine: SandboxEngine) -> None:
        self.repository, self.image, self.engine = repository, image, engine

    def revalidated(self, body: str, *, more: str = "", kept: tuple[str, ...] = ()) -> Revalidated | Loss:
        tests = NEW_TESTS.replace("    assert one() == 1\n", f"{body.strip(chr(10))}\n    assert one() == 1\n")
        return revalidate(
            self.repository.instance(tests={"tests/test_calc.py": tests + more}),
            self.image,
            fail_to_pass=FAIL_TO_PASS,
            pass_to_pass=(*PASS_TO_PASS, *kept),
            engine=self.engine,
            spec=SPEC,
            config=RevalidateConfig(test_timeout=60),
        )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("origin") / "repository", BASE)


@pytest.fixture(scope="module")
def calc(repository: Repository, build_testbed: BuildTestbed, engine: SandboxEngine) -> Calc:
    return Calc(repository, build_testbed(repository.root, "swemill/test-revalidate:1", steps=INSTALL), engine)


def lost(result: Revalidated | Loss) -> tuple[Reason, list[bool]]:
    assert isinstance(result, Loss), result.told()
    return result.reason, [one["held"] for one in json.loads(result.evidence[EVIDENCE])]


def test_an_honest_instance_holds(calc: Calc) -> None:
    result = calc.revalidated(HONEST)
    assert isinstance(result, Revalidated), result
    assert result.told() == "held today; held a year ahead; held on another machine"


def test_it_holds_with_a_python_that_sleeps_and_waits_otherwise(
    api, repository: Repository, build_testbed: BuildTestbed, engine: SandboxEngine
) -> None:
    """From 3.11 on: ``clock_nanosleep`` and ``sem_clockwait``."""
    if "3.11" not in DockerBuilder(api, settings=Settings.load()).pythons():
        pytest.skip("no base image with Python 3.11 can be had here")
    image = build_testbed(repository.root, "swemill/test-revalidate:311", steps=INSTALL, python="3.11")
    result = Calc(repository, image, engine).revalidated(HONEST)
    assert isinstance(result, Revalidated), result
    assert result.tried == tuple(Condition)


def test_a_time_bomb_is_caught(calc: Calc) -> None:
    result = calc.revalidated(TIME_BOMB.format(until=int(time.time()) + 30 * 86400))
    assert lost(result) == (Reason.TIME_BOMB, [True, False, True])


def test_what_holds_on_one_machine_only_is_caught(calc: Calc) -> None:
    result = calc.revalidated("    assert True", more=ONE_MACHINE, kept=DEPENDING)
    assert lost(result) == (Reason.DEPENDS_ON_MACHINE, [True, True, False])
    assert isinstance(result, Loss)
    elsewhere = json.loads(result.evidence[EVIDENCE])[2]
    assert [tuple(look["differs"]) for look in elsewhere["looks"]] == [DEPENDING] * 2


def test_an_image_that_lacks_the_means_is_not_tried(
    repository: Repository, build_testbed: BuildTestbed, engine: SandboxEngine
) -> None:
    hidden = f"{INSTALL}\nfor tool in gcc localedef; do printf '#!/bin/sh\\nexit 1\\n' >/opt/venv/bin/$tool; "
    steps = hidden + "chmod 755 /opt/venv/bin/$tool; done"
    image = build_testbed(Path(repository.root), "swemill/test-revalidate:2", steps=steps)
    result = Calc(repository, image, engine).revalidated("    assert True")
    assert isinstance(result, Revalidated), result
    assert result.untried == {
        Condition.YEAR_AHEAD: "gcc cannot make the clock",
        Condition.ELSEWHERE: "the image cannot make the locale de_DE.UTF-8",
    }
