"""What the index said, on disk: listings and where their files come from, in one SQLite file.

It is a cache: a file that SQLite cannot read is thrown away. A listing and its sources are one transaction, so a
listing that is given never names a file that the proxy would not know.
"""

import gzip
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swemill.adapters.index_proxy.listings import Listing, Source
from swemill.adapters.index_proxy.trouble import NoRoom

_VERSION = 1
"""Of the tables, and of what a listing's body looks like: others are thrown away."""
_TABLES = """
CREATE TABLE listing (
    project TEXT PRIMARY KEY, etag TEXT NOT NULL, checked REAL NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX listing_used ON listing (used, project, size);
CREATE TABLE source (
    key TEXT, filename TEXT, project TEXT NOT NULL, url TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER,
    metadata INTEGER NOT NULL, metadata_sha256 TEXT NOT NULL, PRIMARY KEY (key, filename)
) WITHOUT ROWID;
CREATE INDEX source_project ON source (project);
"""
_FIELDS = "key, filename, url, sha256, size, metadata, metadata_sha256"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A listing that is on disk."""

    etag: str
    checked: float
    """When the index last confirmed it, in seconds since 1970."""
    packed: bytes
    """Its JSON, by gzip."""

    def body(self) -> bytes:
        """Its JSON."""
        return gzip.decompress(self.packed)


class Store:
    """The listings of one proxy. One process, one thread: each call takes milliseconds."""

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        """Open the store below ``folder``, made anew where it is absent or damaged."""
        self._path = folder / "listings.sqlite"
        self._most = most_bytes
        try:
            self._database = self._open()
        except sqlite3.DatabaseError:
            for left in folder.glob("listings.sqlite*"):
                left.unlink()
            self._database = self._open()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError("tables of another version")
            if version == 0:
                database.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {_VERSION};COMMIT;")
            database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def listing(self, project: str) -> Kept | None:
        """The listing of a project, if it is there."""
        with _disk():
            row = self._database.execute(
                "UPDATE listing SET used = ? WHERE project = ? RETURNING etag, checked, body", (time.time(), project)
            ).fetchone()
        return None if row is None else Kept(etag=row[0], checked=row[1], packed=row[2])

    def keep(self, project: str, listing: Listing, *, etag: str) -> Kept:
        """Put a listing in place of the one before. Raises NoRoom."""
        now = time.time()
        with _disk(), self._transaction() as database:
            database.execute("DELETE FROM source WHERE project = ?", (project,))
            database.executemany(
                f"INSERT OR REPLACE INTO source ({_FIELDS}, project) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (s.key, s.filename, s.url, s.sha256, s.size, s.metadata, s.metadata_sha256, project)
                    for s in listing.sources
                ],
            )
            database.execute(
                "INSERT OR REPLACE INTO listing (project, etag, checked, used, size, body) VALUES (?, ?, ?, ?, ?, ?)",
                (project, etag, now, now, len(listing.packed), listing.packed),
            )
            self._prune(database, project)
        return Kept(etag=etag, checked=now, packed=listing.packed)

    def confirm(self, project: str) -> None:
        """The index said that the listing is as it was. Raises NoRoom."""
        with _disk():
            self._database.execute("UPDATE listing SET checked = ? WHERE project = ?", (time.time(), project))

    def source(self, key: str, filename: str) -> Source | None:
        """Where a listed file comes from; None when no listing named it."""
        with _disk():
            row = self._database.execute(
                f"SELECT {_FIELDS} FROM source WHERE key = ? AND filename = ?", (key, filename)
            ).fetchone()
        if row is None:
            return None
        return Source(
            key=row[0],
            filename=row[1],
            url=row[2],
            sha256=row[3],
            size=row[4],
            metadata=bool(row[5]),
            metadata_sha256=row[6],
        )

    def _prune(self, database: sqlite3.Connection, kept: str) -> None:
        """Remove the least recently used listings while there are too many bytes of them, but not ``kept``."""
        total = database.execute("SELECT coalesce(sum(size), 0) FROM listing").fetchone()[0]
        if total <= self._most:
            return
        rows = database.execute(
            "SELECT project, size FROM listing WHERE project != ? ORDER BY used", (kept,)
        ).fetchall()
        for project, size in rows:
            if total <= self._most * 0.9:
                return
            database.execute("DELETE FROM listing WHERE project = ?", (project,))
            database.execute("DELETE FROM source WHERE project = ?", (project,))
            total -= size

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise NoRoom(f"the proxy's own store of listings failed ({type(error).__name__}: {error})") from error
