"""A rollout in a real hardened container, with the old git of the default base image."""

from dataclasses import replace
from pathlib import Path

import pytest

from swemill.adapters.gateway import LiteLlmGateway
from swemill.adapters.miniswe import MiniSweAgent
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.reasons import Reason
from swemill.stages.rollout import rollout
from swemill.values import (
    AgentResult,
    InstanceSpec,
    Limits,
    ModelEndpoint,
    PolicySpec,
    RolloutResult,
    SandboxSpec,
)
from tests.contract.conftest import BuildTestbed
from tests.contract.mean_repository import BROKEN, FIX
from tests.instances import INSTANCE
from tests.unit.git_work_tree import commit_files, head

pytestmark = pytest.mark.docker

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
    commit_files(folder, {"calc.py": BROKEN})
    (folder / "generated.py").write_text("left by the installation\n")
    return folder


@pytest.fixture(scope="module")
def image(repository: Path, build_testbed: BuildTestbed) -> str:
    return build_testbed(repository, "swemill/test-rollout:1")


@pytest.fixture
def instance(repository: Path) -> InstanceSpec:
    return replace(INSTANCE, base_commit=head(repository), patch=FIX)


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
    top = f"diff --git a/big b/big\nnew file mode 100644\n--- /dev/null\n+++ b/big\n@@ -0,0 +1,{FILLER} @@\n".encode()
    large = top + b"".join(b"+%d\n" % number for number in range(FILLER))
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
