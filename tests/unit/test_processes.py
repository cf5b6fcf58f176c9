"""Processes are recognised by more than their number, and stopped with all that they started."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from swemill.embedded import processes
from swemill.errors import Infrastructure


def start(home: Path, *argv: str, name: str = "service") -> processes.Identity:
    return processes.start(
        argv,
        record=home / "run" / f"{name}.json",
        log=home / "logs" / f"{name}.log",
        environ=os.environ,
        folder=home,
        home=home,
    )


def wait_for(condition, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_a_service_is_found_again_through_its_record(tmp_path):
    service = start(tmp_path, "sleep", "60")
    record = tmp_path / "run" / "service.json"
    assert processes.recorded(record) == service
    assert os.getsid(service.pid) == os.getpgid(service.pid) == service.pid
    assert record.stat().st_mode & 0o077 == 0
    processes.stop([record], grace=2)
    assert not service.alive()
    assert not record.exists()


def test_another_process_with_the_same_number_is_not_ours(tmp_path):
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        identity = processes.identify(bystander.pid)
        record = tmp_path / "service.json"
        for other in (replace(identity, started=identity.started - 1), replace(identity, boot="an earlier boot")):
            record.write_text(json.dumps(asdict(other)))
            assert processes.recorded(record) is None
            processes.stop([record], grace=1)
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("content", ["", '{"pid": 1', '{"pid": 1}', "[]", "7"])
def test_a_record_cut_short_names_nobody(tmp_path, content):
    record = tmp_path / "service.json"
    record.write_text(content)
    assert processes.recorded(record) is None


def test_a_child_in_a_session_of_its_own_is_stopped_too(tmp_path):
    script = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    service = start(tmp_path, sys.executable, "-c", script)
    assert wait_for(lambda: processes.descendants(service.pid))
    (child,) = processes.descendants(service.pid)
    processes.stop([tmp_path / "run" / "service.json"], grace=2)
    assert not child.alive()


def test_what_ignores_the_polite_signal_is_killed(tmp_path):
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    service = start(tmp_path, sys.executable, "-c", script)
    assert wait_for(lambda: "deaf" in processes.tail(tmp_path / "logs" / "service.log"))
    processes.end([service], grace=0.1)
    assert not service.alive()


def test_the_orphan_of_a_killed_service_carries_its_mark(tmp_path):
    script = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    service = start(tmp_path, sys.executable, "-c", script)
    assert wait_for(lambda: processes.descendants(service.pid))
    (child,) = processes.descendants(service.pid)
    os.kill(service.pid, signal.SIGKILL)
    assert wait_for(lambda: not service.alive())
    assert processes.marked(tmp_path) == [child]
    assert processes.marked(tmp_path / "elsewhere") == []
    processes.end([child], grace=1)
    assert processes.marked(tmp_path) == []


def test_a_program_that_is_absent_is_named(tmp_path):
    with pytest.raises(Infrastructure, match="no-such-program cannot be started"):
        start(tmp_path, "no-such-program")


def test_a_log_that_has_grown_large_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_LOG_LIMIT", 10)
    log = tmp_path / "logs" / "service.log"
    log.parent.mkdir()
    log.write_text("more than ten bytes\n")
    service = start(tmp_path, "sleep", "60")
    processes.end([service], grace=1)
    assert log.with_suffix(".log.1").read_text() == "more than ten bytes\n"
    assert log.read_text() == ""


def test_what_a_dead_service_leaves_in_its_session_is_found_without_the_mark(tmp_path):
    script = "import subprocess, time; subprocess.Popen(['sleep', '60'], env={}); time.sleep(60)"
    service = start(tmp_path, sys.executable, "-c", script)
    record = tmp_path / "run" / "service.json"
    assert wait_for(lambda: processes.descendants(service.pid))
    (child,) = processes.descendants(service.pid)
    assert processes.left_behind(record) == []  # it lives: nothing is left behind
    os.kill(service.pid, signal.SIGKILL)
    assert wait_for(lambda: not service.alive())
    assert processes.marked(tmp_path) == []
    assert processes.left_behind(record) == [child]
    record.write_text(json.dumps(asdict(replace(service, boot="an earlier boot"))))
    assert processes.left_behind(record) == []
    processes.end([child], grace=1)
