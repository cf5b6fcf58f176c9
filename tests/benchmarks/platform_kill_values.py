"""When the drill kills what, and what its runs came to.

A moment is told by the work that is done by then, so that the kills are spread over the whole run however long the
restarts take.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.platform_kill_facts import Facts

KINDS = ("task", "worker", "scheduler", "postgres", "dockerd", "machine")
LATEST_DELAY = 8.0
"""Most seconds between the work that a moment waits for and the kill."""


@dataclass(frozen=True, kw_only=True, order=True)
class Moment:
    """When to kill what."""

    done: int
    """Validations that have ended by then."""
    delay: float
    """Seconds after that."""
    kind: str


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: whom it hit, and what was at work in that moment."""

    kind: str
    at: float
    """Seconds from the beginning of the run."""
    victim: str
    """Empty: nothing of the kind was alive."""
    done: int
    counts: str
    containers: int
    up: float
    """Seconds that ``swemill up`` took afterwards."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What one run came to."""

    name: str
    seconds: float
    kills: tuple[Kill, ...]
    mends: Mapping[str, int]
    """How often a person had to do what."""
    tries: int
    """Of the task that took the most."""
    incidents: Mapping[str, int]
    left: int
    """Containers that were left at the end, the index proxy not counted."""
    facts: Facts
    wrong: tuple[str, ...]
    """What is not as it must be whatever the undisturbed run was like."""


def moments(dice: random.Random, *, kills: int, instances: int, kinds: Sequence[str] = KINDS) -> list[Moment]:
    """So many moments from the beginning of a run to its end, each kind as often as any other, in order."""
    chosen = [kinds[number % len(kinds)] for number in range(kills)]
    dice.shuffle(chosen)
    # One in each part of the run: all of them at once would try one state of it only.
    spread = [int((number + dice.random()) * (instances + 1) / kills) for number in range(kills)]
    return [
        Moment(done=min(done, instances), delay=dice.uniform(0, LATEST_DELAY), kind=kind)
        for done, kind in zip(spread, chosen, strict=True)
    ]
