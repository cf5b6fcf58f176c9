"""Admission: four checks that a validated instance stands before it may train or judge anybody.

1. *Leak gate*: the image holds nothing that came after the base commit.
2. *No patch*: every FAIL_TO_PASS test fails. Some tasks of published datasets pass as they are.
3. *Gold*: judged as any candidate is, in a fresh sandbox, the gold patch resolves.
4. *Wrong patches*: the gold patch with parts left out or changed does not resolve. One that does shows that the tests
   are weak, or that the change means the same; so that is no loss but a number, the *strength* of the tests.

With them go the quality labels, which need no sandbox. All of it is kept as evidence.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from swemill.effects import canonical
from swemill.environment.leak_gate import Leak
from swemill.grading import some
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.quality import Quality, quality
from swemill.reasons import Reason
from swemill.stages.install import GATE_TIMEOUT, leak_loss
from swemill.stages.judge import JudgeConfig, judge
from swemill.stages.leak_gate import check
from swemill.values import InstanceSpec, Loss, SandboxSpec, Verdict
from swemill.wrong_patches import WrongKind, wrong_patches

CODE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class AdmitConfig:
    """What could change an admission."""

    test_timeout: float = 600
    """Seconds for each run of the tests."""
    wrong_patches: int = 4
    """Most wrong patches to try; each is a run of the tests in a sandbox of its own."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What became of one wrong patch."""

    kind: WrongKind
    what: str
    resolved: bool
    how: str
    """Why it does not resolve; empty when it does."""


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """An instance that stood the checks."""

    tried: tuple[Tried, ...]
    quality: Quality

    @property
    def strength(self) -> float | None:
        """Share of the wrong patches that the tests turn down; None where there was none to try."""
        return sum(not one.resolved for one in self.tried) / len(self.tried) if self.tried else None

    def labels(self) -> tuple[str, ...]:
        """The quality labels, and ``tests_weak`` where a wrong patch resolved."""
        weak = ("tests_weak",) if any(one.resolved for one in self.tried) else ()
        return (*self.quality.labels(), *weak)

    def evidence(self) -> bytes:
        """All of it, as canonical JSON."""
        told = {"tried": [asdict(one) for one in self.tried], "quality": asdict(self.quality)}
        return canonical({**told, "strength": self.strength, "labels": list(self.labels())})


def admit(
    instance: InstanceSpec,
    image: str,
    *,
    fail_to_pass: Sequence[str],
    pass_to_pass: Sequence[str],
    engine: SandboxEngine,
    spec: SandboxSpec,
    config: AdmitConfig,
    gate: Callable[[RunningSandbox, str, float], Sequence[Leak]] = check,
) -> Admitted | Loss:
    """Put a validated instance to the four checks, each in fresh sandboxes of ``image``.

    Raises:
        SandboxUnavailable: the engine, the container or the image is not usable; says nothing about the instance.
        ValueError: ``fail_to_pass`` is empty: it was never validated.
    """
    with engine.start(replace(spec, image=image)) as sandbox:
        if found := gate(sandbox, instance.base_commit, GATE_TIMEOUT):
            return leak_loss(found)

    def judged(patch: bytes, *, empty_ends_it: bool = True) -> Verdict:
        return judge(
            instance,
            image,
            fail_to_pass=fail_to_pass,
            pass_to_pass=pass_to_pass,
            candidate_patch=patch,
            engine=engine,
            spec=spec,
            config=JudgeConfig(test_timeout=config.test_timeout),
            empty_ends_it=empty_ends_it,
        )

    untouched = judged(b"", empty_ends_it=False)
    if untouched.fail_to_pass_passed:
        passing = untouched.report.passing() if untouched.report else frozenset()
        detail = f"without any patch there pass: {some(sorted(passing.intersection(fail_to_pass)))}"
        return Loss(reason=Reason.PASSES_WITHOUT_PATCH, detail=detail, log=_log(untouched))
    gold = judged(instance.patch)
    if not gold.resolved:
        return Loss(reason=Reason.GOLD_NOT_RESOLVED, detail=f"{gold.reason}: {gold.detail}", log=_log(gold))
    tried = []
    for wrong in wrong_patches(instance.patch, most=config.wrong_patches):
        verdict = judged(wrong.patch)
        how = f"{verdict.reason}: {verdict.detail}"[:500] if verdict.reason else ""
        tried.append(Tried(kind=wrong.kind, what=wrong.what, resolved=verdict.resolved, how=how))
    labels = quality(instance.problem_statement, instance.patch, instance.test_patch)
    return Admitted(tried=tuple(tried), quality=labels)


def _log(verdict: Verdict) -> str:
    return verdict.report.log_tail if verdict.report else ""
