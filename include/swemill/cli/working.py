"""Verbs that work: the stages of the pipeline, without Airflow."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from swemill.cli.context import open_mill, printable, say
from swemill.errors import Infrastructure, UserError
from swemill.jobs import evaluate as evaluate_job
from swemill.jobs import install as install_job
from swemill.jobs import judge as judge_job
from swemill.jobs import release as release_job
from swemill.jobs import revalidate as revalidate_job
from swemill.jobs import rollout as rollout_job
from swemill.jobs import train as train_job
from swemill.jobs import validate as validate_job
from swemill.jobs.perform import Done
from swemill.values import Strategy

Instances = Annotated[list[str] | None, typer.Argument(help="Instance ids; none: everything that is pending.")]
Rollouts = Annotated[list[str] | None, typer.Argument(help="Rollouts, instance@policy#number; none: all pending.")]


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (install, validate, revalidate, rollout, judge, release, train, evaluate, reap):
        app.command()(command)


def _each(subjects: Sequence[str], work: Callable[[str], Done]) -> None:
    """Work on every subject with a progress line each; trouble with one does not stop the others."""
    if not subjects:
        say("nothing is pending")
    troubled = refused = 0
    for number, subject in enumerate(subjects, 1):
        try:
            say(f"[{number}/{len(subjects)}] {work(subject).line()}")
        except Infrastructure as error:
            troubled += 1
            say(f"[{number}/{len(subjects)}] {subject}: not done, {type(error).__name__}: {error}")
        except UserError as error:
            refused += 1
            typer.echo(printable(f"[{number}/{len(subjects)}] {type(error).__name__}: {error}"), err=True)
    if troubled:
        say(f"{troubled} of {len(subjects)} met infrastructure trouble and stay pending: run again")
        raise typer.Exit(3)
    if refused:
        raise typer.Exit(1)


def install(
    instances: Instances = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(help=f"Rungs to try, in order: {', '.join(Strategy)}; `ladder` (the default): SWEMILL_LADDER."),
    ] = None,
) -> None:
    """Build an environment for every instance, up the ladder of strategies."""
    mill, rungs = open_mill(), strategy or ()
    _each(
        instances or install_job.pending(mill, strategies=rungs),
        lambda instance: install_job.install(mill, instance, strategies=rungs),
    )


def validate(instances: Instances = None) -> None:
    """Run the tests before and after the gold patch; record FAIL_TO_PASS and PASS_TO_PASS."""
    mill = open_mill()
    _each(instances or validate_job.pending(mill), lambda instance: validate_job.validate(mill, instance))


def revalidate(
    instances: Annotated[
        list[str] | None, typer.Argument(help="Instance ids; none: this week's sample and what is in quarantine.")
    ] = None,
) -> None:
    """Try accepted instances again: today, a year ahead, on another machine; what fails goes into quarantine."""
    mill = open_mill()
    _each(instances or revalidate_job.pending(mill), lambda instance: revalidate_job.revalidate(mill, instance))


def rollout(
    rollouts: Rollouts = None,
    policy: Annotated[list[str] | None, typer.Option(help="Default: those whose key is set, else scripted.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="Rollouts of each policy on each instance.")] = 1,
) -> None:
    """Let policies work on validated instances."""
    mill = open_mill()
    subjects = rollouts or rollout_job.pending(mill, policies=policy, attempts=attempts)
    _each(subjects, lambda subject: rollout_job.rollout(mill, subject))


def judge(rollouts: Rollouts = None) -> None:
    """Judge the patches of rollouts, each in a fresh container."""
    mill = open_mill()
    _each(rollouts or judge_job.pending(mill), lambda subject: judge_job.judge(mill, subject))


def release() -> None:
    """Make the SFT dataset of everything resolved so far."""
    mill = open_mill()
    done = release_job.release(mill)
    say(done.line())


def train(
    config: Annotated[str, typer.Option(help="A file of training/configs.")] = "tiny",
    override: Annotated[list[str] | None, typer.Option(help="KEY=JSON, a dotted key of the configuration.")] = None,
    nproc: Annotated[int, typer.Option(min=1, help="Processes, one a GPU.")] = 1,
) -> None:
    """Fine-tune on the newest release."""
    overrides = dict(_override(text) for text in override or [])
    done = train_job.train(open_mill(), config=config, overrides=overrides, nproc=nproc, say=say)
    say(done.line())
    if not done.passed:
        raise typer.Exit(1)


def _override(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        if not key or not value:
            raise UserError(f"--override {text}: the form is KEY=VALUE, such as epochs=3") from None
        return key, value  # a bare word needs no quotes


def evaluate(
    policy: Annotated[list[str] | None, typer.Option(help="Policies; default: all that are ready.")] = None,
    split: Annotated[str | None, typer.Option(help="holdout or all; default: both.")] = None,
) -> None:
    """Count a policy's resolved rate on a split, with its Wilson interval."""
    mill = open_mill()
    subjects = [f"{name}/{part}" for name in policy or [] for part in ([split] if split else evaluate_job.SPLITS)]
    _each(subjects or evaluate_job.pending(mill, split=split), lambda subject: evaluate_job.evaluate(mill, subject))


def reap() -> None:
    """Remove labelled containers whose work nobody claims any more."""
    mill = open_mill()
    removed = mill.engine.reap(mill.store.is_claimed)
    say(f"{len(removed)} orphaned containers removed")
