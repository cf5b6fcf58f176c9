"""Starts sandboxes on a Docker engine (port ``SandboxEngine``), and sees to it that none outlives its owner.

Three ways out, each for when the one before could not be taken: the context removes its container, a process that is
being stopped removes its own, and the reaper removes those whose effect nobody claims any more.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.policy import (
    EFFECT_LABEL,
    LABEL,
    OWNER_LABEL,
    STORE_LABEL,
    check_engine,
    container_arguments,
    owner,
)
from swemill.adapters.docker.sandbox import DockerSandbox
from swemill.errors import ConfigurationError, SandboxUnavailable
from swemill.ports import Claims
from swemill.values import SandboxSpec

if TYPE_CHECKING:
    from docker import APIClient

    from swemill.adapters.docker.build_network import BuildReach

log = logging.getLogger(__name__)


class DockerSandboxEngine:
    """Starts sandboxes on one engine (port ``SandboxEngine``)."""

    def __init__(
        self,
        client: "APIClient",
        *,
        runtime: str = "runc",
        store: str = "",
        reach: "Callable[[], BuildReach] | None" = None,
    ) -> None:
        """Use ``client``, the engine's low-level client (of ``connect``, or one that Airflow's hook made).

        ``runtime`` is the OCI runtime (``runc``, ``runsc``); the engine must know it when a sandbox starts.
        ``store`` names the database whose claims guard the sandboxes: those of another one are never reaped from here.
        ``reach`` is ``BuildNetwork.ensure``, for sandboxes that set up environments (``SandboxSpec.index``).
        """
        self._api = client
        self._runtime = runtime
        self._store = store
        self._reach = reach
        self._checked = False

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[DockerSandbox]:
        """Start a sandbox; leaving the context removes it, whatever happened inside.

        Raises:
            ConfigurationError: the engine cannot honour the policy (unknown runtime, no seccomp, no way to the index).
            SandboxUnavailable: the engine is down or lacks the image.
            DiskFull: the engine has no room left.
        """
        import docker.errors

        self._check()
        network, spec = self._on_index(spec) if spec.index else ("", spec)
        with engine_errors(f"removing a leftover sandbox {spec.name}"):
            remove(self._api, spec.name)
        # Until the engine has told the id, only the name can be removed (an interrupt in between must leave nothing).
        mine: str | None = spec.name
        try:
            with engine_errors(f"starting sandbox {spec.name}"):
                try:
                    arguments = container_arguments(spec, runtime=self._runtime, store=self._store, network=network)
                    mine = container = arguments.create(self._api)
                except docker.errors.APIError as error:
                    if error.status_code == 409:
                        mine = None  # another owner took the name a moment ago: its container is not ours to remove
                    raise
                self._api.start(container)
            sandbox = DockerSandbox(self._api, container, name=spec.name)
            sandbox.prepare()
            yield sandbox
        finally:
            # Also after KeyboardInterrupt, and between creation and start. Should the engine be gone, the container's
            # own clock ends it and the reaper removes it: that trouble must not hide the one that brought us here.
            try:
                if mine:
                    with engine_errors(f"removing sandbox {spec.name}"):
                        remove(self._api, mine)
            except SandboxUnavailable as error:
                log.warning("sandbox %s is left to the reaper: %s", spec.name, error)

    def reap(self, is_claimed: Claims) -> list[str]:
        """Remove this store's sandboxes whose effect nobody claims; returns their names. Raises SandboxUnavailable."""
        reaped = []
        with engine_errors("listing sandboxes"):
            wanted = [f"{LABEL}=1", EFFECT_LABEL, f"{STORE_LABEL}={self._store}"]
            found = self._api.containers(all=True, filters={"label": wanted})
        for container in found:
            name = _name(container)
            effect_key = container["Labels"][EFFECT_LABEL]
            # A build for nobody in particular has no claim: it is an orphan once it has ended.
            if is_claimed(effect_key) if effect_key else container["State"] == "running":
                continue
            with engine_errors(f"reaping sandbox {name}"):
                remove(self._api, container["Id"])
            reaped.append(name)
        return reaped

    def _on_index(self, spec: SandboxSpec) -> tuple[str, SandboxSpec]:
        """The network of builds, and the spec with the variables that lead installers to its index."""
        if self._reach is None:
            raise ConfigurationError("this sandbox engine was made without a way to the package index (`reach`)")
        reach = self._reach()
        index = {"UV_DEFAULT_INDEX": reach.index_url, "PIP_INDEX_URL": reach.index_url, "PIP_TRUSTED_HOST": reach.host}
        return reach.network, replace(spec, env={**spec.env, **index})

    def _check(self) -> None:
        if not self._checked:
            with engine_errors("asking the Docker engine what it can do"):
                info = self._api.info()
            check_engine(info, runtime=self._runtime)
            self._checked = True


def remove_own(api: "APIClient") -> list[str]:
    """Remove the sandboxes that this very process started (it is being stopped); returns their names.

    Raises:
        SandboxUnavailable: the engine is gone; the reaper will remove them.
    """
    removed = []
    with engine_errors("removing this process's sandboxes"):
        for container in api.containers(all=True, filters={"label": [f"{LABEL}=1", f"{OWNER_LABEL}={owner()}"]}):
            remove(api, container["Id"])
            removed.append(_name(container))
    return removed


def _name(container: Mapping[str, Any]) -> str:
    """Name of a container that the engine listed; its id while it is half removed and has none."""
    return str(container["Names"][0]).lstrip("/") if container.get("Names") else str(container["Id"])


def remove(api: "APIClient", name: str) -> None:
    """Remove a container, running or not; that it is gone is as good. Raises the docker library's exceptions."""
    import docker.errors

    for _ in range(50):
        try:
            api.remove_container(name, force=True, v=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            # 409: another removal of the same container is under way (a reaper); wait for it to be over.
            if error.status_code != 409 or "already in progress" not in str(error):
                raise
            time.sleep(0.1)
