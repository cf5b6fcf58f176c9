"""
### Revalidate: do accepted instances still hold?

Every Monday a sample of the accepted instances (`SWEMILL_REVALIDATION_SHARE`, at least 20) is tried again, and all that
is in quarantine. In fresh hardened containers each must fail without a patch and resolve with the gold patch: today;
with a clock that is a year ahead; and on another machine (host name, German locale, time zone).

What does not hold, twice, is lost with its reason (`rotted`, `time_bomb`, `depends_on_machine`) and is in *quarantine*:
its facts stay, and it is in no rollout, judgement, evaluation, release or export. A later run that passes, or a new
validation, lifts that. Each mapped task is one instance; a second run in the same week repeats nothing. Instances that
are named are tried whether they are in the sample or not.
"""

from datetime import timedelta

from airflow.sdk import dag

from swemill_airflow.assets import VALIDATIONS
from swemill_airflow.defaults import dag_defaults, shard_params, subjects_param
from swemill_airflow.steps import mapped_stage


@dag(
    dag_id="revalidate",
    schedule="0 2 * * 1",  # a run that starts on Monday ends within its ISO week
    doc_md=__doc__,
    params={**shard_params(), "only": subjects_param("Instances", "pallets__flask-5014")},
    **dag_defaults("validation", timeout=timedelta(days=6)),
)
def revalidate() -> None:
    mapped_stage("revalidate", asset=VALIDATIONS, next_job="rollout", pool="docker_host", minutes=180)


revalidate()
