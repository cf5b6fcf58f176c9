"""What every ForgeApi does, held against the GitHub stand-in; and what GraphQL alone knows, breaks and costs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse, validate

from swemill.adapters.github import queries
from swemill.adapters.github.answers import TooHeavy
from swemill.adapters.github.client import GithubClient
from swemill.adapters.github.graphql_api import GraphqlApi
from swemill.adapters.github.rest_api import RestApi
from swemill.errors import ForgeUnavailable, UnknownSubject
from swemill.ports import ForgeApi
from swemill.reasons import Reason
from swemill.values import Issue, ListedPull, Malformed, RepositoryQuery, RepositoryRecord, Window
from tests.contract.github.listings import BEGIN, numbers, pages, pull, record, repository, walk
from tests.github_standin.build import WorldBuilder
from tests.github_standin.cost import cost_of
from tests.github_standin.model import StandinComment, StandinIssue, World
from tests.github_standin.schema import load_schema
from tests.github_standin.server import Standin
from tests.unit.git_work_tree import git
from tests.unit.scripted_github import Ledger

MERGED = 230
ISSUES = {"NUL": 1001, "talk": 1002, "silent": 1003}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """``o/busy`` with 230 merged pull requests and three issues, ``o/quiet`` without, ``o/empty`` without a commit."""
    builder = WorldBuilder(tmp_path)
    built = builder.repository("o/busy", bugs=2, stars=300, licence="Apache-2.0", created_at=BEGIN)
    builder.repository("o/quiet", bugs=1, stars=20, licence=None, created_at=BEGIN + timedelta(days=1))
    builder.repository("o/empty", empty=True, stars=1, language=None, created_at=BEGIN + timedelta(days=2))
    world = builder.build()
    busy, tip = built.record, built.tip.oid
    busy.pulls = {number: pull(number, base_oid=tip, head_oid=tip) for number in range(1, MERGED + 1)}
    busy.pulls[500] = pull(500, base_oid=tip, head_oid=tip, merged_at=None)
    said = [StandinComment(body=f"said {turn}", created_at=BEGIN + timedelta(minutes=turn)) for turn in range(250)]
    for (title, number), comments in zip(ISSUES.items(), (said[:1], said, []), strict=True):
        busy.issues[number] = StandinIssue(
            number=number, title=title, body="a\0b", created_at=BEGIN, comments=list(comments)
        )
    return world


def test_a_walk_gives_every_merged_pull_request_once_the_last_updated_first(api: ForgeApi, github: Standin) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    found = list(pages(api, record(github)))
    assert numbers([entry for page in found for entry in page.pulls]) == list(range(MERGED, 0, -1))
    assert [len(page.pulls) for page in found] == [100, 100, 30]
    for page in found:
        last = page.pulls[-1]
        assert isinstance(last, ListedPull)
        assert page.oldest_update == last.updated_at
        assert before <= page.asked_at <= datetime.now(UTC) + timedelta(seconds=2)
        assert page.points == 1


def test_a_walk_that_the_other_api_began_begins_anew(client: GithubClient, github: Standin) -> None:
    """Who sets a token amid a listing has cursors of the REST API in the store."""
    one = record(github)
    for begun, goes_on in ((RestApi(client), GraphqlApi(client)), (GraphqlApi(client), RestApi(client))):
        cursor = begun.pull_page(one).cursor
        assert cursor is not None
        assert numbers(list(goes_on.pull_page(one, cursor=cursor).pulls)) == list(range(MERGED, MERGED - 100, -1))


def test_a_pull_request_is_told_whole_in_a_listing_and_alone(api: ForgeApi, github: Standin) -> None:
    repository(github).pulls[7].body = "a\0b"
    listed = next(entry for entry in walk(api, record(github)) if numbers([entry]) == [7])
    assert listed == api.pull_request(record(github), 7)
    assert isinstance(listed, ListedPull)
    told, true = listed.record, repository(github).pulls[7]
    assert (told.title, told.body, told.base_ref_name) == (true.title, "ab", "main")
    assert (told.base_ref_oid, told.head_ref_oid) == (true.base_oid, true.head_oid)
    assert told.merge_commit_oid == true.merge_commit_oid
    assert (told.created_at, told.merged_at) == (true.created_at, true.merged_at)
    assert listed.updated_at == true.updated_at


def test_what_is_no_merged_pull_request_is_malformed(api: ForgeApi, github: Standin) -> None:
    unmerged = api.pull_request(record(github), 500)
    assert isinstance(unmerged, Malformed)
    assert unmerged.drop.reason is Reason.NOT_MERGED
    for number in (1001, 99_999, 10**12):
        absent = api.pull_request(record(github), number)
        assert isinstance(absent, Malformed)
        assert absent.where == f"pull request {number}"


def test_a_repository_without_merged_pull_requests_has_an_empty_page(api: ForgeApi, github: Standin) -> None:
    page = api.pull_page(record(github, "o/quiet"))
    assert (page.pulls, page.cursor, page.oldest_update) == ((), None, None)


def test_a_probe_knows_the_newest_update_and_where_a_repository_is_now(api: ForgeApi, github: Standin) -> None:
    asked = [record(github), record(github, "o/quiet"), replace(record(github), forge_id="R_gone", location="x/o/gone")]
    github.world.rename("o/busy", "new-owner/busier")
    found = api.probe(asked)
    assert set(found) == {asked[0].forge_id, asked[1].forge_id}
    busy, quiet = found[asked[0].forge_id], found[asked[1].forge_id]
    assert (busy.name, busy.location) == ("new-owner/busier", github.git_url("new-owner/busier"))
    assert busy.newest_update == repository(github).pulls[MERGED].updated_at
    assert (quiet.name, quiet.newest_update) == ("o/quiet", None)


def test_a_renamed_repository_is_listed_by_its_id_even_where_its_name_was_taken(api: ForgeApi, github: Standin) -> None:
    old = record(github)
    github.world.rename("o/busy", "o/moved")
    assert len(api.pull_page(old).pulls) == 100
    new = RepositoryRecord(forge="github", name="o/busy", location=github.git_url("o/moved"), forge_id=old.forge_id)
    repository(github, "o/quiet").name = "o/busy"
    repository(github, "o/busy").pulls[1] = pull(1, title="of another")
    assert len(api.pull_page(new).pulls) == 100
    assert api.probe([new])[old.forge_id].name == "o/moved"


def test_a_pull_request_is_not_taken_from_another_repository_of_the_name(client: GithubClient, github: Standin) -> None:
    old = record(github)
    github.world.rename("o/busy", "o/moved")
    repository(github, "o/quiet").name = "o/busy"
    taken = repository(github, "o/busy")
    tip = git(taken.path, "rev-parse", "HEAD").decode().strip()
    taken.pulls[1] = pull(1, title="of another", base_oid=tip, head_oid=tip)
    with pytest.raises(UnknownSubject, match="another repository is called o/busy now"):
        RestApi(client).pull_request(old, 1)
    one = GraphqlApi(client).pull_request(old, 1)
    assert isinstance(one, ListedPull)
    assert one.record.title == "Change 1"


def test_a_repository_that_is_gone_is_named(api: ForgeApi, github: Standin) -> None:
    gone = record(github)
    del github.world.repositories[gone.forge_id]
    with pytest.raises(UnknownSubject, match="o/busy"):
        api.pull_page(gone)
    assert api.probe([gone]) == {}


def test_repositories_are_found_by_name_and_impossible_names_are_not_asked_for(api: ForgeApi, github: Standin) -> None:
    github.world.rename("o/quiet", "o/calm")
    found = api.repositories(["o/busy", "O/Quiet", "o/none", "o/", "a/b/c", 'x"){evil}/y', "o/..", "-/x", "o/busy\n"])
    assert set(found) == {"o/busy", "O/Quiet"}
    busy, calm = found["o/busy"], found["O/Quiet"]
    true = repository(github)
    assert (busy.forge_id, busy.name, busy.location) == (true.node_id, "o/busy", github.git_url("o/busy"))
    assert (busy.language, busy.licence, busy.stars, busy.size_kb) == ("Python", "Apache-2.0", 300, true.size_kb)
    assert (busy.created_at, busy.pushed_at) == (true.created_at, true.pushed_at)
    assert (busy.is_fork, busy.is_archived, busy.default_branch) == (False, False, "main")
    assert (calm.name, calm.licence) == ("o/calm", None)
    assert not any(one.status >= 500 for one in github.meter.log)


def test_a_search_gives_what_matches(api: ForgeApi, github: Standin) -> None:
    window = Window(since=BEGIN, until=BEGIN + timedelta(days=1))
    everything = api.search(RepositoryQuery(language=None))
    assert everything.total == len(everything.sightings) == 3
    assert everything.cursor is None
    some = {
        "o/busy": RepositoryQuery(min_stars=50, licence="Apache-2.0", created=window, min_size_kb=1),
        "o/quiet": RepositoryQuery(created=Window(since=window.until, until=window.until + timedelta(days=1))),
        "o/empty": RepositoryQuery(
            language=None, created=Window(since=BEGIN + timedelta(days=2), until=datetime.now(UTC))
        ),
    }
    for name, query in some.items():
        page = api.search(query)
        assert [sighting.name for sighting in page.sightings] == [name]
        assert page.sightings[0] == next(one for one in everything.sightings if one.name == name)
    assert api.search(RepositoryQuery(pushed_since=datetime.now(UTC), max_size_kb=10**6)).total == 0


def test_a_search_is_paged_to_its_end(api: ForgeApi, github: Standin) -> None:
    like = repository(github)
    for serial in range(120):
        copy = replace(like, node_id=f"R_{serial}", database_id=serial + 1, name=f"o/copy{serial}", pulls={}, issues={})
        github.world.repositories[copy.node_id] = copy
    first = api.search(RepositoryQuery())
    assert (first.total, len(first.sightings)) == (122, 100)
    assert first.cursor is not None
    second = api.search(RepositoryQuery(), cursor=first.cursor)
    assert second.cursor is None
    assert len({one.forge_id for one in (*first.sightings, *second.sightings)}) == 122


def test_deeper_paths_show_what_lies_in_the_folders(api: ForgeApi, github: Standin) -> None:
    api.repositories(["o/busy", "o/empty"])
    busy = repository(github)
    found = api.deeper_paths([busy.node_id])[busy.node_id]
    assert {"src/", "src/busy/", "tests/", "tests/test_package.py", "pyproject.toml"} <= set(found)
    assert "src/busy/__init__.py" not in found
    assert not any(api.deeper_paths([repository(github, "o/empty").node_id]).values())


def test_issues_are_found_by_number_and_pull_requests_are_none(api: ForgeApi, github: Standin) -> None:
    found = api.issues(record(github), [1001, 1002, 1001, 5, 77_777, 0, -1])
    assert set(found) == {1001, 1002}
    assert found[1001] == Issue(
        number=1001, title="NUL", body="ab", created_at=BEGIN, forge_id=found[1001].forge_id, repository=""
    )
    assert found[1001].forge_id != found[1002].forge_id
    assert api.issues(record(github), []) == {}


def test_all_comments_of_each_issue_come_in_order(api: ForgeApi, github: Standin) -> None:
    issues = list(api.issues(record(github), list(ISSUES.values())).values())
    found = api.comments(record(github), issues)
    told = {issue.title: [comment.body for comment in comments] for issue, comments in found.items()}
    assert told == {"NUL": ["said 0"], "talk": [f"said {turn}" for turn in range(250)], "silent": []}
    assert found[issues[1]][3].created_at == BEGIN + timedelta(minutes=3)
    del repository(github).issues[1001]
    assert api.comments(record(github), issues[:1]) == {issues[0]: ()}


def test_a_repository_that_is_too_heavy_to_probe_counts_as_changed(graphql: GraphqlApi, github: Standin) -> None:
    asked = [record(github), record(github, "o/quiet")]
    github.faults.heavy = {(asked[0].forge_id, MERGED)}
    found = graphql.probe(asked)
    newest = found[asked[0].forge_id].newest_update
    assert newest is not None
    assert abs(newest - datetime.now(UTC)) < timedelta(seconds=5)
    assert found[asked[0].forge_id].name == "o/busy"
    assert found[asked[1].forge_id].newest_update is None
    github.faults.next("bad_gateway", times=1000)
    with pytest.raises(ForgeUnavailable):
        graphql.probe(asked)


def test_a_rest_probe_of_what_cannot_be_read_counts_as_changed(client: GithubClient, github: Standin) -> None:
    repository(github, "o/quiet").pulls = {1: pull(1, base_oid="nonsense")}
    asked = record(github, "o/quiet")
    newest = RestApi(client).probe([asked])[asked.forge_id].newest_update
    assert newest is not None
    assert abs(newest - datetime.now(UTC)) < timedelta(seconds=5)


def test_an_interrupted_rest_probe_goes_on_where_it_was(client: GithubClient, github: Standin) -> None:
    api, asked = RestApi(client), [record(github), record(github, "o/quiet")]
    github.faults.next("unavailable", times=3, match="/repos/o/quiet")
    with pytest.raises(ForgeUnavailable):
        api.probe(asked)
    github.meter.clear()
    assert len(api.probe(asked)) == 2
    assert sum(one.resource == "core" for one in github.meter.log) == 1


def test_closing_issues_come_with_the_page_however_many_they_are(graphql: GraphqlApi, github: Standin) -> None:
    busy, quiet = repository(github), repository(github, "o/quiet")
    quiet.issues[1] = StandinIssue(number=1, title="elsewhere", body="", created_at=BEGIN)
    busy.issues |= {n: StandinIssue(number=n, title="t", body="", created_at=BEGIN) for n in range(2000, 2150)}
    busy.pulls[230].closes = [(busy.node_id, 1001), (quiet.node_id, 1)]
    busy.pulls[229].closes = [(busy.node_id, number) for number in range(2000, 2025)]
    busy.pulls[228].closes = [(busy.node_id, number) for number in range(2000, 2150)]
    page = graphql.pull_page(record(github))
    few, many, most = page.pulls[:3]
    assert isinstance(few, ListedPull)
    assert [(issue.number, issue.repository, issue.body) for issue in few.record.issues] == [
        (1001, "", "ab"),
        (1, "o/quiet", ""),
    ]
    assert isinstance(many, ListedPull)
    assert [issue.number for issue in many.record.issues] == list(range(2000, 2025))
    assert isinstance(most, Malformed)
    assert most.where == "pull request 228"
    assert page.points == 3


@pytest.mark.parametrize("fault", ["broken", "heavy"])
def test_what_github_cannot_give_is_named_and_all_others_come(graphql: GraphqlApi, github: Standin, fault: str) -> None:
    node_id = repository(github).node_id
    bad = {MERGED, 200, 131, 130, 1}
    setattr(github.faults, fault, {(node_id, number) for number in bad})
    found = list(pages(graphql, record(github)))
    entries = [entry for page in found for entry in page.pulls]
    assert numbers(entries) == [number for number in range(MERGED, 0, -1) if number not in bad]
    broken = [entry for entry in entries if isinstance(entry, Malformed)]
    assert len(broken) == len(bad)
    assert {entry.drop.reason for entry in broken} == {Reason.MALFORMED_RECORD}
    assert len({entry.where for entry in broken}) == len(bad)
    assert all(page.oldest_update for page in found if page.cursor)
    assert len(github.meter.log) < 150


def test_pages_shrink_where_they_are_too_heavy_and_grow_again(graphql: GraphqlApi, github: Standin) -> None:
    github.faults.heaviest_page = 30
    first = graphql.pull_page(record(github))
    assert len(first.pulls) == 25
    github.meter.clear()
    second = graphql.pull_page(record(github), cursor=first.cursor)
    assert 15 <= len(second.pulls) <= 30
    assert len(github.meter.log) <= 2
    github.faults.heaviest_page = None
    sizes = [len(page.pulls) for page in pages(graphql, record(github))]
    assert sum(sizes) == MERGED
    assert sizes[:4] == sorted(sizes[:4])
    assert sizes[3] > sizes[0]


def test_an_outage_makes_nothing_malformed(graphql: GraphqlApi, github: Standin) -> None:
    github.faults.next("bad_gateway", times=1000)
    with pytest.raises(TooHeavy):
        graphql.pull_page(record(github))
    github.faults.clear()
    assert numbers(walk(graphql, record(github))) == list(range(MERGED, 0, -1))


def test_heavy_batches_are_asked_for_in_halves(graphql: GraphqlApi, github: Standin) -> None:
    issues = list(graphql.issues(record(github), list(ISSUES.values())).values())
    whole = graphql.comments(record(github), issues)
    github.faults.next("bad_gateway", times=1, match="Comments")
    assert graphql.comments(record(github), issues) == whole
    github.faults.heaviest_page = 40
    assert graphql.comments(record(github), issues) == whole
    assert len(graphql.search(RepositoryQuery(language=None)).sightings) == 3


def test_a_hundred_of_everything_costs_one_point(graphql: GraphqlApi, github: Standin, ledger: Ledger) -> None:
    like = repository(github, "o/quiet")
    busy = repository(github)
    for serial in range(97):
        copy = replace(like, node_id=f"R_{serial}", database_id=serial + 1, name=f"o/copy{serial}")
        github.world.repositories[copy.node_id] = copy
    every = [record(github, one.name) for one in github.world.repositories.values()]
    busy.issues |= {n: StandinIssue(number=n, title="t", body="", created_at=BEGIN) for n in range(3000, 3100)}
    asked = {
        "Probe": lambda: graphql.probe(every),
        "Repositories": lambda: graphql.repositories([one.name for one in every]),
        "PullPage": lambda: graphql.pull_page(record(github)),
        "Search": lambda: graphql.search(RepositoryQuery()),
    }
    for name, ask in asked.items():
        github.meter.clear()
        ask()
        assert github.meter.endpoint_points == {f"POST /graphql {name}": 1}
    issues = list(graphql.issues(record(github), range(3000, 3100)).values())
    github.meter.clear()
    assert len(graphql.comments(record(github), issues)) == 100
    assert github.meter.points["graphql"] == 1
    assert ledger.spent("graphql") == 5 + 2


def documents() -> dict[str, str]:
    """Every document of ``queries``: what is a constant there, and what a function makes of a count."""
    found = {}
    for name, value in vars(queries).items():
        if not name.startswith("_") and isinstance(value, str) and "query " in value:
            found[name] = value
        elif name.endswith("_document"):
            found |= {f"{name}({count})": value(count) for count in (1, 2, 100)}
    return found


@pytest.mark.parametrize("name", documents())
def test_every_document_holds_against_githubs_schema_and_within_its_limits(name: str) -> None:
    schema, document = load_schema(), parse(documents()[name])
    assert validate(schema, document) == []
    (operation,) = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    at_once = {"DEEPER_PATHS": queries.TREES, "NEWEST_PULLS": queries.NEWEST_AT_ONCE}
    ids = [f"R_{serial}" for serial in range(at_once.get(name, queries.PAGE))]
    variables = {"ids": ids, "first": queries.PAGE, "issues": queries.CLOSED}
    cost = cost_of(schema, document, operation, variables)
    assert cost.errors == []
    assert cost.points == 1
    assert "rateLimit { cost remaining limit resetAt }" in documents()[name]


def test_no_document_is_forgotten() -> None:
    assert len(documents()) == 12 + 2 * 3
