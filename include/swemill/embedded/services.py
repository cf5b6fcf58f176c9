"""Everything up, everything down: the two verbs that ``swemill up``, ``run`` and ``down`` are made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from swemill.adapters.file_lock import only_one
from swemill.embedded import airflow_config, airflow_services, docker_engine, postgres
from swemill.embedded.airflow_api import AirflowApi, Health
from swemill.embedded.docker_engine import Engine
from swemill.embedded.postgres import DatabaseUrls
from swemill.settings import CHECKOUT, Settings


@dataclass(frozen=True, kw_only=True)
class Services:
    """What runs, and how to reach it."""

    databases: DatabaseUrls
    engine: Engine
    airflow: AirflowApi
    ui_url: str
    username: str
    password: str
    """Log-in of the UI."""

    def settled(self, settings: Settings) -> Settings:
        """The settings with the addresses of these services filled in."""
        return replace(settings, database_url=self.databases.swemill, docker_host=self.engine.host)

    def __repr__(self) -> str:
        """Show the services without the password."""
        return f"Services(engine={self.engine}, ui_url={self.ui_url})"


@dataclass(frozen=True, kw_only=True)
class Status:
    """What of an installation runs at this moment."""

    postgres: bool
    engine: Engine | None
    components: list[str]
    """Running components of Airflow."""
    health: Health | None
    ui_url: str | None


def up(settings: Settings, say: Callable[[str], None], *, dags: Path = CHECKOUT / "dags") -> Services:
    """Start whatever does not run yet: PostgreSQL, a Docker engine, Airflow. Cheap when all is up.

    Args:
        settings: the settings.
        say: takes one line of progress at a time.
        dags: folder of the DAG files.

    Raises:
        Infrastructure: a service cannot be started; the message says why and what to do.
    """
    with only_one(settings.home / "run" / "up.lock"):
        databases = postgres.ensure(settings)
        say("postgres  up")
        engine = docker_engine.ensure(settings, say)
        say(f"docker    engine {engine.version} at {engine.host}")
        client = airflow_services.start(settings, databases, docker_host=engine.host, dags=dags, say=say)
    home = airflow_config.read(settings)
    assert home is not None  # `start` has just written it
    return Services(
        databases=databases,
        engine=engine,
        airflow=client,
        ui_url=home.url,
        username=airflow_config.USERNAME,
        password=home.password,
    )


def down(settings: Settings, say: Callable[[str], None]) -> None:
    """Stop everything that ``up`` started for this installation, and only that."""
    with only_one(settings.home / "run" / "up.lock"):
        stopped = airflow_services.stop(settings)
        say(f"airflow   stopped ({', '.join(stopped)})" if stopped else "airflow   was not running")
        say("postgres  stopped" if postgres.stop(settings) else "postgres  was not running here")
        say("docker    engine stopped" if docker_engine.stop(settings) else "docker    not started here: left alone")


def status(settings: Settings) -> Status:
    """What runs at this moment; starts nothing."""
    home = airflow_config.read(settings)
    components = airflow_services.running(settings)
    return Status(
        postgres=postgres.running(settings),
        engine=docker_engine.find(settings),
        components=components,
        health=airflow_services.api(settings).health() if home and components else None,
        ui_url=home.url if home else None,
    )
