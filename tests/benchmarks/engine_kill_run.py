"""One run of the drill: install everything while the engine is killed, then look at what is there."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swemill.adapters.docker import index_image
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.index_container import ROLE_LABEL
from swemill.adapters.docker.policy import STAGE_LABEL
from swemill.jobs import harvest
from swemill.settings import Settings
from swemill.store import Store
from swemill.wiring import Mill
from tests.benchmarks.engine_kill_facts import (
    Fact,
    base_commits,
    content_of,
    facts_of,
    held_locks,
    incidents_of,
    tags_of,
    works,
)
from tests.benchmarks.engine_kill_machine import ADDRESS, PORT, SUITE, Machine, running
from tests.benchmarks.engine_kill_work import Workers, command_environment, make_archive, make_wheels

if TYPE_CHECKING:
    from docker import APIClient

QUIET = "none"
KINDS = ("engine", "machine", "all")
_SPAN = (0.1, 0.7)
"""Part of the undisturbed run's time in which kills fall: there is work left at each."""
_KEEPING_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A machine, what is installed on it, and how."""

    machine: Machine
    root: Path
    environ: dict[str, str]
    create_database: Callable[[], str]
    workers: int = 3
    down: float = 2.0
    """Seconds between a kill and the new start."""
    patience: float = 1800.0


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: what was at work in that moment."""

    at: float
    """Seconds from the beginning of the work."""
    running: tuple[str, ...]
    """Stages of the containers that ran, in order."""
    keeping: int
    """Layers that were being kept as images."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What one run came to."""

    kind: str
    seconds: float
    kills: tuple[Kill, ...]
    tries: int
    """Of the instance that took the most."""
    incidents: int
    left: int
    """Containers that were left when all was installed, the index proxy not counted."""
    reaped: int
    dangling: int
    """Images without a tag: a layer was kept, and its engine killed before it had a name."""
    facts: tuple[Fact, ...]
    contents: dict[str, dict[str, str]]
    """Sha256 by path, by tag."""
    wrong: tuple[str, ...]
    """What is not as it must be whatever the undisturbed run was like."""


@contextmanager
def bench_in(
    root: Path,
    data: Path,
    *,
    instances: int,
    create_database: Callable[[], str],
    environ: Mapping[str, str],
    workers: int,
    down: float = 3.0,
) -> Iterator[Bench]:
    """A bench with a machine that runs; nothing is left of the machine at the end.

    Raises:
        ConfigurationError: no such machine can be had here. SandboxUnavailable, ForgeUnavailable: an engine or the
            package index does not answer.
    """
    # Base images are named after the index, and the proxy's image after its base: with another index it is made anew.
    more = index_image.REQUIREMENTS if Settings.load(environ).index_url else ()
    make_wheels(root / "wheels", count=instances, more=more)
    make_archive(root / "archive", count=instances)
    (root / "pip.conf").write_text(f"[global]\nindex-url = http://{ADDRESS}:{PORT}/simple\n")
    own = {
        "SWEMILL_DEBIAN_SUITE": SUITE,
        "SWEMILL_BASE_IMAGE_SOURCE": "registry",  # there is none: what was brought along is all there is
        "SWEMILL_BUILD_TIMEOUT": "300",
    }
    kept = command_environment(environ, own, pip_config=root / "pip.conf")
    with running(data, root / "wheels", kept) as machine:
        yield Bench(
            machine=machine,
            root=root,
            environ={**kept, "SWEMILL_DOCKER_HOST": machine.host},
            create_database=create_database,
            workers=workers,
            down=down,
        )


def moments(dice: random.Random, count: int, seconds: float) -> list[float]:
    """When to kill, in seconds of work."""
    first, last = _SPAN
    return sorted(dice.uniform(first, last) * seconds for _ in range(count))


def run(bench: Bench, kind: str, at: Sequence[float]) -> Ending:
    """Install everything once, with kills of one kind at these moments. Raises SwemillError."""
    home = bench.root / f"home-{time.time_ns()}"
    database = bench.create_database()
    Store(database).migrate()
    environ = {**bench.environ, "SWEMILL_HOME": str(home), "SWEMILL_DATABASE_URL": database}
    mill = Mill.open(Settings.load(environ))
    harvest.harvest(mill, "archive", archive=bench.root / "archive")
    commits = base_commits(mill)
    began = time.monotonic()
    workers = Workers(sorted(commits), environ, at_once=bench.workers, patience=bench.patience)
    try:
        kills = [kill(bench, kind, workers, moment, number, began) for number, moment in enumerate(at)]
        workers.wait()
    finally:
        workers.close()
    seconds = time.monotonic() - began
    with connect(bench.machine.host) as engine:
        left = others(engine)
        reaped = mill.engine.reap(mill.store.is_claimed)
        facts = facts_of(mill)
        images = tags_of(engine)
        ending = Ending(
            kind=kind,
            seconds=seconds,
            kills=tuple(kills),
            tries=max(workers.tries.values()),
            incidents=incidents_of(mill),
            left=len(left),
            reaped=len(reaped),
            dangling=len(engine.images(filters={"dangling": True})),
            facts=tuple(facts),
            contents={tag: content_of(engine, tag) for tag in images},
            wrong=(
                *(f"container {name} is left after the reaper" for name in others(engine)),
                *(f"the lock {name} is still held" for name in held_locks(home)),
                *(f"{one.instance} is lost: {one.reason}" for one in facts if not one.passed),
                *(f"{one.image} has no image" for one in facts if one.passed and one.image not in images),
                *(
                    f"the image of {one.instance} does not work: {said}"
                    for one in facts
                    if one.image in images and (said := works(engine, one, commits[one.instance]))
                ),
            ),
        )
        clear(engine)
    return ending


def kill(bench: Bench, kind: str, workers: Workers, moment: float, number: int, began: float) -> Kill:
    """Kill and start again. Every second kill is put off until a layer is being kept."""
    time.sleep(max(0.0, began + moment - time.monotonic()))
    with connect(bench.machine.host) as engine:
        until = time.monotonic() + (_KEEPING_PATIENCE if number % 2 == 0 else 0)
        while True:
            at_work = engine.containers(filters={"label": STAGE_LABEL})
            # The engine pauses a container while it keeps its layer.
            keeping = sum("(Paused)" in one["Status"] for one in at_work)
            if keeping or time.monotonic() > until:
                break
            time.sleep(0.02)
    done = Kill(
        at=time.monotonic() - began,
        running=tuple(sorted(one["Labels"][STAGE_LABEL] for one in at_work)),
        keeping=keeping,
    )
    if kind == "engine":
        bench.machine.kill_engine()
    else:
        bench.machine.power_off()
    if kind == "all":
        workers.kill()
    time.sleep(bench.down)
    if kind == "engine":
        bench.machine.start_engine()
    else:
        bench.machine.power_on()
    return done


def others(engine: "APIClient") -> list[str]:
    """Names of all containers but the index proxy's."""
    found = engine.containers(all=True)
    # One that is half removed has no name.
    return [str((one["Names"] or [one["Id"]])[0]).lstrip("/") for one in found if ROLE_LABEL not in one["Labels"]]


def clear(engine: "APIClient") -> None:
    """Remove what was installed: the next run begins where this one did."""
    for tag in sorted(tags_of(engine), reverse=True):  # instances stand on environments
        engine.remove_image(tag, force=True)
    engine.prune_images({"dangling": True})


def differences(quiet: Ending, other: Ending) -> Iterator[str]:
    """What a run has otherwise than the undisturbed one, in words, and what is wrong with it by itself."""
    yield from other.wrong
    for fact in sorted(set(quiet.facts) ^ set(other.facts), key=str):
        yield f"{'missing' if fact in quiet.facts else 'added'}: {fact}"
    if len(other.facts) != len(quiet.facts):
        yield f"{len(other.facts)} attempts, not {len(quiet.facts)}"
    for tag in sorted(quiet.contents.keys() ^ other.contents.keys()):
        yield f"the image {tag} is {'missing' if tag in quiet.contents else 'added'}"
    for tag in sorted(quiet.contents.keys() & other.contents.keys()):
        before, after = quiet.contents[tag], other.contents[tag]
        if changed := sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)):
            yield f"the image {tag} differs in {len(changed)} files: {', '.join(changed[:5])}"
