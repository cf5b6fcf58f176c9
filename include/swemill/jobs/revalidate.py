"""Try accepted instances again, a sample each week: what rotted since goes into quarantine (``store.quarantine``).

The week is part of the configuration: each week's run is a fact of its own, and a second one in a week does nothing.
"""

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime

from swemill.jobs.install import ensure_image
from swemill.jobs.load import instance_spec, validation_of
from swemill.jobs.perform import Done, Outcome, asked, perform, sandbox_spec
from swemill.reasons import Stage
from swemill.stages import revalidate as stage
from swemill.stages.revalidate import RevalidateConfig
from swemill.store.facts import Work
from swemill.store.pending import pending_revalidations
from swemill.store.reprocess import as_asked
from swemill.values import Loss
from swemill.wiring import Mill

LEAST = 20
"""Instances of a week's sample, where there are as many, however small the share."""


def pending(mill: Mill, *, named: Collection[str] = (), week: str = "") -> list[str]:
    """What is to be tried again this week and was not yet, by id; of ``named`` instances, if there are any, these."""
    return [work.subject for work in waiting(mill, named=named, week=week)]


def config_key(mill: Mill) -> str:
    """The configuration as it is now, this week, as a key."""
    return _work(mill, this_week()).config_key


def waiting(mill: Mill, *, named: Collection[str] = (), week: str = "") -> list[Work]:
    """The work that is pending. ``week``: another one than the present (``this_week``)."""
    week = week or this_week()
    with mill.store.session() as session:
        items = pending_revalidations(
            session,
            _work(mill, week).config_key,
            seed=week,
            share=mill.settings.revalidation_share,
            least=LEAST,
            named=named,
        )
        return as_asked(session, [_work(mill, week, item.subject, input_key=item.input_key) for item in items])


def revalidate(mill: Mill, instance_id: str, *, week: str = "") -> Done:
    """Try one instance again under every condition, in the sample or not, quarantined or not.

    Raises:
        UnknownSubject: not harvested, installed or validated. SandboxUnavailable: retry.
    """
    with mill.store.session() as session:
        loaded, validation, effect = validation_of(session, instance_id)
    instance = instance_spec(mill, loaded.instance, loaded.environment)
    planned = _work(mill, week or this_week(), instance_id, repository=instance.repository, input_key=effect)
    work = asked(mill, planned)

    def do() -> Outcome:
        image = ensure_image(mill, loaded)
        result = stage.revalidate(
            instance,
            image,
            fail_to_pass=validation.fail_to_pass,
            pass_to_pass=validation.pass_to_pass,
            engine=mill.engine,
            spec=sandbox_spec(mill, work, image, wall_clock=mill.settings.test_timeout + 300),
            config=_config(mill),
        )
        if isinstance(result, Loss):
            return Outcome.of_loss(result)
        return Outcome(passed=True, detail=result.told(), evidence=result.evidence())

    return perform(mill, work, do)


def this_week() -> str:
    """The ISO week of the present moment (UTC), such as ``2026-W48``."""
    return f"{datetime.now(UTC):%G-W%V}"


def _config(mill: Mill) -> RevalidateConfig:
    return RevalidateConfig(test_timeout=mill.settings.test_timeout)


def _work(mill: Mill, week: str, instance_id: str = "", *, repository: str | None = None, input_key: str = "") -> Work:
    return Work(
        stage=Stage.REVALIDATE,
        subject=instance_id,
        instance_id=instance_id or None,
        repository=repository,
        config={**asdict(_config(mill)), "week": week, "memory": mill.settings.sandbox_memory},
        code_version=stage.CODE_VERSION,
        input_key=input_key,
    )
