"""Brings the four components of Airflow up, keeps them up across runs, and takes them down again.

They outlive the command that starts them: the UI stays up after a pass. Each is a process of its own rather than
``airflow standalone``, whose children are orphaned when it is stopped.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from swemill.embedded import airflow_config, airflow_database, processes
from swemill.embedded.airflow_api import AirflowApi, Health
from swemill.embedded.airflow_config import AirflowHome
from swemill.embedded.postgres import DatabaseUrls
from swemill.errors import OrchestratorUnavailable
from swemill.settings import CHECKOUT, PROVIDER_KEYS, Settings

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    # No log servers: the API server reads the files themselves, and nothing more listens on the network.
    "dag-processor": ("dag-processor",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_REPORTING = ("dag-processor", "scheduler", "triggerer")
_READY_SECONDS = 240
_REPORT_SECONDS = 20.0
"""Within this time a component reports that works: several times the five seconds between two reports."""


def start(
    settings: Settings, urls: DatabaseUrls, *, docker_host: str | None, dags: Path, say: Callable[[str], None]
) -> AirflowApi:
    """Start the components that do not run, wait until all are healthy, and create missing pools.

    Raises:
        OrchestratorUnavailable: a component does not become healthy; the message holds the end of its log.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    ours_answers = processes.recorded(_record(settings, "api-server")) is not None
    home = airflow_config.write(settings, urls, dags=dags, port_in_use_by_us=ours_answers)
    environ = airflow_config.environment(settings, urls, docker_host=docker_host)
    client = api(settings)
    fingerprint = _fingerprint(home, environ)
    mark = settings.home / "run" / "airflow.fingerprint"
    if running(settings) and (not mark.exists() or mark.read_text() != fingerprint):
        say("airflow   settings, keys or plugins have changed: restarting")
        stop(settings)
    since = airflow_database.started(urls)
    health = client.health()
    if _all_run(settings) and health and health.all_healthy and not _silent(settings, health, since):
        say(f"airflow   up at {home.url}")
        return client
    airflow_database.migrate(home, urls, environ, say)
    processes.write_private(mark, fingerprint)
    if not _all_run(settings):
        # Components whose supervisor was killed leave workers behind that would work against the new ones.
        _end_orphans(settings)
        for name in set(COMPONENTS) - set(running(settings)):
            _record(settings, name).unlink(missing_ok=True)  # or `_wait` takes a death of before for one of now
    say("airflow   starting")
    fresh = [name for name in ("api-server", "dag-processor") if _start_component(settings, name, environ)]
    # The scheduler's workers call the API from their first moment on.
    _wait(settings, client, lambda: client.health() is not None)
    client.create_missing_pools(_pools())
    if since:
        _end_silent(settings, client, set(COMPONENTS) - set(fresh), since, say)
    fresh += [name for name in COMPONENTS if _start_component(settings, name, environ)]
    _wait(settings, client, lambda: _healthy(client, fresh, started_at))
    say(f"airflow   up at {home.url} in {time.monotonic() - began:.0f} s")
    return client


def stop(settings: Settings) -> list[str]:
    """Stop the components and everything they started, workers and running tasks included; names what ran."""
    running = [name for name in COMPONENTS if processes.recorded(_record(settings, name))]
    _end_orphans(settings)  # before the records, which tell whose they are, are gone
    processes.stop([_record(settings, name) for name in reversed(tuple(COMPONENTS))], grace=10)
    _end_orphans(settings)
    return running


def running(settings: Settings) -> list[str]:
    """Names of the components that run."""
    return [name for name in COMPONENTS if processes.recorded(_record(settings, name))]


def api(settings: Settings) -> AirflowApi:
    """A client of the configured Airflow.

    Raises:
        OrchestratorUnavailable: it was never started.
    """
    home = airflow_config.read(settings)
    if home is None:
        raise OrchestratorUnavailable(f"no Airflow was ever started in {settings.home}: `swemill up` starts one")
    return AirflowApi(base_url=home.url, username=airflow_config.USERNAME, password=home.password)


def _fingerprint(home: AirflowHome, environ: Mapping[str, str]) -> str:
    """Hash of what the components read only once, as they start; DAG files and ``swemill`` are read by each task."""
    content = hashlib.sha256((home.folder / "airflow.cfg").read_bytes())
    for name in sorted(environ):
        if name in (*PROVIDER_KEYS, "GITHUB_TOKEN", "DOCKER_HOST") or name.startswith(("SWEMILL_", "PIP_", "SSL_CERT")):
            content.update(f"{name}={environ[name]}\0".encode())
    plugins = (file for file in (CHECKOUT / "plugins").rglob("*.py") if file.is_file())
    for file in sorted([*plugins, CHECKOUT / "config" / "airflow_local_settings.py", CHECKOUT / "requirements.txt"]):
        content.update(file.read_bytes())
    return content.hexdigest()


def _silent(settings: Settings, health: Health, since: datetime | None) -> list[str]:
    """Components that run and have not reported since the server of their database was started."""
    reports = {name: health.heartbeats.get(name.replace("-", "_")) for name in running(settings) if name in _REPORTING}
    return [name for name, report in reports.items() if since and (report is None or report < since)]


def _end_silent(
    settings: Settings, client: AirflowApi, older: Collection[str], since: datetime, say: Callable[[str], None]
) -> None:
    """End what has not noticed, or not survived, that its database was away.

    A scheduler that loses its database leaves its loop, waits for its tasks, which may take an hour, and ends: all that
    time it looks alive and schedules nothing.
    """
    deadline = time.monotonic() + _REPORT_SECONDS
    while True:
        health = client.health()
        silent = sorted(set(_silent(settings, health, since)) & set(older)) if health else []
        if health and not silent:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    if silent:
        say(f"airflow   lost its database: restarting {', '.join(silent)}")
        processes.stop([_record(settings, name) for name in silent], grace=5)


def _healthy(client: AirflowApi, fresh: Sequence[str], since: datetime) -> bool:
    """Whether all is healthy and the ``fresh`` components have reported ``since``: a dead one passes for a while."""
    health = client.health()
    if health is None or not health.all_healthy:
        return False
    reports = [health.heartbeats.get(name.replace("-", "_")) for name in fresh if name != "api-server"]
    return all(report is not None and report >= since for report in reports)


def _start_component(settings: Settings, name: str, environ: Mapping[str, str]) -> bool:
    if processes.recorded(_record(settings, name)):
        return False
    processes.start(
        [*airflow_database.PROGRAM, *COMPONENTS[name]],
        record=_record(settings, name),
        log=_log(settings, name),
        environ=environ,
        folder=airflow_config.airflow_folder(settings),
        home=settings.home,
    )
    return True


def _wait(settings: Settings, client: AirflowApi, ready: Callable[[], bool]) -> None:
    began = [name for name in COMPONENTS if _record(settings, name).exists()]
    deadline = time.monotonic() + _READY_SECONDS
    while not ready():
        for name in began:
            if processes.recorded(_record(settings, name)) is None:
                log = _log(settings, name)
                raise OrchestratorUnavailable(f"Airflow's {name} ended; the end of {log}:\n{processes.tail(log)}")
        if time.monotonic() > deadline:
            raise OrchestratorUnavailable(
                f"Airflow is not healthy after {_READY_SECONDS} s ({client.health()}); see {_log(settings, '*')}"
            )
        time.sleep(0.5)


def _all_run(settings: Settings) -> bool:
    return len(running(settings)) == len(COMPONENTS)


def _end_orphans(settings: Settings) -> None:
    kept = set()
    for name in running(settings):
        root = processes.recorded(_record(settings, name))
        if root:
            kept |= {root, *processes.descendants(root.pid)}
    me = os.getpid()
    left = {process for name in COMPONENTS for process in processes.left_behind(_record(settings, name))}
    left |= {process for root in left for process in processes.descendants(root.pid)}
    left |= set(processes.marked(settings.home))
    processes.end([process for process in left - kept if process.pid != me], grace=5)


def _pools() -> dict[str, dict[str, object]]:
    pools: dict[str, dict[str, object]] = json.loads((CHECKOUT / "config" / "pools.json").read_text())
    # The checked-in file is sized for two cores; containers are what fills a bigger machine.
    pools["docker_host"]["slots"] = max(int(str(pools["docker_host"]["slots"])), os.cpu_count() or 1)
    return pools


def _record(settings: Settings, name: str) -> Path:
    return settings.home / "run" / f"airflow-{name}.json"


def _log(settings: Settings, name: str) -> Path:
    return settings.home / "logs" / f"airflow-{name}.log"
