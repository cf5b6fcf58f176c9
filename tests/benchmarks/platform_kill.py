"""Kills the parts of the platform in the middle of a validation run, and compares its facts with an undisturbed run's.

    .venv/bin/python -m tests.benchmarks.platform_kill --instances 6 --kills 3

An installation of its own (PostgreSQL, Airflow, and a Docker engine in namespaces of its own) harvests and installs a
made-up archive of small pull requests, some of which must be lost. The DAG `validate` then validates them, first
undisturbed, and then again from the same facts and images, while one of these is killed with SIGKILL at random moments
from the first task to the last:

    task       the process group of a running task, whichever it is
    worker     the same, and the executor's worker that looks after it
    scheduler  Airflow's scheduler; its workers and their tasks are ended by the `swemill up` that follows
    postgres   the first process of PostgreSQL; the others end with it
    dockerd    dockerd and containerd; containers and their shims live on
    machine    every process of the engine's machine in one moment, as in a power cut

A few seconds after each, the engine is started again where it was killed, and then everything else by `swemill up`, as
a person would. What Airflow lost is mended as a person would mend it, and counted: failed tasks are cleared, a run is
triggered where none is left. The facts must be those of the undisturbed run and those that the archive was made for,
nothing may be there twice, and no container may be left once the reaper was there. Incidents may differ.

Airflow runs with the settings of `swemill up`, none is shortened: a killed task is missed after a minute of silence,
what a killed scheduler had queued is found by the next one. It needs root, dockerd, a package index for the tools
(pip, pytest, ...), some GB below --folder, and about 2 GB of memory.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT)]

from swemill.errors import SwemillError  # noqa: E402
from tests.benchmarks.platform_kill_archive import make_archive  # noqa: E402
from tests.benchmarks.platform_kill_facts import differences  # noqa: E402
from tests.benchmarks.platform_kill_platform import Platform, Stuck, platform_in  # noqa: E402
from tests.benchmarks.platform_kill_run import Run  # noqa: E402
from tests.benchmarks.platform_kill_values import KINDS, Ending, moments  # noqa: E402
from tests.reachable_folder import reachable_folder  # noqa: E402

_ROUNDS = 3
_MENDS = 10


def main() -> int:
    """Print a table; 1 when the runs differ or one does not end, 3 for trouble of the machine."""
    asked = _asked()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    try:
        quiet, killed = drilled(asked)
    except Stuck as stuck:
        print(f"it does not end: {stuck}\ndifferent")
        return 1
    except SwemillError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted; what was made is removed", file=sys.stderr)
        return 130
    troubles = [f"{one.name}: {wrong}" for one in (quiet, killed) for wrong in one.wrong]
    troubles += differences(quiet.facts, killed.facts)
    print("\n".join([*table([quiet, killed]), *troubles, "different" if troubles else "the same"]))
    return 1 if troubles else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=40)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kind", action="append", choices=KINDS, help="kinds of kill; default: all of them, in turn")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--down", type=float, default=3.0, help="seconds between a kill and the new start")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="rounds of a validation")
    parser.add_argument("--mends", type=int, default=_MENDS, help="most mends by hand before it is called stuck")
    parser.add_argument("--patience", type=float, default=1200.0, help="seconds without a new fact before that, too")
    parser.add_argument("--folder", type=Path, help="for the engine's data, some GB; default: a temporary one")
    parser.add_argument("--logs", type=Path, help="folder to keep the logs of Airflow's components in")
    return parser.parse_args()


def drilled(asked: argparse.Namespace) -> tuple[Ending, Ending]:
    """The undisturbed run and the other. Raises SwemillError; what was made is gone again in any case."""
    with reachable_folder("drill-") as root, tempfile.TemporaryDirectory(dir=asked.folder, prefix="drill-") as data:
        truths = make_archive(root / "archive", root / "trees", instances=asked.instances)
        say("taking wheels and images")
        with platform_in(root, Path(data), rounds=asked.rounds, environ=os.environ, say=say) as platform:
            prepare(platform, len(truths))

            def run(name: str, kills: int) -> Ending:
                say(name)
                dice = random.Random(asked.seed)
                plan = moments(dice, kills=kills, instances=len(truths), kinds=asked.kind or KINDS)
                watched = Run(
                    platform=platform,
                    truths=truths,
                    down=asked.down,
                    most_mends=asked.mends,
                    patience=asked.patience,
                    dice=dice,
                )
                return watched(name, plan)

            try:
                quiet = run("undisturbed", 0)
                platform.start_over()
                return quiet, run("killed", asked.kills)
            finally:
                if asked.logs:
                    shutil.copytree(platform.settings.home / "logs", asked.logs, dirs_exist_ok=True)


def prepare(platform: Platform, wanted: int) -> None:
    """Harvest and install everything, undisturbed, and keep that. Raises Refused."""
    began = time.monotonic()
    say("harvesting")
    platform.command("harvest", "archive", "--archive", str(platform.root / "archive"))
    say("installing")
    platform.command("install")
    platform.keep()
    say(f"  {wanted} instances are installed after {time.monotonic() - began:.0f} s")


def table(endings: Sequence[Ending]) -> Iterator[str]:
    """The runs for a person, a line each, then the kills by kind and one by one."""
    yield "run          seconds  attempts  lost  most tries  incidents  left"
    for one in endings:
        lost = sum(not fact.passed for fact in one.facts.attempts)
        yield (
            f"{one.name:12} {one.seconds:7.0f} {len(one.facts.attempts):9} {lost:5} {one.tries:11} "
            f"{sum(one.incidents.values()):10} {one.left:5}"
        )
        yield from (f"  mended {times} times: {what}" for what, times in one.mends.items())
        yield from (f"  incident {times} times: {cause}" for cause, times in one.incidents.items())
    kills = [kill for one in endings for kill in one.kills]
    if not kills:
        return
    yield "kills       hit  missed  mean seconds of `swemill up`"
    hit = Counter(kill.kind for kill in kills if kill.victim)
    for kind, times in sorted(Counter(kill.kind for kill in kills).items()):
        mean = sum(kill.up for kill in kills if kill.kind == kind) / times
        yield f"{kind:10} {hit[kind]:4} {times - hit[kind]:7} {mean:10.0f}"
    for kill in kills:
        yield (
            f"  at {kill.at:5.0f} s {kill.kind:9} {kill.victim or 'nobody there'}; {kill.done} facts, "
            f"{kill.containers} containers; {kill.counts}"
        )


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
