"""
### Judge: does the model's patch resolve the instance?

The diff of every rollout is cleaned, applied in a fresh container with test and configuration files restored from our
copy, and the instance's tests are run: resolved only if every FAIL_TO_PASS and PASS_TO_PASS test passes.

Started by new rollouts. Each mapped task is one rollout.
"""

from airflow.sdk import dag

from swemill_airflow.assets import JUDGEMENTS, ROLLOUTS
from swemill_airflow.defaults import dag_defaults, shard_params, subjects_param
from swemill_airflow.steps import mapped_stage


@dag(
    dag_id="judge",
    schedule=[ROLLOUTS],
    doc_md=__doc__,
    params={**shard_params(), "only": subjects_param("Rollouts", "pallets__flask-5014@gpt-4.1#1")},
    **dag_defaults("judgement"),
)
def judge() -> None:
    mapped_stage("judge", asset=JUDGEMENTS, next_job="release", pool="docker_host", minutes=60)


judge()
