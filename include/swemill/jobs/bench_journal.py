"""What `swemill bench environments` measured, one line of JSON an attempt, so that it goes on where it was stopped.

The journal is no fact of the mill: it belongs to a comparison of strategies and needs no database. A line is written
whole or not at all: what a killed process left unfinished at the end is cut off when the journal is opened again.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import TypeAdapter, ValidationError

from swemill.adapters.archive_commits import BenchCommit, Half
from swemill.errors import StoreUnavailable, UserError, boundary
from swemill.reasons import Reason
from swemill.values import Strategy, Try


class Key(NamedTuple):
    """What is measured once."""

    repository: str
    commit: str
    strategy: Strategy
    code_version: str


@dataclass(frozen=True, kw_only=True)
class BenchRecord:
    """What became of one strategy on one commit."""

    repository: str
    commit: str
    date: datetime
    half: Half
    strategy: Strategy
    code_version: str
    success: bool
    reason: Reason | None = None
    """None for a success."""
    kind: str = ""
    """How the last try failed (``Failure.kind``); empty for a success, and where nothing tells."""
    detail: str = ""
    python: str = ""
    """Of the last try."""
    collected: int = 0
    seconds: float
    layers: Mapping[str, int] = field(default_factory=dict)
    """Bytes of its images above the base image, by tag: an image that several records name is stored once."""
    rules: tuple[str, ...] = ()
    """Repair rules of the last try's candidate."""
    tries: tuple[Try, ...] = ()
    lock: str = ""
    """Of a success."""

    @property
    def key(self) -> Key:
        """What this record is the measurement of."""
        return Key(self.repository, self.commit, self.strategy, self.code_version)

    @property
    def bytes_unique(self) -> int:
        """Bytes above the base image."""
        return sum(self.layers.values())


def key_of(commit: BenchCommit, strategy: Strategy, code_version: str) -> Key:
    """The key of a measurement that may not have been made yet."""
    return Key(commit.repository, commit.commit, strategy, code_version)


_RECORD = TypeAdapter(BenchRecord)


class Journal:
    """The records so far; ``add`` writes one more."""

    def __init__(self, file: IO[bytes], records: Mapping[Key, BenchRecord]) -> None:
        self._file = file
        self.records = dict(records)

    def add(self, record: BenchRecord) -> None:
        """Keep a record. Raises DiskFull or StoreUnavailable."""
        with boundary(StoreUnavailable, "writing the bench's journal", OSError):
            # Logs of strangers may hold halves of surrogate pairs, which have no UTF-8: all but ASCII is escaped.
            self._file.write(json.dumps(_RECORD.dump_python(record, mode="json")).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.records[record.key] = record


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """The journal at ``path``, made when it is missing, for this process alone.

    Raises:
        UserError: another process writes it, or a line is no record; the message names the line.
        StoreUnavailable, DiskFull: it cannot be opened.
    """
    with boundary(StoreUnavailable, f"opening the journal {path}", OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another bench writes {path}: wait for it, or give --out FILE") from None
        yield Journal(file, _read(file, path))


def _read(file: IO[bytes], path: Path) -> dict[Key, BenchRecord]:
    file.seek(0)
    records = {}
    whole = 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            break  # a killed process's last line
        whole += len(line)
        try:
            record = _RECORD.validate_python(json.loads(line))
        except ValidationError as error:
            raise _no_record(path, number, error.errors()[0]["msg"]) from None
        except ValueError as error:
            raise _no_record(path, number, str(error)) from None
        records[record.key] = record
    file.truncate(whole)
    return records


def _no_record(path: Path, line: int, wrong: str) -> UserError:
    return UserError(f"{path}:{line} is no record of a bench ({wrong}): mend it, or give --out FILE")
