"""What the tasks of the DAG reprocess call: from its form to requests, and to the form of the stage's DAG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOTE = 1000
"""Characters that Airflow keeps of a note."""


def ask(context: Mapping[str, Any]) -> list[str]:
    """Ask for what the form chooses, unless it is a dry run; what was found is told in lines.

    The run to start is left for ``chosen``. A retry finds what was asked for before, and goes on with the same.
    """
    from swemill.jobs.reprocess import reprocess
    from swemill.jobs.reprocess_choice import choice
    from swemill.wiring import Mill
    from swemill_airflow.failing import failing_fast

    params, run = context["params"], context["dag_run"]
    with failing_fast():
        asked = choice(
            params["stage"],
            reasons=params["reasons"],
            repositories=params["repositories"],
            since=params["since"],
            until=params["until"],
            strategies=[params["strategy"]] if params["strategy"] else [],
            limit=params["limit"],
        )
        by = run.triggering_user_name or "Airflow"
        done = reprocess(Mill.open(), asked, by=by, why=f"DAG run {run.run_id}", dry_run=params["dry_run"])
    for one in done.counts():
        print(f"{one.count} {one.reason} in {one.repository}")
    lines = done.summary() + done.by_reason()
    print(*lines, sep="\n")
    if done.found and not done.dry_run:
        note = "\n".join(["Done again:", *done.by_reason()])[:_NOTE]
        context["ti"].xcom_push(key="chosen", value={"stage": asked.stage.value, "form": done.form(), "note": note})
    return lines


def chosen(context: Mapping[str, Any]) -> dict[str, Any]:
    """The run to start: ``stage``, its ``form`` and a ``note``; the task is skipped where there is none to start."""
    from airflow.sdk.exceptions import AirflowSkipException

    found: dict[str, Any] | None = context["ti"].xcom_pull(task_ids="choose", key="chosen")
    if found is None:
        raise AirflowSkipException("nothing was asked for: a dry run, or nothing was found")
    return found
