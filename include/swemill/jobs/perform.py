"""The one way a piece of work becomes a fact: skip if done, claim, do, keep the evidence, insert."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from swemill.errors import AlreadyClaimed, Infrastructure, RateLimited, StoreUnavailable
from swemill.reasons import ADVICE, Reason, Stage
from swemill.store.facts import Ending, Work, insert_attempt, record_incident, recorded
from swemill.store.reprocess import as_asked
from swemill.values import Loss, SandboxSpec
from swemill.wiring import Mill

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage found out, ready to become an attempt."""

    passed: bool
    reason: Reason | None = None
    detail: str = ""
    log: str = ""
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    save: Callable[[Session, int], None] | None = None
    """Inserts the detail rows of attempt ``id`` in the same transaction."""

    @classmethod
    def of_loss(cls, loss: Loss) -> "Outcome":
        """The outcome of a stage that ended with a loss."""
        return cls(passed=False, reason=loss.reason, detail=loss.detail, log=loss.log, evidence=loss.evidence)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one piece of work."""

    subject: str
    passed: bool
    reason: str | None = None
    detail: str = ""
    repeated: bool = False
    """The fact was there already; nothing was done."""

    def line(self) -> str:
        """One line for a log or a terminal."""
        before = " (done before)" if self.repeated else ""
        if self.passed:
            return f"{self.subject}: {self.detail or 'passed'}{before}"
        return f"{self.subject}: lost ({self.reason}) {self.detail}".rstrip() + before


def perform(mill: Mill, work: Work, do: Callable[[], Outcome]) -> Done:
    """Do a piece of work once.

    Raises:
        Infrastructure: noted as an incident and passed on to whoever retries; nothing is recorded as a verdict.
    """
    if (before := _recorded(mill, work)) is not None:
        return before
    with noting_incidents(mill, work.stage, work.subject), mill.store.claim(work.effect_key):
        if (meanwhile := _recorded(mill, work)) is not None:  # somebody finished it just before our claim
            return meanwhile
        started = datetime.now(UTC)
        outcome = do()
        ending = Ending(
            passed=outcome.passed,
            started_at=started,
            reason=outcome.reason,
            detail=outcome.detail,
            log_blob=mill.blobs.put(outcome.log.encode(errors="replace")) if outcome.log else None,
            evidence={name: mill.blobs.put(data) for name, data in outcome.evidence.items()},
        )
        with mill.store.session() as session:
            attempt_id = insert_attempt(session, work, ending)
            if attempt_id is not None and outcome.save is not None:
                outcome.save(session, attempt_id)
    done = Done(
        subject=work.subject,
        passed=outcome.passed,
        reason=outcome.reason.value if outcome.reason else None,
        detail=outcome.detail,
    )
    log.info("%s %s", work.stage.value, done.line())
    if outcome.reason:
        log.info("what to do: %s", ADVICE[outcome.reason])
    return done


def asked(mill: Mill, work: Work) -> Work:
    """The work under the effect key that it has now: another one after each time it was asked to be done again.

    To be called before ``sandbox_spec`` and ``perform``: the container and its claim go by the same key.
    """
    with mill.store.session() as session:
        return as_asked(session, [work])[0]


def _recorded(mill: Mill, work: Work) -> Done | None:
    with mill.store.session() as session:
        found = recorded(session, work.effect_key)
    if found is None:
        return None
    return Done(subject=work.subject, passed=found.passed, reason=found.reason, detail=found.detail, repeated=True)


@contextmanager
def noting_incidents(mill: Mill, stage: Stage, subject: str) -> Iterator[None]:
    """Note infrastructure failures of the block for ``swemill explain`` and pass them on."""
    try:
        yield
    except (AlreadyClaimed, RateLimited, StoreUnavailable):
        raise  # the first two are no trouble at all; the last cannot be written down
    except Infrastructure as error:
        with mill.store.session() as session:
            record_incident(session, stage=stage, subject=subject, error=error)
        raise


def sandbox_spec(mill: Mill, work: Work, image: str, *, wall_clock: float) -> SandboxSpec:
    """The container of a piece of work, named after its effect."""
    return SandboxSpec(
        name=f"swemill-{work.stage.value}-{work.effect_key[:16]}",
        image=image,
        limits=replace(mill.limits, wall_clock=int(wall_clock)),
        effect_key=work.effect_key,
        stage=work.stage.value,
        subject=work.subject,
    )
