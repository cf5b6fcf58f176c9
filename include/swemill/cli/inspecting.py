"""Verbs that look: funnel, instances, explain, export."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from swemill.cli.context import open_mill, printable, pull_named, say
from swemill.cli.tables import print_funnel, print_instances
from swemill.errors import StoreUnavailable, UnknownSubject, UserError
from swemill.jobs.export import DatasetFormat, export_swebench, official_command
from swemill.models import Attempt, Flake, Incident
from swemill.reasons import ADVICE, Reason, Stage
from swemill.stages.adaptive import TRIES
from swemill.store import report, repository_report
from swemill.store.flakes import flakes_of
from swemill.store.quarantine import Quarantine, quarantine_of
from swemill.values import instance_id
from swemill.wiring import Mill

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
_LOG_LINES = 25
_FLAKY_LINES = 5


class ExportFormat(StrEnum):
    """What `swemill export` writes."""

    SWEBENCH = "swebench"
    JSONL = "jsonl"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (funnel, instances, explain, export):
        app.command()(command)


def funnel(as_json: AsJson = False) -> None:
    """Count instances per stage and losses per stage and reason."""
    with open_mill().store.session() as session:
        stages, losses = report.funnel(session)
        repositories = repository_report.kept(session)
    if as_json:
        counts = {"stages": [asdict(i) for i in stages], "losses": [asdict(i) for i in losses]}
        typer.echo(json.dumps({**counts, "repositories": repositories}, indent=2))
    else:
        print_funnel(stages, losses, repositories=repositories)


def instances(
    stage: Annotated[
        str | None,
        typer.Option(help="Last stage reached (installed ...) or the one that lost it (install ...)."),
    ] = None,
    reason: Annotated[Reason | None, typer.Option(help="Why it was lost.")] = None,
    repo: Annotated[str | None, typer.Option(help="Repository, or a part of its name.")] = None,
    as_json: AsJson = False,
) -> None:
    """List instances and rejected pull requests with where they stand."""
    words = [*report.FUNNEL, *(item.value for item in Stage)]
    if stage is not None and stage not in words:
        raise UserError(f"no stage is called {stage!r}; there are: {', '.join(words)}")
    with open_mill().store.session() as session:
        lines = report.instances(session, stage=stage, reason=reason.value if reason else None, repository=repo)
    if as_json:
        typer.echo(json.dumps([line._asdict() for line in lines], indent=2))
    else:
        print_instances(lines)


def explain(
    instance: Annotated[str, typer.Argument(help="An instance, a pull request owner/name#7, or a repository.")],
    as_json: AsJson = False,
) -> None:
    """Tell an instance's whole history: every attempt, its reason, the log's tail, what to do."""
    if pull := pull_named(instance):
        instance = instance_id(*pull)
    mill = open_mill()
    with mill.store.session() as session:
        attempts = report.history(session, instance)
        incidents = report.incidents(session, instance)
        asked = report.asked_again(session, instance)
        flaky = flakes_of(session, instance)
        quarantine = quarantine_of(session, instance)
    if not attempts and not incidents:
        raise UnknownSubject(f"nothing is known of {instance!r}; `swemill instances` lists what there is")
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "attempts": [_attempt(mill, attempt, flaky.get(attempt.id, ())) for attempt in attempts],
                    "incidents": [
                        {"stage": i.stage, "cause": i.cause, "message": i.message, "at": i.at.isoformat()}
                        for i in incidents
                    ],
                    "quarantine": {**quarantine._asdict(), "since": quarantine.since.isoformat()}
                    if quarantine
                    else None,
                    "asked_again": [{**one._asdict(), "asked_at": one.asked_at.isoformat()} for one in asked],
                },
                indent=2,
            )
        )
        return
    told = [(attempt.finished_at, _attempt_text(mill, attempt, flaky.get(attempt.id, ()))) for attempt in attempts]
    told += [(incident.at, _incident_text(incident)) for incident in incidents]
    told += [(one.asked_at, _asked_text(one)) for one in asked]
    for _, text in sorted(told):
        typer.echo(text)
    if quarantine:
        typer.echo(_quarantine_text(instance, quarantine))


def _attempt(mill: Mill, attempt: Attempt, flaky: Sequence[Flake]) -> dict[str, object]:
    return {
        "stage": attempt.stage,
        "subject": attempt.subject,
        "passed": attempt.passed,
        "reason": attempt.reason,
        "detail": attempt.detail,
        "advice": ADVICE[Reason(attempt.reason)] if attempt.reason else None,
        "config": attempt.config,
        "started_at": attempt.started_at.isoformat(),
        "seconds": (attempt.finished_at - attempt.started_at).total_seconds(),
        "log_tail": _log_tail(mill, attempt),
        "evidence": attempt.evidence,
        "flaky": [{"test": one.test, "arm": one.arm, "passes": one.passes, "runs": one.runs} for one in flaky],
    }


def _attempt_text(mill: Mill, attempt: Attempt, flaky: Sequence[Flake]) -> str:
    seconds = (attempt.finished_at - attempt.started_at).total_seconds()
    how = attempt.config.get("strategy")
    title = printable(f"{attempt.stage}{f' ({how})' if how else ''}  {attempt.subject}")
    verdict = typer.style("passed", fg="green") if attempt.passed else typer.style(f"lost: {attempt.reason}", fg="red")
    lines = [
        f"\n{typer.style(title, bold=True)}  {attempt.started_at:%Y-%m-%d %H:%M:%S}, {seconds:.1f} s",
        f"  {verdict}  {printable(attempt.detail)}",
    ]
    lines += [f"    {printable(line)}" for line in (*_tries(mill, attempt), *_flaky_lines(flaky))]
    if not attempt.passed and attempt.reason:
        lines.append(f"  what to do: {ADVICE[Reason(attempt.reason)]}")
        if tail := _log_tail(mill, attempt):
            lines.append(f"  log tail (whole: blob {attempt.log_blob}):")
            lines += [f"    {printable(line)}" for line in tail.splitlines()]
    return "\n".join(lines)


def _tries(mill: Mill, attempt: Attempt) -> list[str]:
    """What an installation tried, a line each: Python, date, the rules that made it so, how it failed."""
    blob = attempt.evidence.get(TRIES)
    if blob is None:
        return []
    try:
        tries = json.loads(mill.blobs.get(blob))
    except StoreUnavailable as error:
        return [f"(what was tried cannot be read: {error})"]
    lines = []
    for number, one in enumerate(tries, 1):
        candidate, failure = one["candidate"], one["failure"]
        rules = f", {', '.join(candidate['rules'])}" if candidate.get("rules") else ""
        how = f"{failure['phase']}: {failure['kind']} {failure['subject']}".rstrip() if failure else "works"
        when = str(candidate["as_of"])[:10]
        lines.append(f"try {number}: Python {candidate['python']} as of {when}{rules}: {how} ({one['seconds']:.0f} s)")
    return lines


def _flaky_lines(flaky: Sequence[Flake]) -> list[str]:
    """The tests that were flaky in a validation."""
    lines = [f"flaky {one.arm} the gold patch: {one.test} passed {one.passes} of {one.runs} runs" for one in flaky]
    if len(lines) <= _FLAKY_LINES:
        return lines
    more = f"and {len(lines) - _FLAKY_LINES} more; `swemill flakes --instance {flaky[0].instance_id}` lists them"
    return [*lines[:_FLAKY_LINES], more]


def _incident_text(incident: Incident) -> str:
    title = typer.style(printable(f"{incident.stage}  {incident.subject}"), bold=True)
    trouble = typer.style("infrastructure trouble, no verdict", fg="yellow")
    return f"\n{title}  {incident.at:%Y-%m-%d %H:%M:%S}\n  {trouble}  {printable(incident.message)}"


def _asked_text(asked: report.AskedAgain) -> str:
    title = typer.style(printable(f"{asked.stage}  {asked.subject}"), bold=True)
    what = typer.style("to be done again", fg="yellow")
    why = f": {asked.why}" if asked.why else ""
    return (
        f"\n{title}  {asked.asked_at:%Y-%m-%d %H:%M:%S}\n  {what}  {printable(f'asked for by {asked.asked_by}{why}')}"
    )


def _quarantine_text(instance: str, quarantine: Quarantine) -> str:
    title = typer.style(f"quarantined since {quarantine.since:%Y-%m-%d %H:%M:%S}: {quarantine.reason}", fg="red")
    return (
        f"\n{title}\n  in no rollout, judgement, evaluation, release or export until `swemill revalidate "
        f"{printable(instance)}` or a new validation passes"
    )


def _log_tail(mill: Mill, attempt: Attempt) -> str:
    if not attempt.log_blob:
        return ""
    try:
        whole = mill.blobs.get(attempt.log_blob)
    except StoreUnavailable as error:  # the rest of the history is worth showing all the same
        return f"(the log cannot be read: {error})"
    return "\n".join(whole.decode(errors="replace").splitlines()[-_LOG_LINES:])


def export(
    path: Annotated[Path, typer.Argument(help="File to write: NAME.jsonl or NAME.parquet.")],
    format_: Annotated[
        ExportFormat, typer.Option("--format", help="What to write; `swebench`: what the file's name says.")
    ] = ExportFormat.SWEBENCH,
) -> None:
    """Write the validated instances as a dataset of SWE-bench, and say how its official harness evaluates it."""
    mill = open_mill()
    done = export_swebench(
        mill, path, format_=None if format_ is ExportFormat.SWEBENCH else DatasetFormat(format_.value)
    )
    say(f"{done.rows} instances written to {path}")
    if done.limited:
        say(f"warning: the official harness may judge {done.limited} of them otherwise: see their harness_limits")
    say(f"evaluate with: {official_command(mill.settings, path)}")
