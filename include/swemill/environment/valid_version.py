"""Gives a project a version that today's tools read, for the time of its build.

Stands in front of a ``setup.py`` whose version no tool takes any more (``dev``): PEP 440 has been law since setuptools
66 and pip 24.1, and uv never knew anything else. Runs in the back end's Python, as a file of a build.
"""

import os
import re
from typing import Any

import setuptools

from distutils import core  # isort: skip - on Python 3.12 and later it is setuptools that brings distutils

VALID = re.compile(
    r"v?(\d+!)?\d+(\.\d+)*([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?\d*)?(-\d+|[-_.]?(post|rev|r)[-_.]?\d*)?"
    r"([-_.]?dev[-_.]?\d*)?(\+[a-z0-9]+([-_.][a-z0-9]+)*)?",
    re.IGNORECASE,
)
"""PEP 440, appendix B."""


def with_valid_version(setup: Any) -> Any:
    """``setup``, with a version in place of one that is none."""

    def checked(**attrs: Any) -> Any:
        version = attrs.get("version")
        if version is not None and not VALID.fullmatch(str(version).strip()):
            attrs["version"] = os.environ["VALID_VERSION"]
        return setup(**attrs)

    return checked


setuptools.setup = with_valid_version(setuptools.setup)
core.setup = with_valid_version(core.setup)
