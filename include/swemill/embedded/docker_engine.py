"""Finds a Docker engine, or as root installs and starts Debian's, so that a fresh machine needs no preparation.

An engine that was running before is never touched. One that was started here is recorded, so that it can be stopped
again, and only that one.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from swemill.adapters.file_lock import only_one
from swemill.embedded import processes
from swemill.errors import SandboxUnavailable
from swemill.settings import Settings

LOCAL_SOCKET = "unix:///var/run/docker.sock"
_PID_FILES = {Path("/var/run/docker.pid"): "dockerd", Path("/var/run/docker/containerd/containerd.pid"): "containerd"}
_START_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Docker engine that answers."""

    host: str
    """Its address, as ``DOCKER_HOST`` takes it."""
    version: str
    """Version of the engine."""


def find(settings: Settings, *, local: str = LOCAL_SOCKET) -> Engine | None:
    """The engine of ``settings.docker_host`` or of the ``local`` socket; None when none answers."""
    import docker
    from docker.errors import DockerException

    host = settings.docker_host or local
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        return None
    try:
        client = docker.DockerClient(base_url=host, timeout=10)
        try:
            return Engine(host=host, version=str(client.version()["Version"]))
        finally:
            client.close()
    except (DockerException, requests.RequestException):
        return None


def ensure(
    settings: Settings, say: Callable[[str], None], *, local: str = LOCAL_SOCKET, options: Sequence[str] = ()
) -> Engine:
    """Find an engine, or install and start Debian's when root and none answers.

    Args:
        settings: the settings.
        say: takes one line of progress at a time.
        local: address of the local socket.
        options: more options for a ``dockerd`` that is started.

    Raises:
        SandboxUnavailable: none answers and none can be started; the message says what to install.
    """
    if engine := find(settings, local=local):
        return engine
    if settings.docker_host:
        raise SandboxUnavailable(
            f"no Docker engine answers at {settings.docker_host}: start it there, or unset DOCKER_HOST for a local one"
        )
    if os.geteuid() != 0:
        raise SandboxUnavailable(
            "no Docker engine answers: install one (Debian: `sudo apt-get install docker.io`) and let this user use it "
            "(`sudo adduser $USER docker`, then log in again)"
        )
    with only_one(settings.home / "run" / "dockerd.lock"):
        if engine := find(settings, local=local):
            return engine
        if shutil.which("dockerd") is None:
            _install(say)
        return _start(settings, say, local=local, options=options)


def started_here(settings: Settings) -> bool:
    """Whether a Docker engine runs that was started by ``ensure``."""
    return processes.recorded(_record(settings)) is not None or _systemd_mark(settings).exists()


def stop(settings: Settings) -> bool:
    """Stop the engine that ``ensure`` started; any other is left alone.

    Returns:
        Whether there was one to stop.
    """
    mark = _systemd_mark(settings)
    if mark.exists():
        subprocess.run(["systemctl", "stop", "docker.service", "docker.socket"], capture_output=True, check=False)
        mark.unlink()
        return True
    if processes.recorded(_record(settings)) is None:
        return False
    processes.stop([_record(settings)], grace=30)
    return True


def _install(say: Callable[[str], None]) -> None:
    if shutil.which("apt-get") is None:
        raise SandboxUnavailable("no Docker engine answers and apt-get is absent: install Docker, then run again")
    say("docker    installing Debian's engine (docker.io)")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    packages = ["docker.io", "iptables", "ca-certificates"]
    # Old package lists name files that are gone, and a fresh machine has no lists at all.
    updated = subprocess.run([*get, "update"], env=environ, capture_output=True, text=True, check=False)
    install = [*get, "install", "--no-install-recommends", *packages]
    done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((updated.stderr + done.stdout + done.stderr).strip().splitlines()[-8:])
        raise SandboxUnavailable(f"Debian's Docker engine cannot be installed:\n{said}\nInstall Docker, then run again")


def _start(settings: Settings, say: Callable[[str], None], *, local: str, options: Sequence[str]) -> Engine:
    say("docker    starting the engine")
    began = time.monotonic()
    log = settings.home / "logs" / "dockerd.log"
    systemd = Path("/run/systemd/system").is_dir() and local == LOCAL_SOCKET
    if systemd:
        # The installation may have started it already, and then it is not ours to stop.
        if not _answers_within(settings, 5, local=local):
            subprocess.run(["systemctl", "start", "docker.service"], capture_output=True, check=False)
            processes.write_private(_systemd_mark(settings), "started by swemill\n")
    else:
        _forget_dead(_PID_FILES)
        processes.start(
            ["dockerd", "--host", local, *options],
            record=_record(settings),
            log=log,
            environ=os.environ,
            folder=Path("/"),
            home=None,
        )
    while time.monotonic() - began < _START_SECONDS:
        if engine := find(settings, local=local):
            say(f"docker    engine {engine.version} started in {time.monotonic() - began:.0f} s")
            return engine
        if not systemd and not started_here(settings):
            break
        time.sleep(0.3)
    _record(settings).unlink(missing_ok=True)
    raise SandboxUnavailable(
        f"the Docker engine does not start; the end of {log}:\n{processes.tail(log, lines=8)}\n"
        "A machine that forbids mounts or iptables cannot run one: set DOCKER_HOST to an engine elsewhere"
    )


def _forget_dead(files: Mapping[Path, str]) -> None:
    """Remove pid files of a killed engine whose number another program has by now: with them none can be started."""
    for file, program in files.items():
        try:
            pid = int(file.read_text())
        except (OSError, ValueError):
            continue
        command = Path(f"/proc/{pid}/comm")
        if not command.exists() or command.read_text().strip() != program:
            file.unlink(missing_ok=True)


def _answers_within(settings: Settings, seconds: float, *, local: str) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if find(settings, local=local):
            return True
        time.sleep(0.3)
    return False


def _record(settings: Settings) -> Path:
    return settings.home / "run" / "dockerd.json"


def _systemd_mark(settings: Settings) -> Path:
    return settings.home / "run" / "docker.systemd"
