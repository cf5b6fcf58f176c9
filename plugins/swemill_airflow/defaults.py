"""What all DAGs have in common: owner, retries, time-outs, tags, and the fields that several trigger forms share."""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Param

MAPPED_LIMIT = 1000
"""Most mapped tasks of one run; the run starts the next while more is pending. 10,000 make a scheduler unhealthy."""
LARGEST_SHARD = 64
"""Most items of one mapped task: what ``swemill.settings`` allows, again here, since a DAG file imports none of it."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "swemill",
    # Only infrastructure trouble raises, so every failure is worth another try after a while.
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
}


def dag_defaults(
    *tags: str, timeout: timedelta = timedelta(days=7), start: datetime = datetime(2024, 1, 1)
) -> dict[str, Any]:
    """Arguments of ``@dag`` that every SWE-Mill DAG shares.

    Args:
        tags: what the DAG is about, beside the project's own tag.
        timeout: wall clock of a whole run: a thousand rollouts of half an hour, eight at a time, take days.
        start: no run, and no backfill, lies before it.
    """
    return {
        "start_date": start,
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "dagrun_timeout": timeout,
        "tags": ["swemill", *tags],
        "render_template_as_native_obj": True,
    }


def shard_params() -> dict[str, Param]:
    """How many items a run takes at most, and how many of them a task."""
    return {
        "limit": Param(
            MAPPED_LIMIT * LARGEST_SHARD,
            type="integer",
            minimum=1,
            maximum=MAPPED_LIMIT * LARGEST_SHARD,
            title="Limit",
            description=f"Most items of this run, which has at most {MAPPED_LIMIT} tasks; further runs start by "
            "themselves while more is pending.",
        ),
        "shard": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=LARGEST_SHARD,
            title="Items a task",
            description="Done one after the other; of a failed task only what is not done yet is done again. With one, "
            "every item has a square of its own in the grid; 8 to 64 spare the scheduler where there are many "
            "thousands. Empty: SWEMILL_SHARD.",
        ),
    }


def subjects_param(title: str, example: str) -> Param:
    """Restricts a run to named items."""
    return Param(
        [],
        type="array",
        items={"type": "string"},
        title=title,
        description=f"Only these, one a line, such as {example}. Empty: everything that is pending.",
    )


def repositories_param(otherwise: str) -> Param:
    """Restricts a run to named repositories."""
    return Param(
        [],
        type="array",
        items={"type": "string", "pattern": r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"},
        title="Repositories",
        description=f"Only these, one a line, such as pallets/flask. {otherwise}",
    )


def date_param(title: str, description: str) -> Param:
    """A day, or nothing."""
    return Param(None, type=["null", "string"], format="date", title=title, description=description)
