"""Validate installed instances by execution."""

from sqlalchemy.orm import Session

from swemill.jobs.install import ensure_image
from swemill.jobs.load import environment_of, instance_spec
from swemill.jobs.perform import Done, Outcome, perform, sandbox_spec
from swemill.models import Validation
from swemill.reasons import Stage
from swemill.stages import validate as stage
from swemill.stages.validate import ValidateConfig
from swemill.store.facts import Work
from swemill.store.pending import pending_validations
from swemill.testreports.reader import report_to_json
from swemill.values import Loss, Validated
from swemill.wiring import Mill


def pending(mill: Mill) -> list[str]:
    """Installed instances whose newest environment was not validated, by id."""
    return [work.subject for work in waiting(mill)]


def waiting(mill: Mill) -> list[Work]:
    """The work that is pending."""
    key = _work(mill).config_key
    with mill.store.session() as session:
        items = pending_validations(session, key)
    return [_work(mill, item.subject, input_key=item.input_key) for item in items]


def validate(mill: Mill, instance_id: str) -> Done:
    """Run the tests before and after the gold patch, in one container.

    Raises:
        UnknownSubject: not harvested or not installed. SandboxUnavailable: retry.
    """
    with mill.store.session() as session:
        loaded, environment, effect = environment_of(session, instance_id)
    instance = instance_spec(mill, loaded.instance)
    config = ValidateConfig(test_timeout=mill.settings.test_timeout)
    work = _work(mill, instance_id, repository=instance.repository, input_key=effect)

    def do() -> Outcome:
        image = ensure_image(mill, loaded)
        result = stage.validate(
            instance,
            image,
            engine=mill.engine,
            spec=sandbox_spec(mill, work, image, wall_clock=2 * config.test_timeout + 300),
            config=config,
        )
        if isinstance(result, Loss):
            return Outcome.of_loss(result)
        return _outcome(instance_id, environment.id, result)

    return perform(mill, work, do)


def _work(mill: Mill, instance_id: str = "", *, repository: str | None = None, input_key: str = "") -> Work:
    return Work(
        stage=Stage.VALIDATE,
        subject=instance_id,
        instance_id=instance_id or None,
        repository=repository,
        config={"test_timeout": mill.settings.test_timeout, "memory": mill.settings.sandbox_memory},
        code_version=stage.CODE_VERSION,
        input_key=input_key,
    )


def _outcome(instance_id: str, environment_id: int, validated: Validated) -> Outcome:
    def save(session: Session, attempt_id: int) -> None:
        session.add(
            Validation(
                attempt_id=attempt_id,
                environment_id=environment_id,
                instance_id=instance_id,
                fail_to_pass=list(validated.fail_to_pass),
                pass_to_pass=list(validated.pass_to_pass),
            )
        )

    return Outcome(
        passed=True,
        detail=f"{len(validated.fail_to_pass)} FAIL_TO_PASS, {len(validated.pass_to_pass)} PASS_TO_PASS",
        log=validated.after.log_tail,
        evidence={
            "before.json": report_to_json(validated.before),
            "after.json": report_to_json(validated.after),
        },
        save=save,
    )
