"""Tables for people."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swemill.cli.context import printable
from swemill.embedded.doctor import Check
from swemill.jobs.bench_summary import Summary
from swemill.jobs.collect_images import ImageLine, in_units
from swemill.jobs.flakes import PassRate
from swemill.jobs.reprocess_choice import Count
from swemill.models import ApiBudget
from swemill.store.flakes import FlakyLine
from swemill.store.report import InstanceLine, LossCount, StageCount
from swemill.store.repository_report import RepositoryLine
from swemill.values import Strategy

_STATES = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "missing": "[red]missing[/]"}


def _console() -> Console:
    """A terminal has a width; a pipe or a log has none, and a cut or folded name there is of no use."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def print_checks(checks: Sequence[Check]) -> None:
    """One row a check."""
    table = Table(show_lines=False)
    for title in ("", "state", "found", "what to do"):
        table.add_column(title, overflow="fold")
    for item in checks:
        table.add_row(item.name, _STATES[item.state.value], escape(item.found), escape(item.way_out))
    _console().print(table)


def print_funnel(stages: Sequence[StageCount], losses: Sequence[LossCount], *, repositories: int) -> None:
    """The funnel with its losses beside it; ``repositories`` are those that discover keeps."""
    table = Table(title="Funnel", title_justify="left")
    table.add_column("stage")
    table.add_column("instances", justify="right")
    first = stages[0].count or 1
    table.add_column("of harvested", justify="right")
    for item in stages:
        table.add_row(item.stage, str(item.count), f"{item.count / first:.0%}")
    console = _console()
    if repositories:
        console.print(f"Repositories kept: {repositories}")
    console.print(table)
    if not losses:
        return
    console.print("Losses (discover: repositories; from rollout on: rollouts)")  # a title would be wrapped
    table = Table()
    table.add_column("stage")
    table.add_column("reason")
    table.add_column("count", justify="right")
    for loss in losses:
        table.add_row(loss.stage, loss.reason, str(loss.count))
    console.print(table)


def print_instances(lines: Sequence[InstanceLine]) -> None:
    """One row an instance."""
    table = Table()
    for title in ("instance", "repository", "reached", "lost at", "reason"):
        table.add_column(title, no_wrap=True)
    for line in lines:
        cells = (line.instance_id, line.repository, line.stage, line.lost_at or "", line.reason or "")
        table.add_row(*(escape(printable(cell)) for cell in cells))
    console = _console()
    console.print(table)
    console.print(f"{len(lines)} instances")


def print_repositories(lines: Sequence[RepositoryLine]) -> None:
    """One row a repository."""
    table = Table()
    for title in ("repository", "kept", "language", "licence", "stars", "reason", "detail"):
        table.add_column(title, justify="right" if title == "stars" else "left", no_wrap=title != "detail")
    for line in lines:
        kept = "yes" if line.kept else "no"
        stars = "" if line.stars is None else str(line.stars)
        # What was told when it was kept says less than the columns.
        why = "" if line.kept else line.detail
        cells = (line.name, kept, line.language or "", line.licence or "", stars, line.reason or "", why)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    console = _console()
    console.print(table)
    console.print(f"{len(lines)} {'repository' if len(lines) == 1 else 'repositories'}")


def print_losses(counts: Sequence[Count]) -> None:
    """One row a reason and repository, with the number of losses that are to be done again."""
    table = Table()
    for title in ("reason", "repository", "losses"):
        table.add_column(title, justify="right" if title == "losses" else "left", no_wrap=True)
    for one in counts:
        table.add_row(one.reason, escape(printable(one.repository)), str(one.count))
    _console().print(table)


def print_flakes(lines: Sequence[FlakyLine]) -> None:
    """One row a test, arm and environment that it was flaky in."""
    table = _table_of_tests("instance, environment", "seen (UTC)", "the instance")
    for line in lines:
        test, arm, rate = _pass_rate(line)
        if line.executions > line.runs:
            rate += f"\nof {line.executions} runs"
        lost = f"lost:\n{line.reason}" if line.reason else "test left out"
        table.add_row(*_cells(test, arm, rate, f"{line.instance_id}\n{_environment(line)}", _days(line), lost))
    _console().print(table)


def print_pass_rates(lines: Sequence[PassRate]) -> None:
    """One row a test, arm and environment of an instance."""
    table = _table_of_tests("environment", "seen (UTC)")
    for line in lines:
        table.add_row(*_cells(*_pass_rate(line), _environment(line), _days(line)))
    _console().print(table)


def _table_of_tests(*titles: str) -> Table:
    """A table whose first columns are ``_pass_rate``. Ids of tests are long, and no use when they are cut."""
    table = Table()
    for title in ("test", "arm", "passed", *titles):
        table.add_column(title, overflow="fold")
    return table


def _pass_rate(line: FlakyLine | PassRate) -> tuple[str, str, str]:
    return line.test, line.arm.value, f"{line.probability:.2f}  {line.passes}/{line.runs}"


def _environment(line: FlakyLine | PassRate) -> str:
    """Its strategy, and enough of the image's tag to find it in `swemill images`."""
    return f"{line.strategy} {line.image.rpartition(':')[2][:12]}"


def _days(line: FlakyLine | PassRate) -> str:
    """First and last."""
    return "\n".join(dict.fromkeys(f"{at.astimezone(UTC):%Y-%m-%d}" for at in (line.first_seen, line.last_seen)))


def _cells(*texts: str) -> list[str]:
    return [escape(printable(text)) for text in texts]


def print_budgets(rows: Sequence[ApiBudget], *, now: datetime) -> None:
    """One row a credential and resource that GitHub said something of. A quota whose hour is over is whole again."""
    table = Table()
    for title in ("credential", "resource", "left", "of", "whole again at (UTC)", "nothing before (UTC)", "because"):
        table.add_column(title, justify="right" if title in ("left", "of") else "left", no_wrap=True)
    for row in rows:
        if row.quota is None and row.blocked_until is None:
            continue  # refused credentials: nothing was said of their quota
        over = row.resets_at is not None and row.resets_at <= now
        left = row.quota if over else row.remaining
        blocked = row.blocked_until is not None and row.blocked_until > now
        table.add_row(
            row.credential[:12],
            row.resource,
            "" if left is None else str(left),
            "" if row.quota is None else str(row.quota),
            "" if row.resets_at is None or over else f"{row.resets_at.astimezone(UTC):%H:%M:%S}",
            f"{row.blocked_until.astimezone(UTC):%H:%M:%S}" if row.blocked_until and blocked else "",
            escape(printable(row.blocked_why)) if blocked else "",
        )
    _console().print(table)


def print_bench(title: str, summary: Summary) -> None:
    """One row a strategy, and below them what the adaptive one owes to which rule."""
    table = Table(title=title, title_justify="left")
    for name in ("strategy", "attempts", "successes", "percent", "95%", "median s", "MiB", "reasons"):
        table.add_column(name, justify="left" if name in ("strategy", "reasons") else "right")
    for one in summary.strategies:
        reasons = ", ".join(f"{reason} {count}" for reason, count in one.reasons.items())
        table.add_row(
            one.strategy.value,
            str(one.share.attempts),
            str(one.share.successes),
            f"{one.share.percent}",
            f"{one.share.low}-{one.share.high}",
            f"{one.median_seconds:.0f}",
            f"{one.bytes_unique >> 20}",
            reasons,
        )
    console = _console()
    console.print(table)
    if any(one.strategy is Strategy.ADAPTIVE for one in summary.strategies):
        console.print(f"adaptive without a repair: {summary.unrepaired}")
        for rule, count in summary.rules.items():
            console.print(f"adaptive by {escape(printable(rule))}: {count}")
    if summary.union.attempts:
        share = summary.union
        console.print(f"adaptive + reuse: {share.successes} of {share.attempts}, {share.percent}%")


def print_images(lines: Sequence[ImageLine]) -> None:
    """One row an image."""
    table = Table()
    for title in ("image", "level", "own size", "last used (UTC)", "instance", "state"):
        table.add_column(title, justify="right" if title == "own size" else "left", no_wrap=True)
    for line in lines:
        more = f" and {line.use.instances - 1} more" if line.use and line.use.instances > 1 else ""
        cells = (
            line.image.name,
            line.image.level.value if line.image.level else "",
            in_units(line.image.bytes),
            f"{line.last_used:%Y-%m-%d %H:%M}",
            f"{line.use.instance_id}{more}" if line.use else "",
            line.state,
        )
        table.add_row(*(escape(printable(cell)) for cell in cells))
    console = _console()
    console.print(table)
    console.print(f"{len(lines)} images, {in_units(sum(line.image.bytes for line in lines))}")
