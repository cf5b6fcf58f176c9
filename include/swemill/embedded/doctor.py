"""Tells what is missing on this machine, and how to get it. Looks only; starts and changes nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import requests

from swemill.embedded import docker_engine, services
from swemill.settings import CHECKOUT, PROVIDER_KEYS, Settings

_DISK_WANTED = 20 << 30
_DISK_NEEDED = 8 << 30
_MEMORY_WANTED = 7 << 30
_PROBED_IMAGE = "debian:stable-slim"
_PROBED_PACKAGE = "pip"
_GITHUB = "https://api.github.com"


class CheckState(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """A pass works, with less."""
    MISSING = "missing"
    """A pass does not work without it."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    state: CheckState
    found: str
    way_out: str = ""
    """What to do; empty when nothing needs to be done."""


def checks(settings: Settings) -> list[Check]:
    """Look at everything a pass needs or can use; takes a few seconds where networks do not answer."""
    looked: list[Callable[[Settings], Check]] = [
        _python,
        _disk,
        _memory,
        _docker,
        _base_image,
        _gpu,
        _provider_keys,
        _github,
        _index,
        _postgres,
        _airflow,
        _training,
    ]
    return [look(settings) for look in looked]


def _python(_settings: Settings) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(name="Python", state=CheckState.OK, found=f"{version} at {sys.executable}")


def _disk(settings: Settings) -> Check:
    places = {settings.home, settings.postgres_dir, Path("/var/lib/docker")}
    free = {place: shutil.disk_usage(_existing(place)).free for place in places}
    place, least = min(free.items(), key=lambda item: item[1])
    state = CheckState.OK if least >= _DISK_WANTED else CheckState.WARN if least >= _DISK_NEEDED else CheckState.MISSING
    way_out = (
        "" if state is CheckState.OK else "Free disk space, or move SWEMILL_HOME; images take about 1 GB an instance."
    )
    return Check(name="Disk", state=state, found=f"{least / (1 << 30):.0f} GiB free for {place}", way_out=way_out)


def _memory(_settings: Settings) -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    enough = total >= _MEMORY_WANTED
    return Check(
        name="Memory",
        state=CheckState.OK if enough else CheckState.WARN,
        found=f"{total / (1 << 30):.0f} GiB, {os.cpu_count()} cores",
        way_out="" if enough else "8 GiB are wanted; lower SWEMILL_SANDBOX_MEMORY.",
    )


def _docker(settings: Settings) -> Check:
    engine = docker_engine.find(settings)
    if engine:
        return Check(name="Docker", state=CheckState.OK, found=f"engine {engine.version} at {engine.host}")
    where = settings.docker_host or docker_engine.LOCAL_SOCKET
    if settings.docker_host:
        way_out = f"Start the engine at {where}, or unset DOCKER_HOST."
    elif os.geteuid() == 0 and (shutil.which("dockerd") or shutil.which("apt-get")):
        return Check(
            name="Docker",
            state=CheckState.WARN,
            found=f"no engine answers at {where}",
            way_out="`swemill up` installs Debian's (docker.io) if need be, and starts it.",
        )
    else:
        way_out = "sudo apt-get install docker.io && sudo adduser $USER docker, then log in again."
    return Check(name="Docker", state=CheckState.MISSING, found=f"no engine answers at {where}", way_out=way_out)


def _base_image(settings: Settings) -> Check:
    can_bootstrap = os.geteuid() == 0 and (shutil.which("debootstrap") or shutil.which("apt-get"))
    registry = settings.base_image_source != "debootstrap" and _registry_answers(settings)
    found = [
        "image registry " + ("reachable" if registry else "not reachable"),
        "debootstrap " + ("possible" if can_bootstrap else "not possible (needs root)"),
    ]
    if registry or (can_bootstrap and settings.base_image_source != "registry"):
        return Check(name="Base images", state=CheckState.OK, found=", ".join(found))
    return Check(
        name="Base images",
        state=CheckState.MISSING,
        found=", ".join(found),
        way_out="Run as root with debootstrap installed, or let the engine reach an image registry.",
    )


def _gpu(_settings: Settings) -> Check:
    program = shutil.which("nvidia-smi")
    way_out = "Training then runs on the CPU with a tiny model; for real models use a machine with an NVIDIA driver."
    if program is None:
        return Check(name="GPU", state=CheckState.WARN, found="none (no nvidia-smi)", way_out=way_out)
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return Check(name="GPU", state=CheckState.WARN, found="nvidia-smi hangs", way_out="Look at the driver (dmesg).")
    names = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode or not names:
        return Check(name="GPU", state=CheckState.WARN, found="nvidia-smi finds none", way_out=way_out)
    return Check(name="GPU", state=CheckState.OK, found="; ".join(names))


def _provider_keys(settings: Settings) -> Check:
    if settings.provider_keys:
        return Check(name="Provider keys", state=CheckState.OK, found=", ".join(sorted(settings.provider_keys)))
    return Check(
        name="Provider keys",
        state=CheckState.WARN,
        found="none",
        way_out=f"Rollouts then use the scripted policies; for real models set one of {', '.join(PROVIDER_KEYS)}.",
    )


def _github(settings: Settings) -> Check:
    reachable = _reachable(_GITHUB)
    token = "GITHUB_TOKEN set" if settings.github_token else "no GITHUB_TOKEN"
    found = f"{'reachable' if reachable else 'not reachable'}, {token}"
    if reachable and settings.github_token:
        return Check(name="GitHub", state=CheckState.OK, found=found)
    return Check(
        name="GitHub",
        state=CheckState.WARN,
        found=found,
        way_out="The sources `releases` and `archive` need neither; for GitHub set GITHUB_TOKEN and allow its API.",
    )


def _index(settings: Settings) -> Check:
    # Asked through pip, which knows this machine's configuration: index, certificates, proxy.
    ask = [
        sys.executable,
        "-m",
        "pip",
        "index",
        "versions",
        _PROBED_PACKAGE,
        "--quiet",
        "--retries",
        "0",
        "--timeout",
        "10",
    ]
    environ = os.environ | ({"PIP_INDEX_URL": settings.index_url} if settings.index_url else {})
    try:
        answered = not subprocess.run(ask, env=environ, capture_output=True, timeout=30, check=False).returncode
    except subprocess.TimeoutExpired:
        answered = False
    if answered:
        return Check(name="Package index", state=CheckState.OK, found="pip's index answers")
    return Check(
        name="Package index",
        state=CheckState.MISSING,
        found="pip's index does not answer",
        way_out="Set PIP_INDEX_URL to an index this machine reaches, and SSL_CERT_FILE behind a proxy of your own.",
    )


def _postgres(settings: Settings) -> Check:
    if settings.database_url:
        return Check(name="PostgreSQL", state=CheckState.OK, found="the server of SWEMILL_DATABASE_URL")
    if services.status(settings).postgres:
        return Check(name="PostgreSQL", state=CheckState.OK, found=f"embedded, in {settings.postgres_dir}")
    return Check(
        name="PostgreSQL", state=CheckState.WARN, found="embedded, not running", way_out="`swemill up` starts it."
    )


def _airflow(settings: Settings) -> Check:
    now = services.status(settings)
    if now.health and now.health.all_healthy:
        return Check(name="Airflow", state=CheckState.OK, found=f"healthy at {now.ui_url}")
    found = f"running: {', '.join(now.components)}; {now.health}" if now.components else "not running"
    return Check(name="Airflow", state=CheckState.WARN, found=found, way_out="`swemill up` starts what does not run.")


def _training(_settings: Settings) -> Check:
    python = CHECKOUT / ".venv-training" / "bin" / "python"
    stamp = CHECKOUT / ".venv-training" / ".stamp"
    if python.exists() and stamp.exists():
        return Check(name="Training environment", state=CheckState.OK, found=str(python.parent.parent))
    return Check(
        name="Training environment",
        state=CheckState.MISSING,
        found="not installed",
        way_out="`make training` installs it (.venv-training: torch, torchtune).",
    )


def _reachable(url: str) -> bool:
    """Whether the service answers there; a refusal for want of credentials is an answer, a proxy's refusal is not."""
    try:
        status = requests.head(url, timeout=4, allow_redirects=True).status_code
    except requests.RequestException:
        return False
    return status in (200, 401, 404, 405, 429)


def _registry_answers(settings: Settings) -> bool:
    """Whether the engine, which is who would pull, reaches its image registry."""
    import docker
    from docker.errors import DockerException

    engine = docker_engine.find(settings)
    if engine is None:
        return False
    try:
        client = docker.DockerClient(base_url=engine.host, timeout=10)
        try:
            client.images.get_registry_data(_PROBED_IMAGE)
        finally:
            client.close()
    except (DockerException, requests.RequestException):
        return False
    return True


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
