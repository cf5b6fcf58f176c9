"""The unified configuration as of the base commit's date: nothing published later takes part in any resolution.

Old code breaks on new dependencies far more often than on old ones, so this rung finds most of what the first one
loses. The date holds for build isolation, for pytest and for the seeds of the virtual environment as well. Build back
ends are the exception: editable installs (PEP 660) came to them in 2022, so they may be as young as that. And where the
base image's Python is younger than the commit, the date is Python's: before it was released nothing supported it.
"""

from datetime import UTC, datetime

from swemill.environment.dockerfile import Recipe
from swemill.environment.unified import INSTALL_SH
from swemill.values import InstanceSpec, Strategy

BACK_ENDS = ("setuptools", "wheel", "flit-core", "poetry-core", "hatchling", "pdm-pep517", "pip")
BACK_ENDS_FROM = datetime(2022, 12, 1, tzinfo=UTC)
"""By then every back end named here could install editable."""
PYTHON_RELEASED = {
    "3.9": datetime(2020, 10, 5, tzinfo=UTC),
    "3.10": datetime(2021, 10, 4, tzinfo=UTC),
    "3.11": datetime(2022, 10, 24, tzinfo=UTC),
    "3.12": datetime(2023, 10, 2, tzinfo=UTC),
    "3.13": datetime(2024, 10, 7, tzinfo=UTC),
    "3.14": datetime(2025, 10, 7, tzinfo=UTC),
}


def dated(instance: InstanceSpec, *, python: str) -> Recipe:
    """The recipe with resolution pinned to ``instance.base_committed_at``, for ``python`` (``3.9``)."""
    date = max(instance.base_committed_at.astimezone(UTC), PYTHON_RELEASED.get(python, instance.base_committed_at))
    lines = [f'exclude-newer = "{_rfc3339(date)}"']
    if date < BACK_ENDS_FROM:
        lines.append("[exclude-newer-package]")
        lines += [f'{name} = "{_rfc3339(BACK_ENDS_FROM)}"' for name in BACK_ENDS]
    return Recipe(strategy=Strategy.DATED, script=INSTALL_SH, uv_config="\n".join(lines) + "\n")


def _rfc3339(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")
