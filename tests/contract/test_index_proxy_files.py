"""The index proxy's files: verified, downloaded once, ranges, sizes, what is removed, and where nothing is asked."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from swemill.adapters.index_proxy.listings import JSON
from tests.unit.index_proxy_upstream import Upstream, proxy, quick, upstream

NAME = "demo-1.0-py3-none-any.whl"
BIG = os.urandom(1 << 20)


@pytest.fixture
def index() -> Iterator[Upstream]:
    with upstream() as served:
        yield served


def url_of(client: httpx.Client, name: str = NAME) -> str:
    files = client.get("/simple/demo/", headers={"Accept": JSON}).json()["files"]
    return next(file["url"] for file in files if file["filename"] == name)


def stored(folder: Path) -> list[Path]:
    return [path for place in ("files", "drafts") for path in (folder / place).rglob("*") if path.is_file()]


def broken_off(client: httpx.Client, url: str) -> bytes:
    """What comes before the connection breaks."""
    received = b""
    with client.stream("GET", url) as answer:
        assert answer.status_code == 200
        try:
            for piece in answer.iter_raw():
                received += piece
        except httpx.RemoteProtocolError:
            return received
    raise AssertionError("the answer came to its end")


def test_a_file_is_asked_of_the_index_once(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        first = client.get(url)
        assert first.content == BIG
        assert first.headers["Content-Length"] == str(len(BIG))
        assert client.get(url).content == BIG
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get(url).content == BIG, "also after a restart"
        index.status = 500
        assert client.get(url).content == BIG, "and without the index"
    assert index.asked(NAME) == 1


def test_callers_at_once_share_one_download(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    index.slow = 0.05
    with proxy(quick(index.url, tmp_path)) as client:
        url, got = url_of(client), []
        callers = [Thread(target=lambda: got.append(client.get(url).content)) for _ in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert got == [BIG] * 6
    assert index.asked(NAME) == 1


def test_a_download_goes_on_when_its_client_leaves(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    index.slow = 0.05
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        with pytest.raises(httpx.ReadTimeout):
            client.get(url, timeout=0.1)
        assert client.get(url).content == BIG
    assert index.asked(NAME) == 1


def test_a_slow_file_is_sent_while_it_comes_and_its_end_only_when_it_is_right(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    index.slow = 0.05
    with proxy(quick(index.url, tmp_path, patience=0.1)) as client:
        url = url_of(client)
        began = time.monotonic()
        with client.stream("GET", url) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            assert time.monotonic() - began < 0.6, "the whole takes 0.8 s"
            assert answer.headers["Content-Length"] == str(len(BIG))
        index.add("wrong-1.0.tar.gz", BIG[:-1] + b"!")
        index.files["wrong-1.0.tar.gz"]["content"] = BIG
    with proxy(quick(index.url, tmp_path, patience=0.1, fresh=0.0)) as client:
        received = broken_off(client, url_of(client, "wrong-1.0.tar.gz"))
        assert 0 < len(received) < len(BIG)
        assert len(stored(tmp_path)) <= 1, "the wrong one is not kept"


def test_a_slow_file_of_unknown_size_waits_for_its_end(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG, size=None)
    index.slow, index.lengths = 0.05, False
    with proxy(quick(index.url, tmp_path, patience=0.1)) as client:
        answer = client.get(url_of(client))
        assert answer.content == BIG


def test_wrong_bytes_are_502_and_not_kept(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME)
    index.wrong = True
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        answer = client.get(url)
        assert answer.status_code == 502
        assert "other bytes" in answer.text
        assert stored(tmp_path) == []
        index.wrong = False
        assert client.get(url).content == b"content"
    assert index.asked(NAME) == 2, "wrong bytes are not asked for again in the same breath"


def test_a_truncated_file_is_tried_again_and_never_kept(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME)
    index.truncate = 3
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        assert client.get(url).status_code == 503
        assert index.asked(NAME) == 5
        assert stored(tmp_path) == []
        index.truncate = 0
        assert client.get(url).content == b"content"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on_where_it_was(index: Upstream, tmp_path: Path, ranges: bool) -> None:
    index.add(NAME, BIG)
    index.truncate, index.ranges = len(BIG) // 2, ranges
    with proxy(quick(index.url, tmp_path, pause=0.3, patience=9.0)) as client:
        url, got = url_of(client), []
        caller = Thread(target=lambda: got.append(client.get(url)))
        caller.start()
        index.wait(2)
        time.sleep(0.1)
        index.truncate = 0
        caller.join()
    assert got[0].content == BIG
    wanted = [request.partition(NAME)[2].strip() for request in index.requests if NAME in request]
    assert wanted == ["", f"bytes={len(BIG) // 2}-"], "without ranges it begins anew"


def test_a_client_is_spared_a_break_in_the_middle(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    index.slow, index.truncate = 0.05, 100
    with (
        proxy(quick(index.url, tmp_path, patience=0.1, pause=0.3)) as client,
        client.stream("GET", url_of(client)) as a,
    ):
        pieces = a.iter_raw()
        received = next(pieces)
        index.truncate = 0
        received += b"".join(pieces)
    assert received == BIG


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize("size", [None, 10])
def test_a_huge_file_is_refused(index: Upstream, tmp_path: Path, lengths: bool, size: int | None) -> None:
    index.add(NAME, BIG, size=size)
    index.lengths = lengths
    with proxy(quick(index.url, tmp_path, file_bytes=1000)) as client:
        answer = client.get(url_of(client))
        assert answer.status_code == 502
        assert "larger than 1000 bytes" in answer.text
        assert stored(tmp_path) == []


@pytest.mark.parametrize("status, seen", [(404, 404), (403, 502), (500, 503)])
def test_a_file_that_the_index_refuses(index: Upstream, tmp_path: Path, status: int, seen: int) -> None:
    index.add(NAME)
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        index.status = status
        assert client.get(url).status_code == seen


def test_only_listed_files_can_be_had(index: Upstream, tmp_path: Path) -> None:
    sha256 = index.add(NAME)
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get(f"/files/{sha256}/{NAME}").status_code == 404, "before its listing was asked for"
        url = url_of(client)
        asked = len(index.requests)
        for path in (
            f"/files/{sha256}/other.whl",
            f"/files/{'0' * 64}/{NAME}",
            f"{url}.metadata",
            "/files/http:%2f%2f127.0.0.1/x",
            f"/files/..%2f..%2flistings.sqlite/{NAME}",
            f"/http://127.0.0.1/{NAME}",
            "/files/",
        ):
            assert client.get(path).status_code == 404, path
        assert client.post(url).status_code == 405
        assert len(index.requests) == asked


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://x/y", "http://localhost:1/x", "http://169.254.169.254/x", "http://[::1]/x"]
)
def test_a_listing_cannot_lead_to_this_machine(index: Upstream, tmp_path: Path, address: str) -> None:
    index.add("demo-2.0.tar.gz", url=address)
    index.add(NAME)
    index.redirect = {f"/f/{NAME}": address}
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get(url_of(client, "demo-2.0.tar.gz")).status_code == 502
        assert client.get(url_of(client)).status_code == 502


def test_redirects_are_followed_but_not_for_ever(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME)
    index.add("demo-2.0.tar.gz", b"2")
    index.add("demo-3.0.tar.gz", b"3")
    index.redirect = {
        "/f/demo-2.0.tar.gz": "/g",
        "/g": "/f/demo-4.0.tar.gz",
        "/f/demo-3.0.tar.gz": "/f/demo-3.0.tar.gz",
    }
    index.files["demo-4.0.tar.gz"] = {**index.files["demo-2.0.tar.gz"], "filename": "demo-4.0.tar.gz"}
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get(url_of(client, "demo-2.0.tar.gz")).content == b"2"
        answer = client.get(url_of(client, "demo-3.0.tar.gz"))
        assert answer.status_code == 502
        assert "without end" in answer.text


def test_ranges_are_those_of_the_verified_file(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        for _ in range(2):  # on its way, and from disk
            part = client.get(url, headers={"Range": "bytes=-100"})
            assert part.status_code == 206
            assert part.content == BIG[-100:]
            assert part.headers["Content-Range"] == f"bytes {len(BIG) - 100}-{len(BIG) - 1}/{len(BIG)}"
        for wanted, content in (
            ("bytes=0-0", BIG[:1]),
            ("bytes=10-19", BIG[10:20]),
            ("bytes=1048000-99999999", BIG[1048000:]),
            (f"bytes={len(BIG) - 1}-", BIG[-1:]),
            ("bytes=-99999999", BIG),
        ):
            assert client.get(url, headers={"Range": wanted}).content == content
        for wanted in ("bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=x-y"):
            whole = client.get(url, headers={"Range": wanted})
            assert (whole.status_code, whole.content) == (200, BIG)
        for wanted in (f"bytes={len(BIG)}-", "bytes=5-4", "bytes=-0"):
            none = client.get(url, headers={"Range": wanted})
            assert none.status_code == 416
            assert none.headers["Content-Range"] == f"bytes */{len(BIG)}"
        head = client.head(url)
        assert (head.headers["Content-Length"], head.headers["Accept-Ranges"]) == (str(len(BIG)), "bytes")
    assert index.asked(NAME) == 1


def test_a_part_of_a_large_file_does_not_cost_all_of_it(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    with proxy(quick(index.url, tmp_path, through=1 << 16)) as client:
        url = url_of(client)
        assert client.head(url).headers["Content-Length"] == str(len(BIG))
        assert index.asked(NAME) == 0
        part = client.get(url, headers={"Range": "bytes=-100"})
        assert (part.status_code, part.content) == (206, BIG[-100:])
        assert stored(tmp_path) == []
        assert index.requests[-1].endswith("bytes=-100")
        assert client.get(url, headers={"Range": "bytes=0-"}).content == BIG, "all of it is verified first"
        assert len(stored(tmp_path)) == 1


def test_an_index_without_ranges_gives_the_whole(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG)
    index.ranges = False
    with proxy(quick(index.url, tmp_path, through=1 << 16)) as client:
        part = client.get(url_of(client), headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, BIG[10:20])


def test_the_size_of_an_unknown_file_is_asked_by_downloading_it(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, BIG, size=None)
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.head(url_of(client)).headers["Content-Length"] == str(len(BIG))


METADATA = b"Metadata-Version: 2.1\n"


@pytest.mark.parametrize(
    "metadata, status",
    [(True, 200), ({"sha256": hashlib.sha256(METADATA).hexdigest()}, 200), ({"sha256": "0" * 64}, 502)],
)
def test_metadata_is_served_and_verified(index: Upstream, tmp_path: Path, metadata: object, status: int) -> None:
    index.add(NAME, **{"core-metadata": metadata})
    with proxy(quick(index.url, tmp_path)) as client:
        answer = client.get(url_of(client) + ".metadata")
        assert answer.status_code == status
        if status == 200:
            assert answer.content == METADATA
            assert client.get(url_of(client) + ".metadata").content == METADATA
            assert index.asked(".metadata") == 1


def test_a_file_without_hash_is_marked_and_served(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME, hashes={"md5": "0" * 32})
    with proxy(quick(index.url, tmp_path)) as client:
        url = url_of(client)
        assert url.startswith("/files/url-")
        assert client.get(url).content == b"content"
        client.get(url)
        assert f"{url}#md5={'0' * 32}" in client.get("/simple/demo/").text
    assert index.asked(NAME) == 1


def test_the_least_recently_used_files_go_first(index: Upstream, tmp_path: Path) -> None:
    names = [f"demo-{number}.tar.gz" for number in range(4)]
    for number, name in enumerate(names):
        index.add(name, bytes([number]) * 1000)
    with proxy(quick(index.url, tmp_path, cache_bytes=3000)) as client:
        for name in (*names[:3], names[0], names[3]):
            assert client.get(url_of(client, name)).status_code == 200
        assert sum(path.stat().st_size for path in stored(tmp_path)) == 3000
        for name in names:
            assert client.get(url_of(client, name)).status_code == 200
        assert [index.asked(name) for name in names] == [1, 2, 2, 2]
    with proxy(quick(index.url, tmp_path, cache_bytes=1000)) as client:
        assert sum(path.stat().st_size for path in stored(tmp_path)) <= 1000, "a smaller budget holds at once"
        assert client.get(url_of(client, names[0])).status_code == 200


def test_leftovers_of_a_killed_proxy_are_removed(index: Upstream, tmp_path: Path) -> None:
    index.add(NAME)
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get(url_of(client)).status_code == 200
    (tmp_path / "drafts" / "left").write_bytes(b"half")
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get(url_of(client)).content == b"content"
        assert [path for path in stored(tmp_path) if path.parent.name == "drafts"] == []


def test_downloads_wait_for_a_place(index: Upstream, tmp_path: Path) -> None:
    for number in range(3):
        index.add(f"demo-{number}.tar.gz", bytes([number]))
    with proxy(quick(index.url, tmp_path, downloads=1)) as client:
        urls = [url_of(client, f"demo-{number}.tar.gz") for number in range(3)]
        index.hang.clear()
        callers = [Thread(target=client.get, args=(url,)) for url in urls]
        for caller in callers:
            caller.start()
        index.wait(2)
        time.sleep(0.2)
        assert index.asked("/f/") == 1
        index.hang.set()
        for caller in callers:
            caller.join()
        assert index.asked("/f/") == 3
