"""The one hardened container policy. Whatever starts a container that runs foreign code takes its arguments from here.

It is a pure function from a ``SandboxSpec`` to the arguments of the low-level API, so that the sandbox engine, the
builder and the Airflow operator cannot drift apart, and so that a test can read the whole policy without an engine.

The container's own process is a mere keeper: ``sleep`` for the wall clock, so that the container ends by itself even
when its owner has died. It runs under a user of its own (``nobody``), because foreign code runs as uid 1000 and could
otherwise signal the keeper, end its own container and pass for an infrastructure failure.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swemill.errors import ConfigurationError, SandboxUnavailable
from swemill.values import Limits, SandboxSpec

if TYPE_CHECKING:
    from docker import APIClient

USER = "1000:1000"
"""User and group that every command in a sandbox runs as."""

KEEPER = "65534:65534"
"""User of the container's own ``sleep``; out of reach of the commands' signals."""

WORKDIR = "/testbed"
LABEL = "swemill"
"""Every container and image of SWE-Mill carries the label ``swemill=1``."""
STAGE_LABEL = "swemill.stage"
SUBJECT_LABEL = "swemill.subject"
EFFECT_LABEL = "swemill.effect_key"
OWNER_LABEL = "swemill.owner"
STORE_LABEL = "swemill.store"
"""Which database's claims the effect key belongs to: several installations may share an engine."""


@dataclass(frozen=True, kw_only=True)
class ContainerArguments:
    """Arguments of ``APIClient.create_host_config`` and ``APIClient.create_container``."""

    host_config: dict[str, Any]
    container: dict[str, Any]

    def create(self, api: "APIClient") -> str:
        """Create (not start) the container and return its id. Raises the docker library's exceptions."""
        host_config = api.create_host_config(**self.host_config)
        return str(api.create_container(host_config=host_config, **self.container)["Id"])


def container_arguments(
    spec: SandboxSpec, *, runtime: str = "runc", store: str = "", network: str = ""
) -> ContainerArguments:
    """The hardened arguments of a sandbox for ``spec``. No mount of any kind: it works with a remote engine as well.

    ``store`` names the database whose claims decide whether the container is an orphan. ``network`` is the internal one
    of builds; only a sandbox that sets up an environment (``spec.index``) joins it, every other one has none.
    """
    if spec.index and not network:
        raise ValueError(f"sandbox {spec.name} is to reach the package index, and no network of builds is given")
    tmpfs = f"rw,exec,nosuid,nodev,size={spec.limits.disk_bytes},uid=1000,gid=1000,mode=0755"
    host_config: dict[str, Any] = {
        **_confinement(spec.limits, runtime=runtime),
        **(_on(network) if spec.index else {"network_mode": "none"}),
        "read_only": True,
        "tmpfs": {WORKDIR: tmpfs, "/tmp": tmpfs},
    }
    container: dict[str, Any] = {
        **_keeper(spec, store=store),
        "environment": {**spec.env, "HOME": "/tmp"},
        "healthcheck": {"test": ["NONE"]},
    }
    return ContainerArguments(host_config=host_config, container=container)


def build_arguments(
    spec: SandboxSpec, *, network: str, runtime: str = "runc", store: str = "", image_env: Mapping[str, str]
) -> ContainerArguments:
    """The hardened arguments of a build: those of a sandbox, but for the network and the disk.

    Its root file system is kept as an image, so it can be written to (by uid 1000 where that user may); how much, is
    watched from outside, and one file is no larger than ``disk_bytes``. The engine's configuration of the container is
    kept as well: nothing may be set here that the image should not have. ``image_env`` is the environment of the image
    below: what an earlier build put there for the dynamic linker must not reach the keeper.
    """
    from docker.types import Ulimit

    confinement = _confinement(spec.limits, runtime=runtime)
    fsize = Ulimit(name="fsize", soft=spec.limits.disk_bytes, hard=spec.limits.disk_bytes)
    host_config: dict[str, Any] = {
        **confinement,
        **_on(network),
        "read_only": False,
        "ulimits": [*confinement["ulimits"], fsize],
    }
    linker = {name: "" for name in image_env if name.startswith("LD_")}
    return ContainerArguments(host_config=host_config, container={**_keeper(spec, store=store), "environment": linker})


def _on(network: str) -> dict[str, Any]:
    """Joins the internal network of builds."""
    return {
        "network_mode": network,
        # Names of other containers are resolved by the engine. What it does not know it would ask the host's servers,
        # which is a way out of an internal network: it asks the container's own loopback, where nobody answers, and
        # the engine stays silent then, so that each such name costs the whole patience.
        "dns": ["127.0.0.1"],
        "dns_opt": ["timeout:1", "attempts:2"],
        "dns_search": ["."],
    }


def _confinement(limits: Limits, *, runtime: str) -> dict[str, Any]:
    """What holds for every container that runs foreign code."""
    from docker.types import LogConfig, Ulimit

    return {
        "cap_drop": ["ALL"],
        # The engine's default seccomp profile stays in force because nothing here names another one.
        "security_opt": ["no-new-privileges:true"],
        "privileged": False,
        "pids_limit": limits.pids,
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,
        "nano_cpus": int(limits.cpus * 1_000_000_000),
        "shm_size": 64 << 20,
        "ipc_mode": "private",
        "init": True,
        "runtime": runtime,
        "log_config": LogConfig(type=LogConfig.types.NONE),
        # A core dump would be written by the host, to wherever its core_pattern says.
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],
        "binds": [],
        "auto_remove": False,
    }


def _keeper(spec: SandboxSpec, *, store: str) -> dict[str, Any]:
    """The container around its keeper."""
    return {
        "image": spec.image,
        "name": spec.name,
        "entrypoint": ["/bin/sleep"],
        "command": [str(spec.limits.wall_clock)],
        "user": KEEPER,
        "working_dir": "/",
        "hostname": spec.hostname,
        "labels": labels(spec, store=store),
    }


def labels(spec: SandboxSpec, *, store: str = "") -> dict[str, str]:
    """The labels by which a person, the reaper and the tests find the container."""
    return {
        LABEL: "1",
        STAGE_LABEL: spec.stage,
        SUBJECT_LABEL: spec.subject,
        EFFECT_LABEL: spec.effect_key,
        OWNER_LABEL: owner(),
        STORE_LABEL: store,
    }


def owner() -> str:
    """This process, as the label of its containers names it."""
    return f"{socket.gethostname()}/{os.getpid()}"


def check_engine(info: dict[str, Any], *, runtime: str) -> None:
    """Refuse an engine that cannot honour the policy. ``info`` is what ``APIClient.info()`` answered.

    Raises:
        ConfigurationError: the runtime is unknown there, or the engine runs containers without seccomp.
    """
    runtimes = info.get("Runtimes") or {}
    if runtime not in runtimes:
        raise ConfigurationError(
            f"the container runtime {runtime!r} is unknown to the Docker engine (it has "
            f"{', '.join(sorted(runtimes))}); install it there or set SWEMILL_SANDBOX_RUNTIME"
        )
    options = info.get("SecurityOptions")
    if options is None:
        raise SandboxUnavailable("the Docker engine does not say how it confines containers; see `docker info`")
    if not any("name=seccomp" in option and "unconfined" not in option for option in options):
        raise ConfigurationError(
            "the Docker engine runs containers without its seccomp profile; remove `seccomp-profile: unconfined` from "
            "its configuration (foreign code must not run without it)"
        )
