"""The nightly harvest of GitHub over a stand-in that speaks its protocols: every pull request ends as it must."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import delete, func, select

from swemill.errors import AlreadyClaimed, ForgeUnavailable, RateLimited, UnknownSubject
from swemill.jobs import discover, harvest_github, pending
from swemill.jobs.load import repository_record
from swemill.models import ApiBudget, AskedWindow, Attempt, Incident, Instance, ListingPage, PullRequest, Repository
from swemill.store.loading import load_instance
from swemill.store.pending import pending_installs
from swemill.values import Window
from swemill.wiring import Mill
from tests.fact_counts import fact_counts
from tests.github_standin.build import SINCE, UNTIL, WorldBuilder, reopened, standard_world
from tests.github_standin.expected import Expected
from tests.github_standin.model import World
from tests.github_standin.server import Standin

pytestmark = pytest.mark.postgres

ALWAYS = Window(since=datetime(2015, 1, 1, tzinfo=UTC), until=datetime(2100, 1, 1, tzinfo=UTC))
SEASON = Window(since=SINCE, until=UNTIL)


def quiet(_: str) -> None:
    """Says nothing."""


@dataclass
class Made:
    world: World
    expected: Expected


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A world that no test changes."""
    return Made(*standard_world(tmp_path_factory.mktemp("world"), repositories=4, pulls=20))


@pytest.fixture
def github(made: Made) -> Iterator[Standin]:
    with Standin(made.world, token_quota=100_000) as server:
        yield server


def mill_of(make_mill, database: str, github: Standin, **more: str) -> Mill:
    settings = {"GITHUB_TOKEN": "t0ken", "SWEMILL_GITHUB_API_URL": github.url, **more}
    return make_mill(database, **settings)


def harvest(mill: Mill, window: Window, names=()) -> harvest_github.Harvested | None:
    """Plan and do, as a run of the DAG does."""
    planned = harvest_github.plan(mill, window, names=names, say=quiet)
    return harvest_github.harvest_repositories(mill, planned, window, say=quiet) if planned else None


def waiting(mill: Mill, window: Window) -> list[str]:
    """What is pending, as a pass asks for it."""
    params = {"source": "github", "since": window.since.isoformat(), "until": window.until.isoformat()}
    return pending.of(mill, "harvest", params)


def key(instance_id: str) -> tuple[str, int]:
    name, _, number = instance_id.rpartition("-")
    return name.replace("__", "/", 1), int(number)


def verdicts(mill: Mill) -> dict[tuple[str, int], str | None]:
    """Reason by pull request; None for an instance."""
    with mill.store.session() as session:
        rows = session.execute(
            select(Attempt.subject, Attempt.reason).where(Attempt.stage == "harvest").order_by(Attempt.id)
        ).all()
    return {key(subject): reason for subject, reason in rows}


def dump(mill: Mill) -> dict[str, list]:
    """What was found, whatever the way there."""
    with mill.store.session() as session:
        return {
            "pulls": sorted(
                session.execute(
                    select(Repository.name, PullRequest.number, PullRequest.revision, PullRequest.content_hash).join(
                        Repository, Repository.id == PullRequest.repository_id
                    )
                )
            ),
            "attempts": sorted(
                session.execute(
                    select(Attempt.subject, Attempt.input_key, func.coalesce(Attempt.reason, "")).where(
                        Attempt.stage == "harvest"
                    )
                )
            ),
            "instances": sorted(
                session.execute(
                    select(
                        Instance.instance_id,
                        Instance.base_commit,
                        Instance.patch_blob,
                        Instance.test_patch_blob,
                        Instance.problem_statement,
                        Instance.hints_text,
                        Instance.version,
                        Instance.licence_blob,
                    )
                )
            ),
        }


def test_every_pull_request_of_the_window_ends_as_it_must(make_mill, database, github, made):
    mill = mill_of(make_mill, database, github)
    names = sorted(repository.name for repository in made.world.repositories.values())
    discover.add(mill, names, say=quiet)
    expected = made.expected.within(SEASON.since, SEASON.until)
    done = harvest(mill, SEASON)
    assert done is not None
    assert (done.kept, done.rejected) == (len(expected.instances), len(expected.reasons))
    wanted = {**expected.reasons, **dict.fromkeys(expected.instances)}
    assert verdicts(mill) == wanted
    with mill.store.session() as session:
        rows = {key(row.instance_id): row for row in session.scalars(select(Instance))}
    for which, right in expected.instances.items():
        row = rows[which]
        assert row.base_commit == right.base_commit, (which, right.way)
        assert tuple(row.issue_numbers) == right.issue_numbers
        assert row.problem_statement.replace("\\0", "") == right.problem_statement
        assert row.hints_text.replace("\\0", "") == right.hints_text
        assert row.created_at == right.created_at
        for blob, paths in ((row.patch_blob, right.other_paths), (row.test_patch_blob, right.test_paths)):
            assert mill.blobs.get(blob).count(b"diff --git ") == len(paths)

    with mill.store.session() as session:
        before, spent = fact_counts(session), github.meter.points["graphql"]
    assert harvest(mill, SEASON) is None, "the listing began after the window's end: nobody is asked"
    assert waiting(mill, SEASON) == []
    assert harvest_github.harvest_repositories(mill, names[:2], SEASON, say=quiet).new == 0
    with mill.store.session() as session:
        assert fact_counts(session) == before
    assert github.meter.points["graphql"] == spent

    older = made.expected.within(ALWAYS.since, SEASON.since)
    assert older.merged_at
    harvest(mill, ALWAYS)
    assert verdicts(mill) == {**made.expected.reasons, **dict.fromkeys(made.expected.instances)}
    assert harvest_github.plan(mill, ALWAYS, say=quiet) == []


def test_windows_may_overlap_and_come_in_any_order(make_mill, create_database, github, made, tmp_path):
    days = [SINCE + timedelta(days=n) for n in (0, 20, 40, 61)]
    spans = [Window(since=since, until=until) for since, until in pairwise(days)]
    overlapping = [Window(since=one.since - timedelta(days=3), until=one.until) for one in spans]
    found = []
    for number, windows in enumerate([[SEASON], spans, overlapping[::-1]]):
        mill = mill_of(make_mill, create_database(), github, SWEMILL_MIRRORS_DIR=str(tmp_path / "mirrors"))
        discover.add(mill, [one.name for one in made.world.repositories.values()], say=quiet)
        for window in windows:
            harvest(mill, window)
        if number == 2:
            harvest(mill, SEASON)
        found.append(dump(mill))
    first, second, third = ({name: rows for name, rows in one.items() if name != "pulls"} for one in found)
    assert second == first
    early = [row for row in third["attempts"] if row not in first["attempts"]]
    assert [row for row in third["attempts"] if row not in early] == first["attempts"]
    assert all(made.expected.merged_at[key(row[0])] < SINCE for row in early), "three days more were asked for"


def test_two_workers_at_once_find_the_same(make_mill, create_database, github, made, tmp_path):
    names = sorted(one.name for one in made.world.repositories.values())

    def mill_on(database: str) -> Mill:
        return mill_of(make_mill, database, github, SWEMILL_MIRRORS_DIR=str(tmp_path / "mirrors"))

    alone = mill_on(create_database())
    discover.add(alone, names, say=quiet)
    harvest(alone, SEASON)
    database = create_database()
    discover.add(mill_on(database), names, say=quiet)
    planned = harvest_github.plan(mill_on(database), SEASON, say=quiet)

    def work(order: list[str]) -> None:
        mill = mill_on(database)
        while True:
            try:
                harvest_github.harvest_repositories(mill, order, SEASON, say=quiet)
            except AlreadyClaimed:
                continue  # as whoever drives the work does
            return

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (planned, planned)))
    assert dump(mill_on(database)) == dump(alone)


@pytest.fixture
def small(tmp_path) -> WorldBuilder:
    """A world of one repository with three tasks, its own to change."""
    builder = WorldBuilder(tmp_path / "world")
    one = builder.repository("o/n", bugs=12)
    for _ in range(3):
        issue = one.issue("It breaks", "When I press it.", comments=[(datetime(2018, 1, 1, tzinfo=UTC), "Here too.")])
        one.pull("squash", issues=[issue])
    builder.build()
    return builder


@pytest.fixture
def serving(small) -> Iterator[Standin]:
    with Standin(small.world) as server:
        yield server


@pytest.fixture
def known(make_mill, database, serving) -> Mill:
    mill = mill_of(make_mill, database, serving)
    discover.add(mill, ["o/n"], say=quiet)
    return mill


def instances(mill: Mill) -> list[tuple[str, str]]:
    with mill.store.session() as session:
        return [(row.instance_id, row.repository) for row in session.scalars(select(Instance).order_by(Instance.id))]


def test_an_edited_pull_request_is_a_new_revision_of_the_same_instance(known, small, serving):
    assert harvest(known, ALWAYS).kept == 3
    assert harvest(known, ALWAYS) is None
    pull = next(iter(small.builders["o/n"].record.pulls.values()))
    with small.world.lock:
        pull.title, pull.updated_at = "Fix it properly", serving.clock.now()
    done = harvest(known, ALWAYS)
    assert (done.kept, done.new) == (1, 2)
    assert len(instances(known)) == 3, "the statement is the issue's: the instance is what it was"
    with small.world.lock:
        small.builders["o/n"].record.issues[pull.closes[0][1]].body += " Every time."
        pull.updated_at = serving.clock.now()
    assert harvest(known, ALWAYS).kept == 1
    ids = [name for name, _ in instances(known)]
    assert (len(ids), len(set(ids))) == (4, 3)
    with known.store.session() as session:
        rows = session.execute(
            select(PullRequest.revision, PullRequest.title)
            .where(PullRequest.number == pull.number)
            .order_by("revision")
        ).all()
    assert [row.revision for row in rows] == [1, 2, 3]
    assert rows[1].title == "Fix it properly"


def test_a_renamed_repository_keeps_its_ids(known, small, serving):
    assert harvest(known, ALWAYS).kept == 3
    small.world.rename("o/n", "new/name")
    builder = reopened(small.builders["o/n"].record)
    issue = builder.issue("Another", "It is wrong.", created_at=datetime(2024, 1, 1, tzinfo=UTC))
    touches = {"src/n/more.py": b"MORE = 1\n", "tests/test_more.py": b"def test_more():\n    assert True\n"}
    builder.pull("squash", touches=touches, issues=[issue], merged_at=serving.clock.now())
    builder.finish()
    said: list[str] = []
    assert harvest_github.plan(known, ALWAYS, say=said.append) == ["o/n"]
    assert said == ["o/n is called new/name now"]
    assert harvest(known, ALWAYS, names=["new/name"]).kept == 1
    found = instances(known)
    assert len(found) == len(set(found)) == 4
    assert {repository for _, repository in found} == {"o/n"}
    assert all(instance_id.startswith("o__n-") for instance_id, _ in found)
    with known.store.session() as session:
        stays = repository_record(load_instance(session, found[0][0]))
    assert stays.name == "o/n"
    assert stays.location.endswith("/new/name.git"), "commits are fetched from where it is now"
    before = dump(known)
    harvest(known, ALWAYS)  # it looks once more: the newest update was less than the margin ago
    assert dump(known) == before


def test_nobody_is_asked_about_names_that_are_not_harvested(known):
    assert harvest_github.unknown(known, ["O/n", "x/y", "x/y"]) == ["x/y"]
    assert harvest_github.unknown(known, []) == []
    with pytest.raises(UnknownSubject, match="x/y: not among"):
        harvest_github.plan(known, ALWAYS, names=["x/y"])
    with pytest.raises(UnknownSubject, match="x/y: not among"):
        harvest_github.harvest_repositories(known, ["o/n", "x/y"], ALWAYS)


def test_a_spent_quota_stops_at_once_and_the_next_run_goes_on(known, small, serving):
    planned = harvest_github.plan(known, ALWAYS, say=quiet)
    with known.store.session() as session:
        row = session.scalars(select(ApiBudget).where(ApiBudget.resource == "graphql")).one()
        row.remaining, row.resets_at = 1, datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(RateLimited):
        harvest_github.harvest_repositories(known, planned, ALWAYS, say=quiet)
    with known.store.session() as session:
        assert session.scalar(select(func.count()).select_from(ListingPage)) == 1, "the page that was paid for is kept"
        assert session.scalar(select(func.count()).select_from(PullRequest)) == 3
        assert session.scalar(select(func.count()).select_from(Incident)) == 0
        session.execute(delete(ApiBudget))
    assert waiting(known, ALWAYS) == planned == ["o/n"]
    points = serving.meter.points["graphql"]
    assert harvest_github.harvest_repositories(known, planned, ALWAYS, say=quiet).kept == 3
    assert serving.meter.points["graphql"] == points + 2, "a probe and the comments; no page twice"


def test_without_a_token_every_hour_finishes_something(make_mill, database, made):
    names = sorted(one.name for one in made.world.repositories.values() if one.pulls)[:3]
    with Standin(made.world, anonymous_quota=22) as server:
        mill = mill_of(make_mill, database, server, GITHUB_TOKEN="")
        discover.add(mill, names, say=quiet)
        done = []
        while True:
            try:
                harvest(mill, SEASON)
                break
            except RateLimited:
                server.clock.advance(3600)
            with mill.store.session() as session:
                session.execute(delete(ApiBudget))
                done.append(session.scalar(select(func.count()).where(Attempt.stage == "harvest")))
            assert len(done) < 30
    assert len(done) > 1
    assert done == sorted(set(done)), "an hour that finishes nothing may be followed by such hours for ever"


def test_a_repository_that_another_process_works_on_is_left_to_it(known):
    planned = harvest_github.plan(known, ALWAYS, say=quiet)
    meanwhile: list[str] = []

    def rival(line: str) -> None:
        if "page 1" in line:
            with pytest.raises(AlreadyClaimed, match="o/n"):
                harvest_github.harvest_repositories(known, planned, ALWAYS, say=meanwhile.append)

    assert harvest_github.harvest_repositories(known, planned, ALWAYS, say=rival).kept == 3
    assert meanwhile == []


def test_what_github_cannot_give_is_a_loss_with_its_place(known, small, serving):
    record = small.builders["o/n"].record
    broken = min(record.pulls)
    serving.faults.broken.add((record.node_id, broken))
    done = harvest(known, ALWAYS)
    assert done is not None
    assert done.kept == 2
    ((subject, reason),) = losses(known).items()
    assert subject.startswith("o/n: ")
    assert reason == "malformed_record"
    assert harvest_github.plan(known, ALWAYS, say=quiet) == []


def test_a_repository_that_is_gone_is_said_and_asked_for_no_more(known, small):
    planned = harvest_github.plan(known, ALWAYS, say=quiet)
    with small.world.lock:
        small.world.repositories.clear()
    done = harvest_github.harvest_repositories(known, planned, ALWAYS, say=quiet)
    assert (done.kept, done.new) == (0, 1)
    said: list[str] = []
    assert harvest_github.plan(known, ALWAYS, say=said.append) == []
    assert said == ["o/n: gone, or closed to us"]
    assert list(losses(known)) == ["o/n: the repository"]


def losses(mill: Mill) -> dict[str, str]:
    with mill.store.session() as session:
        rows = session.execute(select(Attempt.subject, Attempt.reason).where(Attempt.stage == "harvest")).all()
    return {subject: reason for subject, reason in rows if reason}


@pytest.mark.parametrize("moment", ["page 1", "harvested"])
def test_a_repository_that_goes_in_the_middle_and_comes_back_has_lost_nothing(known, small, moment):
    planned = harvest_github.plan(known, ALWAYS, say=quiet)
    kept = dict(small.world.repositories)

    def vanish(line: str) -> None:
        if moment in line:
            with small.world.lock:
                small.world.repositories.clear()

    done = harvest_github.harvest_repositories(known, planned, ALWAYS, say=vanish)
    assert done.rejected == 0
    if done.kept == 0:
        assert losses(known) == {"o/n: the repository": "missing_repository"}
        assert harvest_github.plan(known, ALWAYS, say=quiet) == []
    small.world.repositories.update(kept)
    harvest(known, ALWAYS)
    assert len(instances(known)) == 3
    assert waiting(known, ALWAYS) == []


def test_missed_nights_are_made_up_and_older_gaps_are_not(known):
    day = timedelta(days=1)
    night = Window(since=datetime(2026, 10, 20, tzinfo=UTC), until=datetime(2026, 10, 21, tzinfo=UTC))
    assert harvest_github.made_up(known, night) == night, "nothing was asked for before"
    harvest(known, Window(since=night.since - 90 * day, until=night.since - 40 * day))
    assert harvest_github.made_up(known, night) == night, "that is a backfill's"
    harvest(known, Window(since=night.since - 5 * day, until=night.since - 4 * day))
    assert harvest_github.made_up(known, night) == Window(since=night.since - 4 * day, until=night.until)
    harvest(known, harvest_github.made_up(known, night))
    later = Window(since=night.until, until=night.until + day)
    assert harvest_github.made_up(known, later) == later


def test_a_forge_that_fails_for_one_repository_leaves_the_others_done(make_mill, database, small, serving):
    other = small.repository("o/other", bugs=4)
    other.pull("squash", issues=[other.issue("It breaks", "Too.")])
    small.build()
    mill = mill_of(make_mill, database, serving)
    discover.add(mill, ["o/n", "o/other"], say=quiet)
    planned = harvest_github.plan(mill, ALWAYS, say=quiet)
    serving.faults.next("unavailable", times=1000, match="/o/n.git")
    with pytest.raises(ForgeUnavailable, match="o/n: "):
        harvest_github.harvest_repositories(mill, planned, ALWAYS, say=quiet)
    assert {repository for _, repository in instances(mill)} == {"o/other"}
    with mill.store.session() as session:
        assert session.scalars(select(Incident.subject)).all() == ["o/n"]
    serving.faults.clear()
    assert waiting(mill, ALWAYS) == ["o/n"]
    assert harvest(mill, ALWAYS, names=["o/n"]).kept == 3


def test_named_pull_requests_need_no_token_and_no_window(make_mill, database, small, serving):
    mill = mill_of(make_mill, database, serving, GITHUB_TOKEN="")
    number = max(small.builders["o/n"].record.pulls)
    done = harvest_github.harvest_named(mill, [("o/n", number), ("o/n", 999)], say=quiet)
    assert (done.kept, done.rejected) == (1, 1)
    assert instances(mill) == [(f"o__n-{number}", "o/n")]
    with mill.store.session() as session:
        assert "Here too." in session.scalars(select(Instance.hints_text)).one()
    before = len(serving.meter.requests)
    assert harvest_github.harvest_named(mill, [("o/n", number)], say=quiet).new == 0
    assert len(serving.meter.requests) == before
    with mill.store.session() as session:
        assert session.scalar(select(func.count()).select_from(AskedWindow)) == 0


def test_an_evaluation_set_withdraws_what_was_harvested_and_leaves_the_rest_as_it_is(
    make_mill, database, small, serving, tmp_path
):
    sets = tmp_path / "sets"
    sets.mkdir()
    home = tmp_path / "one-home"
    first = mill_of(make_mill, database, serving, home=home)
    pull = next(iter(small.builders["o/n"].record.pulls.values()))
    small.builders["o/n"].record.issues[pull.closes[0][1]].body = "This one alone talks of kettles that do not boil."
    discover.add(first, ["o/n"], say=quiet)
    assert harvest(first, ALWAYS).kept == 3
    with first.store.session() as session:
        before = {pending.subject: pending.input_key for pending in pending_installs(session, ["any"])}
        taken = f"o__n-{pull.number}"
        claimed = session.scalars(select(Instance).where(Instance.instance_id == taken)).one()
    row = {"repo": "x/y", "instance_id": "x__y-1", "problem_statement": claimed.problem_statement}
    (sets / "ours.jsonl").write_text(json.dumps(row) + "\n")

    claiming = mill_of(make_mill, database, serving, home=home, SWEMILL_EVALUATION_DIR=str(sets))
    assert harvest(claiming, ALWAYS).rejected == 1
    assert losses(claiming)[taken] == "statement_in_evaluation_set"
    with first.store.session() as session:
        left = {pending.subject: pending.input_key for pending in pending_installs(session, ["any"])}
    assert left == {subject: key for subject, key in before.items() if subject != taken}, "the others start anew"

    assert harvest(first, ALWAYS).kept == 3
    with first.store.session() as session:
        again = {pending.subject: pending.input_key for pending in pending_installs(session, ["any"])}
    assert again == before
    assert len(instances(first)) == 3


def test_instances_of_a_repository_that_an_evaluation_set_claims_are_withdrawn_whoever_comes_first(
    make_mill, database, small, serving, tmp_path
):
    sets, home = tmp_path / "sets", tmp_path / "one-home"
    sets.mkdir()
    first = mill_of(make_mill, database, serving, home=home)
    discover.add(first, ["o/n"], say=quiet)
    assert harvest(first, ALWAYS).kept == 3
    with first.store.session() as session:
        before = pending_installs(session, ["any"])
    (sets / "ours.toml").write_text('name = "Ours"\nsource = "us"\nrepositories = ["O/n"]\n')
    claiming = mill_of(make_mill, database, serving, home=home, SWEMILL_EVALUATION_DIR=str(sets))
    assert discover.add(claiming, ["o/n"], say=quiet).rejected == 1
    said: list[str] = []
    assert harvest_github.plan(claiming, ALWAYS, say=said.append) == []
    assert len(said) == 3
    assert "withdrawn (in_evaluation_set) O/n is in Ours" in said[0].replace("o/n", "O/n")
    with first.store.session() as session:
        assert pending_installs(session, ["any"]) == []
    assert harvest_github.withdraw_claimed(claiming) == 0

    discover.add(first, ["o/n"], say=quiet)
    assert harvest(first, ALWAYS).kept == 3
    with first.store.session() as session:
        assert pending_installs(session, ["any"]) == before


def test_a_repository_that_moves_to_a_claimed_name_is_claimed(make_mill, database, small, serving, tmp_path):
    sets = tmp_path / "sets"
    sets.mkdir()
    (sets / "ours.toml").write_text('name = "Ours"\nsource = "us"\nrepositories = ["new/name"]\n')
    mill = mill_of(make_mill, database, serving, SWEMILL_EVALUATION_DIR=str(sets))
    discover.add(mill, ["o/n"], say=quiet)
    assert harvest(mill, ALWAYS).kept == 3
    small.world.rename("o/n", "new/name")
    harvest_github.plan(mill, ALWAYS, say=quiet)  # sees the new name
    harvest_github.plan(mill, ALWAYS, say=quiet)
    with mill.store.session() as session:
        assert pending_installs(session, ["any"]) == []
    assert losses(mill) == dict.fromkeys([name for name, _ in instances(mill)], "in_evaluation_set")
