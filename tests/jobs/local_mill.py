"""A mill whose images are a folder and whose agent knows the answer: for tests of the jobs themselves.

Archive, git, PostgreSQL, blobs, patches and test runs are real; only containers, image builds and models are not.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from swemill.chat import SUBMIT_MARK
from swemill.errors import SandboxUnavailable
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.settings import Settings
from swemill.values import (
    AgentResult,
    BaseImage,
    BuildEnd,
    BuildPlan,
    BuildResult,
    InstanceSpec,
    ModelEndpoint,
    PolicySpec,
    SandboxSpec,
)
from swemill.wiring import Mill
from tests.unit.git_work_tree import WorkTree, git
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import BASE, FIXED, NEW_TESTS

ID = "o__n-1"


def archive(root: Path, *lines: bytes, tests: str = NEW_TESTS) -> Path:
    """An archive with one real fix and its ``tests``, ``o__n-1``, whose pulls file ends with ``lines``."""
    tree = WorkTree(root / "work")
    base = tree.commit("base", calc=BASE["calc.py"], tests__test_calc=BASE["tests/test_calc.py"])
    fixed = tree.commit("Fix add (#1)", calc=FIXED, tests__test_calc=tests)
    folder = root / "archive"
    tree.mirror(folder / "repos" / "o" / "n.git")
    (folder / "pulls").mkdir()
    (folder / "pulls" / "o__n.jsonl").write_bytes(b"\n".join([record(base, fixed), *lines]) + b"\n")
    git(root, "clone", "-q", str(tree.root), str(root / "image"))
    git(root / "image", "checkout", "-q", base)
    return folder


def record(base: str, fixed: str, *, number: int = 1, title: str = "Fix add") -> bytes:
    """The pull request of the fix, as a line of a pulls file."""
    issue = {"number": 9, "title": "add subtracts", "body": "It does.", "createdAt": "2023-12-31T00:00:00Z"}
    fields = {
        "number": number,
        "title": title,
        "body": "",
        "mergedAt": "2024-01-02T00:00:00Z",
        "baseRefName": "main",
        "baseRefOid": base,
        "headRefOid": fixed,
        "mergeCommit": {"oid": fixed},
        "closingIssuesReferences": {"nodes": [issue]},
    }
    return json.dumps(fields).encode()


class FolderBuilder:
    """Builds nothing: every image is the one folder, every resolution the one lock."""

    def __init__(self) -> None:
        self.images: set[str] = set()
        self.log = "built\n"
        self.fails = False

    def pythons(self) -> tuple[str, ...]:
        return ("3.11",)

    def base(self, python: str = "", packages: Sequence[str] = ()) -> BaseImage:
        return BaseImage(reference="base", digest="sha256:b", python="3.11", source="registry")

    def has(self, image: str) -> bool:
        return image in self.images

    def build(self, plan: BuildPlan) -> BuildResult:
        if self.fails:
            return BuildResult(image=None, end=BuildEnd.FAILED, exit_code=80, log=self.log, seconds=0.1)
        if plan.outputs:
            outputs = dict.fromkeys(plan.outputs, b"iniconfig==2.0.0\n")
            return BuildResult(image=None, log=self.log, seconds=0.1, outputs=outputs)
        self.images.add(plan.tag)
        return BuildResult(image="sha256:i", log=self.log, seconds=0.1)


class FailingEngine:
    """A container engine that is down for as long as ``down`` says, and works after."""

    def __init__(self, engine: SandboxEngine) -> None:
        self._engine = engine
        self.down = False

    @contextmanager
    def start(self, spec: SandboxSpec) -> Iterator[RunningSandbox]:
        if self.down:
            raise SandboxUnavailable("the container engine does not answer; start it")
        with self._engine.start(spec) as sandbox:
            yield sandbox

    def reap(self, is_claimed: Any) -> list[str]:
        return self._engine.reap(is_claimed)


class KnowingAgent:
    """Applies the gold patch under the model ``oracle``, does nothing under any other."""

    name = "mini-swe-agent"
    says = "Done."

    def run(
        self, instance: InstanceSpec, policy: PolicySpec, endpoint: ModelEndpoint, sandbox: RunningSandbox
    ) -> AgentResult:
        if policy.model == "oracle":
            assert sandbox.run(["git", "apply"], timeout=30, stdin=instance.patch).exit_code == 0
        apply, submit = (
            {"id": name, "type": "function", "function": {"name": "bash", "arguments": json.dumps({"command": name})}}
            for name in ("git apply", f"echo {SUBMIT_MARK}")
        )
        parameters = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
        return AgentResult(
            exit_status="Submitted",
            messages=[
                {"role": "system", "content": "You fix."},
                {"role": "user", "content": instance.problem_statement},
                {"role": "assistant", "content": self.says, "tool_calls": [apply]},
                {"role": "tool", "tool_call_id": apply["id"], "content": "ok"},
                {"role": "assistant", "content": "Finished.", "tool_calls": [submit]},
            ],
            tools=[{"type": "function", "function": {"name": "bash", "description": "", "parameters": parameters}}],
            calls=2,
            prompt_tokens=10,
            completion_tokens=5,
            dollars=0.0,
        )


class NoGateway:
    """Endpoints that nobody calls."""

    @contextmanager
    def open(self, policy: PolicySpec, instance: InstanceSpec) -> Iterator[ModelEndpoint]:
        yield ModelEndpoint(model=policy.model, base_url=None, api_key="")


@dataclass(frozen=True, kw_only=True)
class LocalMill(Mill):
    """``image`` is the folder that every sandbox starts from."""

    image: Path
    knowing: KnowingAgent = field(default_factory=KnowingAgent)

    @cached_property
    def engine(self) -> FailingEngine:
        return FailingEngine(LocalEngine(self.image, self.image.parent / "sandboxes"))

    @property
    def leak_gate(self):
        return lambda sandbox, base_commit, timeout: ()  # the sandbox is the host's own file system

    @cached_property
    def builder(self) -> FolderBuilder:
        return FolderBuilder()

    @cached_property
    def gateway(self) -> NoGateway:
        return NoGateway()

    def agent(self, name: str) -> KnowingAgent:
        return self.knowing


def local_mill(root: Path, database: str, **environ: str) -> LocalMill:
    """A mill over an archive made by ``archive(root)``; no repository is held out."""
    own = {"SWEMILL_HOME": str(root / "home"), "SWEMILL_DATABASE_URL": database, "SWEMILL_HOLDOUT_PERCENT": "0"}
    return LocalMill(settings=Settings.load({**own, **environ}), image=root / "image")
