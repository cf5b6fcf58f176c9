"""What a bench's records say, as counts: for a table and for programs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from swemill.adapters.archive_commits import Half
from swemill.jobs.bench_journal import BenchRecord
from swemill.statistics import wilson
from swemill.values import Strategy


@dataclass(frozen=True, kw_only=True)
class Share:
    """Successes of attempts."""

    attempts: int
    successes: int
    percent: float
    low: float
    """Lower end of Wilson's 95% interval, in percent."""
    high: float

    @classmethod
    def of(cls, successes: int, attempts: int) -> "Share":
        """The share with its interval; of nothing it is 0%, anywhere between 0 and 100."""
        interval = wilson(successes, attempts)
        return cls(
            attempts=attempts,
            successes=successes,
            percent=round(100 * successes / attempts, 1) if attempts else 0.0,
            low=round(100 * interval.low, 1),
            high=round(100 * interval.high, 1),
        )


@dataclass(frozen=True, kw_only=True)
class StrategySummary:
    """One strategy."""

    strategy: Strategy
    share: Share
    median_seconds: float
    """Of all its attempts."""
    bytes_unique: int
    """Of the images of its successes above the base images; what several of them share counts once."""
    reasons: Mapping[str, int]
    """Losses by reason, the most frequent first."""
    kinds: Mapping[str, int]
    """Losses by what the last try failed of, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All strategies, and what the adaptive one owes to its rules."""

    strategies: tuple[StrategySummary, ...]
    unrepaired: int
    """Successes of ``adaptive`` whose first idea worked, or another one without a repair."""
    rules: Mapping[str, int]
    """Successes of ``adaptive`` whose candidate carries the rule; several rules may share one."""
    union: Share
    """Commits that ``adaptive`` or ``reuse`` installs, of those that either tried."""


def summarise(records: Iterable[BenchRecord]) -> Summary:
    """Count the records of one version of the code."""
    by_strategy: dict[Strategy, list[BenchRecord]] = {}
    for record in records:
        by_strategy.setdefault(record.strategy, []).append(record)
    found = [by_strategy.get(strategy, []) for strategy in (Strategy.ADAPTIVE, Strategy.REUSE)]
    adaptive = [record for record in found[0] if record.success]
    tried = {(record.repository, record.commit) for part in found for record in part}
    works = {(record.repository, record.commit) for part in found for record in part if record.success}
    return Summary(
        strategies=tuple(_one(strategy, by_strategy[strategy]) for strategy in Strategy if strategy in by_strategy),
        unrepaired=sum(not record.rules for record in adaptive),
        rules=_counted(rule for record in adaptive for rule in dict.fromkeys(record.rules)),
        union=Share.of(len(works), len(tried)),
    )


def counts(records: Sequence[BenchRecord], *, code_version: str, not_done: int) -> dict[str, Any]:
    """Everything for programs: the counts of all records and of each half."""
    parts = {half.value: [record for record in records if record.half is half] for half in Half}
    return {
        "code_version": code_version,
        "commits": len({(record.repository, record.commit) for record in records}),
        "not_done": not_done,
        "all": asdict(summarise(records)),
        **{half: asdict(summarise(part)) for half, part in parts.items() if part},
    }


def _one(strategy: Strategy, records: Sequence[BenchRecord]) -> StrategySummary:
    works = [record for record in records if record.success]
    lost = [record for record in records if not record.success]
    layers = {tag: size for record in works for tag, size in record.layers.items()}
    return StrategySummary(
        strategy=strategy,
        share=Share.of(len(works), len(records)),
        median_seconds=round(median(record.seconds for record in records), 1),
        bytes_unique=sum(layers.values()),
        reasons=_counted(record.reason.value for record in lost if record.reason),
        kinds=_counted(record.kind for record in lost if record.kind),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
