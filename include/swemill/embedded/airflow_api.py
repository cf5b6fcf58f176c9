"""A small client of Airflow's REST API: what a pass of the pipeline needs, and nothing more.

Airflow may be restarted under a pass: reading calls are repeated for a while, and a run is triggered under an id of our
own choice, so that repeating the call cannot trigger it twice.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from swemill.errors import OrchestratorUnavailable

UNFINISHED_RUN = ("queued", "running")


@dataclass(frozen=True, kw_only=True)
class Health:
    """State of Airflow's components: ``healthy``, ``unhealthy``, or None for one that never reported."""

    database: str | None
    scheduler: str | None
    triggerer: str | None
    dag_processor: str | None
    heartbeats: Mapping[str, datetime]
    """When each of the last three reported last."""

    @property
    def all_healthy(self) -> bool:
        """Whether every component is healthy."""
        return self.database == self.scheduler == self.triggerer == self.dag_processor == "healthy"

    def __str__(self) -> str:
        """One word a component."""
        parts = ("database", "scheduler", "triggerer", "dag_processor")
        return ", ".join(f"{part} {getattr(self, part) or 'silent'}" for part in parts)


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """One run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    queued_at: str


@dataclass(frozen=True, kw_only=True)
class TaskInstance:
    """One task of a run, or one item of a mapped task."""

    task_id: str
    map_index: int
    label: str
    """The rendered map index (an instance id), or the task's id."""
    state: str | None
    attempt: int
    """Number of the latest try, from 1; 0 when it never started."""


class AirflowApi:
    """Airflow's REST API at ``base_url``, used under one log-in."""

    def __init__(self, *, base_url: str, username: str, password: str, patience: float = 60) -> None:
        """Nothing is sent before the first call.

        Args:
            base_url: address of the UI, without a final slash.
            username: log-in name.
            password: its password.
            patience: seconds for which a call is repeated while Airflow does not answer.
        """
        self.base_url = base_url
        self._login = {"username": username, "password": password}
        self._patience = patience
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy for the internet must not catch calls to this machine

    def health(self) -> Health | None:
        """State of the components; None while the API itself does not answer. Never waits."""
        try:
            answer = self._session.get(f"{self.base_url}/api/v2/monitor/health", timeout=5)
            body = answer.json()
        except (requests.RequestException, ValueError):
            return None
        if answer.status_code != 200 or "metadatabase" not in body:
            return None
        states = {part: (body.get(part) or {}).get("status") for part in ("scheduler", "triggerer", "dag_processor")}
        heartbeats = {part: (body.get(part) or {}).get(f"latest_{part}_heartbeat") for part in states}
        return Health(
            database=body["metadatabase"]["status"],
            heartbeats={part: datetime.fromisoformat(at) for part, at in heartbeats.items() if at},
            **states,
        )

    def dag_exists(self, dag_id: str) -> bool:
        """Whether the DAG is known: parsed, and not removed since."""
        answer = self._call("GET", f"/dags/{quote(dag_id)}", accept=(404,))
        return answer is not None and not answer["is_stale"]

    def import_errors(self) -> dict[str, str]:
        """Last line of the error of each DAG file that cannot be imported, by file name."""
        answer = self._call("GET", "/importErrors", params={"limit": 100}) or {}
        return {
            error["filename"]: (error["stack_trace"].strip().splitlines() or [""])[-1]
            for error in answer.get("import_errors", ())
        }

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler start runs of this DAG."""
        self._call("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def trigger(self, dag_id: str, *, run_id: str, conf: Mapping[str, Any]) -> DagRun:
        """Start a run; a run of that id that exists already is returned as it is.

        Raises:
            OrchestratorUnavailable: Airflow refuses, for example because a parameter in ``conf`` is wrong.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        answer = self._call("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body, accept=(409,))
        return _run(answer) if answer else self.run(dag_id, run_id)

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run."""
        return _run(self._call("GET", f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"))

    def runs(self, dag_id: str, *, states: tuple[str, ...] = (), limit: int = 25) -> list[DagRun]:
        """Runs of a DAG, newest first, optionally only those in one of ``states``."""
        params = {"state": list(states), "limit": limit, "order_by": "-run_after"}
        answer = self._call("GET", f"/dags/{quote(dag_id)}/dagRuns", params=params, accept=(404,))
        return [_run(run) for run in answer["dag_runs"]] if answer else []

    def task_instances(self, run: DagRun) -> list[TaskInstance]:
        """All task instances of a run, each item of a mapped task by itself."""
        path = f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}/taskInstances"
        found: list[TaskInstance] = []
        while True:
            answer = self._call("GET", path, params={"limit": 100, "offset": len(found)})
            page = [
                TaskInstance(
                    task_id=item["task_id"],
                    map_index=item["map_index"],
                    label=item["rendered_map_index"] or _label(item["task_id"], item["map_index"]),
                    state=item["state"],
                    attempt=item["try_number"],
                )
                for item in answer["task_instances"]
            ]
            found += page
            if not page or len(found) >= answer["total_entries"]:
                return found

    def retry_failed(self, run: DagRun) -> None:
        """Run the failed tasks of a finished run again, single items of mapped tasks included, in the same run."""
        body = {"dry_run": False, "only_failed": True, "reset_dag_runs": True, "dag_run_id": run.run_id}
        self._call("POST", f"/dags/{quote(run.dag_id)}/clearTaskInstances", json=body)

    def log_tail(self, run: DagRun, task: TaskInstance, *, lines: int = 15) -> str:
        """Last lines of the log of a task's latest try; empty when there is none."""
        path = (
            f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id, safe='')}/taskInstances/{quote(task.task_id)}"
            f"/logs/{max(task.attempt, 1)}"
        )
        params = {"map_index": task.map_index, "full_content": "true"}
        answer = self._call("GET", path, params=params, accept=(404,)) or {}
        content = answer.get("content", ())
        found = [_log_line(item) for item in content] if not isinstance(content, str) else content.splitlines()
        return "\n".join([line for line in found if line][-lines:])

    def create_missing_pools(self, pools: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Create the pools that do not exist, and name them; what an operator changed in others is left."""
        answer = self._call("GET", "/pools", params={"limit": 100})
        present = {pool["name"] for pool in answer["pools"]}
        missing = [name for name in pools if name not in present]
        for name in missing:
            self._call("POST", "/pools", json={"name": name, **pools[name]}, accept=(409,))
        return missing

    def run_url(self, run: DagRun) -> str:
        """Address of a run in the UI."""
        return f"{self.base_url}/dags/{quote(run.dag_id)}/runs/{quote(run.run_id, safe='')}"

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        accept: tuple[int, ...] = (),
    ) -> Any:
        """Call the API and return the body, or None for a status in ``accept``."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                answer = self._send(method, path, params=params, json=json)
                trouble = f"{answer.status_code} {answer.text[:500]}"
                if answer.status_code < 500:
                    break
            except requests.RequestException as cause:
                trouble = f"{type(cause).__name__}: {cause}"
            if time.monotonic() > deadline:
                raise OrchestratorUnavailable(
                    f"Airflow at {self.base_url} does not answer {method} {path}: {trouble}; "
                    "`swemill up` restarts what has died"
                )
            time.sleep(1)
        if answer.status_code in accept:
            return None
        if not answer.ok:
            raise OrchestratorUnavailable(f"Airflow refuses {method} {path}: {_reason(answer)}")
        return answer.json() if answer.content else {}

    def _send(
        self, method: str, path: str, *, params: Mapping[str, Any] | None, json: Mapping[str, Any] | None
    ) -> requests.Response:
        for _ in range(2):
            if "Authorization" not in self._session.headers:
                token = self._session.post(f"{self.base_url}/auth/token", json=self._login, timeout=30)
                if token.status_code != 201:
                    return token
                self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            answer = self._session.request(
                method, f"{self.base_url}/api/v2{path}", params=params, json=json, timeout=60
            )
            if answer.status_code != 401:
                break
            del self._session.headers["Authorization"]  # the token ran out
        return answer


def _run(answer: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=answer["dag_id"],
        run_id=answer["dag_run_id"],
        state=answer["state"],
        queued_at=answer["queued_at"] or answer["run_after"],
    )


def _label(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _log_line(item: object) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping) or str(item.get("event", "")).startswith("::"):
        return ""  # marks by which the UI folds groups of lines
    parts = [str(item.get("event", ""))]
    for error in item.get("error_detail") or ():
        parts.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return " ".join(part for part in parts if part)


def _reason(answer: requests.Response) -> str:
    try:
        detail = answer.json().get("detail", answer.text)
    except (ValueError, AttributeError):
        detail = answer.text
    return f"{answer.status_code} {str(detail)[:500]}"
