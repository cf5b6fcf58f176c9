"""Connections, transactions, migrations and claims.

A claim is a PostgreSQL advisory lock on an effect key, held by a connection of its own: it disappears with its process,
however that dies, so no lease has to expire before somebody else may go on.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from swemill.errors import AlreadyClaimed, ConfigurationError, DiskFull, StoreUnavailable

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
_WAY_OUT = "is PostgreSQL up? `make run` starts the embedded one; `swemill doctor` tells what is missing"
_DISK_FULL = "53100"
"""SQLSTATE of a server without room for a row."""


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
        with self._talking("talking to PostgreSQL"), self._sessions.begin() as session:
            yield session

    @contextmanager
    def claim(self, effect_key: str) -> Iterator[None]:
        """Hold the exclusive right to work on an effect.

        Raises:
            AlreadyClaimed: another live process works on it.
        """
        key = {"key": _lock_number(effect_key)}
        with self._talking("claiming work"):
            connection = self._engine.connect()
        try:
            with self._talking("claiming work"):
                mine = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key)
                connection.commit()
            if not mine:
                raise AlreadyClaimed(f"another live process already works on effect {effect_key[:16]}")
            try:
                yield
            finally:
                # The server notices a closed connection a little later: who claims next must not meet the old lock.
                with suppress(OperationalError, InterfaceError):  # gone already, and the lock with it
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
        finally:
            connection.invalidate()
            connection.close()

    def is_claimed(self, effect_key: str) -> bool:
        """True while some live process holds the claim on ``effect_key``.

        It looks and does not try the lock: trying would refuse a worker that claims at the same moment.
        """
        held = text(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :high AND objid::bigint = :low)"
        )
        number = _lock_number(effect_key) % (1 << 64)
        with self._talking("looking at a claim"), self._engine.connect() as connection:
            return bool(connection.scalar(held, {"high": number >> 32, "low": number & 0xFFFFFFFF}))

    def identity(self) -> str:
        """What tells this very database from every other: claims of the one mean nothing to the other."""
        with self.session() as session:
            return str(
                session.scalar(
                    text(
                        "SELECT system_identifier || '-' || oid FROM pg_control_system(), pg_database "
                        "WHERE datname = current_database()"
                    )
                )
            )

    def migrate(self) -> None:
        """Bring the database to the newest schema. Safe to run twice and by two at once.

        Raises:
            ConfigurationError: the database is newer than this checkout.
        """
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._talking("migrating the database"), self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_number("0" * 64)})
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as cause:
                raise ConfigurationError(
                    f"the database does not fit this checkout ({cause}): it was migrated by another, most likely newer "
                    "one; use that, or another database (SWEMILL_DATABASE_URL)"
                ) from cause

    @staticmethod
    @contextmanager
    def _talking(doing: str) -> Iterator[None]:
        """PostgreSQL's own words without the statement, which may be long and hold what a repository wrote."""
        try:
            yield
        except (OperationalError, InterfaceError) as cause:
            said = " ".join(str(cause.orig or cause).split())
            if getattr(cause.orig, "pgcode", None) == _DISK_FULL:
                way_out = "free some disk space where PostgreSQL keeps its data and run again"
                raise DiskFull(f"{doing} failed: {said} ({way_out}: finished work is not repeated)") from cause
            raise StoreUnavailable(f"{doing} failed: {said} ({_WAY_OUT})") from cause


def _lock_number(effect_key: str) -> int:
    """Advisory locks take a signed 64-bit number."""
    return int.from_bytes(bytes.fromhex(effect_key[:16]), "big", signed=True)
