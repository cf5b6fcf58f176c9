"""Whether accepted instances of real repositories hold: on two engines, and by the official harness's verdict.

    .venv/bin/python -m tests.benchmarks.validation_real --archive DIR --home DIR --accepted 40

``DIR/repos`` holds bare mirrors as ``<owner>/<name>.git``. Their pull requests are harvested, and installed and
validated in the order of their hashes, a few of each repository, until so many are accepted. Then every accepted
instance is judged, its tests run each time:

- with its gold patch, with no patch, and with a wrong one, on the engine of the settings;
- with the first two on a second engine with an empty image store, which pulls the images from a registry;
- by SWE-bench's official harness, on the exported dataset, with all three.

The registry is Debian's and lives in ``--home``, as do facts and verdicts: run again, it goes on where it stopped. As
root, with ``dockerd``. Some minutes an instance.
"""

import argparse
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT)]

from swemill.embedded import postgres  # noqa: E402
from swemill.errors import SwemillError  # noqa: E402
from swemill.jobs import harvest, install, validate  # noqa: E402
from swemill.jobs.export import export_swebench  # noqa: E402
from swemill.settings import Settings  # noqa: E402
from swemill.store.loading import validated_ids  # noqa: E402
from swemill.wiring import Mill  # noqa: E402
from tests.benchmarks.validation_real_arms import ARMS, GOLD, NOTHING, Journal, Judged, judge_all  # noqa: E402
from tests.benchmarks.validation_real_engines import registry, second_engine  # noqa: E402
from tests.benchmarks.validation_real_official import official_verdicts  # noqa: E402

FIRST, SECOND, OFFICIAL = "first", "second", "official"


def main() -> int:
    """Print a table; 1 when a verdict is not what it must be, 3 for trouble of the machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True, help="kept, so that it can go on")
    parser.add_argument("--accepted", type=int, default=40, help="instances to reach")
    parser.add_argument("--per-repository", type=int, default=6, help="instances to try of each")
    parser.add_argument("--jobs", type=int, default=2, help="at a time")
    parser.add_argument("--skip", action="append", default=[], choices=[SECOND, OFFICIAL])
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    try:
        judged = measured(asked)
    except SwemillError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted; run again to go on", file=sys.stderr)
        return 130
    wrong = list(unlike(judged))
    print("\n".join([*table(judged), *wrong, f"{len(wrong)} not as they must be" if wrong else "all as they must be"]))
    return 1 if wrong else 0


def measured(asked: argparse.Namespace) -> list[Judged]:
    """All verdicts. Raises SwemillError; engines and registry of this run are gone again in any case."""
    asked.home.mkdir(parents=True, exist_ok=True)
    with registry(asked.home / "registry") as address:
        own = Settings.load({**os.environ, "SWEMILL_HOME": str(asked.home), "SWEMILL_REGISTRY": address})
        settings = replace(own, database_url=postgres.ensure(own).swemill)
        names = accepted(settings, asked)
        journal = Journal(asked.home / "verdicts.jsonl")
        judge_all(settings, names, ARMS, where=FIRST, journal=journal, jobs=asked.jobs)
        if SECOND not in asked.skip:
            with second_engine(asked.home / "second", asked.home / "registry") as host:
                there = replace(settings, docker_host=host)
                judge_all(there, names, (GOLD, NOTHING), where=SECOND, journal=journal, jobs=asked.jobs)
        if OFFICIAL not in asked.skip:
            dataset = asked.home / "tasks.jsonl"
            export_swebench(Mill.open(settings), dataset)
            official_verdicts(settings, dataset, names, journal, where=OFFICIAL, jobs=asked.jobs)
        return [one for one in journal.judged if one.instance_id in set(names)]


def accepted(settings: Settings, asked: argparse.Namespace) -> list[str]:
    """Ids of accepted instances, once there are as many as asked for or no more can be tried."""
    mill = Mill.open(settings)
    with mill.store.session() as session:
        known = [name for name, _ in validated_ids(session)]
    if len(known) < asked.accepted:
        if harvest.pending(mill, "archive", archive=asked.archive):
            say("harvesting")
            harvest.harvest(mill, "archive", archive=asked.archive)
        tries = drawn(install.pending(mill) + validate.pending(mill), per_repository=asked.per_repository)
        with ThreadPoolExecutor(asked.jobs) as pool:
            while len(known) < asked.accepted and (some := list(islice(tries, asked.jobs))):
                for name, became in zip(some, pool.map(lambda one: put_through(settings, one), some), strict=True):
                    known += [name] if became.startswith("accepted") else []
                    say(f"{len(known)}/{asked.accepted} {name}: {became}")
    return sorted(known)


def drawn(pending: Sequence[str], *, per_repository: int) -> Iterator[str]:
    """Instances to try in an order that nobody chose, so many of each repository."""
    taken: Counter[str] = Counter()
    for name in sorted(set(pending), key=lambda one: sha256(one.encode()).hexdigest()):
        repository = name.rpartition("-")[0]
        if taken[repository] < per_repository:
            taken[repository] += 1
            yield name


def put_through(settings: Settings, name: str) -> str:
    """Install and validate one; says what became of it."""
    mill = Mill.open(settings)
    for stage in (install.install, validate.validate):
        done = stage(mill, name)
        if not done.passed:
            return f"lost ({done.reason})"
    return f"accepted, {done.detail}"


def unlike(judged: Sequence[Judged]) -> Iterator[str]:
    """What differs: gold that does not resolve, nothing that does, and a verdict of the harness that is not ours."""
    first: Mapping[tuple[str, str], Judged] = {(one.instance_id, one.arm): one for one in judged if one.where == FIRST}
    for one in judged:
        if one.arm in (GOLD, NOTHING) and one.resolved != (one.arm == GOLD):
            yield f"{one.instance_id}: {one.arm} is {one.told} ({one.where}): {one.detail}"
        elif one.resolved != first[one.instance_id, one.arm].resolved:
            yield f"{one.instance_id}: {one.arm} is {one.told} ({one.where}), unlike on the first engine: {one.detail}"


def table(judged: Sequence[Judged]) -> Iterator[str]:
    """Counts by place and arm."""
    yield "where      patch     judged  resolved"
    counts: Counter[tuple[str, str]] = Counter((one.where, one.arm) for one in judged)
    resolved = Counter((one.where, one.arm) for one in judged if one.resolved)
    for where, arm in counts:
        yield f"{where:10} {arm:9} {counts[where, arm]:6} {resolved[where, arm]:9}"
    yield json.dumps({f"{where}/{arm}": [resolved[where, arm], count] for (where, arm), count in counts.items()})


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
