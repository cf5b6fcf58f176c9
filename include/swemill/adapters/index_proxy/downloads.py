"""One download of a file at a time, whoever asks for it: a flight, which many may follow and nobody can abort.

A flight goes on when the client that began it has gone: the next try of an impatient installer finds the file, or the
flight further on.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.files import Files
from swemill.adapters.index_proxy.listings import Source
from swemill.adapters.index_proxy.trouble import NoRoom, Silent, Trouble, Wrong
from swemill.adapters.index_proxy.upstream import Upstream

log = logging.getLogger(__name__)
_TRIES = 5
_PIECE = 1 << 18


class Flight:
    """A file on its way."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        """Its bytes go to ``file``."""
        self.source = source
        self.size = source.size
        """As the listing says, or the answer; None: not known yet."""
        self.written = 0
        self.digest = hashlib.sha256()
        """Of what is written."""
        self.done = False
        """All of it is there, and verified where that can be."""
        self.error: Trouble | None = None
        """It came to nothing."""
        self.watched = False
        """Bytes of it may have been sent to a client: it cannot begin again."""
        self._file = file
        self._news = asyncio.Event()

    @contextmanager
    def reader(self) -> Iterator[int]:
        """A descriptor of what is written so far; good also when the flight has ended and the file is removed."""
        descriptor = os.dup(self._file.fileno())
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def tell(self) -> None:
        """Wake those who wait for news."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Wait until there are more bytes, or an end. Raises its error."""
        if not self.ended:
            await self._news.wait()
        if self.error:
            raise self.error

    @property
    def ended(self) -> bool:
        """Nothing more will happen."""
        return self.done or self.error is not None

    async def settle(self, patience: float | None) -> None:
        """Wait for the end, at most ``patience`` seconds. Raises its error."""
        try:
            async with asyncio.timeout(patience):
                while not self.ended:
                    await self.news()
        except TimeoutError:
            return
        if self.error:
            raise self.error


class Downloads:
    """The flights of one proxy."""

    def __init__(self, config: ProxyConfig, *, upstream: Upstream, files: Files) -> None:
        """Nothing is downloaded yet."""
        self._config, self._upstream, self._files = config, upstream, files
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(config.downloads)

    def of(self, source: Source) -> Flight:
        """The flight of a file, begun now if there is none. Raises NoRoom."""
        if flight := self._flights.get(source.key):
            return flight
        draft, file = self._files.draft()
        flight = self._flights[source.key] = Flight(source, file)
        task = asyncio.create_task(self._run(flight, draft, file))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight

    async def close(self) -> None:
        """Break off what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, flight: Flight, draft: Path, file: BinaryIO) -> None:
        try:
            async with self._places, asyncio.timeout(self._config.file_seconds):
                await self._tries(flight, file)
                await self._files.keep(flight.source.key, draft, file)
            flight.done = True
        except Trouble as error:
            flight.error = error
        except TimeoutError:
            flight.error = Silent(f"{flight.source.filename} took longer than {self._config.file_seconds:.0f} s")
        except OSError as error:
            flight.error = NoRoom(f"the proxy cannot write files ({error.strerror})")
        finally:
            if not flight.ended:  # this process is ending, or has a bug: nobody may wait for ever
                flight.error = Silent(f"the download of {flight.source.filename} was broken off")
            del self._flights[flight.source.key]
            flight.tell()
            file.close()
            draft.unlink(missing_ok=True)

    async def _tries(self, flight: Flight, file: BinaryIO) -> None:
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(self._config.pause * 2 ** (attempt - 1))
            try:
                await self._fetch(flight, file)
                break
            except Silent:
                if attempt == _TRIES - 1:
                    raise
        source = flight.source
        if source.sha256 and (found := flight.digest.hexdigest()) != source.sha256:
            log.warning("%s has sha256 %s, listed is %s", source.filename, found, source.sha256)
            raise Wrong(f"the package index gave other bytes of {source.filename} than it lists")
        flight.size = flight.written

    async def _fetch(self, flight: Flight, file: BinaryIO) -> None:
        """Get the rest of the file, or all of it where the index cannot go on in the middle."""
        source, most = flight.source, self._config.file_bytes
        resume = 0 < flight.written < (flight.size or 0)
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={flight.written}-"} if resume else {})}
        async with self._upstream.open(source.url, headers=headers) as response:
            if response.status_code != 206 or not _goes_on(response, flight.written):
                _begin_anew(flight, file)
            left = _length(response)
            flight.size = flight.size if left is None else flight.written + left
            if flight.size is not None and flight.size > most:
                raise Wrong(f"{source.filename} is larger than {most} bytes")
            async for piece in response.aiter_raw(_PIECE):
                if flight.written + len(piece) > most:
                    raise Wrong(f"{source.filename} is larger than {most} bytes")
                flight.digest.update(piece)
                file.write(piece)
                flight.written += len(piece)
                flight.tell()
        if flight.size is not None and flight.written != flight.size:
            raise Silent(f"{source.filename} came with {flight.written} bytes of {flight.size}")


def _goes_on(response: httpx.Response, place: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {place}-")


def _begin_anew(flight: Flight, file: BinaryIO) -> None:
    """Forget what was written. Raises Silent: a client has got some of it already."""
    if flight.written and flight.watched:
        raise Silent(f"the package index broke off {flight.source.filename} and cannot go on in the middle")
    os.ftruncate(file.fileno(), 0)
    file.seek(0)
    flight.written, flight.digest = 0, hashlib.sha256()


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Content-Encoding" not in response.headers else None
