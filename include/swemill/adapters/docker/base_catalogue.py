"""Which Pythons base images can be had with here, and what bare system each would start from.

Debian's releases carry one Python each; a registry has an image for every version. What is offered depends on who
answers: a release that the package mirror has dropped is no longer offered, unless its image was made before.
"""

import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swemill.adapters.docker.client import engine_errors

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

SUITES: Mapping[str, str] = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
"""Python of each Debian release."""

REGISTRY_PYTHONS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
"""Versions with an image ``python:<version>-slim``."""

PATIENCE = 20
"""Seconds that a registry or a mirror gets to answer."""
_MIRROR = "http://deb.debian.org/debian"


@dataclass(frozen=True, kw_only=True)
class BaseKind:
    """One kind of base image."""

    python: str
    suite: str = ""
    """Debian release whose Python it is; empty: the image ``python:<version>-slim`` of a registry."""

    @property
    def name(self) -> str:
        """What its tag begins with."""
        return self.suite or f"python{self.python}"

    @property
    def registry_image(self) -> str:
        """The bare system as a registry has it."""
        return f"debian:{self.suite}-slim" if self.suite else f"python:{self.python}-slim"


def kinds() -> tuple[BaseKind, ...]:
    """All kinds there could be: those of Debian first, which need no registry."""
    debian = tuple(BaseKind(python=python, suite=suite) for suite, python in SUITES.items())
    return debian + tuple(BaseKind(python=python) for python in REGISTRY_PYTHONS)


def registry_answers(api: "APIClient") -> bool:
    """Whether the engine can ask a public registry for an image.

    Raises:
        SandboxUnavailable: the engine itself does not answer.
    """
    import docker.errors
    import requests

    with engine_errors("asking the engine for a registry"):
        try:
            answer = api._get(
                api._url("/distribution/{0}/json", f"python:{REGISTRY_PYTHONS[-1]}-slim"), timeout=PATIENCE
            )
            api._raise_for_status(answer)
        except (docker.errors.APIError, requests.ReadTimeout) as error:
            log.info("base images: no registry answers (%s)", str(error)[:200])
            return False
    return True


def mirror_serves(suite: str, mirror: str) -> bool:
    """Whether the package mirror (empty: Debian's own) still has a release."""
    url = f"{(mirror or _MIRROR).rstrip('/')}/dists/{suite}/InRelease"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE):
            return True
    except (urllib.error.URLError, OSError, ValueError) as error:
        log.info("base images: %s has no %s (%s)", mirror or _MIRROR, suite, error)
        return False


def can_bootstrap() -> bool:
    """Whether ``debootstrap`` can run here, or could be installed."""
    tools = (shutil.which(tool, path=f"{os.defpath}:/usr/sbin:/sbin") for tool in ("debootstrap", "apt-get"))
    return os.geteuid() == 0 and any(tools)
