"""Connections, transactions, migrations and claims.

A claim is a PostgreSQL advisory lock on an effect key, held by a connection of its own: it disappears with its process,
however that dies, so no lease has to expire before somebody else may go on.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from swemill.errors import AlreadyClaimed, StoreUnavailable, boundary

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
_WAY_OUT = "is PostgreSQL up? `make run` starts the embedded one; `swemill doctor` tells what is missing"


class Store:
    """One PostgreSQL database of facts."""

    def __init__(self, url: str) -> None:
        # Workers are short-lived and fork: a pool would only hold connections that nobody uses.
        self._engine = create_engine(url, poolclass=NullPool)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        self.url = url

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Raises:
            StoreUnavailable: PostgreSQL is down or broke the connection.
        """
        with (
            boundary(StoreUnavailable, "talking to PostgreSQL", OperationalError, InterfaceError, way_out=_WAY_OUT),
            self._sessions.begin() as session,
        ):
            yield session

    @contextmanager
    def claim(self, effect_key: str) -> Iterator[None]:
        """Hold the exclusive right to work on an effect.

        Raises:
            AlreadyClaimed: another live process works on it.
        """
        with boundary(StoreUnavailable, "claiming work", OperationalError, InterfaceError, way_out=_WAY_OUT):
            connection = self._engine.connect()
        try:
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _lock_number(effect_key)}):
                raise AlreadyClaimed(f"another live process already works on effect {effect_key[:16]}")
            connection.commit()
            yield
        finally:
            # Closing the connection (there is no pool) releases the lock, also when the server is gone already.
            connection.invalidate()
            connection.close()

    def is_claimed(self, effect_key: str) -> bool:
        """True while some live process holds the claim on ``effect_key``."""
        try:
            with self.claim(effect_key):
                return False
        except AlreadyClaimed:
            return True

    def migrate(self) -> None:
        """Bring the database to the newest schema. Safe to run twice and by two at once."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with (
            boundary(StoreUnavailable, "migrating the database", OperationalError, InterfaceError, way_out=_WAY_OUT),
            self._engine.begin() as connection,
        ):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_number("0" * 64)})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _lock_number(effect_key: str) -> int:
    """Advisory locks take a signed 64-bit number."""
    return int.from_bytes(bytes.fromhex(effect_key[:16]), "big", signed=True)
