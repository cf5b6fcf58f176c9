"""The steps around the mapped work, the same in every DAG: what is pending, the news, the reckoning, the next run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, TriggerRule, get_current_context, task

from swemill_airflow.sandbox_operator import SandboxOperator


def pending_subjects(job: str, params: dict[str, Any]) -> list[str]:
    """Everything pending for a job, as the form's fields restrict it."""
    from swemill.jobs import pending
    from swemill.wiring import Mill

    subjects = pending.of(Mill.open(), job, params)
    wanted = set(params.get("only") or [])
    return [subject for subject in subjects if not wanted or subject in wanted]


@task(task_id="pending")
def pending(job: str) -> list[str]:
    """Ask the store what is pending: the items of this run."""
    from swemill_airflow.failing import failing_fast

    params = dict(get_current_context()["params"])
    with failing_fast():
        subjects = pending_subjects(job, params)
    print(f"{len(subjects)} pending, this run takes {min(len(subjects), params['limit'])}")
    return subjects[: params["limit"]]


def announce(asset: Asset, next_job: str) -> Any:
    """A task that emits ``asset`` when the next stage has something to do, and skips otherwise."""

    @task(task_id="announce", outlets=[asset], trigger_rule=TriggerRule.ALL_DONE)
    def announcing() -> int:
        """Tell the next stage that new facts exist."""
        from airflow.sdk.exceptions import AirflowSkipException

        waiting = len(pending_subjects(next_job, {}))
        if not waiting:
            raise AirflowSkipException(f"nothing is pending for {next_job}")
        print(f"{waiting} pending for {next_job}")
        return waiting

    return announcing()


@task(task_id="reckon", trigger_rule=TriggerRule.ALL_DONE)
def reckon(job: str, subjects: list[str]) -> None:
    """Make the run red when infrastructure kept items of it from being done, in spite of all retries."""
    still = set(pending_subjects(job, dict(get_current_context()["params"]))) & set(subjects)
    if still:
        raise RuntimeError(
            f"{len(still)} of {len(subjects)} items met infrastructure trouble and are still pending: "
            f"{', '.join(sorted(still)[:10])}. `swemill explain` shows the incidents; clear the failed tasks or start "
            "the DAG again: finished work is not repeated."
        )
    print(f"all {len(subjects)} items have their facts")


@task.short_circuit(task_id="more")
def more(job: str) -> bool:
    """True while more is pending than one run takes."""
    params = dict(get_current_context()["params"])
    return not params.get("only") and bool(pending_subjects(job, params))


def next_run(dag_id: str) -> TriggerDagRunOperator:
    """Starts the DAG again with the same form."""
    return TriggerDagRunOperator(task_id="next_run", trigger_dag_id=dag_id, conf="{{ params }}")


def mapped_stage(job: str, *, asset: Asset, next_job: str, pool: str, minutes: int, **job_arguments: str) -> None:
    """The whole of a per-instance DAG: pending -> one container an item -> news, reckoning, next run.

    Args:
        job: ``install``, ``validate``, ``rollout`` or ``judge``.
        asset: emitted when ``next_job`` has something to do.
        pool: Airflow pool of the mapped tasks.
        minutes: wall clock of one mapped task.
        job_arguments: further arguments of the job, as templates.
    """
    subjects = pending(job)
    work = SandboxOperator.partial(
        task_id=job,
        job=job,
        job_arguments=job_arguments,
        pool=pool,
        execution_timeout=timedelta(minutes=minutes),
        map_index_template="{{ task.subject }}",
    ).expand(subject=subjects)
    reckoning = reckon(job, subjects)
    work >> announce(asset, next_job)
    work >> reckoning >> more(job) >> next_run(job)
