"""The loop of the adaptive strategy and the choice of neighbours, over a builder that follows a script.

The probe is real: a sandbox that is a folder, git, pytest. Only images are not built.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.environment.leak_gate import Leak, LeakKind
from swemill.errors import ForgeUnavailable
from swemill.reasons import Reason
from swemill.stages.adaptive import TRIES, adaptive, installable, reuse
from swemill.stages.install import InstallConfig, Probed, Workshop, called_tests, probe
from swemill.stages.neighbours import Neighbour, nearest
from swemill.values import (
    BaseImage,
    BuildEnd,
    BuildPlan,
    BuildResult,
    Candidate,
    CommitTree,
    Installed,
    Loss,
    Phase,
    Strategy,
)
from tests.unit.local_sandbox import LocalEngine
from tests.unit.shapes_of_repositories import Repository, spec

CONFLICT = (
    "  × No solution found when resolving dependencies:\n  ╰─▶ Because only b<=1 is available and you require b==2\n"
)
Answer = Callable[[BuildPlan], BuildResult]


class ScriptedBuilder:
    """Answers by phase; every plan is noted."""

    def __init__(self, **answers: Answer) -> None:
        self._answers = answers
        self.plans: list[BuildPlan] = []
        self.images: set[str] = set()

    def pythons(self) -> tuple[str, ...]:
        return ("3.9", "3.11")

    def base(self, python: str = "", packages: Sequence[str] = ()) -> BaseImage:
        return BaseImage(
            reference=f"base:{python}", digest="sha256:b", python=python, source="registry", packages=tuple(packages)
        )

    def has(self, image: str) -> bool:
        return image in self.images

    def build(self, plan: BuildPlan) -> BuildResult:
        self.plans.append(plan)
        phase = "resolve" if plan.outputs else "environment" if "lock.txt" in plan.files else "project"
        answer = self._answers.get(phase, works)(plan)
        if answer.image:
            self.images.add(plan.tag)
        return answer

    def resolutions(self) -> list[BuildPlan]:
        return [plan for plan in self.plans if plan.outputs]


def works(plan: BuildPlan) -> BuildResult:
    outputs: Mapping[str, bytes] = dict.fromkeys(plan.outputs, b"six==1.0\n-e file:///testbed\n")
    return BuildResult(image="sha256:i" if plan.tag else None, log="built\n", seconds=0.1, outputs=outputs)


def failing(log: str, *, when: Callable[[BuildPlan], bool] = lambda plan: True, code: int = 82) -> Answer:
    def answer(plan: BuildPlan) -> BuildResult:
        if not when(plan):
            return works(plan)
        return BuildResult(image=None, end=BuildEnd.FAILED, exit_code=code, log=log, seconds=0.1)

    return answer


def wants(requirement: bytes) -> Callable[[BuildPlan], bool]:
    return lambda plan: requirement in plan.files["requirements.in"]


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Workshop]:
    repository = Repository(tmp_path / "repository")
    files = {
        "setup.py": b"from setuptools import setup\nsetup(name='calc', python_requires='>=3.6')\n",
        "requirements.txt": b"b==2\n",
    }

    def make(builder: ScriptedBuilder, *, year: int = 2021, leaks: Sequence[Leak] = (), **config: int) -> Workshop:
        committed = datetime(year, 5, 6, tzinfo=UTC)
        tree = CommitTree(commit=repository.commit, committed_at=committed, paths=tuple(sorted(files)), files=files)
        return Workshop(
            instance=replace(repository.instance(), base_commit=repository.commit, base_committed_at=committed),
            snapshot=lambda: b"tar",
            tree=lambda: tree,
            builder=builder,
            engine=LocalEngine(repository.root, tmp_path / "work"),
            spec=spec(),
            gate=lambda sandbox, base_commit, timeout: leaks,
            config=InstallConfig(**{"test_timeout": 30, **config}),
        )

    return make


def test_the_first_candidate_that_works_ends_it(shop) -> None:
    builder = ScriptedBuilder()
    result = adaptive(shop(builder))
    assert isinstance(result, Installed)
    assert result.strategy is Strategy.ADAPTIVE
    assert result.collected == 1
    assert [one.failure for one in result.tries] == [None]
    assert [plan.base for plan in builder.plans] == ["base:3.9", "base:3.9", builder.plans[1].tag]
    assert builder.plans[1].files["lock.txt"] == b"six==1.0\n", "the project itself is no part of the lock"
    assert "snapshot.tar" not in result.plans.instance.files
    assert result.plans.candidate is not None
    assert result.plans.candidate.as_of == datetime(2021, 4, 1, tzinfo=UTC)


def probed_with(tmp_path: Path, files: dict[str, str]) -> Probed:
    """What a probe of an image with these files says."""
    repository = Repository(tmp_path / "repository", files)
    tree = CommitTree(
        commit=repository.commit,
        committed_at=datetime(2021, 5, 6, tzinfo=UTC),
        paths=tuple(sorted(files)),
        files={name: text.encode() for name, text in files.items()},
    )
    workshop = Workshop(
        instance=replace(repository.instance(), base_commit=repository.commit),
        snapshot=lambda: b"tar",
        tree=lambda: tree,
        builder=ScriptedBuilder(),
        engine=LocalEngine(repository.root, tmp_path / "work"),
        spec=spec(),
        gate=lambda sandbox, base_commit, timeout: (),
        config=InstallConfig(test_timeout=30),
    )
    return probe(workshop, "sha256:i")


@pytest.mark.parametrize(
    ("named", "beside"),
    [("tests", "import os\nos._exit(3)\n"), ("", "import os\nos._exit(3)\n"), ("docs", "")],
    ids=["what is beside it does not run", "nothing is named", "what is named holds no test"],
)
def test_the_suite_is_what_the_repositorys_own_command_names(tmp_path: Path, named: str, beside: str) -> None:
    files = {
        "calc.py": "def add(a, b):\n    return a + b\n",
        "tests/test_calc.py": "from calc import add\n\ndef test_add():\n    assert add(1, 1) == 2\n",
        "docs/index.rst": "Nothing here is a test.\n",
        "extras/test_server.py": beside,
        "tox.ini": f"[testenv]\ncommands = pytest {named}\n",
    }
    probed = probed_with(tmp_path, files)
    assert probed.loss is None
    assert probed.report.passing() == {"tests/test_calc.py::test_add"}


def test_the_usual_folder_tells_why_nothing_is_collected(tmp_path: Path) -> None:
    files = {
        "tests/conftest.py": "import of_the_tests\n",
        "tests/test_a.py": "def test_a(): pass\n",
        "examples/tests/conftest.py": "import of_an_example\n",
        "examples/tests/test_b.py": "def test_b(): pass\n",
    }
    probed = probed_with(tmp_path, files)
    assert probed.loss is not None
    assert "of_the_tests" in probed.loss.log


def test_files_that_pytest_does_not_take_for_tests_are_tests_by_their_names(tmp_path: Path) -> None:
    paths = ("src/calc.py", "tests/calc_tests.py", "tests/__init__.py", "tests/data/latest.py", "calc/tests/tests.py")
    assert called_tests(paths) == ("calc/tests/tests.py", "tests/calc_tests.py")
    assert len(called_tests(f"tests/a{number}_tests.py" for number in range(1000))) == 300
    files = {"tests/calc_tests.py": "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\n"}
    probed = probed_with(tmp_path, files)
    assert (probed.loss, probed.report.collected) == (None, 1)


def test_a_pin_that_cannot_be_met_is_left_out_and_told(shop) -> None:
    builder = ScriptedBuilder(resolve=failing(CONFLICT, when=wants(b"b==2\n")))
    result = adaptive(shop(builder))
    assert isinstance(result, Installed)
    assert result.tries[0].failure is not None
    assert result.tries[0].failure.phase is Phase.RESOLVE
    assert result.tries[-1].failure is None
    assert result.plans.candidate is not None
    assert result.plans.candidate.rules
    assert b"setuptools" in builder.resolutions()[-1].files["requirements.in"]


def test_what_never_works_is_lost_with_everything_that_was_tried(shop) -> None:
    builder = ScriptedBuilder(project=failing("error: something new\n", code=80))
    result = adaptive(shop(builder))
    assert isinstance(result, Loss)
    assert result.reason is Reason.BUILD_FAILED
    tries = json.loads(result.evidence[TRIES])
    assert {one["candidate"]["python"] for one in tries} == {"3.9", "3.11"}
    assert all(one["failure"]["phase"] == "project" for one in tries)
    assert len({json.dumps(one["candidate"]) for one in tries}) == len(tries), "nothing is tried twice"


def test_the_loss_is_that_of_the_try_that_came_furthest(shop) -> None:
    def on(python: str) -> Callable[[BuildPlan], bool]:
        return lambda plan: plan.base == f"base:{python}"

    builder = ScriptedBuilder(
        resolve=failing("error: not this Python\n", when=on("3.11")),
        project=failing("error: the compiler says no\n", code=80),
    )
    result = adaptive(shop(builder))
    assert isinstance(result, Loss)
    assert result.detail.startswith("error: the compiler says no")
    assert json.loads(result.evidence[TRIES])[-1]["failure"]["phase"] == "resolve"


def test_an_index_that_is_silent_is_no_verdict(shop) -> None:
    builder = ScriptedBuilder(environment=failing("== the package index does not answer\n", code=90))
    with pytest.raises(ForgeUnavailable):
        adaptive(shop(builder))


def test_where_wheels_do_not_do_source_distributions_are_built(shop) -> None:
    def wheels_only(plan: BuildPlan) -> bool:
        return b"no-build = true" in plan.files["uv.toml"]

    builder = ScriptedBuilder(environment=failing("six has no usable wheels\n", when=wheels_only, code=80))
    result = adaptive(shop(builder))
    assert isinstance(result, Installed)
    assert len(result.tries) == 1
    assert b"exclude-newer" in builder.plans[2].files["uv.toml"]


def test_an_image_that_leaks_is_lost_whatever_its_tests_say(shop) -> None:
    found = (Leak(kind=LeakKind.UNLISTABLE, detail="a tag v2"),)
    result = adaptive(shop(ScriptedBuilder(), leaks=found))
    assert isinstance(result, Loss)
    assert result.reason is Reason.LEAKS_FUTURE
    assert "a tag v2" in result.detail


def test_patience_ends(shop) -> None:
    builder = ScriptedBuilder(project=failing("error: something new\n", code=80))
    result = adaptive(shop(builder, patience=0))
    assert isinstance(result, Loss)
    assert builder.plans == []


def neighbour(day: int, lock: str = "six==1.0\n", name: str = "") -> Neighbour:
    at = datetime(2021, 5, day, tzinfo=UTC)
    return Neighbour(
        instance_id=name or f"o__calc-{day}",
        committed_at=at,
        lock=lock,
        candidate=Candidate(python="3.9", as_of=at, requirements=("pytest",)),
    )


def test_the_nearest_neighbours_come_first_and_each_environment_once() -> None:
    found = nearest(
        [neighbour(1), neighbour(2), neighbour(20, "a==1\n"), neighbour(9, "b==1\n"), neighbour(30, "c==1\n")],
        datetime(2021, 5, 6, tzinfo=UTC),
    )
    assert [other.committed_at.day for other in found] == [9, 2, 20]


def test_reuse_builds_on_the_lock_that_was_proven(shop) -> None:
    builder = ScriptedBuilder()
    result = reuse(shop(builder), [neighbour(1, "six==0.9\n")])
    assert isinstance(result, Installed)
    assert result.strategy is Strategy.REUSE
    assert builder.resolutions() == []
    assert builder.plans[0].files["lock.txt"] == b"six==0.9\n"
    assert result.plans.candidate is not None
    assert result.plans.candidate.rules == ("reuse o__calc-1",)


def test_without_neighbours_there_is_nothing_to_reuse(shop) -> None:
    result = reuse(shop(ScriptedBuilder()), [])
    assert isinstance(result, Loss)
    assert result.reason is Reason.NO_NEIGHBOUR


def test_a_lock_holds_pinned_distributions_only() -> None:
    lock = "# by uv\nsix==1.0\n-e file:///testbed\nb @ file:///testbed/b\nc==2 ; python_version > '3'\n"
    assert installable(lock) == "six==1.0\nc==2 ; python_version > '3'\n"


def proven(as_of: datetime, **changes: object) -> Neighbour:
    return replace(neighbour(1), candidate=replace(neighbour(1).candidate, as_of=as_of, **changes))


def test_a_recent_neighbours_date_python_and_repairs_are_tried_first(shop) -> None:
    builder = ScriptedBuilder()
    at = datetime(2021, 1, 1, tzinfo=UTC)
    other = proven(at, python="3.11", constraints=("setuptools<58",), overrides=("a",), system_packages=("gcc",))
    older = proven(datetime(2020, 10, 1, tzinfo=UTC))
    result = adaptive(shop(builder), [older, other])
    assert isinstance(result, Installed)
    candidate = result.plans.candidate
    assert candidate is not None
    assert (candidate.python, candidate.as_of, candidate.rules) == ("3.11", at, ("like o__calc-1",))
    assert (candidate.constraints, candidate.overrides) == (("setuptools<58",), ("a",))
    assert candidate.system_packages == ("gcc",)
    assert "b==2" in candidate.requirements, "what is asked for is this commit's own"


@pytest.mark.parametrize(
    "other",
    [
        proven(datetime(2021, 7, 1, tzinfo=UTC)),
        proven(datetime(2020, 1, 1, tzinfo=UTC)),
        proven(datetime(2021, 1, 1, tzinfo=UTC), python="3.5"),
    ],
    ids=["younger than the commit", "long before it", "a Python that is not admitted"],
)
def test_a_neighbour_that_does_not_fit_is_not_followed(shop, other: Neighbour) -> None:
    result = adaptive(shop(ScriptedBuilder()), [other])
    assert isinstance(result, Installed)
    assert result.plans.candidate is not None
    assert result.plans.candidate.as_of == datetime(2021, 4, 1, tzinfo=UTC)
    assert result.plans.candidate.rules == ()


def test_a_neighbour_that_misleads_costs_a_try_only(shop) -> None:
    at = datetime(2021, 1, 1, tzinfo=UTC)
    builder = ScriptedBuilder(resolve=failing("error: no reason known\n", when=lambda plan: plan.base == "base:3.11"))
    result = adaptive(shop(builder), [proven(at, python="3.11")])
    assert isinstance(result, Installed)
    assert result.python == "3.9"
    assert result.tries[0].candidate.rules[0] == "like o__calc-1"
