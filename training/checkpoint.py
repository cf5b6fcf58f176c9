"""Publishes the trained weights as an ordinary Hugging Face folder, and gives it a name by its content."""

import hashlib
import os
import shutil
from pathlib import Path

from training.failures import JobFailure, Reason
from training.job import sha256_of, sync_directory

# What makes a folder loadable, besides the weights. Taken from the base model: training changes none of it.
_COMPANIONS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
)


def publish(*, trained: Path, base: Path, target: Path) -> str:
    """Move TorchTune's last epoch to `target` and complete it from the base model.

    Returns:
        The checkpoint's sha256: over the lines "<sha256 of file>  <name>", sorted by name.

    Raises:
        JobFailure: `trainer_failed`, when training ended well but left no weights.
    """
    weights = sorted(trained.glob("*.safetensors"))
    if not weights:
        raise JobFailure(Reason.TRAINER_FAILED, f"The trainer ended without an error and left no weights in {trained}.")
    ready = target.with_name(f"{target.name}.partial")
    if ready.exists():
        shutil.rmtree(ready)
    ready.mkdir()
    if len(weights) == 1:
        weights[0].rename(ready / "model.safetensors")
    else:
        for path in [*weights, trained / "model.safetensors.index.json"]:
            path.rename(ready / path.name)
    for name in _COMPANIONS:
        if (base / name).is_file():
            shutil.copyfile(base / name, ready / name)
    for path in ready.iterdir():
        path.chmod(0o644)  # safetensors writes for its owner only; whoever serves the model is often another user
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_directory(ready)
    ready.rename(target)
    return checkpoint_sha256(target)


def checkpoint_sha256(directory: Path) -> str:
    lines = (f"{sha256_of(path)}  {path.name}\n" for path in sorted(directory.iterdir()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
