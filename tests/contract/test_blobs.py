"""The contract of ``Blobs``, on a folder and on an object store (fsspec's in-memory one)."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from swemill.adapters.blobs import FsspecBlobs
from swemill.effects import content_hash
from swemill.errors import DiskFull, StoreUnavailable


@pytest.fixture(params=["folder", "memory"])
def blobs(request, tmp_path) -> FsspecBlobs:
    return FsspecBlobs(str(tmp_path / "blobs") if request.param == "folder" else f"memory://{uuid4().hex}")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "blobs"


@pytest.mark.parametrize("data", [b"", b"text\n", bytes(range(256)) * 5000])
def test_what_is_put_comes_back_under_its_hash(blobs, data):
    key = blobs.put(data)
    assert key == content_hash(data)
    assert blobs.get(key) == data
    assert blobs.put(data) == key


def test_an_absent_blob_is_named(blobs):
    with pytest.raises(StoreUnavailable, match=r"blob ab+.*SWEMILL_BLOBS_URL"):
        blobs.get("ab" * 32)


def test_the_same_content_is_stored_once(folder):
    blobs = FsspecBlobs(str(folder))
    with ThreadPoolExecutor(8) as pool:
        (key,) = set(pool.map(lambda _: blobs.put(b"same"), range(32)))
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    assert path == folder / key[:2] / key
    before = path.stat()
    blobs.put(b"same")
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_a_damaged_blob_is_detected(folder):
    blobs = FsspecBlobs(str(folder))
    key = blobs.put(b"whole")
    (folder / key[:2] / key).write_bytes(b"who")
    with pytest.raises(StoreUnavailable, match="damaged"):
        blobs.get(key)
    blobs.put(b"whole")
    assert blobs.get(key) == b"whole", "whoever has the content can mend it"


def test_a_name_that_exists_always_holds_all_its_bytes(folder):
    blobs = FsspecBlobs(str(folder))
    data = os.urandom(8 << 20)
    path = folder / content_hash(data)[:2] / content_hash(data)
    seen, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            if path.exists():
                seen.append(path.stat().st_size)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        blobs.put(data)
    finally:
        done.set()
        looker.join()
    assert set(seen) <= {len(data)}
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_full_disk_is_named_and_leaves_no_rest(folder, monkeypatch):
    blobs = FsspecBlobs(str(folder))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="free some disk space"):
        blobs.put(b"too much")
    monkeypatch.undo()
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert blobs.get(blobs.put(b"too much")) == b"too much"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="storing a blob below"):
        FsspecBlobs(str(tmp_path / "file" / "blobs")).put(b"x")
