"""Installation: does one strategy give an environment in which the tests run at the base commit?

Build, then probe: in a sandbox without network the suite is collected and at least one test must pass. The build
having no error proves nothing, and a suite that is red throughout proves that the environment is wrong.
"""

import re
from dataclasses import dataclass, replace

from swemill.environment import plan
from swemill.environment.dockerfile import INDEX_SILENT, NOT_PRUNED
from swemill.errors import ForgeUnavailable
from swemill.grading import failure
from swemill.ports import Builder, SandboxEngine
from swemill.reasons import Reason
from swemill.testreports.reader import report_to_json
from swemill.testreports.runner import run_tests
from swemill.values import BuildPlan, BuildResult, Installed, InstanceSpec, Loss, SandboxSpec, Strategy, TestReport

CODE_VERSION = 1

_TAIL = 16_000
# The engine's own last words on a failing step.
_EXIT_CODE = re.compile(r"returned a non-zero code: (\d+)\s*$")
_CONFLICT = ("No solution found when resolving", "ResolutionImpossible", "conflicting dependencies")


@dataclass(frozen=True, kw_only=True)
class InstallConfig:
    """What could change an installation's result."""

    build_timeout: int = 900
    """Seconds the build may take."""
    test_timeout: int = 600
    """Seconds the probe may take: collection, and tests up to the first that passes."""


def install(
    instance: InstanceSpec,
    snapshot: bytes,
    *,
    strategy: Strategy,
    tag: str,
    builder: Builder,
    engine: SandboxEngine,
    spec: SandboxSpec,
    config: InstallConfig,
) -> Installed | Loss:
    """Build ``instance`` by ``strategy`` as image ``tag``, and probe it in a sandbox (``spec``: name, limits, claim).

    Raises:
        SandboxUnavailable: the engine is gone.
        DiskFull: no room left.
        ForgeUnavailable: the package index did not answer during the build.
    """
    base = builder.base()
    building = plan(instance, snapshot, strategy=strategy, base=base, tag=tag, timeout=config.build_timeout)
    built = builder.build(building)
    if built.image is None:
        return build_loss(built, timeout=config.build_timeout)
    with engine.start(replace(spec, image=built.image)) as sandbox:
        lock = (sandbox.read("/opt/lock.txt") or b"").decode(errors="replace")
        report = run_tests(sandbox, test_files=(), timeout=config.test_timeout, until_first_pass=True)
    loss = probe_loss(report)
    if loss:
        return replace(loss, evidence={"build.log": built.log.encode(), "probe.json": report_to_json(report)})
    return Installed(
        strategy=strategy,
        image=built.image,
        python=base.python,
        dockerfile=describe(building),
        lock=lock,
        collected=report.collected,
        log=f"{built.log[-_TAIL:]}\n== probe\n{report.log_tail}",
        seconds=built.seconds + report.seconds,
        bytes=built.bytes,
    )


def build_loss(built: BuildResult, *, timeout: int) -> Loss:
    """Name the reason of a failed build. Raises ForgeUnavailable when the package index was at fault."""
    evidence = {"build.log": built.log.encode()}
    tail = built.log[-_TAIL:]
    if built.timed_out:
        detail = f"the build was not done after {timeout} s"
        return Loss(reason=Reason.BUILD_TIMEOUT, detail=detail, log=tail, evidence=evidence)
    found = _EXIT_CODE.search(built.log)
    code = int(found[1]) if found else 1
    if code == INDEX_SILENT:
        raise ForgeUnavailable(
            "the package index did not answer during a build; check the network, PIP_INDEX_URL and the CA bundle "
            f"(SWEMILL_CA_BUNDLE): {_last_words(tail)}"
        )
    if code == NOT_PRUNED:
        return Loss(reason=Reason.BUILD_FAILED, detail=_last_words(tail), log=tail, evidence=evidence)
    conflict = any(words in tail for words in _CONFLICT)
    reason = Reason.DEPENDENCY_CONFLICT if conflict else Reason.BUILD_FAILED
    detail = "a step was killed, most likely for memory (SWEMILL_SANDBOX_MEMORY)" if code == 137 else _last_words(tail)
    return Loss(reason=reason, detail=detail, log=tail, evidence=evidence)


def probe_loss(report: TestReport) -> Loss | None:
    """Why an environment does not work, None when it does: at least one test passed."""
    if report.passing():
        return None
    trouble = failure(report)
    if trouble:
        reason, detail = trouble
    elif not report.collected:
        reason, detail = Reason.NOTHING_COLLECTED, f"pytest collected no test (exit code {report.exit_code})"
    else:
        reason = Reason.NO_TEST_PASSES_AT_BASE
        detail = f"{report.collected} tests collected, {len(report.failing())} fail, none passes"
    return Loss(reason=reason, detail=detail, log=report.log_tail)


def describe(building: BuildPlan) -> str:
    """The Dockerfile with the text files of its context as comments: all that a person needs to see what was done."""
    parts = [building.dockerfile]
    for name, data in sorted(building.context.items()):
        if not name.endswith(".tar"):
            lines = data.decode(errors="replace").splitlines()
            parts.append("".join(f"# {line}".rstrip() + "\n" for line in (f"--- {name} ---", *lines)))
    return "\n".join(parts)


def _last_words(log: str) -> str:
    """The last line of a build log that says what went wrong."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|fail|==|×|╰|no solution", line, re.IGNORECASE)]
    kept = [line for line in telling if not _EXIT_CODE.search(line)] or lines
    return kept[-1][:300] if kept else "the build failed without a word"
