"""Finding work. "Pending" is always an anti-join: subjects of the ``chain`` without an attempt of this effect.

An attempt that somebody asked to be made again (``store.reprocess``) does not count as one.
"""

from collections.abc import Collection, Sequence
from math import ceil
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, not_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from swemill.models import Attempt, Environment, Instance, ReprocessRequest, Rollout
from swemill.reasons import Stage
from swemill.store.chain import newest_environments, newest_instances, newest_validations
from swemill.store.quarantine import is_quarantined, standing_validations


class Pending(NamedTuple):
    """One subject to work on."""

    subject: str
    instance_id: str
    input_key: str


def pending_installs(session: Session, ladder: Sequence[str], *, reuse: str = "") -> list[Pending]:
    """Instances that no strategy of the ladder (config keys, in order) has installed and some has not tried.

    The strategy with the key ``reuse`` counts for an instance as soon as it has a neighbour to take an environment of.
    """
    newest = newest_instances().subquery()
    tried = aliased(Attempt)
    same = and_(
        tried.stage == Stage.INSTALL.value,
        tried.subject == newest.c.instance_id,
        tried.input_key == newest.c.effect,
        tried.config_key.in_(ladder),
        _counts(tried),
    )
    attempts = select(func.count()).select_from(tried).where(same).correlate(newest).scalar_subquery()
    mine, other = aliased(Instance), aliased(Instance)
    neighbour = exists().where(
        mine.id == newest.c.row_id,
        other.repository == mine.repository,
        other.instance_id != mine.instance_id,
        Environment.instance_id == other.instance_id,
        Environment.environment_image != "",
    )
    strategies = len(set(ladder))
    to_try = case((neighbour, strategies), else_=strategies - 1) if reuse in ladder else literal(strategies)
    rows = session.execute(
        select(newest.c.instance_id, newest.c.effect)
        .where(not_(exists().where(same, tried.passed)), attempts < to_try)
        .order_by(newest.c.instance_id)
    )
    return [Pending(instance_id, instance_id, effect) for instance_id, effect in rows]


def pending_validations(session: Session, config_key: str) -> list[Pending]:
    """Instances whose newest environment has no validation attempt of this configuration."""
    newest = newest_environments().subquery()
    rows = session.execute(
        select(newest.c.instance_id, newest.c.effect)
        .where(_untried(Stage.VALIDATE, newest.c.instance_id, newest.c.effect, config_key))
        .order_by(newest.c.instance_id)
    )
    return [Pending(instance_id, instance_id, effect) for instance_id, effect in rows]


def pending_revalidations(
    session: Session, config_key: str, *, seed: str, share: float, least: int, named: Collection[str] = ()
) -> list[Pending]:
    """Validated instances that are to be tried again, and were not yet in this configuration.

    What is quarantined, all of it, so that what passes again comes back; then a sample of everything that was ever
    accepted, as large as ``share`` says and no smaller than ``least``, in an order that ``seed`` shuffles. Where some
    are ``named``, these and nothing else, in the sample or not.
    """
    newest = newest_validations().subquery()
    untried = _untried(Stage.REVALIDATE, newest.c.instance_id, newest.c.effect, config_key)
    found = select(newest.c.instance_id, newest.c.effect).where(untried)
    if named:
        chosen = found.where(newest.c.instance_id.in_(named)).order_by(newest.c.instance_id)
    else:
        accepted = newest_validations().subquery()
        size = max(least, ceil(share * (session.scalar(select(func.count()).select_from(accepted)) or 0)))
        sample = select(accepted.c.instance_id).order_by(_shuffled(seed, accepted.c.instance_id)).limit(size)
        suspect = is_quarantined(newest)
        chosen = found.where(or_(suspect, newest.c.instance_id.in_(sample))).order_by(
            suspect.desc(), _shuffled(seed, newest.c.instance_id)
        )
    return [Pending(instance_id, instance_id, effect) for instance_id, effect in session.execute(chosen)]


def pending_rollouts(session: Session, policy_name: str, number: int, config_key: str) -> list[Pending]:
    """Validated instances on which this policy's ``number``-th rollout has not been made; none in quarantine."""
    newest = standing_validations().subquery()
    subject = newest.c.instance_id + literal(f"@{policy_name}#{number}")
    rows = session.execute(
        select(subject, newest.c.instance_id, newest.c.effect)
        .where(_untried(Stage.ROLLOUT, subject, newest.c.effect, config_key))
        .order_by(newest.c.instance_id)
    )
    return [Pending(*row) for row in rows]


def pending_judgements(session: Session, config_key: str) -> list[Pending]:
    """Rollouts with a patch that have no judgement of this configuration, the newest of each subject."""
    newest = newest_rollouts().subquery()
    rows = session.execute(
        select(newest.c.subject, newest.c.instance_id, newest.c.effect)
        .where(newest.c.passed, _untried(Stage.JUDGE, newest.c.subject, newest.c.effect, config_key))
        .order_by(newest.c.subject)
    )
    return [Pending(*row) for row in rows]


def newest_rollouts() -> Select[str, str, str, bool]:
    """The newest rollout of each subject on its instance's newest validation; none of an instance in quarantine.

    As (subject, instance_id, effect, passed); one that passed has a patch to judge.
    """
    validations = standing_validations().subquery()
    return (
        select(Attempt.subject, Rollout.instance_id, Attempt.effect_key.label("effect"), Attempt.passed)
        .join(Rollout, Rollout.attempt_id == Attempt.id)
        .join(validations, validations.c.row_id == Rollout.validation_id)
        .ext(distinct_on(Attempt.subject))
        .order_by(Attempt.subject, Rollout.id.desc())
    )


def _shuffled(seed: str, instance_id: ColumnElement[str]) -> ColumnElement[str]:
    return func.md5(literal(f"{seed}/") + instance_id)


def _untried(
    stage: Stage, subject: ColumnElement[str], input_key: ColumnElement[str], config_key: str
) -> ColumnElement[bool]:
    tried = aliased(Attempt)
    return not_(
        exists().where(
            tried.stage == stage.value,
            tried.subject == subject,
            tried.input_key == input_key,
            tried.config_key == config_key,
            _counts(tried),
        )
    )


def _counts(tried: type[Attempt]) -> ColumnElement[bool]:
    """Whether nobody asked that this attempt be made again."""
    return not_(exists().where(ReprocessRequest.attempt_id == tried.id))
