"""The stand-in over a module's own ``world``, and who asks it: plain HTTP, or the adapters on an endless budget."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from swemill.adapters.github import client as github_client
from swemill.adapters.github.client import GithubClient
from swemill.adapters.github.credentials import Credential
from swemill.adapters.github.graphql_api import GraphqlApi
from swemill.adapters.github.rest_api import RestApi
from swemill.ports import ForgeApi
from tests.github_standin.model import World
from tests.github_standin.server import Standin
from tests.unit.scripted_github import Ledger


@pytest.fixture
def github(world: World) -> Iterator[Standin]:
    """A running stand-in; each module says what its ``world`` is."""
    with Standin(world) as standin:
        yield standin


@pytest.fixture
def http(github: Standin) -> Iterator[httpx.Client]:
    """Plain HTTP with a token, for what the stand-in itself answers."""
    with httpx.Client(base_url=github.url, headers={"authorization": "Bearer one"}, timeout=60) as http:
        yield http


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """A budget of which nothing may be blocked."""
    ledger = Ledger()
    yield ledger
    assert ledger.blocks == {}


@pytest.fixture
def client(github: Standin, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubClient]:
    """The adapters' client, which tries again at once."""
    monkeypatch.setattr(github_client, "BACKOFF", 0.01)
    credential = Credential(key="k", way_out="set another token", token="ghp_any")
    with GithubClient([credential], lambda key: ledger, api_url=github.url, cache=tmp_path / "cache") as client:
        yield client


@pytest.fixture(params=[GraphqlApi, RestApi])
def api(request: pytest.FixtureRequest, client: GithubClient) -> ForgeApi:
    """Each of the two, for what both do."""
    return request.param(client)


@pytest.fixture
def graphql(client: GithubClient) -> GraphqlApi:
    """The one of them that asks by GraphQL."""
    return GraphqlApi(client)
