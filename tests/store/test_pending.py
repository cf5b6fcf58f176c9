"""What is pending: nothing twice, everything anew when something before it or its configuration changed."""

from dataclasses import replace

import pytest

from swemill.effects import config_key
from swemill.errors import UnknownSubject
from swemill.jobs.load import validation_of
from swemill.reasons import Reason, Stage
from swemill.store import loading, pending
from swemill.store.facts import Ending, insert_attempt
from swemill.store.loading import load_instance, load_rollout
from tests.store.history import AT, POLICY, History, work

pytestmark = pytest.mark.postgres

UNIFIED, DATED = {"strategy": "unified"}, {"strategy": "dated"}
LADDER = [config_key(Stage.INSTALL, 1, config) for config in (UNIFIED, DATED)]
PLAIN = {stage: config_key(stage, 1, {}) for stage in Stage}
ID = "o__n-1"
SUBJECT = f"{ID}@oracle#1"


@pytest.fixture
def history(mill) -> History:
    return History(mill)


def installs(history: History, ladder: list[str] = LADDER) -> list[str]:
    with history.store.session() as session:
        return [item.subject for item in pending.pending_installs(session, ladder)]


def validations(history: History, key: str = PLAIN[Stage.VALIDATE]) -> list[str]:
    with history.store.session() as session:
        return [item.subject for item in pending.pending_validations(session, key)]


def rollouts(history: History, policy=POLICY) -> list[tuple[str, str, str]]:
    key = config_key(Stage.ROLLOUT, 1, {"policy": policy.config(), "number": 1})
    with history.store.session() as session:
        return [tuple(item) for item in pending.pending_rollouts(session, policy.name, 1, key)]


def judgements(history: History, key: str = PLAIN[Stage.JUDGE]) -> list[tuple[str, str, str]]:
    with history.store.session() as session:
        return [tuple(item) for item in pending.pending_judgements(session, key)]


def test_reuse_is_a_rung_as_soon_as_there_is_a_neighbour(history):
    reuse = config_key(Stage.INSTALL, 1, {"strategy": "reuse"})

    def waiting() -> list[str]:
        with history.store.session() as session:
            return [item.subject for item in pending.pending_installs(session, [LADDER[0], reuse], reuse=reuse)]

    found, other = history.harvest(), history.harvest(2)
    history.lose(work(Stage.INSTALL, ID, found, UNIFIED), Reason.BUILD_FAILED)
    history.lose(work(Stage.INSTALL, "o__n-2", other, UNIFIED), Reason.BUILD_FAILED)
    assert waiting() == []
    history.install("o__n-2", other, config=DATED)
    assert waiting() == [], "an environment made in one step cannot be shared"
    elsewhere = history.harvest(3, repository="o/m")
    history.install("o__m-3", elsewhere, config=DATED, shared="swemill/environment:x")
    assert ID not in waiting(), "another repository is no neighbour"
    third = history.harvest(4)
    history.install("o__n-4", third, config=DATED, shared="swemill/environment:x")
    assert ID in waiting()


def test_the_ladder_goes_on_after_a_loss_and_ends_with_a_pass(history):
    found = history.harvest()
    assert installs(history) == [ID]
    history.lose(work(Stage.INSTALL, ID, found, UNIFIED), Reason.BUILD_FAILED)
    assert installs(history) == [ID]
    assert installs(history, LADDER[:1]) == []
    history.install(ID, found, config=DATED)
    assert installs(history) == []
    assert installs(history, LADDER[:1]) == []


def test_a_ladder_that_is_used_up_is_not_climbed_again(history):
    found = history.harvest()
    for config in (UNIFIED, DATED):
        history.lose(work(Stage.INSTALL, ID, found, config), Reason.BUILD_FAILED)
    assert installs(history) == []
    assert installs(history, [LADDER[0], LADDER[0]]) == []
    assert installs(history, [config_key(Stage.INSTALL, 2, UNIFIED)]) == [ID]


def test_an_edited_pull_request_is_worked_on_anew_and_never_mixed_with_old_facts(history, mill):
    _, validation = history.validated()
    rollout = history.rollout(ID, validation)
    assert installs(history) == validations(history) == rollouts(history) == []
    assert judgements(history) == [(SUBJECT, ID, rollout)]
    edited = history.harvest(title="Edited")
    assert installs(history) == [ID]
    # Until it is installed again, nothing of the old chain is offered for the new instance.
    assert validations(history) == rollouts(history) == judgements(history) == []
    with mill.store.session() as session:
        loaded = load_instance(session, ID)
        assert loaded.instance.problem_statement == "statement of Edited"
        assert loaded.environment is None
        assert loaded.validation is None
        assert list(loading.validated_instances(session)) == []
    history.install(ID, edited)
    assert validations(history) == [ID]


def test_a_new_environment_is_validated_and_the_old_validation_keeps_its_own_environment(history, mill):
    found = history.harvest()
    unified = history.install(ID, found)
    old = history.validate(ID, unified)
    dated = history.install(ID, found, config=DATED)
    assert validations(history) == [ID]
    history.lose(work(Stage.VALIDATE, ID, dated), Reason.NO_FAIL_TO_PASS)
    assert validations(history) == []
    assert rollouts(history) == [(SUBJECT, ID, old)]
    with mill.store.session() as session:
        newest = load_instance(session, ID)
        assert newest.environment.strategy == "dated"
        loaded, validation, effect = validation_of(session, ID)
    assert effect == old
    assert loaded.environment.strategy == "unified"
    assert loaded.environment.id == validation.environment_id


def test_a_changed_configuration_makes_new_work(history):
    _, validation = history.validated()
    assert validations(history) == []
    assert validations(history, config_key(Stage.VALIDATE, 1, {"test_timeout": 9})) == [ID]
    rollout = history.rollout(ID, validation)
    assert rollouts(history) == []
    assert rollouts(history, replace(POLICY, turns=5)) == [(SUBJECT, ID, validation)]
    history.judge(SUBJECT, rollout)
    assert judgements(history) == []
    assert judgements(history, config_key(Stage.JUDGE, 2, {})) == [(SUBJECT, ID, rollout)]


def test_lost_work_is_not_pending_and_goes_no_further(history):
    _, validation = history.validated()
    history.rollout(ID, validation, reason=Reason.EMPTY_PATCH)
    assert rollouts(history) == judgements(history) == []
    found = history.harvest(2)
    history.lose(work(Stage.VALIDATE, "o__n-2", history.install("o__n-2", found)), Reason.NO_REPORT)
    assert validations(history) == rollouts(history) == []


def test_only_the_newest_rollout_of_a_subject_waits_for_the_judge(history, mill):
    _, validation = history.validated()
    history.rollout(ID, validation)
    newer = history.rollout(ID, validation, policy=replace(POLICY, turns=5))
    assert judgements(history) == [(SUBJECT, ID, newer)]
    with mill.store.session() as session:
        assert load_rollout(session, SUBJECT).attempt.effect_key == newer
    history.judge(SUBJECT, newer)
    assert judgements(history) == []


def test_rollouts_of_a_policy_that_was_changed_and_changed_back_still_count(history, mill):
    _, validation = history.validated()
    history.judge(SUBJECT, history.rollout(ID, validation))
    history.judge(SUBJECT, history.rollout(ID, validation, policy=replace(POLICY, turns=5)))
    assert rollouts(history) == []
    with mill.store.session() as session:
        turns = [row.policy.config["turns"] for row in loading.judged_rollouts(session)]
    assert sorted(turns) == [5, 100]


def test_the_newest_judgement_decides(history, mill):
    _, validation = history.validated()
    rollout = history.rollout(ID, validation)
    history.judge(SUBJECT, rollout, reason=Reason.PASS_TO_PASS_FAILED)
    with mill.store.session() as session:
        assert loading.resolved_rollouts(session) == []
        (row,) = loading.judged_rollouts(session)
    assert row.judgement.resolved is False


def reject(history: History, reason: Reason, number: int = 1, *, detail: str = "") -> None:
    """A later harvest that loses the pull request."""
    subject = f"o__n-{number}"
    later = work(Stage.HARVEST, subject, f"{reason} {detail}", instance_id=subject, repository="o/n")
    history.lose(later, reason, detail=detail)


def offered(history: History) -> list[object]:
    """Everything that any work, release, export or evaluation starts from."""
    with history.store.session() as session:
        facts = [list(loading.validated_instances(session)), loading.judged_rollouts(session)]
        resolved = loading.resolved_rollouts(session)
    return [installs(history), validations(history), rollouts(history), judgements(history), *facts, resolved]


@pytest.mark.parametrize("reason", [Reason.NO_LINKED_ISSUE, Reason.IN_EVALUATION_SET, Reason.PATCH_IN_EVALUATION_SET])
def test_a_withdrawn_instance_is_history(history, mill, reason):
    _, validation = history.validated()
    rollout = history.rollout(ID, validation)
    history.judge(SUBJECT, rollout)
    other = history.validated(2)[0]
    reject(history, reason, detail="of the set")
    with mill.store.session() as session:
        assert [row.instance.instance_id for row in loading.validated_instances(session)] == [other]
        assert loading.judged_rollouts(session) == loading.resolved_rollouts(session) == []
        with pytest.raises(UnknownSubject, match=rf"{ID} was withdrawn .*{reason.value}: of the set.*explain"):
            load_instance(session, ID)
    for key in ("another", PLAIN[Stage.VALIDATE], PLAIN[Stage.JUDGE]):
        assert ID not in validations(history, key)
        assert judgements(history, key) == []
    assert ID not in [item[1] for item in rollouts(history, replace(POLICY, turns=7))]


def test_before_anything_was_made_of_it_a_withdrawn_instance_is_not_installed(history):
    history.harvest()
    reject(history, Reason.NO_TEST_CHANGE)
    assert offered(history) == [[], [], [], [], [], [], []]


def test_an_instance_that_is_harvested_again_is_back_and_starts_anew(history, mill):
    history.judge(SUBJECT, history.rollout(ID, history.validated()[1]))
    reject(history, Reason.NO_LINKED_ISSUE)
    history.harvest(title="Edited once more")
    assert offered(history) == [[ID], [], [], [], [], [], []]
    with mill.store.session() as session:
        assert load_instance(session, ID).instance.problem_statement == "statement of Edited once more"


def test_a_later_harvest_that_passes_takes_a_withdrawal_back(history, mill):
    history.validated()
    reject(history, Reason.IN_EVALUATION_SET)
    again = work(Stage.HARVEST, ID, "as it was", instance_id=ID, repository="o/n")
    with mill.store.session() as session:
        assert insert_attempt(session, again, Ending(passed=True, started_at=AT))
    with mill.store.session() as session:
        assert len(list(loading.validated_instances(session))) == 1
        assert load_instance(session, ID).validation is not None


def test_a_rejection_from_before_withdraws_nothing(history, mill):
    reject(history, Reason.NO_LINKED_ISSUE)
    history.harvest()
    assert installs(history) == [ID]
    with mill.store.session() as session:
        assert load_instance(session, ID).instance.instance_id == ID


@pytest.mark.parametrize("reason", [Reason.MISSING_REPOSITORY, Reason.MISSING_COMMIT, Reason.MALFORMED_RECORD])
def test_a_source_that_cannot_be_read_withdraws_nothing(history, mill, reason):
    history.validated()
    reject(history, reason)
    with mill.store.session() as session:
        assert len(list(loading.validated_instances(session))) == 1
        assert load_instance(session, ID).validation is not None


def test_other_stages_and_other_pull_requests_withdraw_nothing(history):
    found = history.harvest()
    reject(history, Reason.NO_LINKED_ISSUE, 2)
    history.lose(work(Stage.INSTALL, ID, found, UNIFIED), Reason.BUILD_FAILED)
    assert installs(history) == [ID]


def test_unknown_subjects_are_named(mill):
    with mill.store.session() as session:
        with pytest.raises(UnknownSubject, match="o__n-9"):
            load_instance(session, "o__n-9")
        with pytest.raises(UnknownSubject, match="o__n-9@oracle#1"):
            load_rollout(session, "o__n-9@oracle#1")
