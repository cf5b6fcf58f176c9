"""A named YAML config plus a job's overrides: all of a run's configuration, or an error naming the wrong key."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from training.encoding import Counts
from training.failures import JobFailure, Reason

CONFIGS = Path(__file__).parent / "configs"


def load_config(name: str, *, overrides: Mapping[str, Any], job_dir: Path) -> DictConfig:
    """Read training/configs/{name}.yaml and lay the overrides (dotted keys) over it.

    Raises:
        JobFailure: `config_invalid`, when there is no such config or an override names a key that it does not have.
    """
    known = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    if name not in known:
        raise JobFailure(
            Reason.CONFIG_INVALID, f"There is no config {name!r}; training/configs has {', '.join(known)}."
        )
    cfg = OmegaConf.load(CONFIGS / f"{name}.yaml")
    assert isinstance(cfg, DictConfig)
    for key, value in overrides.items():
        _refuse_unknown(cfg, key, config=name)
        OmegaConf.update(cfg, key, value, merge=False, force_add=True)
    cfg.job_dir = str(job_dir)
    return cfg


def _refuse_unknown(cfg: DictConfig, key: str, *, config: str) -> None:
    """A misspelt key would train something else without a word. Only a component's own arguments are open-ended."""
    parent, _, leaf = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    # `in` says no for a key that waits for its value ("???"), so the list of keys is asked.
    if not isinstance(node, DictConfig) or (leaf not in list(node) and "_component_" not in node):
        raise JobFailure(
            Reason.CONFIG_INVALID,
            f"The override {key!r} names nothing in config {config!r}; "
            f"keys there: {', '.join(map(str, node if isinstance(node, DictConfig) else cfg))}.",
        )


def resolve(cfg: DictConfig) -> DictConfig:
    """Every interpolation filled in, every mandatory value present, no path that depends on where one stands.

    Raises:
        JobFailure: `config_invalid`, naming the keys that only the job can give (such as `model_dir`).
    """
    # Looked for by hand: OmegaConf.missing_keys stumbles over interpolations that lead to a missing value.
    missing = sorted(str(key) for key in cfg if OmegaConf.is_missing(cfg, key))
    if missing:
        raise JobFailure(
            Reason.CONFIG_INVALID,
            f"This config leaves {', '.join(missing)} to the job: give it in overrides of job.json.",
        )
    resolved = cfg.copy()
    try:
        OmegaConf.resolve(resolved)
    except OmegaConfBaseException as error:
        raise JobFailure(Reason.CONFIG_INVALID, f"The config does not resolve: {error}") from error
    if not Path(resolved.model_dir).is_absolute():
        raise JobFailure(Reason.CONFIG_INVALID, f"model_dir {resolved.model_dir} must be an absolute path.")
    return resolved


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a run will be, known before it starts."""

    epochs: int
    steps_per_epoch: int

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch


def plan_schedule(cfg: DictConfig, *, counts: Counts, nproc: int) -> Schedule:
    """Count steps as the stock recipe does; raise the epochs until there are at least `min_steps`.

    Raises:
        JobFailure: `nothing_to_train`, when the rows do not fill one step on every rank; `config_invalid`, when
            the processes cannot be split as the config asks.
    """
    if nproc % cfg.tensor_parallel_dim:
        raise JobFailure(
            Reason.CONFIG_INVALID, f"nproc {nproc} is not a multiple of tensor_parallel_dim {cfg.tensor_parallel_dim}."
        )
    ranks = nproc // cfg.tensor_parallel_dim
    batches = (
        math.ceil(counts.kept / ranks) // cfg.batch_size
    )  # the sampler pads to equal ranks, the loader drops the rest
    steps = batches // cfg.gradient_accumulation_steps
    if cfg.max_steps_per_epoch is not None:
        steps = min(steps, cfg.max_steps_per_epoch)
    if counts.kept == 0 or steps == 0:
        raise JobFailure(
            Reason.NOTHING_TO_TRAIN,
            f"{counts.kept} trainable rows ({counts.overlong} more were over-long, {counts.no_labels} without a word "
            f"of the assistant) make no step of {ranks} ranks x batch_size {cfg.batch_size} x accumulation "
            f"{cfg.gradient_accumulation_steps}. Give more rows, a longer max_seq_len, or a smaller batch.",
        )
    return Schedule(epochs=max(cfg.epochs, math.ceil(cfg.min_steps / steps)), steps_per_epoch=steps)
