"""Measure the strategies of installation on real commits: which share gets an environment that works, and by what.

What one attempt does is the caller's (``Attempt``); here is what makes many of them a measurement: each is made once
and kept at once, trouble of the infrastructure is never counted as a failure but tried again at the end, and `reuse`
comes last, because it needs the other commits' environments.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import NamedTuple, Protocol, TypeVar

from swemill.adapters.archive_commits import BenchCommit
from swemill.errors import Infrastructure, SwemillError
from swemill.jobs.bench_journal import BenchRecord, Journal, key_of
from swemill.values import Strategy

STRATEGIES = (Strategy.UNIFIED, Strategy.DATED, Strategy.ADAPTIVE, Strategy.REUSE)
"""Those that can be measured: a model's proposals differ from run to run and cost money."""
ROUNDS = 3
"""How often an attempt is made that meets infrastructure trouble."""

_Outcome = TypeVar("_Outcome")

Neighbours = Sequence[BenchRecord]
"""Successes on other commits of the same repository by strategies other than ``reuse``, the nearest in time first."""


class Attempt(Protocol):
    """Installs one commit by one strategy."""

    def __call__(self, commit: BenchCommit, strategy: Strategy, neighbours: Neighbours) -> BenchRecord:
        """What became of it; ``neighbours`` is empty but for ``reuse``. May be called by several threads at once.

        Raises an Infrastructure when nothing can be said of the commit, and a UserError when going on is of no use.
        """


class Work(NamedTuple):
    """One attempt to make."""

    commit: BenchCommit
    strategy: Strategy


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is known in the end."""

    records: tuple[BenchRecord, ...]
    """Of the commits and strategies asked for, those of earlier runs included."""
    troubled: tuple[Work, ...]
    """What infrastructure trouble left undone; a further run makes it."""


def measure(
    commits: Sequence[BenchCommit],
    *,
    strategies: Sequence[Strategy],
    attempt: Attempt,
    journal: Journal,
    code_version: str,
    jobs: int = 1,
    say: Callable[[str], None],
) -> Measured:
    """Make every attempt that the journal does not hold, up to ``jobs`` at a time, with a line to ``say`` for each.

    Raises:
        UserError, DiskFull, StoreUnavailable, KeyboardInterrupt: at once; what was measured is in the journal.
    """
    bench = _Bench(commits, attempt=attempt, journal=journal, code_version=code_version, jobs=jobs, say=say)
    by_itself = [Work(commit, strategy) for commit in commits for strategy in strategies if strategy != Strategy.REUSE]
    in_order = sorted(commits, key=lambda one: (one.date, one.repository, one.commit))
    last = [Work(commit, Strategy.REUSE) for commit in in_order if Strategy.REUSE in strategies]
    progress = _Progress(total=len(bench.pending([*by_itself, *last])))
    troubled = bench.do(by_itself, progress) + bench.do(last, progress)
    wanted = [key_of(*work, code_version) for work in (*by_itself, *last)]
    records = tuple(journal.records[key] for key in wanted if key in journal.records)
    return Measured(records=records, troubled=tuple(troubled))


@dataclass(kw_only=True)
class _Progress:
    """Counts attempts and guesses how long the rest will take."""

    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    def prefix(self) -> str:
        """Done of how many, and about how much time is left."""
        if not self.done:
            return f"[0/{self.total}]"
        left = (time.monotonic() - self.began) / self.done * (self.total - self.done)
        return f"[{self.done}/{self.total}, {timedelta(seconds=round(left))} left]"


class _Bench:
    def __init__(
        self,
        commits: Sequence[BenchCommit],
        *,
        attempt: Attempt,
        journal: Journal,
        code_version: str,
        jobs: int,
        say: Callable[[str], None],
    ) -> None:
        self._selected = {(one.repository, one.commit) for one in commits}
        self._attempt = attempt
        self._journal = journal
        self._code_version = code_version
        self._jobs = jobs
        self._say = say

    def pending(self, works: Sequence[Work]) -> list[Work]:
        """Those of which the journal holds no record."""
        return [work for work in works if key_of(*work, self._code_version) not in self._journal.records]

    def do(self, works: Sequence[Work], progress: _Progress) -> list[Work]:
        """Make what is pending; returns what trouble left undone."""
        todo = self.pending(works)
        for rest in range(ROUNDS - 1, -1, -1):
            troubled = []
            for work, outcome in self._outcomes(todo):
                if isinstance(outcome, Infrastructure):
                    troubled.append(work)
                    line = f"{type(outcome).__name__}: {outcome} ({'tried again later' if rest else 'not counted'})"
                else:
                    self._journal.add(outcome)
                    progress.done += 1
                    line = told(outcome)
                name = f"{work.commit.repository} {work.commit.commit[:10]} {work.strategy.value}"
                self._say(f"{progress.prefix()} {name}: {line}")
            todo = troubled
            if not todo:
                break
        return todo

    def _outcomes(self, works: Sequence[Work]) -> Iterator[tuple[Work, BenchRecord | Infrastructure]]:
        tried = map(self._tried, works) if self._jobs == 1 else _in_threads(self._tried, works, self._jobs)
        for work, outcome in tried:
            if isinstance(outcome, SwemillError) and not isinstance(outcome, Infrastructure):
                raise outcome
            yield work, outcome

    def _tried(self, work: Work) -> tuple[Work, BenchRecord | SwemillError]:
        neighbours = self._neighbours(work.commit) if work.strategy is Strategy.REUSE else ()
        try:
            return work, self._attempt(work.commit, work.strategy, neighbours)
        except SwemillError as error:
            return work, error

    def _neighbours(self, commit: BenchCommit) -> Neighbours:
        """Of this selection alone, whatever else the journal holds; and none of ``reuse``, so no order matters."""
        found = [
            record
            for record in self._journal.records.copy().values()
            if record.success
            and record.strategy is not Strategy.REUSE
            and record.code_version == self._code_version
            and record.repository == commit.repository
            and record.commit != commit.commit
            and (record.repository, record.commit) in self._selected
        ]
        return sorted(found, key=lambda one: (abs(one.date - commit.date), one.commit, one.strategy))


def told(record: BenchRecord) -> str:
    """One line of what became of an attempt."""
    rules = f" by {', '.join(record.rules)}" if record.rules else ""
    if record.success:
        return f"works{rules}, Python {record.python}, {record.collected} tests, {record.seconds:.0f} s"
    kind = f" {record.kind}" if record.kind else ""
    tries = f" after {len(record.tries)} tries" if record.tries else ""
    return f"lost ({record.reason}{kind}){tries}{rules}, {record.seconds:.0f} s: {record.detail}"


def _in_threads(do: Callable[[Work], _Outcome], works: Sequence[Work], jobs: int) -> Iterator[_Outcome]:
    """The outcomes as they come. The threads are let go when the caller is interrupted: none outlives the process."""
    waiting: SimpleQueue[Work] = SimpleQueue()
    for work in works:
        waiting.put(work)
    ended: SimpleQueue[_Outcome | None] = SimpleQueue()
    stopped = Event()

    def labour() -> None:
        while not stopped.is_set():
            try:
                work = waiting.get_nowait()
            except Empty:
                return
            outcome = None
            try:
                outcome = do(work)
            finally:
                ended.put(outcome)  # None: the thread dies of a fault of ours, and its traceback says of which

    for number in range(min(jobs, len(works))):
        Thread(target=labour, name=f"bench-{number}", daemon=True).start()
    try:
        for _ in works:
            outcome = _next(ended)
            if outcome is None:
                raise RuntimeError("an attempt ended by a fault of the bench; its traceback stands above")
            yield outcome
    finally:
        stopped.set()


def _next(ended: "SimpleQueue[_Outcome]") -> _Outcome:
    """Wait for an outcome and wake up every second: a Ctrl-C that comes just before a wait does not end the wait."""
    while True:
        try:
            return ended.get(timeout=1.0)
        except Empty:
            continue
