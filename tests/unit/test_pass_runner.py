"""Counting the tasks of a run for its line of progress."""

from swemill.embedded.airflow_api import TaskInstance
from swemill.embedded.pass_runner import Counts


def task(state: str | None, *, map_index: int = -1) -> TaskInstance:
    return TaskInstance(task_id="work", map_index=map_index, label="x", state=state, attempt=1)


def test_items_of_mapped_tasks_are_what_counts():
    tasks = [task("success"), task(None)]
    tasks += [task(state, map_index=index) for index, state in enumerate(["success", "running", "failed", "queued"])]
    assert str(Counts.of(tasks)) == "1/4 done, 1 running, 1 failed"


def test_before_anything_is_mapped_the_tasks_count():
    assert Counts.of([task("success"), task(None), task("upstream_failed")]) == Counts(1, 0, 0, 1, 3)


def test_skipped_and_removed_items_are_done():
    assert Counts.of([task("skipped", map_index=0), task("removed", map_index=1)]).done == 2


def test_a_run_without_tasks_counts_nothing():
    assert Counts.of([]) == Counts(0, 0, 0, 0, 0)
