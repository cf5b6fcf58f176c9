"""Verbs of one machine: run, up, down, doctor."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from swemill.adapters.gateway import SCRIPTED
from swemill.cli.context import open_mill, say
from swemill.cli.tables import print_checks, print_funnel
from swemill.cli.waiting import waiting_out
from swemill.embedded import doctor, services
from swemill.embedded.pass_runner import PassStage, run_pass
from swemill.embedded.services import Services
from swemill.errors import ConfigurationError
from swemill.jobs import discover, pending, release, windows
from swemill.reasons import Stage
from swemill.settings import Settings
from swemill.store import report, repository_report
from swemill.wiring import Mill

_PASS = [stage for stage in Stage if stage not in (Stage.DISCOVER, Stage.REVALIDATE)]
"""What a pass goes through: which repositories there are is decided before it, and what rots shows in weeks."""


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (run, up, down, migrate, check):
        app.command(name="doctor" if command is check else None)(command)


def run(
    source: Annotated[str, typer.Option(help="Where to harvest: releases, archive or github.")] = "releases",
    archive: Annotated[Path | None, typer.Option(help="Folder of the source `archive`.")] = None,
    repository: Annotated[
        list[str] | None, typer.Option(help="github: owner/name; default: all that were discovered.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="github: first merge date; default: from the beginning.")] = None,
    until: Annotated[str | None, typer.Option(help="github: first merge date left out; default: now.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="Policies to roll out; default: see rollout.")] = None,
) -> None:
    """Start everything and run one pass of the whole pipeline; running again resumes and repeats nothing."""
    settings = Settings.load()
    archive = archive or settings.archive_dir
    if source == "archive" and archive is None:
        raise ConfigurationError("the source `archive` needs a folder: --archive DIR or SWEMILL_ARCHIVE_DIR")
    windows.window(since, until)  # a wrong date is told before anything is started
    running = services.up(settings, say)
    mill = Mill.open(running.settled(settings))
    mill.store.migrate()
    say("database  migrated")
    if source == "github" and repository:
        waiting_out(lambda: discover.add(mill, repository, say=say))
    base = mill.builder.base()
    say(f"base      {base.reference}: Python {base.python} from {base.source}")
    for chosen in mill.active_policies(policy):
        price = "costs nothing" if chosen.provider == SCRIPTED else f"up to {chosen.dollars:g} dollars a rollout"
        say(f"policy    {chosen.name}: {price}")
    conf: dict[Stage, dict[str, object]] = {
        Stage.HARVEST: {
            "source": source,
            "archive": str(archive.absolute()) if archive else None,
            "repositories": repository or [],
            "since": since,
            "until": until,
        },
        Stage.ROLLOUT: {"policies": policy or []},
        Stage.EVALUATE: {"policies": policy or []},
    }
    run_pass(running.airflow, [_stage(mill, stage, conf.get(stage, {})) for stage in _PASS], say)
    # A killed task's container is replaced by its retry; what nobody retried any more is removed here.
    mill.engine.reap(mill.store.is_claimed)
    _print_results(mill, running)


def _stage(mill: Mill, stage: Stage, conf: dict[str, object]) -> PassStage:
    return PassStage(
        name=stage.value,
        dag_id=stage.value,
        pending=lambda: len(waiting_out(lambda: pending.of(mill, stage, conf))),
        conf=conf,
    )


def _print_results(mill: Mill, running: Services) -> None:
    with mill.store.session() as session:
        stages, losses = report.funnel(session)
        newest = report.newest_results(session)
        repositories = repository_report.kept(session)
    print_funnel(stages, losses, repositories=repositories)
    for line in newest.evaluations:
        say(f"evaluation  {line}")
    if newest.release:
        say(f"dataset     {release.folder(mill, newest.release) / 'dataset.jsonl'}  ({newest.rows} trajectories)")
    if newest.checkpoint:
        say(f"checkpoint  {newest.checkpoint}  (loss {newest.first_loss:.3f} -> {newest.final_loss:.3f})")
    say(f"Airflow     {running.ui_url}  user {running.username}  password {running.password}")
    say("`swemill explain INSTANCE` tells why one was lost; `make down` stops everything.")


def up() -> None:
    """Start PostgreSQL, a Docker engine and Airflow, whatever of them is not up."""
    settings = Settings.load()
    running = services.up(settings, say)
    Mill.open(running.settled(settings)).store.migrate()
    say(f"Airflow     {running.ui_url}  user {running.username}  password {running.password}")


def migrate() -> None:
    """Bring the data's database to the newest schema (`up` and `run` do it by themselves)."""
    open_mill()
    say("database  migrated")


def down() -> None:
    """Stop everything that was started here, and only that."""
    services.down(Settings.load(), say)


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Tell what is missing on this machine and how to get it."""
    found = doctor.checks(Settings.load())
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found], indent=2))
    else:
        print_checks(found)
    if any(item.state is doctor.CheckState.MISSING for item in found):
        raise typer.Exit(1)
