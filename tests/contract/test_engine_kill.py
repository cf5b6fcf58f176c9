"""An engine that is killed while it keeps a layer: what lies under a tag is whole, and the next build begins again.

The drill ``tests/benchmarks/engine_kill.py`` does the same to whole installations.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from swemill.adapters.docker.client import connect
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.adapters.docker.policy import EFFECT_LABEL
from tests.benchmarks.engine_kill_facts import content_of, held_locks
from tests.benchmarks.engine_kill_machine import kill_group
from tests.benchmarks.engine_kill_run import KINDS, Bench, bench_in, kill, others
from tests.benchmarks.engine_kill_work import Workers

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="needs root and dockerd"),
]

BUILDS = 3
LARGE = 20_000_000
# Its own exit code tells the caller whose doing a failure was, as the command line's does.
BUILD = """\
import sys
from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.errors import Infrastructure
from swemill.settings import Settings
from swemill.values import BuildPlan
name, large, seconds = sys.argv[1:]
settings = Settings.load()
script = f'''set -e
sleep {seconds}
uv venv -q --allow-existing /opt/venv
uv pip install -q part0
head -c {large} /dev/zero | tr '\\\\0' x >/opt/testbed/large
echo {name} >/opt/lock.txt
'''
files = {"install.sh": script.encode()}
try:
    builder = DockerBuilder(connect(settings.docker_host), settings=settings)
    base = builder.base().reference
    plan = BuildPlan(base=base, files=files, tag=f"swemill/instance:{name}", timeout=300, effect_key=name)
    result = builder.build(plan)
except Infrastructure as error:
    print(error)
    sys.exit(3)
print(result.log)
sys.exit(0 if result.image else 1)
"""


def command(name: str, *, seconds: int = 0) -> list[str]:
    """A process that builds the image of this name."""
    return [sys.executable, "-c", BUILD, name, str(LARGE), str(seconds)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("drill")
    with (
        tempfile.TemporaryDirectory() as data,
        bench_in(
            root,
            Path(data),
            instances=1,
            create_database=lambda: "",
            environ=os.environ,
            workers=BUILDS,
            down=1.0,
        ) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def abandoned(bench: Bench) -> str:
    """Name of a container whose builder was killed, and which nobody takes up again."""
    environ = {**bench.environ, "SWEMILL_HOME": str(bench.root / "home")}
    with (
        connect(bench.machine.host) as engine,
        subprocess.Popen(command("abandoned", seconds=250), env=environ, start_new_session=True) as builder,
    ):
        until = time.monotonic() + 180
        # Where the index proxy's image is made first, its build has containers too.
        while not (found := engine.containers(filters={"label": f"{EFFECT_LABEL}=abandoned"})):
            assert time.monotonic() < until
            assert builder.poll() is None
            time.sleep(0.1)
        kill_group(builder)
    return str(found[0]["Names"][0]).lstrip("/")


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_engine_was_keeping_when_it_was_killed_is_made_again_whole(
    bench: Bench, abandoned: str, kind: str
) -> None:
    names = [f"{kind}-{number}" for number in range(BUILDS)]
    environ = {**bench.environ, "SWEMILL_HOME": str(bench.root / "home")}
    workers = Workers(names, environ, at_once=BUILDS, patience=120, command=command)
    try:
        done = kill(bench, kind, workers, 0.0, 0, time.monotonic())
        workers.wait()
    finally:
        workers.close()
    assert done.keeping, "killed too early or too late"
    assert max(workers.tries.values()) > 1
    with connect(bench.machine.host) as engine:
        # The container of an image that got its tag in the last moment has nothing to be taken over for.
        DockerSandboxEngine(engine).reap(lambda effect_key: effect_key == "abandoned")
        assert others(engine) == [abandoned]
        contents = [content_of(engine, f"swemill/instance:{name}") for name in names]
    assert [one.pop("/opt/lock.txt") for one in contents] == [
        sha256(f"{name}\n".encode()).hexdigest() for name in names
    ]
    assert contents[0] == contents[1] == contents[2]
    assert contents[0]["/opt/testbed/large"] == sha256(b"x" * LARGE).hexdigest()
    assert any(path.endswith("/part0.bin") for path in contents[0])
    assert held_locks(bench.root / "home") == []


def test_what_nobody_takes_up_again_is_reaped_whatever_was_killed_meanwhile(bench: Bench, abandoned: str) -> None:
    with connect(bench.machine.host) as engine:
        sandboxes = DockerSandboxEngine(engine)
        assert sandboxes.reap(lambda effect_key: effect_key == "abandoned") == []
        assert sandboxes.reap(lambda effect_key: False) == [abandoned]
        assert others(engine) == []
