"""The TorchTune component that reports a running job: one JSON line a step, for whoever watches the job
folder.
"""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torchtune.training.metric_logging import MetricLoggerInterface


class LossNotFinite(Exception):
    """Training has diverged; every further step would be wasted."""


class ProgressLog(MetricLoggerInterface):
    """Appends {"step", "total", "loss", "lr", "tokens_per_second"} to a file; stops the run when the loss is NaN."""

    def __init__(self, *, path: str, total_steps: int) -> None:
        self._path = Path(path)
        self._total = total_steps
        self._lr = 0.0
        self._tokens = 0
        self._since = time.perf_counter()

    def start(self, *, lr: float) -> None:
        """Training begins now, with this learning rate."""
        self._lr = lr
        self._since = time.perf_counter()

    def count_tokens(self, count: int) -> None:
        """That many tokens are on their way through the model, over all ranks."""
        self._tokens += count

    def log_dict(self, payload: Mapping[str, Any], step: int) -> None:
        now = time.perf_counter()
        loss = float(payload["loss"])
        line = {
            "step": step,
            "total": self._total,
            "loss": loss,
            # The stock recipe reports the rate after its scheduler has moved on, which is the next step's.
            "lr": self._lr,
            # Counted here because the stock figure leaves out every token that is read but not trained: most of them.
            "tokens_per_second": round(self._tokens / (now - self._since), 1),
        }
        if "peak_memory_alloc" in payload:  # on a GPU, where log_peak_memory_stats is on
            line["peak_memory_gib"] = round(float(payload["peak_memory_alloc"]), 2)
        with self._path.open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        self._lr, self._tokens, self._since = float(payload["lr"]), 0, now
        if not math.isfinite(loss):
            raise LossNotFinite(f"the loss of step {step} is {loss}")

    def log(self, name: str, data: float, step: int) -> None:
        """The recipe logs whole steps only."""

    def log_config(self, config: DictConfig) -> None:
        OmegaConf.save(config, self._path.with_name("trained-config.yaml"), resolve=True)

    def close(self) -> None:
        """Every line is closed as it is written."""
