"""Sends files, whole or a range of them, while they lie on disk or are still on their way.

Of a file on its way the last bytes are held back until it is verified: a client never gets all of one that is wrong,
and sees its connection break instead.
"""

import asyncio
import os
import re
from dataclasses import dataclass

from starlette.types import Send

from swemill.adapters.index_proxy.downloads import Flight
from swemill.adapters.index_proxy.trouble import Trouble

_PIECE = 1 << 20
_HELD_BACK = 1 << 16
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, kw_only=True)
class Span:
    """Bytes ``start`` to ``stop`` (not included) of a file of ``size``."""

    start: int
    stop: int
    size: int

    def headers(self) -> dict[str, str]:
        """Those of an answer 206."""
        return {"Content-Range": f"bytes {self.start}-{self.stop - 1}/{self.size}", **length(self.stop - self.start)}


def length(count: int) -> dict[str, str]:
    """The header of a body's length."""
    return {"Content-Length": str(count)}


def is_range(header: str) -> bool:
    """True for one range of bytes; several at once, and other units, may be ignored (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(header.replace(" ", ""))
    return bool(found and any(found.groups()))


def span(header: str, size: int) -> Span | None:
    """The range of a header for which ``is_range`` holds; None: it is not in the file (416)."""
    found = _RANGE.fullmatch(header.replace(" ", ""))
    first, last = found.groups() if found else ("0", "")
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return Span(start=start, stop=stop, size=size) if start < stop else None


class BrokenOff(Exception):
    """The body cannot be sent to its end: the connection has to be closed."""


async def send_file(send: Send, descriptor: int, *, start: int, stop: int, flight: Flight | None = None) -> None:
    """Send the bytes ``start`` to ``stop`` as the body of an answer that has begun.

    Raises:
        BrokenOff: the flight came to nothing, or has other bytes than it said.
    """
    place = start
    while place < stop:
        try:
            limit = await _available(flight, place, stop)
        except Trouble as error:
            raise BrokenOff(str(error)) from None
        piece = await asyncio.to_thread(os.pread, descriptor, min(_PIECE, limit - place), place)
        if not piece:
            raise BrokenOff("the file has not the size that was said")
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        place += len(piece)
    await send({"type": "http.response.body"})


async def _available(flight: Flight | None, place: int, stop: int) -> int:
    """End of what may be sent now, at most ``stop``, waiting until that is beyond ``place`` or the file ends."""
    while flight and not flight.ended:
        if (limit := flight.written - _HELD_BACK) > place:
            return min(limit, stop)
        await flight.news()
    if flight and flight.error:
        raise flight.error
    return stop
