"""Telling the shared quota what GitHub said, and growing the waits that it leaves to us."""

import random
import threading
from collections import Counter
from datetime import UTC, datetime

from swemill.adapters.github import limits
from swemill.adapters.github.connection import Connection
from swemill.errors import RateLimited

_MOST_DOUBLINGS = 10
"""More than lead to the longest wait."""


class Pacing:
    """Remembers how often in a row each credential was asked to slow down."""

    def __init__(self) -> None:
        self._strikes: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def settle(self, connection: Connection, told: limits.Told | None) -> None:
        """Note what is left."""
        if told:
            connection.budget.settle(
                told.resource, remaining=told.remaining, limit=told.limit, resets_at=told.resets_at
            )

    def went_well(self, connection: Connection, resource: str) -> None:
        """Forget the strikes."""
        with self._lock:
            self._strikes.pop((connection.credential.key, resource), None)

    def block(
        self, connection: Connection, resource: str, refusal: limits.Refusal, told: limits.Told | None
    ) -> RateLimited:
        """Stop all workers for as long as GitHub asks; returns the error to raise.

        A secondary limit is about all that a credential sends, whichever quota it costs.
        """
        wait = refusal.wait
        if wait is None:
            with self._lock:
                strikes = self._strikes[connection.credential.key, resource]
                self._strikes[connection.credential.key, resource] += 1
            grown = limits.FIRST_WAIT * 2 ** min(strikes, _MOST_DOUBLINGS)
            # The jitter keeps workers from coming back all at once.
            wait = min(grown, limits.LONGEST_WAIT) * random.uniform(1.0, 1.2)
        until = datetime.now(UTC) + wait
        why = limits.words(resource, refusal, told.limit if told else None)
        for each in limits.RESOURCES if refusal.secondary else (resource,):
            connection.budget.block(each, until, why)
        return RateLimited(f"{why} until {until:%H:%M:%S} UTC", until=until)
