"""Verdicts of accepted instances, patch by patch, and the journal that keeps them."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from swemill.adapters.docker.client import connect
from swemill.effects import content_hash
from swemill.jobs.install import ensure_image
from swemill.jobs.load import instance_spec, standing_validation_of
from swemill.settings import Settings
from swemill.stages.judge import JudgeConfig, judge
from swemill.values import InstanceSpec, Limits, SandboxSpec
from swemill.wiring import Mill
from swemill.wrong_patches import wrong_patches

GOLD, NOTHING, WRONG = "gold", "nothing", "wrong"
ARMS = (GOLD, NOTHING, WRONG)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One verdict."""

    instance_id: str
    arm: str
    where: str
    resolved: bool
    detail: str = ""

    @property
    def told(self) -> str:
        return "resolved" if self.resolved else "not resolved"


class Journal:
    """The verdicts in a file, a line each, written as soon as there is one."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        self.judged = [Judged(**json.loads(line)) for line in lines if line.endswith("}")]

    def holds(self, instance_id: str, arm: str, where: str) -> bool:
        return any((one.instance_id, one.arm, one.where) == (instance_id, arm, where) for one in self.judged)

    def add(self, one: Judged) -> None:
        with self._lock:
            self.judged.append(one)
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")


def patch_of(instance: InstanceSpec, arm: str) -> bytes | None:
    """The patch of an arm; None: there is none, because nothing of the gold patch can be left out or changed."""
    if arm == WRONG:
        return next((wrong.patch for wrong in wrong_patches(instance.patch, most=1)), None)
    return instance.patch if arm == GOLD else b""


def judge_all(
    settings: Settings, names: Sequence[str], arms: Sequence[str], *, where: str, journal: Journal, jobs: int
) -> None:
    """Judge every instance with every arm on the engine of the settings, but for what the journal holds."""

    def one(name: str) -> None:
        mill = Mill.open(settings, docker_client=connect(settings.docker_host))
        for arm in arms:
            if not journal.holds(name, arm, where):
                judge_one(mill, name, arm, where=where, journal=journal)

    todo = [name for name in names if not all(journal.holds(name, arm, where) for arm in arms)]
    with ThreadPoolExecutor(jobs) as pool:
        for number, name in enumerate(pool.map(lambda name: (one(name), name)[1], todo), start=1):
            print(f"{where}: {number} of {len(todo)}, {name}", file=sys.stderr, flush=True)


def judge_one(mill: Mill, name: str, arm: str, *, where: str, journal: Journal) -> None:
    """Judge one patch; the tests run also where there is none. Raises SandboxUnavailable."""
    with mill.store.session() as session:
        loaded, validation, _ = standing_validation_of(session, name)
    instance = instance_spec(mill, loaded.instance, loaded.environment)
    patch = patch_of(instance, arm)
    if patch is None:
        return
    key = content_hash(f"{name} {arm} {where}".encode())
    verdict = judge(
        instance,
        ensure_image(mill, loaded),
        fail_to_pass=validation.fail_to_pass,
        pass_to_pass=validation.pass_to_pass,
        candidate_patch=patch,
        engine=mill.engine,
        spec=SandboxSpec(
            name=f"swemill-real-{key[:16]}",
            image="",
            limits=Limits(wall_clock=mill.settings.test_timeout + 300),
            effect_key=key,
            stage="judge",
            subject=name,
        ),
        config=JudgeConfig(test_timeout=mill.settings.test_timeout),
        empty_ends_it=False,
    )
    detail = f"{verdict.reason}: {verdict.detail}"[:300] if verdict.reason else ""
    journal.add(Judged(instance_id=name, arm=arm, where=where, resolved=verdict.resolved, detail=detail))
