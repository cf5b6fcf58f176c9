"""Dates of resolution: as of when an installation is resolved, and what may be younger because Python itself is."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

PYTHON_RELEASED = {
    "3.6": datetime(2016, 12, 23, tzinfo=UTC),
    "3.7": datetime(2018, 6, 27, tzinfo=UTC),
    "3.8": datetime(2019, 10, 14, tzinfo=UTC),
    "3.9": datetime(2020, 10, 5, tzinfo=UTC),
    "3.10": datetime(2021, 10, 4, tzinfo=UTC),
    "3.11": datetime(2022, 10, 24, tzinfo=UTC),
    "3.12": datetime(2023, 10, 2, tzinfo=UTC),
    "3.13": datetime(2024, 10, 7, tzinfo=UTC),
    "3.14": datetime(2025, 10, 7, tzinfo=UTC),
}
"""Final release of each minor version (docs.python.org, "What's New In Python")."""

BACK_ENDS = ("setuptools", "wheel", "flit-core", "poetry-core", "hatchling", "pdm-pep517", "pip")
BACK_ENDS_FROM = datetime(2022, 12, 1, tzinfo=UTC)
"""By then every back end named here could install editable."""

RUNNER = (
    "pytest",
    "pluggy",
    "py",
    "attrs",
    "iniconfig",
    "toml",
    "tomli",
    "packaging",
    "pyparsing",
    "more-itertools",
    "atomicwrites",
    "exceptiongroup",
    "importlib-metadata",
    "typing-extensions",
    "zipp",
    "six",
    "wcwidth",
)
"""pytest with all that it ever needed: as young as Python, or the resolver goes back to a pytest that cannot run."""

UPLOADED_AGAIN = {
    "atomicwrites": datetime(2022, 7, 9, tzinfo=UTC),
    "codecov": datetime(2023, 4, 18, tzinfo=UTC),
}
"""Packages whose releases were deleted and uploaded again, and the day after: all look younger than they are.

Without atomicwrites there is no pytest from 3.6 to 5.
"""

SETTLED = timedelta(days=365)
"""How long after a Python's release its packages have wheels and fixes for it."""


def quarter_of(date: datetime) -> datetime:
    """The first moment of the calendar quarter in UTC.

    Resolving as of the quarter's start rather than the commit's very second lets the neighbouring commits of a
    repository, and other repositories as well, end in the same lock and share one environment image.
    """
    date = date.astimezone(UTC)
    return datetime(date.year, 3 * ((date.month - 1) // 3) + 1, 1, tzinfo=UTC)


def settled(python: str) -> datetime | None:
    """When the packages that are bound to an interpreter had caught up with this one; None for an unknown version."""
    released = PYTHON_RELEASED.get(python)
    return released + SETTLED if released else None


def lifted(python: str, as_of: datetime, bound: Iterable[str]) -> dict[str, datetime]:
    """Which packages may be younger than ``as_of``, and how young.

    Those ``bound`` to Python, pytest, back ends, and what the index dates wrongly.
    """
    caught_up = settled(python) or as_of
    dates = {**dict.fromkeys((*bound, *RUNNER), caught_up), **dict.fromkeys(BACK_ENDS, max(caught_up, BACK_ENDS_FROM))}
    dates |= UPLOADED_AGAIN
    return {name: date for name, date in dates.items() if date > as_of}
