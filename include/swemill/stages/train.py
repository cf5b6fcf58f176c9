"""Training: hands a release to a node, watches the job, and brings back what became of it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swemill.errors import NodeUnavailable
from swemill.ports import GpuNode
from swemill.reasons import Reason
from swemill.values import JobState, JobStatus, Loss, TrainingJob

CODE_VERSION = 2
"""Raise it when the meaning of a training run changes."""

_NOT_THE_DATAS_FAULT = frozenset({"interrupted"})
_LOG_TAIL = 8000


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training run."""

    node: str
    job_id: str
    config: str
    steps: int
    first_loss: float
    """Mean loss of the first steps."""
    final_loss: float
    """Mean loss of the last steps."""
    checkpoint: str
    """Path or URL of the checkpoint folder."""
    checkpoint_sha256: str
    result: Mapping[str, Any]
    """The job's own result.json."""
    log: str
    """Log tail."""


def train(
    files: Mapping[str, bytes],
    *,
    node: GpuNode,
    job_id: str,
    config: str = "tiny",
    overrides: Mapping[str, Any] | None = None,
    nproc: int = 1,
    timeout: float = 24 * 3600,
    poll_seconds: float = 2.0,
    on_progress: Callable[[JobStatus], None] | None = None,
) -> Trained | Loss:
    """Submit the job (or join the one that already runs under ``job_id``) and wait for its end.

    Args:
        files: ``dataset.jsonl`` and ``manifest.json`` of a release.
        node: where it runs.
        job_id: identity of the job: the same files, config and overrides must have the same id.
        config: name of a configuration in ``training/configs``.
        overrides: configuration values by dotted name.
        nproc: number of processes (GPUs).
        timeout: seconds after which the job is cancelled.
        poll_seconds: seconds between two looks.
        on_progress: called whenever the job's status has changed.

    Raises:
        NodeUnavailable: the node is gone, lost the job, or somebody stopped it: submit again.
    """
    node.submit(TrainingJob(job_id=job_id, config=config, overrides=overrides or {}, nproc=nproc, files=files))
    status = _wait(node, job_id, timeout=timeout, poll_seconds=poll_seconds, on_progress=on_progress)
    if status is None:
        node.cancel(job_id)
        return Loss(reason=Reason.TRAINING_FAILED, detail=f"took longer than {timeout:g} s", log=_log(node, job_id))
    result = _result(node, job_id)
    if status.state is JobState.SUCCEEDED and result is not None:
        return Trained(
            node=node.name,
            job_id=job_id,
            config=config,
            steps=result["steps"],
            first_loss=result["first_loss"],
            final_loss=result["final_loss"],
            checkpoint=node.checkpoint(job_id),
            checkpoint_sha256=result["checkpoint_sha256"],
            result=result,
            log=_log(node, job_id),
        )
    if result is None or result.get("reason") in _NOT_THE_DATAS_FAULT:
        raise NodeUnavailable(f"training job {job_id} was stopped before its end: {status.message} (run it again)")
    detail = f"{result.get('reason', '')}: {result.get('message', status.message)}"
    return Loss(reason=Reason.TRAINING_FAILED, detail=detail, log=_log(node, job_id))


def _wait(
    node: GpuNode,
    job_id: str,
    *,
    timeout: float,
    poll_seconds: float,
    on_progress: Callable[[JobStatus], None] | None,
) -> JobStatus | None:
    """The status at the job's end; None when its time ran out."""
    deadline = time.monotonic() + timeout
    shown: JobStatus | None = None
    while True:
        status = node.status(job_id)
        if on_progress is not None and status != shown:
            on_progress(status)
            shown = status
        if status.state is JobState.ABSENT:
            raise NodeUnavailable(f"{node.name} lost job {job_id} (run it again)")
        if status.state is not JobState.RUNNING:
            return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(poll_seconds)


def _result(node: GpuNode, job_id: str) -> dict[str, Any] | None:
    data = node.result(job_id).get("result.json")
    if data is None:
        return None
    result: dict[str, Any] = json.loads(data)
    return result


def _log(node: GpuNode, job_id: str) -> str:
    return node.result(job_id).get("train.log", b"").decode(errors="replace")[-_LOG_TAIL:]
