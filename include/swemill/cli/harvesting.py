"""Verbs that fetch: harvest a source, and what is left of GitHub's quota."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from swemill.cli.context import open_mill, pull_named, say
from swemill.cli.tables import print_budgets
from swemill.cli.waiting import waiting_out
from swemill.errors import UserError
from swemill.jobs import discover as discover_job
from swemill.jobs import harvest as harvest_job
from swemill.jobs import harvest_github
from swemill.jobs.harvest import Harvested
from swemill.jobs.windows import window
from swemill.store.budget import budgets
from swemill.store.repositories import known_repositories
from swemill.wiring import Mill


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (harvest, quota):
        app.command()(command)


def harvest(
    source: Annotated[str, typer.Argument(help="releases, archive or github")] = "releases",
    archive: Annotated[Path | None, typer.Option(help="Folder of the source `archive`.")] = None,
    repository: Annotated[
        list[str] | None,
        typer.Option(help="github: owner/name; one that is unknown is kept from then on. Default: all kept ones."),
    ] = None,
    pull: Annotated[list[str] | None, typer.Option(help="github: single pull requests, owner/name#7.")] = None,
    since: Annotated[
        str | None, typer.Option(help="github: first merge date (2024-03-01, UTC); default: from the beginning.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="github: first merge date left out (UTC); default: now.")] = None,
    wait: Annotated[bool, typer.Option(help="github: wait while the quota is used up, or end with code 3.")] = True,
) -> None:
    """Turn a source's pull requests into instances, or into rejections with a reason."""
    if archive and source != "archive":
        raise UserError("--archive is for the source `archive`")
    if source != "github":
        if repository or pull or since or until:
            raise UserError("--repository, --pull, --since and --until are for the source `github`")
        done = harvest_job.harvest(open_mill(), source, archive=archive, say=say)
    else:
        done = waiting_out(_github(repository or [], pull or [], since, until), wait=wait)
    say(f"{done.kept} kept, {done.rejected} rejected; {done.new} new facts")


def _github(repositories: list[str], pulls: list[str], since: str | None, until: str | None) -> Callable[[], Harvested]:
    """What is to be done, ready to be called again after a wait: what was saved before it is not done twice."""
    asked = window(since, until)
    named = [_numbered(text) for text in pulls]
    if named and (repositories or since or until):
        raise UserError("--pull stands alone: it takes no --repository, --since or --until beside it")
    mill = open_mill()

    def work() -> Harvested:
        if named:  # which adds unknown repositories itself
            return harvest_github.harvest_named(mill, named, say=say)
        if unknown := harvest_github.unknown(mill, repositories):
            discover_job.add(mill, unknown, say=say)
        names = harvest_github.plan(mill, asked, names=repositories, say=say)
        if not names:
            say("nothing is new" if _any_known(mill) else "no repository is known yet: run `swemill discover` first")
        return harvest_github.harvest_repositories(mill, names, asked, say=say)

    return work


def _any_known(mill: Mill) -> bool:
    with mill.store.session() as session:
        return bool(known_repositories(session, "github"))


def _numbered(text: str) -> tuple[str, int]:
    if (pull := pull_named(text)) is None:
        raise UserError(f"--pull {text}: the form is owner/name#7")
    return pull


def quota() -> None:
    """What is left of GitHub's quota, as far as it said so, and what is waited for."""
    with open_mill().store.session() as session:
        rows = budgets(session)
    if not rows:
        say("GitHub was not asked anything yet")
        return
    print_budgets(rows, now=datetime.now(UTC))
