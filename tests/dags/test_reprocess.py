"""The DAG reprocess: it counts as it stands, and asks and hands on when it is told to."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from swemill.jobs import install, validate
from swemill.models import Attempt, Incident, ReprocessRequest
from swemill.reasons import Reason
from swemill.wiring import Mill
from tests.dags.conftest import RunDag
from tests.dags.test_pipeline import states
from tests.dags.tiny_archive import TinyArchive
from tests.store.history import History

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

SLOW, SILENT = "o__n-1", "p__q-2"


@pytest.fixture(scope="module")
def history(mill: Mill) -> History:
    """Two instances that validation lost, one that it has not seen."""
    history = History(mill)
    for number, repository in ((1, "o/n"), (2, "p/q"), (3, "p/q")):
        instance_id = f"{repository.replace('/', '__')}-{number}"
        history.install(instance_id, history.harvest(number, repository=repository))
    for item, reason in zip(validate.waiting(mill), (Reason.TESTS_TIMED_OUT, Reason.NO_REPORT), strict=False):
        history.lose(replace(item, repository="o/n" if item.subject == SLOW else "p/q"), reason)
    return history


@pytest.fixture
def started(airflow_database: str) -> Iterator[Any]:
    """Form and note of the runs that a DAG has waiting; they are removed at the end."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    def runs(dag_id: str) -> list[tuple[dict[str, Any], str]]:
        with create_session() as session:
            found = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.state == "queued"))
            return [(run.conf, run.note) for run in found]

    yield runs
    with create_session() as session:
        for run in session.scalars(select(DagRun).where(DagRun.state == "queued")):
            session.delete(run)


def returned(run: Any) -> list[str]:
    """What the UI shows as the result of ``choose``."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        row = session.scalars(
            select(XComModel).where(
                XComModel.dag_id == run.dag_id,
                XComModel.run_id == run.run_id,
                XComModel.task_id == "choose",
                XComModel.key == "return_value",
            )
        ).one()
        return list(XComModel.deserialize_value(row))


def requests(mill: Mill) -> list[ReprocessRequest]:
    with mill.store.session() as session:
        return list(session.scalars(select(ReprocessRequest)))


def test_as_it_stands_the_form_only_counts(
    history: History, mill: Mill, run_dag: RunDag, started: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_dag("reprocess", stage="validate")
    assert run.state == "success"
    lines = returned(run)
    assert lines[0].startswith("2 losses of validate: 2 would be asked for now")
    assert lines[1:] == ["dry run: nothing was changed", "no_report: 1 in p/q", "tests_timed_out: 1 in o/n"]
    assert states(run) == {
        "choose": "success",
        **{f"counted[{line}]": "success" for line in lines},
        "run_again": "skipped",
    }
    assert "1 tests_timed_out in o/n" in capsys.readouterr().out
    assert requests(mill) == []
    assert started("validate") == []


def test_it_asks_and_starts_the_stage_with_exactly_these(
    history: History, mill: Mill, run_dag: RunDag, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_dag("reprocess", stage="validate", reasons=["tests_timed_out"], repositories=["o/*"], dry_run=False)
    assert run.state == "success"
    assert states(run)["run_again"] == "success"
    (request,) = requests(mill)
    assert request.why == f"DAG run {run.run_id}"
    ((form, note),) = started("validate")
    assert form == {"only": [SLOW]}
    assert note == "Done again:\ntests_timed_out: 1 in o/n"
    # The engine is down: that is trouble of the infrastructure, and the request stays.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    again = run_dag("validate", retries=0, **form)
    assert {name: state for name, state in states(again).items() if "[" in name} == {f"validate[{SLOW}]": "failed"}
    with mill.store.session() as session:
        assert session.scalars(select(Incident.subject)).all() == [SLOW]
        assert len(session.scalars(select(Attempt).where(Attempt.stage == "validate")).all()) == 2
    assert validate.pending(mill) == [SLOW, "p__q-3"]


def test_a_second_time_asks_for_nothing_and_hands_on_what_is_not_done(
    history: History, mill: Mill, run_dag: RunDag, started: Any
) -> None:
    run = run_dag("reprocess", stage="validate", reasons=["tests_timed_out"], dry_run=False)
    assert "0 asked for now, 1 asked for before and not done yet" in returned(run)[0]
    assert len(requests(mill)) == 1
    assert [form for form, _ in started("validate")] == [{"only": [SLOW]}]


def test_nothing_found_is_told_and_starts_nothing(history: History, mill: Mill, run_dag: RunDag, started: Any) -> None:
    run = run_dag("reprocess", stage="validate", since="2020-01-01", until="2020-02-01", dry_run=False)
    assert run.state == "success"
    assert returned(run)[1].startswith("validate has lost: no_report 1, tests_timed_out 1;")
    assert states(run)["run_again"] == "skipped"
    assert started("validate") == []


def test_a_users_mistake_fails_at_once_and_names_the_nearest(
    history: History, run_dag: RunDag, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_dag("reprocess", stage="validate", reasons=["test_timed_out"])
    assert run.state == "failed"
    assert states(run)["choose"] == "failed"
    assert "did you mean tests_timed_out" in capsys.readouterr().out


@pytest.mark.docker
def test_the_mapped_tasks_of_the_stage_run_again_on_the_real_engine(
    mill: Mill, run_dag: RunDag, started: Any, tiny_archive: TinyArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEMILL_BUILD_TIMEOUT", "1")
    (plain, tiny) = tiny_archive.good
    assert run_dag("harvest", source="archive", archive=str(tiny_archive.root)).state == "success"
    assert run_dag("install", strategies=["unified"], only=[plain, tiny]).state == "success"
    form = {"stage": "install", "reasons": ["build_timeout"], "strategy": "unified", "repositories": ["*/tiny"]}
    assert run_dag("reprocess", **form, dry_run=False).state == "success"
    ((handed_on, _),) = started("install")
    assert handed_on == {"only": [tiny], "strategies": ["unified"]}
    run = run_dag("install", **handed_on)
    assert run.state == "success"
    assert {name for name in states(run) if "[" in name} == {f"install[{tiny}]"}
    with mill.store.session() as session:
        tries = session.execute(
            select(Attempt.subject, Attempt.reason, Attempt.config_key)
            .where(Attempt.stage == "install", Attempt.subject.in_(tiny_archive.good))
            .order_by(Attempt.subject)
        ).all()
    assert [(subject, reason) for subject, reason, _ in tries] == [
        (plain, "build_timeout"),
        (tiny, "build_timeout"),
        (tiny, "build_timeout"),
    ]
    assert len({key for _, _, key in tries}) == 1
    assert run_dag("reprocess", **form, limit=1).state == "success"
    pending = install.pending(Mill.open(), strategies=["unified"])
    assert set(pending).isdisjoint(tiny_archive.good), "a dry run asks for nothing"
