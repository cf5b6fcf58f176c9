"""The command line: exit codes, one line a trouble, and the shapes that programs read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from swemill.cli.context import printable
from swemill.cli.main import main
from swemill.errors import SandboxUnavailable
from swemill.models import ApiBudget
from swemill.reasons import ADVICE, Reason, Stage
from swemill.store.facts import record_incident
from tests.store.history import History, work

HOUR = timedelta(hours=1)


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Swemill = Callable[..., Ended]


@pytest.fixture
def swemill(monkeypatch, capsys, tmp_path) -> Swemill:
    for name in list(os.environ):
        if name.startswith("SWEMILL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SWEMILL_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["swemill", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def history(mill, database, monkeypatch, swemill) -> History:
    """A database that the command line is pointed at: one instance lost at install, one validated."""
    monkeypatch.setenv("SWEMILL_DATABASE_URL", database)
    history = History(mill)
    found = history.harvest(1)
    log = "\n".join([*(f"line {number}" for number in range(40)), "\x1b[2Jerror: no such compiler"])
    for strategy, reason in (("unified", Reason.BUILD_FAILED), ("dated", Reason.DEPENDENCY_CONFLICT)):
        lost = work(Stage.INSTALL, "o__n-1", found, {"strategy": strategy}, instance_id="o__n-1", repository="o/n")
        history.lose(lost, reason, detail="no such compiler", log=log)
    with mill.store.session() as session:
        record_incident(session, stage=Stage.INSTALL, subject="o__n-1", error=SandboxUnavailable("engine gone"))
    history.validated(2, repository="p/q")
    return history


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


@pytest.mark.parametrize(
    "name, value", [("SWEMILL_TEST_TIMEOUT", "soon"), ("SWEMILL_DATABASE_URL", "somewhere"), ("SWEMILL_UI_PORT", "0")]
)
def test_a_wrong_setting_is_one_line_that_names_it(swemill, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    ended = swemill("funnel")
    assert ended.code == 1
    assert one_line(ended.err).startswith(f"ConfigurationError: {name}")
    assert ended.out == ""


def test_the_installed_program_prints_no_traceback(tmp_path):
    environ = {**os.environ, "SWEMILL_HOME": str(tmp_path), "SWEMILL_TEST_TIMEOUT": "soon"}
    command = [sys.executable, "-c", "from swemill.cli import main; main()", "funnel"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "SWEMILL_TEST_TIMEOUT" in one_line(ended.stderr)


def test_a_database_that_is_down_is_infrastructure(swemill, monkeypatch):
    monkeypatch.setenv("SWEMILL_DATABASE_URL", "postgresql+psycopg2://me:hunter2@127.0.0.1:1/swemill")
    ended = swemill("funnel")
    assert ended.code == 3
    assert one_line(ended.err).startswith("StoreUnavailable: PostgreSQL at ")
    assert "cannot be reached" in ended.err
    assert "hunter2" not in ended.err
    assert "Traceback" not in ended.err


def test_ctrl_c_says_that_finished_work_is_kept(swemill, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("swemill.cli.inspecting.open_mill", interrupted)
    ended = swemill("funnel")
    assert ended.code == 130
    assert "finished work is kept" in one_line(ended.err)


@pytest.mark.parametrize(
    "arguments", [("dance",), ("instances", "--reason", "bad_luck"), ("export", "--format", "x", "y"), ("explain",)]
)
def test_wrong_usage_is_exit_code_two(swemill, arguments):
    assert swemill(*arguments).code == 2


@pytest.mark.postgres
@pytest.mark.parametrize(
    "arguments, words",
    [
        (("explain", "no__such-1"), "no__such-1"),
        (("validate", "no__such-1"), "no instance 'no__such-1' was harvested"),
        (("install", "no__such-1"), "swemill instances"),
        (("judge", "nonsense"), "INSTANCE@POLICY#NUMBER"),
        (("rollout", "o__n-1@oracle"), "INSTANCE@POLICY#NUMBER"),
        (("rollout", "p__q-2@oracle#0"), "a number from 1"),
        (("rollout", "p__q-2@oracle#\N{SUPERSCRIPT TWO}"), "INSTANCE@POLICY#NUMBER"),
        (("rollout", "p__q-2@nobody#1"), "no policy is called nobody"),
        (("rollout", "--policy", "nobody"), "no policy is called nobody"),
        (("validate", "o__n-1"), "swemill install o__n-1"),
        (("evaluate", "--split", "half"), "holdout, all"),
        (("instances", "--stage", "lost"), "judged_resolved"),
        (("harvest", "archive"), "--archive DIR"),
        (("harvest", "archive", "--archive", "/no/such/folder"), "/no/such/folder does not exist"),
        (("harvest", "moon"), "archive, github, releases"),
        (("harvest", "github", "--archive", "/data"), "--archive is for the source `archive`"),
        (("harvest", "--since", "2024-01-01"), "are for the source `github`"),
        (("harvest", "github", "--since", "01/02/2024"), "write a date such as 2024-03-01"),
        (("harvest", "github", "--pull", "o/n"), "the form is owner/name#7"),
        (("harvest", "github", "--pull", "o/n#1", "--until", "2024-01-01"), "--pull stands alone"),
        (("harvest", "github", "--repository", "n"), "owner/name"),
        (("explain", "o/n#99"), "o__n-99"),
        (("run", "--source", "archive"), "--archive DIR"),
        (("release",), "run rollout, then judge"),
        (("train",), "swemill release"),
        (("export", "/no/such/folder/x.jsonl"), "/no/such/folder does not exist"),
        (("export", "/proc/x.jsonl"), "cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_one(swemill, history, arguments, words):
    ended = swemill(*arguments)
    assert ended.code == 1
    assert words in one_line(ended.err)


@pytest.mark.postgres
def test_one_unknown_subject_does_not_stop_the_others(swemill, history):
    ended = swemill("validate", "no__such-1", "o__n-1")
    assert ended.code == 1
    assert [line[:5] for line in ended.err.splitlines()] == ["[1/2]", "[2/2]"]


@pytest.mark.postgres
def test_the_funnel_as_json(swemill, history):
    ended = swemill("funnel", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == {
        "stages": [
            {"stage": "harvested", "count": 2},
            {"stage": "installed", "count": 1},
            {"stage": "validated", "count": 1},
            {"stage": "rolled_out", "count": 0},
            {"stage": "judged_resolved", "count": 0},
            {"stage": "released", "count": 0},
        ],
        "losses": [{"stage": "install", "reason": "dependency_conflict", "count": 1}],
        "repositories": 0,
    }


@pytest.mark.postgres
def test_the_funnel_as_a_table(swemill, history):
    ended = swemill("funnel")
    assert ended.code == 0
    for word in ("harvested", "released", "dependency_conflict", "50%"):
        assert word in ended.out


@pytest.mark.postgres
@pytest.mark.parametrize(
    "options, found",
    [
        ((), ["o__n-1", "p__q-2"]),
        (("--stage", "validated"), ["p__q-2"]),
        (("--reason", "dependency_conflict"), ["o__n-1"]),
        (("--repo", "p/"), ["p__q-2"]),
        (("--repo", "p/", "--stage", "install"), []),
    ],
)
def test_instances_as_json(swemill, history, options, found):
    ended = swemill("instances", "--json", *options)
    lines = json.loads(ended.out)
    assert [line["instance_id"] for line in lines] == found
    assert all(list(line) == ["instance_id", "repository", "stage", "lost_at", "reason"] for line in lines)


@pytest.mark.postgres
def test_names_that_look_like_markup_are_shown_as_they_are(swemill, history):
    history.lose(work(Stage.HARVEST, "pulls/[/red]\x1b[2J.jsonl:3", "m", repository="o/n"), Reason.MALFORMED_RECORD)
    ended = swemill("instances")
    assert ended.code == 0
    assert "pulls/[/red]\N{REPLACEMENT CHARACTER}[2J.jsonl:3" in ended.out
    assert "3 instances" in ended.out


@pytest.mark.postgres
def test_explaining_a_lost_instance_names_cause_advice_and_log_tail(swemill, history):
    ended = swemill("explain", "o__n-1")
    assert ended.code == 0
    for words in (
        "install (unified)  o__n-1",
        "install (dated)  o__n-1",
        "lost: build_failed  no such compiler",
        ADVICE[Reason.BUILD_FAILED],
        ADVICE[Reason.DEPENDENCY_CONFLICT],
        "error: no such compiler",
        "line 39",
        "infrastructure trouble, no verdict",
        "engine gone",
    ):
        assert words in ended.out
    assert "line 1\n" not in ended.out, "the tail, not the whole log"
    assert "\x1b[2J" not in ended.out, "a log does not steer the terminal"


@pytest.mark.postgres
def test_a_pull_request_is_explained_by_its_own_name(swemill, history):
    assert swemill("explain", "o/n#1").out == swemill("explain", "o__n-1").out


@pytest.mark.postgres
def test_quota_leaves_out_what_the_forge_never_told(swemill, history, mill):
    now = datetime.now(UTC)
    untold = {"minute": None, "spent_this_minute": 1, "blocked_until": None, "blocked_why": ""}
    told = ApiBudget(credential="a" * 64, resource="graphql", remaining=17, quota=5000, resets_at=now + HOUR, **untold)
    refused = ApiBudget(credential="b" * 64, resource="core", remaining=None, quota=None, resets_at=None, **untold)
    with mill.store.session() as session:
        session.add_all([told, refused])
    ended = swemill("quota")
    assert "aaaaaaaaaaaa" in ended.out
    assert "17" in ended.out
    assert "bbbbbbbbbbbb" not in ended.out


@pytest.mark.postgres
def test_explaining_as_json(swemill, history):
    told = json.loads(swemill("explain", "o__n-1", "--json").out)
    assert [attempt["stage"] for attempt in told["attempts"]] == ["harvest", "install", "install"]
    lost = told["attempts"][1]
    assert (lost["passed"], lost["reason"], lost["config"]["strategy"]) == (False, "build_failed", "unified")
    assert lost["advice"] == ADVICE[Reason.BUILD_FAILED]
    assert lost["log_tail"].endswith("error: no such compiler")
    assert [incident["cause"] for incident in told["incidents"]] == ["SandboxUnavailable"]


@pytest.mark.postgres
def test_a_log_that_is_gone_does_not_hide_the_rest_of_the_history(swemill, history, monkeypatch, tmp_path):
    monkeypatch.setenv("SWEMILL_BLOBS_URL", str(tmp_path / "elsewhere"))
    ended = swemill("explain", "o__n-1")
    assert ended.code == 0
    assert "the log cannot be read" in ended.out
    assert "infrastructure trouble, no verdict" in ended.out


@pytest.mark.postgres
def test_exporting_writes_validated_instances(swemill, history, tmp_path, monkeypatch):
    monkeypatch.setenv("SWEMILL_DOCKER_HOST", "unix:///run/own.sock")
    path = tmp_path / "out.jsonl"
    ended = swemill("export", "--format", "swebench", str(path))
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"1 instances written to {path}",
        "warning: the official harness may judge 1 of them otherwise: see their harness_limits",
        f"evaluate with: DOCKER_HOST=unix:///run/own.sock uvx --from swebench==5.0.2 swebench eval {path} --gold "
        "--run-id gold",
    ]
    (row,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert (row["instance_id"], row["repo"], row["patch"]) == ("p__q-2", "p/q", "diff\n")
    assert [found.name for found in Path(tmp_path).glob(".*")] == []
    wrong = swemill("export", "--format", "parquet", str(path))
    assert wrong.code != 0
    assert "out.jsonl must end in .parquet" in wrong.out + wrong.err


def test_control_characters_are_replaced_and_letters_kept():
    assert printable("a\tß\n\x1b[31m\r\x07") == "a\tß\n\ufffd[31m\ufffd\ufffd"
