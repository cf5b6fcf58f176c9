"""
### Validate: does the gold patch turn tests green?

In hardened containers (no network, no capabilities, read-only root) the tests of the test patch run before and after
the gold patch, in several rounds, and then with no patch, the gold patch and wrong ones. Per-test results give
FAIL_TO_PASS and PASS_TO_PASS; an instance without a FAIL_TO_PASS test, with a flaky one, or whose run hangs, crashes or
outgrows its memory, is lost with its reason.

Started by new environments. Each mapped task is one instance, or a shard of several: clear a failed one to run it
again.
"""

from airflow.sdk import dag

from swemill_airflow.assets import ENVIRONMENTS, VALIDATIONS
from swemill_airflow.defaults import dag_defaults, shard_params, subjects_param
from swemill_airflow.steps import mapped_stage


@dag(
    dag_id="validate",
    schedule=[ENVIRONMENTS],
    doc_md=__doc__,
    params={**shard_params(), "only": subjects_param("Instances", "pallets__flask-5014")},
    **dag_defaults("validation"),
)
def validate() -> None:
    mapped_stage("validate", asset=VALIDATIONS, next_job="rollout", pool="docker_host", minutes=60)


validate()
