"""A machine for the drill's engine: network, mounts and processes of its own, so that all of it can be killed at once.

A second ``dockerd`` beside the machine's own would otherwise take away that one's bridge, and what it leaves mounted
after a kill would stay mounted. Its data lie in a folder and outlive every kill; sockets and process numbers do not
outlive a power cut, as they would not on a real machine, where they lie in ``/run``.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from swemill.adapters.docker import base_recipe, index_image
from swemill.adapters.docker.base_catalogue import SUITES
from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.client import connect
from swemill.adapters.package_index import pip_settings
from swemill.errors import ConfigurationError, SandboxUnavailable
from swemill.settings import Settings

if TYPE_CHECKING:
    from docker import APIClient

SUITE = "bookworm"
"""Debian release of the drill's base image: that of the index proxy, so that one base image does."""
ADDRESS = "172.17.0.1"
"""Of the machine in the engine's default network; nothing outside the machine can see it."""
PORT = 8080
_APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc")
_PATIENCE = 60
_CGROUPS = Path("/sys/fs/cgroup")


class Machine:
    """One engine in namespaces of its own, with its data in ``folder`` and an index of ``wheels`` inside."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        """Nothing is started yet. Raises ConfigurationError where this system cannot have such a machine."""
        if os.geteuid() != 0 or shutil.which("dockerd") is None or shutil.which("unshare") is None:
            raise ConfigurationError("an engine of our own needs root, dockerd (Debian: docker.io) and unshare")
        self._folder, self._wheels = folder, wheels
        self._process: subprocess.Popen[str] | None = None
        self._cgroup = f"swemill-drill-{os.getpid()}-{id(self)}"
        self.host = f"unix://{folder}/docker.sock"
        self.log = folder / "dockerd.log"

    def power_on(self) -> None:
        """Start the machine and its engine. Raises SandboxUnavailable."""
        folder = self._folder
        folder.mkdir(exist_ok=True)
        (folder / "none.json").write_text("{}")
        dockerd = ["dockerd", f"--host={self.host}", f"--data-root={folder}/data", f"--config-file={folder}/none.json"]
        dockerd += ["--exec-root=/run/docker", "--pidfile=/run/docker.pid"]  # the machine has a /run of its own
        dockerd += [f"--bip={ADDRESS}/16", f"--cgroup-parent=/{self._cgroup}"]
        init = str(Path(__file__).with_name("engine_kill_init.py"))
        self._process = subprocess.Popen(
            [*_APART, sys.executable, init, str(self._wheels), str(PORT), str(self.log), *dockerd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._answer("ready")
        self.start_engine()

    @property
    def pid(self) -> int:
        """A process in the machine's network. Raises SandboxUnavailable."""
        if self._process is None:
            raise SandboxUnavailable("the drill's machine is off")
        return self._process.pid

    def power_off(self) -> None:
        """End every process of the machine in the same moment, with no time to tidy up."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()
        process.stdout.close()
        until = time.monotonic() + _PATIENCE
        while process.poll() is None:
            if time.monotonic() > until:
                raise SandboxUnavailable(f"processes of the drill's machine do not end: see /proc/{process.pid}")
            # A container whose layer is being kept is frozen, and under cgroups of version 1 what is frozen cannot die.
            for state in _CGROUPS.glob(f"freezer/{self._cgroup}/*/freezer.state"):
                with suppress(OSError):
                    state.write_text("THAWED")
            time.sleep(0.05)

    def start_engine(self) -> None:
        """Start ``dockerd`` and wait until it answers. Raises SandboxUnavailable."""
        self._tell("start")
        until = time.monotonic() + _PATIENCE
        while not self._listens():
            if time.monotonic() > until:
                end = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise SandboxUnavailable(f"the drill's engine does not start; its log ends:\n{end}")
            time.sleep(0.1)
        connect(self.host).close()

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as knock:
            try:
                knock.connect(self.host.removeprefix("unix://"))
            except OSError:
                return False
        return True

    def kill_engine(self) -> None:
        """Kill ``dockerd``; its containerd goes with it, containers and their shims live on."""
        self._tell("kill")

    def discard(self) -> None:
        """Power off for good, and remove what is left on this system; the data folder is its maker's."""
        self.power_off()
        for top in _CGROUPS.glob(f"*/{self._cgroup}"):
            for group in sorted(top.rglob("*/"), key=lambda path: -len(path.parts)):
                with suppress(OSError):  # a control file, or a kernel that is not done with the group yet
                    group.rmdir()
            with suppress(OSError):
                top.rmdir()

    def _tell(self, command: str) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise SandboxUnavailable("the drill's machine is off")
        process.stdin.write(f"{command}\n")
        process.stdin.flush()
        self._answer("done")

    def _answer(self, wanted: str) -> None:
        process = self._process
        said = process.stdout.readline() if process and process.stdout else ""
        if said.strip() != wanted:
            raise SandboxUnavailable(f"the drill's machine is gone (it said {said!r}); may this user unshare?")


@contextmanager
def running(folder: Path, wheels: Path, environ: Mapping[str, str]) -> Iterator[Machine]:
    """A machine whose engine has the images that ``environ`` asks for; everything of it is gone at the end."""
    machine = Machine(folder, wheels)
    try:
        machine.power_on()
        with connect(machine.host) as engine:
            take_images(engine, Settings.load(environ))
        yield machine
    finally:
        machine.discard()


def take_images(engine: "APIClient", settings: Settings) -> None:
    """Copy base image and index proxy from the engine that this system uses, under the names ``settings`` ask for.

    They are made there first if need be. Raises SandboxUnavailable, ConfigurationError.
    """
    usual = replace(Settings.load(), debian_suite=SUITE)
    with connect(usual.docker_host) as source:
        bases = BaseImages(source, config=BaseImageConfig.of(usual))
        base = bases.get(SUITES[SUITE]).reference
        upstream, bundle = usual.index_url, usual.ca_bundle
        if upstream is None:
            upstream, configured = pip_settings()
            bundle = bundle or (Path(configured) if configured else None)
        proxy = index_image.image(
            source,
            base_images=bases,
            upstream=upstream,
            certificates=bundle.read_bytes() if bundle else b"",
            lock_dir=usual.home / "locks",
        )
        # The library asks for one image at a time; these two have most layers in common.
        both = source._get(source._url("/images/get"), params={"names": [base, proxy]}, stream=True)
        source._raise_for_status(both)
        # The engine answers while it still loads: it is done when it has nothing more to say.
        for said in engine.load_image(both.iter_content(1 << 20)):
            if "error" in said:
                raise SandboxUnavailable(f"the drill's engine does not take the images: {said['error']}")
    wanted = base_recipe.context(debian_python=True, ca_bundle=settings.ca_bundle, index_url=settings.index_url)
    repository, _, tag = f"swemill/base:{SUITE}-{base_recipe.digest(wanted)}".partition(":")
    engine.tag(base, repository, tag)


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process with everything in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
