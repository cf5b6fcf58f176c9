"""The network of builds: an internal one, on which nothing answers but the caching index proxy.

The proxy's container has a second leg in the engine's default network, the one over which the engine's containers
reach the index in any case. All of it belongs to the engine, not to a process: whoever needs it sees to it that it is
there, and nobody has to take it away. Names are fixed by the index that is asked, so that callers on several machines
find the same; whom the engine refuses a name has been overtaken, and takes what the other one made.
"""

import hashlib
import ipaddress
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from swemill.adapters.docker import index_image
from swemill.adapters.docker.base_image import BaseImages
from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.engine import remove
from swemill.adapters.docker.index_container import PORT, ROLE, ROLE_LABEL, IndexContainer, Overtaken
from swemill.adapters.docker.policy import LABEL
from swemill.adapters.file_lock import only_one
from swemill.adapters.package_index import pip_settings
from swemill.errors import ConfigurationError, SandboxUnavailable
from swemill.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_PATIENCE = 120
"""Seconds in which callers at once come to agree on one network; they do within two or three looks."""


@dataclass(frozen=True, kw_only=True)
class BuildReach:
    """What a build's container needs to know."""

    network: str
    """Name of the network to join, and no other."""
    index_url: str
    """``http://.../simple/``; as of a date for clients without such an option: ``http://.../as-of/<date>/simple/``."""
    host: str
    """Name of the proxy: for ``PIP_TRUSTED_HOST``, since it speaks plain HTTP."""


class BuildNetwork:
    """The build network of one engine."""

    def __init__(
        self,
        api: "APIClient",
        *,
        settings: Settings,
        base_images: BaseImages,
        cache_bytes: int = 40 << 30,
        scope: str = "",
    ) -> None:
        """Nothing is contacted yet.

        Args:
            cache_bytes: files of the index that the proxy may keep.
            scope: a network, proxy and cache apart from those of others on the same engine (tests).
        """
        self._api = api
        self._settings = settings
        self._base_images = base_images
        self._cache_bytes = cache_bytes
        self._scope = scope

    def ensure(self) -> BuildReach:
        """The network with a proxy that answers, made or mended now where it is not there. May be called by many.

        Takes a fraction of a second when all is well, half a minute the first time (and the base image's time).

        Raises:
            ConfigurationError: the index is at an address that no container reaches, or certificates cannot be read.
            SandboxUnavailable: the engine does not answer, or the proxy does not start.
            DiskFull: no room left.
        """
        upstream, certificates = self._upstream()
        image = index_image.image(
            self._api,
            base_images=self._base_images,
            upstream=upstream,
            certificates=certificates,
            lock_dir=self._settings.home / "locks",
        )
        name, network_name = self._names(upstream)
        environment = self._environment(upstream, certificates)
        with only_one(self._settings.home / "locks" / f"{name}.lock"):
            until = time.monotonic() + _PATIENCE
            while not self._settled(network_name, name, image, environment):
                if time.monotonic() > until:
                    raise SandboxUnavailable(
                        f"the network {network_name} is made and removed by others all the time; see which programs "
                        "use this engine (docker network ls, docker ps -a)"
                    )
                time.sleep(0.2)
        return BuildReach(network=network_name, index_url=f"http://{name}:{PORT}/simple/", host=name)

    def remove(self, *, cache: bool = False) -> None:
        """Remove the proxy and, unless others use it, the network; with ``cache`` also what the proxy has kept.

        Raises:
            SandboxUnavailable: the engine does not answer, or a build is still connected.
        """
        import docker.errors

        name, network_name = self._names(self._upstream()[0])
        with engine_errors(f"removing the index proxy {name}"):
            remove(self._api, name)
            if cache:
                try:
                    self._api.remove_volume(name)
                except docker.errors.NotFound:
                    log.debug("there was no volume %s", name)
            for network in self._networks(network_name):
                if not network["Containers"]:
                    self._api.remove_network(network["Id"])

    def _names(self, upstream: str) -> tuple[str, str]:
        """Name of the proxy (container, host and volume), and of the network: of their own for each index."""
        key = hashlib.sha256(f"{self._scope} {upstream}".encode()).hexdigest()[:10]
        return f"swemill-index-{key}", f"swemill-builds-{key}"

    def _upstream(self) -> tuple[str, bytes]:
        """URL of the index, and certificates to trust (empty: the system's)."""
        url, bundle = self._settings.index_url, self._settings.ca_bundle
        if url is None:
            url, configured = pip_settings()
            bundle = bundle or (Path(configured) if configured else None)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
            raise ConfigurationError("the package index is no http or https address; set SWEMILL_INDEX_URL to one")
        if _is_loopback(parts.hostname):
            raise ConfigurationError(
                f"the package index is at {parts.hostname}, which means another machine in each container: let it "
                "listen on an address that the engine's containers reach, and set SWEMILL_INDEX_URL to that"
            )
        try:
            return url, bundle.read_bytes() if bundle else b""
        except OSError as error:
            raise ConfigurationError(f"the CA bundle {bundle} cannot be read ({error.strerror})") from error

    def _environment(self, upstream: str, certificates: bytes) -> dict[str, str]:
        values = {"UPSTREAM": upstream, "CACHE": index_image.CACHE, "CACHE_BYTES": str(self._cache_bytes)}
        if certificates:
            values["CA_BUNDLE"] = index_image.CERTIFICATES
        return {f"INDEX_PROXY_{name}": value for name, value in values.items()}

    # --- the network ---

    def _settled(self, network_name: str, name: str, image: str, environment: Mapping[str, str]) -> bool:
        """One network, and on it a proxy that answers. False when another caller was at it too: look again."""
        network = self._network(network_name)
        if network is None:
            return False
        try:
            IndexContainer(self._api, name=name, image=image, network=network, environment=environment).ensure()
        except Overtaken as error:
            log.debug("another caller is making the network %s too: %s", network_name, error)
            return False
        with engine_errors(f"looking for the network {network_name}"):
            return [found["Id"] for found in self._networks(network_name)] == [network]

    def _networks(self, name: str) -> list[dict[str, Any]]:
        """Those of this name, the one to use first: the engine may have given two callers at once one each."""
        import docker.errors

        found = []
        for network in self._api.networks(names=[name]):
            if network["Name"] == name:
                try:
                    found.append(self._api.inspect_network(network["Id"]))
                except docker.errors.NotFound:
                    log.debug("another caller has just removed the network %s", network["Id"])
        return sorted(found, key=lambda network: (not network["Containers"], network["Created"], network["Id"]))

    def _network(self, name: str) -> str | None:
        """Id of the internal network (not even the host has an address in it); None when several were made at once."""
        with engine_errors(f"making the network {name}"):
            if not self._networks(name):
                self._make_network(name)
            found = self._networks(name)
            for other in found[1:]:
                self._remove_spare(other)
        if len(found) != 1:
            return None
        first = found[0]
        if not first["Internal"]:
            raise ConfigurationError(
                f"the Docker network {name} is not internal: somebody else made it; remove it "
                f"(docker network rm {name})"
            )
        return str(first["Id"])

    def _make_network(self, name: str) -> None:
        import docker.errors

        try:
            self._api.create_network(
                name,
                driver="bridge",
                internal=True,
                check_duplicate=True,
                options={"com.docker.network.bridge.inhibit_ipv4": "true"},
                labels={LABEL: "1", ROLE_LABEL: ROLE},
            )
        except docker.errors.APIError as error:
            if error.status_code != 409:
                raise

    def _remove_spare(self, network: Mapping[str, Any]) -> None:
        """Remove a second network of the name, unless it is gone (404) or somebody's container is on it (403)."""
        import docker.errors

        try:
            self._api.remove_network(network["Id"])
        except docker.errors.APIError as error:
            if error.status_code not in (403, 404):
                raise


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
