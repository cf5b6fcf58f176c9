"""Jobs on a GPU node: what is handed over and what the node says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """State of a job on a GPU node."""

    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """What a node says of a job."""

    state: JobState
    step: int = 0
    total_steps: int = 0
    loss: float | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A supervised fine-tuning job: files in, files out (see ``training/README.md``)."""

    job_id: str
    config: str
    overrides: Mapping[str, Any]
    nproc: int
    files: Mapping[str, bytes]
    """``dataset.jsonl`` and ``manifest.json``."""
