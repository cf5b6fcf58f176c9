"""Re-validation as a job: a fact a week, quarantine and the way out of it, by job and by command."""

import json

import pytest

from swemill.errors import SandboxUnavailable
from swemill.jobs import harvest, install, judge, pending, revalidate, rollout, validate
from swemill.jobs.reprocess import reprocess
from swemill.jobs.reprocess_choice import Standing, choice
from swemill.reasons import Reason
from swemill.stages import conditions
from swemill.stages.revalidate import EVIDENCE
from swemill.store.report import history as history_of
from tests.jobs.local_mill import ID, LocalMill, archive, local_mill
from tests.store.history import History

pytestmark = pytest.mark.postgres


@pytest.fixture
def local(tmp_path, database, monkeypatch) -> LocalMill:
    """A mill with one validated instance; the machine needs no locales of its own."""
    monkeypatch.setattr(conditions, "FOLDER", str(tmp_path / "made"))
    folder = archive(tmp_path)
    mill = local_mill(tmp_path, database, SWEMILL_ARCHIVE_DIR=str(folder), SWEMILL_VALIDATION_ROUNDS="1")
    harvest.harvest(mill, "archive", archive=folder)
    assert install.install(mill, ID, strategies=["unified"]).passed
    assert validate.validate(mill, ID).passed
    return mill


def rot(mill: LocalMill) -> None:
    place = mill.image / "calc.py"
    place.write_text(place.read_text().replace("a - b", "a  -  b"))


def mend(mill: LocalMill) -> None:
    place = mill.image / "calc.py"
    place.write_text(place.read_text().replace("a  -  b", "a - b"))


def tries(mill: LocalMill) -> list[tuple[str, bool]]:
    with mill.store.session() as session:
        return [(item.config["week"], item.passed) for item in history_of(session, ID) if item.stage == "revalidate"]


def test_a_week_is_a_fact_and_twice_a_week_is_once(local):
    assert revalidate.pending(local) == [ID]
    done = revalidate.revalidate(local, ID)
    assert (done.passed, done.repeated) == (True, False)
    assert done.detail.startswith("held today; ")
    assert revalidate.revalidate(local, ID).repeated
    assert revalidate.pending(local) == []
    assert pending.of(local, "revalidate", {"only": [ID]}) == []
    assert revalidate.pending(local, week="2020-W02") == [ID], "another week"
    assert len(tries(local)) == 1
    with local.store.session() as session:
        attempt = history_of(session, ID)[-1]
    told = json.loads(local.blobs.get(attempt.evidence[EVIDENCE]))
    assert [one["condition"] for one in told] == ["today", "year_ahead", "elsewhere"]
    assert told[0]["looks"][0]["outcomes"]["gold"] == {"passed": 2}


def test_rot_keeps_an_instance_from_work_until_it_holds_again(local):
    assert rollout.pending(local, policies=["oracle"]) == [f"{ID}@oracle#1"]
    rot(local)
    done = revalidate.revalidate(local, ID, week="2020-W01")
    assert (done.passed, done.reason) == (False, "rotted")
    assert rollout.pending(local, policies=["oracle"]) == []
    assert judge.pending(local) == []
    again = reprocess(local, choice("revalidate"), by="me")
    assert [(one.lost.subject, one.standing) for one in again.found] == [(ID, Standing.PENDING)], "it was another week"
    assert revalidate.pending(local) == [ID]
    assert not revalidate.revalidate(local, ID).passed
    assert revalidate.pending(local) == []
    again = reprocess(local, choice("revalidate", reasons=["rotted"]), by="me")
    assert [(one.lost.subject, one.standing) for one in again.found] == [(ID, Standing.ASKED_NOW)]
    assert again.command() == "swemill revalidate"
    assert again.form() == {"only": [ID]}
    assert pending.of(local, "revalidate", again.form()) == [ID]
    mend(local)
    assert revalidate.revalidate(local, ID).passed
    assert rollout.pending(local, policies=["oracle"]) == [f"{ID}@oracle#1"]
    assert reprocess(local, choice("revalidate"), by="me").found == ()
    assert [passed for _, passed in tries(local)] == [False, False, True]


def test_trouble_of_the_engine_is_no_verdict(local):
    local.engine.down = True
    with pytest.raises(SandboxUnavailable):
        revalidate.revalidate(local, ID)
    assert tries(local) == []
    assert revalidate.pending(local) == [ID]


def test_the_commands_tell_of_quarantine(swemill, mill):
    history = History(mill)
    _, effect = history.validated()
    (item,) = revalidate.waiting(mill)
    history.lose(item, Reason.TIME_BOMB, detail="a year ahead t::passes fails")
    assert swemill("revalidate") == (0, "nothing is pending\n", "")
    code, out, _ = swemill("explain", ID)
    assert code == 0
    assert "lost: time_bomb  a year ahead t::passes fails" in out
    assert "quarantined since" in out.splitlines()[-2]
    assert f"until `swemill revalidate {ID}` or a new validation passes" in out
    assert json.loads(swemill("explain", ID, "--json")[1])["quarantine"]["reason"] == "time_bomb"
    assert ("revalidate", "time_bomb", 1) in [
        tuple(loss.values()) for loss in json.loads(swemill("funnel", "--json")[1])["losses"]
    ]
    assert "time_bomb" in swemill("instances", "--stage", "revalidate")[1]
    code, _, err = swemill("rollout", f"{ID}@oracle#1")
    assert (code, "is quarantined since" in err) == (1, True)
    assert "1 loss of revalidate: 1 asked for now" in swemill("reprocess", "--stage", "revalidate")[1]
    history.revalidate(ID, effect)
    assert json.loads(swemill("explain", ID, "--json")[1])["quarantine"] is None
