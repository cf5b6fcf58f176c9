"""Loading what stages start from: an instance's newest facts, rollouts with their verdicts, validated instances."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, and_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from swemill.errors import UnknownSubject
from swemill.models import (
    Attempt,
    Environment,
    Instance,
    Judgement,
    Policy,
    PullRequest,
    Repository,
    Rollout,
    Sighting,
    Validation,
)
from swemill.store.chain import newest_environments, newest_instances, newest_validations
from swemill.store.quarantine import standing_validations
from swemill.store.sightings import newest_sighted
from swemill.store.withdrawal import refuse_withdrawn

_BATCH = 200
"""Rows in memory: a large suite's test names alone are a megabyte."""


class LoadedInstance(NamedTuple):
    """The newest facts about an instance as far as a stage needs them."""

    instance: Instance
    instance_effect: str
    repository: Repository | None = None
    location: str = ""
    """Where the repository is now."""
    environment: Environment | None = None
    environment_effect: str | None = None
    validation: Validation | None = None
    validation_effect: str | None = None


class LoadedRollout(NamedTuple):
    """A rollout with what judging and releasing it needs."""

    rollout: Rollout
    attempt: Attempt
    policy: Policy
    validation: Validation
    judgement: Judgement | None = None
    judgement_effect: str | None = None


def load_instance(session: Session, instance_id: str) -> LoadedInstance:
    """The newest instance, environment and validation facts; the validation may have been made in an older environment.

    Raises:
        UnknownSubject: no such instance was harvested, or it is withdrawn.
    """
    found = session.execute(
        select(Instance, Attempt.effect_key, Repository, newest_sighted(Sighting.location))
        .join(Attempt, Attempt.id == Instance.attempt_id)
        .outerjoin(Repository, and_(Repository.name == Instance.repository, Repository.forge == Instance.forge))
        .where(Instance.instance_id == instance_id)
        .order_by(Instance.id.desc())
        .limit(1)
    ).first()
    if found is None:
        raise UnknownSubject(f"no instance {instance_id!r} was harvested; `swemill instances` lists what there is")
    instance, instance_effect, repository, moved_to = found
    refuse_withdrawn(session, instance)
    environment = session.execute(
        select(Environment, Attempt.effect_key)
        .join(Attempt, Attempt.id == Environment.attempt_id)
        .where(Environment.instance_id == instance_id, Attempt.input_key == instance_effect)
        .order_by(Environment.id.desc())
        .limit(1)
    ).first()
    validations = newest_validations(instance_id).subquery()
    validation = session.execute(
        select(Validation, validations.c.effect).join(validations, validations.c.row_id == Validation.id)
    ).first()
    return LoadedInstance(
        instance=instance,
        instance_effect=instance_effect,
        repository=repository,
        location=moved_to or (repository.location if repository else ""),
        environment=environment[0] if environment else None,
        environment_effect=environment[1] if environment else None,
        validation=validation[0] if validation else None,
        validation_effect=validation[1] if validation else None,
    )


class ProvenEnvironment(NamedTuple):
    """An environment that works, of one instance of a repository."""

    instance_id: str
    base_committed_at: datetime
    plans_blob: str


def proven_environments(session: Session, repository: str, *, but: str) -> list[ProvenEnvironment]:
    """The newest shared environments of a repository's instances, ``but`` one instance's own."""
    newest = newest_environments().subquery()
    rows = session.execute(
        select(Instance.instance_id, Instance.base_committed_at, Environment.plans_blob)
        .join(newest, newest.c.instance_row == Instance.id)
        .join(Environment, Environment.id == newest.c.row_id)
        .where(
            Instance.repository == repository,
            Instance.instance_id != but,
            Environment.environment_image != "",
            Environment.plans_blob.is_not(None),
        )
        .order_by(Instance.instance_id)
    )
    return [ProvenEnvironment(name, committed_at, str(blob)) for name, committed_at, blob in rows]


def load_rollout(session: Session, subject: str) -> LoadedRollout:
    """The newest rollout of a subject ``instance@policy#number``.

    Raises:
        UnknownSubject: there is none.
    """
    found = session.execute(_rollouts().where(Attempt.subject == subject).order_by(Rollout.id.desc()).limit(1)).first()
    if found is None:
        raise UnknownSubject(f"no rollout {subject!r}; `swemill explain INSTANCE` lists an instance's rollouts")
    rollout, attempt, policy, validation = found
    return LoadedRollout(rollout, attempt, policy, validation)


def resolved_rollouts(session: Session) -> list[LoadedRollout]:
    """Every rollout judged resolved, with the newest judgement, in the order of subjects."""
    return [row for row in judged_rollouts(session) if row.judgement is not None and row.judgement.resolved]


def judged_rollouts(session: Session) -> list[LoadedRollout]:
    """The newest rollout of each subject and policy on its instance's newest validation, with its newest judgement.

    None of an instance in quarantine.
    """
    newest = standing_validations().subquery()
    judged = aliased(Attempt)
    rows = session.execute(
        select(Rollout, Attempt, Policy, Validation, Judgement, judged.effect_key)
        .join(Attempt, Attempt.id == Rollout.attempt_id)
        .join(Validation, Validation.id == Rollout.validation_id)
        .join(Policy, Policy.id == Rollout.policy_id)
        .join(newest, newest.c.row_id == Rollout.validation_id)
        .outerjoin(Judgement, Judgement.rollout_id == Rollout.id)
        .outerjoin(judged, judged.id == Judgement.attempt_id)
        .ext(distinct_on(Attempt.subject, Rollout.policy_id))
        .order_by(Attempt.subject, Rollout.policy_id, Rollout.id.desc(), Judgement.id.desc())
    )
    return [LoadedRollout(*row) for row in rows]


class ValidatedInstance(NamedTuple):
    """A validated instance with everything an export needs."""

    instance: Instance
    environment: Environment
    validation: Validation


def validated_instances(session: Session) -> Iterator[ValidatedInstance]:
    """Every validated instance that is not in quarantine, with its newest validation, by id.

    They come in batches while the session is open: all together fill a machine's memory.
    """
    newest = standing_validations().subquery()
    rows = session.execute(
        select(Instance, Environment, Validation)
        .join(newest, newest.c.instance_row == Instance.id)
        .join(Validation, Validation.id == newest.c.row_id)
        .join(Environment, Environment.id == Validation.environment_id)
        .order_by(Instance.instance_id)
        .execution_options(yield_per=_BATCH)
    )
    return (ValidatedInstance(*row) for row in rows)


class HeldPull(NamedTuple):
    """The pull request of an instance that is not withdrawn."""

    instance_id: str
    repository: str
    content_hash: str
    revision: int


def held_pulls(session: Session, forge: str, repositories: Sequence[str]) -> list[HeldPull]:
    """The pull requests of all instances that these repositories (first names) have now."""
    newest = newest_instances().subquery()
    rows = session.execute(
        select(Instance.instance_id, Instance.repository, PullRequest.content_hash, PullRequest.revision)
        .join(newest, newest.c.row_id == Instance.id)
        .join(PullRequest, PullRequest.id == Instance.pull_request_id)
        .where(Instance.forge == forge, Instance.repository.in_(repositories))
        .order_by(Instance.instance_id)
    )
    return [HeldPull(*row) for row in rows]


def validated_ids(session: Session) -> list[tuple[str, str]]:
    """Instance id and repository of every validated instance that is not in quarantine, by id."""
    newest = standing_validations().subquery()
    rows = session.execute(
        select(Instance.instance_id, Instance.repository)
        .join(newest, newest.c.instance_row == Instance.id)
        .order_by(Instance.instance_id)
    )
    return [(instance_id, repository) for instance_id, repository in rows]


def _rollouts() -> Select[Rollout, Attempt, Policy, Validation]:
    return (
        select(Rollout, Attempt, Policy, Validation)
        .join(Validation, Validation.id == Rollout.validation_id)
        .join(Attempt, Attempt.id == Rollout.attempt_id)
        .join(Policy, Policy.id == Rollout.policy_id)
    )
