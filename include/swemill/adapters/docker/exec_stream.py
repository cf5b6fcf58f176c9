"""One command in a running container, through the engine's exec socket, with bounded memory and a deadline.

The commands are hostile, so nothing they do may confuse the reading side: the output is kept to its tail, the input
is written only as fast as it is read, and a handshake separates "the engine could not start the command" from "the
command failed". The handshake: the in-container shell waits for a line, answers with a nonce, and only then runs the
command. It also closes a gap of the client library, which loses output that arrives together with the HTTP headers.
"""

import secrets
import select
import ssl
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 1 << 16
_STDOUT = 1

_HANDSHAKE = """\
read -r nonce || exit 125
printf '%s' "$nonce"
"""
_GUARD = """\
input=$1 seconds=$2 cwd=$3; shift 3
cd "$cwd" || exit 125
exec 3>&2 2>/dev/null
if [ "$input" = 0 ]; then
    (exec timeout -s KILL "$seconds" "$@" </dev/null 2>&3 3>&-)
else
    head -c "$input" | (exec timeout -s KILL "$seconds" "$@" 2>&3 3>&-)
fi
status=$?
kill -KILL -1
exit $status
"""
# The shell's own stderr goes nowhere: it would add its "Killed" to the command's words.
# The last kill reaches every process of this user except the shell itself (it is the shell's builtin: no fork, so it
# works at the process limit too): nothing that the command left behind outlives it or holds the stream open.


@dataclass(kw_only=True)
class StreamEnd:
    """How an exec's stream ended."""

    exec_id: str
    started: bool
    """The handshake took place: the command was really run."""
    expired: bool
    """The deadline passed before the stream ended."""
    output: bytes
    truncated: bool
    seconds: float


class _Tail:
    """The last ``limit`` bytes of a stream, in at most twice that memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.truncated = False

    def add(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > 2 * self._limit + _CHUNK:
            self._cut()

    def _cut(self) -> None:
        if len(self._kept) > self._limit:
            del self._kept[: len(self._kept) - self._limit]
            self.truncated = True

    def value(self) -> bytes:
        self._cut()
        return bytes(self._kept)


class _Frames:
    """Takes the engine's multiplexed stream apart, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        payloads = []
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                payloads.append((self._stream, piece))
                self._left -= len(piece)
                at += len(piece)
                continue
            take = data[at : at + 8 - len(self._header)]
            self._header += take
            at += len(take)
            if len(self._header) == 8:
                self._stream, self._left = struct.unpack(">BxxxL", self._header)
                self._header.clear()
        return payloads


def exec_stream(
    api: "APIClient",
    container: str,
    command: Sequence[str] | str,
    *,
    user: str,
    timeout: float,
    deadline: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    stderr: bool = True,
    output_limit: int,
) -> StreamEnd:
    """Run ``command`` and collect its output until the stream ends or ``deadline`` (monotonic seconds) passes.

    ``timeout`` is enforced inside the container; the deadline is the caller's guard for when that is defeated. A
    string is shell text for the guarding shell itself: where it is all builtins, it works at the process limit too.

    Raises:
        SandboxUnavailable: the engine is gone, or knows no such running container.
    """
    nonce = secrets.token_hex(8).encode()
    if isinstance(command, str):
        wrapped = ["/bin/sh", "-c", _HANDSHAKE + command]
    else:
        wrapped = ["/bin/sh", "-c", _HANDSHAKE + _GUARD, "sh", str(len(stdin)), f"{timeout:.3f}", cwd, *command]
    with engine_errors("running a command in the sandbox"):
        started = time.monotonic()
        created = api.exec_create(
            container,
            wrapped,
            stdin=True,
            stdout=True,
            stderr=stderr,
            user=user,
            environment=dict(env or {}),
            workdir="/",
        )
        attached = api.exec_start(created["Id"], socket=True)
        tail = _Tail(output_limit)
        try:
            finished, greeting = _pump(attached, nonce + b"\n" + stdin, tail, deadline, len(nonce))
        finally:
            _close(attached)
    return StreamEnd(
        exec_id=created["Id"],
        started=greeting == nonce,
        expired=not finished,
        output=tail.value(),
        truncated=tail.truncated,
        seconds=time.monotonic() - started,
    )


def _pump(attached: Any, outgoing: bytes, tail: _Tail, deadline: float, greeting_size: int) -> tuple[bool, bytes]:
    """Move bytes both ways; returns whether the stream ended by itself, and stdout's first ``greeting_size`` bytes."""
    sock = getattr(attached, "_sock", attached)
    sock.setblocking(False)
    frames = _Frames()
    greeting = b""
    pending = memoryview(outgoing)
    while (left := deadline - time.monotonic()) > 0:
        if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            readable, writable, _ = select.select([sock], [sock] if pending else [], [], min(left, 5.0))
        else:
            readable, writable = [sock], []
        if writable:
            pending = pending[_send(sock, pending[:_CHUNK]) :]
        if readable:
            data = _receive(sock)
            if data == b"":
                return True, greeting
            for stream, payload in frames.feed(data or b""):
                # The greeting opens stdout; stderr travels apart and may overtake it.
                taken = min(greeting_size - len(greeting), len(payload)) if stream == _STDOUT else 0
                greeting += payload[:taken]
                tail.add(payload[taken:])
    return False, greeting


def _receive(sock: Any) -> bytes | None:
    try:
        return bytes(sock.recv(_CHUNK))
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except ConnectionResetError:
        return b""


def _send(sock: Any, data: memoryview) -> int:
    try:
        return int(sock.send(data))
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0
    except (BrokenPipeError, ConnectionResetError):
        # The command ended without reading all of its input: that is its right. The reading side sees the end.
        return len(data)


def _close(attached: Any) -> None:
    # The response first: it flushes what it holds before closing, and refuses to when the socket is already closed.
    sock = getattr(attached, "_sock", None)
    response = getattr(attached, "_response", None)
    if response is not None:
        response.close()
    attached.close()
    if sock is not None:
        sock.close()
