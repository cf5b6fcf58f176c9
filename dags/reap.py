"""
### Reap: no orphaned container stays

Removes containers of this installation whose work nobody claims any more (their task or machine died). Containers of
live tasks, and those of other installations on the same Docker engine, are left alone. Runs every ten minutes.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from swemill_airflow.defaults import dag_defaults


@dag(
    dag_id="reap",
    schedule=timedelta(minutes=10),
    doc_md=__doc__,
    **dag_defaults("housekeeping", timeout=timedelta(hours=1)),
)
def reap() -> None:
    @task(task_id="reap")
    def reaping() -> list[str]:
        """Remove orphans; returns their names."""
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        mill = Mill.open()
        with failing_fast():
            removed = mill.engine.reap(mill.store.is_claimed)
        print(f"{len(removed)} orphaned containers removed", *removed, sep="\n")
        return removed

    reaping()


reap()
