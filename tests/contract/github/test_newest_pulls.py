"""The newest pull requests of many repositories at once: as ``pull_page`` has them, for a fraction of its points."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from swemill.adapters.github import queries
from swemill.adapters.github.answers import GraphqlError
from swemill.adapters.github.client import GithubClient
from swemill.adapters.github.graphql_api import GraphqlApi
from swemill.adapters.github.newest_pulls import NewestPulls
from swemill.adapters.github.pull_pages import PullPages
from swemill.errors import ForgeUnavailable
from swemill.ports import ForgeApi
from swemill.values import ListedPull, Malformed, PullPage, RepositoryRecord
from tests.contract.github.listings import BEGIN, numbers, pull, record, repository, walk
from tests.github_standin.build import WorldBuilder
from tests.github_standin.model import StandinIssue, World
from tests.github_standin.server import Standin
from tests.unit.scripted_github import Ledger

MERGED = 130
MANY = 40
PLACE = ("nodes", 1, "pullRequests", "nodes")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """``o/busy`` (130 merged pull requests), ``o/few`` (3), ``o/quiet`` (none) and 40 like ``o/few``."""
    builder = WorldBuilder(tmp_path)
    for name in ("o/busy", "o/few", "o/quiet"):
        builder.repository(name, bugs=1, created_at=BEGIN)
    world = builder.build()
    for name, count in (("o/busy", MERGED), ("o/few", 3)):
        found = world.find(name)
        assert found is not None
        found.issues[1000] = StandinIssue(number=1000, title="It breaks", body="Often.", created_at=BEGIN)
        closes = [(found.node_id, 1000)]
        found.pulls = {number: pull(number, closes=closes) for number in range(1, count + 1)}
        found.pulls[500] = pull(500, merged_at=None)
    for serial in range(MANY):
        pulls = {number: pull(number, title=f"{serial}: {number}") for number in range(1, 8)}
        own = {"node_id": f"R_{serial}", "database_id": serial + 1, "name": f"o/copy{serial}", "former_names": []}
        world.repositories[f"R_{serial}"] = replace(found, pulls=pulls, **own)
    return world


def many(github: Standin) -> list[RepositoryRecord]:
    return [record(github, f"o/copy{serial}") for serial in range(MANY)]


def starts(pages: dict[str, PullPage], api: ForgeApi, asked: list[RepositoryRecord]) -> None:
    """Every repository has a page, and it is the start of what ``pull_page`` gives."""
    assert list(pages) == [one.forge_id for one in asked]
    for one in asked:
        page, full = pages[one.forge_id], api.pull_page(one)
        assert page.pulls
        assert page.pulls == full.pulls[: len(page.pulls)]


def rest_of(api: ForgeApi, one: RepositoryRecord, page: PullPage) -> list[ListedPull | Malformed]:
    found = []
    while page.cursor is not None:
        page = api.pull_page(one, cursor=page.cursor)
        found += page.pulls
    return found


def test_each_page_is_the_start_of_the_listing(api: ForgeApi, github: Standin) -> None:
    asked = [record(github, name) for name in ("o/busy", "o/few", "o/copy3")]
    pages = dict(api.newest_pulls(asked))
    starts(pages, api, asked)
    for page in pages.values():
        last = page.pulls[-1]
        assert isinstance(last, ListedPull)
        assert page.oldest_update == last.updated_at
        assert abs(page.asked_at - github.clock.now()) < timedelta(seconds=5)
    assert api.newest_pulls([]) == {}
    quiet = record(github, "o/quiet")
    (empty,) = api.newest_pulls([quiet, quiet]).values()
    assert (empty.pulls, empty.cursor, empty.oldest_update) == ((), None, None)


def test_the_cursor_goes_on_without_loss_or_repetition(api: ForgeApi, github: Standin) -> None:
    asked = [record(github, name) for name in ("o/busy", "o/few", "o/copy0")]
    for one, page in zip(asked, api.newest_pulls(asked).values(), strict=True):
        whole = walk(api, one)
        assert [*page.pulls, *rest_of(api, one, page)] == whole
        assert numbers(whole) == sorted(numbers(whole), reverse=True)


def test_a_repository_that_is_gone_is_absent_and_a_renamed_one_is_not(api: ForgeApi, github: Standin) -> None:
    asked = many(github)[:4]
    del github.world.repositories[asked[1].forge_id]
    github.world.rename("o/copy2", "new/name")
    assert set(api.newest_pulls(asked)) == {asked[place].forge_id for place in (0, 2, 3)}
    assert api.newest_pulls(asked[1:2]) == {}


def test_a_batch_costs_one_point_and_the_pages_tell_all_that_was_paid(
    graphql: GraphqlApi, github: Standin, ledger: Ledger
) -> None:
    asked = many(github)
    pages = dict(graphql.newest_pulls(asked))
    batches = -(-MANY // queries.NEWEST_AT_ONCE)
    assert github.meter.endpoint_points == {"POST /graphql NewestPulls": batches}
    assert ledger.spent("graphql") == batches == sum(page.points for page in pages.values()) == 2
    assert [place for place, page in enumerate(pages.values()) if page.points] == [0, queries.NEWEST_AT_ONCE]
    assert {len(page.pulls) for page in pages.values()} == {queries.NEWEST}
    starts(pages, graphql, asked)


def test_one_repository_more_would_cost_two_points() -> None:
    def cost(count: int) -> int:
        return queries.points(count, count * queries.NEWEST)

    assert cost(queries.NEWEST_AT_ONCE) == 1
    assert cost(queries.NEWEST_AT_ONCE + 1) == 2


@pytest.mark.parametrize("fault", ["broken", "heavy"])
def test_a_pull_request_that_github_cannot_give_is_named_and_spoils_no_other_repository(
    graphql: GraphqlApi, github: Standin, fault: str
) -> None:
    asked = many(github)
    bad = asked[13]
    setattr(github.faults, fault, {(bad.forge_id, 5)})
    pages = dict(graphql.newest_pulls(asked))
    assert sum(page.points for page in pages.values()) <= github.meter.points["graphql"]
    every = [*pages[bad.forge_id].pulls, *rest_of(graphql, bad, pages[bad.forge_id])]
    assert len([entry for entry in every if isinstance(entry, Malformed)]) == 1
    assert numbers(every) == [7, 6, 4, 3, 2, 1]
    assert [len(pages[one.forge_id].pulls) for one in asked if one != bad] == [queries.NEWEST] * (MANY - 1)
    github.faults.clear()
    starts({key: page for key, page in pages.items() if key != bad.forge_id}, graphql, [*asked[:13], *asked[14:]])


def test_a_hole_that_passes_is_filled_and_what_filled_it_is_paid_for(graphql: GraphqlApi, github: Standin) -> None:
    asked = many(github)[:20]
    github.faults.next("partial", match="NewestPulls")
    pages = dict(graphql.newest_pulls(asked))
    starts(pages, graphql, asked)
    assert not [entry for page in pages.values() for entry in page.pulls if isinstance(entry, Malformed)]


def test_a_page_with_a_hole_is_asked_for_alone_and_costs_what_it_costs(client: GithubClient, github: Standin) -> None:
    api, newest, asked = GraphqlApi(client), NewestPulls(client, PullPages(client)), many(github)[:5]
    answer = newest.ask(asked)
    assert answer is not None
    assert answer.data is not None
    whole = dict(newest.pages(asked, answer))
    answer.data["nodes"][0]["pullRequests"]["nodes"][2] = None
    answer.data["nodes"][1]["pullRequests"]["nodes"][2]["closingIssuesReferences"] = None
    answer.data["nodes"][2] = answer.data["nodes"][3] = None
    errors = (
        GraphqlError(type="FORBIDDEN", message="no", path=("nodes", 0, *PLACE[2:], 2)),
        GraphqlError(type="FORBIDDEN", message="no", path=(*PLACE, 2, "closingIssuesReferences")),
        GraphqlError(type="NOT_FOUND", message="gone", path=("nodes", 2)),
        GraphqlError(type="MAX_NODE_LIMIT_EXCEEDED", message="more", path=("nodes", 3)),
    )
    holed = dict(newest.pages(asked, replace(answer, errors=errors)))
    assert set(holed) == {asked[place].forge_id for place in (0, 1, 3, 4)}
    assert [page.points for page in holed.values()] == [2, 1, 1, 0]
    starts({key: page for key, page in whole.items() if key in holed}, api, [asked[place] for place in (0, 1, 3, 4)])
    assert [len(page.pulls) for page in holed.values()] == [7, 7, 7, queries.NEWEST]
    nowhere = GraphqlError(type="FORBIDDEN", message="no", path=())
    with pytest.raises(ForgeUnavailable, match="the whole query"):
        dict(newest.pages(asked, replace(answer, errors=(nowhere,))))


def test_a_heavy_batch_is_asked_for_in_halves(graphql: GraphqlApi, github: Standin) -> None:
    asked = many(github)[:20]
    github.faults.next("bad_gateway", match="NewestPulls")
    pages = dict(graphql.newest_pulls(asked))
    assert [one.endpoint for one in github.meter.log].count("POST /graphql NewestPulls") == 3
    starts(pages, graphql, asked)


def test_an_outage_raises(graphql: GraphqlApi, github: Standin) -> None:
    github.faults.next("bad_gateway", times=1000)
    with pytest.raises(ForgeUnavailable):
        graphql.newest_pulls(many(github))
    assert len(github.meter.log) < 60


def test_closing_issues_come_with_the_page_however_many_they_are(graphql: GraphqlApi, github: Standin) -> None:
    busy = repository(github)
    busy.issues |= {n: StandinIssue(number=n, title="t", body="", created_at=BEGIN) for n in range(2000, 2025)}
    busy.pulls[MERGED].closes = [(busy.node_id, number) for number in range(2000, 2025)]
    asked = [record(github), *many(github)[:3]]
    pages = dict(graphql.newest_pulls(asked))
    most = pages[asked[0].forge_id].pulls[0]
    assert isinstance(most, ListedPull)
    assert [issue.number for issue in most.record.issues] == list(range(2000, 2025))
    assert [page.points for page in pages.values()] == [2, 0, 0, 0]
