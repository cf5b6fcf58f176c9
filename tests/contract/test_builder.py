"""Builds on the real engine: what they give, what they cannot do, and that one image is made once."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.adapters.docker.build_lock import container_name
from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.disk_watch import BYTES_A_FILE
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.errors import SandboxUnavailable
from swemill.settings import Settings
from swemill.values import BuildEnd, BuildPlan, BuildResult, Limits, SandboxSpec

pytestmark = pytest.mark.docker

DISK = 256 << 20
SETTINGS = replace(
    Settings.load(), sandbox_memory=512 << 20, sandbox_cpus=2.0, build_disk=DISK, build_pids=128, registry=""
)
LAYOUT = "/opt/build /opt/venv /opt/testbed /testbed /opt/lock.txt /tmp /home/mill"


@pytest.fixture(scope="module")
def builder(api) -> DockerBuilder:
    return DockerBuilder(api, settings=SETTINGS)


@pytest.fixture(scope="module")
def tag(api):
    tags = []

    def make(name: str) -> str:
        tags.append(f"swemill/test:{name}-{os.getpid()}")
        return tags[-1]

    yield make
    for made in tags:
        if api.images(made):
            api.remove_image(made, force=True)


def planned(builder: DockerBuilder, script: str, tag: str = "", *, timeout: int = 60, **more) -> BuildPlan:
    files = {"install.sh": script.encode(), "file": b"x"}
    return BuildPlan(base=builder.base().reference, files=files, tag=tag, timeout=timeout, **more)


def did(builder: DockerBuilder, script: str, **more) -> BuildResult:
    """What a script without an image did."""
    return builder.build(planned(builder, script, **more))


def no_container(api, plan: BuildPlan) -> bool:
    return not api.containers(all=True, filters={"name": container_name(plan)})


def in_image(api, image: str, command: str) -> str:
    spec = SandboxSpec(
        name=f"swemill-look-{os.getpid()}", image=image, limits=Limits(), effect_key="l", stage="test", subject="b"
    )
    with DockerSandboxEngine(api).start(spec) as sandbox:
        return sandbox.run(["sh", "-c", command], timeout=30).output.decode().strip()


# --- what a build gives ---


def test_a_build_gives_an_image_with_what_the_script_wrote(api, builder: DockerBuilder, tag) -> None:
    script = (
        "set -e\ncat /opt/build/file >/opt/venv/copy\nprintf %s $GREETING >/opt/lock.txt\nmkdir -p ~/.cache/x /tmp/a\n"
    )
    plan = planned(
        builder,
        script + "chmod 0 /tmp/a\n",
        tag("good"),
        env={"GREETING": "a=b c"},
        outputs=("/opt/lock.txt", "/opt/build/file", "/opt/none"),
    )
    result = builder.build(plan)
    assert result.end == BuildEnd.BUILT, result.log
    assert (result.image or "").startswith("sha256:")
    assert not result.repeated
    assert result.outputs == {"/opt/lock.txt": b"a=bc", "/opt/build/file": b"x"}
    assert result.bytes > 0
    assert (
        in_image(api, plan.tag, "cat /opt/venv/copy; echo; echo $GREETING; whoami; pwd") == "x\na=b c\nmill\n/testbed"
    )
    assert in_image(api, plan.tag, "ls -A /opt/build /var/tmp /home/mill/.cache") == (
        "/home/mill/.cache:\n\n/opt/build:\n\n/var/tmp:"
    )
    assert no_container(api, plan)


def test_the_images_configuration_is_the_bases_and_nothing_of_the_container(api, builder: DockerBuilder, tag) -> None:
    plan = planned(builder, "true", tag("config"), env={"A": "1"}, effect_key="secret-key", subject="some-subject")
    builder.build(plan)
    base = api.inspect_image(plan.base)["Config"]
    made = api.inspect_image(plan.tag)["Config"]
    assert made["Env"] == [*base["Env"], "A=1"]
    assert (made["User"], made["WorkingDir"], made["Cmd"]) == ("mill", "/testbed", ["/bin/bash"])
    assert not made["Entrypoint"]
    assert not made["Hostname"]
    assert not made.get("Healthcheck")
    told = {name: value for name, value in made["Labels"].items() if value}
    assert told == {**base["Labels"], "swemill": "1", "swemill.level": "test"}


def test_the_way_to_the_index_is_the_scripts_alone(api, builder: DockerBuilder, tag) -> None:
    script = ". /etc/swemill/build.env\nenv | grep INDEX\nuv pip download 2>/dev/null; env | sort >/opt/lock.txt"
    plan = planned(builder, script, tag("index"), outputs=("/opt/lock.txt",))
    result = builder.build(plan)
    seen = dict(line.split("=", 1) for line in result.outputs["/opt/lock.txt"].decode().splitlines())
    assert seen["UV_DEFAULT_INDEX"] == seen["PIP_INDEX_URL"], "build.env must not win over what the build was given"
    assert seen["PIP_TRUSTED_HOST"] in seen["PIP_INDEX_URL"]
    assert in_image(api, plan.tag, "env | grep -E 'CERT|INDEX|SWEMILL|UV_|PIP_|LD_'") == ""


def test_packages_come_from_the_index(builder: DockerBuilder) -> None:
    install = "set -e\nuv venv -q --allow-existing /opt/venv\nuv pip install -q six\npython -c 'import six'\n"
    result = did(builder, f". /etc/swemill/build.env\n{install}")
    assert result.end == BuildEnd.BUILT, result.log


def test_without_a_tag_only_the_outputs_are_kept(api, builder: DockerBuilder) -> None:
    before = {image["Id"] for image in api.images(filters={"dangling": True})}
    result = did(builder, "echo 1 >/opt/lock.txt", outputs=("/opt/lock.txt",))
    assert result.end == BuildEnd.BUILT
    assert result.image is None
    assert result.outputs == {"/opt/lock.txt": b"1\n"}
    assert {image["Id"] for image in api.images(filters={"dangling": True})} <= before


def test_a_second_build_of_a_tag_is_the_first(builder: DockerBuilder, tag) -> None:
    plan = planned(builder, "date +%N >/opt/lock.txt", tag("twice"), outputs=("/opt/lock.txt",))
    first, second = builder.build(plan), builder.build(replace(plan, files={"install.sh": b"exit 1"}))
    assert (first.repeated, second.repeated) == (False, True)
    assert first.image == second.image
    assert first.outputs == second.outputs
    assert builder.has(plan.tag)
    assert builder.has(first.image or "")


def test_an_image_can_be_the_base_of_the_next(api, builder: DockerBuilder, tag) -> None:
    lower = planned(builder, "echo lower >/opt/venv/lower", tag("lower"), env={"LEVEL": "1", "MORE": "x"})
    upper = replace(
        planned(builder, "cat /opt/venv/lower >/opt/testbed/upper; echo $MORE$LEVEL", tag("upper"), env={"LEVEL": "2"}),
        base=lower.tag,
    )
    builder.build(lower)
    result = builder.build(upper)
    assert "x2" in result.log
    assert in_image(api, upper.tag, "cat /testbed/upper; echo $MORE$LEVEL") == "lower\nx2"


# --- whose fault it is ---


def test_a_failing_script_is_returned_with_the_logs_tail(builder: DockerBuilder, tag) -> None:
    plan = planned(builder, "exec 2>&1; seq 200000; echo the cause >&2; exit 3", tag("bad"))
    result = builder.build(plan)
    assert (result.end, result.exit_code, result.image) == (BuildEnd.FAILED, 3, None)
    assert "the cause" in result.log[-2000:]
    assert not builder.has(plan.tag)


def test_a_flood_of_log_keeps_its_tail(builder: DockerBuilder) -> None:
    result = did(builder, "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo END")
    assert result.end == BuildEnd.BUILT
    assert len(result.log) <= 1 << 20
    assert result.log.endswith("xx\nEND\n")


def test_a_build_out_of_time_is_ended_and_leaves_no_container(api, builder: DockerBuilder, tag) -> None:
    script = "trap '' TERM; echo begun; (setsid sleep 300 &) ; while :; do sleep 1; done"
    plan = planned(builder, script, tag("slow"), timeout=3)
    result = builder.build(plan)
    assert (result.end, result.image) == (BuildEnd.TIMED_OUT, None)
    assert "begun" in result.log
    assert "ended after 3 s" in result.log
    assert result.seconds < 30
    assert no_container(api, plan)


def test_a_missing_base_is_infrastructure(builder: DockerBuilder, tag) -> None:
    with pytest.raises(SandboxUnavailable, match="no-such"):
        builder.build(replace(planned(builder, "true", tag("none")), base="swemill/no-such:base"))


def test_a_memory_bomb_is_told_apart(builder: DockerBuilder) -> None:
    result = did(builder, "python3 -c 'x = bytearray(2 << 30)'\n")
    assert result.end == BuildEnd.OUT_OF_MEMORY
    assert "killed for memory" in result.log


def test_a_script_that_outlives_a_killed_child_has_not_failed(builder: DockerBuilder) -> None:
    assert did(builder, "python3 -c 'x = bytearray(2 << 30)' || echo went on").end == BuildEnd.BUILT


def test_a_process_bomb_ends_with_its_build(api, builder: DockerBuilder) -> None:
    plan = planned(builder, "bomb() { bomb | bomb & }; bomb; sleep 3; exit 4", timeout=20)
    result = builder.build(plan)
    assert result.end != BuildEnd.BUILT
    assert no_container(api, plan)


@pytest.mark.parametrize(
    "script, what",
    [
        ("while :; do head -c 20000000 /dev/zero >/opt/venv/$(date +%N); sleep 0.1; done", "bytes"),
        (f"head -c {DISK} /dev/zero >/tmp/a; head -c 1000000 /dev/zero >/tmp/b; rm -f /opt/build/file", "bytes"),
        (
            "python3 -c \"\nimport os\nos.mkdir('/tmp/d')\n"
            f"for i in range({DISK // BYTES_A_FILE + 500}): open(f'/tmp/d/{{i}}', 'w')\n\"; chmod 0 /tmp/d",
            "files",
        ),
    ],
    ids=["slowly", "at once", "many files in a closed folder"],
)
def test_who_fills_the_disk_is_ended(builder: DockerBuilder, script: str, what: str) -> None:
    result = did(builder, script, timeout=120)
    assert result.end == BuildEnd.TOO_LARGE, result
    assert what in result.log.splitlines()[-1]
    assert result.seconds < 60


def test_one_file_cannot_outgrow_the_limit(builder: DockerBuilder) -> None:
    result = did(builder, f"head -c {4 * DISK} /dev/zero >/opt/venv/big; stat -c %s /opt/venv/big; rm /opt/venv/big")
    assert str(DISK) in result.log.split(), result.log


def test_what_the_script_left_running_is_dead_before_anything_is_read(api, builder: DockerBuilder, tag) -> None:
    beat = "while :; do date +%N >/opt/venv/beat; echo x >>/opt/lock.txt; done"
    script = f"nohup setsid sh -c '{beat}' >/dev/null 2>&1 & sleep 1; exit 0"
    plan = planned(builder, script, tag("left"), outputs=("/opt/lock.txt",))
    result = builder.build(plan)
    assert result.end == BuildEnd.BUILT, result.log
    assert result.outputs["/opt/lock.txt"].decode() == in_image(api, plan.tag, "cat /opt/lock.txt") + "\n"


# --- what a build cannot do ---


def test_a_build_has_no_rights(builder: DockerBuilder) -> None:
    result = did(
        builder, "id -u; grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status; ulimit -c; ls -A /var/run/docker.sock"
    )
    words = result.log.split()
    assert words[0] == "1000"
    assert [words[words.index(f"Cap{kind}:") + 1] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == ["0" * 16] * 5
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert words[words.index("Seccomp:") + 1] == "2"
    assert "No such file" in result.log


def test_a_build_writes_nowhere_but_in_its_folders(builder: DockerBuilder) -> None:
    refused = "for path in /usr/x /opt/other /etc/x /x /root/x; do touch $path 2>/dev/null && echo $path; done\n"
    found = "find / -xdev -writable \\( -type d -o -type f \\) ! -path '/proc/*' ! -path '/sys/*' 2>/dev/null\n"
    result = did(builder, refused + found)
    allowed = (*LAYOUT.split(), "/var/tmp", "/run/lock")
    assert result.log.split()
    assert not [path for path in result.log.split() if not path.startswith(allowed)]


def test_there_is_no_way_out(builder: DockerBuilder) -> None:
    hosts = ["192.0.2.1", "172.17.0.1", "169.254.169.254", "10.0.0.1", "8.8.8.8", "1.1.1.1"]
    hosts += subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    gateway = "$(awk '$2 == \"00000000\" {print $3}' /proc/net/route)"
    script = f"""\
cat >/tmp/look.py <<'PYTHON'
import socket, sys, struct
from concurrent.futures import ThreadPoolExecutor
hosts = sys.argv[2:] + [socket.inet_ntoa(struct.pack('<L', int(sys.argv[1] or '0', 16)))]
def knock(host, port):
    with socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET) as sock:
        sock.settimeout(2)
        try:
            sock.connect((host, port))
            print('REACHED', host, port)
        except ConnectionRefusedError:
            print('ANSWERED', host, port)
        except OSError:
            pass
with ThreadPoolExecutor(60) as pool:
    list(pool.map(lambda pair: knock(*pair), [(host, port) for host in hosts for port in (22, 53, 80, 443, 2375)]))
for name in ('example.com', 'deb.debian.org', 'host.docker.internal'):
    try:
        print('RESOLVED', socket.getaddrinfo(name, 80))
    except OSError:
        pass
print('looked')
PYTHON
python3 /tmp/look.py "{gateway}" {" ".join(hosts)}
"""
    result = did(builder, script, timeout=120)
    assert result.log.strip() == "looked"
    assert result.seconds < 60, "what is asked of the network fails at once, or every installer waits"


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../install.sh": b""}, "script": "../install.sh"},
        {"script": "absent.sh"},
        {"env": {"A=B": "x"}},
        {"tag": "no tag"},
    ],
)
def test_a_malformed_plan_is_refused(builder: DockerBuilder, change) -> None:
    with pytest.raises(ValueError):
        builder.build(replace(planned(builder, "true"), **change))


# --- once, whoever dies ---


def test_two_builders_at_once_build_once(builder: DockerBuilder, tag) -> None:
    plan = planned(builder, "sleep 2; date +%N >/opt/lock.txt", tag("once"), outputs=("/opt/lock.txt",))
    results: list[BuildResult] = []
    callers = [
        threading.Thread(
            target=lambda: results.append(DockerBuilder(connect(SETTINGS.docker_host), settings=SETTINGS).build(plan))
        )
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(result.repeated for result in results) == [False, True]
    assert results[0].image == results[1].image
    assert results[0].outputs == results[1].outputs


SLOW_OWNER = """\
import sys
from dataclasses import replace
from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.settings import Settings
from swemill.values import BuildPlan
settings = Settings.load()
builder = DockerBuilder(connect(settings.docker_host), settings=settings)
plan = BuildPlan(base=sys.argv[1], files={"install.sh": sys.argv[3].encode()}, tag=sys.argv[2], timeout=100)
print(builder.build(plan).repeated)
"""


def slow_owner(plan: BuildPlan, script: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_OWNER, plan.base, plan.tag, script], stdout=subprocess.PIPE, text=True
    )


def until_running(api, plan: BuildPlan) -> None:
    until = time.monotonic() + 60
    while not api.containers(filters={"name": container_name(plan)}):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_another_process_is_waited_for(api, builder: DockerBuilder, tag) -> None:
    plan = planned(builder, "exit 9", tag("waited"))
    with slow_owner(plan, "sleep 5; echo other >/opt/lock.txt") as other:
        until_running(api, plan)
        result = builder.build(plan)
        assert other.communicate(timeout=60)[0].strip() == "False"
    assert (result.end, result.repeated) == (BuildEnd.BUILT, True)


def test_a_killed_owners_container_is_taken_over(api, builder: DockerBuilder, tag) -> None:
    plan = planned(builder, "echo mine >/opt/lock.txt", tag("killed"), outputs=("/opt/lock.txt",))
    with slow_owner(plan, "sleep 90") as other:
        until_running(api, plan)
        other.send_signal(signal.SIGKILL)
    assert not builder.has(plan.tag), "nothing half-made lies under the tag"
    started = time.monotonic()
    result = builder.build(plan)
    assert result.outputs == {"/opt/lock.txt": b"mine\n"}
    assert time.monotonic() - started < 30


def test_a_build_that_nobody_claims_is_reaped(api, builder: DockerBuilder, tag) -> None:
    store = f"test-{os.getpid()}"
    plan = planned(builder, "sleep 60", tag("reaped"), effect_key="key")
    failures: list[BaseException] = []

    def build() -> None:
        try:
            DockerBuilder(connect(SETTINGS.docker_host), settings=SETTINGS, store=store).build(plan)
        except SandboxUnavailable as error:
            failures.append(error)

    caller = threading.Thread(target=build)
    caller.start()
    until_running(api, plan)
    engine = DockerSandboxEngine(api, store=store)
    assert engine.reap(lambda effect_key: effect_key == "key") == []
    assert engine.reap(lambda effect_key: False) == [container_name(plan)]
    caller.join(timeout=30)
    assert failures, "who loses its container under its hands has no verdict"


def test_a_folder_of_the_test_is_no_secret(builder: DockerBuilder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host file")
    assert "host file" not in did(builder, f"cat {tmp_path}/secret").log
