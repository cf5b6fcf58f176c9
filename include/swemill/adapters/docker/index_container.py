"""The container of the index proxy: started where it is absent, left alone where it answers, replaced where it is lost.

Several callers may be at it at once, on machines that share nothing but the engine. The name of the container is what
they agree by: the engine gives it once, and whom it is refused waits for what the other one started.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker import index_image
from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.engine import remove
from swemill.adapters.docker.policy import LABEL, ContainerArguments
from swemill.errors import SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

PORT = 8000
ROLE_LABEL = "swemill.role"
"""Role of what outlives the work: no claim stands behind it, so no reaper may take it for an orphan."""
ROLE = "index-proxy"
_CONFIGURATION_LABEL = "swemill.index_proxy.configuration"
_MEMORY = 1 << 30
_PIDS = 128
_START_PATIENCE = 120
"""Seconds after which a proxy that does not answer, however often it is replaced, is trouble."""
_ANSWER_PATIENCE = 25
"""Seconds after which one that runs, or that another caller is just starting, is replaced."""
_ASK = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"


class Overtaken(Exception):
    """Another caller took the network or the container away between two steps: look again at what there is."""


class IndexContainer:
    """One proxy on one engine."""

    def __init__(
        self, api: "APIClient", *, name: str, image: str, network: str, environment: Mapping[str, str]
    ) -> None:
        """Nothing is contacted yet. ``network`` is the internal one, by its id; ``name`` also names the cache."""
        self._api = api
        self._name, self._image, self._network = name, image, network
        self._environment = environment
        arguments = json.dumps([image, network, sorted(environment.items()), _MEMORY, _PIDS])
        self._configuration = hashlib.sha256(arguments.encode()).hexdigest()[:16]

    def ensure(self) -> None:
        """See to it that the proxy of this very configuration answers; any other of its name is replaced.

        Raises:
            Overtaken: the network is no longer the one to use.
            SandboxUnavailable: it does not come to answer, or the engine does not.
        """
        until = time.monotonic() + _START_PATIENCE
        seen: dict[str, float] = {}
        said = ""
        with engine_errors(f"starting the index proxy {self._name}"):
            while time.monotonic() < until:
                found = self._find()
                if found is None:
                    self._start()
                elif self._is_fitting(found) and self._answers(found["Id"]):
                    return
                elif self._is_lost(found, seen.setdefault(found["Id"], time.monotonic())):
                    said = self._end_of_log(found["Id"]) or said
                    log.info("index proxy: replacing %s (%s)", self._name, found["State"]["Status"])
                    remove(self._api, found["Id"])
                else:
                    time.sleep(0.2)
        raise SandboxUnavailable(
            f"the index proxy {self._name} did not answer within {_START_PATIENCE} s; its log ends: {said or 'empty'}"
        )

    def _find(self) -> dict[str, Any] | None:
        import docker.errors

        try:
            found: dict[str, Any] = self._api.inspect_container(self._name)
        except docker.errors.NotFound:
            return None
        return found

    def _start(self) -> None:
        import docker.errors

        log.info("index proxy: starting %s", self._name)
        self._api.create_volume(self._name, labels={LABEL: "1", ROLE_LABEL: ROLE})
        try:
            container = self._arguments().create(self._api)
        except docker.errors.APIError as error:
            if error.status_code == 409:
                return  # another caller was faster
            raise
        try:
            self._api.connect_container_to_network(container, "bridge")
            self._api.start(container)
        except docker.errors.APIError as error:
            # 404: the container or its network is gone. Ambiguous: two callers made a network of this name at once.
            if error.status_code != 404 and "ambiguous" not in str(error):
                raise
            remove(self._api, container)
            raise Overtaken(str(error)) from error

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        return bool((found["Config"].get("Labels") or {}).get(_CONFIGURATION_LABEL) == self._configuration)

    def _is_fitting(self, found: Mapping[str, Any]) -> bool:
        return bool(found["State"]["Status"] == "running") and self._is_ours(found)

    def _is_lost(self, found: Mapping[str, Any], seen: float) -> bool:
        """It will not come to answer: replace it. One that may be starting just now is given some time."""
        starting = found["State"]["Status"] in ("created", "running")
        late = time.monotonic() - seen > _ANSWER_PATIENCE
        return not self._is_ours(found) or not starting or late

    def _answers(self, container: str) -> bool:
        import docker.errors

        try:
            run = self._api.exec_create(container, [index_image.PROGRAM, "-c", _ASK], user=index_image.USER)
            self._api.exec_start(run)
            return bool(self._api.exec_inspect(run)["ExitCode"] == 0)
        except docker.errors.APIError as error:
            if error.status_code in (404, 409):  # gone, or stopped, a moment ago
                return False
            raise

    def _end_of_log(self, container: str) -> str:
        import docker.errors

        try:
            return " ".join(self._api.logs(container, tail=5).decode(errors="replace").split())[-500:]
        except docker.errors.NotFound:
            return ""

    def _arguments(self) -> ContainerArguments:
        """As little as it needs, and again after a restart of the engine."""
        from docker.types import LogConfig

        host_config: dict[str, Any] = {
            "network_mode": self._network,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "read_only": True,
            "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},
            "binds": {self._name: {"bind": index_image.CACHE, "mode": "rw"}},
            "pids_limit": _PIDS,
            "mem_limit": _MEMORY,
            "memswap_limit": _MEMORY,
            "ipc_mode": "private",
            "init": True,
            "restart_policy": {"Name": "unless-stopped"},
            "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": "10m", "max-file": "2"}),
        }
        container: dict[str, Any] = {
            "image": self._image,
            "name": self._name,
            "user": index_image.USER,
            "environment": dict(self._environment),
            "labels": {LABEL: "1", ROLE_LABEL: ROLE, _CONFIGURATION_LABEL: self._configuration},
        }
        return ContainerArguments(host_config=host_config, container=container)
