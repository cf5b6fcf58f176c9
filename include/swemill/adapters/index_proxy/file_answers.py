"""How a request for a file is answered: from disk, by following its download, or by passing a range through."""

import logging
import os
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from swemill.adapters.index_proxy.bodies import BrokenOff, Span, is_range, length, send_file, span
from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.downloads import Downloads, Flight
from swemill.adapters.index_proxy.files import Files
from swemill.adapters.index_proxy.listings import Source
from swemill.adapters.index_proxy.store import Store
from swemill.adapters.index_proxy.trouble import Missing, Silent
from swemill.adapters.index_proxy.upstream import Upstream

log = logging.getLogger(__name__)
_METADATA = ".metadata"
_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "max-age=31536000, immutable",
    "Content-Type": "application/octet-stream",
}


class FileAnswers:
    """Answers for the files of one proxy."""

    def __init__(
        self, config: ProxyConfig, *, upstream: Upstream, store: Store, files: Files, downloads: Downloads
    ) -> None:
        """The parts of the proxy."""
        self.config, self.upstream, self.files, self.downloads = config, upstream, files, downloads
        self._store = store

    def of(self, key: str, filename: str, *, only_head: bool, wanted: str) -> "FileAnswer":
        """The answer for a listed file, or the metadata of one; ``wanted`` is the Range header. Raises Missing."""
        source = self._store.source(key, filename)
        if source is None and filename.endswith(_METADATA):
            wheel = self._store.source(key, filename.removesuffix(_METADATA))
            source = _metadata(wheel) if wheel and wheel.metadata else None
        if source is None:
            raise Missing("no listing that was asked for names this file")
        return FileAnswer(parts=self, source=source, only_head=only_head, wanted=wanted if is_range(wanted) else "")


@dataclass(frozen=True, kw_only=True)
class FileAnswer:
    """One answer, as Starlette takes it. Raises Trouble as long as nothing was sent."""

    parts: FileAnswers
    source: Source
    only_head: bool
    wanted: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. A connection that breaks in the middle is closed, which tells the client."""
        try:
            await self._answer(send)
        except BrokenOff as error:
            log.warning("%s: %s; the connection is closed", self.source.filename, error)

    async def _answer(self, send: Send) -> None:
        opened = self.parts.files.open(self.source.key)
        if opened:
            descriptor, size = opened
            try:
                await self._send(send, descriptor, size)
            finally:
                os.close(descriptor)
        elif self.only_head and self.source.size is not None:
            await _start(send, 200, length(self.source.size))
            await send({"type": "http.response.body"})
        elif not (self._is_small_part() and await self._pass_through(send)):
            await self._follow(send)

    def _is_small_part(self) -> bool:
        """A piece of a large file, such as an installer reads a wheel's metadata with: not worth all of it."""
        size, most = self.source.size, self.parts.config.through
        if not self.wanted or self.only_head or size is None or size <= most:
            return False
        part = span(self.wanted, size)
        return part is not None and part.stop - part.start <= most

    async def _pass_through(self, send: Send) -> bool:
        """Ask the index for the range and pass it on; False: it does not know ranges. Raises Trouble, BrokenOff."""
        begun = False
        headers = {"Range": self.wanted, "Accept-Encoding": "identity"}
        try:
            async with self.parts.upstream.open(self.source.url, headers=headers) as response:
                part = span(self.wanted, self.source.size or 0)
                if response.status_code != 206 or part is None:
                    return False
                if response.headers.get("Content-Range", "") != part.headers()["Content-Range"]:
                    return False
                begun, left = True, part.stop - part.start
                await _start(send, 206, part.headers())
                async for piece in response.aiter_raw(1 << 16):
                    left -= len(piece)
                    if left < 0:
                        raise BrokenOff("the package index sent more than the range")
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                if left:
                    raise BrokenOff("the package index sent less than the range")
                await send({"type": "http.response.body"})
                return True
        except Silent as error:
            if begun:
                raise BrokenOff(str(error)) from None
            raise

    async def _follow(self, send: Send) -> None:
        flight = self.parts.downloads.of(self.source)
        with flight.reader() as descriptor:
            await flight.settle(self.parts.config.patience)
            while not flight.written and not flight.ended:  # as long as nothing is sent, trouble can still be told
                await flight.news()
            await self._send(send, descriptor, flight.size, None if flight.done else flight)

    async def _send(self, send: Send, descriptor: int, size: int | None, flight: Flight | None = None) -> None:
        if flight and (size is None or self.only_head):
            await flight.settle(None if size is None else 0)
            size = flight.size
        whole = Span(start=0, stop=size or 0, size=size or 0)
        part = span(self.wanted, whole.size) if self.wanted else whole
        if part is None:
            await _start(send, 416, {"Content-Range": f"bytes */{size}", **length(0)})
            await send({"type": "http.response.body"})
            return
        if flight:
            flight.watched = True
        await _start(send, 206 if self.wanted else 200, part.headers() if self.wanted else length(whole.size))
        if self.only_head:
            await send({"type": "http.response.body"})
        else:
            await send_file(send, descriptor, start=part.start, stop=part.stop, flight=flight)


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in {**_HEADERS, **headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


def _metadata(wheel: Source) -> Source:
    """Where the metadata of a wheel comes from (PEP 658)."""
    parts = urlsplit(wheel.url)
    return replace(
        wheel,
        key=wheel.key + _METADATA,
        filename=wheel.filename + _METADATA,
        url=parts._replace(path=parts.path + _METADATA).geturl(),
        sha256=wheel.metadata_sha256,
        size=None,
        metadata=False,
    )
