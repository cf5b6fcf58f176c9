"""Images and how they are built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_Files = Mapping[str, bytes]  # named here: within a class that has a field `bytes`, the word means that field


class Strategy(StrEnum):
    """Rungs of the installation ladder."""

    UNIFIED = "unified"
    """The paper's one configuration for every repository; the baseline."""
    DATED = "dated"
    """The same, with every resolution as of the base commit's date."""
    ADAPTIVE = "adaptive"
    """Candidates inferred from the repository, repaired by rules when they fail."""
    REUSE = "reuse"
    """The environment that was proven on a neighbouring commit of the same repository."""
    AGENT = "agent"
    """A Dockerfile that a model proposed, built and probed without it."""


class BuildEnd(StrEnum):
    """How a build ended."""

    BUILT = "built"
    FAILED = "failed"
    """The script ended with an exit code other than 0."""
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_LARGE = "too_large"
    """It wrote more bytes or files than a build may."""


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
    packages: tuple[str, ...] = ()
    """Debian packages beyond those of every base image, sorted."""


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """Everything that defines an image: what it starts from, the files, and the one script that is run.

    As a Dockerfile: ``FROM base``, ``ENV``, ``COPY files /opt/build/``, ``RUN sh /opt/build/<script>``, with the script
    run by the unprivileged user of the base image. ``/opt/build`` is gone from the image.
    """

    base: str
    """Reference of the image below."""
    files: Mapping[str, bytes]
    """Files of ``/opt/build``, by plain name."""
    script: str = "install.sh"
    """The one of ``files`` that is run."""
    tag: str
    """Tag of the image to make; empty: only ``outputs`` are wanted, no image is kept."""
    timeout: int
    """Seconds the script may take."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the image, in force for the script as well."""
    outputs: tuple[str, ...] = ()
    """Absolute paths of files to read when the script has succeeded."""
    effect_key: str = ""
    """Claim of the work that wants the image: whoever finds the build's container without a live claim removes it."""
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """How a build ended. ``image`` is None when it failed for a reason of the repository's own, or was not wanted."""

    image: str | None
    """Content id (``sha256:...``)."""
    end: BuildEnd = BuildEnd.BUILT
    exit_code: int = 0
    log: str
    """Its end, at most 1 MiB."""
    seconds: float
    bytes: int = 0
    """Size of the image with all that lies below it."""
    outputs: _Files = field(default_factory=dict)
    """Those of the wanted outputs that exist, at most 64 MiB each."""
    repeated: bool = False
    """The engine or the registry had the image already; nothing was built."""


class ImageLevel(StrEnum):
    """What an image is to others."""

    BASE = "base"
    ENVIRONMENT = "environment"
    INSTANCE = "instance"


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image that an engine holds."""

    id: str
    """Content id (``sha256:...``)."""
    tags: tuple[str, ...]
    """Empty: a leftover that no name leads to."""
    level: ImageLevel | None
    """None for leftovers, and for tagged images that are none of the three."""
    bytes: int
    """What it takes beyond the image it stands on."""
    created: datetime
    """When it was made, or came to the engine."""
    parent: str = ""
    """Id of the stored image that it stands on; empty where there is none."""
    in_use: bool = False
    """A container, running or not, was made from it."""
    effect_key: str = ""
    """The work that it was built for, where that is known."""
    store: str = ""
    """The database whose claims that key belongs to."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.tags[0] if self.tags else self.id[:19]
