"""What must be as it was after every case: files of the host, a neighbour's container, the disk, the engine."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from swemill.adapters.docker.policy import LABEL, OWNER_LABEL, owner
from swemill.ports import RunningSandbox, SandboxEngine
from tests.hostile.attacked import SPEC

BYSTANDER = f"{SPEC.name}-bystander"
DISK_BOUND = 4 << 30
"""Bytes of free disk that may go during one case: others may build images on this engine at the same time."""
CLOCK_BOUND = 5.0
_KERNEL = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory")
_CANARY = b"untouched"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The host's canaries and the neighbour."""

    api: object
    bystander: RunningSandbox
    canaries: dict[Path, tuple[bytes, int]]
    engine_folder: Path

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Assert around a case that it harmed nothing here."""
        free, kernel = self._free(), _kernel()
        clock = time.time() - time.monotonic()
        yield
        assert abs(time.time() - time.monotonic() - clock) < CLOCK_BOUND, "the machine's clock was changed"
        assert _kernel() == kernel
        assert {path: _state(path) for path in self.canaries} == self.canaries
        assert not list(Path("/tmp").glob("swemill-evil*"))
        assert free - self._free() < DISK_BOUND
        assert self._own_containers() == [f"/{BYSTANDER}"]
        answer = self.bystander.run(["cat", "/testbed/canary", "/tmp/canary"], timeout=30)
        assert (answer.exit_code, answer.output) == (0, _CANARY * 2)

    def _free(self) -> int:
        return shutil.disk_usage(self.engine_folder).free

    def _own_containers(self) -> list[str]:
        filters = {"label": [f"{LABEL}=1", f"{OWNER_LABEL}={owner()}"]}
        return [name for found in self.api.containers(all=True, filters=filters) for name in found["Names"]]


@contextmanager
def surroundings(api, engine: SandboxEngine, image: str, folder: Path) -> Iterator[Surroundings]:
    """Canaries in ``folder``, ``/tmp`` and ``/var/tmp``, and a neighbour that runs on the same engine."""
    name = f"canary-{os.getpid()}"
    places = [folder / name, folder / "deep" / name, Path("/tmp") / name, Path("/var/tmp") / name]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_CANARY)
    spec = replace(SPEC, name=BYSTANDER, image=image, limits=replace(SPEC.limits, wall_clock=7200))
    root = Path(api.info()["DockerRootDir"])
    try:
        with engine.start(spec) as bystander:
            bystander.write({"/testbed/canary": _CANARY, "/tmp/canary": _CANARY})
            yield Surroundings(
                api=api,
                bystander=bystander,
                canaries={place: _state(place) for place in places},
                engine_folder=root if root.is_dir() else folder,
            )
    finally:
        for place in places[2:]:
            place.unlink(missing_ok=True)


def _state(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), path.stat().st_mtime_ns


def _kernel() -> list[str]:
    return [Path(name).read_text() for name in _KERNEL]
