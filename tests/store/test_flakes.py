"""The flake ledger: summed by test, arm and environment, the steadiest last, with what became of the instance."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from swemill.models import Attempt, Environment
from swemill.reasons import Reason, Stage
from swemill.store.facts import Work
from swemill.store.flakes import FlakyLine, Recorded, executions, flakes_of, flaky_lines, recorded
from swemill.values import Arm
from tests.store.history import History, work

pytestmark = pytest.mark.postgres

ID = "o__n-1"
DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def history(mill) -> History:
    return History(mill)


def installed(history: History, number: int = 1, *, repository: str = "o/n") -> str:
    return history.install(f"{repository.replace('/', '__')}-{number}", history.harvest(number, repository=repository))


def validating(environment: str, config: int = 0, *, number: int = 1, repository: str = "o/n") -> Work:
    instance_id = f"{repository.replace('/', '__')}-{number}"
    given = {"memory": config}
    return work(Stage.VALIDATE, instance_id, environment, given, instance_id=instance_id, repository=repository)


def flaky(history: History, environment: str, *words: str, config: int = 0, **of) -> str:
    """A lost validation whose runs after the gold patch passed these tests."""
    lost = history.lose(validating(environment, config, **of), Reason.FLAKY_FAIL_TO_PASS)
    history.ran(lost, environment, after=words)
    return lost


def ended(history: History, effect: str, at: datetime) -> None:
    with history.store.session() as session:
        session.execute(update(Attempt).where(Attempt.effect_key == effect).values(finished_at=at))


def lines(history: History, *, limit: int = 100, **filters) -> list[FlakyLine]:
    with history.store.session() as session:
        return flaky_lines(session, limit=limit, **filters)[0]


def told(history: History, **filters) -> list[tuple[str, str, int, int]]:
    return [(line.instance_id, line.test, line.passes, line.runs) for line in lines(history, **filters)]


def test_a_line_tells_the_test_its_place_and_what_became_of_the_instance(history):
    environment = installed(history)
    lost = history.lose(validating(environment), Reason.FLAKY_FAIL_TO_PASS)
    history.ran(lost, environment, before=["a -b", "a -b", "a -b"], after=["a b", "a -b", "a"])
    ended(history, lost, FIRST)
    (line,) = lines(history)
    with history.store.session() as session:
        row = session.scalars(select(Environment)).one()
    assert line == FlakyLine(
        test="b",
        instance_id=ID,
        repository="o/n",
        arm=Arm.AFTER,
        environment=row.id,
        image=row.image,
        strategy="unified",
        passes=1,
        runs=3,
        executions=3,
        first_seen=FIRST,
        last_seen=FIRST,
        reason="flaky_fail_to_pass",
    )
    assert line.probability == 1 / 3


def test_all_validations_in_an_environment_are_one_line_and_the_newest_tells_the_verdict(history):
    environment = installed(history)
    lost = flaky(history, environment, "a b", "b", "b")
    passed = history.validate(ID, environment)
    history.ran(passed, environment, after=["a b", "a b", "-a b"])
    steady = history.validate(ID, environment, config={"memory": 9})
    history.ran(steady, environment, after=["a b", "a b"])
    for effect, at in ((lost, FIRST), (passed, FIRST + DAY), (steady, FIRST + 2 * DAY)):
        ended(history, effect, at)
    (line,) = lines(history)
    assert (line.test, line.passes, line.runs, line.executions) == ("a", 3, 6, 8)
    assert (line.first_seen, line.last_seen, line.reason) == (FIRST, FIRST + DAY, None)


def test_arms_and_environments_are_lines_of_their_own(history):
    first = installed(history)
    flaky(history, first, "a", "-a")
    with history.store.session() as session:
        found = session.scalars(select(Attempt.effect_key).where(Attempt.stage == "harvest")).one()
    second = history.install(ID, found, config={"strategy": "adaptive"})
    lost = history.lose(validating(second), Reason.FLAKY_FAIL_TO_PASS)
    history.ran(lost, second, before=["a", "a", "-a"], after=["a", "-a", "-a"])
    shown = [(line.strategy, line.arm.value, line.passes, line.runs, line.executions) for line in lines(history)]
    assert shown == [
        ("unified", "after", 1, 2, 2),
        ("adaptive", "after", 1, 3, 3),
        ("adaptive", "before", 2, 3, 3),
    ]


def test_what_is_nearest_to_one_half_comes_first_and_the_limit_tells_how_many_follow(history):
    environment = installed(history)
    flaky(history, environment, "a b c d", "b c d", "b c", "b")
    with history.store.session() as session:
        shown, further = flaky_lines(session, limit=1)
        assert ([line.test for line in shown], further) == (["d"], 2)
        shown, further = flaky_lines(session, limit=2)
        assert ([line.test for line in shown], further) == (["d", "a"], 1)
        shown, further = flaky_lines(session, limit=3)
        assert ([line.test for line in shown], further) == (["d", "a", "c"], 0)
        assert flaky_lines(session, limit=1, instance_id="o__n-2") == ([], 0)
        assert flaky_lines(session, limit=1, below=0.25) == ([], 0)
        assert [line.test for line in flaky_lines(session, limit=9, below=0.5)[0]] == ["a"]


def test_filters_choose(history):
    here = installed(history)
    other = installed(history, 2, repository="o_o/n")
    flaky(history, here, "a b", "b", "-b")
    flaky(history, other, "c d", "c", "-d", number=2, repository="o_o/n")
    assert told(history, below=0.5) == [(ID, "a", 1, 3), ("o_o__n-2", "d", 1, 3)]
    assert told(history, below=1 / 3) == []
    assert told(history, instance_id=ID) == [(ID, "a", 1, 3), (ID, "b", 2, 3)]
    for patterns, expected in (
        (["o/n"], {ID}),
        (["o?o/*"], {"o_o__n-2"}),
        (["oxo/n"], set()),
        (["*/n"], {ID, "o_o__n-2"}),
        (["o/*", "o_o/n"], {ID, "o_o__n-2"}),
        (["O/n", "o/", "%/n", "_/n", "o\\_o/n"], set()),
    ):
        assert {line.instance_id for line in lines(history, repositories=patterns)} == expected, patterns


def test_since_is_when_it_was_last_seen_and_counts_stay_whole(history):
    environment = installed(history)
    for number, words in enumerate((("a b", "-a -b"), ("a b", "-a b"))):
        ended(history, flaky(history, environment, *words, config=number), FIRST + number * DAY)
    assert told(history, since=FIRST) == [(ID, "a", 2, 4), (ID, "b", 1, 2)]
    assert told(history, since=FIRST + DAY) == [(ID, "a", 2, 4)]
    assert told(history, since=FIRST + 2 * DAY) == []


def test_what_the_ledger_holds_at_all(history):
    with history.store.session() as session:
        assert recorded(session) == Recorded(instances=0, runs=0, flaky=0)
    steady = installed(history, 2)
    history.ran(history.validate("o__n-2", steady), steady, before=["-a"], after=["a"])
    environment = installed(history)
    for config, words in enumerate((("a b", "-a -b", "b"), ("a", "-a"))):
        flaky(history, environment, *words, config=config)
    with history.store.session() as session:
        assert recorded(session) == Recorded(instances=2, runs=7, flaky=2)
        assert recorded(session, ID) == Recorded(instances=1, runs=5, flaky=2)
        assert recorded(session, "o__n-2") == Recorded(instances=1, runs=2, flaky=0)
        assert recorded(session, "o__n-3") == Recorded(instances=0, runs=0, flaky=0)


def test_an_attempts_flaky_tests_and_every_run_of_an_instance(history, mill):
    environment = installed(history)
    first = flaky(history, environment, "a", "-a")
    second = flaky(history, environment, "-b", "b", config=1)
    installed(history, 2)
    with history.store.session() as session:
        keys = dict(session.execute(select(Attempt.id, Attempt.effect_key)).all())
        found = {keys[attempt]: [one.test for one in met] for attempt, met in flakes_of(session, ID).items()}
        runs = executions(session, ID)
        assert (flakes_of(session, "o__n-2"), executions(session, "o__n-2")) == ({}, [])
    assert found == {first: ["a"], second: ["b"]}
    assert [run.arm for run in runs] == [Arm.AFTER] * 4
    assert [mill.blobs.get(run.report_blob).count(b'"passed"') for run in runs] == [1, 0, 0, 1]
