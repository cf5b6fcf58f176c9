"""Validate installed instances by execution."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from sqlalchemy.orm import Session

from swemill.jobs.install import ensure_image
from swemill.jobs.load import environment_of, instance_spec
from swemill.jobs.perform import Done, Outcome, asked, perform, sandbox_spec
from swemill.models import Flake, TestExecution, Validation
from swemill.reasons import Stage
from swemill.stages import validate as stage
from swemill.stages.admit import CODE_VERSION as ADMISSION
from swemill.stages.admit import AdmitConfig, Admitted, admit
from swemill.stages.validate import ValidateConfig
from swemill.store.facts import Work
from swemill.store.pending import pending_validations
from swemill.store.reprocess import as_asked
from swemill.testreports.reader import report_to_json
from swemill.values import FlakyTest, InstanceSpec, Loss, SandboxSpec, TestRun, Unsteady, Validated
from swemill.wiring import Mill


def pending(mill: Mill) -> list[str]:
    """Installed instances whose newest environment was not validated, by id."""
    return [work.subject for work in waiting(mill)]


def config_key(mill: Mill) -> str:
    """The configuration as it is now, as a key."""
    return _work(mill).config_key


def waiting(mill: Mill) -> list[Work]:
    """The work that is pending."""
    key = config_key(mill)
    with mill.store.session() as session:
        items = pending_validations(session, key)
        return as_asked(session, [_work(mill, item.subject, input_key=item.input_key) for item in items])


def validate(mill: Mill, instance_id: str) -> Done:
    """Run the tests before and after the gold patch, round by round; then put the instance to the checks of admission.

    Raises:
        UnknownSubject: not harvested or not installed. SandboxUnavailable: retry.
    """
    with mill.store.session() as session:
        loaded, environment, effect = environment_of(session, instance_id)
    instance = instance_spec(mill, loaded.instance, environment)
    work = asked(mill, _work(mill, instance_id, repository=instance.repository, input_key=effect))

    def do() -> Outcome:
        image = ensure_image(mill, loaded)
        spec = sandbox_spec(mill, work, image, wall_clock=2 * mill.settings.test_timeout + 300)
        result = stage.validate(instance, image, engine=mill.engine, spec=spec, config=_config(mill))
        runs, flaky = (result.runs, result.flaky) if isinstance(result, Validated | Unsteady) else ((), ())
        if isinstance(result, Loss):
            outcome = Outcome.of_loss(result)
        else:
            outcome = _admitted(mill, instance, image, spec, environment.id, result)
        reports = [mill.blobs.put(report_to_json(run.report)) for run in runs]

        def save(session: Session, attempt_id: int) -> None:
            if outcome.save is not None:
                outcome.save(session, attempt_id)
            session.add_all(_executions(attempt_id, environment.id, runs, reports))
            session.add_all(_flakes(attempt_id, environment.id, instance_id, flaky))

        return replace(outcome, save=save)

    return perform(mill, work, do)


def _config(mill: Mill) -> ValidateConfig:
    return ValidateConfig(test_timeout=mill.settings.test_timeout, rounds=mill.settings.validation_rounds)


def _admitted(
    mill: Mill, instance: InstanceSpec, image: str, spec: SandboxSpec, environment_id: int, validated: Validated
) -> Outcome:
    """What the four checks say of an instance that was validated."""
    result = admit(
        instance,
        image,
        fail_to_pass=validated.fail_to_pass,
        pass_to_pass=validated.pass_to_pass,
        engine=mill.engine,
        spec=spec,
        config=_admission(mill),
        gate=mill.leak_gate,
    )
    if isinstance(result, Loss):
        return Outcome.of_loss(result)
    return _outcome(instance.instance_id, environment_id, validated, result)


def _admission(mill: Mill) -> AdmitConfig:
    return AdmitConfig(test_timeout=mill.settings.test_timeout, wrong_patches=mill.settings.wrong_patches)


def _executions(
    attempt_id: int, environment_id: int, runs: Sequence[TestRun], reports: Sequence[str]
) -> Iterator[TestExecution]:
    for run, blob in zip(runs, reports, strict=True):
        yield TestExecution(
            attempt_id=attempt_id,
            environment_id=environment_id,
            arm=run.arm.value,
            round=run.round,
            order_seed=run.order_seed,
            passed=len(run.report.passing()),
            failed=len(run.report.failing()),
            report_blob=blob,
            seconds=run.report.seconds,
        )


def _flakes(attempt_id: int, environment_id: int, instance_id: str, flaky: Sequence[FlakyTest]) -> Iterator[Flake]:
    for one in flaky:
        yield Flake(
            attempt_id=attempt_id,
            environment_id=environment_id,
            instance_id=instance_id,
            arm=one.arm.value,
            test=one.test,
            passes=one.passes,
            runs=one.runs,
        )


def _work(mill: Mill, instance_id: str = "", *, repository: str | None = None, input_key: str = "") -> Work:
    return Work(
        stage=Stage.VALIDATE,
        subject=instance_id,
        instance_id=instance_id or None,
        repository=repository,
        config={
            **asdict(_config(mill)),
            "wrong_patches": mill.settings.wrong_patches,
            "admission": ADMISSION,
            "memory": mill.settings.sandbox_memory,
        },
        code_version=stage.CODE_VERSION,
        input_key=input_key,
    )


def _outcome(instance_id: str, environment_id: int, validated: Validated, admitted: Admitted) -> Outcome:
    def save(session: Session, attempt_id: int) -> None:
        session.add(
            Validation(
                attempt_id=attempt_id,
                environment_id=environment_id,
                instance_id=instance_id,
                fail_to_pass=list(validated.fail_to_pass),
                pass_to_pass=list(validated.pass_to_pass),
                strength=admitted.strength,
                labels=list(admitted.labels()),
            )
        )

    counts = f"{len(validated.fail_to_pass)} FAIL_TO_PASS, {len(validated.pass_to_pass)} PASS_TO_PASS"
    turned_down = sum(not one.resolved for one in admitted.tried)
    detail = f"{counts}; {turned_down} of {len(admitted.tried)} wrong patches turned down"
    if validated.flaky:
        detail += f"; {len({one.test for one in validated.flaky})} flaky tests left out"
    evidence = stage.evidence_of(*validated.runs)
    return Outcome(
        passed=True,
        detail=detail,
        log=validated.runs[-1].report.log_tail,
        evidence={**evidence, "admission.json": admitted.evidence()},
        save=save,
    )
