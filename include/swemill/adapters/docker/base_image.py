"""The base image below all environments: Debian with its Python, compilers, git and uv.

It comes from a registry where one answers, and from ``debootstrap`` where none does (air-gapped machines). Either way
the same Dockerfile finishes it, so that the two differ in nothing that a build could notice. What builds need to reach
the outside (a proxy's CA bundle, a package index) lies in ``/etc/swemill/build.env``, which only builds read: an
environment variable of the image would also change what tests see.
"""

import hashlib
import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.adapters.docker.debootstrap import bootstrap
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

PYTHONS: Mapping[str, str] = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
"""Python of each Debian release."""

UV_VERSION = "0.13.9"
# fmt: off
PACKAGES = (
    "ca-certificates", "file", "g++", "gcc", "git", "libbz2-dev", "libc6-dev", "libffi-dev", "liblzma-dev",
    "libreadline-dev", "libsqlite3-dev", "libssl-dev", "libxml2-dev", "libxslt1-dev", "libyaml-dev", "locales",
    "make", "patch", "pkg-config", "procps", "python3", "python3-dev", "python3-pip", "python3-venv", "tzdata",
    "xz-utils", "zlib1g-dev",
)
# fmt: on

_SOURCE_LABEL = "swemill.base.source"
_REGISTRY_PATIENCE = 20
_BUILD_TIMEOUT = 1200


@dataclass(frozen=True, kw_only=True)
class BaseImageConfig:
    """What defines the base image, and where it may come from."""

    suite: str
    mirror: str
    """Package mirror of debootstrap; empty: the host's own."""
    source: str
    """``auto``, ``registry`` or ``debootstrap``."""
    ca_bundle: Path | None
    index_url: str | None
    lock_dir: Path
    """Folder of the lock file that keeps two processes from making the same image."""

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
    """Makes the base image on first use, and finds it ever after."""

    def __init__(self, api: "APIClient", *, config: BaseImageConfig) -> None:
        """Take the engine's low-level client and the configuration; nothing is contacted yet."""
        self._api = api
        self._config = config

    def get(self) -> BaseImage:
        """The base image, made now if the engine lacks it (1-3 minutes, once).

        Raises:
            ConfigurationError: unknown suite, missing CA bundle, or debootstrap cannot run here.
            SandboxUnavailable: the engine or the chosen source does not answer.
            DiskFull: no room left.
        """
        python = PYTHONS.get(self._config.suite)
        if python is None:
            raise ConfigurationError(
                f"SWEMILL_DEBIAN_SUITE is {self._config.suite!r}; known are {', '.join(PYTHONS)} "
                f"(Python {', '.join(PYTHONS.values())})"
            )
        context = self._context()
        recipe = hashlib.sha256(b"\0".join(name.encode() + b"\0" + data for name, data in sorted(context.items())))
        reference = f"swemill/base:{self._config.suite}-{recipe.hexdigest()[:12]}"
        found = self._find(reference, python)
        if found:
            return found
        with only_one(self._config.lock_dir / f"{hashlib.sha256(reference.encode()).hexdigest()[:12]}.lock"):
            found = self._find(reference, python)  # another process may have made it while this one waited
            if found is None:
                self._make(reference, context)
                found = self._find(reference, python)
        if found is None:
            raise SandboxUnavailable(f"the base image {reference} vanished right after it was made; run again")
        return found

    def _find(self, reference: str, python: str) -> BaseImage | None:
        import docker.errors

        with engine_errors(f"looking for the base image {reference}"):
            try:
                image = self._api.inspect_image(reference)
            except docker.errors.ImageNotFound:
                return None
        source = (image["Config"].get("Labels") or {}).get(_SOURCE_LABEL, "unknown")
        return BaseImage(reference=reference, digest=image["Id"], python=python, source=source)

    def _context(self) -> dict[str, bytes]:
        exports = []
        context: dict[str, bytes] = {"ca.crt": b""}
        if self._config.ca_bundle:
            try:
                context["ca.crt"] = self._config.ca_bundle.read_bytes()
            except OSError as error:
                raise ConfigurationError(f"the CA bundle {self._config.ca_bundle} cannot be read: {error}") from error
            names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
            exports += [f"export {name}=/etc/swemill/ca.crt" for name in names]
        if self._config.index_url:
            if "'" in self._config.index_url:
                raise ConfigurationError("the package index URL contains a quote")
            exports += [f"export {name}='{self._config.index_url}'" for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")]
        context["build.env"] = "".join(f"{line}\n" for line in exports).encode()
        context["Dockerfile"] = _DOCKERFILE.encode()
        context["setup.sh"] = _SETUP.encode()
        context["packages"] = "\n".join(PACKAGES).encode() + b"\n"
        return context

    def _make(self, reference: str, context: Mapping[str, bytes]) -> None:
        raw, source = self._raw()
        log.info("base image: finishing %s (packages, uv, user)", reference)
        arguments = {"RAW": raw, "SUITE": self._config.suite, "SOURCE": source}
        tail: list[str] = []
        with engine_errors(f"building the base image {reference}"):
            answers = self._api.build(
                fileobj=io.BytesIO(tar_of(context, modified=0)),
                custom_context=True,
                tag=reference,
                buildargs=arguments,
                labels={LABEL: "1", _SOURCE_LABEL: source},
                rm=True,
                forcerm=True,
                decode=True,
                timeout=_BUILD_TIMEOUT,
            )
            for answer in answers:
                tail = [*tail[-40:], str(answer.get("stream") or answer.get("error") or "")]
                if "error" in answer:
                    kind = DiskFull if says_disk_full("".join(tail)) else SandboxUnavailable
                    log.error("building the base image %s failed:\n%s", reference, "".join(tail))
                    raise kind(f"building the base image {reference} failed: {_cause(''.join(tail))}")
        log.info("base image: %s is ready", reference)

    def _raw(self) -> tuple[str, str]:
        """Reference of the bare system to start from, and where it came from."""
        if self._config.source != "debootstrap":
            try:
                return self._pull(), "registry"
            except Infrastructure as error:
                if self._config.source == "registry" or isinstance(error, DiskFull):
                    raise
                log.info("base image: no registry answers; making the system with debootstrap")
        suite, mirror = self._config.suite, self._config.mirror
        return bootstrap(self._api, suite=suite, mirror=mirror, packages=PACKAGES), "debootstrap"

    def _pull(self) -> str:
        repository, tag = "debian", f"{self._config.suite}-slim"
        log.info("base image: pulling %s:%s", repository, tag)
        patience, self._api.timeout = self._api.timeout, _REGISTRY_PATIENCE
        try:
            with engine_errors(f"pulling {repository}:{tag}"):
                for answer in self._api.pull(repository, tag=tag, stream=True, decode=True):
                    if "error" in answer:
                        raise SandboxUnavailable(f"pulling {repository}:{tag} failed: {answer['error']}")
        finally:
            self._api.timeout = patience
        return f"{repository}:{tag}"


_DOCKERFILE = """\
ARG RAW
FROM ${RAW}
ARG SUITE
ARG SOURCE
COPY ca.crt build.env /etc/swemill/
COPY setup.sh packages /tmp/setup/
RUN sh /tmp/setup/setup.sh "$SUITE" "$SOURCE" && rm -rf /tmp/setup
ENV LANG=C.UTF-8 PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin VIRTUAL_ENV=/opt/venv
WORKDIR /testbed
USER mill
CMD ["/bin/bash"]
"""

_SETUP = f"""\
set -eu
suite=$1 source=$2
if [ "$source" = registry ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(cat /tmp/setup/packages)
    rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
fi
. /etc/swemill/build.env
# The distribution's pip refuses to touch its own Python from Debian 12 on; older ones do not know the option.
PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir --disable-pip-version-check -q uv=={UV_VERSION}
uv --version
groupadd -g 1000 mill
useradd -u 1000 -g 1000 -m -d /home/mill -s /bin/bash mill
install -d -o mill -g mill /testbed /opt/testbed /opt/venv /opt/build
install -o mill -g mill -m 644 /dev/null /opt/lock.txt
# Nothing below needs set-user-id programs, and no foreign code should find one.
find / -xdev -type f -perm /6000 -exec chmod a-s {{}} +
"""


def _cause(output: str) -> str:
    """The telling line of a failed build, and what to do where that is known; the log has all of it."""
    lines = [_ANSI.sub("", line).strip() for line in output.splitlines()]
    telling = [line for line in lines if _TROUBLE.search(line)] or [line for line in lines if line] or ["no output"]
    if any("certificate" in line.lower() for line in telling):
        return f"{telling[0][:300]} (set SWEMILL_CA_BUNDLE to the certificates of your proxy)"
    return f"{telling[0][:300]} (are the Debian mirror and the package index reachable from containers?)"
