"""Writes a report's lines inside a sandbox, each with a seal that code under test has no ready means to make.

Copied into sandboxes beside the reporters: standard library only, Python 3.6 syntax. A line is ``SEAL JSON``; the seal
is BLAKE2b of the JSON under a key of this run, which comes by standard input and is in no file, variable or argument.
The key is dropped once it is in the hash object, which does not give it away again. So a line that was written by
anybody else, up to whoever finds the file, is none.

That is a lock, no vault: code in this process can search its memory for the function that ``line_writer`` returned.
"""

import hashlib
import os
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any

_SEAL_BYTES = 16


def read_key() -> bytes:
    """The key of this run: all of standard input, so that nobody reads it after us."""
    parts = []  # type: list[bytes]
    while True:
        part = os.read(0, 4096)
        if not part:
            return b"".join(parts)
        parts.append(part)


def line_writer(path: str, key: bytes) -> "Callable[[dict[str, Any]], None]":
    """A function that appends one event to ``path``: one ``write``, to a file opened for that line alone.

    Only this process's: forked children of a test are not the session and write nothing. Where there is no room or no
    descriptor left, by the tests' doing, the line is lost: a test without a result is never a pass, and raising would
    blame the next test for it.
    """
    # Bound now, and nothing of the module json, which is Python: tests replace functions (pyfakefs, mocks), and hostile
    # code would, to have other words written than were said.
    open_, write, close, getpid = os.open, os.write, os.close, os.getpid
    quote, string, number, is_a = encode_basestring_ascii, str, float, isinstance
    flags, pid = os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.getpid()
    seal = hashlib.blake2b(key=key[:64], digest_size=_SEAL_BYTES)

    def value_of(value: Any) -> str:
        if is_a(value, string):
            return quote(value)
        return f"{value if 0 <= value < 1e9 else 0:.6f}" if is_a(value, number) else f"{value:d}"

    def write_line(fields: "dict[str, Any]") -> None:
        if getpid() != pid:
            return
        line = ("{" + ", ".join([f'"{name}": {value_of(value)}' for name, value in fields.items()]) + "}").encode()
        mine = seal.copy()
        mine.update(line)
        try:
            handle = open_(path, flags, 0o600)
            try:
                write(handle, mine.hexdigest().encode() + b" " + line + b"\n")
            finally:
                close(handle)
        except OSError:
            return

    return write_line
