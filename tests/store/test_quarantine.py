"""Quarantine: what a lost re-validation keeps an instance out of, what lifts it, and which are tried again."""

import pytest

from swemill.effects import config_key
from swemill.errors import UserError
from swemill.jobs import judge, load, rollout
from swemill.jobs.export import export_swebench
from swemill.reasons import Reason, Stage
from swemill.store import loading, pending, report
from swemill.store.quarantine import quarantine_of
from tests.store.history import POLICY, History, work

pytestmark = pytest.mark.postgres

ID, OTHER = "o__n-1", "o__n-2"
SUBJECT = f"{ID}@oracle#1"


@pytest.fixture
def history(mill) -> History:
    """Two validated instances, each with a resolved rollout."""
    history = History(mill)
    for number in (1, 2):
        instance_id, validation = history.validated(number)
        history.judge(f"{instance_id}@oracle#1", history.rollout(instance_id, validation))
    return history


def validation(history: History, instance_id: str = ID) -> str:
    with history.store.session() as session:
        return loading.load_instance(session, instance_id).validation_effect or ""


def in_use(history: History) -> dict[str, list[str]]:
    """The instances that each consumer sees."""
    rollouts = config_key(Stage.ROLLOUT, 1, {"policy": POLICY.config(), "number": 2})
    with history.store.session() as session:
        return {
            "export": [row.instance.instance_id for row in loading.validated_instances(session)],
            "release": [row.rollout.instance_id for row in loading.resolved_rollouts(session)],
            "evaluate": [instance_id for instance_id, _ in loading.validated_ids(session)],
            "rollout": [item.instance_id for item in pending.pending_rollouts(session, "oracle", 2, rollouts)],
            "judge": [item.instance_id for item in pending.pending_judgements(session, "another")],
        }


def everywhere(*instances: str) -> dict[str, list[str]]:
    return {name: list(instances) for name in ("export", "release", "evaluate", "rollout", "judge")}


def losses(history: History) -> list[tuple[str, str, int]]:
    with history.store.session() as session:
        return [(loss.stage, loss.reason, loss.count) for loss in report.funnel(session)[1]]


def test_what_was_lost_is_out_of_everything_and_its_facts_stay(history, mill, tmp_path):
    assert in_use(history) == everywhere(ID, OTHER)
    history.revalidate(ID, validation(history), reason=Reason.TIME_BOMB)
    assert in_use(history) == everywhere(OTHER)
    assert export_swebench(mill, tmp_path / "tasks.jsonl").rows == 1
    with mill.store.session() as session:
        found = quarantine_of(session, ID)
        assert found is not None
        assert found.reason == "time_bomb"
        assert quarantine_of(session, OTHER) is None
        assert load.validation_of(session, ID)[1].instance_id == ID
        assert [item.stage for item in report.history(session, ID)][-3:] == ["rollout", "judge", "revalidate"]
        stages = {item.stage: item.count for item in report.funnel(session)[0]}
    assert stages["validated"] == stages["judged_resolved"] == 2, "facts are counted, whatever became of them"


def test_it_is_refused_by_name_with_the_way_out(history, mill):
    history.revalidate(ID, validation(history), reason=Reason.TIME_BOMB)
    for job, subject in ((judge.judge, SUBJECT), (rollout.rollout, SUBJECT)):
        with pytest.raises(UserError, match=rf"{ID} is quarantined since .* \(time_bomb.*swemill revalidate {ID}"):
            job(mill, subject)


def test_a_revalidation_that_passes_lifts_it_and_a_later_loss_brings_it_back(history):
    effect = validation(history)
    history.revalidate(ID, effect, reason=Reason.ROTTED)
    history.revalidate(ID, effect, week="2024-W02")
    assert in_use(history) == everywhere(ID, OTHER)
    assert losses(history) == []
    history.revalidate(ID, effect, week="2024-W03", reason=Reason.ROTTED)
    assert in_use(history) == everywhere(OTHER)


def test_a_new_validation_lifts_it_and_one_that_is_lost_does_not(history):
    history.revalidate(ID, validation(history), reason=Reason.ROTTED)
    with history.store.session() as session:
        found = loading.load_instance(session, ID)
        instance, environment = found.instance_effect, found.environment_effect
    another = work(Stage.VALIDATE, ID, environment or "", {"rounds": 5}, instance_id=ID, repository="o/n")
    history.lose(another, Reason.NO_REPORT)
    assert in_use(history)["export"] == [OTHER]
    anew = history.install(ID, instance, config={"strategy": "dated"})
    assert in_use(history)["export"] == [OTHER], "an environment alone is no word on the old validation"
    history.validate(ID, anew)
    assert in_use(history)["export"] == [ID, OTHER]
    assert losses(history) == []


def test_the_funnel_and_the_list_tell_it_first(history):
    history.revalidate(ID, validation(history), reason=Reason.DEPENDS_ON_MACHINE)
    history.revalidate(OTHER, validation(history, OTHER))
    assert losses(history) == [("revalidate", "depends_on_machine", 1)]
    with history.store.session() as session:
        lines = {line.instance_id: line for line in report.instances(session)}
        (only,) = report.instances(session, stage="revalidate")
    assert (only.instance_id, only.stage, only.reason) == (ID, "judged_resolved", "depends_on_machine")
    assert lines[ID].lost_at == "revalidate"
    assert lines[OTHER].lost_at is None


def test_a_withdrawn_instance_is_only_that(history):
    history.revalidate(ID, validation(history), reason=Reason.ROTTED)
    gone = work(Stage.HARVEST, ID, "later", instance_id=ID, repository="o/n")
    history.lose(gone, Reason.NO_LINKED_ISSUE)
    assert losses(history) == [("harvest", "no_linked_issue", 1)]


def tried_again(history: History, week: str, **more) -> list[str]:
    asked = {"seed": week, "share": 0.0, "least": 3, **more}
    key = config_key(Stage.REVALIDATE, 1, {"week": week})
    with history.store.session() as session:
        return [item.subject for item in pending.pending_revalidations(session, key, **asked)]


@pytest.fixture
def many(mill) -> tuple[History, dict[str, str]]:
    history = History(mill)
    return history, dict(history.validated(number) for number in range(1, 13))


def test_a_weeks_sample_is_a_share_and_stays_the_same_while_it_is_worked_on(many):
    history, effects = many
    sample = tried_again(history, "2024-W01")
    assert len(sample) == len(set(sample)) == 3
    assert set(sample) < set(effects)
    assert len(tried_again(history, "2024-W01", share=0.5)) == 6
    assert sorted(tried_again(history, "2024-W01", share=1.0)) == sorted(effects)
    assert len(tried_again(history, "2024-W01", least=20)) == 12
    history.revalidate(sample[0], effects[sample[0]])
    assert tried_again(history, "2024-W01") == sample[1:]
    for each in sample[1:]:
        history.revalidate(each, effects[each])
    assert tried_again(history, "2024-W01") == [], "twice in a week does nothing twice"
    weeks = [frozenset(tried_again(history, f"2024-W{number:02}")) for number in range(2, 12)]
    assert all(len(week) == 3 for week in weeks)
    assert len(set(weeks)) > 3, "another week, another sample"


def test_what_is_quarantined_is_tried_again_each_week_and_first(many):
    history, effects = many
    lost = "o__n-7"
    history.revalidate(lost, effects[lost], reason=Reason.ROTTED)
    assert lost not in tried_again(history, "2024-W01")
    assert tried_again(history, "2024-W02")[0] == lost
    history.revalidate(lost, effects[lost], week="2024-W02")
    assert lost not in tried_again(history, "2024-W02")
    assert tried_again(history, "2024-W03", least=0) == []


def test_what_is_named_is_tried_in_the_sample_or_not(many):
    history, effects = many
    assert tried_again(history, "2024-W01", least=0, named=["o__n-5", "o__n-2", "o__n-99"]) == ["o__n-2", "o__n-5"]
    history.revalidate("o__n-2", effects["o__n-2"])
    assert tried_again(history, "2024-W01", named=["o__n-2"]) == []
