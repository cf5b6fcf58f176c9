"""Watches from outside what a build writes, and ends it when that is too much.

An engine gives containers no quota on most file systems, and counting inside would trust the build's own processes and
permissions. So the engine is asked: it walks the container's layer as root. Its list of files is slow, so it is asked
for only when the disk as a whole has become fuller by many of them. What the engine cannot see are files that were
deleted while open; against those there is a floor under the free space of its disk.
"""

import logging
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.exec_stream import exec_stream
from swemill.adapters.docker.policy import KEEPER
from swemill.adapters.docker.sandbox import DockerSandbox
from swemill.errors import DiskFull, Infrastructure, SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

BYTES_A_FILE = 16 << 10
"""A build may make one file or folder for each 16 KiB that it may write: as many as a file system of that size has."""

_INTERVAL = 2.0
_SHARE = 5
"""Measuring pauses five times as long as it takes."""
_FLOOR = 1 << 30
"""Bytes that must stay free on the engine's disk."""
_DF_PATIENCE = 20.0
_ENTRY = b'"Kind":'
"""What each entry of the engine's list of changed paths holds once."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """State of the engine's disk."""

    free: int
    """Bytes."""
    files: int
    """Files that there are."""


class DiskWatch:
    """A thread that measures while the context is open."""

    def __init__(self, api: "APIClient", container: str, sandbox: DockerSandbox, *, limit: int) -> None:
        """Watch ``container`` and end its ``sandbox`` when it has written more than ``limit`` bytes."""
        self._api = api
        self._container = container
        self._sandbox = sandbox
        self._limit = limit
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="disk-watch", daemon=True)
        self._trouble: Infrastructure | None = None
        self._first_files: int | None = None
        self.too_large = ""
        """What the build has too much of, in words; empty while it keeps within its limits."""

    def __enter__(self) -> "DiskWatch":
        room = self.room()
        self._first_files = room.files if room else None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def settle(self) -> None:
        """The last measurement, after the script's end: a fast writer may have come between two.

        Raises:
            DiskFull: the engine's disk is nearly full, which may have ended the build. SandboxUnavailable: the engine.
        """
        if self._trouble:
            raise self._trouble
        if not self.too_large:
            room = self.room()
            self.too_large = self._measure(room)
            if room and room.free < _FLOOR and not self.too_large:
                raise _nearly_full(room)

    def room(self) -> Room | None:
        """What is left on the engine's disk; None where the build leaves no process slot to ask with."""
        end = exec_stream(
            self._api,
            self._container,
            # No guard, which would kill what else the keeper's user runs: the keeper.
            "/bin/df -kP / && exec /bin/df -iP /\n",
            user=KEEPER,
            timeout=_DF_PATIENCE,
            deadline=time.monotonic() + _DF_PATIENCE,
            stderr=False,
            output_limit=4096,
        )
        columns = [
            line.split() for line in end.output.decode(errors="replace").splitlines() if "/" in line.split()[-1:]
        ]
        if len(columns) != 2 or not all(row[2].isdigit() and row[3].isdigit() for row in columns):
            return None
        return Room(free=int(columns[0][3]) << 10, files=int(columns[1][2]))

    def _watch(self) -> None:
        pause = 0.5
        while not self._over.wait(pause):
            started = time.monotonic()
            try:
                if self._act(self.room()):
                    return
            except SandboxUnavailable as error:
                # The container may have ended meanwhile. Should the engine be gone, who waits for the script sees it.
                log.debug("watching the disk of a build: %s", error)
            pause = max(_INTERVAL, (time.monotonic() - started) * _SHARE)

    def _act(self, room: Room | None) -> bool:
        """Measure; True when the build was ended for it."""
        self.too_large = self._measure(room)
        if self.too_large:
            self._sandbox.end(f"the build wrote {self.too_large}")
        elif room and room.free < _FLOOR:
            self._trouble = _nearly_full(room)
            self._sandbox.end("the engine's disk is nearly full")
        return bool(self.too_large or self._trouble)

    def _measure(self, room: Room | None) -> str:
        files = self._limit // BYTES_A_FILE
        with engine_errors("measuring what a build wrote"):
            found = self._api.containers(all=True, size=True, filters={"id": self._container})
            written = int(found[0].get("SizeRw") or 0) if found else 0
            if written > self._limit:
                return f"{written} bytes, more than {self._limit} (SWEMILL_BUILD_DISK)"
            if self._files_grew(room, files // 2) and self._changes(files) > files:
                return f"more than {files} files and folders (one for each {BYTES_A_FILE >> 10} KiB it may write)"
        return ""

    def _files_grew(self, room: Room | None, most: int) -> bool:
        """Whether the disk as a whole got so many more files that the container may have made too many."""
        if room is None or not room.files:  # some file systems do not count theirs
            return True
        return self._first_files is None or room.files - self._first_files > most

    def _changes(self, most: int) -> int:
        """Number of paths that the container has made or changed, counted only until it is above ``most``."""
        response: Any = self._api._get(self._api._url("/containers/{0}/changes", self._container), stream=True)
        self._api._raise_for_status(response)
        count, rest = 0, b""
        try:
            for piece in response.iter_content(1 << 16):
                rest += piece
                # Quotes in a path are escaped, so this is nowhere but at the end of an entry.
                count += rest.count(_ENTRY)
                rest = rest[-len(_ENTRY) + 1 :]
                if count > most:
                    break
        finally:
            response.close()
        return count


def _nearly_full(room: Room) -> DiskFull:
    return DiskFull(
        f"only {room.free >> 20} MiB are free on the engine's disk, so a build was ended; free some (docker system "
        "prune) and run again: finished work is not repeated"
    )
