"""What was lost is pending again when somebody asks, once for each time it was asked; no fact goes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from swemill.effects import config_key
from swemill.models import Attempt, ReprocessRequest
from swemill.reasons import Reason, Stage
from swemill.store import pending, report
from swemill.store.facts import Work
from swemill.store.reprocess import Lost, WorkKey, as_asked, ask_again, losses, newest_tries
from swemill.values import Window
from tests.store.history import POLICY, History, work

pytestmark = pytest.mark.postgres

ID = "o__n-1"
SUBJECT = f"{ID}@oracle#1"
UNIFIED, ADAPTIVE = {"strategy": "unified"}, {"strategy": "adaptive"}
LADDER = [config_key(Stage.INSTALL, 1, config) for config in (UNIFIED, ADAPTIVE)]
EVER = Window(since=datetime.now(UTC) - timedelta(days=1), until=datetime.now(UTC) + timedelta(days=2))


@pytest.fixture
def history(mill) -> History:
    return History(mill)


def attempt_id(history: History, effect: str) -> int:
    with history.store.session() as session:
        return session.scalars(select(Attempt.id).where(Attempt.effect_key == effect)).one()


def ask(history: History, *effects: str) -> int:
    """Asks for the attempts with these effect keys; returns how many were not asked for before."""
    found = [attempt_id(history, effect) for effect in effects]
    with history.store.session() as session:
        return len(ask_again(session, found, by="me", why="it was slow"))


def numbered(history: History, item: Work) -> Work:
    with history.store.session() as session:
        return as_asked(session, [item])[0]


def lost(history: History, stage: Stage, window: Window = EVER, **filters) -> list[Lost]:
    with history.store.session() as session:
        return losses(session, stage, window=window, **filters)


def validations(history: History) -> list[str]:
    with history.store.session() as session:
        return [item.subject for item in pending.pending_validations(session, config_key(Stage.VALIDATE, 1, {}))]


def installs(history: History) -> list[str]:
    with history.store.session() as session:
        return [item.subject for item in pending.pending_installs(session, LADDER)]


def test_a_loss_is_pending_again_until_its_new_attempt_is_there(history):
    item = work(Stage.VALIDATE, ID, history.install(ID, history.harvest()), instance_id=ID)
    first = history.lose(item, Reason.TESTS_TIMED_OUT)
    assert numbered(history, item) == item
    assert validations(history) == []
    assert ask(history, first) == 1
    assert validations(history) == [ID]
    second = numbered(history, item)
    assert (second.again, second.config_key, second.input_key) == (1, item.config_key, item.input_key)
    new = history.lose(second, Reason.NO_REPORT)
    assert new != first
    assert validations(history) == []
    assert ask(history, first) == 0, "what was fulfilled is not fulfilled again"
    assert validations(history) == []
    with history.store.session() as session:
        told = [(attempt.effect_key, attempt.reason) for attempt in report.history(session, ID)[-2:]]
        (asked,) = report.asked_again(session, ID)
    assert told == [(first, "tests_timed_out"), (new, "no_report")]
    assert (asked.stage, asked.reason, asked.asked_by, asked.why) == (
        "validate",
        "tests_timed_out",
        "me",
        "it was slow",
    )
    assert ask(history, new) == 1
    assert validations(history) == [ID]
    assert numbered(history, item).again == 2


def test_asking_twice_or_both_at_once_asks_once(history):
    environment = history.install(ID, history.harvest())
    lost = [
        history.lose(work(Stage.VALIDATE, ID, environment, {"memory": memory}), Reason.NO_REPORT)
        for memory in range(20)
    ]
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda _: ask(history, *lost), range(4)))
    assert sum(new) == 20
    assert ask(history, *lost) == 0
    with history.store.session() as session:
        assert session.scalar(select(func.count()).select_from(ReprocessRequest)) == 20


def test_a_request_is_about_its_own_work_alone(history):
    environment = history.install(ID, history.harvest())
    item = work(Stage.VALIDATE, ID, environment)
    ask(history, history.lose(item, Reason.NO_REPORT))
    for other in (
        replace(item, input_key="another environment"),
        replace(item, code_version=2),
        replace(item, subject="o__n-2"),
        replace(item, stage=Stage.JUDGE),
    ):
        assert numbered(history, other).again == 0
    with history.store.session() as session:
        many = as_asked(session, [item, replace(item, subject="o__n-2"), replace(item, stage=Stage.JUDGE)])
        assert [one.again for one in many] == [1, 0, 0]
        assert as_asked(session, []) == []


def test_one_rung_of_the_ladder_is_climbed_again(history):
    found = history.harvest()
    unified, adaptive = (
        history.lose(work(Stage.INSTALL, ID, found, config), Reason.BUILD_FAILED) for config in (UNIFIED, ADAPTIVE)
    )
    assert installs(history) == []
    ask(history, adaptive)
    assert installs(history) == [ID]
    again = numbered(history, work(Stage.INSTALL, ID, found, ADAPTIVE))
    history.lose(again, Reason.BUILD_TIMEOUT)
    assert installs(history) == []
    assert [(one.strategy, one.reason) for one in lost(history, Stage.INSTALL)] == [
        ("unified", "build_failed"),
        ("adaptive", "build_timeout"),
    ]
    assert ask(history, unified) == 1


def test_what_is_lost_is_found_by_reason_date_and_strategy_the_oldest_first(history):
    before = datetime.now(UTC) - timedelta(minutes=1)
    first, second = history.harvest(), history.harvest(2)
    history.lose(work(Stage.INSTALL, "o__n-2", second, UNIFIED, repository="o/n"), Reason.BUILD_FAILED)
    history.lose(work(Stage.INSTALL, ID, first, UNIFIED, repository="o/n"), Reason.BUILD_TIMEOUT)
    history.lose(work(Stage.INSTALL, ID, first, ADAPTIVE, repository="o/n"), Reason.BUILD_FAILED)
    found = [(one.subject, one.reason, one.strategy) for one in lost(history, Stage.INSTALL)]
    assert found == [
        ("o__n-2", "build_failed", "unified"),
        (ID, "build_timeout", "unified"),
        (ID, "build_failed", "adaptive"),
    ]
    one = lost(history, Stage.INSTALL)[0]
    assert (one.instance_id, one.repository, one.input_key) == ("o__n-2", "o/n", second)
    assert len(lost(history, Stage.INSTALL, reasons=[Reason.BUILD_TIMEOUT])) == 1
    assert len(lost(history, Stage.INSTALL, reasons=[Reason.BUILD_TIMEOUT, Reason.BUILD_FAILED])) == 3
    assert len(lost(history, Stage.INSTALL, strategies=["adaptive"])) == 1
    assert lost(history, Stage.INSTALL, Window(since=EVER.since, until=before)) == []
    assert lost(history, Stage.INSTALL, Window(since=datetime.now(UTC) + timedelta(minutes=1), until=EVER.until)) == []
    assert lost(history, Stage.VALIDATE) == []


def test_what_is_history_is_not_found(history):
    first, second, third = (history.harvest(number) for number in (1, 2, 3))
    for number, found in ((1, first), (2, second), (3, third)):
        history.lose(work(Stage.INSTALL, f"o__n-{number}", found, UNIFIED), Reason.BUILD_FAILED)
    history.install("o__n-2", second, config=ADAPTIVE)
    history.lose(work(Stage.HARVEST, "o__n-3", "edited", instance_id="o__n-3"), Reason.NO_LINKED_ISSUE)
    assert [one.subject for one in lost(history, Stage.INSTALL)] == [ID], "installed by another strategy, or withdrawn"
    history.install(ID, first, config=ADAPTIVE)
    assert lost(history, Stage.INSTALL) == []
    edited = history.harvest(title="Edited")
    (one,) = lost(history, Stage.INSTALL)
    assert one.input_key == edited, "the loss of the old text; the new one is to be installed"


def test_a_subject_whose_newest_attempt_passed_is_no_loss(history):
    environment = history.install(ID, history.harvest())
    history.lose(work(Stage.VALIDATE, ID, environment, {"memory": 1}), Reason.TESTS_OUT_OF_MEMORY)
    assert len(lost(history, Stage.VALIDATE)) == 1
    history.validate(ID, environment)
    assert lost(history, Stage.VALIDATE) == []


def test_rollouts_and_judgements_are_found_by_their_own_names(history):
    _, validation = history.validated()
    rollout = history.rollout(ID, validation)
    history.judge(SUBJECT, rollout, reason=Reason.FAIL_TO_PASS_FAILED)
    (judged,) = lost(history, Stage.JUDGE)
    assert (judged.subject, judged.instance_id, judged.input_key) == (SUBJECT, ID, rollout)
    other = replace(POLICY, name="idle")
    ended = history.rollout(ID, validation, policy=other, reason=Reason.EMPTY_PATCH)
    (made,) = lost(history, Stage.ROLLOUT)
    assert (made.subject, made.instance_id, made.input_key) == (f"{ID}@idle#1", ID, validation)
    ask(history, ended)
    key = config_key(Stage.ROLLOUT, 1, {"policy": other.config(), "number": 1})
    with history.store.session() as session:
        assert [item.subject for item in pending.pending_rollouts(session, "idle", 1, key)] == [f"{ID}@idle#1"]
        assert pending.pending_judgements(session, config_key(Stage.JUDGE, 1, {})) == []
    with history.store.session() as session:
        verdict = session.scalars(select(Attempt.effect_key).where(Attempt.stage == "judge")).one()
    ask(history, verdict)
    with history.store.session() as session:
        found = pending.pending_judgements(session, config_key(Stage.JUDGE, 1, {}))
    assert [item.subject for item in found] == [SUBJECT]


def test_the_newest_try_of_some_work_and_whether_it_was_asked_for(history):
    item = work(Stage.VALIDATE, ID, history.install(ID, history.harvest()))
    key, other = WorkKey(ID, item.config_key, item.input_key), WorkKey(ID, item.config_key, "nothing")

    def tried():
        with history.store.session() as session:
            return newest_tries(session, Stage.VALIDATE, [key, other])

    assert tried() == {}
    first = history.lose(item, Reason.NO_REPORT)
    assert tried() == {key: (attempt_id(history, first), False, False)}
    ask(history, first)
    assert tried() == {key: (attempt_id(history, first), False, True)}
    second = history.lose(numbered(history, item), Reason.NO_REPORT)
    assert tried() == {key: (attempt_id(history, second), False, False)}


def test_only_what_works_on_one_item_is_done_again(history):
    with history.store.session() as session, pytest.raises(ValueError, match="harvest is not done again"):
        losses(session, Stage.HARVEST, window=EVER)
