"""Work that somebody wants done again: which losses there are, and the requests that make them pending once more.

A verdict is never deleted. A request names the attempt that is not to count as tried any more (``store.pending``), and
each request on the same work gives it another effect key, so the next attempt is a new fact beside the old one. It is
fulfilled when that fact is there: nobody has asked for the new attempt, so it counts again. Whoever dies in between
leaves the request, and the work pending.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Subquery, exists, func, not_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session, aliased

from swemill.models import Attempt, Environment, ReprocessRequest
from swemill.reasons import Reason, Stage
from swemill.store.chain import newest_environments, newest_instances, newest_validations
from swemill.store.facts import Work, storable
from swemill.store.pending import newest_rollouts
from swemill.store.quarantine import is_quarantined, standing_validations
from swemill.values import Window

_BATCH = 1000
"""Rows of one statement."""


class Lost(NamedTuple):
    """The newest attempt of a subject (at install: by one strategy), which was lost."""

    subject: str
    instance_id: str
    repository: str
    reason: str
    strategy: str | None
    lost_at: datetime
    input_key: str
    """What the work would start from now: another one than then, perhaps."""


class WorkKey(NamedTuple):
    """What an attempt of a stage is looked up by."""

    subject: str
    config_key: str
    input_key: str


class Tried(NamedTuple):
    """The newest attempt of some work."""

    attempt_id: int
    passed: bool
    asked: bool
    """Somebody asked that it be made again, and it was not yet."""


def losses(
    session: Session,
    stage: Stage,
    *,
    window: Window,
    reasons: Collection[Reason] = (),
    strategies: Collection[str] = (),
) -> list[Lost]:
    """What ``stage`` lost and could be done now, the oldest loss first.

    What is history is left out: withdrawn instances, rollouts of those in quarantine, re-validations of those that are
    not, work whose input is gone, instances that another strategy has installed, subjects whose newest attempt passed.

    Args:
        stage: install, validate, revalidate, rollout or judge.
        window: when the loss was recorded.
        reasons: only these; none: all.
        strategies: only attempts by these; none: all.
    """
    strategy = Attempt.config["strategy"].astext
    newest = (
        select(
            Attempt.id,
            Attempt.subject,
            Attempt.instance_id,
            Attempt.repository,
            Attempt.passed,
            Attempt.reason,
            Attempt.finished_at,
            strategy.label("strategy"),
        )
        .where(Attempt.stage == stage.value)
        .ext(distinct_on(Attempt.subject, strategy))
        .order_by(Attempt.subject, strategy, Attempt.id.desc())
        .subquery()
    )
    inputs = _inputs(stage)
    query = (
        select(
            newest.c.subject,
            inputs.c.instance_id,
            func.coalesce(newest.c.repository, ""),
            newest.c.reason,
            newest.c.strategy,
            newest.c.finished_at,
            inputs.c.effect,
        )
        .join(inputs, _starts_from(stage, newest, inputs))
        .where(not_(newest.c.passed), newest.c.finished_at >= window.since, newest.c.finished_at < window.until)
        .order_by(newest.c.finished_at, newest.c.id)
    )
    if reasons:
        query = query.where(newest.c.reason.in_([reason.value for reason in reasons]))
    if strategies:
        query = query.where(newest.c.strategy.in_(strategies))
    return [Lost(*row) for row in session.execute(query)]


def newest_tries(session: Session, stage: Stage, keys: Sequence[WorkKey]) -> dict[WorkKey, Tried]:
    """The newest attempt of each work that has one."""
    identity = (Attempt.subject, Attempt.config_key, Attempt.input_key)
    asked = exists().where(ReprocessRequest.attempt_id == Attempt.id)
    newest = (
        select(*identity, Attempt.id, Attempt.passed, asked)
        .where(Attempt.stage == stage.value, Attempt.config_key.in_({key.config_key for key in keys}))
        .ext(distinct_on(*identity))
        .order_by(*identity, Attempt.id.desc())
    )
    wanted, subjects = set(keys), sorted({key.subject for key in keys})
    found = {}
    for start in range(0, len(subjects), _BATCH):
        for row in session.execute(newest.where(Attempt.subject.in_(subjects[start : start + _BATCH]))):
            if (key := WorkKey(*row[:3])) in wanted:
                found[key] = Tried(*row[3:])
    return found


def ask_again(session: Session, attempts: Collection[int], *, by: str, why: str) -> set[int]:
    """Ask that these attempts be made again; returns those that nobody had asked for before."""
    asked, wanted = set[int](), sorted(attempts)  # sorted: two who ask at once wait for each other, and never in a ring
    said = {"asked_by": storable(by), "why": storable(why)}
    for start in range(0, len(wanted), _BATCH):
        rows = [{"attempt_id": each, **said} for each in wanted[start : start + _BATCH]]
        query = insert(ReprocessRequest).values(rows).on_conflict_do_nothing(index_elements=["attempt_id"])
        asked |= set(session.scalars(query.returning(ReprocessRequest.attempt_id)))
    return asked


def as_asked(session: Session, works: Sequence[Work]) -> list[Work]:
    """The works with the number of times that each was asked to be done again, which gives them their effect keys."""
    if not works:
        return []
    counts = (
        select(Attempt.stage, Attempt.subject, Attempt.config_key, Attempt.input_key, func.count())
        .join(ReprocessRequest, ReprocessRequest.attempt_id == Attempt.id)
        .where(Attempt.stage.in_({work.stage.value for work in works}))
        .group_by(Attempt.stage, Attempt.subject, Attempt.config_key, Attempt.input_key)
    )
    if len(works) == 1:
        counts = counts.where(Attempt.subject == works[0].subject)
    times = {tuple(row[:4]): row[4] for row in session.execute(counts)}
    return [
        replace(work, again=times.get((work.stage.value, work.subject, work.config_key, work.input_key), 0))
        for work in works
    ]


def _inputs(stage: Stage) -> Subquery:
    """What the stage's work starts from now, with ``instance_id`` and ``effect``; for judge also ``subject``."""
    match stage:
        case Stage.INSTALL:
            newest = newest_instances().subquery()
            made = aliased(Attempt)
            installed = exists().where(Environment.attempt_id == made.id, made.input_key == newest.c.effect)
            return select(newest).where(not_(installed)).subquery()
        case Stage.VALIDATE:
            return newest_environments().subquery()
        case Stage.REVALIDATE:
            newest = newest_validations().subquery()
            return select(newest).where(is_quarantined(newest)).subquery()
        case Stage.ROLLOUT:
            return standing_validations().subquery()
        case Stage.JUDGE:
            rolled_out = newest_rollouts().subquery()
            return select(rolled_out).where(rolled_out.c.passed).subquery()
        case _:
            raise ValueError(f"{stage.value} is not done again")


def _starts_from(stage: Stage, newest: Subquery, inputs: Subquery) -> ColumnElement[bool]:
    match stage:
        case Stage.ROLLOUT:
            return newest.c.instance_id == inputs.c.instance_id
        case Stage.JUDGE:
            return newest.c.subject == inputs.c.subject
        case _:
            return newest.c.subject == inputs.c.instance_id
