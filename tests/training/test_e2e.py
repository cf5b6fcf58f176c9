"""A real job, under real torchrun: it learns, its checkpoint is a model elsewhere, and it can be killed at any time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torchtune.models.qwen2._convert_weights import qwen2_hf_to_tune
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.training.conftest import MakeJob
from training.model import qwen2_from_checkpoint

ROOT = Path(__file__).parents[2]
TIMEOUT = 240.0


def command(job: Path) -> list[str]:
    return [sys.executable, "-m", "training.sft", "--job", str(job)]


def run_job(job: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(job), cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def result_of(job: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((job / "result.json").read_text())
    return result


def processes_of(job: Path) -> list[str]:
    """The command lines of everything alive that works on this job."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since
        if str(job) in line:
            lines.append(line)
    return lines


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = TIMEOUT) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_job: MakeJob) -> Path:
    job = make_job(tmp_path_factory.mktemp("job") / "tiny")
    done = run_job(job)
    assert done.returncode == 0, done.stderr
    return job


def test_the_loss_falls(finished: Path) -> None:
    result = result_of(finished)
    losses = result["losses"]
    assert result["status"] == "succeeded"
    assert len(losses) == result["steps"] == 60
    assert fmean(losses[-5:]) == result["final_loss"] < 0.5 * result["first_loss"] == 0.5 * fmean(losses[:5])
    assert (result["rows_kept"], result["rows_dropped"]) == (24, {"overlong": 0, "no_labels": 0})
    assert 0 < result["trained_tokens"] < result["tokens"]
    assert result["versions"]["torchtune"] == "0.6.1"


def test_every_step_is_reported(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "progress.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 61))
    assert all(set(line) == {"step", "total", "loss", "lr", "tokens_per_second"} for line in lines)
    assert [line["loss"] for line in lines] == result_of(finished)["losses"]


def test_the_checkpoint_is_the_same_model_in_transformers(finished: Path) -> None:
    checkpoint = finished / "checkpoint"
    theirs = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    ours = qwen2_from_checkpoint(checkpoint_dir=str(checkpoint), max_seq_len=4096)
    ours.load_state_dict(qwen2_hf_to_tune(load_file(checkpoint / "model.safetensors")))
    tokens = torch.randint(0, theirs.config.vocab_size, (2, 300), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(theirs(tokens).logits, ours.eval()(tokens), rtol=1e-4, atol=1e-4)


def test_the_checkpoint_answers_in_the_form_it_was_taught(finished: Path, trajectories: list[dict[str, Any]]) -> None:
    checkpoint = finished / "checkpoint"
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    row = trajectories[0]
    prompt = tokenizer.apply_chat_template(
        row["messages"][:2], tools=row["tools"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answers = model.generate(**prompt, max_new_tokens=20, do_sample=False)
    answer = tokenizer.decode(answers[0, prompt["input_ids"].shape[1] :])
    assert answer.startswith('<tool_call>\n{"name": "execute_bash"')


def test_a_finished_job_is_not_run_again(finished: Path) -> None:
    before = (finished / "result.json").stat().st_mtime_ns
    started = time.monotonic()
    assert run_job(finished).returncode == 0
    assert time.monotonic() - started < 10
    assert (finished / "result.json").stat().st_mtime_ns == before


def test_a_checkpoint_can_be_trained_on(finished: Path, tmp_path: Path, make_job: MakeJob) -> None:
    """The way that a real base model takes: its folder is given, nothing is made."""
    overrides = {
        "from_scratch": None,
        "model_dir": str(finished / "checkpoint"),
        "min_steps": 3,
        "max_steps_per_epoch": 3,
    }
    job = make_job(tmp_path / "next", overrides=overrides, nproc=1)
    done = run_job(job)
    assert done.returncode == 0, done.stderr
    assert result_of(job)["losses"][0] < 1.5 * result_of(finished)["final_loss"]


def test_a_failure_is_recorded(tmp_path: Path, make_job: MakeJob) -> None:
    job = make_job(tmp_path / "broken", overrides={"optimizer.no_such_argument": 1}, nproc=1)
    assert run_job(job).returncode == 1
    result = result_of(job)
    assert (result["status"], result["reason"]) == ("failed", "trainer_failed")
    assert "unexpected keyword argument 'no_such_argument'" in result["message"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_leaves_no_process_and_can_be_run_again(
    sent: signal.Signals, tmp_path: Path, make_job: MakeJob
) -> None:
    job = make_job(tmp_path / "killed", overrides={"min_steps": 4000, "max_steps_per_epoch": None})
    launcher = subprocess.Popen(command(job), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    progress = job / "progress.jsonl"
    wait_until(lambda: progress.is_file() and progress.stat().st_size > 0, what="first step")
    assert len(processes_of(job)) == 4  # the launcher, torchrun and two workers
    os.kill(launcher.pid, sent)
    code = launcher.wait(30)
    wait_until(lambda: not processes_of(job), what="end of the workers", seconds=15)

    if sent is signal.SIGTERM:
        assert code == 1
        assert (result_of(job)["status"], result_of(job)["reason"]) == ("failed", "interrupted")
    else:
        assert not (job / "result.json").exists()

    make_job(job, overrides={"min_steps": 3, "max_steps_per_epoch": 3})
    assert run_job(job).returncode == 0
    assert len(progress.read_text().splitlines()) == result_of(job)["steps"] == 3
