"""The whole embedded set-up, for real: up, a pass of DAG runs, a component killed, down."""

import os
import signal
import socket
import subprocess
import textwrap
import time
from pathlib import Path

import pytest
import requests

from swemill.embedded import airflow_database, airflow_services, pass_runner, postgres, processes, services
from swemill.embedded.airflow_api import AirflowApi
from swemill.embedded.doctor import CheckState, checks
from swemill.embedded.pass_runner import PassStage, run_pass
from swemill.errors import OrchestratorUnavailable, PassFailed
from swemill.settings import Settings

pytestmark = [pytest.mark.docker, pytest.mark.postgres, pytest.mark.airflow]

DAG_FILE = '''
"""Two stages, the second started by the first one's asset."""

from pathlib import Path

from airflow.sdk import Asset, Param, dag, get_current_context, task

milled = Asset("test_milled")


@dag(schedule=None, catchup=False, max_active_runs=1, params={
    "items": Param(3, type="integer"), "trouble": Param("none", enum=["none", "once", "always"]), "mark": Param("")})
def mill():
    @task
    def plan(params=None):
        return [f"item-{number}" for number in range(params["items"])]

    @task(map_index_template="{{ label }}", retries=0)
    def work(item, params=None):
        get_current_context()["label"] = item
        first_time = params["mark"] and not Path(params["mark"]).exists()
        if item == "item-1" and params["trouble"] != "none" and (params["trouble"] == "always" or first_time):
            if params["mark"]:
                Path(params["mark"]).touch()
            raise RuntimeError("the millstone broke")

    @task(outlets=[milled])
    def finish():
        pass

    work.expand(item=plan()) >> finish()


@dag(schedule=[milled], catchup=False, max_active_runs=1)
def bake():
    @task
    def one():
        pass

    one()


mill()
bake()
'''


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    base = Path("/var/lib/swemill-tests") / f"{home.parent.name}-services" if os.geteuid() == 0 else home
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {"SWEMILL_HOME": str(home), "SWEMILL_UI_PORT": str(port)}
    return Settings.load(environ | {"SWEMILL_POSTGRES_DIR": str(base / "postgres")})


@pytest.fixture(scope="module")
def dags(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    (folder / "stages.py").write_text(textwrap.dedent(DAG_FILE))
    return folder


@pytest.fixture(scope="module")
def up(settings, dags):
    try:
        yield services.up(settings, print, dags=dags)
    finally:
        services.down(settings, print)
        if os.geteuid() == 0:
            subprocess.run(["rm", "-rf", str(settings.postgres_dir.parent)], check=True)


@pytest.fixture
def api(up) -> AirflowApi:
    return up.airflow


def pending_until_green(api: AirflowApi, dag_id: str):
    """1 until another run of the DAG than those of before is green."""
    before = {run.run_id for run in api.runs(dag_id, states=("success",))}
    return lambda: int({run.run_id for run in api.runs(dag_id, states=("success",))} <= before)


def test_everything_is_healthy_and_the_second_call_is_quick(up, settings, dags):
    began = time.monotonic()
    again = services.up(settings, print, dags=dags)
    assert time.monotonic() - began < 10
    assert again.ui_url == up.ui_url
    now = services.status(settings)
    assert now.postgres
    assert now.health.all_healthy
    assert set(now.components) == set(airflow_services.COMPONENTS)
    found = {check.name: check.state for check in checks(up.settled(settings))}
    assert found["Airflow"] == found["PostgreSQL"] == found["Docker"] == CheckState.OK


def test_the_api_is_on_this_machine_and_closed_without_the_password(up):
    assert requests.get(f"{up.ui_url}/api/v2/dags", timeout=10).status_code == 401
    wrong = {"username": up.username, "password": "guess"}
    assert requests.post(f"{up.ui_url}/auth/token", json=wrong, timeout=10).status_code == 401
    assert up.password not in repr(up)
    port = up.ui_url.rpartition(":")[2]
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    assert "127.0.0.1:" in listening
    assert "0.0.0.0:" + port not in listening


def test_the_pools_of_the_checked_in_file_exist_and_are_left_alone(api):
    pools = {pool["name"]: pool for pool in api._call("GET", "/pools")["pools"]}
    assert {"docker_host", "llm", "gpu", "forge"} <= set(pools)
    assert pools["docker_host"]["slots"] >= (os.cpu_count() or 1)
    assert api.create_missing_pools({"llm": {"slots": 99}}) == []


def test_a_pass_runs_the_stages_and_joins_what_an_asset_started(api):
    said: list[str] = []
    stages = [
        PassStage(name="mill", dag_id="mill", pending=pending_until_green(api, "mill"), conf={"items": 4}),
        PassStage(name="bake", dag_id="bake", pending=pending_until_green(api, "bake")),
        PassStage(name="eat", dag_id="bake", pending=lambda: 0),
    ]
    result = run_pass(api, stages, said.append)
    assert {run.state for stage in result.stages for run in stage.runs} == {"success"}
    assert any(line.startswith("mill      4/4 done, 0 running, 0 failed") for line in said)
    assert "eat       nothing to do" in said
    # Had the pass not joined the run that the asset started, there would be two.
    assert len(api.runs("bake")) == 1
    (run,) = result.stages[0].runs
    labels = {task.label for task in api.task_instances(run) if task.map_index >= 0}
    assert labels == {"item-0", "item-1", "item-2", "item-3"}


def test_a_second_pass_with_nothing_pending_starts_no_run(api):
    before = len(api.runs("mill")), len(api.runs("bake"))
    said: list[str] = []
    result = run_pass(
        api, [PassStage(name=name, dag_id=name, pending=lambda: 0) for name in ("mill", "bake")], said.append
    )
    assert result.runs == 0
    assert said == ["mill      nothing to do", "bake      nothing to do"]
    assert (len(api.runs("mill")), len(api.runs("bake"))) == before


def test_a_failed_item_is_tried_once_more_in_the_same_run(api, tmp_path):
    conf = {"trouble": "once", "mark": str(tmp_path / "mark")}
    said: list[str] = []
    stage = PassStage(name="mill", dag_id="mill", pending=pending_until_green(api, "mill"), conf=conf)
    result = run_pass(api, [stage], said.append)
    (run,) = result.stages[0].runs
    assert run.state == "success"
    assert {task.label: task.attempt for task in api.task_instances(run) if task.map_index >= 0} == {
        "item-0": 1,
        "item-1": 2,
        "item-2": 1,
    }
    assert any("trying the failed ones once more" in line for line in said)


def test_a_run_that_stays_red_names_its_tasks_and_shows_their_logs(api):
    stage = PassStage(name="mill", dag_id="mill", pending=lambda: 1, conf={"trouble": "always"})
    with pytest.raises(PassFailed) as raised:
        run_pass(api, [stage], print)
    message = str(raised.value)
    assert "work item-1, try 2" in message
    assert "RuntimeError: the millstone broke" in message
    assert f"{api.base_url}/dags/mill/runs/" in message
    # A wrong parameter is refused by name, and starts nothing.
    runs = len(api.runs("mill"))
    with pytest.raises(OrchestratorUnavailable, match="trouble"):
        api.trigger("mill", run_id="wrong", conf={"trouble": "sometimes"})
    assert len(api.runs("mill")) == runs


def test_a_dag_that_is_missing_is_named(api, monkeypatch):
    monkeypatch.setattr(pass_runner, "_PARSE_SECONDS", 0)
    with pytest.raises(OrchestratorUnavailable, match="no_such_dag"):
        run_pass(api, [PassStage(name="mill", dag_id="no_such_dag", pending=lambda: 1)], print)


def test_a_component_that_was_killed_is_restarted_and_its_orphans_are_ended(up, settings, dags):
    record = settings.home / "run" / "airflow-scheduler.json"
    scheduler = processes.recorded(record)
    orphans = processes.descendants(scheduler.pid)
    assert orphans
    others = {
        name: processes.recorded(settings.home / "run" / f"airflow-{name}.json") for name in ("api-server", "triggerer")
    }
    os.kill(scheduler.pid, signal.SIGKILL)
    services.up(settings, print, dags=dags)
    assert processes.recorded(record) not in (None, scheduler)
    assert not any(orphan.alive() for orphan in orphans)
    assert {name: processes.recorded(settings.home / "run" / f"airflow-{name}.json") for name in others} == others


def test_all_components_killed_at_once_are_started_again(up, settings, dags):
    for name in airflow_services.COMPONENTS:
        os.kill(processes.recorded(settings.home / "run" / f"airflow-{name}.json").pid, signal.SIGKILL)
    services.up(settings, print, dags=dags)
    assert services.status(settings).health.all_healthy
    assert set(airflow_services.running(settings)) == set(airflow_services.COMPONENTS)


def test_what_lost_its_database_reports_to_the_new_server_once_all_is_up(up, settings, dags):
    postmaster = int((settings.postgres_dir / "postmaster.pid").read_text().partition("\n")[0])
    os.kill(postmaster, signal.SIGKILL)
    time.sleep(8)  # longer than any component is silent: they meet the absence
    services.up(settings, print, dags=dags)
    started = airflow_database.started(postgres.ensure(settings))
    health = services.status(settings).health
    assert health.all_healthy
    # Airflow calls one healthy that reported half a minute ago: to the server that was killed.
    assert len(health.heartbeats) == 3
    assert all(report >= started for report in health.heartbeats.values())


def test_down_stops_all_that_was_started_and_only_that(up, settings, dags):
    bystander = subprocess.Popen(["sleep", "120"], cwd=settings.home)
    engine = services.status(settings).engine
    try:
        services.down(settings, print)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    now = services.status(settings)
    assert now.components == []
    assert not now.postgres
    assert now.engine == engine
    assert processes.marked(settings.home) == []
    services.down(settings, print)  # down twice is down
    began = time.monotonic()
    again = services.up(settings, print, dags=dags)
    assert time.monotonic() - began < 60
    assert again.password == up.password
    assert len(again.airflow.runs("bake")) >= 1  # the history is still there
    assert postgres.running(settings)
