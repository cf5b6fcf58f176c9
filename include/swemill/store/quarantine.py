"""Quarantine: instances that were accepted once and failed when they were tried again. The one place of that rule.

An instance is quarantined when the newest re-validation of its newest validation was lost. Its facts stay; it is rolled
out, judged, evaluated, released and exported no more. A re-validation that passes later lifts that, and so does a new
validation, of which there is no re-validation yet.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, Subquery, and_, exists, not_, select
from sqlalchemy.orm import Session, aliased

from swemill.errors import UserError
from swemill.models import Attempt
from swemill.reasons import Stage
from swemill.store.chain import newest_validations


class Quarantine(NamedTuple):
    """Why an instance is quarantined."""

    reason: str
    detail: str
    since: datetime


def standing_validations() -> Select[int, str, str, int]:
    """The newest validation of each instance that is not quarantined; columns as of ``newest_validations``."""
    newest = newest_validations().subquery()
    return select(newest.c.row_id, newest.c.instance_id, newest.c.effect, newest.c.instance_row).where(
        not_(is_quarantined(newest))
    )


def is_quarantined(validations: Subquery) -> ColumnElement[bool]:
    """Whether the row of ``newest_validations`` is the one of a quarantined instance."""
    return exists().where(*_quarantines(aliased(Attempt), validations))


def quarantining() -> Select[int]:
    """Ids of the attempts by which instances are quarantined now."""
    newest, lost = newest_validations().subquery(), aliased(Attempt)
    return select(lost.id).join(newest, and_(*_quarantines(lost, newest)))


def quarantine_of(session: Session, instance_id: str) -> Quarantine | None:
    """Why the instance is quarantined; None: it is not."""
    newest, lost = newest_validations(instance_id).subquery(), aliased(Attempt)
    row = session.execute(
        select(lost.reason, lost.detail, lost.finished_at).join(newest, and_(*_quarantines(lost, newest)))
    ).first()
    return Quarantine(row[0] or "", row[1], row[2]) if row else None


def refuse_quarantined(session: Session, instance_id: str) -> None:
    """Raises UserError, with the reason, when the instance is quarantined."""
    if found := quarantine_of(session, instance_id):
        raise UserError(
            f"{instance_id} is quarantined since {found.since:%Y-%m-%d} ({found.reason}: {found.detail}); `swemill "
            f"explain {instance_id}` tells more, and a `swemill revalidate {instance_id}` that passes lifts it"
        )


def _quarantines(lost: type[Attempt], newest: Subquery) -> tuple[ColumnElement[bool], ...]:
    later = aliased(Attempt)
    return (
        lost.stage == Stage.REVALIDATE.value,
        lost.subject == newest.c.instance_id,
        lost.input_key == newest.c.effect,
        not_(lost.passed),
        not_(
            exists().where(
                later.stage == lost.stage,
                later.subject == lost.subject,
                later.input_key == lost.input_key,
                later.id > lost.id,
            )
        ),
    )
