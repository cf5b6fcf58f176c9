"""The bare system below the base image where no registry answers: Debian's own installer, and the result imported.

It runs on the host, as root, and downloads from the host's own package mirror unless another one is set. What no test
reads is left out, as in the slim images of registries, also of packages that are installed later.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.errors import ConfigurationError, DiskFull, SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_UNREAD = """\
# Left out of this system. Licences stay, and so do the sources of locales.
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/man/*
path-exclude=/usr/lib/*/libicu*.a
path-exclude=/usr/lib/python3*/config-*/libpython*.a
"""
"""For dpkg."""
_REMOVE = """\
cd "$1" && find usr/share/doc usr/share/info usr/share/locale usr/share/man ! -type d \
    ! -name copyright ! -name locale.alias -delete && rm -f usr/lib/*/libicu*.a usr/lib/python3*/config-*/libpython*.a
"""
"""The same for what debootstrap has unpacked. Folders stay: maintainer scripts expect those of manual pages."""


def bootstrap(api: "APIClient", *, suite: str, mirror: str, packages: Sequence[str], slim: bool = True) -> str:
    """Make a Debian of ``suite`` with ``packages`` and import it; returns its reference on the engine.

    Without ``slim`` it is whole, with documentation, translations and static libraries. One that was made before is
    taken again, also when the mirror has dropped the release since. An empty ``mirror`` means that of the host itself.

    Raises:
        ConfigurationError: debootstrap cannot run here.
        SandboxUnavailable: the mirror or the engine does not answer.
        DiskFull: no room left.
    """
    import docker.errors

    recipe = " ".join((*packages, *([_UNREAD, _REMOVE] if slim else [])))
    tag = f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    reference = f"swemill/debian:{tag}"
    with engine_errors(f"looking for {reference}"):
        try:
            api.inspect_image(reference)
            return reference
        except docker.errors.ImageNotFound:
            tool = _debootstrap()
    mirror = mirror or host_mirror()
    log.info("base image: debootstrap %s (about a minute)", suite)
    # ignore_cleanup_errors: a half-made root may hold mounts for a moment; the folder is a temporary one anyway.
    with tempfile.TemporaryDirectory(prefix="swemill-base-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "root"
        command = [tool, "--variant=minbase", f"--include={','.join(packages)}", suite, str(root)]
        done = subprocess.run([*command, mirror] if mirror else command, capture_output=True, text=True, check=False)
        if done.returncode:
            tail = (done.stdout + done.stderr)[-1500:]
            kind = DiskFull if says_disk_full(tail) else SandboxUnavailable
            raise kind(f"debootstrap {suite} failed (set SWEMILL_DEBIAN_MIRROR to a mirror that serves it): {tail}")
        if slim:
            subprocess.run(["sh", "-c", _REMOVE, "sh", str(root)], check=True)
            (root / "etc/dpkg/dpkg.cfg.d/unread").write_text(_UNREAD)
        log.info("base image: importing the system")
        exclude = [
            "--exclude=./var/cache/apt/*",
            "--exclude=./var/lib/apt/lists/*",
            "--exclude=./dev/*",
            "--exclude=./proc/*",
        ]
        pack = ["tar", "-C", str(root), *exclude, "-c", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar, engine_errors(f"importing {reference}"):
            answer = api.import_image_from_stream(tar.stdout, repository="swemill/debian", tag=tag)
        _check_import(answer, tar.returncode)
    return reference


def _check_import(answer: str, status: int) -> None:
    if status or '"error"' in answer:
        kind = DiskFull if says_disk_full(answer) else SandboxUnavailable
        raise kind(f"importing the bootstrapped system failed (tar: {status}): {answer[-500:]}")


def _debootstrap() -> str:
    found = shutil.which("debootstrap") or shutil.which("debootstrap", path="/usr/sbin:/sbin")
    if os.geteuid() != 0:
        raise ConfigurationError(
            "no image registry answers and debootstrap needs root: run once as root, or give the Docker engine a "
            "registry it can reach"
        )
    if found:
        return found
    if shutil.which("apt-get") is None:
        raise ConfigurationError("no image registry answers: install the package `debootstrap` and run again")
    log.info("base image: installing debootstrap")
    for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "debootstrap"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(
            f"no image registry answers; `apt-get install debootstrap` failed: {done.stderr[-500:]}"
        )
    return "/usr/sbin/debootstrap"


def host_mirror() -> str:
    """The Debian mirror of the host's own apt configuration; empty where it has none."""
    if shutil.which("apt-get") is None:
        return ""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=False
    )
    return next((uri for uri in done.stdout.split() if uri.rstrip("/").endswith("/debian")), "")
