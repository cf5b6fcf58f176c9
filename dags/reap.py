"""
### Reap: no orphaned container stays

Removes containers that SWE-Mill labelled and whose work nobody claims any more (their task or machine died).
Containers of live tasks are left alone. Runs every ten minutes.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from swemill_airflow.defaults import dag_defaults


@dag(dag_id="reap", schedule=timedelta(minutes=10), doc_md=__doc__, **dag_defaults("housekeeping"))
def reap() -> None:
    @task(task_id="reap")
    def reaping() -> list[str]:
        """Remove orphans; returns their names."""
        from swemill.wiring import Mill

        mill = Mill.open()
        removed = mill.engine.reap(mill.store.is_claimed)
        print(f"{len(removed)} orphaned containers removed", *removed, sep="\n")
        return removed

    reaping()


reap()
