"""Draw the commits of the environment benchmark from bare mirrors, by a rule, and write commits.toml.

    .venv/bin/python tests/benchmarks/environments/choose.py --mirrors DIR --seed 2506

``DIR`` holds mirrors as ``<owner>/<name>.git`` or ``<owner>+<name>/repo``. Nothing is installed and no result is looked
at. The mirrors must end where they ended for the list that is checked in to give the very same one: a new commit in the
years below is a new candidate.
"""

import argparse
import fnmatch
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile
from pathlib import Path

from swemill.adapters.archive_commits import LIST, PER_REPOSITORY, SEED, BenchCommit, Dated, Half, draw, in_halves
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.git_objects import SUBMODULE, Commit
from swemill.patches import TestLayout, is_documentation

FROM, UNTIL = datetime(2014, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
LEFT_OUT = ("SWE-bench/*", "mesonbuild/meson")
"""No Python project whose tests run by themselves: benchmarks, and a build system whose tests compile C."""
LEAST_COMMITS, LEAST_REPOSITORIES = 110, 35
_LAYOUT = TestLayout()

HEADER = """\
# The commits that `swemill bench environments` installs. Made by choose.py, and never edited by hand.
#
# Rule: of every repository, the first-parent commits of the default branch that touch both a test file and a Python
# source file (.py or .pyx; neither test nor documentation), like pull requests that would become instances. `commit`
# is the parent of such a commit (`change`), and `date` is when it was committed, from {first} to {last}.
# The time between a repository's first and last candidate is cut into {parts} equal parts, and each gives the one with
# the lowest sha256(sha256(seed + repository) + change) whose files the mirror holds all (mirrors may lack the largest
# ones). Repositories, in an order shuffled by sha256(sha256(seed + repository)), go as a whole into the half that has
# fewer commits so far. Left out: {left_out}.
#
# Seed: {seed}. Drawn on {today}: {commits} commits of {repositories} repositories;
# {halves}.
# Repair rules are made by looking at `tuning` alone; `held_out` says what they are worth.
"""


def mirrors_below(folder: Path) -> Iterator[tuple[str, GitMirror]]:
    """Name and mirror of every repository that takes part, in order of their names."""
    found = {f"{path.parent.name}/{path.name.removesuffix('.git')}": path for path in folder.glob("*/*.git")}
    found |= {path.parent.name.replace("+", "/", 1): path for path in folder.glob("*+*/repo")}
    for name, path in sorted(found.items()):
        if not any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT):
            yield name, GitMirror(path)


def candidates(mirror: GitMirror) -> dict[Dated, Dated]:
    """Base commits that the rule allows, by the change that makes each one a candidate."""
    history = list(mirror.log("--first-parent", "HEAD"))
    bases = {one.oid: one for one in history}
    changes = [
        change
        for change in history
        if change.parents and (base := bases.get(change.parents[0])) and FROM <= base.committed_at < UNTIL
    ]
    fitting = {oid for oid, paths in touched(mirror, changes) if fits(paths)}
    return {
        Dated(name=change.oid, date=bases[change.parents[0]].committed_at): Dated(
            name=change.parents[0], date=bases[change.parents[0]].committed_at
        )
        for change in changes
        if change.oid in fitting
    }


def base_is_whole(mirror: GitMirror, bases: dict[Dated, Dated], change: Dated) -> bool:
    """Whether the mirror holds every file of a change's base commit."""
    wanted = {file.oid for file in mirror.tree(bases[change].name) if file.mode != SUBMODULE}
    return mirror.sizes(wanted).keys() == wanted


def touched(mirror: GitMirror, changes: list[Commit]) -> Iterator[tuple[str, list[str]]]:
    """Every change and the paths that differ between it and its first parent, by one git process."""
    asked = (f"{change.oid} {change.parents[0]}\n".encode() for change in changes)
    fields = iter(mirror.run("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", stdin=asked).split(b"\0"))
    oid, paths = "", list[str]()
    for field in takewhile(bool, fields):
        if field.startswith(b":"):
            paths.append(next(fields).decode("utf-8", "surrogateescape"))
            continue
        if oid:
            yield oid, paths
        oid, paths = field.decode().strip(), []
    if oid:
        yield oid, paths


def fits(paths: list[str]) -> bool:
    """Whether a change of these paths could become an instance of Python."""
    tests = [path for path in paths if _LAYOUT.is_test(path)]
    code = [path for path in paths if path.endswith((".py", ".pyx")) and not is_documentation(path)]
    return bool(tests) and not set(code) <= set(tests)


def shown(commits: tuple[BenchCommit, ...], changes: dict[tuple[str, str], str], *, seed: int) -> str:
    """The list as it is checked in."""
    sizes = {half: [one for one in commits if one.half is half] for half in Half}
    halves = ", ".join(
        f"{len(of)} of {len({one.repository for one in of})} repositories in `{half.value}`"
        for half, of in sizes.items()
    )
    parts = [
        HEADER.format(
            first=FROM.year,
            last=UNTIL.year - 1,
            parts=PER_REPOSITORY,
            left_out=" and ".join(LEFT_OUT),
            seed=seed,
            today=datetime.now(UTC).date(),
            repositories=len({one.repository for one in commits}),
            commits=len(commits),
            halves=halves,
        )
    ]
    for one in commits:
        values = {
            "repository": f'"{one.repository}"',
            "commit": f'"{one.commit}"',
            "change": f'"{changes[one.repository, one.commit]}"',
            "date": f"{one.date:%Y-%m-%dT%H:%M:%SZ}",
            "half": f'"{one.half.value}"',
        }
        parts.append("[[commit]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
    return "\n".join(parts)


def main() -> int:
    """Write the list; 1 when it would be too small to tell anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirrors", type=Path, required=True, help="folder of bare mirrors")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--to", type=Path, default=Path(__file__).with_name(LIST), help="the list to write")
    asked = parser.parse_args()
    drawn, changes = {}, {}
    for name, mirror in mirrors_below(asked.mirrors):
        found = candidates(mirror)
        picked = draw(name, found, seed=asked.seed, usable=partial(base_is_whole, mirror, found))
        print(f"{name}: {len(picked)} of {len(found)} candidates", file=sys.stderr)
        if picked:
            drawn[name] = [found[change] for change in picked]
            changes |= {(name, found[change].name): change.name for change in picked}
    commits = in_halves(drawn, seed=asked.seed)
    if len(commits) < LEAST_COMMITS or len(drawn) < LEAST_REPOSITORIES:
        print(f"only {len(commits)} commits of {len(drawn)} repositories: too few to tell anything", file=sys.stderr)
        return 1
    asked.to.write_text(shown(commits, changes, seed=asked.seed))
    print(f"{asked.to}: {len(commits)} commits of {len(drawn)} repositories", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
