"""An engine is found, started when there is none, and stopped only if it was started here."""

import os
import shutil
from pathlib import Path

import pytest

from swemill.embedded import docker_engine
from swemill.errors import SandboxUnavailable
from swemill.settings import Settings

pytestmark = pytest.mark.docker


def test_the_running_engine_is_found_and_never_stopped(tmp_path):
    settings = Settings.load({"SWEMILL_HOME": str(tmp_path)})
    said: list[str] = []
    engine = docker_engine.ensure(settings, said.append)
    assert engine.version[0].isdigit()
    assert said == []
    assert not docker_engine.started_here(settings)
    assert not docker_engine.stop(settings)
    assert docker_engine.find(settings) == engine


def test_a_pid_file_of_a_killed_engine_whose_number_another_program_has_is_forgotten(tmp_path):
    ours, gone, garbled, alive = (tmp_path / name for name in ("ours", "gone", "garbled", "alive"))
    ours.write_text(str(os.getpid()))
    gone.write_text("4194999")
    garbled.write_text("x")
    alive.write_text(str(os.getpid()))
    program = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    docker_engine._forget_dead({ours: "dockerd", gone: "dockerd", garbled: "dockerd", alive: program})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alive", "garbled"]


def test_an_engine_that_was_named_and_does_not_answer_is_an_error_not_a_fallback(tmp_path):
    settings = Settings.load({"SWEMILL_HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    with pytest.raises(SandboxUnavailable, match="unset DOCKER_HOST"):
        docker_engine.ensure(settings, print)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="needs root and dockerd")
def test_an_engine_of_our_own_is_started_adopted_and_stopped(tmp_path, tmp_path_factory, monkeypatch):
    settings = Settings.load({"SWEMILL_HOME": str(tmp_path)})
    short = tmp_path_factory.mktemp("d")
    local = f"unix://{short}/docker.sock"
    options = [f"--data-root={short}/data", f"--exec-root={short}/exec", f"--pidfile={short}/pid", "--bridge=none"]
    options += ["--iptables=false", "--ip6tables=false", "--config-file", f"{short}/none.json"]
    (short / "none.json").write_text("{}")
    # An engine without a bridge deletes the machine's `docker0`: let it do so in a network of its own.
    program = short / "bin" / "dockerd"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec unshare --net {shutil.which("dockerd")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    said: list[str] = []
    others = docker_engine.find(settings)
    try:
        engine = docker_engine.ensure(settings, said.append, local=local, options=options)
        assert engine.host == local
        assert docker_engine.started_here(settings)
        assert docker_engine.ensure(settings, said.append, local=local) == engine
        assert sum("starting" in line for line in said) == 1
    finally:
        stopped = docker_engine.stop(settings)
    assert stopped
    assert docker_engine.find(settings, local=local) is None
    assert not docker_engine.started_here(settings)
    assert docker_engine.find(settings) == others


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="needs root and dockerd")
def test_an_engine_that_cannot_start_shows_the_end_of_its_log(tmp_path):
    settings = Settings.load({"SWEMILL_HOME": str(tmp_path)})
    with pytest.raises(SandboxUnavailable, match="unknown flag: --no-such-option"):
        docker_engine.ensure(settings, print, local=f"unix://{tmp_path}/d.sock", options=["--no-such-option"])
    assert not docker_engine.started_here(settings)
