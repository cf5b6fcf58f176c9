"""Inserting facts. Each function writes one attempt with its details in one transaction, or nothing if it is there."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from swemill.effects import canonical, config_key, content_hash, effect_key
from swemill.errors import UserError
from swemill.models import Attempt, Incident, Instance, Policy, PullRequest, Repository
from swemill.reasons import Reason, Stage
from swemill.values import PolicySpec, PullRequestRecord, RepositoryRecord


class NameTaken(UserError):
    """A name stands for another repository already."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One piece of work before it is done: everything that identifies its attempt."""

    stage: Stage
    subject: str
    config: Mapping[str, Any]
    code_version: int
    input_key: str
    instance_id: str | None = None
    repository: str | None = None
    again: int = 0
    """How often it was asked to be done again (``store.reprocess.as_asked``)."""

    @property
    def config_key(self) -> str:
        """Hash of configuration and code version."""
        return config_key(self.stage, self.code_version, self.config)

    @property
    def effect_key(self) -> str:
        """The attempt's natural key."""
        return effect_key(
            subject=self.subject,
            stage=self.stage,
            config=self.config_key,
            input_key=self.input_key,
            again=self.again,
        )


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a piece of work ended."""

    passed: bool
    started_at: datetime
    reason: Reason | None = None
    detail: str = ""
    log_blob: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


def insert_attempt(session: Session, work: Work, ending: Ending) -> int | None:
    """Insert an attempt; None when this effect is recorded already (then nothing else must be written either)."""
    values = {
        "effect_key": work.effect_key,
        "stage": work.stage.value,
        "subject": work.subject,
        "instance_id": work.instance_id,
        "repository": work.repository,
        "config_key": work.config_key,
        "config": {**work.config, "code_version": work.code_version},
        "input_key": work.input_key,
        "passed": ending.passed,
        "reason": ending.reason.value if ending.reason else None,
        "detail": storable(ending.detail),
        "log_blob": ending.log_blob,
        "evidence": dict(ending.evidence),
        "started_at": ending.started_at,
        "finished_at": datetime.now(UTC),
    }
    return session.scalar(
        insert(Attempt).values(values).on_conflict_do_nothing(index_elements=["effect_key"]).returning(Attempt.id)
    )


class Recorded(NamedTuple):
    """How a recorded attempt ended."""

    passed: bool
    reason: str | None
    detail: str


def recorded(session: Session, key: str) -> Recorded | None:
    """The ending of the attempt with this effect key, if there is one."""
    row = session.execute(
        select(Attempt.passed, Attempt.reason, Attempt.detail).where(Attempt.effect_key == key)
    ).first()
    return Recorded(*row) if row else None


def renewed(session: Session, work: Work, *, anyway: bool = False) -> Work | None:
    """Work on a pull request as it is to be recorded now; None when the newest attempt at it is this very work.

    With ``anyway`` it is recorded even then: something besides the configuration has changed the verdict.

    A configuration or revision that comes back after another one decides anew: its input then counts how often. What
    another forge said under the same subject is left out of it.
    """
    forge = work.config["forge"]
    attempts = (
        select(Attempt.config_key, Attempt.input_key)
        .where(Attempt.stage == work.stage.value, Attempt.subject == work.subject)
        .where(Attempt.config["forge"].astext == forge)
        .order_by(Attempt.id.desc())
    )
    done = [(config, input_key.partition("#")[0]) for config, input_key in session.execute(attempts)]
    this = (work.config_key, work.input_key)
    if done and done[0] == this and not anyway:
        return None
    times = done.count(this)
    return replace(work, input_key=f"{work.input_key}#{times + 1}") if times else work


def has_effect(session: Session, key: str) -> bool:
    """True when the attempt with this effect key is recorded."""
    return session.scalar(select(Attempt.id).where(Attempt.effect_key == key)) is not None


def put_repository(session: Session, record: RepositoryRecord) -> int:
    """Id of the repository row, inserted on first sight.

    Raises:
        NameTaken: another repository of the forge was first seen under this name.
    """
    forge_id = record.forge_id or record.name
    values = {"forge": record.forge, "forge_id": forge_id, "name": record.name, "location": record.location}
    session.execute(insert(Repository).values(values).on_conflict_do_nothing())
    of_forge = select(Repository.id).where(Repository.forge == record.forge, Repository.forge_id == forge_id)
    found = session.scalars(of_forge).one_or_none()
    if found is None:
        raise NameTaken(f"{record.name} is the name under which another repository of {record.forge} was harvested")
    return found


def record_hash(record: PullRequestRecord) -> str:
    """Content hash of a pull request as the forge told it."""
    return content_hash(canonical(asdict(record)))


class StoredPull(NamedTuple):
    """A pull request row."""

    id: int
    revision: int
    fresh: bool
    """It was inserted just now."""


def put_pull_request(session: Session, repository_id: int, record: PullRequestRecord) -> StoredPull:
    """The newest row of the pull request, after inserting this record where it differs from it."""
    # Two workers must not both find the old revision: the one that comes second waits for the first one's commit.
    session.execute(select(Repository.id).where(Repository.id == repository_id).with_for_update())
    newest = session.execute(
        select(PullRequest.id, PullRequest.revision, PullRequest.content_hash)
        .where(PullRequest.repository_id == repository_id, PullRequest.number == record.number)
        .order_by(PullRequest.revision.desc())
        .limit(1)
    ).first()
    key = record_hash(record)
    if newest is not None and newest.content_hash == key:
        return StoredPull(newest.id, newest.revision, fresh=False)
    revision = newest.revision + 1 if newest is not None else 1
    row = PullRequest(
        repository_id=repository_id,
        number=record.number,
        revision=revision,
        content_hash=key,
        title=storable(record.title),
        body=storable(record.body),
        merged_at=record.merged_at,
        record=_json(asdict(record)),
    )
    session.add(row)
    session.flush()
    return StoredPull(row.id, revision, fresh=True)


def put_instance(session: Session, row: Instance) -> None:
    """Insert an instance, unless the newest one of its id says the same: then that stays what all else starts from."""
    newest = select(Instance).where(Instance.instance_id == row.instance_id).order_by(Instance.id.desc()).limit(1)
    before = session.scalars(newest).first()
    if before is None or _content(before) != _content(row):
        session.add(row)


def _content(row: Instance) -> dict[str, Any]:
    """What an instance says, whatever attempt made it."""
    own = ("id", "attempt_id", "pull_request_id")
    return {column.name: getattr(row, column.name) for column in Instance.__table__.columns if column.name not in own}


def put_policy(session: Session, policy: PolicySpec) -> int:
    """Id of the policy row with exactly this content."""
    key = content_hash(canonical(policy.config()))
    session.execute(
        insert(Policy)
        .values(content_hash=key, name=policy.name, agent=policy.agent, model=policy.model, config=policy.config())
        .on_conflict_do_nothing(index_elements=["content_hash"])
    )
    return session.scalars(select(Policy.id).where(Policy.content_hash == key)).one()


def record_incident(session: Session, *, stage: Stage, subject: str, error: Exception) -> None:
    """Note an infrastructure failure."""
    session.add(
        Incident(stage=stage.value, subject=subject, cause=type(error).__name__, message=storable(str(error))[:4000])
    )


def storable(value: str) -> str:
    """PostgreSQL's text cannot hold NUL nor half a surrogate pair: they are escaped, everything else is kept."""
    return value.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _json(value: Any) -> Any:
    """JSON-ready copy: datetimes as ISO text, NUL escaped."""
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Sequence):
        return [_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value
