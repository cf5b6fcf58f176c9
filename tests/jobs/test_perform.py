"""How work becomes a fact: once, with its evidence, and never out of an infrastructure failure."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import select

from swemill.errors import AlreadyClaimed, DiskFull, SandboxUnavailable, StoreUnavailable
from swemill.jobs.perform import Outcome, perform, sandbox_spec
from swemill.models import Attempt, Incident
from swemill.reasons import Reason, Stage
from swemill.store.report import incidents
from swemill.values import Loss
from tests.fact_counts import fact_counts
from tests.store.history import work

pytestmark = pytest.mark.postgres

WORK = work(Stage.VALIDATE, "o__n-1", "env", instance_id="o__n-1", repository="o/n")
LOSS = Loss(
    reason=Reason.TESTS_TIMED_OUT, detail="t::slow was running", log="last\nwords\ud800", evidence={"a.json": b"{}"}
)


def never() -> Outcome:
    raise AssertionError("done twice")


def counts(mill) -> tuple[int, int]:
    with mill.store.session() as session:
        return fact_counts(session)["attempt"], len(incidents(session, WORK.subject))


def test_a_loss_is_kept_with_reason_log_and_evidence_and_not_repeated(mill):
    done = perform(mill, WORK, lambda: Outcome.of_loss(LOSS))
    assert (done.passed, done.reason, done.repeated) == (False, "tests_timed_out", False)
    assert done.line() == "o__n-1: lost (tests_timed_out) t::slow was running"
    with mill.store.session() as session:
        row = session.scalars(select(Attempt)).one()
    assert (row.passed, row.reason, row.detail) == (False, "tests_timed_out", "t::slow was running")
    assert mill.blobs.get(row.log_blob) == b"last\nwords?"
    assert mill.blobs.get(row.evidence["a.json"]) == b"{}"
    again = perform(mill, WORK, never)
    assert again.repeated
    assert again.line().endswith("(done before)")
    assert counts(mill) == (1, 0)


def test_details_are_saved_with_the_attempt_or_not_at_all(mill):
    def save(session, attempt_id):
        raise KeyError("broken")

    with pytest.raises(KeyError):
        perform(mill, WORK, lambda: Outcome(passed=True, save=save))
    assert counts(mill) == (0, 0)
    assert not mill.store.is_claimed(WORK.effect_key)


@pytest.mark.parametrize("error", [SandboxUnavailable("the engine is gone"), DiskFull("no room")])
def test_infrastructure_trouble_is_an_incident_and_passed_on(mill, error):
    def do():
        raise error

    with pytest.raises(type(error)) as raised:
        perform(mill, WORK, do)
    assert raised.value is error
    assert counts(mill) == (0, 1)
    with mill.store.session() as session:
        (incident,) = session.scalars(select(Incident))
    assert (incident.stage, incident.cause, incident.message) == ("validate", type(error).__name__, str(error))
    assert perform(mill, WORK, lambda: Outcome(passed=True)).passed, "the same work can be done right after"
    assert counts(mill) == (1, 1)


def test_a_database_that_is_down_is_said_and_nothing_is_done(make_mill):
    mill = make_mill("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable, match="swemill doctor"):
        perform(mill, WORK, never)


def test_of_two_at_once_one_works_and_the_other_is_refused_without_an_incident(mill):
    started, finish = Event(), Event()

    def slow() -> Outcome:
        started.set()
        assert finish.wait(20)
        return Outcome(passed=True)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(perform, mill, WORK, slow)
        try:
            assert started.wait(20)
            with pytest.raises(AlreadyClaimed):
                perform(mill, WORK, never)
        finally:
            finish.set()
        assert first.result().passed
    assert perform(mill, WORK, never).repeated
    assert counts(mill) == (1, 0)


def test_a_container_is_named_after_its_effect(mill):
    spec = sandbox_spec(mill, WORK, "image", wall_clock=12.7)
    assert spec.name == f"swemill-validate-{WORK.effect_key[:16]}"
    assert spec.effect_key == WORK.effect_key
    assert spec.limits.wall_clock == 12
    assert spec.limits.memory_bytes == mill.settings.sandbox_memory
