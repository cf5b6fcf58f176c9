"""The verb that reads the flake ledger: flakes."""

import json
from typing import Annotated

import typer

from swemill.cli.context import open_mill, pull_named, say
from swemill.cli.tables import print_flakes, print_pass_rates
from swemill.errors import UserError
from swemill.jobs.flakes import Filters, PassRate, every_test, ledger
from swemill.jobs.flakes import filters as filters_of
from swemill.store.flakes import FlakyLine
from swemill.values import instance_id
from swemill.wiring import Mill


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.command()(flakes)


def flakes(
    repository: Annotated[
        list[str] | None, typer.Option(help="owner/name, or with stars ('owner/*'); several times. Default: any.")
    ] = None,
    instance: Annotated[str | None, typer.Option(help="Only this instance's, or pull request's owner/name#7.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="With --instance: all its tests, counted over every run from the reports.")
    ] = False,
    since: Annotated[str | None, typer.Option(help="Seen to be flaky on that day or later (2026-01-01, UTC).")] = None,
    below: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only with a pass probability below this one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the steadiest last.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the tests that passed in some runs of the same code and failed in others, the steadiest last."""
    if instance and (pull := pull_named(instance)):
        instance = instance_id(*pull)
    wanted = filters_of(repositories=repository or (), instance_id=instance, since=since, below=below, limit=limit)
    if not every:
        _flaky(open_mill(), wanted, as_json=as_json)
        return
    if instance is None or repository or since:
        raise UserError("--all reads every report of one instance: give --instance, and no --repository or --since")
    _every(open_mill(), instance, wanted, as_json=as_json)


def _flaky(mill: Mill, wanted: Filters, *, as_json: bool) -> None:
    found = ledger(mill, wanted)
    if as_json:
        lines = [_told(line) for line in found.lines]
        typer.echo(
            json.dumps({"flaky": lines, "over_limit": found.further, "recorded": found.recorded._asdict()}, indent=2)
        )
        return
    if found.lines:
        print_flakes(found.lines)
    for line in found.summary():
        say(line)


def _every(mill: Mill, instance: str, wanted: Filters, *, as_json: bool) -> None:
    found = every_test(mill, instance, below=wanted.below, limit=wanted.limit)
    if as_json:
        lines = [_told(line) for line in found.lines]
        typer.echo(
            json.dumps(
                {"instance_id": instance, "tests": lines, "over_limit": found.further, "runs": found.runs}, indent=2
            )
        )
        return
    if found.lines:
        print_pass_rates(found.lines)
    for line in found.summary():
        say(line)


def _told(line: FlakyLine | PassRate) -> dict[str, object]:
    return {
        **line._asdict(),
        "probability": round(line.probability, 4),
        "first_seen": line.first_seen.isoformat(),
        "last_seen": line.last_seen.isoformat(),
    }
