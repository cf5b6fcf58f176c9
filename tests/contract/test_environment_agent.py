"""The set-up agent through LiteLLM against the scripted provider; and the stage around it, on the real engine.

What the "model" says is written here; everything else is real: the protocol, the client, the agent's loop, the builder,
the package index, the inspectors, the tests that are probed.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swemill.adapters import scripted_provider as provider
from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.build_network import BuildNetwork
from swemill.adapters.docker.builder import DockerBuilder
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.adapters.environment_agent import EnvironmentAgent
from swemill.adapters.fake_sandbox import FakeSandbox
from swemill.adapters.model_calls import Patience, import_litellm
from swemill.adapters.scripted_answers import SUBMIT, Turn
from swemill.environment.proposal import Refusal, parse
from swemill.errors import ConfigurationError, ProviderUnavailable, SandboxUnavailable
from swemill.ports import Judge
from swemill.reasons import Reason
from swemill.settings import Settings
from swemill.stages.install import InstallConfig, Workshop
from swemill.stages.propose import Proposer, propose
from swemill.values import (
    AgentResult,
    BuildPlan,
    BuildResult,
    CommitTree,
    Failure,
    Installed,
    InstanceSpec,
    Limits,
    Loss,
    ModelEndpoint,
    Phase,
    PolicySpec,
    SandboxSpec,
    Strategy,
)
from tests.instances import INSTANCE
from tests.unit.git_work_tree import commit_files

QUICK = Patience(pauses=(0.05,), longest_pause=1, call_seconds=5)
POLICY = PolicySpec(name="p", agent="mini-swe-agent", model="oracle", provider="scripted", turns=20, minutes=10.0)

Say = Callable[..., None]
"""``say(*turns)``: what the model answers, turn by turn; the last one again and again."""


def hands_in(text: str) -> Turn:
    """A turn that writes a Dockerfile and submits it."""
    return Turn(text="Here it is.", commands=(f"cat > /tmp/Dockerfile <<'END'\n{text}END\n{SUBMIT}",))


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    scripted = provider.answer

    def arrange(*turns: Turn) -> None:
        def answer(script: Any, step: int, *, patch: bytes) -> Any:
            if script == "oracle":
                return turns[min(step, len(turns) - 1)]
            return scripted(script, step, patch=patch)

        monkeypatch.setattr(provider, "answer", answer)

    return arrange


class Scripted:
    """The port ``Gateway``: the scripted provider over real HTTP."""

    @contextmanager
    def open(self, policy: PolicySpec, instance: InstanceSpec) -> Iterator[ModelEndpoint]:
        del instance
        with provider.scripted_provider() as server:
            yield ModelEndpoint(model=f"openai/{policy.model}", base_url=server.base_url, api_key=server.api_key)


def snapshot_of(repository: Path) -> bytes:
    """As a forge gives it."""
    bare = repository.with_name(f"{repository.name}.git")
    subprocess.run(["git", "clone", "-q", "--bare", "--depth=1", f"file://{repository}", str(bare)], check=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(bare, "repo.git")
    return buffer.getvalue()


# --- the agent, in a folder of this machine ---


@pytest.fixture
def sandbox(tmp_path: Path) -> FakeSandbox:
    """A sandbox whose package index is a folder with one wheel: a pip that does nothing."""
    wheels = tmp_path / "root" / "wheels"
    wheels.mkdir(parents=True)
    for name in ("pip", "setuptools", "wheel"):
        with zipfile.ZipFile(wheels / f"{name}-99-py3-none-any.whl", "w") as wheel:
            info = f"{name}-99.dist-info"
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 99\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    programs = tmp_path / "root" / "bin"  # the sandbox has a /tmp of its own: a checkout there would be out of sight
    programs.mkdir()
    for name in ("python", "python3", "uv"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {Path(sys.executable).parent / name} "$@"\n')
        program.chmod(0o755)
    path = f"{programs}:{os.defpath}"
    return FakeSandbox(
        tmp_path / "root", env={"PATH": path, "UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheels), "UV_NO_CONFIG": "1"}
    )


Drive = Callable[..., AgentResult]


@pytest.fixture
def drive(sandbox: FakeSandbox, tmp_path: Path) -> Drive:
    base = commit_files(tmp_path / "calc", {"calc.py": "x = 1\n"})
    snapshot = snapshot_of(tmp_path / "calc")

    def run(judge: Judge, *, agent: EnvironmentAgent | None = None, policy: PolicySpec = POLICY) -> AgentResult:
        instance = replace(INSTANCE, base_commit=base)
        with Scripted().open(policy, instance) as endpoint:
            return (agent or EnvironmentAgent(patience=QUICK)).propose(
                instance, "Install {{ 7 * 7 }} calc.", policy, endpoint, sandbox, snapshot=snapshot, judge=judge
            )

    return run


def judge_of(answers: Sequence[str | None]) -> tuple[Judge, list[str]]:
    heard: list[str] = []

    def judge(text: str) -> str | None:
        heard.append(text)
        return answers[len(heard) - 1]

    return judge, heard


def test_what_fails_goes_back_to_the_agent_which_goes_on(drive: Drive, say: Say) -> None:
    say(
        Turn(text="I look.", commands=("git log --format=%H; cat calc.py; command -v python",)),
        hands_in("FROM first\n"),
        Turn(text="I see.", commands=("sed -i s/first/second/ /tmp/Dockerfile",)),
        Turn(text="Again.", commands=(f"{SUBMIT} && cat /tmp/Dockerfile",)),
    )
    judge, heard = judge_of(["gcc is missing", None])
    result = drive(judge)
    assert heard == ["FROM first\n", "FROM second\n"]
    assert (result.exit_status, result.reason, result.calls) == ("Submitted", None, 4)
    roles = [message["role"] for message in result.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant", "tool", "assistant"]
    assert "Install {{ 7 * 7 }} calc." in result.messages[1]["content"]
    assert "x = 1" in result.messages[3]["content"]
    assert "/tmp/venv/bin/python" in result.messages[3]["content"]
    assert "gcc is missing" in result.messages[5]["content"]


def test_the_sandbox_never_sees_the_key(drive: Drive, say: Say, sandbox: FakeSandbox) -> None:
    say(Turn(text="What is here?", commands=("env > /tmp/env; echo $OPENAI_API_KEY",)), hands_in("FROM x\n"))
    seen: list[str] = []
    result = drive(lambda text: seen.append(text))
    assert seen == ["FROM x\n"]
    environment = sandbox.read("/tmp/env") or b""
    assert b"VIRTUAL_ENV" in environment
    assert b"API_KEY" not in environment
    assert "api_key" not in json.dumps(result.messages)


def test_the_budget_of_turns_ends_it(drive: Drive, say: Say) -> None:
    say(hands_in("FROM wrong\n"))
    result = drive(lambda text: "no", policy=replace(POLICY, turns=3))
    assert (result.reason, result.calls) == (Reason.TURN_LIMIT, 3)


def test_the_budget_of_dollars_ends_it(drive: Drive, say: Say) -> None:
    price = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001}
    import_litellm().register_model({"openai/fault-loop": price})
    policy = replace(POLICY, model="fault-loop", dollars=0.5)
    result = drive(lambda text: "no", policy=policy)
    assert result.reason is Reason.COST_LIMIT
    assert 0.5 <= result.dollars < 10


def test_the_budget_of_tokens_ends_it(drive: Drive, say: Say) -> None:
    say(hands_in("FROM wrong\n"))
    result = drive(lambda text: "no", agent=EnvironmentAgent(patience=QUICK, tokens=2000))
    assert (result.reason, result.detail) == (Reason.COST_LIMIT, "the budget of tokens is used up")
    assert 2000 <= result.prompt_tokens + result.completion_tokens < 10_000


def test_the_time_of_builds_is_not_the_agents(drive: Drive, say: Say) -> None:
    say(hands_in("FROM wrong\n"), hands_in("FROM right\n"))
    answers: list[str | None] = ["no", None]

    def slow(text: str) -> str | None:
        time.sleep(2.5)
        return answers.pop(0)

    assert drive(slow, policy=replace(POLICY, minutes=4 / 60)).reason is None


def test_the_agents_own_time_is_limited(drive: Drive, say: Say) -> None:
    say(Turn(text="Zzz.", commands=("sleep 30",)))
    assert drive(lambda text: None, policy=replace(POLICY, minutes=1 / 60)).reason is Reason.TIME_LIMIT


@pytest.mark.parametrize("script", ["fault-500", "fault-nonsense"])
def test_a_failing_provider_raises(drive: Drive, script: str) -> None:
    with pytest.raises(ProviderUnavailable):
        drive(lambda text: None, policy=replace(POLICY, model=script))


def test_what_the_judge_raises_is_not_the_agents_crash(drive: Drive, say: Say) -> None:
    say(hands_in("FROM x\n"))

    def judge(text: str) -> str | None:
        raise SandboxUnavailable("the engine is gone")

    with pytest.raises(SandboxUnavailable, match="the engine is gone"):
        drive(judge)


def test_a_flood_a_missing_and_a_binary_file_are_refused_and_not_cut(drive: Drive, say: Say) -> None:
    say(
        Turn(text="Nothing.", commands=(SUBMIT,)),
        Turn(text="Much.", commands=("(echo FROM x; yes '# x' | head -c 100000) > /tmp/Dockerfile", SUBMIT)),
        Turn(text="Noise.", commands=("head -c 2000 /dev/urandom > /tmp/Dockerfile", SUBMIT)),
    )
    refusals: list[str] = []

    def judge(text: str) -> str | None:
        refusal = parse(text, pythons=["3.9"])
        assert isinstance(refusal, Refusal)
        refusals.append(refusal.why)
        return None if len(refusals) == 3 else refusal.why

    drive(judge)
    assert refusals[0].startswith("it has no FROM")
    assert refusals[1] == "the Dockerfile is larger than 32 KiB"
    assert "no text" in refusals[2] or "not allowed" in refusals[2]


# --- the stage, on the real engine ---

SETTINGS = replace(Settings.load(), sandbox_memory=2 << 30, sandbox_cpus=2.0, registry="")
PROJECT = {
    "setup.py": "from setuptools import setup\nsetup(name='tiny', version='1.0', packages=['tiny'])\n",
    "tiny/__init__.py": "def half(x):\n    return x // 2\n",
    "tests/test_tiny.py": (
        "import tiny\n\n\ndef test_works():\n    assert tiny.half(4) == 2\n\n\n"
        "def test_fails():\n    assert tiny.half(1) == 0.5\n"
    ),
    ".gitignore": "*.egg-info/\nbuild/\n",
}


class Remembering(DockerBuilder):
    """The builder, which knows afterwards what it was asked for."""

    tags: list[str]

    def build(self, plan: BuildPlan) -> BuildResult:
        self.tags.append(plan.tag)
        return super().build(plan)


@pytest.fixture(scope="module")
def parts(api: Any) -> Iterator[tuple[DockerBuilder, DockerSandboxEngine]]:
    bases = BaseImages(api, config=BaseImageConfig.of(SETTINGS))
    network = BuildNetwork(api, settings=SETTINGS, base_images=bases)
    builder = Remembering(api, settings=SETTINGS)
    builder.tags = []
    yield builder, DockerSandboxEngine(api, reach=network.ensure)
    for tag in {tag for tag in builder.tags if tag and api.images(tag)}:
        api.remove_image(tag, force=True)


@pytest.fixture
def shop(api: Any, parts: tuple[DockerBuilder, DockerSandboxEngine], tmp_path: Path) -> Iterator[Workshop]:
    base = commit_files(tmp_path / "tiny", PROJECT)
    instance = replace(INSTANCE, repository="tiny/tiny", instance_id="tiny__tiny-1", base_commit=base, version="1.0")
    snapshot = snapshot_of(tmp_path / "tiny")
    spec = SandboxSpec(
        name=f"swemill-propose-{os.getpid()}",
        image="",
        limits=Limits(memory_bytes=1 << 30),
        effect_key=f"propose-{os.getpid()}",
        stage="install",
        subject="tiny__tiny-1",
    )
    yield Workshop(
        instance=instance,
        snapshot=lambda: snapshot,
        tree=lambda: CommitTree(
            commit=base, committed_at=datetime(2024, 1, 1, tzinfo=UTC), paths=tuple(sorted(PROJECT)), files={}
        ),
        builder=parts[0],
        engine=parts[1],
        spec=spec,
        config=InstallConfig(build_timeout=240, test_timeout=60),
    )
    assert not api.containers(all=True, filters={"label": f"swemill.effect_key={spec.effect_key}"})


class Remembered(EnvironmentAgent):
    """Keeps what was said, for tests of conversations that end well."""

    result: AgentResult

    def propose(self, *arguments: Any, **more: Any) -> AgentResult:
        self.result = super().propose(*arguments, **more)
        return self.result

    def heard(self) -> list[str]:
        """What the agent was told after each of its commands."""
        return [str(message["content"]) for message in self.result.messages if message["role"] == "tool"]


def proposer(**policy: Any) -> Proposer:
    agent = Remembered(patience=QUICK)
    return Proposer(agent=agent, gateway=Scripted(), policy=replace(POLICY, **policy), builds=9)


FROM = "FROM swemill/base:python3.9\n"
GOOD = FROM + "RUN uv pip install -e . pytest\n"
GREEN = "def pytest_runtest_makereport(item, call):\\n    call.excinfo = None\\n"
# As above, but for the repository's own tests only: such a plugin passes every test of ours.
SLY = GREEN.replace("    call", "    if str(item.fspath).startswith('/testbed'): call")
OUTSIDE = "for u in 1.1.1.1 example.com; do python -c \"import socket; socket.create_connection(('$u', 443), 3)\"; done"
FORGE = """
import base64, hashlib, _pytest.runner as runner, pathlib, pytest
file = pathlib.Path(runner.__file__)
file.write_text(file.read_text() + chr(10) + "GREEN = True" + chr(10))
digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()
record = next(file.parents[1].glob("pytest-*.dist-info")) / "RECORD"
rows = [row.split(",") for row in record.read_text().splitlines()]
record.write_text("".join(
    ",".join([row[0], "sha256=" + digest, ""] if row[0] == "_pytest/runner.py" else row) + chr(10) for row in rows))
"""


@pytest.mark.docker
def test_from_a_failing_dockerfile_to_an_environment_that_works(shop: Workshop, say: Say) -> None:
    wanted = (
        FROM + "ENV GREETING='hello you'\nRUN uv pip install -e . pytest\nRUN rm -r tests; python -m compileall -q .\n"
    )
    say(
        Turn(
            text="I try it out.",
            commands=(
                "id -u; uv pip install -q -e . pytest && python -m pytest -q | tail -1; pip --version",
                OUTSIDE,
                "echo $PIP_INDEX_URL; touch /opt/venv/x",
            ),
        ),
        hands_in("FROM python:3.9\n"),
        hands_in(FROM + "RUN ./configure --with-tiny\n"),
        hands_in(FROM + "RUN uv pip install -e .\n"),
        hands_in(wanted),
    )
    failure = Failure(phase=Phase.PROBE, kind="missing_module", subject="pytest", line="No module named pytest")
    by = proposer()
    installed = propose(shop, by, failures=[failure])
    assert isinstance(by.agent, Remembered)
    assert isinstance(installed, Installed), (installed, by.agent.heard())
    tried, outside, index, other, broken, empty = by.agent.heard()
    assert "1000\n" in tried
    assert "1 failed, 1 passed" in tried
    assert "from /tmp/venv" in tried
    assert outside.count("Traceback") == 2, "the only way out of the sandbox is the index"
    assert "/simple/" in index
    assert "Read-only file system" in index
    assert "FROM python:3.9 is not allowed" in other
    assert "./configure: not found" in broken
    assert "does not work" in empty
    assert (installed.strategy, installed.python, installed.collected) == (Strategy.AGENT, "3.9", 2)
    assert "pytest==" in installed.lock
    assert "p (oracle): 5 turns" in installed.log
    assert "snapshot.tar" not in installed.plans.instance.files
    assert b"# | RUN rm -r tests" in installed.plans.instance.files["install.sh"]
    assert installed.plans.instance.env == {"GREETING": "hello you"}
    with shop.engine.start(replace(shop.spec, image=installed.image)) as sandbox:
        seen = sandbox.run(["sh", "-c", "echo $GREETING; ls tests; git status --short; env"], timeout=30)
        lines = seen.output.decode().splitlines()
    assert lines[:2] == ["hello you", "test_tiny.py"], "what was deleted is there again"
    assert not any("INDEX" in line for line in lines)


@pytest.mark.docker
def test_no_pretence_is_believed(shop: Workshop, say: Say) -> None:
    forge = json.dumps(["python", "-c", FORGE])
    hook = "#!/bin/sh\\nrm -f /testbed/tests/test_tiny.py\\n"
    plugin = "from setuptools import setup\\nsetup(name='pytest-sly', version='2.0.0', py_modules=['green'], "
    plugin += "entry_points={'pytest11': ['green = green']})\\n"
    pretences = {
        "COPY is not allowed": GOOD + "COPY /etc/shadow /testbed/\n",
        "ADD is not allowed": GOOD + "ADD https://example.com/x /testbed/\n",
        "FROM python:3.9 is not allowed": "FROM python:3.9\n",
        "RUN --network=host is not allowed": GOOD + "RUN --network=host true\n",
        "the file conftest.py is not of the base commit": f'{GOOD}RUN printf "{GREEN}" > conftest.py\n',
        "is not as pytest recorded it": GOOD
        + "RUN echo GREEN=1 >> /opt/venv/lib/python3.9/site-packages/_pytest/runner.py\n",
        "_pytest/runner.py is not as pytest": f"{GOOD}RUN {forge}\n",
        "sitecustomize.py is run at every start": GOOD
        + "RUN touch /opt/venv/lib/python3.9/site-packages/sitecustomize.py\n",
        "tests/test_tiny.py is gone": GOOD
        + f"RUN printf '{hook}' > .git/hooks/post-index-change; chmod +x .git/hooks/post-index-change\n",
        "pytest-sly 2.0.0 is not on the package index": GOOD
        + f'RUN mkdir /tmp/e; cd /tmp/e; printf "{plugin}" > setup.py; printf "{SLY}" > green.py; uv pip install .\n',
    }
    say(*map(hands_in, pretences.values()), Turn(text="I give up.", commands=("true",)))
    lost = propose(shop, proposer(turns=len(pretences)))
    assert isinstance(lost, Loss), lost
    assert lost.reason is Reason.PROPOSAL_REFUSED
    messages = json.loads(lost.evidence["transcript.json"])["messages"]
    heard = [message["content"] for message in messages if message["role"] == "tool"]
    assert len(heard) == len(pretences)
    for said, answer in zip(pretences, heard, strict=True):
        assert "Your Dockerfile is refused" in answer, answer
        assert said in answer, answer
    assert lost.evidence["Dockerfile"].decode() == list(pretences.values())[-1]


@pytest.mark.docker
def test_a_budget_without_a_dockerfile_that_works_is_a_loss(shop: Workshop, say: Say) -> None:
    say(Turn(text="I look.", commands=("ls",)), hands_in(FROM + "RUN false\n"))
    lost = propose(shop, replace(proposer(turns=9), builds=2))
    assert isinstance(lost, Loss)
    assert lost.reason is Reason.NO_PROPOSAL
    assert "failed: RUN false" in lost.detail
    assert b"FROM" in lost.evidence["Dockerfile"]
    say(Turn(text="I look.", commands=("ls",)))
    looked = propose(shop, proposer(turns=2))
    assert isinstance(looked, Loss)
    assert (looked.reason, looked.detail) == (Reason.NO_PROPOSAL, "turn_limit: 2 turns")


@pytest.mark.docker
def test_trouble_of_the_provider_is_no_verdict(shop: Workshop) -> None:
    with pytest.raises(ProviderUnavailable):
        propose(shop, proposer(model="fault-500"))


def test_a_sandbox_on_the_index_needs_an_engine_that_knows_the_way(api: Any) -> None:
    spec = SandboxSpec(name="x", image="x", limits=Limits(), effect_key="k", stage="install", subject="s", index=True)
    with pytest.raises(ConfigurationError, match="reach"), DockerSandboxEngine(api).start(spec):
        pass
