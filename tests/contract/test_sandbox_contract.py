"""What any sandbox promises, run against the Docker engine and (where it can) the fake; then Docker's confinement."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.adapters.docker.policy import container_arguments
from swemill.adapters.fake_sandbox import FakeSandboxEngine
from swemill.errors import ConfigurationError, SandboxUnavailable
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.settings import Settings
from swemill.values import Limits, SandboxSpec

SMALL = Limits(memory_bytes=256 << 20, cpus=1.0, pids=64, disk_bytes=64 << 20, wall_clock=300)
docker_only = pytest.mark.docker


@pytest.fixture(scope="session")
def image(api) -> str:
    return BaseImages(api, config=BaseImageConfig.of(Settings.load())).get().reference


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> SandboxSpec:
    name = f"swemill-contract-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}"
    return SandboxSpec(name=name, image="unused", limits=SMALL, effect_key=name, stage="test", subject="contract")


@pytest.fixture
def docker_spec(spec: SandboxSpec, image: str) -> SandboxSpec:
    return replace(spec, image=image)


@pytest.fixture(params=["fake", pytest.param("docker", marks=docker_only)])
def sandbox(request: pytest.FixtureRequest, spec: SandboxSpec) -> Iterator[RunningSandbox]:
    engine: SandboxEngine = FakeSandboxEngine()
    if request.param == "docker":
        engine = DockerSandboxEngine(request.getfixturevalue("api"))
        spec = replace(spec, image=request.getfixturevalue("image"))
    with engine.start(spec) as running:
        yield running


@pytest.fixture
def confined(api, docker_spec: SandboxSpec) -> Iterator[RunningSandbox]:
    with DockerSandboxEngine(api).start(docker_spec) as running:
        yield running


def shell(sandbox: RunningSandbox, text: str, *, timeout: float = 30, **more):
    return sandbox.run(["bash", "-c", text], timeout=timeout, **more)


def words(sandbox: RunningSandbox, text: str) -> str:
    return shell(sandbox, text).output.decode().strip()


# --- what any sandbox promises ---


def test_exit_code_output_and_working_folder_are_the_commands(sandbox: RunningSandbox) -> None:
    result = shell(sandbox, "echo out; echo err >&2; basename $PWD; exit 7")
    assert result.exit_code == 7
    assert sorted(result.output.decode().split()) == ["err", "out", "testbed"]
    assert not result.truncated
    assert not result.timed_out


def test_standard_input_arrives_whole_and_ends(sandbox: RunningSandbox) -> None:
    assert sandbox.run(["wc", "-c"], timeout=30, stdin=b"x" * 3_000_000).output.split() == [b"3000000"]
    assert sandbox.run(["cat"], timeout=30).output == b""


def test_a_command_need_not_read_its_input(sandbox: RunningSandbox) -> None:
    assert sandbox.run(["true"], timeout=30, stdin=b"x" * 3_000_000).exit_code == 0


def test_environment_and_arguments_are_passed_unchanged(sandbox: RunningSandbox) -> None:
    result = sandbox.run(["sh", "-c", 'printf "%s|%s" "$NAME" "$1"', "sh", "a 'b' $c"], timeout=30, env={"NAME": "x y"})
    assert result.output == b"x y|a 'b' $c"


def test_output_keeps_its_tail_only(sandbox: RunningSandbox) -> None:
    result = shell(sandbox, "head -c 20000000 /dev/zero | tr '\\0' x; printf END", output_limit=1000)
    assert result.truncated
    assert len(result.output) == 1000
    assert result.output.endswith(b"xxEND")


def test_a_time_out_kills_the_command_and_the_sandbox_goes_on(sandbox: RunningSandbox) -> None:
    started = time.monotonic()
    result = shell(sandbox, "trap '' TERM; echo begun; sleep 60", timeout=1)
    assert result.timed_out
    assert result.exit_code == 137
    assert b"begun" in result.output
    assert time.monotonic() - started < 20
    assert words(sandbox, "echo alive") == "alive"


def test_a_missing_program_is_the_commands_failure(sandbox: RunningSandbox) -> None:
    assert sandbox.run(["no-such-program"], timeout=30).exit_code == 127


def test_a_background_process_does_not_outlive_its_run(sandbox: RunningSandbox) -> None:
    started = time.monotonic()
    assert shell(sandbox, "(while :; do date +%N > /tmp/beat; sleep 0.05; done) & sleep 0.3").exit_code == 0
    assert time.monotonic() - started < 20, "the run waited for a background process"
    beat = sandbox.read("/tmp/beat")
    assert beat
    time.sleep(0.3)
    assert sandbox.read("/tmp/beat") == beat


def test_files_round_trip_and_folders_are_made(sandbox: RunningSandbox) -> None:
    data = bytes(range(256)) * 4000
    sandbox.write({"/testbed/a/b/c.bin": data, "/tmp/empty": b""})
    assert sandbox.read("/testbed/a/b/c.bin") == data
    assert sandbox.read("/testbed/a/b/c.bin", limit=10) == data[:10]
    assert sandbox.read("/tmp/empty") == b""
    assert words(sandbox, "cat a/b/c.bin | wc -c") == str(len(data))


@pytest.mark.parametrize("kind", ["fake", pytest.param("docker", marks=docker_only)])
def test_the_host_has_the_name_that_was_asked_for(request: pytest.FixtureRequest, spec: SandboxSpec, kind: str) -> None:
    engine: SandboxEngine = FakeSandboxEngine()
    if kind == "docker":
        engine = DockerSandboxEngine(request.getfixturevalue("api"))
        spec = replace(spec, image=request.getfixturevalue("image"))
    for named, name in ((spec, "sandbox"), (replace(spec, hostname="elsewhere"), "elsewhere")):
        with engine.start(named) as sandbox:
            assert words(sandbox, "printenv HOSTNAME") == name
            assert kind == "fake" or words(sandbox, "uname -n") == name


def test_what_is_no_regular_file_reads_as_none(sandbox: RunningSandbox) -> None:
    shell(sandbox, "mkfifo pipe; mkdir folder")
    assert sandbox.read("/testbed/absent") is None
    assert sandbox.read("/testbed/folder") is None
    assert sandbox.read("/testbed/pipe") is None


# --- confinement ---


@docker_only
def test_commands_hold_no_privilege(confined: RunningSandbox) -> None:
    status = words(confined, "grep -E '^(Uid|CapEff|CapBnd|CapPrm|NoNewPrivs|Seccomp):' /proc/self/status; umask")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    assert fields["Uid"].split() == ["1000"] * 4
    assert {int(fields[name], 16) for name in ("CapEff", "CapBnd", "CapPrm")} == {0}
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"


@docker_only
def test_there_is_no_network_and_no_engine_socket(confined: RunningSandbox) -> None:
    assert words(confined, "ls /sys/class/net") == "lo"
    assert shell(confined, "exec 3<>/dev/tcp/172.17.0.1/22", timeout=5).exit_code != 0
    assert words(confined, "find / -xdev -name 'docker*.sock' 2>/dev/null; ls /var/run/docker.sock 2>/dev/null") == ""


@docker_only
def test_only_the_two_folders_are_writable_and_they_are_bounded(confined: RunningSandbox) -> None:
    assert "Read-only file system" in words(confined, "touch /etc/x /usr/x /home/mill/x 2>&1")
    for folder in ("/testbed", "/tmp"):
        result = shell(
            confined, f"dd if=/dev/zero of={folder}/big bs=1M count=200; code=$?; rm {folder}/big; exit $code"
        )
        assert result.exit_code == 1
        assert b"No space left on device" in result.output
    mounts = words(confined, "grep -E ' /(testbed|tmp) ' /proc/mounts")
    assert mounts.count("nosuid") == mounts.count("nodev") == 2


@docker_only
def test_out_of_memory_is_told_apart_and_the_sandbox_goes_on(confined: RunningSandbox) -> None:
    result = confined.run(["python3", "-c", "x = bytearray(400 << 20)"], timeout=60)
    assert result.out_of_memory
    assert result.exit_code == 137
    assert not result.timed_out
    after = confined.run(["echo", "alive"], timeout=30)
    assert after.output == b"alive\n"
    assert not after.out_of_memory


@docker_only
def test_a_fork_bomb_is_contained(confined: RunningSandbox) -> None:
    bomb = "import os\nwhile True:\n try:\n  os.fork()\n except OSError: pass"
    result = confined.run(["python3", "-c", bomb], timeout=2)
    assert result.timed_out
    assert words(confined, "echo alive") == "alive"


@docker_only
@pytest.mark.parametrize("stream", ["held", "closed"])
def test_a_fork_bomb_that_kills_its_guards_ends_with_its_run_or_its_sandbox(
    confined: RunningSandbox, stream: str
) -> None:
    bomb = f"""
import os, signal
if os.fork():
    signal.pause()
os.setsid()
if {stream == "closed"}:
    os.closerange(0, 3)
os.kill(-1, 9)  # everybody else of this user: shell, time-out, guard
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    assert confined.run(["python3", "-c", bomb], timeout=2).exit_code == 137
    after = confined.run(["echo", "alive"], timeout=30)
    assert after.output == b"alive\n" or after.exit_code == 137


@docker_only
def test_a_command_cannot_end_its_sandbox(confined: RunningSandbox) -> None:
    shell(confined, "kill -9 1; kill -TERM 1; kill -9 $(pgrep -x sleep); kill -9 -1")
    assert words(confined, "echo alive") == "alive"


@docker_only
def test_a_newline_less_flood_does_not_grow_memory(confined: RunningSandbox) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = shell(confined, "tr '\\0' x </dev/zero", timeout=3, output_limit=1 << 16)
    assert result.timed_out
    assert result.truncated
    assert len(result.output) == 1 << 16
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10, "KiB"


# --- life and death ---


def names(api, spec: SandboxSpec) -> list[str]:
    return [found["Id"] for found in api.containers(all=True, filters={"name": f"^/{spec.name}$"})]


@docker_only
def test_a_leftover_of_the_same_name_is_replaced(api, docker_spec: SandboxSpec) -> None:
    arguments = container_arguments(docker_spec)
    leftover = arguments.create(api)
    with DockerSandboxEngine(api).start(docker_spec) as running:
        found = names(api, docker_spec)
        assert found != [leftover]
        assert len(found) == 1
        assert words(running, "echo alive") == "alive"
    assert names(api, docker_spec) == []


@docker_only
@pytest.mark.parametrize("trouble", [ValueError, KeyboardInterrupt])
def test_leaving_the_context_removes_the_container(api, docker_spec, trouble: type[BaseException]) -> None:
    def work() -> None:
        with DockerSandboxEngine(api).start(docker_spec):
            assert names(api, docker_spec)
            raise trouble

    with pytest.raises(trouble):
        work()
    assert names(api, docker_spec) == []


@docker_only
def test_the_reaper_respects_claims(api, docker_spec: SandboxSpec) -> None:
    engine = DockerSandboxEngine(api)
    orphan = replace(docker_spec, name=f"{docker_spec.name}-o", effect_key=f"{docker_spec.effect_key}-o")
    container_arguments(docker_spec).create(api)
    container_arguments(orphan).create(api)
    try:
        # Everybody else's sandboxes count as claimed: others may be at work on this engine.
        assert engine.reap(lambda key: key != orphan.effect_key) == [orphan.name]
        assert names(api, docker_spec)
        assert not names(api, orphan)
    finally:
        for name in (docker_spec.name, orphan.name):
            for found in names(api, replace(docker_spec, name=name)):
                api.remove_container(found, force=True)


@docker_only
def test_a_container_that_vanishes_is_infrastructure(api, docker_spec: SandboxSpec) -> None:
    with DockerSandboxEngine(api).start(docker_spec) as running:
        timer = threading.Timer(1.0, lambda: api.remove_container(docker_spec.name, force=True))
        timer.start()
        with pytest.raises(SandboxUnavailable):
            running.run(["sleep", "30"], timeout=60)


@pytest.fixture
def relay(tmp_path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A socket in front of the engine, and the switch that makes the engine look dead."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "engine.sock"))
    listener.listen()
    open_sockets = [listener]

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, engine = listener.accept()[0], socket.socket(socket.AF_UNIX)
                engine.connect("/var/run/docker.sock")
                open_sockets.extend((client, engine))
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    def cut() -> None:
        (tmp_path / "engine.sock").unlink(missing_ok=True)
        for each in open_sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    threading.Thread(target=accept, daemon=True).start()
    yield f"unix://{tmp_path}/engine.sock", cut
    cut()


@docker_only
@pytest.mark.skipif(not Path("/var/run/docker.sock").exists(), reason="the relay stands before the local socket")
def test_an_engine_that_dies_in_the_middle_is_infrastructure(api, docker_spec: SandboxSpec, relay) -> None:
    address, cut = relay

    def work() -> None:
        with DockerSandboxEngine(connect(address)).start(docker_spec) as running:
            threading.Timer(1.0, cut).start()
            running.run(["sleep", "30"], timeout=60)

    with pytest.raises(SandboxUnavailable):
        work()
    # The engine could not be told to remove it: that is what the reaper is for.
    assert names(api, docker_spec)
    assert DockerSandboxEngine(api).reap(lambda key: key != docker_spec.effect_key) == [docker_spec.name]


@docker_only
def test_the_wall_clock_ends_the_sandbox_as_a_result(api, docker_spec: SandboxSpec) -> None:
    short = replace(docker_spec, limits=replace(SMALL, wall_clock=3))
    with DockerSandboxEngine(api).start(short) as running:
        result = running.run(["sleep", "30"], timeout=60)
        assert (result.exit_code, result.timed_out) == (137, True)
        assert running.run(["true"], timeout=5).exit_code == 137
        assert running.read("/testbed/x") is None


@docker_only
def test_an_unknown_runtime_fails_closed(api, docker_spec: SandboxSpec) -> None:
    engine = DockerSandboxEngine(api, runtime="no-such-runtime")
    with pytest.raises(ConfigurationError, match="no-such-runtime"), engine.start(docker_spec):
        pytest.fail("started without its runtime")
    assert names(api, docker_spec) == []


@docker_only
def test_a_missing_image_says_how_to_get_it(api, spec: SandboxSpec) -> None:
    missing = replace(spec, image="sha256:" + "0" * 64)
    with pytest.raises(SandboxUnavailable, match="swemill install"), DockerSandboxEngine(api).start(missing):
        pytest.fail("started without an image")


def test_an_engine_that_does_not_answer_is_named_with_the_way_out() -> None:
    with pytest.raises(SandboxUnavailable, match="swemill doctor"):
        connect("tcp://127.0.0.1:9")
