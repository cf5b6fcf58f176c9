"""Execution validation: do the tests of a pull request fail without its change and pass with it?

A round is one sandbox: the test patch is applied, its tests run, the gold patch is applied, the same tests run again.
What turns green is FAIL_TO_PASS, what stays green PASS_TO_PASS. There are several rounds, each in a sandbox of its own,
one of them with the tests in another order. A first round that is lost ends it; rounds that do not agree tell of flaky
tests.

Decisions:

- PASS_TO_PASS is what every round has. A flaky test leaves it, with its record.
- FAIL_TO_PASS must be the same in every round: an instance by which a lucky patch could be judged is lost.
- A run before the change in which tests cannot be imported, up to a ``conftest.py`` that fails, is the normal look of
  a test for something that does not exist yet: its tests count as failing.
- An empty PASS_TO_PASS is accepted, as in SWE-bench, unless ``require_pass_to_pass``.
- Tests that pass before and not after are left out of both lists, as in SWE-bench (both reports are kept). Only when
  they are more than ``max_broken_share`` of what passed is the instance lost: then the environment is off, or most of
  the suite is flaky.
- Sections of the gold patch that touch test configuration are not applied, because judging leaves them out of every
  candidate: the lists hold what a judged patch can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from swemill.flakiness import flaky_tests
from swemill.grading import compare, failure, some
from swemill.patches import BadPatch, sanitise
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.reasons import Reason
from swemill.stages.worktree import apply, files, layout_of, protection, restore, targets_of
from swemill.testreports.reader import report_to_json
from swemill.testreports.runner import run_tests
from swemill.values import Arm, InstanceSpec, Loss, SandboxSpec, TestReport, TestRun, Unsteady, Validated

CODE_VERSION = 3
SHUFFLED = 2
"""The round whose tests run in another order."""


@dataclass(frozen=True, kw_only=True)
class ValidateConfig:
    """What could change a validation's result."""

    test_timeout: float = 600
    """Seconds for each run of the tests."""
    rounds: int = 3
    """Each is two runs. From two on, the second one shuffles the tests."""
    require_pass_to_pass: bool = False
    """Lose instances without any PASS_TO_PASS test."""
    max_broken_share: float = 0.5
    """Largest share of the tests passing before that the gold patch may stop from passing."""


def validate(
    instance: InstanceSpec, image: str, *, engine: SandboxEngine, spec: SandboxSpec, config: ValidateConfig
) -> Validated | Loss:
    """Validate one instance in fresh sandboxes of ``image``; ``spec`` gives their name, limits and claim.

    Raises:
        SandboxUnavailable: the engine, the container or the image's repository is not usable; says nothing about the
            instance.
    """
    rounds: list[Validated] = []
    for number in range(1, config.rounds + 1):
        with engine.start(replace(spec, image=image)) as sandbox:
            order_seed = instance.instance_id if number == SHUFFLED else ""
            done = validate_in(sandbox, instance, config=config, number=number, order_seed=order_seed)
        if isinstance(done, Loss):
            return done if number == 1 else _unlike_the_first(done, rounds)
        rounds.append(done)
    return settled(rounds)


def settled(rounds: Sequence[Validated]) -> Validated | Unsteady:
    """What rounds have in common, in which every one has succeeded."""
    runs = tuple(run for done in rounds for run in done.runs)
    flaky = flaky_tests(runs)
    turned = [frozenset(done.fail_to_pass) for done in rounds]
    if unsteady := frozenset.union(*turned) - frozenset.intersection(*turned):
        return Unsteady(
            reason=Reason.FLAKY_FAIL_TO_PASS,
            detail=f"not in every one of {len(rounds)} rounds: {some(sorted(unsteady))}",
            log=rounds[-1].runs[-1].report.log_tail,
            evidence=evidence_of(*runs),
            runs=runs,
            flaky=flaky,
        )
    kept = frozenset.intersection(*(frozenset(done.pass_to_pass) for done in rounds))
    return Validated(fail_to_pass=rounds[0].fail_to_pass, pass_to_pass=tuple(sorted(kept)), runs=runs, flaky=flaky)


def validate_in(
    sandbox: RunningSandbox,
    instance: InstanceSpec,
    *,
    config: ValidateConfig,
    number: int = 1,
    order_seed: str = "",
) -> Validated | Loss:
    """One round in a sandbox that is already running and untouched. Raises as ``validate``.

    Args:
        number: of the round, from 1.
        order_seed: shuffles the tests of both runs; empty: they run in the suite's own order.
    """

    def run(arm: Arm) -> TestRun:
        report = run_tests(
            sandbox,
            test_files=targets,
            timeout=config.test_timeout,
            order_seed=order_seed,
            runner=instance.runner,
        )
        return TestRun(arm=arm, round=number, order_seed=order_seed, report=report)

    layout = layout_of(sandbox, instance.base_commit)
    try:
        protected = protection(instance.test_patch, layout)
    except BadPatch as problem:
        return Loss(reason=Reason.TEST_PATCH_DOES_NOT_APPLY, detail=f"the test patch is no git diff: {problem}")
    try:
        gold = sanitise(instance.patch, protected).patch
    except BadPatch as problem:
        return Loss(reason=Reason.GOLD_PATCH_DOES_NOT_APPLY, detail=f"the gold patch is no git diff: {problem}")

    restore(sandbox, instance.base_commit, protected)
    if words := apply(sandbox, instance.test_patch):
        return Loss(reason=Reason.TEST_PATCH_DOES_NOT_APPLY, detail=words)
    # Asked before the first run: it is cheap, and afterwards the tests may have changed files.
    if words := apply(sandbox, gold, check_only=True):
        return Loss(reason=Reason.GOLD_PATCH_DOES_NOT_APPLY, detail=words)
    targets = targets_of(instance.test_patch, files(sandbox), layout)

    before = run(Arm.BEFORE)
    if (trouble := failure(before.report)) and not _cannot_import(before.report):
        return _ended_badly("before the gold patch", trouble, before)
    if words := apply(sandbox, gold):
        detail = f"applies to the base commit, but no longer after a test run, which changes the files: {words}"
        log, evidence = before.report.log_tail, evidence_of(before)
        return Loss(reason=Reason.GOLD_PATCH_DOES_NOT_APPLY, detail=detail, log=log, evidence=evidence)
    after = run(Arm.AFTER)
    if trouble := failure(after.report):
        return _ended_badly("with the gold patch", trouble, before, after)
    return _verdict(before, after, config)


def _verdict(before_run: TestRun, after_run: TestRun, config: ValidateConfig) -> Validated | Loss:
    before, after = before_run.report, after_run.report
    result = compare(before, after)
    loss: tuple[Reason, str] | None = None
    if not result.fail_to_pass:
        loss = (
            Reason.NO_FAIL_TO_PASS,
            f"{len(before.passing())} tests pass before, {len(after.passing())} after, none turns from failing to "
            f"passing; failing after: {some(sorted(after.failing())) or 'none'}",
        )
    elif len(result.broken) > config.max_broken_share * len(before.passing()):
        loss = (
            Reason.GOLD_BREAKS_TESTS,
            f"{len(result.broken)} of {len(before.passing())} passing tests no longer pass: {some(result.broken)}",
        )
    elif config.require_pass_to_pass and not result.pass_to_pass:
        loss = Reason.NO_PASS_TO_PASS, f"all {len(result.fail_to_pass)} passing tests are new or failed before"
    if loss:
        evidence = evidence_of(before_run, after_run)
        return Loss(reason=loss[0], detail=loss[1], log=after.log_tail, evidence=evidence)
    runs = (before_run, after_run)
    return Validated(fail_to_pass=result.fail_to_pass, pass_to_pass=result.pass_to_pass, runs=runs)


def _unlike_the_first(loss: Loss, rounds: Sequence[Validated]) -> Unsteady:
    """A later round that is lost, for whatever reason: the same code did not do the same twice."""
    runs = tuple(run for done in rounds for run in done.runs)
    return Unsteady(
        reason=Reason.FLAKY_FAIL_TO_PASS,
        detail=f"round {len(rounds) + 1} ended otherwise than those before ({loss.reason.value}): {loss.detail}",
        log=loss.log,
        evidence={**evidence_of(*runs), **loss.evidence},
        runs=runs,
        flaky=flaky_tests(runs),
    )


def _cannot_import(before: TestReport) -> bool:
    """pytest itself gave up at collection (3: internal error, 4: conftest.py failed to import)."""
    return not before.timed_out and not before.out_of_memory and before.exit_code in (3, 4) and not before.passing()


def _ended_badly(when: str, trouble: tuple[Reason, str], *runs: TestRun) -> Loss:
    reason, detail = trouble
    log = runs[-1].report.log_tail
    return Loss(reason=reason, detail=f"{when}: {detail}", log=log, evidence=evidence_of(*runs))


def evidence_of(*runs: TestRun) -> dict[str, bytes]:
    """The reports as evidence, by round and arm; those of the first round, which tells most, without its number."""
    return {
        f"{run.arm}.json" if run.round == 1 else f"round-{run.round}-{run.arm}.json": report_to_json(run.report)
        for run in runs
    }
