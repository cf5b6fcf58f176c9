"""The steps around the mapped work, the same in every DAG: what is pending, the news, the reckoning, the next run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from airflow.sdk import Asset, TriggerRule, get_current_context, task

from swemill_airflow.defaults import MAPPED_LIMIT
from swemill_airflow.sandbox_operator import SandboxOperator


def pending_subjects(job: str, params: dict[str, Any]) -> list[str]:
    """Everything pending for a job, as the form's fields restrict it."""
    from swemill.jobs import pending
    from swemill.wiring import Mill
    from swemill_airflow.failing import failing_fast

    with failing_fast():
        subjects = pending.of(Mill.open(), job, params)
    wanted = set(params.get("only") or [])
    return [subject for subject in subjects if not wanted or subject in wanted]


@task(task_id="pending")
def pending(job: str) -> list[list[str]]:
    """Ask the store what is pending: the items of this run, in shards, each of which is a task."""
    from swemill.settings import Settings

    params = dict(get_current_context()["params"])
    subjects = pending_subjects(job, params)
    size = params["shard"] or Settings.load().shard
    taken = subjects[: min(params["limit"], MAPPED_LIMIT * size)]
    shards = [taken[at : at + size] for at in range(0, len(taken), size)]
    print(f"{len(subjects)} pending, this run takes {len(taken)} in {len(shards)} tasks")
    if not_pending := sorted(set(params["only"]) - set(subjects)):
        print("not pending (done already, or unknown: see `swemill explain`):", *not_pending)
    return shards


def announce(asset: Asset, next_job: str, *, trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS) -> Any:
    """A task that emits ``asset`` when the next stage has something to do, and skips otherwise.

    It ends a run's branch, so with ``ALL_DONE`` it must not stand alone: Airflow calls a run green by its last tasks.
    """

    @task(task_id="announce", outlets=[asset], trigger_rule=trigger_rule)
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
def reckon(job: str, shards: list[list[str]] | None) -> None:
    """Make the run red when items of it could not be done, in spite of all retries."""
    from airflow.sdk.exceptions import AirflowFailException

    if shards is None:
        raise AirflowFailException("it could not be told what is pending: see the log of the task `pending`")
    subjects = [subject for shard in shards for subject in shard]
    still = set(pending_subjects(job, dict(get_current_context()["params"]))) & set(subjects)
    if still:
        # The items have had their retries: trying to reckon again would only keep the run from ending.
        raise AirflowFailException(
            f"{len(still)} of {len(subjects)} items could not be done and are still pending: "
            f"{', '.join(sorted(still)[:10])}. `swemill explain` shows the incidents; clear the failed tasks or start "
            "the DAG again: finished work is not repeated."
        )
    print(f"all {len(subjects)} items have their facts")


@task.short_circuit(task_id="more")
def more(job: str) -> bool:
    """True while more is pending than one run takes."""
    params = dict(get_current_context()["params"])
    return not params.get("only") and bool(pending_subjects(job, params))


@task(task_id="next_run")
def next_run(dag_id: str) -> None:
    """Start the DAG again with the same form."""
    start_run(dag_id, dict(get_current_context()["params"]))


def start_run(dag_id: str, form: dict[str, Any], *, note: str | None = None) -> NoReturn:
    """End the task by starting a run of a DAG with this form; the note is what the UI shows of that run."""
    # What TriggerDagRunOperator raises. Importing that operator takes most of a second in every parse of a DAG file,
    # because it brings Airflow's database models along.
    from airflow.sdk.exceptions import DagRunTriggerException

    now = datetime.now(UTC)
    raise DagRunTriggerException(
        trigger_dag_id=dag_id,
        dag_run_id=f"manual__{now.isoformat()}",
        conf=form,
        logical_date=now,
        reset_dag_run=False,
        skip_when_already_exists=False,
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=60,
        deferrable=False,
        note=note,
    )


def mapped_stage(job: str, *, asset: Asset, next_job: str, pool: str, minutes: int, **job_arguments: str) -> None:
    """The whole of a per-instance DAG: pending -> a task a shard of items -> news, reckoning, next run.

    Args:
        job: ``install``, ``validate``, ``revalidate``, ``rollout`` or ``judge``.
        asset: emitted when ``next_job`` has something to do.
        pool: Airflow pool of the mapped tasks.
        minutes: wall clock of one item.
        job_arguments: further arguments of the job, as templates.
    """
    shards = pending(job)
    work = SandboxOperator.partial(
        task_id=job,
        job=job,
        job_arguments=job_arguments,
        pool=pool,
        execution_timeout=timedelta(minutes=minutes),
        map_index_template="{{ task.named }}",
    ).expand(subjects=shards)
    reckoning = reckon(job, shards)
    work >> announce(asset, next_job, trigger_rule=TriggerRule.ALL_DONE)
    work >> reckoning >> more(job) >> next_run(job)
