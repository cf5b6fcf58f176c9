"""Installation: does one strategy give an environment in which the tests run at the base commit?

Build, then probe: in a sandbox without network the suite is collected and at least one test must pass. The build
having no error proves nothing, and a suite that is red throughout proves that the environment is wrong. The strategies
differ in what they build; this module holds what is common to all, and the baseline strategies, which build once.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import monotonic

from swemill.environment.dated import dated
from swemill.environment.image_plans import SNAPSHOT, one_step
from swemill.environment.inference import infer
from swemill.environment.leak_gate import Leak
from swemill.environment.scripts import INDEX_SILENT
from swemill.environment.unified import unified
from swemill.errors import ForgeUnavailable
from swemill.grading import failure
from swemill.patches import is_test_path
from swemill.ports import Builder, RunningSandbox, SandboxEngine
from swemill.reasons import Reason
from swemill.stages.leak_gate import check
from swemill.testreports.reader import report_to_json
from swemill.testreports.runner import run_tests
from swemill.values import (
    BaseImage,
    BuildEnd,
    BuildPlan,
    BuildResult,
    CommitTree,
    ImagePlans,
    Installed,
    InstanceSpec,
    Loss,
    SandboxSpec,
    Strategy,
    TestReport,
    TestRunner,
)

CODE_VERSION = 5

TAIL = 16_000
"""Characters of a log that are kept with an attempt."""
GATE_TIMEOUT = 300.0
"""Seconds the leak gate may take: it takes about one, unless a repository is huge."""
_CALLED_TEST = re.compile(r"(?:^|/)(?:[^/]*_)?tests?(?:_[^/]*)?\.py$")
_MOST_FILES = 300
_NOTHING_RUN = TestReport(outcomes={}, collected=0, finished=False)
_CONFLICT = ("No solution found when resolving", "ResolutionImpossible", "conflicting dependencies")
_TELLING = re.compile(r"error|fail|== the |×|╰|no solution", re.IGNORECASE)
_RECIPES = {Strategy.UNIFIED: unified, Strategy.DATED: dated}


@dataclass(frozen=True, kw_only=True)
class InstallConfig:
    """What could change an installation's result."""

    build_timeout: int = 900
    """Seconds one build may take."""
    test_timeout: int = 600
    """Seconds the probe may take: collection, and tests up to the first that passes."""
    patience: int = 1800
    """Seconds after which no further candidate is tried."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What an installation of one instance works with; the same for every strategy."""

    instance: InstanceSpec
    snapshot: Callable[[], bytes]
    """The repository at the base commit, as ``Forge.snapshot`` gives it."""
    tree: Callable[[], CommitTree]
    """What inference reads of it."""
    builder: Builder
    engine: SandboxEngine
    spec: SandboxSpec
    """Name, limits and claim of the probe's container; its image is filled in."""
    config: InstallConfig = field(default_factory=InstallConfig)
    gate: Callable[[RunningSandbox, str, float], Sequence[Leak]] = check
    """Tells what an image holds that came after the base commit."""

    @cached_property
    def suites(self) -> "Suites":
        """What a probe runs; read once, because an installation probes many times."""
        tree = self.tree()
        inference = infer(tree)
        named, called = inference.test_paths, called_tests(tree.paths)
        usual = tuple(name for name in ("tests", "test") if any(path.startswith(f"{name}/") for path in tree.paths))
        return Suites(
            in_order=(*([named] if named else []), (), *(part for part in (usual, called) if part)),
            usual=usual,
            runner=inference.runner,
        )


@dataclass(frozen=True, kw_only=True)
class Suites:
    """Where a commit's tests may be, as paths for pytest; none: all that it finds."""

    in_order: tuple[tuple[str, ...], ...]
    usual: tuple[str, ...]
    runner: TestRunner = TestRunner.PYTEST
    """What the repository itself runs them with."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """An image whose suite was collected, and perhaps why it does not do."""

    loss: Loss | None
    report: TestReport
    lock: str
    runner: TestRunner = TestRunner.PYTEST


def baseline(shop: Workshop, strategy: Strategy) -> Installed | Loss:
    """``unified`` or ``dated``: one recipe, one build, one probe.

    Raises:
        SandboxUnavailable: the engine is gone.
        DiskFull: no room left.
        ForgeUnavailable: the package index did not answer during the build.
    """
    base = shop.builder.base()
    plan = one_step(
        _RECIPES[strategy](shop.instance, python=base.python),
        shop.instance,
        shop.snapshot(),
        base=base,
        effect_key=shop.spec.effect_key,
        timeout=shop.config.build_timeout,
    )
    built = shop.builder.build(plan)
    if built.image is None:
        return build_loss(built, timeout=shop.config.build_timeout)
    probed = probe(shop, built.image)
    if probed.loss:
        return replace(probed.loss, evidence={"build.log": built.log.encode(), **probed.loss.evidence})
    return in_one_step(strategy, plan, base=base, built=built, probed=probed)


def in_one_step(
    strategy: Strategy, plan: BuildPlan, *, base: BaseImage, built: BuildResult, probed: Probed
) -> Installed:
    """The environment of an image that was built straight on the base image and works."""
    return Installed(
        strategy=strategy,
        image=plan.tag,
        digest=str(built.image),
        python=base.python,
        base=base.reference,
        plans=ImagePlans(python=base.python, packages=base.packages, environment=None, instance=bare(plan)),
        lock=probed.lock,
        collected=probed.report.collected,
        runner=probed.runner,
        log=f"{built.log[-TAIL:]}\n== probe\n{probed.report.log_tail}",
        seconds=built.seconds + probed.report.seconds,
        bytes=built.bytes,
    )


def probe(shop: Workshop, image: str) -> Probed:
    """Look for leaks in a sandbox of ``image``, collect the suite, and run it up to the first test that passes.

    The suite is what the repository's own test command names: beside it there may be files that look like tests and
    start a server, or wait for one. Where nothing is named, or no test is there, it is all that pytest finds; where
    that ends before anything is collected (a demo's ``conftest.py`` takes all with it), the usual folder; and then the
    files that are called tests in another way (``arrow_tests.py``), as nose would take them. Under pytest first, which
    runs nearly all that was written for unittest or nose; where no test passes so, under the repository's own runner.
    """
    with shop.engine.start(replace(shop.spec, image=image)) as sandbox:
        if found := shop.gate(sandbox, shop.instance.base_commit, GATE_TIMEOUT):
            return Probed(loss=leak_loss(found), report=_NOTHING_RUN, lock="")
        lock = (sandbox.read("/opt/lock.txt") or b"").decode(errors="replace")
        report, runner = _run(sandbox, shop.suites, timeout=shop.config.test_timeout)
    loss = probe_loss(report)
    if loss:
        loss = replace(loss, evidence={"probe.json": report_to_json(report)})
    return Probed(loss=loss, report=report, lock=lock, runner=runner)


def _run(sandbox: RunningSandbox, suites: Suites, *, timeout: float) -> tuple[TestReport, TestRunner]:
    """The report of the runner under which a test passes; pytest's, whose words repairs know, where none does."""
    began = monotonic()
    report = _first_that_collects(sandbox, suites, timeout=timeout)
    left = timeout - (monotonic() - began)
    if report.passing() or suites.runner is TestRunner.PYTEST or left < 1:
        return report, TestRunner.PYTEST
    own = run_tests(sandbox, test_files=suites.in_order[0], timeout=left, until_first_pass=True, runner=suites.runner)
    return (own, suites.runner) if own.passing() else (report, TestRunner.PYTEST)


def _first_that_collects(sandbox: RunningSandbox, suites: Suites, *, timeout: float) -> TestReport:
    """The report of the first suite of which anything is collected; where that is none, of the usual, or the first."""
    tried: dict[tuple[str, ...], TestReport] = {}
    for suite in suites.in_order:
        report = run_tests(sandbox, test_files=suite, timeout=timeout, until_first_pass=True)
        tried[suite] = report
        timeout -= report.seconds
        if report.collected or report.outcomes or report.timed_out or timeout < 1:
            return report
    # What stands beside the tests fails for reasons of its own: they would lead repairs astray.
    return tried.get(suites.usual) or tried[suites.in_order[0]]


def called_tests(paths: Iterable[str]) -> tuple[str, ...]:
    """Python files that are tests by their names and places, whatever a runner's pattern says; not more than some."""
    found = [path for path in paths if path.endswith(".py") and is_test_path(path) and _CALLED_TEST.search(path)]
    return tuple(sorted(found)[:_MOST_FILES])


def leak_loss(found: Sequence[Leak]) -> Loss:
    """The loss of an image whose repository holds more than its base commit."""
    lines = [f"{leak.kind}: {leak.detail}" for leak in found]
    return Loss(
        reason=Reason.LEAKS_FUTURE,
        detail=f"{'; '.join(lines[:3])}{f' and {len(lines) - 3} more' if len(lines) > 3 else ''}",
        log="\n".join(lines[:200]),
        evidence={"leaks.txt": "\n".join(lines).encode()},
    )


def bare(plan: BuildPlan) -> BuildPlan:
    """The plan as it is stored: without the snapshot, which the forge makes anew."""
    return replace(plan, files={name: data for name, data in plan.files.items() if name != SNAPSHOT})


def check_index(built: BuildResult) -> None:
    """Raise ForgeUnavailable when the package index was at fault, which says nothing about the repository."""
    if built.end is BuildEnd.FAILED and built.exit_code == INDEX_SILENT:
        raise ForgeUnavailable(
            "the package index did not answer during a build; check the network, PIP_INDEX_URL and the CA bundle "
            f"(SWEMILL_CA_BUNDLE): {last_words(built.log[-TAIL:])}"
        )


def build_loss(built: BuildResult, *, timeout: int) -> Loss:
    """Name the reason of a failed build. Raises ForgeUnavailable when the package index was at fault."""
    check_index(built)
    tail = built.log[-TAIL:]
    words = last_words(tail)
    conflict = any(sign in tail for sign in _CONFLICT)
    reason, detail = {
        BuildEnd.TIMED_OUT: (Reason.BUILD_TIMEOUT, f"the build was not done after {timeout} s"),
        BuildEnd.OUT_OF_MEMORY: (Reason.BUILD_OUT_OF_MEMORY, f"killed for memory: {words}"),
        BuildEnd.TOO_LARGE: (Reason.BUILD_TOO_LARGE, f"it wrote more than a build may: {words}"),
    }.get(built.end, (Reason.DEPENDENCY_CONFLICT if conflict else Reason.BUILD_FAILED, words))
    return Loss(reason=reason, detail=detail, log=tail, evidence={"build.log": built.log.encode()})


def probe_loss(report: TestReport) -> Loss | None:
    """Why an environment does not work, None when it does: at least one test passed."""
    if report.passing():
        return None
    trouble = failure(report)
    if trouble:
        reason, detail = trouble
    elif not report.collected:
        reason, detail = Reason.NOTHING_COLLECTED, f"no test was collected (exit code {report.exit_code})"
    else:
        reason = Reason.NO_TEST_PASSES_AT_BASE
        detail = f"{report.collected} tests collected, {len(report.failing())} fail, none passes"
    return Loss(reason=reason, detail=detail, log=report.log_tail)


def last_words(log: str) -> str:
    """The last line of a build log that says what went wrong."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line) and not line.startswith("== failed:")]
    kept = telling or lines
    return kept[-1][:300] if kept else "the build failed without a word"
