"""Re-validation: does an instance that was accepted once still do what it did, and will it elsewhere and in a year?

Under each condition (``conditions``) it is judged as any candidate is: without a patch no FAIL_TO_PASS test passes, and
with the gold patch everything in both lists does. A condition that fails is tried once more before that is believed: a
flake is no rot. If the instance fails today, the other conditions tell nothing and are left out. If it fails a year
ahead, it is tried with the preloaded clock telling the true time: tests that fail then cannot stand the means.

A condition that cannot be tried is never one that held: it is told with its cause.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

from swemill.effects import canonical
from swemill.grading import some
from swemill.ports import SandboxEngine
from swemill.reasons import Reason
from swemill.stages.conditions import Condition, Surrounded, Surroundings, clock_ahead, surroundings, unavailable
from swemill.stages.judge import JudgeConfig, judge
from swemill.values import InstanceSpec, Loss, SandboxSpec, TestReport, Verdict

CODE_VERSION = 1

_REASONS = {
    Condition.TODAY: Reason.ROTTED,
    Condition.YEAR_AHEAD: Reason.TIME_BOMB,
    Condition.ELSEWHERE: Reason.DEPENDS_ON_MACHINE,
}
_WORDS = {Condition.TODAY: "today", Condition.YEAR_AHEAD: "a year ahead", Condition.ELSEWHERE: "on another machine"}
EVIDENCE = "conditions.json"
"""Name of the evidence: every condition with its outcomes, and the tests that differ."""


@dataclass(frozen=True, kw_only=True)
class RevalidateConfig:
    """What could change a re-validation."""

    test_timeout: float = 600
    """Seconds for each run of the tests."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """An instance judged without a patch and with the gold patch."""

    trouble: str
    """What is not as it should be; empty: nothing."""
    differs: Mapping[str, str]
    """The tests that do otherwise than validation found, with what they do."""
    outcomes: Mapping[str, Mapping[str, int]]
    """How many tests had which outcome, ``without`` and ``gold``; none where nothing ran."""
    log: str
    """End of the run's output that the trouble is about; of the last one where there is none."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What became of one condition."""

    condition: Condition
    looks: tuple[Look, ...] = ()
    untried: str = ""
    """Why it could not be tried."""

    @property
    def failed(self) -> bool:
        """It was tried and did not hold, twice."""
        return not self.untried and all(look.trouble for look in self.looks)

    @property
    def flaky(self) -> bool:
        """Two looks did not show the same."""
        return any(look.differs != self.looks[0].differs for look in self.looks)

    def told(self) -> str:
        """It in a few words."""
        words = _WORDS[self.condition]
        if self.untried:
            return f"not tried {words}: {self.untried}"
        flakes = some(sorted({test for look in self.looks for test in look.differs}))
        flaky = f" (flaky, two runs differ in: {flakes})" if self.flaky else ""
        return f"{words} {self.looks[-1].trouble}{flaky}" if self.failed else f"held {words}{flaky}"


@dataclass(frozen=True, kw_only=True)
class Revalidated:
    """An instance that held under every condition that could be tried."""

    conditions: tuple[Tried, ...]

    @property
    def tried(self) -> tuple[Condition, ...]:
        """Those that were tried."""
        return tuple(one.condition for one in self.conditions if not one.untried)

    @property
    def untried(self) -> Mapping[Condition, str]:
        """The others, with the cause."""
        return {one.condition: one.untried for one in self.conditions if one.untried}

    def told(self) -> str:
        """All of it in a sentence."""
        return "; ".join(one.told() for one in self.conditions)

    def evidence(self) -> Mapping[str, bytes]:
        """Every condition with its outcomes, as canonical JSON."""
        return _evidence(self.conditions)


def revalidate(
    instance: InstanceSpec,
    image: str,
    *,
    fail_to_pass: Sequence[str],
    pass_to_pass: Sequence[str],
    engine: SandboxEngine,
    spec: SandboxSpec,
    config: RevalidateConfig,
) -> Revalidated | Loss:
    """Try a validated instance under every condition, each judgement in a fresh sandbox of ``image``.

    Raises:
        SandboxUnavailable: the engine, the container or the image is not usable; says nothing about the instance.
        ValueError: ``fail_to_pass`` is empty: it was never validated.
    """
    judging = partial(
        judge,
        instance,
        image,
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
        spec=spec,
        config=JudgeConfig(test_timeout=config.test_timeout),
        empty_ends_it=False,
    )

    def look(around: Surroundings) -> Look:
        surrounded = Surrounded(engine, around)
        without = judging(candidate_patch=b"", engine=surrounded, env=around.env)
        gold = judging(candidate_patch=instance.patch, engine=surrounded, env=around.env)
        return _look(without, gold, fail_to_pass, pass_to_pass)

    def twice(around: Surroundings) -> tuple[Look, ...]:
        first = look(around)
        return (first, look(around)) if first.trouble else (first,)

    found = [Tried(condition=Condition.TODAY, looks=twice(surroundings(Condition.TODAY)))]
    for condition in (Condition.YEAR_AHEAD, Condition.ELSEWHERE):
        around = surroundings(condition)
        if found[0].failed:
            found.append(Tried(condition=condition, untried="it fails today"))
            continue
        with engine.start(replace(spec, image=image)) as sandbox:
            untried = unavailable(sandbox, around)
        looks = () if untried else twice(around)
        if condition is Condition.YEAR_AHEAD and looks and all(each.trouble for each in looks):
            control = look(clock_ahead(0))
            untried = f"the preloaded clock itself disturbs the tests: {control.trouble}" if control.trouble else ""
            looks = (*looks, control) if untried else looks
        found.append(Tried(condition=condition, looks=looks, untried=untried))
    return _settled(tuple(found))


def _look(without: Verdict, gold: Verdict, fail_to_pass: Sequence[str], pass_to_pass: Sequence[str]) -> Look:
    differs, troubles = dict[str, str](), list[str]()
    log = _log(gold)
    if not gold.resolved:
        passing = gold.report.passing() if gold.report else frozenset[str]()
        for test in {*fail_to_pass, *pass_to_pass} - passing:
            outcome = gold.report.outcomes.get(test) if gold.report else None
            differs[test] = f"with the gold patch: {outcome.value if outcome else 'no result'}"
        troubles.append(f"the gold patch does not resolve it ({gold.reason}: {gold.detail})")
    if without.fail_to_pass_passed:
        passes = sorted((without.report.passing() if without.report else frozenset()).intersection(fail_to_pass))
        differs |= dict.fromkeys(passes, "passes without a patch")
        troubles.insert(0, f"there pass without a patch: {some(passes)}")
        log = _log(without)
    outcomes = {"without": _counts(without.report), "gold": _counts(gold.report)}
    return Look(trouble="; ".join(troubles), differs=dict(sorted(differs.items())), outcomes=outcomes, log=log)


def _settled(found: tuple[Tried, ...]) -> Revalidated | Loss:
    failed = [one for one in found if one.failed]
    if not failed:
        return Revalidated(conditions=found)
    return Loss(
        reason=_REASONS[failed[0].condition],
        detail="; ".join(one.told() for one in failed),
        log=failed[0].looks[-1].log,
        evidence=_evidence(found),
    )


def _evidence(found: Sequence[Tried]) -> Mapping[str, bytes]:
    told = [
        {
            "condition": one.condition.value,
            "held": not one.untried and not one.failed,
            "untried": one.untried,
            "flaky": one.flaky,
            "looks": [{name: value for name, value in asdict(look).items() if name != "log"} for look in one.looks],
        }
        for one in found
    ]
    return {EVIDENCE: canonical(told)}


def _counts(report: TestReport | None) -> Mapping[str, int]:
    return dict(Counter(outcome.value for outcome in report.outcomes.values())) if report else {}


def _log(verdict: Verdict) -> str:
    return verdict.report.log_tail if verdict.report else ""
