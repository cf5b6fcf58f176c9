"""Reading the files of a hostile image as git would: ids, kinds, copies. One of the texts that ``leak_gate`` sends.

Runs in the image, below whatever Python it has: standard library only, Python 3.6 syntax, and of swemill nothing but
the other texts. No link is followed, and nothing but regular files is opened: a pipe would wait forever.
"""

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

LIMIT = 20
"""Items of each list that are told; the rest is counted."""
HEX = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_MAGIC = {
    b"PACK\0\0\0": "pack",
    b"\xfftOc": "pack index",
    b"# v2 git bundle\n": "bundle",
    b"# v3 git bundle\n": "bundle",
}
_LOOSE = re.compile(rb"(commit|tree|blob|tag) [0-9]+\0")
_PIECE = 1 << 16


class Facts:
    """Lists of findings by name, each told to a limit and counted beyond it."""

    def __init__(self) -> None:
        """No finding yet."""
        self._items = {}  # type: dict[str, list[object]]
        self._counts = {}  # type: dict[str, int]

    def add(self, name: str, item: object) -> None:
        """One more item of the list ``name``: JSON."""
        told = self._items.setdefault(name, [])
        self._counts[name] = self._counts.get(name, 0) + 1
        if len(told) < LIMIT:
            told.append(item)

    def json(self, **more: object) -> "dict[str, object]":
        """All lists, with how many items were found of each."""
        return dict(more, items=self._items, counts=self._counts)


def target_of(path: Path) -> str:
    """Where a link points."""
    return os.readlink(str(path))  # noqa: PTH115 - Path.readlink is of Python 3.9


def is_regular(path: Path) -> bool:
    """Whether it is a file with bytes, and no link to one."""
    return stat.S_ISREG(path.lstat().st_mode) if os.path.lexists(str(path)) else False


def pieces(path: Path) -> "Iterator[bytes]":
    """A regular file's bytes; nothing where there is none."""
    if not is_regular(path):
        return
    with path.open("rb") as file:
        while True:
            piece = file.read(_PIECE)
            if not piece:
                return
            yield piece


def text_of(path: Path, limit: int = 1 << 20) -> str:
    """The start of a regular file as text; empty where there is none."""
    if not is_regular(path):
        return ""
    with path.open("rb") as file:
        return os.fsdecode(file.read(limit))


def below(folder: Path) -> "Iterator[Path]":
    """Everything but folders below a folder."""
    for place, folders, files in os.walk(str(folder)):
        for name in sorted(files) + [name for name in folders if (Path(place) / name).is_symlink()]:
            yield Path(place) / name


def blob_id(path: Path, algorithm: str) -> str:
    """The object id that git would give a file's bytes, or a link's target; empty for anything else."""
    digest = hashlib.new(algorithm)
    if path.is_symlink():
        target = os.fsencode(target_of(path))
        digest.update(b"blob %d\0" % len(target) + target)
    elif is_regular(path):
        digest.update(b"blob %d\0" % path.stat().st_size)
        for piece in pieces(path):
            digest.update(piece)
    else:
        return ""
    return digest.hexdigest()


def loose_id(path: Path, algorithm: str) -> str:
    """The id of a loose object by what is in it; empty where it is none, or holds more than one."""
    digest, unpacker = hashlib.new(algorithm), zlib.decompressobj()
    try:
        for piece in pieces(path):
            digest.update(unpacker.decompress(piece))
    except zlib.error:
        return ""
    return "" if unpacker.unused_data else digest.hexdigest()


def kind_of(path: Path) -> str:
    """What of git's a file is by its first bytes; empty for all else, and for what no build can have written."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size < 8 or (status.st_uid == 0 and os.getuid() != 0):
        return ""
    with path.open("rb") as file:
        start = file.read(64)
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if start[0] & 0x0F == 8 and HEX.fullmatch(path.parent.name[-2:] + path.name):
        try:
            return "object" if _LOOSE.match(zlib.decompressobj().decompress(start)) else ""
        except zlib.error:
            return ""
    return ""


def is_copy(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, links and bytes."""
    names = [sorted(str(path.relative_to(root)) for path in below(root)) for root in (one, other)]
    return names[0] == names[1] and all(
        (one / name).is_symlink() == (other / name).is_symlink()
        and blob_id(one / name, "sha1") == blob_id(other / name, "sha1")
        for name in names[0]
    )
