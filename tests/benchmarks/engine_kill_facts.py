"""What came of the drill's installations: attempts in the database, and what the images hold and do."""

import fcntl
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.models import Attempt, Environment, Incident, Instance
from swemill.reasons import Stage
from swemill.values import Limits, SandboxSpec
from swemill.wiring import Mill
from tests.benchmarks.engine_kill_work import SHARED_BY

if TYPE_CHECKING:
    from docker import APIClient

# Every file of an image by content, but for two notes of the time of the build: git's and uv's.
_LOOK = """\
import hashlib, json, os
found = {}
for top in ("/opt/testbed", "/opt/venv", "/opt/lock.txt"):
    for folder, _, names in os.walk(top) if os.path.isdir(top) else [("/opt", [], ["lock.txt"])]:
        for path in (os.path.join(folder, name) for name in names):
            if os.path.islink(path):
                found[path] = "link " + os.readlink(path)
            elif not path.endswith(("/.git/index", ".dist-info/uv_cache.json")):
                with open(path, "rb") as file:
                    lines = [line for line in file if b".dist-info/uv_cache.json," not in line]
                found[path] = hashlib.sha256(b"".join(lines)).hexdigest()
print(json.dumps(found))
"""
_WORKS = """\
set -e
cd /testbed
test "$(git rev-parse HEAD)" = "$1"
test -z "$(git status --porcelain)"
git fsck --full --strict
python -c "import $2, $3; assert $2.__file__ == '/testbed/$2.py', $2.__file__"
python -m pytest -q -p no:cacheprovider
"""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One attempt at an installation, less what depends on when it was done."""

    instance: str
    passed: bool
    reason: str | None
    image: str = ""
    below: str = ""
    base: str = ""
    python: str = ""
    collected: int = 0
    lock: str = ""


def facts_of(mill: Mill) -> list[Fact]:
    """Every attempt of the stage install, in the order of the instances."""
    rows = (
        select(Attempt, Environment)
        .outerjoin(Environment, Environment.attempt_id == Attempt.id)
        .where(Attempt.stage == Stage.INSTALL.value)
        .order_by(Attempt.subject, Attempt.id)
    )
    with mill.store.session() as session:
        return [_fact(mill, attempt, found) for attempt, found in session.execute(rows)]


def _fact(mill: Mill, attempt: Attempt, found: Environment | None) -> Fact:
    fact = Fact(instance=attempt.subject, passed=attempt.passed, reason=attempt.reason)
    if found is None:
        return fact
    return Fact(
        instance=fact.instance,
        passed=fact.passed,
        reason=fact.reason,
        image=found.image,
        below=found.environment_image,
        base=found.base_image,
        python=found.python,
        collected=found.collected,
        lock=mill.blobs.get(found.lock_blob).decode(),
    )


def incidents_of(mill: Mill) -> int:
    """How often work met infrastructure trouble that it could note."""
    with mill.store.session() as session:
        return len(session.scalars(select(Incident.id)).all())


def base_commits(mill: Mill) -> dict[str, str]:
    """Base commit by instance."""
    with mill.store.session() as session:
        return {one.instance_id: one.base_commit for one in session.scalars(select(Instance))}


def tags_of(engine: "APIClient") -> dict[str, str]:
    """Id by tag of the images of environments and instances."""
    listed = engine.images(filters={"label": "swemill=1"})
    names = {tag: image["Id"] for image in listed for tag in image["RepoTags"] or ()}
    return {tag: name for tag, name in names.items() if tag.startswith(("swemill/environment:", "swemill/instance:"))}


def content_of(engine: "APIClient", image: str) -> dict[str, str]:
    """Sha256 by path of all that an image has beyond its base. Raises SandboxUnavailable."""
    with DockerSandboxEngine(engine).start(_spec(image)) as sandbox:
        said = sandbox.run(["/usr/bin/python3", "-I", "-c", _LOOK], timeout=120, cwd="/", output_limit=32 << 20).output
    found: dict[str, str] = json.loads(said)
    return found


def works(engine: "APIClient", fact: Fact, base_commit: str) -> str:
    """Run what an image of an instance holds: checkout, project, its part and its tests. What is wrong, or nothing."""
    tool = fact.instance.removeprefix("o__").partition("-")[0]
    part = f"part{int(tool.removeprefix('tool')) // SHARED_BY}"
    with DockerSandboxEngine(engine).start(_spec(fact.image)) as sandbox:
        done = sandbox.run(["/bin/sh", "-c", _WORKS, "sh", base_commit, tool, part], timeout=120)
    said = done.output.decode(errors="replace")
    return said[-500:] if done.exit_code or "passed" not in said else ""


def _spec(image: str) -> SandboxSpec:
    name = f"swemill-drill-{hashlib.sha256(image.encode()).hexdigest()[:16]}"
    return SandboxSpec(name=name, image=image, limits=Limits(), effect_key="drill", stage="drill", subject=image)


def held_locks(home: Path) -> list[str]:
    """Lock files of an installation that somebody still holds."""
    return sorted(lock.name for lock in (home / "locks").glob("*.lock") if _is_held(lock))


def _is_held(lock: Path) -> bool:
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
