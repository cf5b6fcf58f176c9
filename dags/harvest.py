"""
### Harvest: pull requests become instances

Reads a **source** and turns every merged pull request (or release step) into an *instance* (base commit, gold patch,
test patch, problem statement) or into a rejection with its reason. Nothing is stored twice: run it as often as you
like.

* `releases`: consecutive releases of the PyPI packages listed in `config/releases.toml`.
* `archive`: a folder of bare git mirrors, with or without pull-request files (`docs/sources.md`).

New instances emit the asset `swemill://instances`, which starts **install** and then **validate** by themselves.
"""

from airflow.sdk import Param, dag, get_current_context, task

from swemill_airflow.assets import INSTANCES
from swemill_airflow.defaults import dag_defaults
from swemill_airflow.steps import announce


@dag(
    dag_id="harvest",
    schedule=None,
    doc_md=__doc__,
    params={
        "source": Param("releases", enum=["releases", "archive"], title="Source", description="Where to harvest."),
        "archive": Param(
            None,
            type=["null", "string"],
            title="Archive folder",
            description="For the source `archive`: the folder with repos/ and pulls/, as the workers see it.",
        ),
    },
    **dag_defaults("harvest"),
)
def harvest() -> None:
    @task(task_id="harvest", pool="forge")
    def harvesting() -> dict[str, int]:
        """Read the source; returns counts."""
        from dataclasses import asdict
        from pathlib import Path

        from swemill.jobs.harvest import harvest
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        params = get_current_context()["params"]
        archive = Path(params["archive"]) if params["archive"] else None
        with failing_fast():
            return asdict(harvest(Mill.open(), params["source"], archive=archive, say=print))

    harvesting() >> announce(INSTANCES, "install")


harvest()
