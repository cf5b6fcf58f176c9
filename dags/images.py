"""
### Images: what the engine keeps stays within a budget

Removes Docker images of this engine until those of environments and instances take no more bytes than the budget.
First go leftovers without a name and what failed tries left, then instances with nothing pending, the least recently
used first, then environments on which no instance stands, and last those with pending work. Never what a container
uses, a live claim holds or another image stands on, and nothing that is younger than an hour.

Nothing is lost: an image that is gone is made again from its stored plan when it is needed. Runs once a day, on the
engine of the worker that the task lands on. *Dry run* only lists what would go.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from swemill_airflow.defaults import dag_defaults


@dag(
    dag_id="images",
    schedule=timedelta(days=1),
    doc_md=__doc__,
    params={
        "budget": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Budget in bytes",
            description="For environments and instances together. Empty: SWEMILL_IMAGE_BUDGET (200 GiB by default).",
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Only list in the log what would be removed."
        ),
    },
    **dag_defaults("housekeeping", timeout=timedelta(hours=3)),
)
def images() -> None:
    @task(task_id="collect", execution_timeout=timedelta(hours=2))
    def collecting(params: dict[str, Any] | None = None) -> int:
        """Remove images; returns how many."""
        from swemill.jobs.collect_images import collect
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        asked = params or {}
        with failing_fast():
            done = collect(Mill.open(), budget=asked.get("budget"), dry_run=bool(asked.get("dry_run")))
        for one in done.removed:
            print(f"{one.image.name}: {one.why.value}")
        print(done.line())
        return len(done.removed)

    collecting()


images()
