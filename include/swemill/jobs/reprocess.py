"""Ask that losses be done again. The stage itself does the work: what was asked for is pending like all else."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from swemill.jobs import install, judge, revalidate, rollout, validate
from swemill.jobs.reprocess_choice import Again, Choice, Reprocessed, Standing
from swemill.jobs.windows import window
from swemill.reasons import Stage
from swemill.store.reprocess import Lost, Tried, WorkKey, ask_again, losses, newest_tries
from swemill.wiring import Mill


def reprocess(mill: Mill, choice: Choice, *, by: str, why: str = "", dry_run: bool = False) -> Reprocessed:
    """Make the losses of a choice pending again. All of them in one transaction, or none; asking twice asks once.

    Args:
        mill: whose facts, and whose present settings.
        choice: which losses.
        by: who asks, for ``swemill explain``.
        why: what for, likewise.
        dry_run: only look.

    Raises:
        ConfigurationError: no strategy has that name.
    """
    config_key = _config_keys(mill, choice)
    with mill.store.session() as session:
        matching = [lost for lost in _losses(mill, session, choice) if choice.has(lost.repository)]
        keys = {lost: WorkKey(lost.subject, config_key(lost) or "", lost.input_key) for lost in matching}
        known = [lost for lost in matching if keys[lost].config_key]
        tried = newest_tries(session, choice.stage, [keys[lost] for lost in known])
        # A pass under the present settings is the newest word on them: there is nothing to do again.
        possible = [lost for lost in known if (before := tried.get(keys[lost])) is None or not before.passed]
        taken = possible[: choice.limit]
        stands = {lost: tried.get(keys[lost]) for lost in taken}
        to_ask = {before.attempt_id for before in stands.values() if before is not None and not before.asked}
        asked = to_ask if dry_run else ask_again(session, to_ask, by=by, why=why)
        everything = replace(choice, reasons=(), repositories=(), window=window(None, None))
        has = None if taken else Counter(lost.reason for lost in _losses(mill, session, everything))
    unknown = {rollout.Subject.parse(lost.subject).policy for lost in matching if not keys[lost].config_key}
    return Reprocessed(
        choice=choice,
        dry_run=dry_run,
        found=tuple(Again(lost, _standing(before, asked)) for lost, before in stands.items()),
        further=len(possible) - len(taken),
        unknown_policies=tuple(sorted(unknown)),
        has=has,
    )


def _losses(mill: Mill, session: Session, choice: Choice) -> list[Lost]:
    rungs: Sequence[str] = install.ladder(mill, choice.strategies) if choice.stage is Stage.INSTALL else ()
    return losses(session, choice.stage, window=choice.window, reasons=choice.reasons, strategies=rungs)


def _standing(before: Tried | None, asked: set[int]) -> Standing:
    if before is None:
        return Standing.PENDING
    return Standing.ASKED_NOW if before.attempt_id in asked else Standing.ASKED_BEFORE


def _config_keys(mill: Mill, choice: Choice) -> Callable[[Lost], str | None]:
    """The key of the configuration in which a loss would be done again; None: its policy is not known any more."""
    match choice.stage:
        case Stage.INSTALL:
            rungs = {strategy.value: key for strategy, key in install.config_keys(mill, choice.strategies).items()}
            return lambda lost: rungs[lost.strategy or ""]
        case Stage.VALIDATE:
            validating = validate.config_key(mill)
            return lambda lost: validating
        case Stage.REVALIDATE:
            revalidating = revalidate.config_key(mill)
            return lambda lost: revalidating
        case Stage.JUDGE:
            judging = judge.config_key(mill)
            return lambda lost: judging
        case _:
            policies = {policy.name: policy for policy in mill.policies}

            def of_rollout(lost: Lost) -> str | None:
                subject = rollout.Subject.parse(lost.subject)
                policy = policies.get(subject.policy)
                return rollout.config_key(policy, subject.number) if policy else None

            return of_rollout
