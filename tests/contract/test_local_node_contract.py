"""The local training node with a job of a few lines: real processes, real restarts, real kills."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swemill.adapters.local_node import LocalNode
from swemill.errors import ConfigurationError, NodeUnavailable
from swemill.reasons import Reason
from swemill.stages.train import Trained, train
from swemill.values import JobState, JobStatus, Loss, TrainingJob

JOB = """
import json, pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
with (folder / "starts").open("a") as starts:
    starts.write("x")
print("training on", (folder / "dataset.jsonl").read_text(), flush=True)
mode = job["overrides"].get("mode")
if mode == "hang":
    child = subprocess.Popen(["sleep", "1000"])
    (folder / "child").write_text(str(child.pid))
    time.sleep(1000)
if mode == "die":
    sys.exit(9)
for step in (1, 2):
    with (folder / "progress.jsonl").open("a") as progress:
        progress.write(json.dumps({"step": step, "total": 2, "loss": 3.0 - step}) + "\\n")
    time.sleep(0.1)
result = {"status": "succeeded", "steps": 2, "first_loss": 2.0, "final_loss": 1.0, "checkpoint_sha256": "s"}
if mode in ("fail", "interrupted"):
    result = {"status": "failed", "reason": "loss_not_finite" if mode == "fail" else mode, "message": "why"}
(folder / "checkpoint").mkdir(exist_ok=True)
(folder / "result.json").write_text(json.dumps(result))
"""
FILES = {"dataset.jsonl": b"rows\n", "manifest.json": b"{}"}

MakeNode = Callable[[], LocalNode]


@pytest.fixture
def new_node(tmp_path: Path) -> MakeNode:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    command = [sys.executable, str(script)]
    return lambda: LocalNode(jobs_dir=tmp_path / "jobs", checkout=tmp_path, command=command)


def _job(mode: str = "", job_id: str = "job-1") -> TrainingJob:
    return TrainingJob(job_id=job_id, config="tiny", overrides={"mode": mode}, nproc=1, files=FILES)


def _until(node: LocalNode, *states: JobState) -> JobStatus:
    deadline = time.monotonic() + 10
    while (status := node.status("job-1")).state not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status


def test_a_job_runs_to_its_checkpoint_and_reports_each_step(new_node: MakeNode, tmp_path: Path) -> None:
    seen: list[JobStatus] = []
    trained = train(FILES, node=new_node(), job_id="job-1", poll_seconds=0.02, on_progress=seen.append)
    assert isinstance(trained, Trained)
    assert (trained.steps, trained.first_loss, trained.final_loss, trained.node) == (2, 2.0, 1.0, "local")
    assert Path(trained.checkpoint) == tmp_path / "jobs" / "job-1" / "checkpoint"
    assert "training on rows" in trained.log
    steps = [status.step for status in seen]
    assert steps == sorted(steps)
    assert len(set(seen)) == len(seen)  # a status is told once
    assert (seen[-1].state, seen[-1].total_steps, seen[-1].loss) == (JobState.SUCCEEDED, 2, 1.0)
    written = json.loads((tmp_path / "jobs" / "job-1" / "job.json").read_text())
    assert written == {"config": "tiny", "overrides": {}, "nproc": 1}


def test_a_finished_job_is_not_run_again(new_node: MakeNode, tmp_path: Path) -> None:
    for _ in range(2):
        assert isinstance(train(FILES, node=new_node(), job_id="job-1", poll_seconds=0.02), Trained)
    assert (tmp_path / "jobs" / "job-1" / "starts").read_text() == "x"


def test_a_running_job_survives_its_caller_and_is_joined(new_node: MakeNode, tmp_path: Path) -> None:
    first, restarted = new_node(), new_node()
    first.submit(_job("hang"))
    assert restarted.status("job-1").state is JobState.RUNNING
    threads = [threading.Thread(target=restarted.submit, args=(_job("hang"),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = tmp_path / "jobs" / "job-1" / "child"
    deadline = time.monotonic() + 10
    while not child.exists() or not child.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (tmp_path / "jobs" / "job-1" / "starts").read_text() == "x"
    restarted.cancel("job-1")
    assert restarted.status("job-1").state is first.status("job-1").state is JobState.FAILED
    with pytest.raises(ProcessLookupError):  # its children went with it
        _wait_gone(int(child.read_text()))


def _wait_gone(pid: int) -> None:
    for _ in range(200):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            raise ProcessLookupError
        time.sleep(0.02)


def test_a_killed_job_failed_with_its_log_and_may_be_submitted_again(new_node: MakeNode, tmp_path: Path) -> None:
    node = new_node()
    node.submit(_job("hang"))
    process = json.loads((tmp_path / "jobs" / "job-1" / "process.json").read_text())
    _wait_for_text(tmp_path / "jobs" / "job-1" / "train.log", "training on")
    os.killpg(process["pid"], signal.SIGKILL)
    status = _until(node, JobState.FAILED)
    assert "ended without a result" in status.message
    assert "training on rows" in status.message
    with pytest.raises(NodeUnavailable, match="stopped before its end"):
        train(FILES, node=node, job_id="job-2", overrides={"mode": "die"}, poll_seconds=0.02)
    assert isinstance(train(FILES, node=node, job_id="job-1", poll_seconds=0.02), Trained)


def _wait_for_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_recycled_process_id_is_not_taken_for_the_job(new_node: MakeNode, tmp_path: Path) -> None:
    node = new_node()
    node.submit(_job())
    _until(node, JobState.SUCCEEDED)
    path = tmp_path / "jobs" / "job-1" / "process.json"
    process = json.loads(path.read_text())
    path.write_text(json.dumps({**process, "pid": os.getpid()}))
    assert node.status("job-1").state is JobState.SUCCEEDED
    node.cancel("job-1")  # must not harm the process that has the id now


def test_a_failed_training_is_a_loss_and_an_interrupted_one_is_not(new_node: MakeNode) -> None:
    loss = train(FILES, node=new_node(), job_id="job-1", overrides={"mode": "fail"}, poll_seconds=0.02)
    assert isinstance(loss, Loss)
    assert (loss.reason, loss.detail) == (Reason.TRAINING_FAILED, "loss_not_finite: why")
    with pytest.raises(NodeUnavailable, match="run it again"):
        train(FILES, node=new_node(), job_id="job-2", overrides={"mode": "interrupted"}, poll_seconds=0.02)


def test_a_job_that_takes_too_long_is_cancelled(new_node: MakeNode) -> None:
    node = new_node()
    loss = train(FILES, node=node, job_id="job-1", overrides={"mode": "hang"}, timeout=0.3, poll_seconds=0.02)
    assert isinstance(loss, Loss)
    assert "longer than 0.3 s" in loss.detail
    assert node.status("job-1").state is JobState.FAILED


def test_what_is_not_there_is_said(new_node: MakeNode, tmp_path: Path) -> None:
    node = LocalNode(jobs_dir=tmp_path / "jobs", checkout=tmp_path)
    with pytest.raises(NodeUnavailable, match="make training"):
        node.submit(_job())
    assert node.status("job-1").state is JobState.ABSENT
    with pytest.raises(NodeUnavailable, match="it is absent"):
        node.result("job-1")
    with pytest.raises(ConfigurationError, match="is no job id"):
        node.status("../job-1")
    missing = LocalNode(jobs_dir=tmp_path / "jobs", checkout=tmp_path, command=["/nonexistent/trainer"])
    with pytest.raises(NodeUnavailable, match="stopped before its end"):
        train(FILES, node=missing, job_id="job-3", poll_seconds=0.02)
