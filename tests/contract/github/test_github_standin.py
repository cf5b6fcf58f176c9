"""The GitHub stand-in against GitHub's own descriptions: what it answers is what GitHub says it answers."""

import subprocess
import time

import httpx
import jsonschema
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.contract.github.acme_tool import ask, tool_world
from tests.github_standin.limits import App
from tests.github_standin.model import World
from tests.github_standin.schema import openapi_response_schema
from tests.github_standin.server import Standin

REPOSITORY, PULL = "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/pulls/{pull_number}"
ISSUE = "/repos/{owner}/{repo}/issues/{issue_number}"
TOKENS = "/app/installations/{installation_id}/access_tokens"
ANSWERS = [
    ("/rate_limit", "/rate_limit", 200),
    ("/repos/acme/tool", REPOSITORY, 200),
    ("/repos/acme/plain", REPOSITORY, 200),
    ("/repos/acme/nothing", REPOSITORY, 404),
    ("/repos/acme/former", REPOSITORY, 301),
    ("/repositories/10000001", REPOSITORY, 200),
    ("/repos/acme/tool/pulls?state=all&sort=updated&direction=desc", f"{REPOSITORY}/pulls", 200),
    ("/repos/acme/tool/pulls?state=strange", f"{REPOSITORY}/pulls", 422),
    ("/repos/acme/tool/pulls/2", PULL, 200),
    ("/repos/acme/tool/pulls/5", PULL, 200),
    ("/repos/acme/tool/pulls/99", PULL, 404),
    ("/repos/acme/tool/pulls/2/commits", f"{PULL}/commits", 200),
    ("/repos/acme/tool/pulls/2/files", f"{PULL}/files", 200),
    ("/repos/acme/tool/issues/1", ISSUE, 200),
    ("/repos/acme/tool/issues/2", ISSUE, 200),
    ("/repos/acme/tool/issues/99", ISSUE, 404),
    ("/repos/acme/tool/issues/1/comments", f"{ISSUE}/comments", 200),
    ("/repos/acme/tool/issues/99/comments", f"{ISSUE}/comments", 404),
    ("/repos/acme/tool/git/trees/main?recursive=1", f"{REPOSITORY}/git/trees/{{tree_sha}}", 200),
    ("/repos/acme/tool/git/trees/nothing", f"{REPOSITORY}/git/trees/{{tree_sha}}", 404),
    ("/search/repositories?q=language:python+stars:>10&sort=stars", "/search/repositories", 200),
    ("/search/repositories?q=stars:many", "/search/repositories", 422),
    ("/search/repositories?q=stars:>1&per_page=100&page=11", "/search/repositories", 422),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One for all: no test here changes it."""
    return tool_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("path, template, status", ANSWERS)
def test_rest_answers_are_what_github_describes(http, path, template, status):
    answer = http.get(path)

    assert answer.status_code == status
    jsonschema.Draft202012Validator(openapi_response_schema("get", template, status)).validate(answer.json())
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "date"} <= set(answer.headers)


def test_a_schema_would_catch_a_wrong_answer(http):
    wrong = http.get("/repos/acme/tool/pulls/2").json()
    del wrong["merge_commit_sha"]

    with pytest.raises(jsonschema.ValidationError, match="merge_commit_sha"):
        jsonschema.Draft202012Validator(openapi_response_schema("get", PULL, 200)).validate(wrong)


def test_a_page_leads_to_the_next_and_the_last(http):
    first = http.get("/repos/acme/tool/pulls?state=closed&per_page=3")
    second = http.get(first.links["next"]["url"])

    assert [one["number"] for one in first.json() + second.json()] == [6, 4, 3, 2]
    assert first.links["next"]["url"] == first.links["last"]["url"]
    assert "next" not in second.links


def test_a_diff_is_gits_own(http, world):
    tool = world.find("acme/tool")
    pull = tool.pulls[2]
    answer = http.get("/repos/acme/tool/pulls/2", headers={"accept": "application/vnd.github.diff"})

    git = ["git", "-C", tool.path, "diff", "-M", f"{pull.base_oid}...{pull.head_oid}"]
    assert answer.content == subprocess.run(git, capture_output=True, check=True).stdout
    assert answer.content.startswith(b"diff --git")


def test_a_former_name_leads_to_the_present_one(http):
    moved = http.get("/repos/acme/former/pulls?state=all")

    assert moved.status_code == 301
    assert moved.headers["location"].endswith("/repositories/10000001/pulls?state=all")
    assert len(http.get(moved.headers["location"]).json()) == 5
    assert ask(http, '{repository(owner:"acme",name:"former"){nameWithOwner}}')["data"] == {
        "repository": {"nameWithOwner": "acme/tool"}
    }
    gone = ask(http, '{repository(owner:"acme",name:"former",followRenames:false){id}}')
    assert gone["errors"][0]["type"] == "NOT_FOUND"


def test_what_has_not_changed_costs_a_known_client_nothing(github, http):
    first = http.get("/repos/acme/tool")
    again = http.get("/repos/acme/tool", headers={"if-none-match": first.headers["etag"]})
    other = {"if-none-match": first.headers["etag"], "authorization": "Bearer two"}

    assert again.status_code == 304
    assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"] == "4999"
    assert http.get("/repos/acme/tool", headers=other).status_code == 200
    assert [one.points for one in github.meter.log] == [1, 0, 1]


def test_the_quota_ends_and_comes_back(world):
    with Standin(world, token_quota=2) as github, httpx.Client(base_url=github.url) as http:
        http.headers["authorization"] = "Bearer one"
        assert [http.get("/repos/acme/tool").status_code for _ in range(3)] == [200, 200, 403]
        ended = http.get("/repos/acme/tool")
        assert ended.headers["x-ratelimit-remaining"] == "0"
        for _ in range(2):
            assert "errors" not in ask(http, "{viewer{login}}")
        assert ask(http, "{viewer{login}}")["errors"][0]["type"] == "RATE_LIMITED"

        github.clock.advance(int(ended.headers["x-ratelimit-reset"]) - github.clock.time())
        assert http.get("/repos/acme/tool").status_code == 200
        assert github.meter.points["core"] == 3


def test_the_anonymous_have_little_and_no_graphql(github):
    with httpx.Client(base_url=github.url) as http:
        assert http.get("/repos/acme/tool").headers["x-ratelimit-limit"] == "60"
        assert http.get("/search/repositories?q=tool").headers["x-ratelimit-limit"] == "10"
        assert http.post("/graphql", json={"query": "{viewer{login}}"}).status_code == 401


def test_unknown_tokens_and_versions_are_refused(github, http):
    github.tokens = {"good"}
    assert http.get("/repos/acme/tool").status_code == 401
    good = {"authorization": "token good"}
    assert http.get("/repos/acme/tool/pulls/2", headers=good).json()["merge_commit_sha"]
    newest = {**good, "x-github-api-version": "2026-03-10"}
    assert "merge_commit_sha" not in http.get("/repos/acme/tool/pulls/2", headers=newest).json()
    assert http.get("/repos/acme/tool", headers={**good, "x-github-api-version": "1999-01-01"}).status_code == 400


def test_an_app_gets_tokens_that_expire(world):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    now = int(time.time())
    claims = {"iss": "7", "iat": now - 60, "exp": now + 540}
    app = App(app_id="7", public_key=public.decode(), installations=[1])
    with Standin(world, app=app, tokens=set()) as github, httpx.Client(base_url=github.url) as http:
        signed = {"authorization": f"Bearer {jwt.encode(claims, key, algorithm='RS256')}"}
        made = http.post("/app/installations/1/access_tokens", headers=signed)
        jsonschema.Draft202012Validator(openapi_response_schema("post", TOKENS, 201)).validate(made.json())
        assert http.post("/app/installations/2/access_tokens", headers=signed).status_code == 404
        assert http.post("/app/installations/1/access_tokens").status_code == 401

        own = {"authorization": f"Bearer {made.json()['token']}"}
        assert http.get("/repos/acme/tool", headers=own).status_code == 200
        github.clock.advance(3600)
        assert http.get("/repos/acme/tool", headers=own).status_code == 401
