"""Losses done again: by the jobs themselves, by the command line, and after a kill -9 in the middle."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import select

from swemill.jobs import harvest, install, judge, rollout, validate
from swemill.jobs.perform import Outcome, asked, perform
from swemill.jobs.reprocess import reprocess
from swemill.jobs.reprocess_choice import Reprocessed, Standing, choice
from swemill.models import Attempt, Environment, ReprocessRequest
from swemill.reasons import Reason, Stage
from swemill.store.report import history as history_of
from tests.fact_counts import fact_counts
from tests.jobs.local_mill import ID, LocalMill, archive, local_mill
from tests.store.history import History

pytestmark = pytest.mark.postgres

POLICIES = """
[[policy]]
name = "oracle"
agent = "mini-swe-agent"
model = "oracle"
provider = "scripted"
"""
"""Without ``idle``."""

WORKER = """
import sys, time
from swemill.jobs.perform import asked, perform
from swemill.jobs.validate import waiting
from swemill.settings import Settings
from swemill.wiring import Mill
mill = Mill.open(Settings.load({"SWEMILL_HOME": sys.argv[1], "SWEMILL_DATABASE_URL": sys.argv[2]}))
def work_for_ever():
    print("working", flush=True)
    time.sleep(60)
perform(mill, asked(mill, waiting(mill)[0]), work_for_ever)
"""


def again(mill, stage: str, *, dry_run: bool = False, **words) -> Reprocessed:
    return reprocess(mill, choice(stage, **words), by="me", why="mended", dry_run=dry_run)


def standings(done: Reprocessed) -> list[tuple[str, Standing]]:
    return [(item.lost.subject, item.standing) for item in done.found]


def facts(mill) -> dict[str, int]:
    with mill.store.session() as session:
        return fact_counts(session)


@pytest.fixture
def local(tmp_path, database) -> LocalMill:
    """A mill with one instance, whose installation failed."""
    folder = archive(tmp_path)
    mill = local_mill(tmp_path, database, SWEMILL_ARCHIVE_DIR=str(folder), SWEMILL_LADDER="unified")
    harvest.harvest(mill, "archive", archive=folder)
    mill.builder.fails = True
    assert install.install(mill, ID).reason == "build_failed"
    mill.builder.fails = False
    return mill


@pytest.fixture
def history(mill) -> History:
    """Three installed instances of two repositories; validation lost two and has not seen the third."""
    history = History(mill)
    for number, repository in ((1, "o/n"), (2, "p/q"), (3, "p/q")):
        found = history.harvest(number, repository=repository)
        history.install(f"{repository.replace('/', '__')}-{number}", found)
    for item, reason in zip(validate.waiting(mill), (Reason.TESTS_TIMED_OUT, Reason.NO_REPORT), strict=False):
        repository = item.subject.rpartition("-")[0].replace("__", "/")
        history.lose(replace(item, repository=repository), reason)
    return history


def test_a_failed_installation_is_done_again_beside_the_old_one(local):
    assert install.install(local, ID).repeated
    before = facts(local)
    assert standings(again(local, "install", dry_run=True)) == [(ID, Standing.ASKED_NOW)]
    assert facts(local) == before
    assert install.pending(local) == []
    assert standings(again(local, "install", reasons=["build_failed"])) == [(ID, Standing.ASKED_NOW)]
    assert standings(again(local, "install")) == [(ID, Standing.ASKED_BEFORE)], "asking twice asks once"
    assert install.pending(local) == [ID]
    done = install.install(local, ID)
    assert (done.passed, done.repeated) == (True, False)
    assert install.pending(local) == []
    assert install.install(local, ID).repeated
    with local.store.session() as session:
        tries = [item for item in history_of(session, ID) if item.stage == "install"]
        environment = session.scalars(select(Environment)).one()
    assert [(item.passed, item.reason) for item in tries] == [(False, "build_failed"), (True, None)]
    assert len({item.effect_key for item in tries}) == 2
    assert len({item.config_key for item in tries}) == 1
    assert environment.attempt_id == tries[1].id
    assert again(local, "install").found == ()


def test_what_is_lost_again_can_be_asked_for_again_and_has_its_own_container(local):
    keys = set()
    for times in range(3):
        again(local, "install")
        local.builder.fails = True
        assert not install.install(local, ID).repeated, times
        with local.store.session() as session:
            keys = set(session.scalars(select(Attempt.effect_key).where(Attempt.stage == "install")))
    assert len(keys) == 4


def test_another_ladder_is_not_asked_for(local, tmp_path):
    other = local_mill(tmp_path, local.settings.database_url, SWEMILL_LADDER="adaptive")
    assert again(other, "install").found == ()
    assert standings(again(other, "install", strategies=["unified"])) == [(ID, Standing.ASKED_NOW)]
    assert install.pending(other, strategies=["unified"]) == [ID]


def test_what_other_settings_lost_is_pending_by_itself(local, tmp_path):
    given = {"SWEMILL_BUILD_TIMEOUT": "1800", "SWEMILL_LADDER": "unified"}
    richer = local_mill(tmp_path, local.settings.database_url, **given)
    before = facts(richer)
    assert standings(again(richer, "install")) == [(ID, Standing.PENDING)]
    assert facts(richer) == before
    assert install.pending(richer) == [ID]


def test_rollouts_and_judgements_are_done_again_and_the_newest_count(local, tmp_path):
    again(local, "install")
    for job in (install.install, validate.validate):
        assert job(local, ID).passed
    local.knowing.says = "first"
    for subject in rollout.pending(local):
        rollout.rollout(local, subject)
    assert standings(again(local, "rollout", reasons=["empty_patch"])) == [(f"{ID}@idle#1", Standing.ASKED_NOW)]
    assert rollout.pending(local) == [f"{ID}@idle#1"]
    assert rollout.rollout(local, f"{ID}@idle#1").reason == "empty_patch"
    assert rollout.pending(local) == []
    (tmp_path / "policies.toml").write_text(POLICIES)
    fewer = local_mill(tmp_path, local.settings.database_url, SWEMILL_POLICIES_FILE=str(tmp_path / "policies.toml"))
    done = again(fewer, "rollout")
    assert (done.found, done.unknown_policies) == ((), ("idle",))
    (item,) = judge.waiting(local)
    lost = History(local).lose(item, Reason.FAIL_TO_PASS_FAILED)
    assert judge.pending(local) == []
    assert standings(again(local, "judge")) == [(f"{ID}@oracle#1", Standing.ASKED_NOW)]
    (waiting,) = judge.waiting(local)
    assert waiting.effect_key != lost, "who looks for its claim looks for the new one"
    assert judge.judge(local, f"{ID}@oracle#1").passed
    with local.store.session() as session:
        verdicts = session.execute(
            select(Attempt.effect_key, Attempt.passed).where(Attempt.stage == "judge").order_by(Attempt.id)
        ).all()
    assert [tuple(row) for row in verdicts] == [(lost, False), (waiting.effect_key, True)]


def test_reason_repository_and_limit_choose(mill, history):
    assert [one.lost.subject for one in again(mill, "validate", dry_run=True).found] == ["o__n-1", "p__q-2"]
    assert [one.lost.subject for one in again(mill, "validate", repositories=["p/*"]).found] == ["p__q-2"]
    assert validate.pending(mill) == ["p__q-2", "p__q-3"], "asked for, and never done"
    done = again(mill, "validate", limit=1)
    assert standings(done) == [("o__n-1", Standing.ASKED_NOW)]
    assert done.further == 1
    nothing = again(mill, "validate", reasons=["tests_crashed"])
    assert nothing.found == ()
    assert nothing.has == {"tests_timed_out": 1, "no_report": 1}


def test_a_worker_that_is_killed_leaves_the_request_and_the_work_pending(mill, history, tmp_path):
    again(mill, "validate", reasons=["tests_timed_out"])
    command = [sys.executable, "-c", WORKER, str(tmp_path / "home"), mill.store.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "working\n"
        (item,) = [each for each in validate.waiting(mill) if each.subject == "o__n-1"]
        assert item.again == 1
        assert mill.store.is_claimed(item.effect_key)
        os.kill(worker.pid, signal.SIGKILL)
    assert "o__n-1" in validate.pending(mill)
    done = perform(mill, asked(mill, item), lambda: Outcome(passed=False, reason=Reason.NO_REPORT))
    assert not done.repeated
    assert "o__n-1" not in validate.pending(mill)
    with mill.store.session() as session:
        assert len(session.scalars(select(ReprocessRequest)).all()) == 1


@pytest.fixture
def swemill(history, swemill):
    """The command, on what ``history`` has recorded."""
    return swemill


def test_a_dry_run_counts_by_reason_and_repository_and_changes_nothing(swemill, mill):
    before = facts(mill)
    code, out, err = swemill("reprocess", "--stage", "validate", "--dry-run")
    assert (code, err) == (0, "")
    for words in ("tests_timed_out", "no_report", "o/n", "p/q", "2 would be asked for now", "nothing was changed"):
        assert words in out
    assert facts(mill) == before


def test_what_was_asked_for_is_told_and_shown_in_the_history(swemill, mill):
    code, out, err = swemill(
        *("reprocess", "--stage", "validate", "--reason", "tests_timed_out", "--repository", "o/*"),
        *("--since", "2024-01-01", "--why", "a\x1b[2J faster disk"),
    )
    assert (code, err) == (0, "")
    assert "1 loss of validate: 1 asked for now" in out
    assert "`swemill validate` or the DAG `validate` does them again" in out
    assert validate.pending(mill) == ["o__n-1", "p__q-3"]
    _, out, _ = swemill("explain", "o__n-1")
    assert "lost: tests_timed_out" in out
    assert "to be done again  asked for by " in out
    assert ": a\N{REPLACEMENT CHARACTER}[2J faster disk" in out
    told = json.loads(swemill("explain", "o__n-1", "--json")[1])
    assert [(one["stage"], one["reason"]) for one in told["asked_again"]] == [("validate", "tests_timed_out")]


def test_as_json(swemill):
    _, out, _ = swemill("reprocess", "--stage", "validate", "--limit", "1", "--json")
    told = json.loads(out)
    (loss,) = told.pop("losses")
    assert told == {
        "stage": "validate",
        "dry_run": False,
        "asked_now": 1,
        "asked_before": 0,
        "pending": 0,
        "over_limit": 1,
        "unknown_policies": [],
        "counts": [{"reason": "tests_timed_out", "repository": "o/n", "count": 1}],
        "command": "swemill validate",
    }
    assert (loss["subject"], loss["reason"], loss["standing"]) == ("o__n-1", "tests_timed_out", "asked_now")


def test_nothing_found_says_what_there_is(swemill):
    code, out, _ = swemill("reprocess", "--stage", "validate", "--reason", "tests_crashed")
    assert code == 0
    assert "no loss of validate matches" in out
    assert "validate has lost: no_report 1, tests_timed_out 1" in out
    assert "`swemill funnel`" in swemill("reprocess", "--stage", "judge")[1]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--stage", "validte"), "did you mean validate"),
        (("--stage", "validate", "--reason", "no_reprt"), "did you mean no_report"),
        (("--stage", "validate", "--since", "soon"), "write a date such as"),
        (("--stage", "validate", "--strategy", "dated"), "for the stage install"),
        (("--stage", "install", "--strategy", "guess"), "no strategy is called guess; there are: unified"),
        (("--stage", "validate", "--repository", "n"), "owner/name"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_one(swemill, mill, arguments, words):
    code, out, err = swemill("reprocess", *arguments)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert words in err
    with mill.store.session() as session:
        assert session.scalars(select(ReprocessRequest)).all() == []


def test_a_stage_must_be_named(swemill):
    assert swemill("reprocess")[0] == 2
    assert Stage.HARVEST.value not in swemill("reprocess", "--help")[1]
