"""Make an archive folder for `swemill bench environments` of bare mirrors and the list of commits.

    .venv/bin/python tests/benchmarks/environments/make_archive.py --mirrors DIR --to ARCHIVE

``DIR`` holds mirrors as ``<owner>/<name>.git`` or ``<owner>+<name>/repo``. Clones on the same file system share their
objects with the mirrors by hard links. What is there already stays, so it can be run again.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from swemill.adapters.archive_commits import LIST, check_held, read_list


def mirror_of(folder: Path, repository: str) -> Path | None:
    """Where the mirror of a repository lies below ``folder``."""
    places = (folder / f"{repository}.git", folder / repository.replace("/", "+", 1) / "repo")
    return next((place for place in places if place.is_dir()), None)


def clone(mirror: Path, to: Path) -> None:
    """A bare clone with all references, under its name only when it is whole."""
    to.parent.mkdir(parents=True, exist_ok=True)
    unfinished = to.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--mirror", "--", str(mirror), str(unfinished)]
    subprocess.run(command, check=True)
    unfinished.rename(to)


def main() -> int:
    """Make what is missing; 1 when a mirror is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirrors", type=Path, required=True, help="folder of bare mirrors")
    parser.add_argument("--to", type=Path, required=True, help="the archive folder to make")
    parser.add_argument("--commits", type=Path, default=Path(__file__).with_name(LIST), help="the list of commits")
    asked = parser.parse_args()
    commits = read_list(asked.commits)
    for repository in sorted({one.repository for one in commits}):
        to = asked.to / "repos" / f"{repository}.git"
        if to.is_dir():
            continue
        mirror = mirror_of(asked.mirrors, repository)
        if mirror is None:
            print(f"{asked.mirrors} has no mirror of {repository}", file=sys.stderr)
            return 1
        clone(mirror, to)
        print(repository, file=sys.stderr)
    check_held(asked.to, commits)
    shutil.copyfile(asked.commits, asked.to / LIST)
    print(f"{asked.to}: {len(commits)} commits", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
