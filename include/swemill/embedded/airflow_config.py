"""Writes the configuration of the embedded Airflow: ``airflow.cfg``, the secrets and the log-in.

All of it lies in ``<home>/airflow``, readable by its owner only, so that secrets stay out of the environment that
tasks inherit, and so that ``AIRFLOW_HOME=<home>/airflow airflow ...`` works by hand. Secrets are made once and kept:
a new key would make everything unreadable that was encrypted or signed with the old one.
"""

import base64
import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swemill.embedded.postgres import DatabaseUrls
from swemill.embedded.processes import write_private
from swemill.errors import ConfigurationError
from swemill.settings import CHECKOUT, Settings

USERNAME = "admin"
_PORTS_TRIED = 100


@dataclass(frozen=True, kw_only=True)
class AirflowHome:
    """Where the embedded Airflow lives and how to log in."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Address of the UI and of the API."""
        return f"http://127.0.0.1:{self.port}"


def airflow_folder(settings: Settings) -> Path:
    """The folder that is Airflow's home."""
    return settings.home / "airflow"


def read(settings: Settings) -> AirflowHome | None:
    """The configured home; None before the first ``write``."""
    folder = airflow_folder(settings)
    try:
        port = int((folder / "port").read_text())
        password = json.loads((folder / "passwords.json").read_text())[USERNAME]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return AirflowHome(folder=folder, port=port, password=password)


def write(settings: Settings, urls: DatabaseUrls, *, dags: Path, port_in_use_by_us: bool) -> AirflowHome:
    """Write the configuration, keeping secrets, password and port of an earlier one.

    Args:
        settings: the settings.
        urls: the databases.
        dags: folder of the DAG files.
        port_in_use_by_us: our API server already answers on the port of the earlier configuration.

    Raises:
        ConfigurationError: no free port is found.
    """
    folder = airflow_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    earlier = read(settings)
    if earlier and (port_in_use_by_us or _free(earlier.port)):
        port = earlier.port
    else:
        port = _free_port(settings.ui_port)
    password = earlier.password if earlier else secrets.token_urlsafe(12)
    home = AirflowHome(folder=folder, port=port, password=password)
    write_private(folder / "passwords.json", json.dumps({USERNAME: password}) + "\n")
    write_private(folder / "port", f"{port}\n")
    write_private(folder / "airflow.cfg", _render(_sections(home, urls, dags)))
    return home


def environment(settings: Settings, urls: DatabaseUrls, *, docker_host: str | None) -> dict[str, str]:
    """The environment of Airflow's components and of the tasks, which inherit it."""
    # Options in the environment would win over airflow.cfg, whoever set them and for whichever Airflow.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    path = [str(CHECKOUT / "config"), inherited.get("PYTHONPATH", "")]
    ours = {
        "AIRFLOW_HOME": str(airflow_folder(settings)),
        "SWEMILL_HOME": str(settings.home),
        "SWEMILL_DATABASE_URL": urls.swemill,
        "PYTHONPATH": os.pathsep.join(part for part in path if part),  # config/airflow_local_settings.py
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
        "NO_PROXY": ",".join(part for part in (inherited.get("NO_PROXY", ""), "127.0.0.1", "localhost") if part),
    }
    if docker_host:
        ours["DOCKER_HOST"] = docker_host
    return inherited | ours


def _sections(home: AirflowHome, urls: DatabaseUrls, dags: Path) -> Mapping[str, Mapping[str, object]]:
    cores = os.cpu_count() or 1
    return {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": min(2 * cores + 2, 32),  # LocalExecutor forks that many workers, and can deadlock with 150
            "dags_folder": dags,
            "plugins_folder": CHECKOUT / "plugins",
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "fernet_key": _secret(home, "fernet_key", base64.urlsafe_b64encode(os.urandom(32)).decode()),
            "simple_auth_manager_users": f"{USERNAME}:admin",
            "simple_auth_manager_passwords_file": home.folder / "passwords.json",
            "execution_api_server_url": f"{home.url}/execution/",
        },
        "database": {
            "sql_alchemy_conn": urls.airflow,
            "sql_alchemy_conn_async": "",  # no asynchronous driver is installed; only waiting endpoints would use it
            "sql_alchemy_pool_size": 5,
            "sql_alchemy_max_overflow": 10,
        },
        "logging": {
            "base_log_folder": home.folder / "logs",
            "dag_processor_child_process_log_directory": home.folder / "logs" / "dag_processor",
            "uvicorn_logging_level": "WARNING",
            "colored_console_log": False,
        },
        "api": {
            "host": "127.0.0.1",
            "port": home.port,
            "base_url": home.url,
            "workers": max(1, min(cores // 2, 4)),
            "secret_key": _secret(home, "api_secret_key", secrets.token_urlsafe(48)),
            "expose_config": False,
        },
        "api_auth": {"jwt_secret": _secret(home, "jwt_secret", secrets.token_hex(64))},
        "workers": {"execution_api_timeout": 60},
        "scheduler": {
            "task_instance_heartbeat_timeout": 60,  # a killed task is noticed after a minute instead of five
            "task_instance_heartbeat_timeout_detection_interval": 10,
            "enable_health_check": False,
        },
        "dag_processor": {
            "refresh_interval": 30,
            "min_file_process_interval": 60,
            "parsing_processes": min(2, cores),
            "dag_file_processor_timeout": 120,
        },
        "operators": {"default_owner": "swemill"},
    }


def _render(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = ["# Written by `swemill up`; a change by hand is lost at the next start."]
    for name, options in sections.items():
        lines += ["", f"[{name}]"]
        # A percent sign starts an interpolation in this format.
        lines += [f"{option} = {str(value).replace('%', '%%')}" for option, value in options.items()]
    return "\n".join(lines) + "\n"


def _secret(home: AirflowHome, name: str, fresh: str) -> str:
    file = home.folder / "secrets" / name
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(file, fresh)
    return file.read_text()


def _free_port(preferred: int) -> int:
    for port in range(preferred, preferred + _PORTS_TRIED):
        if _free(port):
            return port
    raise ConfigurationError(f"no free port from {preferred} on for the Airflow UI: set SWEMILL_UI_PORT to a free one")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
