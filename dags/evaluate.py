"""
### Evaluate: resolved rate of a policy

Counts a policy's judged rollouts on a fixed set of instances: the `holdout` split (repositories never released for
training) or `all` validated ones. Reports the resolved rate with its Wilson 95% interval. Needs the policy's rollouts
to be judged: run **rollout** first.
"""

from airflow.sdk import Param, dag, get_current_context, task

from swemill_airflow.assets import EVALUATIONS
from swemill_airflow.defaults import dag_defaults
from swemill_airflow.steps import pending_subjects


@dag(
    dag_id="evaluate",
    schedule=None,
    doc_md=__doc__,
    params={
        "policies": Param(
            [], type="array", items={"type": "string"}, title="Policies", description="Empty: all with rollouts."
        ),
        "split": Param(
            None,
            enum=[None, "holdout", "all"],
            title="Split",
            description="Which instances count; empty: both splits, one evaluation each.",
        ),
    },
    **dag_defaults("evaluation"),
)
def evaluate() -> None:
    @task(task_id="evaluate", outlets=[EVALUATIONS])
    def evaluating() -> list[str]:
        """Evaluate what is pending; returns one line an evaluation, and skips when nothing is."""
        from airflow.sdk.exceptions import AirflowSkipException

        from swemill.jobs.evaluate import evaluate
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        mill = Mill.open()
        with failing_fast():
            subjects = pending_subjects("evaluate", dict(get_current_context()["params"]))
            lines = [evaluate(mill, subject).line() for subject in subjects]
        if not lines:
            raise AirflowSkipException("nothing is pending: every judged policy is evaluated")
        print(*lines, sep="\n")
        return lines

    evaluating()


evaluate()
