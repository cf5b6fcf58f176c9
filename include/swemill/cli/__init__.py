"""The command ``swemill``: the same jobs as the DAGs, without Airflow, and the verbs of one machine."""

from swemill.cli.main import main

__all__ = ["main"]
