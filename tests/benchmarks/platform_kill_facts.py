"""What came of the drill's validations, less what depends on when it was done; and how two runs of it differ."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from swemill.models import Attempt, Incident, TestExecution, Validation
from swemill.reasons import Stage
from swemill.wiring import Mill
from tests.benchmarks.platform_kill_archive import Truth
from tests.fact_counts import fact_counts


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One attempt at a validation."""

    instance: str
    effect_key: str
    passed: bool
    reason: str | None
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    strength: float | None = None
    labels: tuple[str, ...] = ()
    runs: tuple[tuple[str, int, str, int, int], ...] = ()
    """Arm, round, order, passed and failed tests of each recorded run of the tests, in order; one twice shows twice."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that must not depend on what was killed."""

    attempts: tuple[Fact, ...]
    rows: Mapping[str, int]
    """Rows by table."""


def facts_of(mill: Mill) -> Facts:
    """The facts of the stage validate. Raises StoreUnavailable."""
    attempts = select(Attempt).where(Attempt.stage == Stage.VALIDATE.value).order_by(Attempt.subject, Attempt.id)
    runs = select(TestExecution).order_by(TestExecution.arm, TestExecution.round, TestExecution.id)
    with mill.store.session() as session:
        validations = {one.attempt_id: one for one in session.scalars(select(Validation))}
        of_attempt: dict[int, list[TestExecution]] = {}
        for run in session.scalars(runs):
            of_attempt.setdefault(run.attempt_id, []).append(run)
        found = tuple(
            _fact(one, validations.get(one.id), of_attempt.get(one.id, [])) for one in session.scalars(attempts)
        )
        return Facts(attempts=found, rows=fact_counts(session))


def _fact(attempt: Attempt, validation: Validation | None, runs: list[TestExecution]) -> Fact:
    return Fact(
        instance=attempt.subject,
        effect_key=attempt.effect_key,
        passed=attempt.passed,
        reason=attempt.reason,
        fail_to_pass=tuple(validation.fail_to_pass) if validation else (),
        pass_to_pass=tuple(validation.pass_to_pass) if validation else (),
        strength=validation.strength if validation else None,
        labels=tuple(validation.labels) if validation else (),
        runs=tuple((run.arm, run.round, run.order_seed, run.passed, run.failed) for run in runs),
    )


def done_so_far(mill: Mill) -> int:
    """How many validations have ended. Raises StoreUnavailable."""
    with mill.store.session() as session:
        counted = select(func.count()).select_from(Attempt).where(Attempt.stage == Stage.VALIDATE.value)
        return session.scalar(counted) or 0


def incidents_of(mill: Mill) -> Counter[str]:
    """Infrastructure trouble that validations met and noted, by cause."""
    with mill.store.session() as session:
        return Counter(session.scalars(select(Incident.cause).where(Incident.stage == Stage.VALIDATE.value)))


def differences(quiet: Facts, other: Facts) -> Iterator[str]:
    """What a run has otherwise than the undisturbed one, in words."""
    before, after = Counter(quiet.attempts), Counter(other.attempts)
    for fact in sorted((before - after).elements(), key=str):
        yield f"missing: {fact}"
    for fact in sorted((after - before).elements(), key=str):
        yield f"added: {fact}"
    for table in sorted(quiet.rows.keys() | other.rows.keys()):
        if (was := quiet.rows.get(table, 0)) != (now := other.rows.get(table, 0)):
            yield f"{now} rows of {table}, not {was}"


def untruths(facts: Facts, truths: Mapping[str, Truth]) -> Iterator[str]:
    """What differs from what the archive was made for, and what was done more than once."""
    counts = Counter(one.instance for one in facts.attempts)
    for instance in sorted(truths.keys() | counts.keys()):
        if counts[instance] != (1 if instance in truths else 0):
            yield f"{instance} has {counts[instance]} attempts"
    for one in facts.attempts:
        found = Truth(reason=one.reason, fail_to_pass=one.fail_to_pass, pass_to_pass=one.pass_to_pass)
        if (wanted := truths.get(one.instance)) is not None and found != wanted:
            yield f"{one.instance} is {found}, not {wanted}"
        runs = Counter(run[:2] for run in one.runs)
        yield from (f"{one.instance} has round {number} {arm} {n} times" for (arm, number), n in runs.items() if n > 1)
