"""A DAG file is parsed over and over by every Airflow component: what it imports is bounded, by name and not by clock.

``tests/benchmarks/dag_import.py`` measures the seconds.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from swemill.settings import CHECKOUT
from tests.dags.conftest import DAGS

HEAVY = (
    "airflow.jobs",
    "airflow.models",
    "airflow.providers.standard.operators.trigger_dagrun",
    "alembic",
    "datasets",
    "fsspec",
    "litellm",
    "minisweagent",
    "numpy",
    "openai",
    "pandas",
    "psycopg2",
    "sqlalchemy",
    "swemill",
    "torch",
    "transformers",
)
"""Never needed to know what a DAG looks like. The work itself is imported by the tasks."""
MODULES_AT_MOST = 260
"""Modules that a DAG file may add to ``airflow.sdk``: the Docker provider and its SDK are about 210."""

_LINE = re.compile(r"import time:\s+\d+ \|\s+\d+ \|\s+(\S+)")
_PRELUDE = """
import airflow.sdk
for name in ("Asset", "BaseOperator", "Param", "TriggerRule", "dag", "get_current_context", "task"):
    getattr(airflow.sdk, name)
import sys
print("import time: 0 | 0 | ==", file=sys.stderr)
import runpy
runpy.run_path(sys.argv[1])
"""


def imported(dag_file: Path, home: Path) -> set[str]:
    """Modules that the file imports beyond those of ``airflow.sdk``."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _PRELUDE, str(dag_file)],
        env={**os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(CHECKOUT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    names = _LINE.findall(done.stderr)
    assert "==" in names
    return set(names[names.index("==") + 1 :]) - set(names[: names.index("==")])


@pytest.mark.parametrize("name", sorted(path.stem for path in DAGS.glob("*.py")))
def test_a_dag_file_imports_nothing_heavy(name: str, airflow_home: Path) -> None:
    modules = imported(DAGS / f"{name}.py", airflow_home)
    assert any(module.startswith("swemill_airflow") for module in modules)
    heavy = {module for module in modules for prefix in HEAVY if f"{module}.".startswith(f"{prefix}.")}
    assert not heavy
    assert len(modules) < MODULES_AT_MOST
