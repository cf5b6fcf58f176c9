"""The flake ledger: tests that did not do the same twice, how often they passed, and what became of their instances.

A validation leaves a row of ``flake`` for each test that passed in some runs of an arm and not in all, and a row of
``test_execution``, with its report, for every run. A line of the ledger is a test in one arm of one environment, summed
over the validations in which it was flaky. Of those in which it was steady the rows do not say whether it passed; the
reports do (``executions``).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, literal, or_, select
from sqlalchemy.orm import Session

from swemill.models import Attempt, Environment, Flake, TestExecution
from swemill.values import Arm

_TEST = (Flake.environment_id, Flake.arm, Flake.test)
"""What the ledger has one line for; an environment belongs to one instance."""


class FlakyLine(NamedTuple):
    """A test that was flaky in an arm of an environment."""

    test: str
    instance_id: str
    repository: str
    arm: Arm
    environment: int
    image: str
    strategy: str
    passes: int
    runs: int
    """Of the validations in which it was flaky."""
    executions: int
    """Runs of the arm in this environment by all validations."""
    first_seen: datetime
    """When the first validation in which it was flaky ended."""
    last_seen: datetime
    reason: str | None
    """What the newest of these validations was lost for; None: the instance passed, and the test is in no list."""

    @property
    def probability(self) -> float:
        """Share of the runs in which it passed."""
        return self.passes / self.runs


class Recorded(NamedTuple):
    """What there is in the ledger at all."""

    instances: int
    runs: int
    flaky: int
    """Lines."""


class Execution(NamedTuple):
    """One run of an instance's tests."""

    environment: int
    image: str
    strategy: str
    arm: Arm
    report_blob: str
    at: datetime
    """When its validation ended."""


def flaky_lines(
    session: Session,
    *,
    repositories: Collection[str] = (),
    instance_id: str | None = None,
    since: datetime | None = None,
    below: float | None = None,
    limit: int,
) -> tuple[list[FlakyLine], int]:
    """The lines of the ledger with the steadiest last (``flakiness.steadiness``), and how many there are beyond these.

    Args:
        session: of the store.
        repositories: ``owner/name``, with ``*`` and ``?`` for any letters; none: all.
        instance_id: only this one's.
        since: last seen then or later.
        below: only those with a smaller pass probability.
        limit: most lines.
    """
    passes, runs = (cast(func.sum(column), BigInteger) for column in (Flake.passes, Flake.runs))
    unlike_half, probability = func.abs(2 * passes - runs) / runs, passes / runs
    query = (
        select(
            *_TEST,
            passes.label("passes"),
            runs.label("runs"),
            func.min(Attempt.finished_at).label("first_seen"),
            func.max(Attempt.finished_at).label("last_seen"),
            func.max(Flake.attempt_id).label("newest"),
            unlike_half.label("unlike_half"),
            probability.label("probability"),
            func.count().over().label("matching"),
        )
        .join(Attempt, Attempt.id == Flake.attempt_id)
        .group_by(*_TEST)
        .order_by(unlike_half, probability, *_TEST)
        .limit(limit)
    )
    if repositories:
        query = query.where(or_(*(_is_like(pattern) for pattern in repositories)))
    if instance_id is not None:
        query = query.where(Flake.instance_id == instance_id)
    if since is not None:
        query = query.having(func.max(Attempt.finished_at) >= since)
    if below is not None:
        query = query.having(passes < literal(below) * runs)
    page = query.subquery()
    executed = and_(TestExecution.environment_id == page.c.environment_id, TestExecution.arm == page.c.arm)
    rows = session.execute(
        select(
            page,
            Environment.instance_id,
            Environment.image,
            Environment.strategy,
            Attempt.repository,
            Attempt.reason,
            select(func.count()).where(executed).scalar_subquery().label("executions"),
        )
        .join(Environment, Environment.id == page.c.environment_id)
        .join(Attempt, Attempt.id == page.c.newest)
        .order_by(page.c.unlike_half, page.c.probability, *(page.c[column.key] for column in _TEST))
    ).all()
    return [_line(row) for row in rows], (rows[0].matching - len(rows) if rows else 0)


def flakes_of(session: Session, instance_id: str) -> dict[int, list[Flake]]:
    """The flaky tests of an instance by the attempt that met them, in the order of arms and ids."""
    found: dict[int, list[Flake]] = {}
    query = select(Flake).where(Flake.instance_id == instance_id).order_by(Flake.arm, Flake.test)
    for flake in session.scalars(query):
        found.setdefault(flake.attempt_id, []).append(flake)
    return found


def recorded(session: Session, instance_id: str | None = None) -> Recorded:
    """What the ledger holds, or holds of one instance."""
    ran = select(func.count(Environment.instance_id.distinct()), func.count()).join(
        TestExecution, TestExecution.environment_id == Environment.id
    )
    flaky = select(*_TEST).distinct()
    if instance_id is not None:
        ran = ran.where(Environment.instance_id == instance_id)
        flaky = flaky.where(Flake.instance_id == instance_id)
    instances, runs = session.execute(ran).one()
    return Recorded(instances, runs, session.scalar(select(func.count()).select_from(flaky.subquery())) or 0)


def executions(session: Session, instance_id: str) -> list[Execution]:
    """Every recorded run of an instance's tests, oldest first."""
    rows = session.execute(
        select(
            Environment.id,
            Environment.image,
            Environment.strategy,
            TestExecution.arm,
            TestExecution.report_blob,
            Attempt.finished_at,
        )
        .join(Environment, Environment.id == TestExecution.environment_id)
        .join(Attempt, Attempt.id == TestExecution.attempt_id)
        .where(Environment.instance_id == instance_id)
        .order_by(TestExecution.id)
    )
    return [Execution(row[0], row[1], row[2], Arm(row[3]), row[4], row[5]) for row in rows]


def _is_like(pattern: str) -> ColumnElement[bool]:
    """As ``fnmatch`` does, but for brackets, which no repository has in its name."""
    plain = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Attempt.repository.like(plain.replace("*", "%").replace("?", "_"), escape="\\")


def _line(row: Any) -> FlakyLine:
    return FlakyLine(
        test=row.test,
        instance_id=row.instance_id,
        repository=row.repository or "",
        arm=Arm(row.arm),
        environment=row.environment_id,
        image=row.image,
        strategy=row.strategy,
        passes=row.passes,
        runs=row.runs,
        executions=row.executions,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        reason=row.reason,
    )
