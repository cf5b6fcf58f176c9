"""Airflow's own database: its tables, and since when its server runs."""

import hashlib
import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from swemill.embedded import processes
from swemill.embedded.airflow_config import AirflowHome
from swemill.embedded.postgres import DatabaseUrls
from swemill.errors import OrchestratorUnavailable

PROGRAM = (sys.executable, "-m", "airflow")
"""Airflow's command line."""


def migrate(home: AirflowHome, urls: DatabaseUrls, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Create or migrate Airflow's tables, unless this version is known to have done so in this very database.

    Raises:
        OrchestratorUnavailable: Airflow refuses; the message holds its last words.
    """
    done = home.folder / "migrated.json"
    version = importlib.metadata.version("apache-airflow-core")
    wanted = {
        "airflow": version,
        "database": hashlib.sha256(urls.airflow.encode()).hexdigest(),
        "revision": _revision(urls),
    }
    try:
        if wanted["revision"] and json.loads(done.read_text()) == wanted:
            return
    except (FileNotFoundError, ValueError):
        pass  # no mark, or one cut short: migrate, which does no harm twice
    began = time.monotonic()
    say("airflow   preparing its database")
    result = subprocess.run(
        [*PROGRAM, "db", "migrate"], env=environ, cwd=home.folder, capture_output=True, text=True, check=False
    )
    if result.returncode:
        said = "\n".join((result.stdout + result.stderr).strip().splitlines()[-12:])
        raise OrchestratorUnavailable(f"Airflow's database cannot be migrated:\n{said}")
    processes.write_private(done, json.dumps(wanted | {"revision": _revision(urls)}))
    say(f"airflow   database ready in {time.monotonic() - began:.0f} s")


def started(urls: DatabaseUrls) -> datetime | None:
    """When the server of Airflow's database was started; None where it cannot be asked (``migrate`` will tell why)."""
    engine = create_engine(urls.airflow)
    try:
        with engine.connect() as connection:
            found: datetime | None = connection.scalar(text("SELECT pg_postmaster_start_time()"))
            return found
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _revision(urls: DatabaseUrls) -> str | None:
    engine = create_engine(urls.airflow)
    try:
        with engine.connect() as connection:
            revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return revision
    except SQLAlchemyError:
        return None  # no such table yet
    finally:
        engine.dispose()
