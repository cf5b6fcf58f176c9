"""What a sandbox is asked for and what a command in it did, whichever engine it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a sandbox may use. Memory is also the limit of memory plus swap."""

    memory_bytes: int = 4 << 30
    cpus: float = 1.0
    pids: int = 512
    disk_bytes: int = 1 << 30
    """Size of each writable tmpfs (work folder, ``/tmp``)."""
    wall_clock: int = 3600
    """Seconds after which the container ends by itself, whatever became of its owner."""


@dataclass(frozen=True, kw_only=True)
class SandboxSpec:
    """One hardened container to start."""

    name: str
    """Deterministic, from the effect key: a leftover of the same name is replaced, never doubled."""
    image: str
    limits: Limits
    effect_key: str
    """Claim key; the reaper removes containers whose claim nobody holds."""
    stage: str
    subject: str
    env: Mapping[str, str] = field(default_factory=dict)
    hostname: str = "sandbox"
    index: bool = False
    """It may reach the package index and nothing else: for setting up environments only. Else there is no network."""


@dataclass(frozen=True, kw_only=True)
class ExecResult:
    """What one command in a sandbox did."""

    exit_code: int
    """The command's exit code; 137 when it was killed."""
    output: bytes
    """Last ``output_limit`` bytes of stdout and stderr together."""
    truncated: bool = False
    timed_out: bool = False
    out_of_memory: bool = False
    seconds: float = 0.0
