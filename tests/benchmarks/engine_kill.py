"""Kills the container engine in the middle of installations, starts it again, and compares with undisturbed ones.

    .venv/bin/python -m tests.benchmarks.engine_kill --kills 2

A second engine in namespaces of its own (see ``engine_kill_machine``) holds a base image and the index proxy. Made-up
repositories are installed by ``swemill install``, several at a time: first undisturbed, then once for each kind of
kill, with the images removed in between. Work that met trouble is tried again until it is done, as the platform does.
Kinds: `engine` is dockerd and containerd alone, containers and their shims live on; `machine` is every process of the
engine's machine in one moment, its mounts and its network; `all` is that and the installing commands with it. Every
second kill waits until a layer is being kept. After that the facts must be those of the undisturbed run and nothing
else, no container may be left once the reaper was there, and every image must hold, file by file, what it held in the
undisturbed run, and work. What a power cut takes of data that no disk has yet is not simulated: the kernel lives on.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT)]

from swemill.embedded import postgres  # noqa: E402
from swemill.errors import SwemillError  # noqa: E402
from swemill.settings import Settings  # noqa: E402
from tests.benchmarks.engine_kill_run import KINDS, QUIET, Ending, bench_in, differences, moments, run  # noqa: E402
from tests.reachable_folder import reachable_folder  # noqa: E402


def main() -> int:
    """Print a table; 1 when a run differs from the undisturbed one, 3 for trouble of the machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--workers", type=int, default=3, help="installations at a time")
    parser.add_argument("--kills", type=int, default=1, help="in each run")
    parser.add_argument("--kind", action="append", choices=KINDS, help="kinds of kill; default: all of them")
    parser.add_argument("--down", type=float, default=3.0, help="seconds between a kill and the new start")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--folder", type=Path, help="for the engine's data, some GB; default: a temporary one")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    try:
        quiet, killed = drilled(asked)
    except SwemillError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted; what was made is removed", file=sys.stderr)
        return 130
    troubles = [f"{quiet.kind}: {one}" for one in quiet.wrong]
    troubles += [f"{one.kind}: {trouble}" for one in killed for trouble in differences(quiet, one)]
    print("\n".join([*table([quiet, *killed]), *troubles, "different" if troubles else "the same"]))
    return 1 if troubles else 0


def drilled(asked: argparse.Namespace) -> tuple[Ending, list[Ending]]:
    """The undisturbed run and the others. Raises SwemillError; what was made is gone again in any case."""
    with reachable_folder("drill-") as root, tempfile.TemporaryDirectory(dir=asked.folder, prefix="drill-") as data:
        own = Settings.load({"SWEMILL_HOME": str(root), "SWEMILL_POSTGRES_DIR": str(root / "postgres")})
        try:
            server = postgres.ensure(own).swemill
            say("taking wheels and images")
            with bench_in(
                root,
                Path(data),
                instances=asked.instances,
                create_database=databases(server),
                environ=os.environ,
                workers=asked.workers,
                down=asked.down,
            ) as bench:
                say("undisturbed")
                quiet = run(bench, QUIET, [])
                say(f"  {quiet.seconds:.0f} s")
                dice = random.Random(asked.seed)
                killed = []
                for kind in asked.kind or KINDS:
                    say(f"killing: {kind}")
                    killed.append(run(bench, kind, moments(dice, asked.kills, quiet.seconds)))
                    say(f"  {killed[-1].seconds:.0f} s")
                return quiet, killed
        finally:
            postgres.stop(own)


def databases(server: str) -> Callable[[], str]:
    """A maker of empty databases on the server of a database's URL."""
    numbers = count(1)

    def create() -> str:
        name = f"drill_{next(numbers)}"
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return make_url(server).set(database=name).render_as_string(hide_password=False)

    return create


def table(endings: Sequence[Ending]) -> Iterator[str]:
    """The runs for a person, a line each, and a line for each kill."""
    yield "kills     seconds  attempts  images  most tries  incidents  left  reaped  nameless images"
    for one in endings:
        yield (
            f"{one.kind:8} {one.seconds:8.0f} {len(one.facts):9} {len(one.contents):7} {one.tries:11} "
            f"{one.incidents:10} {one.left:5} {one.reaped:7} {one.dangling:16}"
        )
        for kill in one.kills:
            yield f"  at {kill.at:.0f} s with {', '.join(kill.running) or 'nothing'} at work, {kill.keeping} being kept"


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
