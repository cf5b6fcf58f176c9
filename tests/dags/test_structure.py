"""What every DAG file must be: documented, bounded, a form that checks its input, and part of the chain of assets.

Airflow reads the files as it always does; no database is needed.
"""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from swemill.settings import CHECKOUT, LARGEST_SHARD
from tests.dags.conftest import DAGS

NAMES = sorted(path.stem for path in DAGS.glob("*.py"))
MAPPED = {
    "install": "docker_host",
    "validate": "docker_host",
    "revalidate": "docker_host",
    "rollout": "llm",
    "judge": "docker_host",
}
"""DAGs with a mapped task of their own name, and its pool."""


@pytest.fixture(scope="module")
def dags(airflow_home: Any) -> dict[str, Any]:
    """Every DAG by its id."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS), bundle_path=DAGS)
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture(params=NAMES)
def dag(request: pytest.FixtureRequest, dags: dict[str, Any]) -> Any:
    """Each DAG in turn."""
    return dags[request.param]


def test_every_verb_has_its_dag_in_a_file_of_its_name(dags: dict[str, Any]) -> None:
    verbs = {
        "discover",
        "harvest",
        "install",
        "validate",
        "revalidate",
        "rollout",
        "judge",
        "release",
        "train",
        "evaluate",
        "reap",
        "images",
        "reprocess",
    }
    assert set(NAMES) == verbs
    assert {name: dag.fileloc for name, dag in dags.items()} == {name: str(DAGS / f"{name}.py") for name in verbs}


def test_a_dag_is_short_and_documented(dag: Any) -> None:
    text = (DAGS / f"{dag.dag_id}.py").read_text()
    assert text.count("\n") < 100
    assert len(dag.doc_md) > 100
    assert dag.doc_md.strip().startswith("### ")


def test_a_dag_is_owned_tagged_and_bounded(dag: Any) -> None:
    assert "swemill" in dag.tags
    assert len(dag.tags) >= 2
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout is not None
    for task in dag.tasks:
        assert task.owner == "swemill"
        assert task.retries >= 1
        assert task.retry_delay.total_seconds() > 0
        assert task.execution_timeout is not None
        assert task.execution_timeout <= dag.dagrun_timeout


def test_what_searches_the_whole_forge_waits_to_be_switched_on(dags: dict[str, Any]) -> None:
    assert {name for name, dag in dags.items() if dag.is_paused_upon_creation} == {"discover"}


def test_schedules_are_what_starts_a_dag(dags: dict[str, Any]) -> None:
    from airflow.sdk import CronDataIntervalTimetable

    started_by = {name: sorted(_consumed(dag)) or dag.schedule for name, dag in dags.items()}
    # Both need a data interval, which a plain cron string does not give.
    assert {name: started_by.pop(name) for name in ("discover", "harvest")} == {
        "discover": CronDataIntervalTimetable("0 6 * * 0", timezone="UTC"),
        "harvest": CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    }
    assert started_by == {
        "install": ["swemill://instances"],
        "validate": ["swemill://environments"],
        "revalidate": "0 2 * * 1",
        "rollout": None,
        "judge": ["swemill://rollouts"],
        "release": None,
        "train": None,
        "evaluate": None,
        "reap": timedelta(minutes=10),
        "images": timedelta(days=1),
        "reprocess": None,
    }


def test_assets_link_the_stages(dags: dict[str, Any]) -> None:
    links = {
        (producer, consumer)
        for producer, made in ((name, _produced(dag)) for name, dag in dags.items())
        for consumer, needed in ((name, _consumed(dag)) for name, dag in dags.items())
        if made & needed
    }
    assert links == {("harvest", "install"), ("install", "validate"), ("rollout", "judge")}


def test_every_stage_announces_its_facts(dags: dict[str, Any]) -> None:
    assert {name: sorted(_produced(dag)) for name, dag in dags.items()} == {
        "discover": [],
        "harvest": ["swemill://instances"],
        "install": ["swemill://environments"],
        "validate": ["swemill://validations"],
        "revalidate": ["swemill://validations"],
        "rollout": ["swemill://rollouts"],
        "judge": ["swemill://judgements"],
        "release": ["swemill://dataset"],
        "train": ["swemill://checkpoint"],
        "evaluate": ["swemill://evaluations"],
        "reap": [],
        "images": [],
        "reprocess": [],
    }


def test_pools_are_those_of_the_checked_in_file(dags: dict[str, Any]) -> None:
    pools = json.loads((CHECKOUT / "config" / "pools.json").read_text())
    used = {task.pool for dag in dags.values() for task in dag.tasks}
    assert used - {"default_pool"} == set(pools)
    for name, pool in MAPPED.items():
        assert dags[name].get_task(name).pool == pool
    assert all(pool["slots"] >= 1 and pool["description"] for pool in pools.values())


@pytest.mark.parametrize("name", MAPPED)
def test_a_mapped_task_is_named_after_its_item(name: str, dags: dict[str, Any]) -> None:
    task = dags[name].get_task(name)
    assert task.is_mapped
    assert task.partial_kwargs["map_index_template"] == "{{ task.named }}"


@pytest.mark.parametrize("name", MAPPED)
def test_a_run_cannot_be_green_over_items_left_undone(name: str, dags: dict[str, Any]) -> None:
    # Airflow looks at a run's last tasks only. `announce` is one of them and passes whatever happened, so the other
    # branch must end red: it begins with the reckoning, and nothing after that runs when it fails.
    dag = dags[name]
    assert {task.task_id for task in dag.leaves} == {"announce", "next_run"}
    assert dag.get_task("reckon").downstream_task_ids == {"more"}
    assert dag.get_task("more").downstream_task_ids == {"next_run"}
    assert {dag.get_task(task).trigger_rule.value for task in ("more", "next_run")} == {"all_success"}


def test_a_failed_harvest_is_a_failed_run(dags: dict[str, Any]) -> None:
    (leaf,) = dags["harvest"].leaves
    assert leaf.trigger_rule.value == "all_success"


def test_a_form_explains_its_fields_and_accepts_its_defaults(dag: Any) -> None:
    for name in dag.params:
        field = dag.params.get_param(name)
        assert field.schema.get("title"), name
        assert len(field.description) > 10, name
        assert {"type", "enum"} & set(field.schema), name
    dag.params.validate()


@pytest.mark.parametrize("dag_id", MAPPED)
def test_a_form_takes_shards_as_large_as_the_settings_do(dags: dict[str, Any], dag_id: str) -> None:
    assert dags[dag_id].params.get_param("shard").schema["maximum"] == LARGEST_SHARD


@pytest.mark.parametrize(
    "dag_id, wrong",
    [
        ("harvest", {"source": "gitlab"}),
        ("harvest", {"archive": 7}),
        ("harvest", {"repositories": ["flask"]}),
        ("harvest", {"since": "last year"}),
        ("discover", {"min_stars": -1}),
        ("install", {"limit": 0}),
        ("install", {"limit": 64_001}),
        ("install", {"shard": 0}),
        ("validate", {"shard": 65}),
        ("install", {"limit": "all"}),
        ("install", {"only": "pallets__flask-5014"}),
        ("install", {"strategies": ["newest"]}),
        ("install", {"strategies": ["dated", "dated"]}),
        ("validate", {"only": [5014]}),
        ("revalidate", {"limit": 0}),
        ("revalidate", {"only": "pallets__flask-5014"}),
        ("rollout", {"attempts": 0}),
        ("rollout", {"policies": "oracle"}),
        ("judge", {"limit": -1}),
        ("train", {"config": ""}),
        ("train", {"overrides": ["epochs"]}),
        ("evaluate", {"split": "test"}),
        ("evaluate", {"policies": [None]}),
        ("images", {"budget": -1}),
        ("images", {"dry_run": "yes"}),
        ("reprocess", {"stage": "harvest"}),
        ("reprocess", {"repositories": ["flask"]}),
        ("reprocess", {"since": "last year"}),
        ("reprocess", {"strategy": "newest"}),
        ("reprocess", {"limit": 1001}),
        ("reprocess", {"dry_run": "yes"}),
    ],
)
def test_a_form_rejects_what_it_cannot_mean(dag_id: str, wrong: dict[str, Any], dags: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(dags[dag_id].params)
    with pytest.raises(ParamValidationError):
        params.update(wrong)  # validates each


def _consumed(dag: Any) -> set[str]:
    return {asset.name for asset in dag.schedule} if isinstance(dag.schedule, list) else set()


def _produced(dag: Any) -> set[str]:
    return {outlet.name for task in dag.tasks for outlet in (task.outlets or [])}
