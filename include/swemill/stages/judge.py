"""Judging: does a candidate patch, and only it, turn FAIL_TO_PASS green and keep PASS_TO_PASS green?

The candidate is hostile. It gets a fresh sandbox; its sections that touch tests or test configuration are dropped; it
is applied; then every protected file is restored from the base commit, protected files that it added are removed, and
our test patch is applied on top. The verdict needs a run that reached its own end: a patch that calls ``os._exit(0)``
proves nothing, and a test without a result has not passed.

Code under test shares pytest's process, so a patch that searches its memory for the reporter could still speak through
it. What stands against that: report lines are sealed, changes of pytest are noticed (``TAMPERED``), a second result for
a test can make it worse but never better, and the exit code must agree with the report's end. docs/hostile.md tells
what was tried.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from swemill.grading import Grade, failure, grade, some
from swemill.patches import BadPatch, sanitise, shown
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.reasons import Reason
from swemill.stages.worktree import apply, files, layout_of, protection, restore, targets_of, untracked
from swemill.testreports.runner import run_tests
from swemill.values import InstanceSpec, SandboxSpec, TestReport, Verdict

CODE_VERSION = 3


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """What could change a verdict."""

    test_timeout: float = 600
    """Seconds for the test run."""


@dataclass(frozen=True, kw_only=True)
class _Case:
    instance: InstanceSpec
    patch: bytes
    fail_to_pass: Sequence[str]
    pass_to_pass: Sequence[str]
    empty_ends_it: bool
    env: Mapping[str, str]

    def verdict(self, reason: Reason | None, detail: str, *, report: TestReport | None = None) -> Verdict:
        counts: Grade = grade(report or _NOTHING, self.fail_to_pass, self.pass_to_pass)
        return Verdict(
            resolved=reason is None,
            reason=reason,
            detail=detail,
            fail_to_pass_passed=counts.fail_to_pass_passed,
            fail_to_pass_total=counts.fail_to_pass_total,
            pass_to_pass_passed=counts.pass_to_pass_passed,
            pass_to_pass_total=counts.pass_to_pass_total,
            patch=self.patch,
            report=report,
        )


_NOTHING = TestReport(outcomes={}, collected=0, finished=False)


def judge(
    instance: InstanceSpec,
    image: str,
    *,
    fail_to_pass: Sequence[str],
    pass_to_pass: Sequence[str],
    candidate_patch: bytes,
    engine: SandboxEngine,
    spec: SandboxSpec,
    config: JudgeConfig,
    empty_ends_it: bool = True,
    env: Mapping[str, str] | None = None,
) -> Verdict:
    """Judge ``candidate_patch`` in a fresh sandbox of ``image``; ``spec`` gives its name, limits and claim.

    The verdict's ``patch`` is the one judged: without sections that touch tests or their configuration. One of which
    nothing is left is a verdict at once, unless ``empty_ends_it`` is False: then the tests are run all the same.
    ``env`` is what their run has in its environment beyond, or other than, any run.

    Raises:
        SandboxUnavailable: the engine, the container or the image is not usable; says nothing about the patch.
        ValueError: ``fail_to_pass`` is empty, so there is nothing that a patch could show.
    """
    if not fail_to_pass:
        raise ValueError(f"{instance.instance_id} has no FAIL_TO_PASS test; only validated instances can be judged")
    case = _Case(
        instance=instance,
        patch=b"",
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
        empty_ends_it=empty_ends_it,
        env=env or {},
    )
    if not candidate_patch.strip() and empty_ends_it:
        return case.verdict(Reason.EMPTY_PATCH, "the patch is empty")
    # By names alone, before anything is started: most patches without code end here.
    rest = _without(case, candidate_patch, protection(instance.test_patch))
    if isinstance(rest, Verdict):
        return rest
    with engine.start(replace(spec, image=image)) as sandbox:
        return _judge_in(sandbox, rest, config)


def _without(case: _Case, patch: bytes, protected: Callable[[str], bool]) -> _Case | Verdict:
    """The case with what is left of ``patch`` without protected files; a verdict when nothing is, or may be."""
    try:
        sanitised = sanitise(patch, protected)
    except BadPatch as problem:
        return case.verdict(Reason.PATCH_DOES_NOT_APPLY, f"the patch is no git diff that may be applied: {problem}")
    case = replace(case, patch=sanitised.patch)
    if sanitised.patch.strip() or not case.empty_ends_it:
        return case
    dropped = some(shown(path) for path in sanitised.dropped)
    return case.verdict(Reason.EMPTY_PATCH, f"the patch touches only tests and their configuration: {dropped}")


def _judge_in(sandbox: RunningSandbox, named: _Case, config: JudgeConfig) -> Verdict:
    instance = named.instance
    layout = layout_of(sandbox, instance.base_commit)
    protected = protection(instance.test_patch, layout)
    case = _without(named, named.patch, protected)
    if isinstance(case, Verdict):
        return case
    restore(sandbox, instance.base_commit, protected)
    known = untracked(sandbox)
    if words := apply(sandbox, case.patch):
        return case.verdict(Reason.PATCH_DOES_NOT_APPLY, words)
    restore(sandbox, instance.base_commit, protected, known=known)
    if words := apply(sandbox, instance.test_patch):
        # Validation applied it to the same image: the candidate put a file where a test folder belongs, or the like.
        return case.verdict(Reason.PATCH_DOES_NOT_APPLY, f"the patch stands in the way of the tests: {words}")
    # Whatever this looks at is protected, so a candidate has no say in what runs.
    targets = targets_of(instance.test_patch, files(sandbox), layout)
    report = run_tests(sandbox, test_files=targets, timeout=config.test_timeout, env=case.env, runner=instance.runner)
    if trouble := failure(report):
        return case.verdict(trouble[0], trouble[1], report=report)
    counts = grade(report, case.fail_to_pass, case.pass_to_pass)
    if counts.fail_to_pass_missed:
        missed = f"not passing: {some(counts.fail_to_pass_missed)}"
        return case.verdict(Reason.FAIL_TO_PASS_FAILED, missed, report=report)
    if counts.pass_to_pass_missed:
        missed = f"not passing any more: {some(counts.pass_to_pass_missed)}"
        return case.verdict(Reason.PASS_TO_PASS_FAILED, missed, report=report)
    return case.verdict(None, "", report=report)
