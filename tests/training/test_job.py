"""The job folder: what is refused before anything runs, and what a result means."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import MakeJob
from training.config import Schedule
from training.encoding import Counts
from training.failures import JobBusy, JobFailure, Reason
from training.job import hold, load_job, write_result
from training.progress import LossNotFinite, ProgressLog
from training.results import read_losses, summarise
from training.sft import run


def refusal(directory: Path) -> JobFailure:
    with pytest.raises(JobFailure) as caught:
        run(directory)
    return caught.value


def test_a_dataset_that_differs_from_its_manifest_is_refused(tmp_path: Path, make_job: MakeJob) -> None:
    job = make_job(tmp_path)
    with (job / "dataset.jsonl").open("a") as file:
        file.write("\n")
    failure = refusal(job)
    assert failure.reason is Reason.DATASET_MISMATCH
    assert "Copy the released file again" in failure.message


@pytest.mark.parametrize("manifest", [{}, {"files": {}}, {"files": {"dataset.jsonl": {"rows": 24}}}])
def test_a_manifest_without_the_hash_is_refused(tmp_path: Path, make_job: MakeJob, manifest: dict[str, Any]) -> None:
    job = make_job(tmp_path)
    (job / "manifest.json").write_text(json.dumps(manifest))
    assert refusal(job).reason is Reason.DATASET_MISMATCH


@pytest.mark.parametrize(
    "spec",
    ["", "[]", "{}", '{"config": "tiny", "nproc": 0}', '{"config": "tiny", "override": {}}', '{"config": 1}'],
)
def test_a_malformed_job_is_refused(tmp_path: Path, make_job: MakeJob, spec: str) -> None:
    job = make_job(tmp_path)
    (job / "job.json").write_text(spec)
    assert refusal(job).reason is Reason.JOB_INVALID


def test_a_missing_file_is_named(tmp_path: Path, make_job: MakeJob) -> None:
    job = make_job(tmp_path)
    (job / "manifest.json").unlink()
    assert "manifest.json does not exist" in refusal(job).message


def test_rows_that_are_all_too_long_are_no_training(tmp_path: Path, make_job: MakeJob) -> None:
    failure = refusal(make_job(tmp_path, overrides={"max_seq_len": 16}))
    assert failure.reason is Reason.NOTHING_TO_TRAIN
    assert "24 more were over-long" in failure.message


def test_a_folder_is_held_by_one_launcher(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(JobBusy), hold(tmp_path):
        pytest.fail("the folder was held twice")
    with hold(tmp_path):
        pass


def test_the_fingerprint_follows_the_job_and_the_dataset(
    tmp_path: Path, make_job: MakeJob, trajectories: list[dict[str, Any]]
) -> None:
    same = {load_job(make_job(tmp_path / name)).fingerprint for name in ("a", "b")}
    other_settings = load_job(make_job(tmp_path / "c", overrides={"epochs": 2})).fingerprint
    other_data = load_job(make_job(tmp_path / "d", rows=trajectories[1:])).fingerprint
    assert len(same) == 1
    assert len({*same, other_settings, other_data}) == 3


def test_only_an_own_success_with_its_checkpoint_counts(tmp_path: Path, make_job: MakeJob) -> None:
    job = load_job(make_job(tmp_path))
    assert job.success() is None
    mine = {"status": "succeeded", "fingerprint": job.fingerprint}
    write_result(tmp_path, mine)
    assert job.success() is None
    job.checkpoint.mkdir()
    assert job.success() == mine
    write_result(tmp_path, {**mine, "fingerprint": "another job's"})
    assert job.success() is None
    write_result(tmp_path, {"status": "failed", "reason": "interrupted", "message": ""})
    assert job.success() is None


def test_progress_reports_the_rate_that_the_step_used_and_every_token(tmp_path: Path) -> None:
    log = ProgressLog(path=str(tmp_path / "progress.jsonl"), total_steps=2)
    log.start(lr=0.0)
    for step, lr in ((1, 0.1), (2, 0.2)):
        log.count_tokens(1000)
        log.log_dict({"loss": 3.0 / step, "lr": lr, "tokens_per_second_per_gpu": 1.0}, step=step)
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [(line["step"], line["total"], line["loss"], line["lr"]) for line in lines] == [
        (1, 2, 3.0, 0.0),
        (2, 2, 1.5, 0.1),
    ]
    assert all(line["tokens_per_second"] > 0 for line in lines)


def test_a_diverged_run_stops_and_is_named(tmp_path: Path) -> None:
    log = ProgressLog(path=str(tmp_path / "progress.jsonl"), total_steps=9)
    with pytest.raises(LossNotFinite):
        log.log_dict({"loss": float("nan"), "lr": 1.0}, step=1)
    with pytest.raises(JobFailure) as caught:
        read_losses(tmp_path / "progress.jsonl")
    assert caught.value.reason is Reason.LOSS_NOT_FINITE


def test_a_run_that_stopped_early_is_no_success() -> None:
    with pytest.raises(JobFailure, match="2 steps were trained where 3 were planned"):
        summarise([2.0, 1.0], schedule=Schedule(epochs=1, steps_per_epoch=3), counts=Counts())
