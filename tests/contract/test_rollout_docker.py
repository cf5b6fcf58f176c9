"""A rollout in a real hardened container, with the old git of the default base image."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.client import connect
from swemill.adapters.docker.sandbox import DockerSandboxEngine
from swemill.adapters.gateway import LiteLlmGateway
from swemill.adapters.miniswe import MiniSweAgent
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.reasons import Reason
from swemill.settings import Settings
from swemill.stages.rollout import rollout
from swemill.values import (
    AgentResult,
    BaseInference,
    BuildPlan,
    InstanceSpec,
    Limits,
    ModelEndpoint,
    PolicySpec,
    RolloutResult,
    SandboxSpec,
    StatementSource,
)

pytestmark = pytest.mark.docker

PATCH = b"""\
diff --git a/calc.py b/calc.py
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def mean(xs):
-    return sum(xs)
+    return sum(xs) / len(xs)
"""
FILLER = 40_000
"""Lines added to the second patch: it is larger than one argument of a command may be."""
SPEC = SandboxSpec(
    name="swemill-test-rollout",
    image="",
    limits=Limits(memory_bytes=512 << 20, disk_bytes=256 << 20, wall_clock=300),
    effect_key="test-rollout",
    stage="rollout",
    subject="o__calc-1",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin") / "repository"
    folder.mkdir()
    (folder / "calc.py").write_text("def mean(xs):\n    return sum(xs)\n")
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "base"]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    (folder / "generated.py").write_text("left by the installation\n")
    return folder


@pytest.fixture(scope="module")
def image(repository: Path) -> str:
    settings = Settings.load()
    builder = DockerBuilder(connect(settings.docker_host), settings=settings)
    plan = BuildPlan(
        dockerfile=f"FROM {builder.base().reference}\nADD testbed.tar /opt/testbed\n",
        context={"testbed.tar": _tar(repository)},
        tag="swemill/test-rollout:1",
        timeout=300,
    )
    result = builder.build(plan)
    assert result.image, result.log
    return result.image


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxEngine]:
    client = connect(Settings.load().docker_host)
    yield DockerSandboxEngine(client)
    client.close()


@pytest.fixture
def instance(repository: Path) -> InstanceSpec:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    return InstanceSpec(
        instance_id="o__calc-1",
        repository="o/calc",
        forge="archive",
        number=1,
        base_commit=head.stdout.strip(),
        base_committed_at=datetime(2024, 1, 1, tzinfo=UTC),
        patch=PATCH,
        test_patch=b"",
        problem_statement="mean() does not divide.",
        hints_text="",
        statement_source=StatementSource.ISSUE,
        base_inference=BaseInference.MERGE,
        created_at=datetime(2024, 1, 2, tzinfo=UTC),
    )


def _tar(folder: Path) -> bytes:
    def owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 1000
        return info

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".", filter=owned)
    return buffer.getvalue()


class _Commands:
    """An agent that runs one command and claims success."""

    name = "commands"

    def __init__(self, command: str) -> None:
        self.command = command
        self.output = b""

    def run(self, _i: InstanceSpec, _p: PolicySpec, _e: ModelEndpoint, sandbox: RunningSandbox) -> AgentResult:
        self.output = sandbox.run(["bash", "-c", self.command], timeout=60).output
        return AgentResult(
            exit_status="Submitted", messages=[], tools=[], calls=1, prompt_tokens=0, completion_tokens=0, dollars=0.0
        )


def _roll(
    engine: SandboxEngine, image: str, instance: InstanceSpec, script: str, agent: _Commands | None = None
) -> RolloutResult:
    policy = PolicySpec(name=script, agent="mini-swe-agent", model=script, provider="scripted")
    return rollout(
        instance,
        image,
        policy,
        agent=agent or MiniSweAgent(),
        gateway=LiteLlmGateway(provider_keys={}),
        engine=engine,
        spec=SPEC,
    )


def test_oracle_resolves_and_idle_leaves_nothing(engine: SandboxEngine, image: str, instance: InstanceSpec) -> None:
    oracle = _roll(engine, image, instance, "oracle")
    assert (oracle.agent.reason, oracle.agent.exit_status) == (None, "Submitted")
    assert oracle.patch.splitlines()[-1] == b"+    return sum(xs) / len(xs)"
    assert oracle.patch.count(b"diff --git") == 1
    assert "calc.py | 2 +-" in oracle.agent.messages[7]["content"]
    idle = _roll(engine, image, instance, "idle")
    assert (idle.agent.reason, idle.patch) == (Reason.EMPTY_PATCH, b"")


def test_a_patch_larger_than_an_argument_arrives(engine: SandboxEngine, image: str, instance: InstanceSpec) -> None:
    head = f"diff --git a/big b/big\nnew file mode 100644\n--- /dev/null\n+++ b/big\n@@ -0,0 +1,{FILLER} @@\n".encode()
    large = head + b"".join(b"+%d\n" % number for number in range(FILLER))
    result = _roll(engine, image, replace(instance, patch=large), "oracle")
    assert result.agent.reason is None
    assert b"\n+39999\n" in result.patch


def test_the_diff_is_read_past_what_the_agent_left(engine: SandboxEngine, image: str, instance: InstanceSpec) -> None:
    agent = _Commands(
        "echo 'x = 1' >> calc.py; git -c user.name=a -c user.email=a@b commit -qam done; echo more >> generated.py; "
        "git config diff.noprefix true; git config core.worktree /tmp; touch .git/index.lock; chmod -w .git/objects"
    )
    result = _roll(engine, image, instance, "idle", agent)
    assert result.patch.startswith(b"diff --git a/calc.py b/calc.py\n")
    assert result.patch.count(b"diff --git") == 1
    assert result.patch.endswith(b"+x = 1\n")


def test_the_sandbox_holds_no_key_no_gold_patch_and_no_way_out(
    engine: SandboxEngine, image: str, instance: InstanceSpec
) -> None:
    places = "/testbed /opt /tmp /home /root /etc /var /run /dev/shm"
    agent = _Commands(f"id; env; ls /sys/class/net; grep -rl 'len(xs)' {places} 2>/dev/null")
    _roll(engine, image, instance, "oracle", agent)
    text = agent.output.decode()
    assert "uid=1000" in text
    assert "KEY" not in text
    assert "calc.py" not in text
    assert text.splitlines()[-1] == "lo"
