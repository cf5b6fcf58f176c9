"""
### Reprocess: do again what was lost

Counts the losses of a stage by reason and repository, makes them pending again and starts the DAG of the stage, whose
mapped tasks do exactly these again. **As it stands the form only counts**: look at the numbers, then trigger once more
with *Dry run* off. The numbers are in the grid (the mapped task `counted`, one line each), in the log and the return
value of `choose`, and in the note of the run that is started.

Nothing is deleted: the new attempt stands beside the old one, and the newest counts; `swemill explain` shows both. A
loss that was asked for and is not done yet is not asked for twice. What was lost under other settings or by older code
is pending by itself and is done with the rest.
"""

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from swemill_airflow.defaults import MAPPED_LIMIT, dag_defaults, date_param
from swemill_airflow.steps import start_run


@dag(
    dag_id="reprocess",
    schedule=None,
    doc_md=__doc__,
    params={
        "stage": Param(
            "install",
            enum=["install", "validate", "revalidate", "rollout", "judge"],
            title="Stage",
            description="What lost them.",
        ),
        "reasons": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Reasons",
            description="Why they were lost, one a line, such as tests_timed_out. Empty: any reason.",
        ),
        "repositories": Param(
            [],
            type="array",
            items={"type": "string", "pattern": "^[^/]+/[^/]+$"},
            title="Repositories",
            description="One a line, such as pallets/flask or pallets/*. Empty: all.",
        ),
        "since": date_param("Since", "First day of the loss (UTC). Empty: from the beginning."),
        "until": date_param("Until", "First day of the loss that is left out (UTC). Empty: until now."),
        "strategy": Param(
            None,
            enum=[None, "unified", "dated", "adaptive", "reuse", "agent"],
            title="Strategy",
            description="Of install: lost by this one. Empty: by those of SWEMILL_LADDER.",
        ),
        "limit": Param(
            MAPPED_LIMIT,
            type="integer",
            minimum=1,
            maximum=MAPPED_LIMIT,
            title="Limit",
            description="Most losses of this run, the oldest first.",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Only count; change and start nothing."),
    },
    **dag_defaults("housekeeping"),
)
def reprocess() -> None:
    @task(task_id="choose")
    def choosing() -> list[str]:
        """Ask for the losses, unless this is a dry run; returns what was found, in lines."""
        from swemill_airflow.reprocessing import ask

        return ask(get_current_context())

    @task(task_id="counted", map_index_template="{{ line }}")
    def counted(told: str) -> None:
        """Shows a line in the grid."""
        context: Any = get_current_context()
        context["line"] = told

    @task(task_id="run_again")
    def running_again() -> None:
        """Start the stage with the losses as its items."""
        from swemill_airflow.reprocessing import chosen

        found = chosen(get_current_context())
        start_run(found["stage"], found["form"], note=found["note"])

    lines = choosing()
    counted.expand(told=lines)
    lines >> running_again()


reprocess()
