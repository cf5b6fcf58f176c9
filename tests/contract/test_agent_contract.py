"""mini-swe-agent itself, through LiteLLM, against the scripted provider over real HTTP; and the rollout around it."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from swemill.adapters.fake_sandbox import FakeSandbox
from swemill.adapters.gateway import LiteLlmGateway
from swemill.adapters.miniswe import MiniSweAgent
from swemill.adapters.model_calls import Patience
from swemill.adapters.scripted_provider import scripted_provider
from swemill.chat import findings
from swemill.errors import ConfigurationError, ProviderRejected, ProviderUnavailable, SandboxUnavailable
from swemill.ports import Claims, RunningSandbox
from swemill.reasons import Reason
from swemill.stages import rollout as stage
from swemill.stages.rollout import rollout
from swemill.values import (
    AgentResult,
    ExecResult,
    InstanceSpec,
    Limits,
    ModelEndpoint,
    PolicySpec,
    RolloutResult,
    SandboxSpec,
)
from tests.contract.mean_repository import BROKEN, FIX
from tests.instances import INSTANCE
from tests.unit.git_work_tree import commit_files, git, head

CANARY = "sk-canary-4f1d2c9b8a7e"
QUICK = Patience(pauses=(0.05, 0.05), longest_pause=2, call_seconds=5)
FIXED = b"def mean(xs):\n    return sum(xs) / len(xs)\n"
GOLD = (
    FIX
    + b"""\
diff --git a/docs/new.md b/docs/new.md
new file mode 100644
--- /dev/null
+++ b/docs/new.md
@@ -0,0 +1 @@
+END_OF_PATCH
"""
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "testbed"
    commit_files(folder, {"calc.py": BROKEN, ".gitignore": "build/\n"})
    return folder


@pytest.fixture
def instance(repository: Path) -> InstanceSpec:
    statement = "mean() does not divide. {{ 7 * 7 }}"
    return replace(INSTANCE, base_commit=head(repository), patch=GOLD, problem_statement=statement)


Roll = Callable[..., RolloutResult]


class _OneFolder:
    """The port ``SandboxEngine``; its sandbox stays after the rollout, to be looked into."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[FakeSandbox]:
        assert spec.image == "image-1"
        yield FakeSandbox(self.root, env={})

    def reap(self, is_claimed: Claims) -> list[str]:
        return []


@pytest.fixture
def roll(repository: Path, instance: InstanceSpec) -> Roll:
    def run(script: str, *, agent: Any = None, patch: bytes = GOLD, **limits: Any) -> RolloutResult:
        policy = PolicySpec(name=script, agent="mini-swe-agent", model=script, provider="scripted", **limits)
        return rollout(
            replace(instance, patch=patch),
            "image-1",
            policy,
            agent=agent or MiniSweAgent(patience=QUICK),
            gateway=LiteLlmGateway(provider_keys={}),
            engine=_OneFolder(repository.parent),
            spec=SandboxSpec(name="r", image="", limits=Limits(), effect_key="k", stage="rollout", subject="s"),
        )

    return run


def test_oracle_submits_and_its_diff_is_the_gold_patch(roll: Roll, repository: Path) -> None:
    result = roll("oracle")
    agent = result.agent
    assert (agent.exit_status, agent.reason, agent.calls, agent.dollars) == ("Submitted", None, 4, 0.0)
    assert (repository / "calc.py").read_bytes() == FIXED
    git(repository, "stash", "-qu")
    (repository.parent / "p").write_bytes(result.patch)
    git(repository, "apply", "../p")
    assert (repository / "calc.py").read_bytes() == FIXED
    assert (repository / "docs" / "new.md").read_text() == "END_OF_PATCH\n"
    assert b"patch.txt" not in result.patch
    assert agent.prompt_tokens > agent.completion_tokens > 0


def test_the_transcript_is_plain_openai_chat_and_fit_for_training(roll: Roll) -> None:
    agent = roll("oracle").agent
    assert findings(agent.messages, agent.tools) == []
    roles = [message["role"] for message in agent.messages]
    assert roles == ["system", "user", *["assistant", "tool"] * 3, "assistant"]
    assert "mean() does not divide. {{ 7 * 7 }}" in agent.messages[1]["content"]
    keys = {role: {key for m in agent.messages if m["role"] == role for key in m} for role in roles}
    assert keys["assistant"] == {"role", "content", "tool_calls"}
    assert keys["tool"] == {"role", "content", "tool_call_id"}
    assert json.loads(agent.messages[2]["tool_calls"][0]["function"]["arguments"])["command"].startswith("git log")
    assert [tool["function"]["name"] for tool in agent.tools] == ["bash"]


def test_the_same_rollout_twice_gives_the_same_transcript_but_for_the_repository(roll: Roll, repository: Path) -> None:
    first = roll("oracle").agent.messages
    git(repository, "reset", "-q", "--hard")
    git(repository, "clean", "-qfdx")
    assert roll("oracle").agent.messages == first


@pytest.mark.parametrize(
    "patch",
    [
        GOLD.replace(b"END_OF_PATCH", b"caf\xe9 in Latin-1"),
        GOLD + b"diff --git a/big.txt b/big.txt\nnew file mode 100644\n--- /dev/null\n+++ b/big.txt\n"
        b"@@ -0,0 +1,30000 @@\n" + b"".join(b"+line %d\n" % n for n in range(30000)),
    ],
    ids=["not-utf-8", "larger-than-an-argument"],
)
def test_oracle_replays_any_patch_byte_for_byte(roll: Roll, repository: Path, patch: bytes) -> None:
    result = roll("oracle", patch=patch)
    assert result.agent.reason is None
    assert (repository / "patch.txt").read_bytes() == patch
    assert (repository / "calc.py").read_bytes() == FIXED


def test_idle_ends_well_and_empty_and_nothing_is_printed(
    roll: Roll, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)  # as Airflow has it
    result = roll("idle")
    assert "".join(capfd.readouterr()) == ""
    assert (result.agent.exit_status, result.agent.reason, result.patch) == ("Submitted", Reason.EMPTY_PATCH, b"")


def test_turn_limit(roll: Roll) -> None:
    result = roll("fault-loop", turns=3, dollars=1e6)
    assert (result.agent.reason, result.agent.calls) == (Reason.TURN_LIMIT, 3)


def test_cost_limit_with_a_model_of_known_price(repository: Path, instance: InstanceSpec) -> None:
    import litellm

    litellm.register_model({"openai/fault-loop": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001}})
    policy = PolicySpec(name="x", agent="a", model="fault-loop", provider="scripted", dollars=0.5, turns=50)
    with LiteLlmGateway(provider_keys={}).open(policy, instance) as endpoint:
        result = MiniSweAgent().run(instance, policy, endpoint, FakeSandbox(repository.parent, env={}))
    assert result.reason is Reason.COST_LIMIT
    assert 0.5 <= result.dollars < 10


def test_time_limit_interrupts_a_slow_model_and_a_slow_command(
    roll: Roll, instance: InstanceSpec, repository: Path
) -> None:
    result = roll("fault-slow", minutes=0.02)
    assert result.agent.reason is Reason.TIME_LIMIT
    assert result.seconds < 10

    class SlowSandbox:
        def run(self, command: Any, *, timeout: float, **_: Any) -> Any:
            return FakeSandbox(repository.parent, env={}).run(["sleep", "30"], timeout=timeout)

    policy = PolicySpec(name="x", agent="a", model="fault-loop", provider="scripted", minutes=0.02)
    with LiteLlmGateway(provider_keys={}).open(policy, instance) as endpoint:
        ended = MiniSweAgent().run(instance, policy, endpoint, SlowSandbox())
    assert ended.reason is Reason.TIME_LIMIT


def test_a_sandbox_that_its_command_ended_ends_the_rollout(instance: InstanceSpec) -> None:
    class EndedSandbox:
        def run(self, *_: Any, **__: Any) -> ExecResult:
            return ExecResult(exit_code=137, output=b"[the sandbox ended: out of memory]", out_of_memory=True)

    policy = PolicySpec(name="x", agent="a", model="fault-loop", provider="scripted")
    with LiteLlmGateway(provider_keys={}).open(policy, instance) as endpoint:
        ended = MiniSweAgent().run(instance, policy, endpoint, EndedSandbox())
    assert (ended.reason, ended.calls) == (Reason.AGENT_CRASHED, 1)
    assert "out of memory" in ended.detail


def test_context_overflow(roll: Roll) -> None:
    result = roll("fault-context")
    assert result.agent.reason is Reason.CONTEXT_OVERFLOW
    assert "maximum context length" in result.agent.detail


@pytest.mark.parametrize("script", ["fault-arguments", "fault-chatter"])
def test_malformed_answers(roll: Roll, script: str) -> None:
    result = roll(script)
    assert (result.agent.reason, result.agent.calls) == (Reason.MALFORMED_ANSWERS, 3)
    assert findings(result.agent.messages, result.agent.tools)


@pytest.mark.parametrize("script", ["fault-429", "fault-500", "fault-html", "fault-nonsense"])
def test_a_failing_provider_raises_and_is_no_verdict(roll: Roll, script: str) -> None:
    with pytest.raises(ProviderUnavailable, match="the provider fails"):
        roll(script)


def test_one_429_is_borne_for_as_long_as_the_provider_asks_and_off_the_clock(roll: Roll) -> None:
    result = roll("fault-429-once", minutes=0.012)
    assert result.agent.exit_status == "Submitted"
    assert result.seconds >= 1.0


def test_a_provider_that_asks_for_too_long_a_pause_is_given_up_at_once(roll: Roll) -> None:
    with pytest.raises(ProviderUnavailable):
        roll("fault-429-once", agent=MiniSweAgent(patience=replace(QUICK, longest_pause=0.5)))


def test_a_provider_that_is_not_there_is_unavailable(repository: Path, instance: InstanceSpec) -> None:
    policy = PolicySpec(name="x", agent="a", model="m", provider="OPENAI_API_KEY")
    endpoint = ModelEndpoint(model="openai/m", base_url="http://127.0.0.1:9/v1", api_key=CANARY)
    with pytest.raises(ProviderUnavailable) as fault:
        MiniSweAgent(patience=QUICK).run(instance, policy, endpoint, FakeSandbox(repository.parent, env={}))
    assert CANARY not in str(fault.value)


@pytest.mark.parametrize("model", ["oracle", "no-such-model"])
def test_refusals_raise_and_name_the_variable_but_never_the_key(
    model: str, repository: Path, instance: InstanceSpec, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    policy = PolicySpec(name="x", agent="a", model=model, provider="OPENAI_API_KEY")
    with scripted_provider() as server:
        key = CANARY if model == "oracle" else server.api_key
        endpoint = ModelEndpoint(model=f"openai/{model}", base_url=server.base_url, api_key=key)
        with pytest.raises(ProviderRejected, match="OPENAI_API_KEY") as refusal:
            MiniSweAgent(patience=QUICK).run(instance, policy, endpoint, FakeSandbox(repository.parent, env={}))
    printed = "".join(capfd.readouterr()) + caplog.text + str(refusal.value) + repr(refusal.value.__cause__)
    assert key not in printed


def test_a_key_that_is_echoed_does_not_enter_the_transcript(repository: Path, instance: InstanceSpec) -> None:
    policy = PolicySpec(name="x", agent="a", model="idle", provider="scripted")
    with LiteLlmGateway(provider_keys={}).open(policy, instance) as endpoint:
        told = replace(instance, problem_statement=f"my key is {endpoint.api_key}")
        result = MiniSweAgent().run(told, policy, endpoint, FakeSandbox(repository.parent, env={}))
        assert endpoint.api_key not in json.dumps(result.messages)


def test_importing_the_agent_prints_nothing_and_writes_no_configuration(tmp_path: Path) -> None:
    code = "from swemill.adapters.miniswe import _parts; _parts().config('')"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_policys_own_prompt_is_what_the_model_sees(repository: Path, instance: InstanceSpec) -> None:
    policy = PolicySpec(name="x", agent="a", model="idle", provider="scripted", prompt="system_template: Be brief.")
    with LiteLlmGateway(provider_keys={}).open(policy, instance) as endpoint:
        result = MiniSweAgent().run(instance, policy, endpoint, FakeSandbox(repository.parent, env={}))
        assert result.messages[0] == {"role": "system", "content": "Be brief."}
        assert instance.problem_statement in result.messages[1]["content"]
        for wrong in ("turns: 3", "[", "just words"):
            with pytest.raises(ConfigurationError, match="prompt"):
                MiniSweAgent().run(
                    instance, replace(policy, prompt=wrong), endpoint, FakeSandbox(repository.parent, env={})
                )


class _Vandal:
    """An agent that runs the given shell commands and claims success."""

    name = "vandal"

    def __init__(self, script: str) -> None:
        self.script = script

    def run(self, _i: InstanceSpec, _p: PolicySpec, _e: ModelEndpoint, sandbox: RunningSandbox) -> AgentResult:
        assert sandbox.run(["bash", "-ec", self.script], timeout=30).exit_code == 0
        return AgentResult(
            exit_status="Submitted",
            messages=[],
            tools=[],
            calls=1,
            prompt_tokens=0,
            completion_tokens=0,
            dollars=0.0,
        )


CHANGE = "echo 'x = 1' >> calc.py"


@pytest.mark.parametrize(
    "script",
    [
        f"{CHANGE}; git add -A; git -c user.name=a -c user.email=a@b commit -qm done",
        f"{CHANGE}; git update-index --assume-unchanged calc.py; touch .git/index.lock",
        f"{CHANGE}; git update-index --skip-worktree calc.py",
        f"{CHANGE}; git config diff.noprefix true; git config color.ui always; git config core.quotePath false",
        f"{CHANGE}; git config core.fsmonitor 'touch x'; git config diff.external false; echo '*' >.git/info/exclude",
        f"{CHANGE}; echo '* diff=x' > .git/info/attributes; git config diff.x.textconv 'echo lies'",
        f"{CHANGE}; mkdir -p __pycache__ build p.egg-info; touch __pycache__/a.pyc build/x p.egg-info/PKG patch.txt",
        f"{CHANGE}; printf '[core]\\n\\tbare = true\\n' > $HOME/.gitconfig",
    ],
    ids=["committed", "assumed", "skipped", "taste", "config", "attributes", "byproducts", "home"],
)
def test_nothing_the_agent_leaves_in_git_changes_the_diff(roll: Roll, repository: Path, script: str) -> None:
    patch = roll("idle", agent=_Vandal(script)).patch
    assert patch.startswith(b"diff --git a/calc.py b/calc.py\n")
    assert patch.count(b"diff --git") == 1
    assert b"+x = 1\n" in patch
    assert not (repository / "x").exists()


def test_what_the_image_held_before_is_not_the_agents(roll: Roll, repository: Path) -> None:
    (repository / "gen [1].py").write_text("installed\n")
    patch = roll("idle", agent=_Vandal("echo more >> 'gen [1].py'; echo mine > 'gen 1.py'")).patch
    assert b"gen 1.py" in patch
    assert b"gen [1].py" not in patch


def test_binary_files_and_deletions_survive(roll: Roll, repository: Path, instance: InstanceSpec) -> None:
    patch = roll("idle", agent=_Vandal("rm calc.py; printf 'a\\0\\377b' > logo.bin")).patch
    git(repository, "reset", "-q", "--hard")
    git(repository, "clean", "-qfdx")
    (repository.parent / "p").write_bytes(patch)
    git(repository, "apply", "../p")
    assert not (repository / "calc.py").exists()
    assert (repository / "logo.bin").read_bytes() == b"a\0\xffb"


def test_a_destroyed_repository_and_a_flood_are_losses(
    roll: Roll, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "MAX_PATCH_BYTES", 20_000)
    flood = roll("idle", agent=_Vandal("seq 100000 > big.txt"))
    assert (flood.agent.reason, flood.patch) == (Reason.PATCH_TOO_LARGE, b"")
    gone = roll("idle", agent=_Vandal("rm -rf .git"))
    assert (gone.agent.reason, gone.patch) == (Reason.EMPTY_PATCH, b"")
    assert "no readable repository" in gone.agent.detail
    with pytest.raises(SandboxUnavailable, match="before the rollout"):
        roll("idle")
