"""The index proxy's listings: formats, dates, faults of the index, what is kept on disk."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Thread

import httpx
import pytest

from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.listings import JSON, normalised, wants_json
from tests.unit.index_proxy_upstream import Upstream, proxy, quick, upstream

AS_JSON = {"Accept": JSON}


@pytest.fixture
def index() -> Iterator[Upstream]:
    with upstream() as served:
        yield served


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


def listed(client: httpx.Client, path: str = "/simple/demo/") -> list[dict]:
    answer = client.get(path, headers=AS_JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()["files"]


def test_a_listing_passes_on_what_installers_need(index: Upstream, tmp_path: Path) -> None:
    sha256 = index.add(
        "demo-1.0-py3-none-any.whl",
        uploaded="2020-01-01T00:00:00.5Z",
        **{"requires-python": ">=3.8", "yanked": "broken", "core-metadata": {"sha256": "a" * 64}},
    )
    with proxy(quick(index.url, tmp_path)) as client:
        [file] = listed(client)
        assert file == {
            "filename": "demo-1.0-py3-none-any.whl",
            "url": f"/files/{sha256}/demo-1.0-py3-none-any.whl",
            "hashes": {"sha256": sha256},
            "requires-python": ">=3.8",
            "size": 7,
            "upload-time": "2020-01-01T00:00:00.5Z",
            "yanked": "broken",
            "core-metadata": {"sha256": "a" * 64},
            "dist-info-metadata": {"sha256": "a" * 64},
        }
        html = client.get("/simple/demo/", headers={"Accept": "text/html"})
        assert html.headers["Content-Type"].startswith("text/html")
        assert (
            f'<a href="/files/{sha256}/demo-1.0-py3-none-any.whl#sha256={sha256}" data-requires-python="&gt;=3.8" '
            f'data-yanked="broken" data-core-metadata="sha256={"a" * 64}" '
            f'data-dist-info-metadata="sha256={"a" * 64}">demo-1.0-py3-none-any.whl</a>'
        ) in html.text
        assert client.get("/simple/demo/").headers["Content-Type"].startswith("text/html"), "the oldest clients"
        packed = client.get("/simple/demo/", headers={**AS_JSON, "Accept-Encoding": "gzip"})
        plain = client.get("/simple/demo/", headers={**AS_JSON, "Accept-Encoding": "identity"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.json() == plain.json()


def test_names_are_normalised_and_unknown_ones_are_404(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    with proxy(quick(index.url, tmp_path)) as client:
        assert listed(client, "/simple/Demo/") == listed(client, "/simple/demo") == listed(client)
        assert index.asked("/simple/") == 1
        for path in ("/simple/other/", "/simple/", "/simple/-x/", "/simple/a%2Fb/", "/simple/..%2f..%2ff/", "/"):
            assert client.get(path).status_code == 404, path
        assert normalised("A__b.-c") == "a-b-c"
        assert normalised("x" * 201) is None


def test_as_of_gives_what_was_there_then(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz", b"1", uploaded="2020-01-01T00:00:00.000000Z")
    index.add("demo-2.0.tar.gz", b"2", uploaded="2020-01-01T00:00:01.000001+00:00")
    index.add("demo-3.0.tar.gz", b"3")
    with proxy(quick(index.url, tmp_path)) as client:

        def names(moment: str) -> list[str]:
            return [file["filename"] for file in listed(client, f"/as-of/{moment}/simple/demo/")]

        assert names("2019-12-31T23:59:59Z") == []
        assert names("2020-01-01T00:00:00Z") == ["demo-1.0.tar.gz"]
        assert names("2020-01-01T00:00:02Z") == ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
        html = client.get("/as-of/2020-01-01T00:00:00Z/simple/demo/").text
        assert "demo-1.0" in html
        assert "demo-2.0" not in html
        assert client.get("/as-of/yesterday/simple/demo/").status_code == 404


@pytest.mark.parametrize(
    "accept, json",
    [
        ("", False),
        ("*/*", False),
        (JSON, True),
        (f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", True),
        (f"text/html, {JSON};q=0.5", False),
        (f"{JSON};q=nonsense", False),
        ("application/vnd.pypi.simple.v1+html;q=0.2,text/html;q=0.01", False),
    ],
)
def test_the_client_chooses_the_format(accept: str, json: bool) -> None:
    assert wants_json(accept) is json


def test_a_young_listing_is_not_asked_again_and_an_old_one_is_confirmed(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    index.etag = '"one"'
    config = quick(index.url, tmp_path)
    with proxy(config) as client:
        first = listed(client)
        assert listed(client) == first
    with proxy(config) as client:
        assert listed(client) == first, "from disk"
        assert index.asked("demo") == 1
    with proxy(replace(config, fresh=0.0)) as client:
        assert listed(client) == first
        assert index.asked("demo") == 2
        index.etag = '"two"'
        index.add("demo-2.0.tar.gz")
        assert len(listed(client)) == 2


def test_a_stale_listing_is_better_than_none(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    with proxy(quick(index.url, tmp_path, fresh=0.0)) as client:
        assert "X-Index-Stale" not in client.get("/simple/demo/").headers
        index.status = 500
        stale = client.get("/simple/demo/", headers=AS_JSON)
        assert stale.status_code == 200
        assert "answered 500" in stale.headers["X-Index-Stale"]
        assert stale.json()["files"]
        unknown = client.get("/simple/new/")
        assert unknown.status_code == 503
        assert unknown.headers["Retry-After"]
        assert "secret" not in unknown.text
        index.status = 200
        index.hang.clear()
        assert client.get("/simple/demo/").headers["X-Index-Stale"].endswith("takes long")
        index.hang.set()
        index.status = 404
        assert client.get("/simple/demo/").status_code == 404


def test_a_silent_index_is_left_alone_for_a_moment(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    with proxy(quick(index.url, tmp_path, fresh=0.0, quiet=60.0)) as client:
        listed(client)
        index.status = 503
        listed(client)
        asked = len(index.requests)
        assert asked == 4, "the first, and three tries"
        assert "a moment ago" in client.get("/simple/demo/").headers["X-Index-Stale"]
        assert len(index.requests) == asked


def test_a_passing_fault_is_tried_again(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    index.status = 502
    with proxy(quick(index.url, tmp_path, pause=0.3)) as client:
        answers: list[httpx.Response] = []
        caller = Thread(target=lambda: answers.append(client.get("/simple/demo/")))
        caller.start()
        index.wait()
        index.status = 200
        caller.join()
        assert answers[0].status_code == 200


@pytest.mark.parametrize("status, seen", [(401, 502), (403, 502), (429, 503), (500, 503), (410, 404)])
def test_the_status_says_whose_trouble_it_is(index: Upstream, tmp_path: Path, status: int, seen: int) -> None:
    index.status = status
    with proxy(quick(index.url, tmp_path)) as client:
        assert client.get("/simple/demo/").status_code == seen


def test_an_index_that_hangs_is_503(index: Upstream, tmp_path: Path) -> None:
    index.hang.clear()
    with proxy(quick(index.url, tmp_path, silence=0.2)) as client:
        assert client.get("/simple/demo/").status_code == 503


def test_no_json_is_said_so(index: Upstream, tmp_path: Path) -> None:
    index.listing_type = "text/html"
    with proxy(quick(index.url, tmp_path)) as client:
        answer = client.get("/simple/demo/")
        assert answer.status_code == 502
        assert "not JSON" in answer.text


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"files": 1}', b'{"files": [{"filename": "a"}]}', b'{"files": [1]}', b"[" * 100_000]
)
def test_nonsense_is_502(index: Upstream, tmp_path: Path, body: bytes) -> None:
    index.listing = lambda: body
    with proxy(quick(index.url, tmp_path)) as client:
        answer = client.get("/simple/demo/")
        assert answer.status_code == 502
        assert "no listing" in answer.text


def test_a_huge_listing_is_refused(index: Upstream, tmp_path: Path) -> None:
    index.listing = lambda: b" " * 2000
    with proxy(quick(index.url, tmp_path, listing_bytes=1000)) as client:
        answer = client.get("/simple/demo/")
        assert answer.status_code == 502
        assert "larger than 1000 bytes" in answer.text


def test_file_names_that_are_paths_are_left_out(index: Upstream, tmp_path: Path) -> None:
    index.add("../evil.whl")
    index.add(".hidden")
    index.add("a/b.whl")
    index.add("demo-1.0+local_1!2.tar.gz")
    with proxy(quick(index.url, tmp_path)) as client:
        assert [file["filename"] for file in listed(client)] == ["demo-1.0+local_1!2.tar.gz"]


def test_callers_at_once_cost_one_request(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    index.hang.clear()
    with proxy(quick(index.url, tmp_path)) as client:
        callers = [Thread(target=listed, args=(client,)) for _ in range(5)]
        for caller in callers:
            caller.start()
        index.wait()
        index.hang.set()
        for caller in callers:
            caller.join()
    assert index.asked("demo") == 1


def test_credentials_go_to_the_index_alone_and_are_shown_by_nothing(
    index: Upstream, tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = stack.enter_context(upstream())
    other.add("demo-2.0.tar.gz", b"2")
    index.add("demo-1.0.tar.gz", b"1")
    sha256 = index.add("demo-2.0.tar.gz", b"2", url=f"{other.url[:-7]}/f/demo-2.0.tar.gz")
    url = index.url.replace("http://", "http://me:pass%20word@")
    client = stack.enter_context(proxy(quick(url, tmp_path, fresh=0.0)))
    files = client.get("/simple/demo/?token=hush", headers=AS_JSON)
    assert client.get(f"/files/{sha256}/demo-2.0.tar.gz").content == b"2"
    assert index.authorizations == ["Basic bWU6cGFzcyB3b3Jk"]
    assert other.authorizations == [None]
    index.status = 500
    stale = client.get("/simple/demo/")
    lost = client.get("/simple/none/")
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("swemill")]
    assert any("/simple/demo/" in line for line in logged), "there is a line a request"
    said = " ".join([files.text, str(stale.headers), lost.text, str(lost.headers), *logged])
    for secret in ("pass%20word", "pass word", "me:", "bWU6", "hush"):
        assert secret not in said


def test_a_damaged_cache_is_made_anew(index: Upstream, tmp_path: Path) -> None:
    index.add("demo-1.0.tar.gz")
    with proxy(quick(index.url, tmp_path)) as client:
        listed(client)
    (tmp_path / "listings.sqlite").write_bytes(b"no database at all" * 1000)
    with proxy(quick(index.url, tmp_path)) as client:
        assert listed(client)
    assert index.asked("demo") == 2


def test_health_needs_no_index(tmp_path: Path) -> None:
    with proxy(quick("http://127.0.0.1:9/simple", tmp_path)) as client:
        assert client.get("/health").status_code == 200


def test_a_configuration_comes_from_the_environment() -> None:
    given = {"INDEX_PROXY_UPSTREAM": "https://i/simple", "INDEX_PROXY_CACHE": "/cache", "INDEX_PROXY_DOWNLOADS": "3"}
    config = ProxyConfig.of(given)
    assert (config.upstream, config.cache, config.downloads) == ("https://i/simple", Path("/cache"), 3)
    with pytest.raises(KeyError):
        ProxyConfig.of({})
