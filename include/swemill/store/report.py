"""Counting and explaining: the funnel, the list of instances, the history of one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from swemill.models import (
    Attempt,
    Environment,
    Incident,
    Instance,
    Judgement,
    Release,
    ReleaseItem,
    ReprocessRequest,
    Rollout,
    TrainingRun,
    Validation,
)
from swemill.reasons import Stage
from swemill.store import repository_report
from swemill.store.quarantine import quarantining
from swemill.store.withdrawal import withdrawn

FUNNEL = ("harvested", "installed", "validated", "rolled_out", "judged_resolved", "released")
"""Stages of the funnel, in order. Each counts distinct instances."""

# Of instances and rollouts. Release drops are no losses of a stage before it is reached, and training has no instances.
_LOSS_STAGES = (
    Stage.HARVEST,
    Stage.INSTALL,
    Stage.VALIDATE,
    Stage.REVALIDATE,
    Stage.ROLLOUT,
    Stage.JUDGE,
    Stage.RELEASE,
)
_RESOLVED = ("judged_resolved", "released")
_SHOWN = (Stage.REVALIDATE.value, Stage.RELEASE.value)
"""Losses that are shown of an instance that some policy resolved."""


@dataclass(frozen=True)
class StageCount:
    """How many instances reached a stage."""

    stage: str
    count: int


@dataclass(frozen=True)
class LossCount:
    """How many subjects a stage lost for a reason: repositories at ``discover``, rollouts from ``rollout`` on, between
    them instances."""

    stage: str
    reason: str
    count: int


class InstanceLine(NamedTuple):
    """One line of ``swemill instances``."""

    instance_id: str
    repository: str
    stage: str
    """The last stage that the instance passed, in the funnel's words; ``lost`` ones name where in ``lost_at``."""
    lost_at: str | None
    reason: str | None


def funnel(session: Session) -> tuple[list[StageCount], list[LossCount]]:
    """Counts per stage and losses per stage and reason. A withdrawn instance counts as lost at harvest alone."""
    stages = [
        StageCount(stage, session.scalar(select(func.count(func.distinct(column))).where(_is_held(column))) or 0)
        for stage, column in _reached_columns().items()
    ]
    lost = _current_losses().subquery()
    rows = session.execute(
        select(lost.c.stage, lost.c.reason, func.count()).group_by(lost.c.stage, lost.c.reason)
    ).all()
    found = [(Stage.DISCOVER.value, *loss) for loss in repository_report.losses(session).items()]
    order = [stage.value for stage in (Stage.DISCOVER, *_LOSS_STAGES)]
    losses = [
        LossCount(*row) for row in sorted([*rows, *found], key=lambda row: (order.index(row[0]), -row[2], row[1]))
    ]
    return stages, losses


def _current_losses() -> Any:
    """The newest loss of each (stage, subject) that never passed that stage; of a withdrawn instance, its harvest.

    Of re-validation, which passes and is lost again and again, those that keep an instance in quarantine.
    """
    passed = aliased(Attempt)
    is_harvest = Attempt.stage == Stage.HARVEST.value
    is_held = _is_held(func.coalesce(Attempt.instance_id, Attempt.subject))
    ever_passed = exists().where(passed.stage == Attempt.stage, passed.subject == Attempt.subject, passed.passed)
    is_revalidation = Attempt.stage == Stage.REVALIDATE.value
    overcome = or_(and_(not_(is_revalidation), ever_passed), and_(is_revalidation, Attempt.id.not_in(quarantining())))
    rolled_out = aliased(Attempt)
    # A release passes as a whole: which rollouts got through it, its items tell.
    released = exists().where(
        Attempt.stage == Stage.RELEASE.value,
        rolled_out.subject == Attempt.subject,
        Rollout.attempt_id == rolled_out.id,
        ReleaseItem.rollout_id == Rollout.id,
    )
    return (
        select(Attempt.stage, Attempt.subject, Attempt.instance_id, Attempt.repository, Attempt.reason)
        .where(
            not_(Attempt.passed),
            Attempt.reason.is_not(None),
            Attempt.stage.in_([stage.value for stage in _LOSS_STAGES]),
            or_(and_(is_held, not_(overcome)), and_(not_(is_held), is_harvest)),
            not_(released),
        )
        .ext(distinct_on(Attempt.stage, Attempt.subject))
        .order_by(Attempt.stage, Attempt.subject, Attempt.id.desc())
    )


def instances(
    session: Session, *, stage: str | None = None, reason: str | None = None, repository: str | None = None
) -> list[InstanceLine]:
    """Instances and rejected pull requests with where they stand, filtered.

    Args:
        stage: last stage passed (a funnel word), or the stage that lost it (``harvest``, ``install`` ...).
        reason: a ``Reason`` value.
        repository: exact name, or a part of it.
    """
    reached: dict[str, str] = {}
    for word, column in _reached_columns().items():
        for (found,) in session.execute(select(column).where(_is_held(column)).distinct()):
            reached[found] = word
    lost: dict[str, list[tuple[str, str]]] = {}
    # Of all that was lost of an instance, quarantine matters most.
    rank = {item.value: place for place, item in enumerate((*_LOSS_STAGES, Stage.REVALIDATE))}
    for row in sorted(session.execute(_current_losses()), key=lambda row: rank[row.stage], reverse=True):
        lost.setdefault(row.instance_id or row.subject, []).append((row.stage, row.reason))
    names = dict(
        session.execute(
            select(func.coalesce(Attempt.instance_id, Attempt.subject), func.max(Attempt.repository))
            .where(Attempt.repository.is_not(None), Attempt.stage != Stage.DISCOVER.value)
            .group_by(func.coalesce(Attempt.instance_id, Attempt.subject))
        ).all()
    )
    lines = []
    for key in sorted(reached.keys() | lost.keys()):
        word = reached.get(key, "none")
        every = [InstanceLine(key, names.get(key) or "", word, *loss) for loss in lost.get(key, [])]
        # A rollout lost by one policy is no loss of an instance that another policy resolved, unless it is asked for.
        if not every or (reason is None and word in _RESOLVED and every[0].lost_at not in (stage, *_SHOWN)):
            every = [InstanceLine(key, names.get(key) or "", word, None, None)]
        lines += [line for line in every if _wanted(line, stage=stage, reason=reason, repository=repository)][:1]
    return lines


def _reached_columns() -> dict[str, Any]:
    return {
        "harvested": Instance.instance_id,
        "installed": Environment.instance_id,
        "validated": Validation.instance_id,
        "rolled_out": Rollout.instance_id,
        "judged_resolved": _resolved_instance(),
        "released": ReleaseItem.instance_id,
    }


def _is_held(instance_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the instance is not withdrawn."""
    return instance_id.not_in(withdrawn())


def _resolved_instance() -> Any:
    return select(Judgement.instance_id).where(Judgement.resolved).subquery().c.instance_id


def _wanted(line: InstanceLine, *, stage: str | None, reason: str | None, repository: str | None) -> bool:
    return (
        (stage is None or stage in (line.stage, line.lost_at))
        and (reason is None or reason == line.reason)
        and (repository is None or repository in line.repository)
    )


def history(session: Session, instance_id: str) -> list[Attempt]:
    """Every attempt on an instance and on its rollouts, oldest first."""
    return list(session.scalars(select(Attempt).where(_about(instance_id)).order_by(Attempt.id)))


def incidents(session: Session, instance_id: str) -> list[Incident]:
    """Infrastructure failures seen while working on an instance, oldest first."""
    about = or_(Incident.subject == instance_id, Incident.subject.startswith(f"{instance_id}@", autoescape=True))
    return list(session.scalars(select(Incident).where(about).order_by(Incident.id)))


class AskedAgain(NamedTuple):
    """Somebody asked that a lost attempt be made again."""

    stage: str
    subject: str
    reason: str | None
    """Of the loss."""
    asked_at: datetime
    asked_by: str
    why: str


def asked_again(session: Session, instance_id: str) -> list[AskedAgain]:
    """What somebody asked to be done again of an instance and its rollouts, oldest first."""
    rows = session.execute(
        select(
            Attempt.stage,
            Attempt.subject,
            Attempt.reason,
            ReprocessRequest.asked_at,
            ReprocessRequest.asked_by,
            ReprocessRequest.why,
        )
        .join(ReprocessRequest, ReprocessRequest.attempt_id == Attempt.id)
        .where(_about(instance_id))
        .order_by(ReprocessRequest.id)
    )
    return [AskedAgain(*row) for row in rows]


def _about(instance_id: str) -> ColumnElement[bool]:
    return or_(Attempt.instance_id == instance_id, and_(Attempt.instance_id.is_(None), Attempt.subject == instance_id))


@dataclass(frozen=True, kw_only=True)
class NewestResults:
    """What the end of a pass shows."""

    release: str | None
    rows: int
    checkpoint: str | None
    first_loss: float
    final_loss: float
    evaluations: list[str]


def newest_results(session: Session) -> NewestResults:
    """The newest release, checkpoint, and evaluation of each policy and split."""
    release = session.scalars(select(Release).order_by(Release.id.desc()).limit(1)).first()
    training = session.scalars(select(TrainingRun).order_by(TrainingRun.id.desc()).limit(1)).first()
    evaluations = session.execute(
        select(Attempt.subject, Attempt.detail)
        .where(Attempt.stage == Stage.EVALUATE.value, Attempt.passed)
        .ext(distinct_on(Attempt.subject))
        .order_by(Attempt.subject, Attempt.id.desc())
    )
    return NewestResults(
        release=release.name if release else None,
        rows=release.rows if release else 0,
        checkpoint=training.checkpoint if training else None,
        first_loss=training.first_loss if training else 0.0,
        final_loss=training.final_loss if training else 0.0,
        evaluations=[f"{subject}: {detail}" for subject, detail in evaluations],
    )
