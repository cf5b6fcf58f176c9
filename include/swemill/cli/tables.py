"""Tables for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from swemill.cli.context import printable
from swemill.embedded.doctor import Check
from swemill.store.report import InstanceLine, LossCount, StageCount

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


def print_funnel(stages: Sequence[StageCount], losses: Sequence[LossCount]) -> None:
    """The funnel with its losses beside it."""
    table = Table(title="Funnel", title_justify="left")
    table.add_column("stage")
    table.add_column("instances", justify="right")
    first = stages[0].count or 1
    table.add_column("of harvested", justify="right")
    for item in stages:
        table.add_row(item.stage, str(item.count), f"{item.count / first:.0%}")
    console = _console()
    console.print(table)
    if not losses:
        return
    table = Table(title="Losses (from rollout on: rollouts)", title_justify="left")
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
