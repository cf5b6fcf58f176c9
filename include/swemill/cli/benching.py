"""Verbs that measure the mill itself: `bench environments`."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from swemill.adapters.archive import Archive
from swemill.adapters.archive_commits import (
    LIST,
    BenchCommit,
    Half,
    a_mixture,
    check_held,
    draw_from_pulls,
    read_list,
)
from swemill.cli.context import printable
from swemill.cli.tables import print_bench
from swemill.errors import ConfigurationError, UserError
from swemill.jobs.bench_environments import STRATEGIES, Attempt, Measured, measure
from swemill.jobs.bench_journal import open_journal
from swemill.jobs.bench_summary import counts, summarise
from swemill.settings import Settings
from swemill.stages.install import CODE_VERSION
from swemill.values import Strategy

bench = typer.Typer(no_args_is_help=True, help="Measure the mill itself.")

_NAMES = ",".join(strategy.value for strategy in STRATEGIES)


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    bench.command()(environments)
    app.add_typer(bench, name="bench")


def environments(
    archive: Annotated[
        Path | None, typer.Option(help="Folder of bare mirrors (source `archive`); default: SWEMILL_ARCHIVE_DIR.")
    ] = None,
    commits: Annotated[
        Path | None,
        typer.Option(help=f"List of commits (TOML); default: {LIST} in the archive, else drawn from its changes."),
    ] = None,
    half: Annotated[Half | None, typer.Option(help="Only the repositories of this half.")] = None,
    strategies: Annotated[str, typer.Option(help="Names with commas between.")] = _NAMES,
    repository: Annotated[
        list[str] | None, typer.Option(help="owner/name, only this one; may be given several times.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many commits, from anywhere in the list.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Attempts at a time.")] = 1,
    code_version: Annotated[
        str | None,
        typer.Option(help="Name of the code that is measured: another name measures anew. Default: the stage's own."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Journal (JSON lines); default: bench/environments.jsonl in SWEMILL_HOME.")
    ] = None,
) -> None:
    """Measure which share of an archive's commits each strategy of installation installs.

    Every attempt is kept in the journal as it comes: after Ctrl-C the same command goes on where it stopped.
    Infrastructure trouble is no result: it is tried again at the end, and what stays undone then (code 3) is made by
    the next run. Needs a container engine, but no database.
    """
    settings = Settings.load()
    root = archive or settings.archive_dir
    if root is None:
        raise ConfigurationError("the bench needs an archive: --archive DIR or SWEMILL_ARCHIVE_DIR")
    wanted = strategies_named(strategies)
    selected = select(root, commits, half=half, repositories=repository or (), limit=limit)
    check_held(root, selected)
    version = code_version or str(CODE_VERSION)
    journal_file = out or settings.home / "bench" / "environments.jsonl"
    with open_journal(journal_file) as journal, _attempts(settings, root, version) as attempt:
        measured = measure(
            selected, strategies=wanted, attempt=attempt, journal=journal, code_version=version, jobs=jobs, say=_say
        )
    show(measured, code_version=version, machine_readable=as_json)
    if measured.troubled:
        _say(f"{len(measured.troubled)} attempts met infrastructure trouble and are not counted: run again")
        raise typer.Exit(3)


def strategies_named(text: str) -> tuple[Strategy, ...]:
    """The strategies of a text like ``dated,adaptive``, each once. Raises UserError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or not set(names) <= set(STRATEGIES):
        raise UserError(f"--strategies {text!r}: choose from {_NAMES}")
    return tuple(strategy for strategy in STRATEGIES if strategy in names)


def select(
    root: Path, listed: Path | None, *, half: Half | None, repositories: Sequence[str], limit: int | None
) -> tuple[BenchCommit, ...]:
    """The commits to measure: of the list, or drawn from the archive's changes. Raises UserError when none is left."""
    if listed is None and (root / LIST).is_file():
        listed = root / LIST
    if listed is None:
        _say("no list of commits: drawing from the archive's changes, which takes some seconds a repository")
    every = read_list(listed) if listed else draw_from_pulls(Archive(root))
    if unknown := sorted(set(repositories) - {one.repository for one in every}):
        raise UserError(f"no commit of {', '.join(unknown)} is listed or can be drawn")
    kept = [one for one in every if half in (None, one.half) and (not repositories or one.repository in repositories)]
    if not kept:
        raise UserError("no commit is left to measure: choose another --half or --repository, or give --commits FILE")
    return a_mixture(kept, limit or len(kept))


def show(measured: Measured, *, code_version: str, machine_readable: bool) -> None:
    """The counts on stdout, as tables or as JSON."""
    if machine_readable:
        told = counts(measured.records, code_version=code_version, not_done=len(measured.troubled))
        typer.echo(json.dumps(told, indent=2))
        return
    parts = [(half.value, [one for one in measured.records if one.half is half]) for half in Half]
    for title, records in (parts if all(records for _, records in parts) else []) + [("all", list(measured.records))]:
        print_bench(title, summarise(records))


def _attempts(settings: Settings, root: Path, code_version: str) -> AbstractContextManager[Attempt]:
    # Imported here: what installs takes long to import, and `swemill --help` must not wait for it.
    from swemill.jobs.bench_attempt import attempts_over
    from swemill.wiring import Mill

    return attempts_over(Mill.open(settings), root, code_version=code_version)


def _say(line: str) -> None:
    typer.echo(printable(line), err=True)
