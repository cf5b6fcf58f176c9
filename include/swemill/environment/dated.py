"""The unified configuration as of the base commit's date: nothing published later takes part in any resolution.

Old code breaks on new dependencies far more often than on old ones, so this rung finds most of what the first one
loses. The date holds for build isolation, for pytest and for the seeds of the virtual environment as well. Build back
ends are the exception: editable installs (PEP 660) came to them in 2022, so they may be as young as that. And where the
base image's Python is younger than the commit, the date is Python's: before it was released nothing supported it.
"""

from datetime import UTC

from swemill.environment.as_of import BACK_ENDS, BACK_ENDS_FROM, PYTHON_RELEASED
from swemill.environment.image_plans import Recipe, rfc3339
from swemill.environment.unified import INSTALL_SH
from swemill.values import InstanceSpec, Strategy


def dated(instance: InstanceSpec, *, python: str) -> Recipe:
    """The recipe with resolution pinned to ``instance.base_committed_at``, for ``python`` (``3.9``)."""
    date = max(instance.base_committed_at.astimezone(UTC), PYTHON_RELEASED.get(python, instance.base_committed_at))
    lines = [f'exclude-newer = "{rfc3339(date)}"']
    if date < BACK_ENDS_FROM:
        lines.append("[exclude-newer-package]")
        lines += [f'{name} = "{rfc3339(BACK_ENDS_FROM)}"' for name in BACK_ENDS]
    return Recipe(strategy=Strategy.DATED, script=INSTALL_SH, uv_config="\n".join(lines) + "\n")
