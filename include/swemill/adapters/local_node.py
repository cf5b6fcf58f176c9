"""The training node that is this machine: a job folder and a detached process.

The process outlives its caller on purpose: a training of hours must not die with a scheduler. So everything that is
known of a job lies in its folder, and a restarted caller reads it there. A process is recognised by its id, its start
time and the machine's boot, because ids are given again.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swemill.adapters.file_lock import only_one
from swemill.errors import ConfigurationError, NodeUnavailable, boundary
from swemill.values import JobState, JobStatus, TrainingJob

_TAIL_BYTES = 4000
_GRACE_SECONDS = 10.0
_PROCESS = "process.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")

# The job writes its own identity before it becomes the trainer: a caller killed between starting and noting it down
# would otherwise leave a job that nobody knows of.
_WRAPPER = """
read -r stat < /proc/self/stat && read -r boot < /proc/sys/kernel/random/boot_id || exit 70
rest=${stat##*) }
set_fields() { shift 19; start=$1; }
set_fields $rest
printf '{"pid": %s, "start": %s, "boot": "%s"}\\n' "$$" "$start" "$boot" > "$1/process.json.tmp" || exit 70
mv "$1/process.json.tmp" "$1/process.json" || exit 70
shift
exec "$@"
"""


class LocalNode:
    """The port ``GpuNode`` on this machine."""

    name = "local"

    def __init__(self, *, jobs_dir: Path, checkout: Path, command: Sequence[str] | None = None) -> None:
        """Keep jobs in ``jobs_dir``.

        Args:
            jobs_dir: folder of the job folders.
            checkout: where ``training/`` and ``.venv-training/`` lie.
            command: what to run instead of the trainer; the job folder is appended.
        """
        self._jobs = jobs_dir.absolute()
        self._checkout = checkout
        self._command = list(command) if command else None
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, job: TrainingJob) -> None:
        """Start the job; submitting a running or succeeded job changes nothing, a failed one starts again.

        Raises:
            NodeUnavailable: the training environment is not there, or the process cannot be started.
            DiskFull: no room for the job folder.
        """
        command = self._trainer()
        folder = self._folder(job.job_id)
        # Two callers that submit the same job at the same moment must not start it twice.
        with boundary(NodeUnavailable, f"preparing the job folder {folder}", OSError), only_one(folder / ".submit"):
            if self.status(job.job_id).state in (JobState.RUNNING, JobState.SUCCEEDED):
                return
            spec = {"config": job.config, "overrides": dict(job.overrides), "nproc": job.nproc}
            for name in (_PROCESS, "result.json", "progress.jsonl"):
                (folder / name).unlink(missing_ok=True)
            for name, data in {**job.files, "job.json": json.dumps(spec, indent=2).encode()}.items():
                _write(folder, name, data)
            self._spawn(job.job_id, folder, [*command, str(folder)])

    def status(self, job_id: str) -> JobStatus:
        """State and progress, from the folder and the process table."""
        folder = self._folder(job_id)
        self._reap(job_id)
        if not (folder / _PROCESS).is_file():
            return JobStatus(state=JobState.ABSENT)
        # The process first: a result that is written while we look belongs to the state after the process's end.
        running = _alive(_identity(folder))
        progress = _last_step(folder / "progress.jsonl")
        result = _json(folder / "result.json")
        if running:
            return JobStatus(state=JobState.RUNNING, **progress)
        if result is None:
            message = f"the training process ended without a result (killed, or out of memory):\n{_tail(folder)}"
            return JobStatus(state=JobState.FAILED, message=message, **progress)
        if result.get("status") == "succeeded":
            return JobStatus(state=JobState.SUCCEEDED, **progress)
        message = f"{result.get('reason', 'failed')}: {result.get('message', '')}\n{_tail(folder)}"
        return JobStatus(state=JobState.FAILED, message=message, **progress)

    def result(self, job_id: str) -> Mapping[str, bytes]:
        """``result.json`` (when the job wrote one) and ``train.log`` of an ended job.

        Raises:
            NodeUnavailable: there is no such job, or it still runs.
        """
        state = self.status(job_id).state
        if state in (JobState.ABSENT, JobState.RUNNING):
            raise NodeUnavailable(f"job {job_id} has no result: it is {state}")
        paths = [self._folder(job_id) / name for name in ("result.json", "train.log")]
        with boundary(NodeUnavailable, f"reading the result of job {job_id}", OSError):
            return {path.name: path.read_bytes() for path in paths if path.is_file()}

    def checkpoint(self, job_id: str) -> str:
        """Path of the checkpoint folder. Raises NodeUnavailable when the job left none."""
        path = self._folder(job_id) / "checkpoint"
        if not path.is_dir():
            raise NodeUnavailable(f"job {job_id} has no checkpoint in {path}")
        return str(path)

    def cancel(self, job_id: str) -> None:
        """Stop the job: its process group is asked, and killed when it does not end within 10 seconds."""
        identity = _identity(self._folder(job_id))
        if identity is None or not _alive(identity):
            return
        for number, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
            try:
                os.killpg(identity["pid"], number)
            except ProcessLookupError:
                return
            deadline = time.monotonic() + patience
            while _alive(identity) and time.monotonic() < deadline:
                self._reap(job_id)
                time.sleep(0.05)
        if _alive(identity):
            raise NodeUnavailable(f"job {job_id} (process {identity['pid']}) does not end, even when killed")

    def _trainer(self) -> list[str]:
        if self._command is not None:
            return self._command
        python = self._checkout / ".venv-training" / "bin" / "python"
        if not python.is_file():
            raise NodeUnavailable(
                f"the training environment {python.parents[1]} is missing; make it with: make training"
            )
        return [str(python), "-m", "training.sft", "--job"]

    def _folder(self, job_id: str) -> Path:
        if not job_id or not all(letter.isalnum() or letter in "-_." for letter in job_id) or job_id.startswith("."):
            raise ConfigurationError(f"{job_id!r} is no job id: letters, digits, - and _ only")
        return self._jobs / job_id

    def _spawn(self, job_id: str, folder: Path, command: list[str]) -> None:
        with (folder / "train.log").open("ab") as log:
            child = subprocess.Popen(
                ["sh", "-c", _WRAPPER, "sh", str(folder), *command],
                cwd=self._checkout,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[job_id] = child
        deadline = time.monotonic() + _GRACE_SECONDS
        while not (folder / _PROCESS).is_file():
            if child.poll() is not None or time.monotonic() > deadline:
                raise NodeUnavailable(f"the training process of job {job_id} did not start: {_tail(folder)}")
            time.sleep(0.01)

    def _reap(self, job_id: str) -> None:
        """A child that ended stays in the process table until its parent has looked at it."""
        child = self._children.get(job_id)
        if child is not None and child.poll() is not None:
            del self._children[job_id]


def _write(folder: Path, name: str, data: bytes) -> None:
    temporary = folder / f"{name}.tmp"
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / name)


def _identity(folder: Path) -> dict[str, Any] | None:
    return _json(folder / _PROCESS)


def _alive(identity: Mapping[str, Any] | None) -> bool:
    """Whether that very process still runs (a zombie does not)."""
    if identity is None:
        return False
    try:
        stat = Path(f"/proc/{identity['pid']}/stat").read_text()
        boot = _BOOT.read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = stat.rpartition(")")[2].split()
    return fields[0] not in "ZX" and int(fields[19]) == identity["start"] and boot == identity["boot"]


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _last_step(path: Path) -> dict[str, Any]:
    """The last complete line of the progress file; the trainer may be in the middle of the next."""
    try:
        text = path.read_text()
        line = json.loads(text[: text.rindex("\n")].splitlines()[-1])
        return {"step": int(line["step"]), "total_steps": int(line["total"]), "loss": float(line["loss"])}
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return {}


def _tail(folder: Path) -> str:
    """The end of the log, for a person."""
    try:
        with (folder / "train.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return "(no log)"
