"""A process that was orphaned before it could tie itself to its parent must not start working."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.lifeline import PARENT

ROOT = Path(__file__).parents[2]
SCRIPT = "from training.lifeline import die_with_parent; die_with_parent(); print('at work')"


@pytest.mark.parametrize(
    ("parent", "says"),
    [
        (str(os.getpid()), "at work\n"),
        (None, "at work\n"),
        ("1", "the parent process ended before this one had started\n"),
    ],
    ids=["the parent is there", "no parent is named", "the parent has gone"],
)
def test_work_starts_only_under_the_parent(parent: str | None, says: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != PARENT}
    if parent is not None:
        environment[PARENT] = parent
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout + done.stderr == says
