"""One build of an image at a time, among all processes and machines that share an engine.

The lock is the container itself: its name is made of the image's tag, and an engine gives a name to one container
only. Whoever comes second waits for the first to end, and then most likely finds the image. A container whose owner
has died is taken over.
"""

import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.engine import remove
from swemill.adapters.docker.policy import OWNER_LABEL, owner
from swemill.errors import Infrastructure
from swemill.values import BuildPlan

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_POLL = 0.5
_ENDED_GRACE = 60.0
"""Seconds that the owner of an ended container gets to look at it and remove it."""
_locks: dict[str, threading.Lock] = {}


def container_name(plan: BuildPlan) -> str:
    """The name of the build's container: one for each tag; without a tag, one for each plan of a piece of work."""
    key = hashlib.sha256(plan.tag.encode())
    if not plan.tag:
        key.update(f"{plan.effect_key}\0{plan.base}\0{plan.script}\0{sorted(plan.env.items())}".encode())
        for name, data in sorted(plan.files.items()):
            key.update(f"\0{name}\0".encode() + hashlib.sha256(data).digest())
    return f"swemill-build-{key.hexdigest()[:16]}"


@contextmanager
def build_lock(
    api: "APIClient", name: str, *, create: Callable[[], str], is_done: Callable[[], bool]
) -> Iterator[str | None]:
    """Create the build's container, alone among all; leaving the context removes it. Gives its id.

    None when another one did the work meanwhile (``is_done``).

    Raises:
        SandboxUnavailable: the engine is gone, or cannot create the container. DiskFull: it has no room left.
    """
    # Threads of one process cannot be told apart by the owner's label.
    with _locks.setdefault(name, threading.Lock()):
        container = _create(api, name, create)
        try:
            yield None if is_done() else container
        finally:
            # Should the engine be gone, the next build takes the container over: that trouble must not hide another.
            try:
                with engine_errors(f"removing the build {name}"):
                    remove(api, container)
            except Infrastructure as error:
                log.warning("the container of the build %s is left: %s", name, error)


def _create(api: "APIClient", name: str, create: Callable[[], str]) -> str:
    import docker.errors

    ended_since: float | None = None
    while True:
        with engine_errors(f"creating the container of the build {name}"):
            try:
                return create()
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
            holder = _holder(api, name)
            if holder is None:
                continue
            if not holder["State"]["Running"]:
                ended_since = ended_since or time.monotonic()
            late = ended_since is not None and time.monotonic() - ended_since > _ENDED_GRACE
            if late or _is_gone(holder):
                log.info("the build %s was left behind; taking it over", name)
                remove(api, holder["Id"])
                ended_since = None
                continue
        time.sleep(_POLL)


def _holder(api: "APIClient", name: str) -> dict[str, Any] | None:
    import docker.errors

    try:
        found: dict[str, Any] = api.inspect_container(name)
    except docker.errors.NotFound:
        return None
    return found


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether the owner is known to be dead. One on another machine never is: its container ends by its own clock."""
    label = str((holder["Config"].get("Labels") or {}).get(OWNER_LABEL, ""))
    if label == owner():
        return True  # this process, which holds the lock of its threads: a leftover of its own
    host, _, number = label.rpartition("/")
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
