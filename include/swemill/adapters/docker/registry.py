"""Images in a registry of the user's own, so that several engines share what one has built.

``swemill/environment:KEY`` on an engine is ``<registry>/environment:KEY`` there. Credentials are the Docker
client's own (``docker login``); a registry on loopback needs no TLS.
"""

import logging
import re
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.errors import SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_TAG = re.compile(r"swemill/(environment|instance):([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")
_ABSENT = re.compile(r"manifest unknown|name unknown|not found|does not exist", re.IGNORECASE)


class ImageRegistry:
    """Pushes to and pulls from one registry through the engine."""

    def __init__(self, api: "APIClient", address: str) -> None:
        """``address``: ``registry.example.com/swemill``; empty: there is none, and nothing is ever contacted."""
        self._api = api
        self._address = address

    def shares(self, tag: str) -> bool:
        """Whether an image of that tag belongs into the registry."""
        return bool(self._address and _TAG.fullmatch(tag))

    def holds(self, tag: str) -> bool:
        """Whether the registry has the image. Raises SandboxUnavailable when it does not answer."""
        import docker.errors

        remote = ":".join(self._remote(tag))
        with engine_errors(f"asking the registry for {remote}"):
            try:
                self._api.inspect_distribution(remote)
            except docker.errors.APIError as error:
                if error.status_code == 404 or _ABSENT.search(str(error)):
                    return False
                raise
        return True

    def push(self, tag: str) -> str:
        """Push the engine's image of that tag; returns its digest in the registry.

        Raises:
            SandboxUnavailable: the registry does not answer, or refuses (``docker login`` on the engine's client).
        """
        repository, name = self._remote(tag)
        digest = ""
        with engine_errors(f"pushing {repository}:{name}"):
            self._api.tag(tag, repository, name, force=True)
            try:
                for answer in self._api.push(repository, tag=name, stream=True, decode=True):
                    if "error" in answer:
                        raise SandboxUnavailable(
                            f"pushing {repository}:{name} failed: {str(answer['error'])[:500]} (does the registry "
                            "answer, and is the Docker client logged in there?)"
                        )
                    digest = str((answer.get("aux") or {}).get("Digest") or digest)
            finally:
                self._untag(f"{repository}:{name}")
        log.info("image %s is in the registry as %s@%s", tag, repository, digest)
        return digest

    def pull(self, tag: str) -> bool:
        """Pull an image and give it its tag on the engine; False when the registry does not have it.

        Raises:
            SandboxUnavailable: the registry does not answer.
        """
        import docker.errors

        repository, name = self._remote(tag)
        with engine_errors(f"pulling {repository}:{name}"):
            try:
                answers: Any = self._api.pull(repository, tag=name, stream=True, decode=True)
                for answer in answers:
                    if "error" in answer:
                        if _ABSENT.search(str(answer["error"])):
                            return False
                        raise SandboxUnavailable(f"pulling {repository}:{name} failed: {str(answer['error'])[:500]}")
            except docker.errors.NotFound:
                return False
            local, _, _ = tag.rpartition(":")
            self._api.tag(f"{repository}:{name}", local, name, force=True)
            self._untag(f"{repository}:{name}")
        return True

    def _remote(self, tag: str) -> tuple[str, str]:
        found = _TAG.fullmatch(tag)
        if found is None:
            raise ValueError(f"{tag!r} is no image of an environment or instance")
        return f"{self._address}/{found[1]}", found[2]

    def _untag(self, reference: str) -> None:
        """Drop the registry's name again: the image's own tag alone decides how long the engine keeps it."""
        import docker.errors

        try:
            self._api.remove_image(reference, noprune=True)
        except docker.errors.ImageNotFound:
            log.debug("%s lost its name already: another process shares it", reference)
