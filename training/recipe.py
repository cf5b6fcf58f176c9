"""TorchTune's full fine-tuning recipe as it is, plus what a job folder needs and what a CPU cannot do.

The stock recipe is subclassed and not copied, so its training loop stays the one that TorchTune documents. It
runs the same way on two CPU processes in a test as on eight GPUs.
"""

from training.lifeline import die_with_parent

if __name__ == "__main__":
    die_with_parent()  # before torch is imported: that takes seconds, in which a killed job would leave this behind

import argparse
import gc
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torchtune
from omegaconf import DictConfig, OmegaConf
from torch.distributed.elastic.multiprocessing.errors import record
from torchtune import training as tune
from torchtune.training.checkpointing._checkpoint_client import CheckpointClient, TrainingProgress
from torchtune.training.lr_schedulers import get_lr


def _stock_recipe() -> ModuleType:
    """The installed recipe file. `import recipes` raises on purpose, so it is loaded by path."""
    path = Path(torchtune.__file__).parent.parent / "recipes" / "full_finetune_distributed.py"
    spec = importlib.util.spec_from_file_location("torchtune_full_finetune_distributed", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"TorchTune's recipe is not at {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stock = _stock_recipe()


def adapt_to_cpu() -> None:
    """Replace the three functions of TorchTune 0.6.1 that its distributed recipe calls and that fail without a GPU."""

    def cleanup_before_training() -> None:
        gc.collect()  # the original goes on to empty a device cache that a CPU does not have

    def get_memory_stats(device: torch.device, reset_stats: bool = True) -> dict[str, float]:
        return {}

    def log_memory_stats(stats: dict[str, float], message: str = "") -> None:
        """There are none."""

    def get_distributed_backend(device_type: str, offload_ops_to_cpu: bool = False) -> str:
        return "gloo"  # the original says "cpu:gloo,cpu:gloo", which names one device twice

    for function in (cleanup_before_training, get_memory_stats, log_memory_stats, get_distributed_backend):
        setattr(tune, function.__name__, function)


class LastCheckpointOnly(CheckpointClient):
    """Saves after the last epoch only: a job starts clean, so nobody would read the others (200 GB each at 32B)."""

    def save_checkpoint(
        self, model: torch.nn.Module, optimizer: Any, training_progress: TrainingProgress, epoch: int
    ) -> None:
        if training_progress.epochs_run == training_progress.total_epochs:
            super().save_checkpoint(model, optimizer, training_progress, epoch)


class TrajectoryFinetune(stock.FullFinetuneRecipeDistributed):
    """Full fine-tuning that reports every token it reads and leaves one checkpoint."""

    def __init__(self, cfg: DictConfig) -> None:
        super().__init__(cfg)
        self._checkpoint_client = LastCheckpointOnly(cfg)

    def train(self) -> None:
        if self._is_rank_zero:
            self._metric_logger.start(lr=get_lr(self._optimizer))
            self._model.register_forward_pre_hook(self._count_tokens, with_kwargs=True)
        super().train()

    def _count_tokens(self, _model: torch.nn.Module, _args: tuple[Any, ...], batch: dict[str, Any]) -> None:
        # The other ranks' batches are taken to be as long as this one's: asking them would cost a collective a step.
        self._metric_logger.count_tokens(batch["tokens"].numel() * self.dp_size)


@record  # leaves an exception where training.launch finds it, whatever the ranks print over one another
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="a resolved YAML config, as training.sft writes it")
    cfg = OmegaConf.load(parser.parse_args().config)
    assert isinstance(cfg, DictConfig)
    if cfg.device == "cpu":
        adapt_to_cpu()
        # One machine: do not depend on its host name having an address.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    recipe = TrajectoryFinetune(cfg=cfg)
    recipe.setup(cfg=cfg)
    recipe.train()
    recipe.cleanup()


if __name__ == "__main__":
    main()
