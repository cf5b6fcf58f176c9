"""Disk and build seconds of an instance's images: the three levels of the mill against one Dockerfile an instance.

    .venv/bin/python tests/benchmarks/environment_costs.py --archive DIR

``DIR`` is an archive as ``environments/make_archive.py`` makes it. From it come 6 repositories with 5 base commits each
that lie within a year, by hash and not by taste: of every repository the candidates of ``environments/choose.py`` from
``--since`` on. First ``adaptive`` installs each, in order of time, with the index proxy's cache as it is; then each
that works is built again the plain way (see ``environment_costs_ways``). What fails either way counts in neither. One
build at a time; images that were made here are removed at the end. Nothing else should run on the machine.
"""

import argparse
import json
import signal
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT)]

from swemill.adapters.archive_commits import SEED, BenchCommit, Dated, Half  # noqa: E402
from swemill.adapters.docker.client import connect  # noqa: E402
from swemill.adapters.docker.engine import remove_own  # noqa: E402
from swemill.adapters.git_mirror import GitMirror  # noqa: E402
from swemill.environment.plans_json import plans_from_json, plans_to_json  # noqa: E402
from swemill.errors import ConfigurationError, SwemillError, UserError  # noqa: E402
from swemill.settings import Settings  # noqa: E402
from swemill.values import Loss  # noqa: E402
from swemill.wiring import Mill  # noqa: E402
from tests.benchmarks.environment_costs_figures import lines, mb, of_ours, of_plain, ratios  # noqa: E402
from tests.benchmarks.environment_costs_values import Ours, Plain  # noqa: E402
from tests.benchmarks.environment_costs_ways import Bench  # noqa: E402
from tests.benchmarks.environments.choose import base_is_whole, candidates, mirrors_below  # noqa: E402

SPAN = timedelta(days=365)


def main() -> int:
    """Print the figures; 1 when no instance came through, 3 for trouble of the machine or of what was asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--repositories", type=int, default=6)
    parser.add_argument("--commits", type=int, default=5, help="of each repository")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--since", type=int, default=2019, help="year of the first candidates: older ones seldom work")
    parser.add_argument("--plans", type=Path, help="file: what ours found; written, or read by --only-plain")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--only-ours", action="store_true")
    only.add_argument("--only-plain", action="store_true", help="of what an earlier run left in --plans")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up as Ctrl-C does
    try:
        ours, plain = measured(asked)
    except SwemillError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted; what was made is removed", file=sys.stderr)
        return 130
    both = [key for key in (plain if asked.only_plain else ours) if asked.only_ours or key in plain]
    if not both:
        print("no instance came through", file=sys.stderr)
        return 1
    told: dict[str, Any] = {
        "instances": len(both),
        **({} if asked.only_plain else {"ours": of_ours([ours[key] for key in both])}),
        **({} if asked.only_ours else {"plain": of_plain([plain[key] for key in both])}),
    }
    if not (asked.only_ours or asked.only_plain):
        told["plain_to_ours"] = ratios(told["ours"], told["plain"])
    print(json.dumps(told, indent=2) if asked.json else "\n".join(lines(told)))
    return 0


def measured(asked: argparse.Namespace) -> tuple[dict[str, Ours], dict[str, Plain]]:
    """What each way took, by commit. Raises SwemillError; what was made is gone again in any case."""
    if asked.only_plain and not asked.plans:
        raise UserError("--only-plain needs the file that --only-ours --plans FILE wrote")
    settings = Settings.load()
    if settings.registry:
        raise ConfigurationError("images of a measurement belong into no registry: unset SWEMILL_REGISTRY")
    mark = f"costs-{sha256(str(time.time_ns()).encode()).hexdigest()[:8]}"
    bench = Bench(connect(settings.docker_host), Mill.open(settings), asked.archive, mark)
    try:
        if asked.only_plain:
            ours = read_plans(asked.plans)
        else:
            ours = installed(bench, drawn(asked))
            if asked.plans:
                asked.plans.write_text(json.dumps([told_plan(one) for one in ours.values()]))
        return ours, {} if asked.only_ours else rebuilt(bench, ours)
    finally:
        say("removing what was made")
        try:
            remove_own(bench.api)
        finally:
            bench.clean()


def drawn(asked: argparse.Namespace) -> list[BenchCommit]:
    """Neighbouring commits: of the repositories, in order of their hashes, those that have enough. Raises UserError."""
    mirrors = dict(mirrors_below(asked.archive / "repos"))
    chosen: list[BenchCommit] = []
    for name in sorted(mirrors, key=lambda name: place(asked.seed, name)):
        since = datetime(asked.since, 1, 1, tzinfo=UTC)
        near = neighbours(name, mirrors[name], count=asked.commits, seed=asked.seed, since=since)
        # Which half of the bench it belongs to means nothing here.
        chosen += [BenchCommit(repository=name, commit=one.name, date=one.date, half=Half.TUNING) for one in near]
        if len(chosen) == asked.repositories * asked.commits:
            return chosen
    raise UserError(f"{asked.archive} has no {asked.repositories} repositories with {asked.commits} commits each")


def neighbours(name: str, mirror: GitMirror, *, count: int, seed: int, since: datetime) -> list[Dated]:
    """The first candidate by hash, and those after it in time within ``SPAN``, by hash; none if there are too few."""
    bases = {base for base in candidates(mirror).values() if base.date >= since}
    in_order = sorted(bases, key=lambda one: place(seed, name, one.name))
    for first in in_order:
        near = [one for one in in_order if first.date <= one.date <= first.date + SPAN]
        if len(near) >= count:
            whole = list(islice((one for one in near if base_is_whole(mirror, {one: one}, one)), count))
            return sorted(whole, key=lambda one: one.date) if len(whole) == count else []
    return []


def place(seed: int, *names: str) -> str:
    """Where the seed puts something in order."""
    return sha256(" ".join((str(seed), *names)).encode()).hexdigest()


def installed(bench: Bench, commits: Sequence[BenchCommit]) -> dict[str, Ours]:
    """Those that ``adaptive`` installs."""
    done: dict[str, Ours] = {}
    for number, commit in enumerate(commits, start=1):
        say(f"ours {number}/{len(commits)} {commit.repository} {commit.commit[:10]} of {commit.date:%Y-%m}")
        before = [other for other in done.values() if other.commit.repository == commit.repository]
        one = bench.ours(commit, before)
        what = (
            f"lost ({one.reason.value})" if isinstance(one, Loss) else f"{one.seconds:.0f} s with resolving and probe"
        )
        say(f"  {what}")
        if isinstance(one, Ours):
            done[commit.commit] = one
    return done


def rebuilt(bench: Bench, ours: dict[str, Ours]) -> dict[str, Plain]:
    """Those that come about the plain way as well."""
    done: dict[str, Plain] = {}
    for number, (key, one) in enumerate(ours.items(), start=1):
        image = bench.plain(one)
        what = f"failed: {image[-200:]}" if isinstance(image, str) else f"{image.seconds:.0f} s, {mb(image.bytes)}"
        say(f"plain {number}/{len(ours)} {one.commit.repository} {key[:10]}: {what}")
        if isinstance(image, Plain):
            done[key] = image
    return done


def told_plan(one: Ours) -> dict[str, str]:
    """An installation without its measures."""
    at = {"repository": one.commit.repository, "commit": one.commit.commit, "date": one.commit.date.isoformat()}
    return {**at, "plans": b64encode(plans_to_json(one.plans)).decode()}


def read_plans(file: Path) -> dict[str, Ours]:
    """What ``told_plan`` told."""
    found = {}
    for told in json.loads(file.read_text()):
        date = datetime.fromisoformat(told["date"])
        commit = BenchCommit(repository=told["repository"], commit=told["commit"], date=date, half=Half.TUNING)
        found[commit.commit] = Ours(commit=commit, plans=plans_from_json(b64decode(told["plans"])))
    return found


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
