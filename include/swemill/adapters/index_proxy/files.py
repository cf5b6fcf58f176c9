"""Files by content on the proxy's disk: whole ones only, verified, and never more bytes than allowed."""

import asyncio
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from swemill.adapters.index_proxy.listings import UNVERIFIED
from swemill.adapters.index_proxy.trouble import NoRoom

log = logging.getLogger(__name__)


class Files:
    """A folder of files by key. One process."""

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        """Take the folder over: what an earlier process left half written is removed. Raises OSError."""
        self._files, self._drafts = folder / "files", folder / "drafts"
        self._most = most_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """By key, the least recently used first."""
        for made in (self._files, self._drafts):
            made.mkdir(parents=True, exist_ok=True)
        for left in self._drafts.iterdir():
            left.unlink()
        found = [(path.stat(), path.name) for path in self._files.glob("*/*")]
        for status, key in sorted(found, key=lambda pair: pair[0].st_mtime):
            self._sizes[key] = status.st_size
        self._total = sum(self._sizes.values())
        self._prune()

    def open(self, key: str) -> tuple[int, int] | None:
        """A descriptor to read the file with, and its size; None when it is not here. It counts as used now."""
        if key not in self._sizes:
            return None
        path = self._path(key)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # someone cleaned up behind our back
            self._total -= self._sizes.pop(key)
            return None
        self._sizes.move_to_end(key)
        os.utime(path)
        return descriptor, os.fstat(descriptor).st_size

    def draft(self) -> tuple[Path, BinaryIO]:
        """A new file to write to. Raises NoRoom."""
        path = self._drafts / uuid4().hex
        try:
            return path, path.open("w+b", buffering=0)
        except OSError as error:
            raise NoRoom(f"the proxy cannot write files ({error.strerror})") from error

    async def keep(self, key: str, draft: Path, file: BinaryIO) -> None:
        """Give a verified draft its name, for good also after a power failure. Raises NoRoom."""
        path = self._path(key)
        try:
            await asyncio.to_thread(_settle, file.fileno(), draft, path)
        except OSError as error:
            raise NoRoom(f"the proxy cannot keep files ({error.strerror})") from error
        self._total += path.stat().st_size - self._sizes.pop(key, 0)
        self._sizes[key] = path.stat().st_size
        self._prune()

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return self._total

    def _path(self, key: str) -> Path:
        # Keys are made here, of hashes (``listings.Source``): no client and no index can make one a path.
        return self._files / key.removeprefix(UNVERIFIED)[:2] / key

    def _prune(self) -> None:
        while self._total > self._most and self._sizes:
            key, size = self._sizes.popitem(last=False)
            self._path(key).unlink(missing_ok=True)
            self._total -= size


def _settle(descriptor: int, draft: Path, path: Path) -> None:
    os.fsync(descriptor)
    path.parent.mkdir(exist_ok=True)
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
