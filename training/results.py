"""Reads a finished run's progress back into the figures of result.json."""

import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

from training.config import Schedule
from training.encoding import Counts
from training.failures import JobFailure, Reason

_EDGE = 5


def read_losses(progress: Path) -> list[float]:
    """The loss of every step so far.

    Raises:
        JobFailure: `loss_not_finite`, naming the step at which training diverged.
    """
    if not progress.is_file():
        return []
    losses = [float(json.loads(line)["loss"]) for line in progress.read_text().splitlines()]
    for step, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            raise JobFailure(
                Reason.LOSS_NOT_FINITE,
                f"The loss of step {step} is {loss}. Lower optimizer.lr, or lengthen lr_scheduler.num_warmup_steps.",
            )
    return losses


def summarise(losses: list[float], *, schedule: Schedule, counts: Counts) -> dict[str, Any]:
    """`first_loss` and `final_loss` are means of up to five steps at either end: one step's loss is one batch's luck.

    Raises:
        JobFailure: `trainer_failed`, when fewer steps were trained than planned.
    """
    if len(losses) != schedule.total_steps:
        raise JobFailure(
            Reason.TRAINER_FAILED, f"{len(losses)} steps were trained where {schedule.total_steps} were planned."
        )
    return {
        "steps": len(losses),
        "epochs": schedule.epochs,
        "first_loss": fmean(losses[:_EDGE]),
        "final_loss": fmean(losses[-_EDGE:]),
        "losses": losses,
        "rows_kept": counts.kept,
        "rows_dropped": {"overlong": counts.overlong, "no_labels": counts.no_labels},
        "tokens": counts.tokens,
        "trained_tokens": counts.trained_tokens,
    }
