"""The one place that knows how to reach a container engine, and what its library's exceptions mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swemill.errors import DiskFull, SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

REQUEST_TIMEOUT = 120
"""Seconds one request to the engine may take: creating a container on a busy disk takes tens of them."""

_CONNECT_TIMEOUT = 15
_FULL = ("no space left on device", "disk quota exceeded")


def connect(docker_host: str | None, *, timeout: float = REQUEST_TIMEOUT) -> "APIClient":
    """The low-level client of the engine at ``docker_host`` (None: ``DOCKER_HOST`` or the local socket).

    It is checked that the engine answers.

    Raises:
        SandboxUnavailable: nothing answers there; the message says how to get an engine.
    """
    import docker

    where = docker_host or "the local socket"
    with engine_errors(f"connecting to the Docker engine at {where}"):
        # The library reads DOCKER_HOST and the TLS variables of a remote engine itself; an explicit host wins.
        arguments = docker.utils.kwargs_from_env()
        if docker_host:
            arguments["base_url"] = docker_host
        client = docker.APIClient(version="auto", timeout=_CONNECT_TIMEOUT, **arguments)
        client.ping()
        client.timeout = timeout
    return client


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Translate the exceptions of docker, requests and urllib3 at the boundary.

    A full disk of the engine becomes DiskFull, everything else SandboxUnavailable. Code that can tell a repository's
    fault from the engine's (a failing build step, a missing file) looks before the exception gets here.
    """
    import docker.errors
    import requests
    import urllib3

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as cause:
        text = str(cause)
        if says_disk_full(text):
            raise DiskFull(
                f"{doing} failed: the engine's disk is full; free some space (docker system prune) and run again: "
                "finished work is not repeated"
            ) from cause
        raise SandboxUnavailable(f"{doing} failed: {type(cause).__name__}: {text[:500]} ({_way_out(cause)})") from cause


def says_disk_full(text: str) -> bool:
    """True when a message of the engine or of a tool speaks of a full disk."""
    lowered = text.lower()
    return any(words in lowered for words in _FULL)


def _way_out(cause: BaseException) -> str:
    import docker.errors

    if isinstance(cause, docker.errors.ImageNotFound):
        return "the image is no longer on this engine: run `swemill install` for the instance again"
    if isinstance(cause, docker.errors.APIError):
        return "the engine answered with an error: see its log"
    return "start the Docker engine, or set SWEMILL_DOCKER_HOST to one; `swemill doctor` tells what is missing"
