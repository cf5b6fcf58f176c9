"""The stand-in's GraphQL and git sides: costs as documented, cursors that name places, errors as GitHub words them."""

import subprocess
from pathlib import Path

import httpx
import pytest
from graphql import parse

from tests.contract.github.acme_tool import ask, tool_world
from tests.github_standin.cost import Cost, cost_of
from tests.github_standin.model import World
from tests.github_standin.schema import load_schema
from tests.github_standin.server import Standin

PAGE = """
query Page($size: Int!, $cursor: String) {
  rateLimit { cost remaining }
  repository(owner: "acme", name: "tool") {
    pullRequests(first: $size, after: $cursor, states: MERGED, orderBy: {field: UPDATED_AT, direction: DESC}) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { id number mergeCommit { oid } closingIssuesReferences(first: 10) { nodes { number } } }
    }
  }
}"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One for each test: some change it."""
    return tool_world(tmp_path)


def cost(query: str, **variables: object) -> Cost:
    document = parse(query)
    return cost_of(load_schema(), document, document.definitions[0], variables)


def git(*arguments: object, folder: Path | None = None) -> str:
    command = ["git", *(["-C", str(folder)] if folder else []), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_costs_are_those_of_githubs_own_examples():
    issues_and_labels = cost(
        "{viewer{repositories(first:100){edges{node{issues(first:50){edges{node{labels(first:60){nodes{name}}}}}}}}}}"
    )
    assert (issues_and_labels.requests, issues_and_labels.points) == (5101, 51)

    comments = "comments(first: 10) { edges { node { bodyHTML } } }"
    complex_one = cost(
        f"""{{ viewer {{
          repositories(first: 50) {{ edges {{ repository: node {{
            pullRequests(first: 20) {{ edges {{ node {{ title {comments} }} }} }}
            issues(first: 20) {{ totalCount edges {{ node {{ title {comments} }} }} }}
          }} }} }}
          followers(first: 10) {{ edges {{ node {{ login }} }} }}
        }} }}"""
    )
    assert complex_one.nodes == 22_060
    assert cost("{viewer{login}}").points == 1


def test_ids_count_as_the_requests_that_each_of_them_makes():
    query = "query($ids:[ID!]!){nodes(ids:$ids){...on Repository{pullRequests(first:1){nodes{updatedAt}}}}}"

    assert cost(query, ids=["one"] * 100).points == 1
    assert cost(query, ids=["one"] * 100).requests == 100


@pytest.mark.parametrize(
    "query, kind",
    [
        ('{repository(owner:"a",name:"b"){issues{nodes{id}}}}', "MISSING_PAGINATION_BOUNDARIES"),
        ('{repository(owner:"a",name:"b"){issues(first:101){nodes{id}}}}', "EXCESSIVE_PAGINATION"),
        (
            "{viewer{repositories(first:100){nodes{issues(first:100){nodes{comments(first:100){nodes{id}}}}}}}}",
            "MAX_NODE_LIMIT_EXCEEDED",
        ),
    ],
)
def test_queries_over_the_limits_are_refused_and_cost_nothing(github, http, query, kind):
    assert ask(http, query)["errors"][0]["type"] == kind
    assert github.meter.points["graphql"] == 0


def test_a_field_that_github_lacks_is_an_error_and_one_that_the_standin_lacks_is_a_failure(world):
    with Standin(world) as github, httpx.Client(base_url=github.url, headers={"authorization": "Bearer one"}) as http:
        assert "nonsense" in ask(http, "{viewer{nonsense}}")["errors"][0]["message"]

    def ask_too_much() -> None:
        with Standin(world) as github, httpx.Client(base_url=github.url) as http:
            query = {"query": "{viewer{bioHTML}}"}
            assert http.post("/graphql", json=query, headers={"authorization": "Bearer one"}).status_code == 501

    with pytest.raises(AssertionError, match=r"User\.bioHTML"):
        ask_too_much()


def test_pages_go_on_where_they_ended_though_others_move(github, http, world):
    first = ask(http, PAGE, size=2)["data"]["repository"]["pullRequests"]
    assert [one["number"] for one in first["nodes"]] == [6, 4]
    assert first["totalCount"] == 4

    # A comment moves the oldest one to the top: what follows neither shifts nor repeats.
    tool = world.find("acme/tool")
    tool.pulls[2].updated_at = tool.pulls[6].updated_at.replace(year=2030)
    second = ask(http, PAGE, size=2, cursor=first["pageInfo"]["endCursor"])["data"]["repository"]["pullRequests"]
    assert [one["number"] for one in second["nodes"]] == [3]
    assert not second["pageInfo"]["hasNextPage"]
    assert first["nodes"][0]["closingIssuesReferences"]["nodes"] == [{"number": 1}]
    assert first["nodes"][0]["mergeCommit"]["oid"] == git("rev-parse", "main", folder=tool.path)
    assert github.meter.endpoint_points["POST /graphql Page"] == 2


def test_what_is_missing_is_null_with_an_error_at_its_place(http):
    found = ask(http, '{nodes(ids:["nothing"]){id} repository(owner:"acme",name:"tool"){issue(number:77){id}}}')

    assert found["data"] == {"nodes": [None], "repository": {"issue": None}}
    assert [(one["type"], one["path"]) for one in found["errors"]] == [
        ("NOT_FOUND", ["nodes", 0]),
        ("NOT_FOUND", ["repository", "issue"]),
    ]
    assert ask(http, PAGE, size=1, cursor="%%%")["errors"][0]["type"] == "INVALID_CURSOR_ARGUMENTS"


def test_nodes_are_found_by_their_ids_and_numbers(http, world):
    pulls = ask(http, PAGE, size=4)["data"]["repository"]["pullRequests"]["nodes"]
    by_id = ask(
        http,
        "query($ids:[ID!]!){nodes(ids:$ids){__typename ...on PullRequest{number} ...on Repository{nameWithOwner}}}",
        ids=[pulls[0]["id"], next(iter(world.repositories))],
    )
    assert by_id["data"]["nodes"] == [
        {"__typename": "PullRequest", "number": 6},
        {"__typename": "Repository", "nameWithOwner": "acme/tool"},
    ]
    either = "issueOrPullRequest(number:%d){__typename ...on Issue{state comments(first:9){nodes{body}}}}"
    query = f'{{repository(owner:"acme",name:"tool"){{a:{either % 1} b:{either % 2}}}}}'
    assert ask(http, query)["data"]["repository"] == {
        "a": {
            "__typename": "Issue",
            "state": "CLOSED",
            "comments": {"nodes": [{"body": "Here too."}, {"body": "And here."}]},
        },
        "b": {"__typename": "PullRequest"},
    }


def test_search_and_trees(http):
    query = """{ search(type: REPOSITORY, first: 5, query: "language:python stars:>=100 created:2019-01-01..2019-12-31")
      { repositoryCount nodes { ... on Repository { nameWithOwner object(expression: "HEAD:") { ... on Tree {
        entries { name type } } } } } } }"""
    found = ask(http, query)["data"]["search"]

    assert found["repositoryCount"] == 1
    assert {"name": "tests", "type": "tree"} in found["nodes"][0]["object"]["entries"]


def test_git_clones_without_blobs_and_fetches_single_ones(github, tmp_path, world):
    clone = tmp_path / "clone.git"
    # The stand-in allows filters by itself, whatever the repository's own configuration says.
    git("config", "--remove-section", "uploadpack", folder=world.find("acme/tool").path)
    # The former name leads there too.
    git("clone", "--quiet", "--bare", "--filter=blob:none", github.git_url("acme/former"), clone)
    git("fetch", "--quiet", "origin", "+refs/pull/*/head:refs/pull/*/head", folder=clone)
    missing = git("rev-list", "--objects", "--all", "--missing=print", folder=clone).count("?")

    assert missing > 0
    assert git("cat-file", "-p", "refs/pull/5/head:README.md", folder=clone)
    assert git("rev-list", "--objects", "--all", "--missing=print", folder=clone).count("?") == missing - 1
    assert github.meter.points.total() == 0


def test_git_asks_who_wants_what_is_not_there(github):
    unknown = f"{github.git_url('acme/nothing')}/info/refs?service=git-upload-pack"

    assert httpx.get(unknown).status_code == 401
    assert httpx.get(unknown, headers={"authorization": "Basic eDp5"}).status_code == 404
