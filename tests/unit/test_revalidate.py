"""Re-validation on real git, pytest and clocks: what is caught under which condition, and what is not tried is told."""

import json
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.reasons import Reason
from swemill.stages import conditions
from swemill.stages.conditions import Condition
from swemill.stages.revalidate import EVIDENCE, RevalidateConfig, Revalidated, revalidate
from swemill.values import InstanceSpec, Loss, SandboxSpec
from tests.unit.local_sandbox import LocalEngine, LocalSandbox
from tests.unit.shapes_of_repositories import FAIL_TO_PASS, NEW_TESTS, PASS_TO_PASS, Repository, spec

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="the clock is made by gcc")

KEPT = PASS_TO_PASS[0]
TIME_BOMB = """
    import datetime
    assert datetime.date.today() < datetime.date.fromtimestamp({until})
"""
OTHER_MACHINE = """
    import os
    assert os.environ["HOSTNAME"] == "sandbox" and os.environ["TZ"] == "UTC" and os.environ["LANG"] == "C.UTF-8"
"""
FLAKE = """
    import pathlib
    seen = pathlib.Path({folder!r}, "seen")
    seen.write_text(str(times := int(seen.read_text() or 0) + 1) if seen.exists() else str(times := 1))
    assert times not in {fails}
"""
HONEST = """
    import asyncio, os, subprocess, sys, tempfile, threading, time
    began, told = time.monotonic(), time.time()
    time.sleep(0.02)
    lock = threading.Lock()
    lock.acquire()
    assert not lock.acquire(timeout=0.02)
    condition = threading.Condition()
    with condition:
        assert not condition.wait(0.02)
    try:
        subprocess.run(["sleep", "9"], timeout=0.05)
    except subprocess.TimeoutExpired:
        pass
    else:
        assert False
    try:
        asyncio.run(asyncio.wait_for(asyncio.sleep(9), 0.02))
    except asyncio.TimeoutError:
        pass
    assert time.monotonic() - began < 5
    assert abs((time.time() - told) - (time.monotonic() - began)) < 1
    with tempfile.NamedTemporaryFile() as file:
        assert abs(os.stat(file.name).st_mtime - time.time()) < 5
        assert abs(next(e for e in os.scandir("/tmp") if e.path == file.name).stat().st_mtime - time.time()) < 5
        os.utime(file.name, (1e9, 1e9))
        assert os.stat(file.name).st_mtime == 1e9
        yesterday = int(time.time()) - 86400
        os.utime(file.name, (yesterday, yesterday))
        assert os.stat(file.name).st_mtime == yesterday
    assert os.stat(__file__).st_mtime <= time.time()
"""


class Machine(LocalEngine):
    """An engine whose sandboxes have a host name, and programs of their own in front of the host's."""

    def __init__(self, image: Path, work: Path, programs: Mapping[str, str]) -> None:
        super().__init__(image, work)
        for name, text in programs.items():
            place = self._bin / name
            place.write_text(f"#!/bin/sh\n{text}\n")
            place.chmod(place.stat().st_mode | stat.S_IXUSR)

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[LocalSandbox]:
        with super().start(spec) as sandbox:
            run = sandbox.run
            sandbox.run = lambda command, **more: run(  # type: ignore[method-assign]
                command, **{**more, "env": {"HOSTNAME": spec.hostname, **(more.get("env") or {})}}
            )
            yield sandbox


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(conditions, "FOLDER", str(tmp_path / "made"))
    return Repository(tmp_path / "repository")


def with_test(repository: Repository, body: str) -> InstanceSpec:
    """An instance whose kept test does this."""
    tests = NEW_TESTS.replace("    assert one() == 1\n", f"{body.strip(chr(10))}\n    assert one() == 1\n")
    return repository.instance(tests={"tests/test_calc.py": tests})


def run(
    repository: Repository, instance: InstanceSpec, *, lacks: str = "", fail_to_pass: tuple[str, ...] = FAIL_TO_PASS
) -> tuple[Revalidated | Loss, list[SandboxSpec]]:
    # That of the host needs a package which a machine for tests may lack.
    programs = {"localedef": "exit 0", "locale": "echo ,"}
    if lacks:
        programs[lacks] = "exit 127"
    engine = Machine(repository.root, repository.root.parent / "work", programs)
    result = revalidate(
        instance,
        "sha256:image",
        fail_to_pass=fail_to_pass,
        pass_to_pass=PASS_TO_PASS,
        engine=engine,
        spec=spec(),
        config=RevalidateConfig(test_timeout=30),
    )
    return result, engine.started


def lost(result: Revalidated | Loss) -> tuple[Reason, str, dict[str, dict]]:
    assert isinstance(result, Loss), result
    return result.reason, result.detail, {one["condition"]: one for one in json.loads(result.evidence[EVIDENCE])}


def now() -> int:
    return int(time.time())


def test_an_honest_instance_holds_under_every_condition(repository: Repository) -> None:
    result, started = run(repository, with_test(repository, HONEST))
    assert isinstance(result, Revalidated), result
    assert result.tried == tuple(Condition)
    assert result.told() == "held today; held a year ahead; held on another machine"
    assert [one.hostname for one in started] == ["sandbox"] * 6 + ["elsewhere"] * 2
    assert {one.image for one in started} == {"sha256:image"}
    told = json.loads(result.evidence()[EVIDENCE])
    assert [one["held"] for one in told] == [True, True, True]
    outcomes = {"gold": {"passed": 2}, "without": {"failed": 1, "passed": 1}}
    assert told[2]["looks"] == [{"differs": {}, "outcomes": outcomes, "trouble": ""}]


def test_a_time_bomb_is_caught_before_it_goes_off(repository: Repository) -> None:
    result, _ = run(repository, with_test(repository, TIME_BOMB.format(until=now() + 30 * 86400)))
    reason, detail, told = lost(result)
    assert reason is Reason.TIME_BOMB
    assert detail.startswith("a year ahead the gold patch does not resolve it (pass_to_pass_failed")
    assert KEPT in detail
    assert "flaky" not in detail
    assert [one["held"] for one in told.values()] == [True, False, True]
    assert [look["differs"] for look in told["year_ahead"]["looks"]] == [{KEPT: "with the gold patch: failed"}] * 2
    assert isinstance(result, Loss)
    assert "fromtimestamp" in result.log


def test_a_bomb_that_has_gone_off_is_rot_and_nothing_else_is_tried(repository: Repository) -> None:
    result, started = run(repository, with_test(repository, TIME_BOMB.format(until=now() - 30 * 86400)))
    reason, detail, told = lost(result)
    assert reason is Reason.ROTTED
    assert detail.startswith("today the gold patch does not resolve it")
    assert told["year_ahead"]["untried"] == told["elsewhere"]["untried"] == "it fails today"
    assert len(started) == 4, "without and with the patch, each twice"


def test_what_passes_by_itself_today_is_rot(repository: Repository) -> None:
    result, _ = run(repository, repository.instance(), fail_to_pass=(*FAIL_TO_PASS, KEPT))
    reason, detail, told = lost(result)
    assert reason is Reason.ROTTED
    assert detail == f"today there pass without a patch: {KEPT}"
    assert told["today"]["looks"][0]["differs"] == {KEPT: "passes without a patch"}


def test_what_only_one_machine_has_is_caught(repository: Repository) -> None:
    reason, detail, told = lost(run(repository, with_test(repository, OTHER_MACHINE))[0])
    assert reason is Reason.DEPENDS_ON_MACHINE
    assert detail.startswith("on another machine the gold patch does not resolve it")
    assert [one["held"] for one in told.values()] == [True, True, False]


def test_a_flake_is_no_rot_and_is_told(repository: Repository, tmp_path: Path) -> None:
    # The runs of the test: without and with the patch, then the same again.
    result, _ = run(repository, with_test(repository, FLAKE.format(folder=str(tmp_path), fails=[2])))
    assert isinstance(result, Revalidated), result
    assert result.told().startswith(f"held today (flaky, two runs differ in: {KEPT}); held a year ahead")
    told = json.loads(result.evidence()[EVIDENCE])
    assert [bool(look["trouble"]) for look in told[0]["looks"]] == [True, False]


def test_an_image_without_a_compiler_has_not_stood_the_year(repository: Repository) -> None:
    result, _ = run(repository, with_test(repository, TIME_BOMB.format(until=now() + 86400)), lacks="gcc")
    assert isinstance(result, Revalidated), result
    assert result.tried == (Condition.TODAY, Condition.ELSEWHERE)
    assert result.untried == {Condition.YEAR_AHEAD: "gcc cannot make the clock"}
    assert "not tried a year ahead: gcc cannot make the clock" in result.told()
    assert json.loads(result.evidence()[EVIDENCE])[1]["held"] is False


def test_an_image_without_the_locale_has_not_been_elsewhere(repository: Repository) -> None:
    result, _ = run(repository, with_test(repository, OTHER_MACHINE), lacks="locale")
    assert isinstance(result, Revalidated), result
    assert result.untried == {Condition.ELSEWHERE: "the image cannot make the locale de_DE.UTF-8"}


def test_tests_that_cannot_stand_the_preloaded_clock_say_nothing_of_the_year(repository: Repository) -> None:
    body = '    import os\n    assert "LD_PRELOAD" not in os.environ'
    result, _ = run(repository, with_test(repository, body))
    assert isinstance(result, Revalidated), result
    assert "the preloaded clock itself disturbs the tests" in result.untried[Condition.YEAR_AHEAD]
    assert result.tried == (Condition.TODAY, Condition.ELSEWHERE)


def test_a_patch_that_no_longer_applies_is_rot(repository: Repository) -> None:
    broken = replace(repository.instance(), patch=b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    reason, detail, _ = lost(run(repository, broken)[0])
    assert reason is Reason.ROTTED
    assert "patch_does_not_apply" in detail
