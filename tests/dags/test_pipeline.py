"""The whole pipeline as Airflow runs it: each DAG by ``dag.test()`` over a tiny archive, on real Docker.

The stages run once, in order, as fixtures of the module; the tests then look at what they left.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from swemill.models import Attempt, Environment, Evaluation, Judgement, Release, Rollout, TrainingRun, Validation
from swemill.reasons import Stage
from swemill.wiring import Mill
from tests.dags.conftest import RunDag
from tests.dags.tiny_archive import TinyArchive
from tests.fact_counts import fact_counts

pytestmark = [pytest.mark.airflow, pytest.mark.docker, pytest.mark.postgres]

STAGES: Mapping[str, Mapping[str, Any]] = {
    "harvest": {"source": "archive"},  # and its folder
    "install": {"strategies": ["unified", "adaptive"]},  # the first cannot install what is no package
    "validate": {},
    "rollout": {},
    "judge": {},
    "release": {},
    "train": {"overrides": {"min_steps": 20, "max_steps_per_epoch": 20}},
    "evaluate": {"split": "all"},
}


@pytest.fixture(scope="module")
def forms(tiny_archive: TinyArchive) -> dict[str, dict[str, Any]]:
    """The form of every stage. Only the harvest is told where the archive lies."""
    return {dag_id: {**params} for dag_id, params in STAGES.items()} | {
        "harvest": {**STAGES["harvest"], "archive": str(tiny_archive.root)}
    }


@pytest.fixture(scope="module")
def runs(mill: Mill, run_dag: RunDag, forms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One run of every stage, by DAG; stops at the first that is not green."""
    done = {}
    for dag_id, params in forms.items():
        done[dag_id] = run_dag(dag_id, **params)
        assert done[dag_id].state == "success", (dag_id, states(done[dag_id]))
    return done


@pytest.fixture(scope="module")
def counts(runs: dict[str, Any], mill: Mill) -> dict[str, int]:
    """Facts after the first run of every stage."""
    with mill.store.session() as session:
        return fact_counts(session)


def states(run: Any) -> dict[str, str]:
    """State by task, mapped ones as ``task[what the grid shows]``."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.scalars(
            select(TaskInstance).where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
        ).all()
        return {
            item.task_id if item.map_index < 0 else f"{item.task_id}[{item.rendered_map_index}]": str(item.state)
            for item in found
        }


def news_of(run: Any) -> list[str]:
    """Names of the assets that a run's tasks have announced."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        return list(
            session.scalars(
                select(AssetModel.name)
                .join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
                .where(AssetEvent.source_dag_id == run.dag_id, AssetEvent.source_run_id == run.run_id)
            )
        )


def test_harvest_keeps_the_pull_requests_with_tests(
    runs: dict[str, Any], mill: Mill, tiny_archive: TinyArchive
) -> None:
    with mill.store.session() as session:
        lost = session.scalars(select(Attempt).where(Attempt.stage == "harvest", Attempt.passed.is_(False))).all()
    assert [(row.instance_id, row.reason) for row in lost] == [(tiny_archive.without_tests, "no_test_change")]
    assert states(runs["harvest"]) == {"plan": "success", "harvest[archive]": "success", "announce": "success"}
    assert news_of(runs["harvest"]) == ["swemill://instances"]


def test_install_makes_an_environment_an_instance(runs: dict[str, Any], mill: Mill, tiny_archive: TinyArchive) -> None:
    with mill.store.session() as session:
        rows = session.scalars(select(Environment).order_by(Environment.instance_id)).all()
    plain, tiny = tiny_archive.good
    assert [(row.instance_id, row.strategy) for row in rows] == [(plain, "adaptive"), (tiny, "unified")]
    assert news_of(runs["install"]) == ["swemill://environments"]


def test_the_grid_shows_what_a_mapped_task_works_on(runs: dict[str, Any], tiny_archive: TinyArchive) -> None:
    for stage in ("install", "validate"):
        assert {name for name in states(runs[stage]) if "[" in name} == {f"{stage}[{id}]" for id in tiny_archive.good}
    rollouts = {f"rollout[{id}@{policy}#1]" for id in tiny_archive.good for policy in ("oracle", "idle")}
    assert {name for name in states(runs["rollout"]) if "[" in name} == rollouts
    judged = {f"judge[{id}@oracle#1]" for id in tiny_archive.good}
    assert {name for name in states(runs["judge"]) if "[" in name} == judged


def test_a_mapped_run_ends_without_starting_another(runs: dict[str, Any]) -> None:
    found = {name: state for name, state in states(runs["validate"]).items() if "[" not in name}
    assert found == {
        "pending": "success",
        "announce": "success",
        "reckon": "success",
        "more": "success",
        "next_run": "skipped",
    }


def test_validate_finds_the_test_that_turns_green(runs: dict[str, Any], mill: Mill, tiny_archive: TinyArchive) -> None:
    with mill.store.session() as session:
        rows = session.scalars(select(Validation).order_by(Validation.instance_id)).all()
    assert [row.instance_id for row in rows] == list(tiny_archive.good)
    for row in rows:
        assert row.fail_to_pass == [tiny_archive.fail_to_pass]
        assert row.pass_to_pass == [tiny_archive.pass_to_pass]


def test_oracle_resolves_everything_and_idle_nothing(
    runs: dict[str, Any], mill: Mill, tiny_archive: TinyArchive
) -> None:
    with mill.store.session() as session:
        rollouts = session.execute(
            select(Attempt.subject, Attempt.passed, Attempt.reason).join(Rollout, Rollout.attempt_id == Attempt.id)
        ).all()
        judged = session.scalars(select(Judgement).order_by(Judgement.instance_id)).all()
        rates = session.execute(
            select(Attempt.subject, Evaluation.rate).join(Attempt, Attempt.id == Evaluation.attempt_id)
        ).all()
    assert {tuple(row) for row in rollouts} == {
        *((f"{id}@oracle#1", True, None) for id in tiny_archive.good),
        *((f"{id}@idle#1", False, "empty_patch") for id in tiny_archive.good),
    }
    assert [(row.instance_id, row.resolved) for row in judged] == [(id, True) for id in tiny_archive.good]
    assert dict(map(tuple, rates)) == {"oracle/all": 1.0, "idle/all": 0.0}
    assert news_of(runs["rollout"]) == ["swemill://rollouts"]
    assert news_of(runs["judge"]) == ["swemill://judgements"]
    assert news_of(runs["evaluate"]) == ["swemill://evaluations"]


def test_the_resolved_trajectories_are_released_and_trained_on(runs: dict[str, Any], mill: Mill) -> None:
    with mill.store.session() as session:
        (release,) = session.scalars(select(Release)).all()
        (training,) = session.scalars(select(TrainingRun)).all()
    assert release.rows == 2
    assert (mill.settings.home / "releases" / release.name / "dataset.jsonl").read_bytes().count(b"\n") == 2
    assert training.release_id == release.id
    assert training.steps == 20
    assert training.final_loss < training.first_loss
    assert news_of(runs["release"]) == ["swemill://dataset"]
    assert news_of(runs["train"]) == ["swemill://checkpoint"]


@pytest.mark.parametrize("dag_id", STAGES)
def test_a_second_run_adds_no_fact_and_announces_no_finished_work(
    dag_id: str, counts: dict[str, int], mill: Mill, run_dag: RunDag, forms: dict[str, dict[str, Any]]
) -> None:
    # Judge reads `release`, and rollout reads `judge`: all of it is done, so there is nothing to announce.
    run = run_dag(dag_id, **forms[dag_id])
    with mill.store.session() as session:
        assert fact_counts(session) == counts
    assert run.state == "success"
    assert news_of(run) == []


def test_a_form_that_takes_less_than_all_starts_the_next_run_with_itself(
    runs: dict[str, Any], mill: Mill, run_dag: RunDag, tiny_archive: TinyArchive
) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    run = run_dag("rollout", limit=1, attempts=2, policies=["idle"])
    assert run.state == "success"
    mapped = [name for name in states(run) if "[" in name]
    assert mapped == [f"rollout[{tiny_archive.good[0]}@idle#2]"]
    with create_session() as session:
        queued = session.scalars(select(DagRun).where(DagRun.dag_id == "rollout", DagRun.state == "queued")).all()
        form = {"limit": 1, "shard": None, "only": [], "policies": ["idle"], "attempts": 2}
        assert [item.conf for item in queued] == [form]
        for item in queued:
            session.delete(item)


def test_a_shard_is_one_task_for_many_items(
    runs: dict[str, Any], mill: Mill, run_dag: RunDag, tiny_archive: TinyArchive
) -> None:
    run = run_dag("rollout", shard=3, attempts=4, policies=["idle"])
    assert run.state == "success"
    wanted = {f"{name}@idle#{number}" for name in tiny_archive.good for number in range(1, 5)}
    with mill.store.session() as session:
        assert wanted <= set(session.scalars(select(Attempt.subject).where(Attempt.stage == Stage.ROLLOUT)))
    mapped = [name for name in states(run) if "[" in name]
    assert len(mapped) < len(wanted) / 2
    assert any(name.endswith(" and 2 more]") for name in mapped)


def test_only_restricts_a_run_to_named_items(runs: dict[str, Any], run_dag: RunDag, tiny_archive: TinyArchive) -> None:
    wanted = f"{tiny_archive.good[1]}@idle#5"
    run = run_dag("rollout", attempts=5, policies=["idle"], only=[wanted])
    assert [name for name in states(run) if "[" in name] == [f"rollout[{wanted}]"]
    assert states(run)["next_run"] == "skipped"
