"""
### Release: the SFT dataset

Collects every trajectory judged resolved, outside the evaluation repositories, into an immutable dataset:
`dataset.jsonl` (OpenAI-format messages) and `manifest.json` (counts, hashes, lineage). The same trajectories give the
same release.
"""

from airflow.sdk import dag, task

from swemill_airflow.assets import DATASET
from swemill_airflow.defaults import dag_defaults


@dag(dag_id="release", schedule=None, doc_md=__doc__, **dag_defaults("dataset"))
def release() -> None:
    @task(task_id="release", outlets=[DATASET])
    def releasing() -> str:
        """Make the release; returns what was made, and skips when it was made before."""
        from airflow.sdk.exceptions import AirflowSkipException

        from swemill.jobs.release import release
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        with failing_fast():
            done = release(Mill.open())
        if done.repeated:
            raise AirflowSkipException(done.line())
        print(done.line())
        return done.detail

    releasing()


release()
