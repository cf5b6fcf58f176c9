"""The operator behind the mapped tasks: whose engine it talks to, what it renders, what is left when it is stopped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest

from swemill.adapters.docker.policy import container_arguments
from swemill.errors import SandboxUnavailable
from swemill.settings import CHECKOUT
from swemill.values import Limits, SandboxSpec
from swemill.wiring import Mill

pytestmark = pytest.mark.docker
SOCKET = "/var/run/docker.sock"

# A task as Airflow's runner drives it: SIGTERM calls on_kill from inside whatever the task is just doing.
_STOPPABLE = """
import signal, sys
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.values import Limits, SandboxSpec
from datetime import timedelta
from swemill_airflow.sandbox_operator import SandboxOperator

limit = timedelta(minutes=5)
operator = SandboxOperator(task_id="validate", job="validate", subjects=["acme__tiny-1"], execution_timeout=limit)
signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
spec = SandboxSpec(
    name=sys.argv[1], image=sys.argv[2], limits=Limits(wall_clock=120), effect_key="f" * 64, stage="validate",
    subject="acme__tiny-1",
)
with DockerSandboxEngine(operator._connect(None)).start(spec) as sandbox:
    print("started", flush=True)
    sandbox.run(["sleep", "100"], timeout=110)
"""


@pytest.fixture(scope="module")
def api() -> docker.APIClient:
    """The engine itself, without any setting."""
    return docker.APIClient(base_url=f"unix://{SOCKET}")


def operator(**arguments: Any) -> Any:
    from swemill_airflow.sandbox_operator import SandboxOperator

    return SandboxOperator(
        task_id="validate", job="validate", subjects=["acme__tiny-1"], execution_timeout=timedelta(hours=1), **arguments
    )


def exists(api: docker.APIClient, name: str) -> bool:
    return bool(api.containers(all=True, filters={"name": f"^/{name}$"}))


def test_stopping_a_task_removes_its_container_and_no_other(
    api: docker.APIClient, mill: Mill, airflow_home: Path
) -> None:
    image = mill.builder.base().reference
    name = f"swemill-test-{uuid4().hex[:12]}"
    other = SandboxSpec(
        name=f"{name}-other",
        image=image,
        limits=Limits(wall_clock=120),
        effect_key=uuid4().hex * 2,
        stage="validate",
        subject="acme__tiny-1",
    )
    container_arguments(other).create(api)
    task = subprocess.Popen(
        [sys.executable, "-c", _STOPPABLE, name, image],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "plugins")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert task.stdout is not None
        assert "started" in task.stdout.readline()
        assert exists(api, name)
        time.sleep(0.5)  # it waits for its command now
        task.send_signal(signal.SIGTERM)
        _, trouble = task.communicate(timeout=30)
        assert "SandboxUnavailable" in trouble.splitlines()[-1]
        assert not exists(api, name)
        assert exists(api, other.name)
    finally:
        task.kill()
        task.wait()
        for leftover in (name, other.name):
            if exists(api, leftover):
                api.remove_container(leftover, force=True)


def test_on_kill_of_a_task_that_never_reached_its_engine_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    operator().on_kill()


class _Relay:
    """A Docker engine on another address: a TCP port that leads to the real socket, and counts who came."""

    def __init__(self) -> None:
        self.visitors = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._server.accept()
            except OSError:
                return
            self.visitors += 1
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(SOCKET)
            threading.Thread(target=self._converse, args=(visitor, engine), daemon=True).start()

    def _converse(self, visitor: socket.socket, engine: socket.socket) -> None:
        with visitor, engine:
            answers = threading.Thread(target=self._pump, args=(engine, visitor), daemon=True)
            answers.start()
            self._pump(visitor, engine)
            answers.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        with contextlib.suppress(OSError):  # the other side has left first
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def relay() -> Iterator[_Relay]:
    """An engine on another address."""
    relay = _Relay()
    yield relay
    relay.close()


def test_the_engine_of_the_settings_is_used(relay: _Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    # DOCKER_HOST as it was when the DAG file was parsed, on another machine perhaps, must not win over the setting.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with contextlib.closing(operator()._connect(relay.url)) as client:
        assert client.ping()
    assert relay.visitors


def test_an_engine_given_to_the_operator_wins_over_the_settings(relay: _Relay) -> None:
    with contextlib.closing(operator(docker_url=relay.url)._connect("tcp://127.0.0.1:9")) as client:
        assert client.ping()
    assert relay.visitors


def test_an_engine_that_does_not_answer_is_infrastructure() -> None:
    with pytest.raises(SandboxUnavailable, match=r"at tcp://127\.0\.0\.1:9 failed.*SWEMILL_DOCKER_HOST"):
        operator()._connect("tcp://127.0.0.1:9")
    with pytest.raises(SandboxUnavailable, match=r"tcp://127\.0\.0\.1:9 failed"):
        operator(docker_url="tcp://127.0.0.1:9")._connect(None)


def test_lists_of_the_form_arrive_as_lists(load_dag: Any) -> None:
    dag = load_dag("install")
    task = dag.get_task("install").unmap({"subjects": ["acme__tiny-1"]})
    task.render_template_fields({"params": {"strategies": ["dated", "unified"]}}, dag.get_template_env())
    assert task.job_arguments == {"strategies": ["dated", "unified"]}
    assert task.subjects == ["acme__tiny-1"]


def test_a_shard_has_the_time_of_all_its_items(load_dag: Any) -> None:
    one, three = (
        load_dag("validate")
        .get_task("validate")
        .unmap({"subjects": [f"acme__tiny-{number}" for number in range(count)]})
        for count in (1, 3)
    )
    assert three.execution_timeout == 3 * one.execution_timeout
    assert (one.named, three.named) == ("acme__tiny-0", "acme__tiny-0 and 2 more")


@pytest.mark.parametrize("subject", ["acme__install-1@gpt-4.1#1", "acme__x.sh-1", "1__2-3@oracle#1", "acme__run.sh"])
def test_no_name_is_taken_for_code_or_a_file(load_dag: Any, subject: str) -> None:
    dag = load_dag("rollout")
    task = operator()
    task.subjects = [subject]
    task.resolve_template_files()
    task.render_template_fields({"params": {}}, dag.get_template_env())
    assert task.subjects == [subject]


def test_an_unknown_job_is_refused(airflow_home: Path) -> None:
    from swemill_airflow.sandbox_operator import _job

    assert {_job(name).__name__ for name in ("install", "validate", "revalidate", "rollout", "judge")} == {
        "install",
        "validate",
        "revalidate",
        "rollout",
        "judge",
    }
    with pytest.raises(ValueError, match="no job is called 'reap'"):
        _job("reap")
