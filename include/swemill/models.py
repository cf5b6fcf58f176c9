"""The nouns as SQLAlchemy 2 rows. Rows are FACTS: inserted, never overwritten.

Every fact is reached from an ``Attempt``: one piece of work on one subject, with its effect key (see ``effects``) and
its outcome. What a stage found out in detail lies in a table of its own, one row an attempt that passed. "Pending" is
an anti-join over these tables, not a status column.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Float, ForeignKey, Index, Integer, MetaData, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB, TSTZMULTIRANGE
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Base of all rows."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
        list[int]: JSONB,
        float: Float,
        int: BigInteger,
    }


class Repository(Base):
    """A repository of a forge, whatever it is called now (see ``Sighting``)."""

    __tablename__ = "repository"
    __table_args__ = (UniqueConstraint("forge", "name"), UniqueConstraint("forge", "forge_id"))

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    forge: Mapped[str]
    forge_id: Mapped[str]
    """The forge's own id, which survives renames; the name where the forge has none."""
    name: Mapped[str]
    """``owner/name`` as first seen: instance ids are made of it."""
    location: Mapped[str]
    """Where the forge found it then."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), init=False)


class Sighting(Base):
    """What a forge said of a repository. A new row only where it differs from the newest one before."""

    __tablename__ = "sighting"
    __table_args__ = (Index(None, "repository_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id"))
    name: Mapped[str]
    """``owner/name`` at that moment."""
    location: Mapped[str]
    """The URL to clone from at that moment."""
    record: Mapped[dict[str, Any]]
    """The whole ``RepositorySighting``; empty where only a new name was seen."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), init=False)


class ListingPage(Base):
    """A page of a repository's merged pull requests that was read and saved, with what it cost.

    Pages of one ``walk`` follow each other down from the last updated pull request; ``swemill.listing`` tells from the
    pages which pull requests must be known by now, and which page to ask for next.
    """

    __tablename__ = "listing_page"
    __table_args__ = (UniqueConstraint("repository_id", "walk", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id"))
    walk: Mapped[datetime]
    """The forge's clock at the first page of the walk: the walk knows nothing that happened later."""
    number: Mapped[int]
    """From 1."""
    oldest_update: Mapped[datetime | None]
    cursor: Mapped[str | None]
    """Where the next page starts; NULL: the walk reached the very first pull request."""
    pulls: Mapped[int]
    points: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), init=False)


class AskedWindow(Base):
    """The spans of merge dates for which a repository's pull requests are wanted: the union of all runs so far.

    It only ever grows, so asking twice, or in another order, ends in the same.
    """

    __tablename__ = "asked_window"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id"), primary_key=True)
    merged: Mapped[Any] = mapped_column(TSTZMULTIRANGE)


class ApiBudget(Base):
    """What is left of a credential's quota: no fact but a meter, kept where all workers see it."""

    __tablename__ = "api_budget"

    credential: Mapped[str] = mapped_column(primary_key=True)
    """A hash; never the token."""
    resource: Mapped[str] = mapped_column(primary_key=True)
    remaining: Mapped[int | None]
    """NULL until the forge said it."""
    quota: Mapped[int | None]
    resets_at: Mapped[datetime | None]
    minute: Mapped[datetime | None]
    """Start of the minute that ``spent_this_minute`` counts for."""
    spent_this_minute: Mapped[int]
    blocked_until: Mapped[datetime | None]
    blocked_why: Mapped[str]


class PullRequest(Base):
    """A pull request as the forge told it. An edited one is a new fact with the next revision, not an overwrite."""

    __tablename__ = "pull_request"
    __table_args__ = (
        UniqueConstraint("repository_id", "number", "revision"),
        Index(None, "repository_id", "merged_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id"))
    number: Mapped[int]
    revision: Mapped[int]
    """From 1. The highest one holds."""
    content_hash: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    merged_at: Mapped[datetime]
    record: Mapped[dict[str, Any]]
    """The whole record, as it came."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), init=False)


class Attempt(Base):
    """One piece of work on one subject and how it ended. Infrastructure failures are no attempts (see ``Incident``)."""

    __tablename__ = "attempt"
    __table_args__ = (
        Index(None, "stage", "subject", "config_key", "input_key"),
        Index(None, "instance_id"),
        Index(None, "stage", "reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    effect_key: Mapped[str] = mapped_column(unique=True)
    stage: Mapped[str]
    subject: Mapped[str]
    """What was worked on: an instance id, a rollout key, a release, a policy."""
    instance_id: Mapped[str | None]
    repository: Mapped[str | None]
    config_key: Mapped[str]
    config: Mapped[dict[str, Any]]
    input_key: Mapped[str]
    """Effect key or content hash of what it started from."""
    passed: Mapped[bool]
    reason: Mapped[str | None]
    """A ``Reason`` when not passed."""
    detail: Mapped[str]
    log_blob: Mapped[str | None]
    evidence: Mapped[dict[str, Any]]
    """Blob keys by name."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]


class ReprocessRequest(Base):
    """Somebody asked that an attempt be made again: it no longer stands in the way of its work.

    One row an attempt, so asking twice asks once. It is fulfilled by the next attempt of the same work, which nobody
    has asked to be made again; there is no flag to set.
    """

    __tablename__ = "reprocess_request"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    asked_by: Mapped[str]
    why: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now(), init=False)


class Instance(Base):
    """A task instance, in SWE-bench's terms; patches are blobs. One row a passed ``harvest`` attempt."""

    __tablename__ = "instance"
    __table_args__ = (Index(None, "instance_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    pull_request_id: Mapped[int] = mapped_column(ForeignKey("pull_request.id"))
    instance_id: Mapped[str]
    repository: Mapped[str]
    forge: Mapped[str]
    number: Mapped[int]
    base_commit: Mapped[str]
    base_committed_at: Mapped[datetime]
    base_inference: Mapped[str]
    patch_blob: Mapped[str]
    test_patch_blob: Mapped[str]
    problem_statement: Mapped[str]
    hints_text: Mapped[str]
    statement_source: Mapped[str]
    version: Mapped[str]
    issue_numbers: Mapped[list[int]]
    licence_path: Mapped[str]
    licence_blob: Mapped[str | None]
    created_at: Mapped[datetime]
    """When the pull request was opened; when it was merged where only that is known."""


class Environment(Base):
    """An environment that works for an instance. One row a passed ``install`` attempt."""

    __tablename__ = "environment"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    instance_id: Mapped[str] = mapped_column(index=True)
    strategy: Mapped[str]
    image: Mapped[str]
    """Tag that runs start from; the image can be rebuilt from the stored Dockerfile."""
    image_digest: Mapped[str]
    base_image: Mapped[str]
    python: Mapped[str]
    dockerfile_blob: Mapped[str]
    """What was done, for a person to read."""
    lock_blob: Mapped[str]
    collected: Mapped[int]
    seconds: Mapped[float]
    bytes: Mapped[int]
    environment_image: Mapped[str] = mapped_column(default="")
    """Tag of the shared image below; empty where the instance was built in one step."""
    plans_blob: Mapped[str | None] = mapped_column(default=None)
    """How its images are made again (``environment.plans_json``)."""
    test_runner: Mapped[str] = mapped_column(default="pytest")
    """What the suite is run with."""


class Validation(Base):
    """FAIL_TO_PASS and PASS_TO_PASS of an instance in an environment. One row a passed ``validate`` attempt."""

    __tablename__ = "validation"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    environment_id: Mapped[int] = mapped_column(ForeignKey("environment.id"))
    instance_id: Mapped[str] = mapped_column(index=True)
    fail_to_pass: Mapped[list[str]]
    pass_to_pass: Mapped[list[str]]
    strength: Mapped[float | None] = mapped_column(default=None)
    """Share of plausible wrong patches that the tests turn down; None: there was none to try."""
    labels: Mapped[list[str]] = mapped_column(default_factory=list)
    """Quality labels (``quality``, ``stages.admit``)."""


class TestExecution(Base):
    """One run of an instance's tests by a ``validate`` attempt, lost ones too: what a pass probability rests on."""

    __tablename__ = "test_execution"
    __test__ = False  # pytest would take the class for tests

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), index=True)
    environment_id: Mapped[int] = mapped_column(ForeignKey("environment.id"), index=True)
    arm: Mapped[str]
    """``before`` or ``after`` the gold patch."""
    round: Mapped[int]
    order_seed: Mapped[str]
    """What the tests were shuffled by; empty: they ran in the suite's own order."""
    passed: Mapped[int]
    failed: Mapped[int]
    report_blob: Mapped[str]
    seconds: Mapped[float]


class Flake(Base):
    """A test that passed in some runs of an arm and not in others: its pass probability is ``passes / runs``."""

    __tablename__ = "flake"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), index=True)
    environment_id: Mapped[int] = mapped_column(ForeignKey("environment.id"))
    instance_id: Mapped[str] = mapped_column(index=True)
    arm: Mapped[str]
    test: Mapped[str]
    passes: Mapped[int]
    runs: Mapped[int]


class Policy(Base):
    """Agent + model + prompt + limits."""

    __tablename__ = "policy"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    content_hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    agent: Mapped[str]
    model: Mapped[str]
    config: Mapped[dict[str, Any]]


class Rollout(Base):
    """One policy's trajectory on one instance, whatever its end. One row a ``rollout`` attempt, lost ones too."""

    __tablename__ = "rollout"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    validation_id: Mapped[int] = mapped_column(ForeignKey("validation.id"))
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy.id"))
    instance_id: Mapped[str] = mapped_column(index=True)
    number: Mapped[int] = mapped_column(Integer)
    """Which of the policy's attempts at this instance, from 1."""
    exit_status: Mapped[str]
    trajectory_blob: Mapped[str]
    patch_blob: Mapped[str]
    calls: Mapped[int]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    dollars: Mapped[float]
    seconds: Mapped[float]


class Judgement(Base):
    """The verdict on a rollout's patch. One row a ``judge`` attempt, resolved or not."""

    __tablename__ = "judgement"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    rollout_id: Mapped[int] = mapped_column(ForeignKey("rollout.id"))
    instance_id: Mapped[str] = mapped_column(index=True)
    resolved: Mapped[bool]
    fail_to_pass_passed: Mapped[int]
    fail_to_pass_total: Mapped[int]
    pass_to_pass_passed: Mapped[int]
    pass_to_pass_total: Mapped[int]
    patch_blob: Mapped[str]


class Release(Base):
    """An immutable SFT dataset. ``manifest`` carries counts, hashes and lineage."""

    __tablename__ = "release"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    dataset_blob: Mapped[str]
    manifest_blob: Mapped[str]
    rows: Mapped[int]
    manifest: Mapped[dict[str, Any]]


class ReleaseItem(Base):
    """Membership of a rollout in a release."""

    __tablename__ = "release_item"

    release_id: Mapped[int] = mapped_column(ForeignKey("release.id"), primary_key=True)
    rollout_id: Mapped[int] = mapped_column(ForeignKey("rollout.id"), primary_key=True)
    instance_id: Mapped[str] = mapped_column(index=True)


class TrainingRun(Base):
    """A finished fine-tuning job and its checkpoint. One row a passed ``train`` attempt."""

    __tablename__ = "training_run"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("release.id"))
    node: Mapped[str]
    job_id: Mapped[str]
    config_name: Mapped[str]
    steps: Mapped[int]
    first_loss: Mapped[float]
    final_loss: Mapped[float]
    result: Mapped[dict[str, Any]]
    checkpoint: Mapped[str]
    """Where the checkpoint folder lies."""
    checkpoint_sha256: Mapped[str]


class Evaluation(Base):
    """Resolved rate of a policy on a fixed set of instances, with its Wilson 95% interval."""

    __tablename__ = "evaluation"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), unique=True)
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy.id"))
    split: Mapped[str]
    instances: Mapped[int]
    resolved: Mapped[int]
    rate: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    outcomes: Mapped[dict[str, Any]]
    """Resolved or not, by instance id."""


class Incident(Base):
    """An infrastructure failure that was seen and retried. An observation for people, never a verdict."""

    __tablename__ = "incident"
    __table_args__ = (Index(None, "stage", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    stage: Mapped[str]
    subject: Mapped[str]
    cause: Mapped[str]
    message: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now(), init=False)
