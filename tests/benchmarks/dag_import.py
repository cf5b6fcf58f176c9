"""Seconds that parsing each DAG file takes beyond ``import airflow.sdk``: median of five fresh processes.

    .venv/bin/python tests/benchmarks/dag_import.py

The bound is one second; ``tests/dags/test_imports.py`` guards it by what is imported, this by the clock.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REPEATS = 5
BOUND = 1.0

_MEASURE = """
import airflow.sdk, time, runpy, sys
for name in ("Asset", "BaseOperator", "Param", "TriggerRule", "dag", "get_current_context", "task"):
    getattr(airflow.sdk, name)
start = time.perf_counter()
runpy.run_path(sys.argv[1])
print("seconds", time.perf_counter() - start)
"""


def seconds(dag_file: Path, home: str) -> float:
    """One measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(dag_file)],
        env={**os.environ, "AIRFLOW_HOME": home, "PYTHONPATH": str(CHECKOUT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.rsplit("seconds", 1)[1])


def main() -> int:
    """Print a line a DAG file; 1 when one is over the bound."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as home:
        for dag_file in sorted((CHECKOUT / "dags").glob("*.py")):
            taken = [seconds(dag_file, home) for _ in range(REPEATS)]
            median = statistics.median(taken)
            worst = max(worst, median)
            print(f"{dag_file.name:14} {median:.3f} s  (from {min(taken):.3f} to {max(taken):.3f})", flush=True)
    print(f"worst {worst:.3f} s, bound {BOUND:.1f} s")
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
