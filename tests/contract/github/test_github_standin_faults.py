"""The stand-in's faults: each is what a client would meet on GitHub, and none lasts for one who tries again."""

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.github_standin.build import WorldBuilder
from tests.github_standin.faults import DRAWN, Fault
from tests.github_standin.model import World
from tests.github_standin.server import Standin

PAGE = """query Page($size: Int!) { repository(owner: "acme", name: "tool") {
  pullRequests(first: $size, states: MERGED) { nodes { number } } } }"""
SECONDARY = "secondary rate limit"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One repository with twelve merged pull requests (1 to 12)."""
    builder = WorldBuilder(tmp_path_factory.mktemp("world"))
    tool = builder.repository("acme/tool")
    for _ in range(12):
        tool.pull()
    return builder.build()


def rest(http: httpx.Client) -> httpx.Response:
    return http.get("/repos/acme/tool")


def page(http: httpx.Client, size: int = 12) -> httpx.Response:
    return http.post("/graphql", json={"query": PAGE, "variables": {"size": size}})


def numbers(answer: httpx.Response) -> list[int | None]:
    nodes = answer.json()["data"]["repository"]["pullRequests"]["nodes"]
    return [node and node["number"] for node in nodes]


@pytest.mark.parametrize("call", [rest, page])
@pytest.mark.parametrize(
    "fault, status, sign",
    [
        (Fault.PRIMARY_403, 403, "API rate limit exceeded"),
        (Fault.PRIMARY_429, 429, "API rate limit exceeded"),
        (Fault.SECONDARY_403, 403, SECONDARY),
        (Fault.SECONDARY_429, 429, SECONDARY),
        (Fault.BAD_GATEWAY, 502, "<html>"),
        (Fault.GATEWAY_TIMEOUT, 504, "<html>"),
        (Fault.UNAVAILABLE, 503, "<html>"),
        (Fault.HTML_200, 200, "<html>"),
    ],
)
def test_wrong_answers_come_once_and_as_github_words_them(github, http, call, fault, status, sign):
    github.faults.next(fault)
    wrong, right = call(http), call(http)

    assert (wrong.status_code, right.status_code) == (status, 200)
    assert sign in wrong.text
    assert sign not in right.text
    assert github.meter.faults == {fault: 1}
    is_html = sign == "<html>"
    assert wrong.headers["content-type"].startswith("text/html" if is_html else "application/json")


def test_limits_say_when_to_come_back(github, http):
    github.faults.retry_after = 2
    github.faults.next(Fault.PRIMARY_200)
    github.faults.next(Fault.SECONDARY_200)
    primary, secondary = page(http), page(http)

    assert primary.json()["errors"][0]["type"] == "RATE_LIMITED"
    assert primary.headers["x-ratelimit-remaining"] == "0"
    assert 0 <= int(primary.headers["x-ratelimit-reset"]) - github.clock.time() <= 2
    assert SECONDARY in secondary.json()["errors"][0]["message"]
    assert secondary.headers["retry-after"] == "2"
    assert int(secondary.headers["x-ratelimit-remaining"]) > 0
    # What was refused cost nothing; a 502 comes after the work.
    assert github.meter.points["graphql"] == 0
    github.faults.next(Fault.BAD_GATEWAY)
    page(http)
    assert github.meter.points["graphql"] == 1


@pytest.mark.parametrize("call", [rest, page])
def test_connections_break_in_every_way(github, http, call):
    for fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
        github.faults.next(fault)
        with pytest.raises(httpx.ReadError):
            call(http)
    github.faults.next(Fault.TRUNCATED)
    with pytest.raises(httpx.RemoteProtocolError):
        call(http)
    github.faults.next(Fault.GARBLED)
    with pytest.raises(ValueError):
        call(http).json()

    assert [one.status for one in github.meter.log] == [0, 0, 0, 200]
    assert [one.points for one in github.meter.log] == [0, 1, 1, 1]
    assert call(http).status_code == 200


def test_slow_and_stale_answers(github, http, world):
    github.faults.slow_seconds = 0.5
    github.faults.next(Fault.SLOW)
    assert rest(http).elapsed.total_seconds() >= 0.5

    tool = world.find("acme/tool")
    tool.stars += 1
    github.faults.next(Fault.STALE)
    assert rest(http).json()["stargazers_count"] == tool.stars - 1
    assert rest(http).json()["stargazers_count"] == tool.stars


def test_partial_results_have_an_error_for_every_null(github, http):
    github.faults.next(Fault.PARTIAL)
    partial = page(http)
    missing = [at for at, number in enumerate(numbers(partial)) if number is None]

    assert missing
    assert [one["path"][-1] for one in partial.json()["errors"]] == missing
    assert numbers(page(http)) == list(range(1, 13))


def test_some_pull_requests_can_never_be_had(github, http, world):
    node_id = next(iter(world.repositories))
    github.faults.broken.add((node_id, 3))
    assert [numbers(page(http, 4)) for _ in range(2)] == [[1, 2, None, 4]] * 2

    github.faults.heavy.add((node_id, 2))
    assert (page(http, 4).status_code, page(http, 1).status_code) == (502, 200)


def test_heavy_pages_fail_and_small_ones_do_not(github, http):
    github.faults.heaviest_page = 5
    assert (page(http, 6).status_code, page(http, 5).status_code) == (502, 200)

    github.faults.clear()
    github.faults.next(Fault.RESOURCE_LIMITS)
    stopped = page(http).json()
    assert stopped == {"data": {"repository": None}, "errors": [stopped["errors"][0]]}
    assert stopped["errors"][0]["type"] == "RESOURCE_LIMITS_EXCEEDED"


def test_faults_can_be_aimed(github, http):
    github.faults.next(Fault.UNAVAILABLE, times=2, match="POST /graphql")

    assert [rest(http).status_code, page(http).status_code] == [200, 503]
    assert [rest(http).status_code, page(http).status_code] == [200, 503]
    assert page(http).status_code == 200


def clone(github: Standin, to: Path) -> subprocess.CompletedProcess[str]:
    command = ["git", "clone", "--quiet", "--bare", github.git_url("acme/tool"), str(to)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "service, fault, sign",
    [
        ("GET", Fault.SERVER_ERROR, "500"),
        ("GET", Fault.UNAVAILABLE, "503"),
        ("GET", Fault.GIT_429, "429"),
        ("GET", Fault.RESET_BEFORE, ""),
        ("GET", Fault.GIT_CUT, ""),
        # A reset here would go unseen: git itself sends the request again on a new connection.
        ("POST", Fault.SERVER_ERROR, "500"),
        ("POST", Fault.GIT_CUT, ""),
    ],
)
def test_git_fails_too(github, tmp_path, service, fault, sign):
    github.faults.next(fault, match=f"{service} git")
    failed = clone(github, tmp_path / "failed")

    assert failed.returncode != 0
    assert sign in failed.stderr
    assert clone(github, tmp_path / "right").returncode == 0


def test_who_tries_again_gets_everything(github, http, tmp_path):
    github.faults.rate, github.faults.slow_seconds = 0.5, 0.01
    most = github.faults.most_in_a_row

    def persist(call) -> None:
        for _ in range(most + 1):
            try:
                answer = call(http)
                if answer.status_code == 200 and not answer.json().get("errors"):
                    return
            except (httpx.TransportError, json.JSONDecodeError, UnicodeDecodeError):
                continue
        raise AssertionError("more faults in a row than were allowed")

    for _ in range(60):
        persist(rest)
        persist(page)
    # A clone is three requests, each of which may fail that often.
    tries = [clone(github, tmp_path / str(at)).returncode for at in range(3 * most + 1)]
    assert 0 in tries
    seen = {Fault(one.fault) for one in github.meter.log if one.fault}
    assert seen >= {*DRAWN["rest"], *DRAWN["graphql"]}


def test_a_seed_decides_which_faults_come(world):
    def drawn(seed: int) -> list[str]:
        with Standin(world, seed=seed) as github, httpx.Client(base_url=github.url) as http:
            github.faults.rate, github.faults.kinds = 0.4, [Fault.UNAVAILABLE, Fault.BAD_GATEWAY]
            for _ in range(20):
                rest(http)
            return [one.fault for one in github.meter.log]

    assert drawn(1) == drawn(1) != drawn(2)
