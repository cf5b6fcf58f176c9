"""
### Install: an environment for every instance

Climbs the installation **ladder**, one attempt a strategy, and stops at the first environment that builds, collects
the test suite and passes at least one test at the base commit:

1. `adaptive`: candidates inferred from the repository's own files, repaired by rules when they fail.
2. `reuse`: the environment that was proven on a neighbouring commit of the same repository.

These are the rungs as shipped (`SWEMILL_LADDER`). By name there are also `unified`, the paper's unified default
configuration and the baseline; `dated`, the same with every dependency as of the base commit's date; and `agent`: a
model proposes a Dockerfile, which is built and probed without it (needs a provider's key).

Each mapped task is one instance. A lost one has its reason and log in `swemill explain INSTANCE`.
"""

from airflow.sdk import Param, dag

from swemill_airflow.assets import ENVIRONMENTS, INSTANCES
from swemill_airflow.defaults import dag_defaults, shard_params, subjects_param
from swemill_airflow.steps import mapped_stage


@dag(
    dag_id="install",
    schedule=[INSTANCES],
    doc_md=__doc__,
    params={
        **shard_params(),
        "only": subjects_param("Instances", "pallets__flask-5014"),
        "strategies": Param(
            [],
            type="array",
            items={"type": "string", "enum": ["unified", "dated", "adaptive", "reuse", "agent"]},
            uniqueItems=True,
            title="Strategies",
            description="Rungs of the ladder, in the order in which they are tried; none: those of SWEMILL_LADDER.",
        ),
    },
    **dag_defaults("install"),
)
def install() -> None:
    mapped_stage(
        "install",
        asset=ENVIRONMENTS,
        next_job="validate",
        pool="docker_host",
        minutes=90,
        strategies="{{ params.strategies }}",
    )


install()
