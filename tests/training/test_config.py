"""Every shipped config parses, builds what can be built without its hardware, and refuses what it does not know."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torchtune import config as components
from torchtune.models.qwen2_5 import qwen2_5_7b_instruct, qwen2_5_32b_instruct

from training.config import CONFIGS, load_config, plan_schedule, resolve
from training.encoding import Counts
from training.failures import JobFailure, Reason
from training.loss import TrainedTokensLoss

# From the config.json files that the Qwen team publishes.
PUBLISHED = {
    "qwen2.5_coder_7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    },
    "qwen2.5_coder_32b": {
        "hidden_size": 5120,
        "intermediate_size": 27648,
        "num_hidden_layers": 64,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
    },
}
SHARED = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
STOCK = {"qwen2.5_coder_7b": qwen2_5_7b_instruct, "qwen2.5_coder_32b": qwen2_5_32b_instruct}


def test_there_are_three_configs() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == {"tiny", *PUBLISHED}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_gpu_config_builds_the_published_model(name: str, tmp_path: Path, tiny_model: Path) -> None:
    base = shutil.copytree(tiny_model, tmp_path / "base")
    (base / "config.json").write_text(json.dumps({**SHARED, **PUBLISHED[name]}))
    cfg = resolve(load_config(name, overrides={"model_dir": str(base)}, job_dir=tmp_path))

    with torch.device("meta"):
        model, stock = components.instantiate(cfg.model), STOCK[name]()
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in stock.state_dict().items()}
    assert model.max_seq_len == cfg.max_seq_len == 32768

    optimizer = components.instantiate(cfg.optimizer, [torch.nn.Parameter(torch.zeros(1))])
    schedule = components.instantiate(cfg.lr_scheduler, optimizer, num_training_steps=100, last_epoch=-1)
    assert schedule.get_last_lr() == [0.0]
    assert isinstance(components.instantiate(cfg.loss), TrainedTokensLoss)
    assert components.instantiate(cfg.tokenizer).pad_id == 0
    assert hasattr(components.instantiate(cfg.metric_logger), "log_dict")
    cfg.checkpointer.checkpoint_files = ["model.safetensors"]
    assert hasattr(components.instantiate(cfg.checkpointer, should_load_recipe_state=False), "save_checkpoint")


@pytest.mark.parametrize(
    ("name", "overrides", "says"),
    [
        ("nonesuch", {}, "training/configs has qwen2.5_coder_32b, qwen2.5_coder_7b, tiny"),
        ("tiny", {"epoch": 2}, "override 'epoch' names nothing"),
        ("tiny", {"from_scratch.hidden": 2}, "override 'from_scratch.hidden' names nothing"),
        ("tiny", {"optimizers.lr": 2}, "override 'optimizers.lr' names nothing"),
        ("qwen2.5_coder_32b", {}, "leaves model_dir to the job"),
        ("qwen2.5_coder_7b", {"model_dir": "models/7b"}, "model_dir models/7b must be an absolute path"),
        ("tiny", {"output_dir": "${nowhere}"}, "does not resolve"),
    ],
)
def test_a_wrong_config_is_named(name: str, overrides: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(JobFailure) as caught:
        resolve(load_config(name, overrides=overrides, job_dir=tmp_path))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert says in caught.value.message


def test_overrides_reach_the_components(tmp_path: Path) -> None:
    overrides = {"optimizer.lr": 0.5, "optimizer.betas": [0.9, 0.95], "max_seq_len": 128}
    cfg = resolve(load_config("tiny", overrides=overrides, job_dir=tmp_path))
    assert (cfg.optimizer.lr, list(cfg.optimizer.betas), cfg.model.max_seq_len) == (0.5, [0.9, 0.95], 128)
    assert cfg.metric_logger.path == f"{tmp_path}/progress.jsonl"


SCHEDULE = {
    "epochs": 1,
    "min_steps": 0,
    "max_steps_per_epoch": None,
    "batch_size": 1,
    "gradient_accumulation_steps": 1,
    "tensor_parallel_dim": 1,
}


@pytest.mark.parametrize(
    ("rows", "nproc", "changes", "epochs", "steps"),
    [
        (7, 2, {}, 1, 4),
        (1, 2, {"min_steps": 60}, 60, 1),
        (24, 2, {"min_steps": 60}, 5, 12),
        (1000, 2, {"min_steps": 60, "max_steps_per_epoch": 60}, 1, 60),
        (100, 8, {"epochs": 3, "gradient_accumulation_steps": 4}, 3, 3),
        (100, 8, {"batch_size": 4, "tensor_parallel_dim": 4}, 1, 12),
    ],
)
def test_steps_are_counted_as_the_recipe_counts_them(
    rows: int, nproc: int, changes: dict[str, Any], epochs: int, steps: int
) -> None:
    schedule = plan_schedule(OmegaConf.create({**SCHEDULE, **changes}), counts=Counts(kept=rows), nproc=nproc)
    assert (schedule.epochs, schedule.steps_per_epoch, schedule.total_steps) == (epochs, steps, epochs * steps)


@pytest.mark.parametrize(
    ("rows", "nproc", "changes", "reason"),
    [
        (0, 1, {}, Reason.NOTHING_TO_TRAIN),
        (3, 2, {"gradient_accumulation_steps": 4}, Reason.NOTHING_TO_TRAIN),
        (9, 3, {"tensor_parallel_dim": 2}, Reason.CONFIG_INVALID),
    ],
)
def test_a_run_without_a_step_is_refused(rows: int, nproc: int, changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(JobFailure) as caught:
        plan_schedule(OmegaConf.create({**SCHEDULE, **changes}), counts=Counts(kept=rows), nproc=nproc)
    assert caught.value.reason is reason
