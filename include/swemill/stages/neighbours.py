"""Which neighbouring commits an installation may learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from swemill.values import Candidate

NEIGHBOURS = 3
"""Those whose locks ``reuse`` tries."""
RECENT = timedelta(days=365)
"""How far before a commit a neighbour's date of resolution may lie for the commit to be resolved as of it too."""


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """An environment that works for another commit of the same repository."""

    instance_id: str
    committed_at: datetime
    lock: str
    candidate: Candidate
    """As which it was installed: Python, system packages, build options."""


def nearest(neighbours: Sequence[Neighbour], at: datetime) -> list[Neighbour]:
    """At most ``NEIGHBOURS``, the nearest in time first, each environment once."""
    ordered = sorted(neighbours, key=lambda other: (abs(other.committed_at - at), other.instance_id))
    distinct: dict[tuple[str, str, tuple[str, ...]], Neighbour] = {}
    for other in ordered:
        distinct.setdefault((other.lock, other.candidate.python, other.candidate.system_packages), other)
    return list(distinct.values())[:NEIGHBOURS]


def recent(neighbours: Sequence[Neighbour], as_of: datetime, *, pythons: Sequence[str]) -> Neighbour | None:
    """The one whose date of resolution comes next before ``as_of``, not long before, on one of ``pythons``."""
    found = [
        other
        for other in neighbours
        if as_of - RECENT <= other.candidate.as_of <= as_of and other.candidate.python in pythons
    ]
    return max(found, key=lambda other: (other.candidate.as_of, other.committed_at, other.instance_id), default=None)
