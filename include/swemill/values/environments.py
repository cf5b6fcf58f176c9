"""Images, how they are built, and the environment that an instance can be tested in."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Strategy(StrEnum):
    """Rungs of the installation ladder, in the order in which they are tried."""

    UNIFIED = "unified"
    DATED = "dated"


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """A base image: the system and Python below all environments of one kind."""

    reference: str
    """Tag that builds start FROM."""
    digest: str
    """Content id of the image (``sha256:...``)."""
    python: str
    """Python version, such as ``3.9``."""
    source: str
    """``registry`` or ``debootstrap``."""


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """Everything that defines an image: the Dockerfile and the files of its context."""

    dockerfile: str
    context: Mapping[str, bytes]
    """Files beside the Dockerfile, by relative path."""
    tag: str
    timeout: int


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """How a build ended. ``image`` is None when the build failed for a reason of the repository's own."""

    image: str | None
    """Content id (``sha256:...``)."""
    log: str
    seconds: float
    bytes: int = 0
    timed_out: bool = False


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment that works: built, collected, at least one test passing at the base commit."""

    strategy: Strategy
    image: str
    python: str
    dockerfile: str
    lock: str
    """Installed distributions, one ``name==version`` a line."""
    collected: int
    log: str
    seconds: float
    bytes: int
