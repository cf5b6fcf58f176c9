"""Read a source distribution without ever unpacking it: from bytes in memory to files in memory, within limits.

An archive from an index is hostile until shown otherwise. It may try to write outside its folder, to place links, to
grow from a kilobyte to a terabyte. Nothing of it touches the file system or is run; what breaks a rule is refused as a
whole, because half a source distribution is worse than none.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

MAX_FILES = 50_000
MAX_BYTES = 256 << 20
"""Of all files together, unpacked."""
MAX_RATIO = 200
"""Unpacked bytes to packed ones, counted from ``FREE_BYTES`` on (small text compresses very well)."""
FREE_BYTES = 16 << 20


class UnreadableSdist(ValueError):
    """The archive is damaged, breaks a limit or holds what a source distribution must not hold."""


class File(NamedTuple):
    """One file of a source distribution."""

    data: bytes
    executable: bool


@dataclass(frozen=True, kw_only=True)
class _Member:
    name: str
    data: bytes
    executable: bool


def read_sdist(name: str, data: bytes) -> dict[bytes, File]:
    """The files of a source distribution by path, below its one top folder, in order of their paths.

    Left out: ``*.egg-info`` (made anew by every build), ``.git`` (a submodule's pointer, or worse) and empty folders.

    Raises:
        UnreadableSdist: with the cause.
    """
    read = _zip_members if name.endswith(".zip") else _tar_members
    files: dict[bytes, File] = {}
    tops = set()
    try:
        for member in read(data):
            parts = _parts(member.name)
            tops.add(parts[0])
            if len(parts) == 1:
                raise UnreadableSdist(f"{member.name!r} lies outside the top folder")
            if not any(part.endswith(".egg-info") or part.casefold() == ".git" for part in parts[1:]):
                path = "/".join(parts[1:]).encode("utf-8", "surrogateescape")
                files[path] = File(member.data, member.executable)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise UnreadableSdist(f"damaged archive: {type(error).__name__}: {error}") from None
    except (RuntimeError, NotImplementedError, UnicodeError, ValueError) as error:
        # zipfile: encrypted members, unknown compression; tarfile: numbers and names out of all form
        raise error if isinstance(error, UnreadableSdist) else UnreadableSdist(f"not readable: {error}") from None
    if len(tops) != 1:
        raise UnreadableSdist(f"{len(tops)} top folders instead of one" if tops else "no file in it")
    _refuse_clashes(files)
    return dict(sorted(files.items()))


class _Bounded(io.RawIOBase):
    """A reader that refuses to give more bytes than allowed, whatever the headers in it claim."""

    def __init__(self, inner: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile, limit: int) -> None:
        self._inner = inner
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        chunk = self._inner.read(min(size if size >= 0 else self._left + 1, self._left + 1))
        self._left -= len(chunk)
        if self._left < 0:
            raise UnreadableSdist("it unpacks to more than the limit, or far more than its packed size allows")
        return chunk


def _limit(packed: int) -> int:
    return min(MAX_BYTES, FREE_BYTES + MAX_RATIO * packed)


def _tar_members(data: bytes) -> Iterator[_Member]:
    with (
        _unpacked(data) as plain,
        tarfile.open(
            fileobj=_Bounded(plain, _limit(len(data))), mode="r|", encoding="utf-8", errors="surrogateescape"
        ) as tar,
    ):
        for count, info in enumerate(tar):
            if count >= MAX_FILES:
                raise UnreadableSdist(f"more than {MAX_FILES} members")
            if info.isdir():
                continue
            if not info.isreg():
                raise UnreadableSdist(f"{info.name!r} is a link or a device")
            file = tar.extractfile(info)
            content = file.read() if file else b""
            if len(content) != info.size:
                raise UnreadableSdist(f"{info.name!r} is cut short")
            yield _Member(name=info.name, data=content, executable=bool(info.mode & 0o100))


def _unpacked(data: bytes) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    packed = io.BytesIO(data)
    if data[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=packed)
    if data[:3] == b"BZh":
        return bz2.BZ2File(packed)
    if data[:6] == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(packed)
    raise UnreadableSdist("neither a zip nor a tar packed with gzip, bzip2 or xz")


def _zip_members(data: bytes) -> Iterator[_Member]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > MAX_FILES:
            raise UnreadableSdist(f"more than {MAX_FILES} members")
        if sum(info.file_size for info in infos) > _limit(len(data)):  # zipfile reads no more than these sizes
            raise UnreadableSdist("it unpacks to more than the limit, or far more than its packed size allows")
        for info in infos:
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            if mode and mode & 0o170000 not in (0, 0o100000):
                raise UnreadableSdist(f"{info.filename!r} is a link or a device")
            yield _Member(name=info.filename, data=archive.read(info), executable=bool(mode & 0o100))


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or not parts:
        raise UnreadableSdist(f"{name!r} leaves the archive's folder")
    return parts


def _refuse_clashes(files: Iterable[bytes]) -> None:
    names = set(files)
    for path in names:
        for at, byte in enumerate(path):
            if byte == 0x2F and path[:at] in names:
                raise UnreadableSdist(f"{path[:at]!r} is both a file and a folder")
