"""The verb that lets losses be done again: reprocess."""

import getpass
import json
from dataclasses import asdict
from typing import Annotated

import typer

from swemill.cli.context import open_mill, say
from swemill.cli.tables import print_losses
from swemill.jobs.reprocess import reprocess as reprocess_job
from swemill.jobs.reprocess_choice import STAGES, Reprocessed, choice
from swemill.values import Strategy


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.command()(reprocess)


def reprocess(
    stage: Annotated[str, typer.Option(help=f"What lost them: {', '.join(STAGES)}.")],
    reason: Annotated[
        list[str] | None,
        typer.Option(
            help="Why they were lost, as `swemill funnel` shows it; may be given several times. Default: any."
        ),
    ] = None,
    repository: Annotated[
        list[str] | None, typer.Option(help="owner/name, or with stars ('owner/*'); several times. Default: any.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="First day of the loss (2026-01-01, UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="First day of the loss that is left out (UTC).")] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help=f"install: lost by {', '.join(Strategy)}; several times. Default: SWEMILL_LADDER."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many losses, the oldest first.")] = None,
    why: Annotated[str, typer.Option(help="What for: `swemill explain` shows it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Make losses pending again: the next run of their stage makes a new attempt beside the old one.

    Nothing is deleted, and the newest attempt counts. Asking twice asks once.
    """
    chosen = choice(
        stage,
        reasons=reason or (),
        repositories=repository or (),
        since=since,
        until=until,
        strategies=strategy or (),
        limit=limit,
    )
    done = reprocess_job(open_mill(), chosen, by=_user(), why=why, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(_told(done), indent=2))
        return
    if done.found:
        print_losses(done.counts())
    for line in done.summary():
        say(line)
    if done.found:
        say(f"{'without --dry-run, ' if dry_run else ''}`{done.command()}` or the DAG `{chosen.stage}` does them again")


def _told(done: Reprocessed) -> dict[str, object]:
    return {
        "stage": done.choice.stage.value,
        "dry_run": done.dry_run,
        **{standing.value: count for standing, count in done.standings().items()},
        "over_limit": done.further,
        "unknown_policies": list(done.unknown_policies),
        "counts": [asdict(one) for one in done.counts()],
        "losses": [
            {
                "subject": again.lost.subject,
                "repository": again.lost.repository,
                "reason": again.lost.reason,
                "strategy": again.lost.strategy,
                "lost_at": again.lost.lost_at.isoformat(),
                "standing": again.standing.value,
            }
            for again in done.found
        ],
        "command": done.command() if done.found else None,
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        return "somebody on the command line"
