"""What the flake ledger says: the tests that were flaky, or every test of one instance, counted from the reports."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from swemill.errors import UnknownSubject
from swemill.flakiness import passes, steadiness
from swemill.jobs.repository_patterns import repository_patterns
from swemill.jobs.windows import window
from swemill.store import report
from swemill.store.flakes import Execution, FlakyLine, Recorded, executions, flaky_lines, recorded
from swemill.testreports.reader import report_from_json
from swemill.values import Arm
from swemill.wiring import Mill


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which lines of the ledger are wanted."""

    repositories: tuple[str, ...] = ()
    """``owner/name``, with ``*`` and ``?`` for any letters. None: all."""
    instance_id: str | None = None
    since: datetime | None = None
    """Last seen then or later."""
    below: float | None = None
    """Only smaller pass probabilities."""
    limit: int


class PassRate(NamedTuple):
    """A test in an arm of an environment, counted over all runs that are recorded of it."""

    test: str
    arm: Arm
    environment: int
    image: str
    strategy: str
    passes: int
    runs: int
    first_seen: datetime
    """When the first validation in this environment ended."""
    last_seen: datetime

    @property
    def probability(self) -> float:
        """Share of the runs in which it passed."""
        return self.passes / self.runs


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The flaky tests that match."""

    filters: Filters
    lines: tuple[FlakyLine, ...]
    further: int
    """More that match, and are over the limit."""
    recorded: Recorded
    """All that there is; of one instance where one is named."""

    def summary(self) -> list[str]:
        """What a person is told, in lines."""
        held, instance = self.recorded, self.filters.instance_id
        if self.lines:
            return _over_limit(self.further)
        if not held.runs:
            return [_no_runs(instance)]
        of = instance or ("1 instance" if held.instances == 1 else f"{held.instances} instances")
        if not held.flaky:
            return [f"no flaky test in {held.runs} runs of the tests of {of}"]
        return [f"no flaky test matches; {held.flaky} known of {of}: give fewer or other filters"]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Every test of an instance."""

    instance_id: str
    lines: tuple[PassRate, ...]
    further: int
    """More that match, and are over the limit."""
    runs: int
    """Of the instance's tests, in all environments and both arms."""

    def summary(self) -> list[str]:
        """What a person is told, in lines."""
        if self.lines:
            return _over_limit(self.further)
        if not self.runs:
            return [_no_runs(self.instance_id)]
        return [f"no test matches in {self.runs} runs of the tests of {self.instance_id}"]


def filters(
    *,
    repositories: Iterable[str] = (),
    instance_id: str | None = None,
    since: str | None = None,
    below: float | None = None,
    limit: int,
) -> Filters:
    """Filters from the words of a command.

    Raises:
        UserError: a date or pattern cannot be meant.
    """
    return Filters(
        repositories=repository_patterns(repositories),
        instance_id=instance_id,
        since=window(since, None).since if since else None,
        below=below,
        limit=limit,
    )


def ledger(mill: Mill, wanted: Filters) -> Ledger:
    """The flaky tests that match, the steadiest last.

    Raises:
        UnknownSubject: nothing is known of the instance.
    """
    with mill.store.session() as session:
        lines, further = flaky_lines(
            session,
            repositories=wanted.repositories,
            instance_id=wanted.instance_id,
            since=wanted.since,
            below=wanted.below,
            limit=wanted.limit,
        )
        if not lines and wanted.instance_id is not None and not report.history(session, wanted.instance_id):
            raise _unknown(wanted.instance_id)
        held = recorded(session, wanted.instance_id)
    return Ledger(filters=wanted, lines=tuple(lines), further=further, recorded=held)


def every_test(mill: Mill, instance_id: str, *, below: float | None = None, limit: int) -> Counted:
    """Every test of an instance in each of its environments, counted from the reports of all runs, the steadiest last.

    A test that was steady in each validation and not the same in all of them is found only here.

    Raises:
        UnknownSubject: nothing is known of the instance. StoreUnavailable: a report cannot be read.
    """
    with mill.store.session() as session:
        runs = executions(session, instance_id)
        if not runs and not report.history(session, instance_id):
            raise _unknown(instance_id)
    by_arm: dict[tuple[int, Arm], list[Execution]] = {}
    for run in runs:
        by_arm.setdefault((run.environment, run.arm), []).append(run)
    found = sorted(
        (
            line
            for of_arm in by_arm.values()
            for line in _counted(mill, of_arm)
            if below is None or line.probability < below
        ),
        key=lambda line: (*steadiness(line.passes, line.runs), line.environment, line.arm, line.test),
    )
    taken = tuple(found[:limit])
    return Counted(instance_id=instance_id, lines=taken, further=len(found) - len(taken), runs=len(runs))


def _over_limit(further: int) -> list[str]:
    """A line that tells of what is not shown, where there is any."""
    return [f"and {further} more; --limit shows them"] if further else []


def _counted(mill: Mill, runs: list[Execution]) -> Iterator[PassRate]:
    """The tests of an arm of an environment. One report at a time is in memory."""
    one = runs[0]
    for test, times in passes(report_from_json(mill.blobs.get(run.report_blob)) for run in runs).items():
        yield PassRate(
            test=test,
            arm=one.arm,
            environment=one.environment,
            image=one.image,
            strategy=one.strategy,
            passes=times,
            runs=len(runs),
            first_seen=one.at,
            last_seen=runs[-1].at,
        )


def _unknown(instance_id: str) -> UnknownSubject:
    return UnknownSubject(f"nothing is known of {instance_id!r}; `swemill instances` lists what there is")


def _no_runs(instance_id: str | None) -> str:
    if instance_id is None:
        return "nothing is validated yet: no run of any tests is recorded; `swemill validate` makes them"
    return (
        f"no run of the tests of {instance_id} is recorded: it is not validated yet, or the first round lost it; "
        f"`swemill explain {instance_id}` tells"
    )
