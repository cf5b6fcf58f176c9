"""The entry point: `python -m training.sft --job DIR` takes a job from its dataset to a checkpoint and a result.

Exit codes: 0 succeeded (now or earlier), 1 failed (result.json says why), 75 another process is running this
very job. Torch is not imported here, only in the processes that train: whatever is wrong with a job is said
within seconds.
"""

import argparse
import platform
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from training.base_model import check_context, make_tiny, weight_files
from training.checkpoint import publish
from training.config import Schedule, load_config, plan_schedule, resolve
from training.encoding import ChatTokenizer, encode_rows
from training.failures import JobBusy, JobFailure, Reason
from training.job import Job, hold, load_job, write_result
from training.launch import run_recipe
from training.results import read_losses, summarise
from training.rows import read_rows
from training.template_check import check_template

_EX_TEMPFAIL = 75
_VERSIONED = ("torch", "torchtune", "torchao", "torchdata", "transformers", "tokenizers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", required=True, type=Path, metavar="DIR", help="the job folder")
    directory = parser.parse_args().job.resolve()
    if not directory.is_dir():
        parser.error(f"{directory} is not a folder")
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        with hold(directory):
            return _run_and_record(directory)
    except JobBusy as busy:
        print(busy, file=sys.stderr)
        return _EX_TEMPFAIL


def _run_and_record(directory: Path) -> int:
    """Every way that a run can end leaves its result.json; what nobody foresaw is recorded and goes on up."""
    try:
        result = run(directory)
    except JobFailure as failure:
        write_result(directory, {"status": "failed", "reason": failure.reason, "message": failure.message})
        print(failure, file=sys.stderr)
        return 1
    except Exception as error:
        write_result(
            directory,
            {
                "status": "failed",
                "reason": Reason.INTERNAL,
                "message": f"{type(error).__name__}: {error}. A defect of training/: see the traceback on stderr.",
            },
        )
        raise
    print(f"succeeded: {result['steps']} steps, loss {result['first_loss']:.3f} -> {result['final_loss']:.3f}")
    return 0


def run(directory: Path) -> Mapping[str, Any]:
    """Take a job to its result.

    Raises:
        JobFailure: the job cannot succeed as it stands.
    """
    started = time.monotonic()
    job = load_job(directory)
    if earlier := job.success():
        return earlier
    job.clear()

    cfg = _configure(job)
    counts = encode_rows(
        read_rows(job.dataset),
        ChatTokenizer(Path(cfg.model_dir) / "tokenizer.json"),
        max_seq_len=cfg.max_seq_len,
        directory=Path(cfg.dataset.directory),
    )
    schedule = plan_schedule(cfg, counts=counts, nproc=job.nproc)
    print(
        f"{counts.kept} rows of {counts.tokens} tokens: {schedule.total_steps} steps on {job.nproc} processes",
        flush=True,
    )
    _train(job, cfg, schedule)

    losses = read_losses(job.progress)
    checkpoint_sha256 = publish(
        trained=Path(cfg.output_dir) / f"epoch_{schedule.epochs - 1}", base=Path(cfg.model_dir), target=job.checkpoint
    )
    result = {
        "status": "succeeded",
        **summarise(losses, schedule=schedule, counts=counts),
        "seconds": round(time.monotonic() - started, 1),
        "checkpoint_sha256": checkpoint_sha256,
        "fingerprint": job.fingerprint,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONED}},
    }
    shutil.rmtree(job.work)
    write_result(directory, result)
    return result


def _configure(job: Job) -> DictConfig:
    """The job's config with its base model in place."""
    cfg = resolve(load_config(job.config, overrides=job.overrides, job_dir=job.directory))
    model_dir = Path(cfg.model_dir)
    if cfg.get("from_scratch") is not None:
        make_tiny(model_dir, rows=read_rows(job.dataset), size=cfg.from_scratch, seed=cfg.seed)
    cfg.checkpointer.checkpoint_files = weight_files(model_dir)
    check_context(model_dir, max_seq_len=cfg.max_seq_len)
    check_template(model_dir)
    return cfg


def _train(job: Job, cfg: DictConfig, schedule: Schedule) -> None:
    cfg.epochs = schedule.epochs
    cfg.metric_logger.total_steps = schedule.total_steps
    config = job.work / "config.yaml"
    OmegaConf.save(cfg, config)
    try:
        run_recipe(config=config, nproc=job.nproc, log=job.trainer_log, device=cfg.device)
    except JobFailure:
        read_losses(job.progress)  # a diverged loss is the better reason, where that is what stopped the trainer
        raise


def _interrupt(number: int, _frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    raise JobFailure(Reason.INTERRUPTED, f"Stopped by {name}. Run the job again: it starts clean.")


if __name__ == "__main__":
    sys.exit(main())
