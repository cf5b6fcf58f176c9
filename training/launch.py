"""Runs torchrun as a child that cannot outlive the job, and says by name what became of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from training.failures import JobFailure, Reason
from training.lifeline import PARENT

ROOT = Path(__file__).parent.parent
_GRACE_SECONDS = 5.0
_TAIL_LINES = 25


def run_recipe(*, config: Path, nproc: int, log: Path, device: str) -> None:
    """Train on this machine with `nproc` processes; their output goes to `log`, their exceptions beside `config`.

    Raises:
        JobFailure: `trainer_failed` or `out_of_memory`, with the first exception of any rank.
    """
    errors = config.parent / "torchelastic"
    command = [
        *(sys.executable, "-m", "training.elastic"),
        *("--standalone", "--nproc-per-node", str(nproc), "--local-addr", "127.0.0.1", "--log-dir", str(errors)),
        *("-m", "training.recipe", "--config", str(config)),
    ]
    environment = {**os.environ, PARENT: str(os.getpid()), "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if device == "cpu":
        environment["OMP_NUM_THREADS"] = "1"  # ranks that each take every core slow one another down several times
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = child.wait()
        finally:
            _end(child)
    if code != 0:
        raise _failure(code, cause=_first_exception(errors), log=log)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask, then insist. Workers need no signal of ours: the kernel ends them with torchrun (training.lifeline)."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _first_exception(errors: Path) -> str | None:
    """What went wrong first: the other ranks' exceptions are mostly about the loss of that one."""
    found = [json.loads(path.read_text())["message"] for path in errors.rglob("error.json")]
    # A rank that died without an exception has plain text here, written by torchrun.
    raised = [
        (int(error["extraInfo"]["timestamp"]), str(error["message"])) for error in found if isinstance(error, dict)
    ]
    return min(raised)[1] if raised else None


def _failure(code: int, *, cause: str | None, log: Path) -> JobFailure:
    text = log.read_text(errors="replace")
    if "OutOfMemoryError" in (cause or "") or "(exitcode: -9)" in text:
        return JobFailure(
            Reason.OUT_OF_MEMORY,
            f"A worker ran out of memory, the GPU's or (killed by signal 9) the machine's: {cause or 'no exception'}. "
            "Lower max_seq_len, use more GPUs, or set enable_activation_offloading or fsdp_cpu_offload.",
        )
    if cause is None:
        tail = "\n".join(text.splitlines()[-_TAIL_LINES:])
        return JobFailure(Reason.TRAINER_FAILED, f"torchrun ended with code {code}. The end of {log.name}:\n{tail}")
    return JobFailure(Reason.TRAINER_FAILED, f"{cause}. The traceback is in {log.name}.")
