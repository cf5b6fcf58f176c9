"""The base images below all environments: Debian with a Python, compilers, git and uv.

They come from a registry where one answers, and from ``debootstrap`` where none does (air-gapped machines). Either way
the same recipe finishes them, so that the two differ in nothing that a build could notice.
"""

import hashlib
import io
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker import base_packages, base_recipe
from swemill.adapters.docker.base_catalogue import (
    PATIENCE,
    SUITES,
    BaseKind,
    can_bootstrap,
    kinds,
    mirror_serves,
    registry_answers,
)
from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.adapters.docker.debootstrap import bootstrap, host_mirror
from swemill.adapters.docker.policy import LABEL
from swemill.adapters.docker.tar import tar_of
from swemill.adapters.file_lock import only_one
from swemill.errors import ConfigurationError, DiskFull, Infrastructure, SandboxUnavailable
from swemill.settings import Settings
from swemill.values import BaseImage

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TROUBLE = re.compile(r"error|certificate|fail|unable|could not", re.IGNORECASE)
_SOURCE_LABEL = "swemill.base.source"
_BUILD_TIMEOUT = 1200


@dataclass(frozen=True, kw_only=True)
class BaseImageConfig:
    """What defines the base images, and where they may come from."""

    suite: str
    """Debian release of the default one."""
    mirror: str
    """Package mirror of debootstrap; empty: the host's own."""
    source: str
    """``auto``, ``registry`` or ``debootstrap``."""
    ca_bundle: Path | None
    index_url: str | None
    lock_dir: Path
    """Folder of the lock files that keep two processes from making the same image."""

    @classmethod
    def of(cls, settings: Settings) -> "BaseImageConfig":
        """The configuration that ``settings`` ask for."""
        return cls(
            suite=settings.debian_suite,
            mirror=settings.debian_mirror,
            source=settings.base_image_source,
            ca_bundle=settings.ca_bundle,
            index_url=settings.index_url,
            lock_dir=settings.home / "locks",
        )


class BaseImages:
    """Makes base images on first use, and finds them ever after."""

    def __init__(self, api: "APIClient", *, config: BaseImageConfig) -> None:
        """Take the engine's low-level client and the configuration; nothing is contacted yet."""
        self._api = api
        self._config = config

    def pythons(self) -> tuple[str, ...]:
        """Minor versions that can be had, oldest first: those made before, those of the mirror and of the registry.

        Raises:
            SandboxUnavailable: the engine does not answer.
        """
        return tuple(sorted(self._offered, key=lambda version: [int(part) for part in version.split(".")]))

    def get(self, python: str = "", packages: Sequence[str] = ()) -> BaseImage:
        """The base image with ``python`` (empty: that of the default Debian release) and Debian's ``packages``.

        It is made now if the engine lacks it (1-3 minutes, once). Packages that Debian does not have are left out.

        Raises:
            ConfigurationError: unknown release or Python, missing CA bundle, or debootstrap cannot run here.
            SandboxUnavailable: the engine or the chosen source does not answer.
            DiskFull: no room left.
        """
        kind = self._default() if python in ("", SUITES.get(self._config.suite)) else self._kind(python)
        context = self._context(kind)
        tag = f"swemill/base:{kind.name}-{base_recipe.digest(context)}"
        base = self._found_or_made(tag, kind, lambda: self._make(tag, kind, context))
        names = base_packages.wanted(packages)
        if not names:
            return base
        more = base_packages.reference(base.digest, names, kind=kind.name)
        fuller = self._found_or_made(
            more, kind, lambda: base_packages.make(self._api, base=base.reference, tag=more, names=names)
        )
        # With nothing added, environments had better share the base image's. The tag stays, and says so at once.
        return fuller if fuller.packages else base

    def _default(self) -> BaseKind:
        python = SUITES.get(self._config.suite)
        if python is None:
            raise ConfigurationError(
                f"SWEMILL_DEBIAN_SUITE is {self._config.suite!r}; known are {', '.join(SUITES)} "
                f"(Python {', '.join(SUITES.values())})"
            )
        return BaseKind(python=python, suite=self._config.suite)

    def _kind(self, python: str) -> BaseKind:
        made = next((kind for kind in kinds() if kind.python == python and self._is_made(kind)), None)
        kind = made or self._offered.get(python)
        if kind is None:
            raise ConfigurationError(
                f"no base image with Python {python} can be had here; there is {', '.join(self.pythons())} (a registry "
                "that the Docker engine can reach has every version)"
            )
        return kind

    @cached_property
    def _offered(self) -> Mapping[str, BaseKind]:
        """By version; asked once, because a registry that is not there takes its time not to answer."""
        config = self._config
        made = {kind: self._is_made(kind) for kind in kinds()}
        registry = config.source != "debootstrap" and not all(made.values()) and registry_answers(self._api)
        source = registry or (config.source != "registry" and can_bootstrap())
        mirror = config.mirror or (host_mirror() if source else "")
        offered: dict[str, BaseKind] = {}
        for kind in kinds():
            can_make = registry if not kind.suite else source and not made[kind] and mirror_serves(kind.suite, mirror)
            if made[kind] or can_make:
                offered.setdefault(kind.python, kind)
        return offered

    def _is_made(self, kind: BaseKind) -> bool:
        tag = f"swemill/base:{kind.name}-{base_recipe.digest(self._context(kind))}"
        return self._find(tag, kind) is not None

    def _context(self, kind: BaseKind) -> dict[str, bytes]:
        return base_recipe.context(
            debian_python=bool(kind.suite), ca_bundle=self._config.ca_bundle, index_url=self._config.index_url
        )

    def _found_or_made(self, tag: str, kind: BaseKind, make: Callable[[], None]) -> BaseImage:
        found = self._find(tag, kind)
        if found:
            return found
        with only_one(self._config.lock_dir / f"{hashlib.sha256(tag.encode()).hexdigest()[:12]}.lock"):
            found = self._find(tag, kind)  # another process may have made it while this one waited
            if found is None:
                make()
                found = self._find(tag, kind)
        if found is None:
            raise SandboxUnavailable(f"the base image {tag} vanished right after it was made; run again")
        return found

    def _find(self, tag: str, kind: BaseKind) -> BaseImage | None:
        import docker.errors

        with engine_errors(f"looking for the base image {tag}"):
            try:
                image: dict[str, Any] = self._api.inspect_image(tag)
            except docker.errors.ImageNotFound:
                return None
        labels = image["Config"].get("Labels") or {}
        return BaseImage(
            reference=tag,
            digest=image["Id"],
            python=kind.python,
            source=labels.get(_SOURCE_LABEL, "unknown"),
            packages=tuple(labels.get(base_packages.PACKAGES_LABEL, "").split()),
        )

    def _make(self, tag: str, kind: BaseKind, context: Mapping[str, bytes]) -> None:
        raw, source = self._raw(kind)
        log.info("base image: finishing %s (packages, uv, user)", tag)
        tail: list[str] = []
        with engine_errors(f"building the base image {tag}"):
            answers = self._api.build(
                fileobj=io.BytesIO(tar_of(context, modified=0)),
                custom_context=True,
                tag=tag,
                buildargs={"RAW": raw, "SOURCE": source},
                labels={LABEL: "1", _SOURCE_LABEL: source},
                rm=True,
                forcerm=True,
                decode=True,
                timeout=_BUILD_TIMEOUT,
            )
            for answer in answers:
                tail = [*tail[-40:], str(answer.get("stream") or answer.get("error") or "")]
                if "error" in answer:
                    trouble = DiskFull if says_disk_full("".join(tail)) else SandboxUnavailable
                    log.error("building the base image %s failed:\n%s", tag, "".join(tail))
                    raise trouble(f"building the base image {tag} failed: {_cause(''.join(tail))}")
        log.info("base image: %s is ready", tag)

    def _raw(self, kind: BaseKind) -> tuple[str, str]:
        """Reference of the bare system to start from, and where it came from."""
        if self._config.source != "debootstrap" or not kind.suite:
            try:
                return self._pull(kind.registry_image), "registry"
            except Infrastructure as error:
                if self._config.source == "registry" or not kind.suite or isinstance(error, DiskFull):
                    raise
                log.info("base image: no registry answers; making the system with debootstrap")
        packages = base_recipe.PACKAGES
        return bootstrap(self._api, suite=kind.suite, mirror=self._config.mirror, packages=packages), "debootstrap"

    def _pull(self, image: str) -> str:
        repository, _, tag = image.partition(":")
        log.info("base image: pulling %s", image)
        patience, self._api.timeout = self._api.timeout, PATIENCE
        try:
            with engine_errors(f"pulling {image}"):
                for answer in self._api.pull(repository, tag=tag, stream=True, decode=True):
                    if "error" in answer:
                        raise SandboxUnavailable(f"pulling {image} failed: {answer['error']}")
        finally:
            self._api.timeout = patience
        return image


def _cause(output: str) -> str:
    """The telling line of a failed build, and what to do where that is known; the log has all of it."""
    lines = [_ANSI.sub("", line).strip() for line in output.splitlines()]
    telling = [line for line in lines if _TROUBLE.search(line)] or [line for line in lines if line] or ["no output"]
    if any("certificate" in line.lower() for line in telling):
        return f"{telling[0][:300]} (set SWEMILL_CA_BUNDLE to the certificates of your proxy)"
    return f"{telling[0][:300]} (are the Debian mirror and the package index reachable from containers?)"
