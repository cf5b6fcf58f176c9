"""Reading hostile source distributions: refused as a whole, in memory, with the cause."""

import bz2
import io
import stat
import tarfile
import zipfile

import pytest

from swemill.adapters import sdist
from swemill.adapters.sdist import UnreadableSdist, read_sdist
from tests.contract.local_index import make_sdist

FILES = {
    "a.py": b"1\r\n",
    "run.sh": b"#!/bin/sh\n",
    "x.egg-info/PKG-INFO": b"",
    "PKG-INFO": b"i",
    "t/.git": b"gitdir: x",
}


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    return info


def zipped(files: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def test_files_below_the_top_folder_without_what_builds_write() -> None:
    files = read_sdist("x-1.tar.gz", make_sdist("x-1", FILES))
    assert {path: file.data for path, file in files.items()} == {
        b"PKG-INFO": b"i",
        b"a.py": b"1\r\n",
        b"run.sh": b"#!/bin/sh\n",
    }
    assert [path for path, file in files.items() if file.executable] == [b"run.sh"]


def test_a_zip_reads_alike() -> None:
    files = read_sdist("x-1.zip", zipped({f"x-1/{name}": data for name, data in FILES.items()}))
    assert list(files) == [b"PKG-INFO", b"a.py", b"run.sh"]


@pytest.mark.parametrize(
    ("extra", "cause"),
    [
        (member("x-1/../../evil"), "leaves the archive"),
        (member("/etc/cron.d/evil"), "leaves the archive"),
        (member("x-1/link", tarfile.SYMTYPE), "a link or a device"),
        (member("x-1/link", tarfile.LNKTYPE), "a link or a device"),
        (member("x-1/dev", tarfile.CHRTYPE), "a link or a device"),
        (member("stray"), "outside the top folder"),
        (member("y-1/second"), "2 top folders"),
        (member("x-1/a.py/below"), "both a file and a folder"),
    ],
)
def test_hostile_members_are_refused(extra: tarfile.TarInfo, cause: str) -> None:
    with pytest.raises(UnreadableSdist, match=cause):
        read_sdist("x-1.tar.gz", make_sdist("x-1", {"a.py": b""}, extra=(extra,)))


def test_hostile_zips_are_refused() -> None:
    with pytest.raises(UnreadableSdist, match="leaves the archive"):
        read_sdist("x.zip", zipped({"x/../../evil": b""}))
    with pytest.raises(UnreadableSdist, match="a link or a device"):
        read_sdist("x.zip", zipped({"x/link": b"/etc/passwd"}, stat.S_IFLNK | 0o777))


def test_bombs_are_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "FREE_BYTES", 1 << 20)
    bomb = make_sdist("x-1", {}, extra=(member("x-1/zeros", size=8 << 20),))
    assert len(bomb) < 100_000
    with pytest.raises(UnreadableSdist, match="more than the limit"):
        read_sdist("x-1.tar.gz", bomb)
    with pytest.raises(UnreadableSdist, match="more than the limit"):
        read_sdist("x-1.zip", zipped({"x/zeros": b"\0" * (8 << 20)}))


def test_a_bomb_in_a_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "FREE_BYTES", 1 << 20)
    header = member("x-1/long", tarfile.GNUTYPE_LONGNAME, size=8 << 20)
    plain = header.tobuf(tarfile.GNU_FORMAT) + b"a" * (8 << 20)

    with pytest.raises(UnreadableSdist, match="more than the limit"):
        read_sdist("x.tar.bz2", bz2.compress(plain))


def test_the_number_of_members_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "MAX_FILES", 3)
    files = {f"{n}.py": b"" for n in range(4)}
    with pytest.raises(UnreadableSdist, match="more than 3 members"):
        read_sdist("x.tar.gz", make_sdist("x", files))
    with pytest.raises(UnreadableSdist, match="more than 3 members"):
        read_sdist("x.zip", zipped({f"x/{name}": data for name, data in files.items()}))


GOOD = make_sdist("x-1", {f"{n}.py": bytes(range(n, 200)) for n in range(100)})


@pytest.mark.parametrize(
    "data", [b"", b"hello", GOOD[: len(GOOD) // 2], GOOD[:50] + b"\0" * 50 + GOOD[100:], make_sdist("x", {})]
)
@pytest.mark.parametrize("name", ["x-1.tar.gz", "x-1.zip"])
def test_damage_is_named(name: str, data: bytes) -> None:
    with pytest.raises(UnreadableSdist, match=r"."):
        read_sdist(name, data)
