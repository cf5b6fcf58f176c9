"""The job folder: what a job says on entry, what it leaves behind, and how both survive a crash at any point."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.failures import JobBusy, JobFailure, Reason


@dataclass(frozen=True, kw_only=True)
class Job:
    """What job.json and manifest.json ask for, verified; `fingerprint` is the same when, and only when, both are."""

    directory: Path
    config: str
    overrides: Mapping[str, Any]
    nproc: int
    fingerprint: str

    @property
    def dataset(self) -> Path:
        return self.directory / "dataset.jsonl"

    @property
    def work(self) -> Path:
        """Everything that is worth nothing once the job has ended."""
        return self.directory / "work"

    @property
    def checkpoint(self) -> Path:
        return self.directory / "checkpoint"

    @property
    def progress(self) -> Path:
        return self.directory / "progress.jsonl"

    @property
    def trainer_log(self) -> Path:
        return self.directory / "trainer.log"

    def success(self) -> dict[str, Any] | None:
        """The result of an earlier run of this very job, if it succeeded and its checkpoint is still here."""
        path = self.directory / "result.json"
        if not path.is_file() or not self.checkpoint.is_dir():
            return None
        result: dict[str, Any] = json.loads(path.read_text())
        same = result["status"] == "succeeded" and result["fingerprint"] == self.fingerprint
        return result if same else None

    def clear(self) -> None:
        """Remove what an earlier, unfinished run left. result.json first: it vouches for the rest."""
        for path in (self.directory / "result.json", self.progress, self.trainer_log):
            path.unlink(missing_ok=True)
        for folder in (self.work, self.checkpoint):
            if folder.exists():
                shutil.rmtree(folder)
        self.work.mkdir()


def load_job(directory: Path) -> Job:
    """Read and verify what the folder holds on entry.

    Raises:
        JobFailure: `job_invalid` or `dataset_mismatch`.
    """
    spec = _read_object(directory / "job.json")
    unknown = sorted(set(spec) - {"config", "overrides", "nproc"})
    config, overrides, nproc = spec.get("config"), spec.get("overrides") or {}, spec.get("nproc", 1)
    if unknown:
        raise JobFailure(Reason.JOB_INVALID, f"job.json has unknown keys: {', '.join(unknown)}.")
    if not isinstance(config, str) or not isinstance(overrides, dict) or type(nproc) is not int or nproc < 1:
        raise JobFailure(
            Reason.JOB_INVALID, 'job.json needs {"config": a name, "overrides": an object, "nproc": 1 or more}.'
        )
    dataset_sha256 = _verify_dataset(directory)
    effect = {"config": config, "overrides": overrides, "nproc": nproc, "dataset": dataset_sha256}
    fingerprint = hashlib.sha256(json.dumps(effect, sort_keys=True).encode()).hexdigest()
    return Job(directory=directory, config=config, overrides=overrides, nproc=nproc, fingerprint=fingerprint)


def _verify_dataset(directory: Path) -> str:
    """The dataset's sha256, which is what its manifest says."""
    dataset = directory / "dataset.jsonl"
    listed = _read_object(directory / "manifest.json").get("files", {}).get(dataset.name)
    if not isinstance(listed, dict) or not isinstance(listed.get("sha256"), str):
        raise JobFailure(Reason.DATASET_MISMATCH, f"manifest.json lists no sha256 for {dataset.name}.")
    if not dataset.is_file():
        raise JobFailure(Reason.DATASET_MISMATCH, f"{dataset} does not exist.")
    actual = sha256_of(dataset)
    if actual != listed["sha256"]:
        raise JobFailure(
            Reason.DATASET_MISMATCH,
            f"{dataset.name} has sha256 {actual}, manifest.json says {listed['sha256']}: it was changed "
            "or cut after its release. Copy the released file again.",
        )
    return actual


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise JobFailure(Reason.JOB_INVALID, f"{path} does not exist.") from error
    except ValueError as error:
        raise JobFailure(Reason.JOB_INVALID, f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobFailure(Reason.JOB_INVALID, f"{path} should hold a JSON object.")
    return value


@contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Keep a second launcher out of this folder; the lock is the kernel's and ends with the process.

    Raises:
        JobBusy: another live process runs this job.
    """
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JobBusy(f"another process is running the job in {directory}") from error
        yield


def write_result(directory: Path, result: Mapping[str, Any]) -> None:
    """Publish result.json whole or not at all: readers take its presence as the end of the job."""
    temporary = directory / "result.json.tmp"
    with temporary.open("w") as file:
        json.dump(result, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(directory / "result.json")
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
