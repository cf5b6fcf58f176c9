"""Imported by every Airflow component as it starts, before it forks its workers.

What is imported here is shared by all forked task processes instead of being imported by each of them again: it takes
about a third off the cost of a short task.
"""

import airflow.sdk  # noqa: F401
import docker  # noqa: F401, TID253
