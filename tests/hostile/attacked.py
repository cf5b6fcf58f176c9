"""The repository that all cases attack, and a case played through the real stage."""

import os
from dataclasses import dataclass, replace

from swemill.ports import SandboxEngine
from swemill.reasons import Reason
from swemill.stages.judge import JudgeConfig, judge
from swemill.stages.validate import ValidateConfig, validate
from swemill.values import InstanceSpec, Limits, Loss, SandboxSpec, TestReport
from tests.hostile.cases import Attacker, Case, Files, Link
from tests.hostile.ways_out import MARKED_GOLD
from tests.unit.git_work_tree import git, write
from tests.unit.shapes_of_repositories import FAIL_TO_PASS, PASS_TO_PASS, Repository

SPEC = SandboxSpec(
    name=f"swemill-test-hostile-{os.getpid()}",
    image="",
    limits=Limits(memory_bytes=512 << 20, disk_bytes=256 << 20, wall_clock=300),
    effect_key="test-hostile",
    stage="judge",
    subject="owner__calc-1",
)


@dataclass(frozen=True, kw_only=True)
class End:
    """What came out of a case."""

    good: bool
    """Resolved, or validated."""
    reason: Reason | None
    detail: str
    log: str
    reports: tuple[TestReport, ...] = ()


class AttackedRepository(Repository):
    """A repository that can also make the diffs that only an attacker makes."""

    def hostile_diff(self, files: Files) -> bytes:
        """The git diff of changes with links and names of any bytes; they are undone again."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()
            elif isinstance(content, Link):
                path.unlink(missing_ok=True)
                path.symlink_to(content.target)
            else:
                data = content.encode() if isinstance(content, str) else content
                write(self.root, {os.fsencode(name): data})
        try:
            git(self.root, "add", "-A", "-f")
            return git(self.root, "diff", "--cached", "--binary", "HEAD")
        finally:
            git(self.root, "reset", "-q", "--hard")
            git(self.root, "clean", "-q", "-f", "-d", "-x")

    def attacked_by(self, case: Case) -> tuple[InstanceSpec, bytes]:
        """The instance, and the candidate to judge."""
        honest = self.instance(fix=dict(MARKED_GOLD))
        patch = case.patch or self.hostile_diff(case.files)
        if case.attacker is Attacker.GOLD:
            return replace(honest, patch=patch), b""
        if case.attacker is Attacker.TESTS:
            return replace(honest, test_patch=patch), b""
        if case.attacker is Attacker.REPOSITORY:
            return replace(honest, test_patch=patch, patch=self.diff({"other.py": "x = 1\n"})), b""
        return honest, patch


def play(case: Case, repository: AttackedRepository, engine: SandboxEngine, image: str) -> End:
    """Play one case through the stage that it attacks."""
    instance, candidate = repository.attacked_by(case)
    if case.attacker is Attacker.CANDIDATE:
        return judged(instance, candidate, engine, image, timeout=case.timeout)
    config = ValidateConfig(test_timeout=case.timeout, rounds=1)
    result = validate(instance, image, engine=engine, spec=replace(SPEC, stage="validate"), config=config)
    if isinstance(result, Loss):
        return End(good=False, reason=result.reason, detail=result.detail, log=result.log)
    reports = tuple(run.report for run in result.runs)
    return End(good=True, reason=None, detail="", log=reports[-1].log_tail, reports=reports)


def judged(instance: InstanceSpec, candidate: bytes, engine: SandboxEngine, image: str, *, timeout: float = 60) -> End:
    """Judge one candidate."""
    verdict = judge(
        instance,
        image,
        fail_to_pass=FAIL_TO_PASS,
        pass_to_pass=PASS_TO_PASS,
        candidate_patch=candidate,
        engine=engine,
        spec=SPEC,
        config=JudgeConfig(test_timeout=timeout),
    )
    reports = (verdict.report,) if verdict.report else ()
    log = verdict.report.log_tail if verdict.report else ""
    return End(good=verdict.resolved, reason=verdict.reason, detail=verdict.detail, log=log, reports=reports)
