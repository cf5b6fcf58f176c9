"""
### Rollout: models work on validated instances

Every chosen **policy** (agent + model + prompt + limits, `config/policies.toml`) works on every validated instance,
in a sandbox without network; the model is called from outside, so no key is ever inside. With no provider key set,
the scripted policies run: `oracle` replays the gold patch, `idle` changes nothing.

Not started by itself, because models cost money. Each mapped task is one rollout, `instance@policy#number`.
"""

from airflow.sdk import Param, dag

from swemill_airflow.assets import ROLLOUTS
from swemill_airflow.defaults import dag_defaults, shard_params, subjects_param
from swemill_airflow.steps import mapped_stage


@dag(
    dag_id="rollout",
    schedule=None,
    doc_md=__doc__,
    params={
        **shard_params(),
        "only": subjects_param("Rollouts", "pallets__flask-5014@gpt-4.1#1"),
        "policies": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Policies",
            description="Names from config/policies.toml. Empty: all whose key is set, else the scripted ones.",
        ),
        "attempts": Param(
            1,
            type="integer",
            minimum=1,
            maximum=100,
            title="Attempts",
            description="Rollouts of each policy on each instance.",
        ),
    },
    **dag_defaults("rollout"),
)
def rollout() -> None:
    mapped_stage("rollout", asset=ROLLOUTS, next_job="judge", pool="llm", minutes=90)


rollout()
