"""Judge the patches of rollouts, each in a fresh container."""

from sqlalchemy.orm import Session

from swemill.errors import UnknownSubject
from swemill.jobs.install import ensure_image
from swemill.jobs.load import instance_spec, standing_validation_of
from swemill.jobs.perform import Done, Outcome, asked, perform, sandbox_spec
from swemill.jobs.rollout import Subject
from swemill.models import Judgement
from swemill.reasons import Stage
from swemill.stages import judge as stage
from swemill.stages.judge import JudgeConfig
from swemill.store.facts import Work
from swemill.store.loading import load_rollout
from swemill.store.pending import pending_judgements
from swemill.store.reprocess import as_asked
from swemill.testreports.reader import report_to_json
from swemill.values import Verdict
from swemill.wiring import Mill


def pending(mill: Mill) -> list[str]:
    """Rollouts with a patch and without a verdict, by subject."""
    return [work.subject for work in waiting(mill)]


def config_key(mill: Mill) -> str:
    """The configuration as it is now, as a key."""
    return _work(mill, "", input_key="").config_key


def waiting(mill: Mill) -> list[Work]:
    """The work that is pending."""
    key = config_key(mill)
    with mill.store.session() as session:
        items = pending_judgements(session, key)
        return as_asked(session, [_work(mill, item.subject, input_key=item.input_key) for item in items])


def judge(mill: Mill, subject: str) -> Done:
    """Judge one rollout.

    Raises:
        UnknownSubject: no such rollout, or it was made on an earlier validation. UserError: the instance is
            quarantined. SandboxUnavailable: retry.
    """
    parsed = Subject.parse(subject)
    with mill.store.session() as session:
        found = load_rollout(session, subject)
        loaded, validation, _ = standing_validation_of(session, parsed.instance_id)
    if found.validation.id != validation.id:
        raise UnknownSubject(f"{subject} was made on an earlier validation of {parsed.instance_id}; roll out again")
    instance = instance_spec(mill, loaded.instance, loaded.environment)
    config = _config(mill)
    work = asked(mill, _work(mill, subject, input_key=found.attempt.effect_key, repository=instance.repository))

    def do() -> Outcome:
        image = ensure_image(mill, loaded)
        verdict = stage.judge(
            instance,
            image,
            fail_to_pass=found.validation.fail_to_pass,
            pass_to_pass=found.validation.pass_to_pass,
            candidate_patch=mill.blobs.get(found.rollout.patch_blob),
            engine=mill.engine,
            spec=sandbox_spec(mill, work, image, wall_clock=config.test_timeout + 300),
            config=config,
        )
        return _outcome(mill, parsed.instance_id, found.rollout.id, verdict)

    return perform(mill, work, do)


def _config(mill: Mill) -> JudgeConfig:
    return JudgeConfig(test_timeout=mill.settings.test_timeout)


def _work(mill: Mill, subject: str, *, input_key: str, repository: str | None = None) -> Work:
    return Work(
        stage=Stage.JUDGE,
        subject=subject,
        instance_id=subject.partition("@")[0] or None,
        repository=repository,
        config={"test_timeout": mill.settings.test_timeout, "memory": mill.settings.sandbox_memory},
        code_version=stage.CODE_VERSION,
        input_key=input_key,
    )


def _outcome(mill: Mill, instance_id: str, rollout_id: int, verdict: Verdict) -> Outcome:
    patch_blob = mill.blobs.put(verdict.patch)

    def save(session: Session, attempt_id: int) -> None:
        session.add(
            Judgement(
                attempt_id=attempt_id,
                rollout_id=rollout_id,
                instance_id=instance_id,
                resolved=verdict.resolved,
                fail_to_pass_passed=verdict.fail_to_pass_passed,
                fail_to_pass_total=verdict.fail_to_pass_total,
                pass_to_pass_passed=verdict.pass_to_pass_passed,
                pass_to_pass_total=verdict.pass_to_pass_total,
                patch_blob=patch_blob,
            )
        )

    counts = (
        f"FAIL_TO_PASS {verdict.fail_to_pass_passed}/{verdict.fail_to_pass_total}, "
        f"PASS_TO_PASS {verdict.pass_to_pass_passed}/{verdict.pass_to_pass_total}"
    )
    report = verdict.report
    return Outcome(
        passed=verdict.resolved,
        reason=verdict.reason,
        detail=f"{verdict.detail} ({counts})" if verdict.detail else counts,
        log=report.log_tail if report else "",
        evidence={"report.json": report_to_json(report)} if report else {},
        save=save,
    )
