"""What the training tests share: a dataset, the job folders made of it, and the model that a tiny job starts from.

These tests need the training environment: `.venv-training/bin/python -m pytest tests/training`.
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.shapes import trajectory

if importlib.util.find_spec("torchtune") is None:
    collect_ignore_glob = ["test_*.py"]

os.environ.setdefault("OMP_NUM_THREADS", "1")

MakeJob = Callable[..., Path]


@pytest.fixture(scope="session")
def trajectories() -> list[dict[str, Any]]:
    return [trajectory(number) for number in range(24)]


@pytest.fixture(scope="session")
def make_job(trajectories: list[dict[str, Any]]) -> MakeJob:
    """Writes a job folder as the pipeline does."""

    def make(
        directory: Path,
        *,
        rows: list[dict[str, Any]] | None = None,
        overrides: dict[str, Any] | None = None,
        config: str = "tiny",
        nproc: int = 2,
    ) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        chosen = trajectories if rows is None else rows
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen).encode()
        files = {"dataset.jsonl": {"sha256": hashlib.sha256(data).hexdigest(), "rows": len(chosen)}}
        (directory / "dataset.jsonl").write_bytes(data)
        (directory / "manifest.json").write_text(json.dumps({"files": files}))
        (directory / "job.json").write_text(
            json.dumps({"config": config, "overrides": overrides or {}, "nproc": nproc})
        )
        return directory

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, trajectories: list[dict[str, Any]]) -> Path:
    """The checkpoint that a tiny job starts from."""
    from training.base_model import make_tiny
    from training.config import load_config
    from training.rows import parse_row

    directory = tmp_path_factory.mktemp("tiny")
    cfg = load_config("tiny", overrides={}, job_dir=directory)
    rows = [parse_row(json.dumps(row).encode()) for row in trajectories]
    make_tiny(directory / "base", rows=rows, size=cfg.from_scratch, seed=1)
    return directory / "base"
