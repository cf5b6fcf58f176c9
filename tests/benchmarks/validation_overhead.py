"""What the platform costs beyond the tests: validating through Airflow against a bare loop of ``docker run``.

    .venv/bin/python -m tests.benchmarks.validation_overhead --home DIR --instances 40

``DIR`` is the home that ``validation_real`` left: accepted instances and their images. First the bare loop: for each
instance as many ``docker run`` as its validation has test runs (rounds before and after the gold patch, no patch, the
gold patch, wrong patches), on the same image, with nothing but ``git apply`` and pytest on the same files, and as many
at a time as Airflow's pool has slots. Then the DAG ``validate`` on the same instances, from its trigger to its end, in
both modes: a task an instance, and shards. Last, for comparison, the official harness on the gold patches alone. Each
time all is done anew: the time-out is a second longer than the last time, which makes another configuration of it.

Nothing else should run on the machine. Repeat it and take the median of the ratios.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT)]

from swemill.embedded import postgres, services  # noqa: E402
from swemill.errors import PassFailed, SandboxUnavailable, SwemillError, UserError  # noqa: E402
from swemill.jobs import validate  # noqa: E402
from swemill.jobs.load import instance_spec, standing_validation_of  # noqa: E402
from swemill.models import TestExecution  # noqa: E402
from swemill.settings import Settings  # noqa: E402
from swemill.stages.worktree import targets_of  # noqa: E402
from swemill.store.loading import validated_ids  # noqa: E402
from swemill.wiring import Mill  # noqa: E402
from swemill.wrong_patches import wrong_patches  # noqa: E402
from tests.benchmarks.validation_real_official import evaluated  # noqa: E402

SLOTS = json.loads((CHECKOUT / "config" / "pools.json").read_text())["docker_host"]["slots"]
_NOT_RUN = 125
"""Exit code of ``docker run``, from which on no test was run: tests that fail end with less."""
ASK = 1.0
"""Seconds between two looks at a run."""


@dataclass(frozen=True, kw_only=True)
class Bare:
    """An instance as the bare loop takes it: one shell script a test run."""

    name: str
    image: str
    scripts: tuple[str, ...]


def main() -> int:
    """Print seconds and ratios; 3 for trouble of the machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--instances", type=int, default=40)
    parser.add_argument("--shard", type=int, default=10, help="instances a task, in the second mode")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    try:
        measured(asked)
    except SwemillError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def measured(asked: argparse.Namespace) -> None:
    """Measure and print. Raises SwemillError."""
    settings = fresh(asked.home)
    mill = Mill.open(settings)
    with mill.store.session() as session:
        names = sorted((name for name, _ in validated_ids(session)), key=lambda one: sha256(one.encode()).hexdigest())
    names = names[: asked.instances]
    if not names:
        raise UserError(f"{asked.home} has no accepted instance: run validation_real there first")
    loop = [bare(mill, name) for name in names]
    runs = sum(len(one.scripts) for one in loop)
    print(f"{len(names)} instances, {runs} runs of tests, {SLOTS} at a time", flush=True)
    plain = told("bare loop of docker run", timed_loop(loop), runs)
    for what, shard in (("Airflow, a task an instance", 1), (f"Airflow, {asked.shard} a task", asked.shard)):
        settings = fresh(asked.home)
        seconds = told(what, through_airflow(settings, names, shard=shard), runs)
        print(f"  {seconds / plain:.2f} times the bare loop", flush=True)
    with mill.store.session() as session:
        patches = {
            name: instance_spec(mill, standing_validation_of(session, name)[0].instance, None).patch for name in names
        }
    began = time.monotonic()
    done = evaluated(settings, asked.home / "tasks.jsonl", patches, f"overhead-{int(time.time())}", jobs=SLOTS)
    if done.keys() != patches.keys():
        raise SandboxUnavailable(
            f"the official harness came to an end for {len(done)} of {len(patches)} instances only"
        )
    each = told("official harness, gold alone", time.monotonic() - began, len(patches)) / len(patches)
    print(f"  {each * runs / plain:.2f} times the bare loop, a run of tests for a run of tests", flush=True)


def told(what: str, seconds: float, runs: int) -> float:
    """Say and return the seconds."""
    print(f"{what}: {seconds:.0f} s, {seconds / runs:.2f} s a run", flush=True)
    return seconds


def fresh(home: Path) -> Settings:
    """Settings under which nothing is validated yet."""
    counter = home / "overhead-runs"
    number = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(number))
    own = {**os.environ, "SWEMILL_HOME": str(home), "SWEMILL_REGISTRY": "", "SWEMILL_TEST_TIMEOUT": str(600 + number)}
    os.environ |= own  # Airflow's processes are to have it too
    settings = Settings.load(own)
    return replace(settings, database_url=postgres.ensure(settings).swemill)


def bare(mill: Mill, name: str) -> Bare:
    """The scripts of an instance. Raises UserError when it is unknown."""
    with mill.store.session() as session:
        loaded, validation, _ = standing_validation_of(session, name)
        rounds = session.scalar(
            select(func.count()).select_from(TestExecution).where(TestExecution.attempt_id == validation.attempt_id)
        )
    instance = instance_spec(mill, loaded.instance, loaded.environment)
    image = loaded.environment.image if loaded.environment else ""
    listing = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", image, "git", "-C", "/testbed", "ls-files"],
        check=True,
        capture_output=True,
        text=True,
    )
    added = {
        line[6:] for line in instance.test_patch.decode(errors="replace").splitlines() if line.startswith("+++ b/")
    }
    files = targets_of(instance.test_patch, frozenset(listing.stdout.splitlines()) | added)

    def script(*patches: bytes) -> str:
        steps = [f"echo {b64encode(patch).decode()} | base64 -d | git apply" for patch in patches if patch]
        return "\n".join(["cd /testbed", *steps, f"python -m pytest -q -p no:cacheprovider {' '.join(files)}", ""])

    before, after = script(instance.test_patch), script(instance.test_patch, instance.patch)
    wrong = [one.patch for one in wrong_patches(instance.patch, most=mill.settings.wrong_patches)]
    pairs = (rounds or 0) // 2
    candidates = [script(patch, instance.test_patch) for patch in (b"", instance.patch, *wrong)]
    return Bare(name=name, image=image, scripts=(*[before, after] * pairs, *candidates))


def timed_loop(loop: Sequence[Bare]) -> float:
    """Seconds that the bare loop takes. Raises SandboxUnavailable when a container does not run."""

    def one(instance: Bare) -> None:
        for script in instance.scripts:
            command = ["docker", "run", "--rm", "-i", "--network", "none", "--cpus", "1", instance.image, "sh", "-s"]
            done = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
            if done.returncode >= _NOT_RUN:
                raise SandboxUnavailable(
                    f"docker run of {instance.name}: {done.stderr.decode(errors='replace')[-500:]}"
                )

    began = time.monotonic()
    with ThreadPoolExecutor(SLOTS) as pool:
        list(pool.map(one, loop))
    return time.monotonic() - began


def through_airflow(settings: Settings, names: Sequence[str], *, shard: int) -> float:
    """Seconds from the trigger of the DAG to its end. Raises PassFailed when it ends red."""
    running = services.up(settings, lambda line: print(line, file=sys.stderr, flush=True))
    api, mill = running.airflow, Mill.open(running.settled(settings))
    waiting = set(names) & set(validate.pending(mill))
    if len(waiting) != len(names):
        raise UserError(f"{len(names) - len(waiting)} instances are validated already under this configuration")
    api.unpause("validate")
    time.sleep(20)  # DAG files are read by now, and the start of Airflow is over
    began = time.monotonic()
    run = api.trigger("validate", run_id=f"overhead-{time.time_ns()}", conf={"only": list(names), "shard": shard})
    while (run := api.run(run.dag_id, run.run_id)).state not in ("success", "failed"):
        time.sleep(ASK)
    seconds = time.monotonic() - began
    if run.state != "success":
        raise PassFailed(f"the run {run.run_id} ended red: see {running.ui_url}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
