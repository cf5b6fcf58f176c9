"""Builds images through the engine's API (port ``Builder``): limits, a deadline, a capped log.

Whose fault is it? A step of the Dockerfile that fails is the repository's: it is returned. A daemon that is gone, a
full disk, a base image that vanished: that is raised. Build steps of repository code run as the unprivileged user of
the base image, on the engine's default network.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.adapters.docker.policy import LABEL
from swemill.adapters.docker.tar import tar_of
from swemill.errors import DiskFull, SandboxUnavailable
from swemill.settings import Settings
from swemill.values import BaseImage, BuildPlan, BuildResult

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_LOG_LIMIT = 1 << 20
_PERIOD = 100_000
_MTIME = 315532800
"""1980-01-01: equal plans must give equal bytes, or the engine's cache never hits."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class DockerBuilder:
    """Builds on one engine."""

    def __init__(self, client: "APIClient", *, settings: Settings) -> None:
        """Use ``client``, the engine's low-level client; each step of a build gets a sandbox's memory and CPU quota."""
        self._api = client
        self._base = BaseImages(client, config=BaseImageConfig.of(settings))
        self._memory = settings.sandbox_memory
        self._cpus = settings.sandbox_cpus

    def base(self) -> BaseImage:
        """The base image, made on first use (see ``BaseImages.get`` for the errors)."""
        return self._base.get()

    def has(self, image: str) -> bool:
        """True when the engine holds the image (tag or content id). Raises SandboxUnavailable."""
        import docker.errors

        with engine_errors(f"looking for the image {image}"):
            try:
                found: dict[str, Any] = self._api.inspect_image(image)
            except docker.errors.ImageNotFound:
                return False
        return bool(found.get("Id"))

    def build(self, plan: BuildPlan) -> BuildResult:
        """Build ``plan``. A failing step, or one out of time, gives ``image=None`` and the log's tail.

        Raises:
            SandboxUnavailable: the engine is gone, or fails for a reason that is not a build step's.
            DiskFull: the engine's disk is full.
        """
        started = time.monotonic()
        journal = _Journal()
        with engine_errors(f"building {plan.tag}"), self._answers(plan) as (answers, clock):
            for answer in answers:
                journal.add(answer)
        seconds = time.monotonic() - started
        if clock.expired:
            return BuildResult(
                image=None,
                log=f"{journal.text()}\n[the build was ended after {plan.timeout} s]\n",
                seconds=seconds,
                timed_out=True,
            )
        if journal.error is not None:
            if says_disk_full(journal.text()[-4000:] + journal.error):
                raise DiskFull(
                    f"building {plan.tag} failed: no space left on the engine's disk; free some (docker system prune) "
                    "and run again: finished work is not repeated"
                )
            if not journal.step_failed:
                raise SandboxUnavailable(
                    f"building {plan.tag} failed: {journal.error[:1000]} (see the Docker engine's log)"
                )
            return BuildResult(image=None, log=journal.text(), seconds=seconds)
        if journal.image is None:
            raise SandboxUnavailable(
                f"building {plan.tag}: the engine broke off without a result; is it still running?"
            )
        with engine_errors(f"inspecting {plan.tag}"):
            image: dict[str, Any] = self._api.inspect_image(journal.image)
        return BuildResult(image=image["Id"], log=journal.text(), seconds=seconds, bytes=int(image["Size"]))

    @contextmanager
    def _answers(self, plan: BuildPlan) -> Iterator[tuple[Iterator[dict[str, Any]], "_Clock"]]:
        # The library's build() can neither pass a CPU quota nor be broken off in the middle; its parts can.
        parameters = {
            "t": plan.tag,
            "rm": True,
            "forcerm": True,
            "memory": self._memory,
            "memswap": self._memory,
            "cpuperiod": _PERIOD,
            "cpuquota": int(self._cpus * _PERIOD),
            "labels": json.dumps({LABEL: "1"}),
        }
        response = self._api._post(
            self._api._url("/build"),
            data=context_tar(plan),
            params=parameters,
            headers={"Content-Type": "application/tar"},
            stream=True,
            timeout=plan.timeout + 60,
        )
        self._api._raise_for_status(response)
        clock = _Clock(self._api._get_raw_response_socket(response), plan.timeout)
        try:
            yield self._api._stream_helper(response, decode=True), clock
        except Exception:
            # The broken stream of an expired build is the clock's doing, whatever the library makes of it.
            if not clock.expired:
                raise
        finally:
            clock.stop()
            # Closing the connection makes the engine cancel the build and remove its container.
            response.close()


class _Clock:
    """Cuts the connection when the time is over: that ends the build on the engine."""

    def __init__(self, attached: Any, seconds: float) -> None:
        self.expired = False
        self._socket = getattr(attached, "_sock", attached)
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        import socket

        self.expired = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.debug("the build's connection was already closed: %s", error)

    def stop(self) -> None:
        self._timer.cancel()


class _Journal:
    """What the engine told about a build: the log's tail, the image, the error."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self.image: str | None = None
        self.error: str | None = None
        self.step_failed = False

    def add(self, answer: Mapping[str, Any]) -> None:
        if "error" in answer:
            self.error = str(answer["error"])
            # Only a failing RUN carries an exit code; all else is the engine's trouble.
            self.step_failed = bool((answer.get("errorDetail") or {}).get("code"))
            self._keep(self.error + "\n")
        elif "stream" in answer:
            self._keep(str(answer["stream"]))
        elif "ID" in (answer.get("aux") or {}):
            self.image = answer["aux"]["ID"]

    def _keep(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * _LOG_LIMIT:
            tail = "".join(self._pieces)[-_LOG_LIMIT:]
            self._pieces, self._size = [tail], len(tail)

    def text(self) -> str:
        return _COLOURS.sub("", "".join(self._pieces)[-_LOG_LIMIT:])


def context_tar(plan: BuildPlan) -> bytes:
    """The build context as a tar; equal plans give equal bytes."""
    return tar_of({**plan.context, "Dockerfile": plan.dockerfile.encode()}, modified=_MTIME)
