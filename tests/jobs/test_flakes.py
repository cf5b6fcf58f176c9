"""The flake ledger from a test that really is flaky to the command line, and counted anew from the stored reports."""

import json

import pytest

from swemill.jobs import harvest, install, validate
from swemill.jobs.flakes import every_test, filters, ledger
from swemill.reasons import Reason, Stage
from swemill.values import Arm
from tests.jobs.local_mill import ID, archive, local_mill
from tests.store.history import History, work
from tests.unit.shapes_of_repositories import NEW_TESTS

pytestmark = pytest.mark.postgres

FLAKY = "tests/test_calc.py::test_sometimes"


@pytest.fixture
def history(mill) -> History:
    return History(mill)


@pytest.fixture
def twice(history) -> History:
    """An instance that was lost for a flaky test, and validated when it was done again; another test has turned."""
    environment = history.install(ID, history.harvest())
    item = work(Stage.VALIDATE, ID, environment, {"try": 1}, instance_id=ID, repository="o/n")
    lost = history.lose(item, Reason.FLAKY_FAIL_TO_PASS)
    history.ran(lost, environment, before=["a -b", "a -b", "a -b"], after=["a b t", "a -b t", "a b t"])
    passed = history.validate(ID, environment)
    history.ran(passed, environment, before=["a -b", "a -b", "a -b"], after=["a b -t", "a b -t", "a b -t"])
    return history


def test_a_flaky_test_of_a_validation_is_in_the_ledger_and_its_instance_is_not_lost(tmp_path, database):
    place = tmp_path / "count"
    # The fourth run is the one with the gold patch in the second round.
    flaky = (
        f"import os\nopen({str(place)!r}, 'a').write('x')\nturn = os.path.getsize({str(place)!r})\n\n\n"
        "def test_sometimes():\n    assert turn != 4\n"
    )
    folder = archive(tmp_path, tests=NEW_TESTS + flaky)
    mill = local_mill(tmp_path, database, SWEMILL_ARCHIVE_DIR=str(folder), SWEMILL_WRONG_PATCHES="0")
    harvest.harvest(mill, "archive")
    assert install.install(mill, ID).passed
    assert validate.validate(mill, ID).passed
    found = ledger(mill, filters(limit=10))
    assert [(line.test, line.arm, line.passes, line.runs, line.executions) for line in found.lines] == [
        (FLAKY, Arm.AFTER, 2, 3, 3)
    ]
    assert (found.lines[0].reason, found.lines[0].repository) == (None, "o/n")
    assert (found.recorded.runs, found.recorded.flaky) == (6, 1)
    counted = every_test(mill, ID, limit=10)
    assert counted.runs == 6
    assert {(line.test.rpartition("::")[2], line.arm.value): (line.passes, line.runs) for line in counted.lines} == {
        ("test_sometimes", "after"): (2, 3),
        ("test_sometimes", "before"): (3, 3),
        ("test_add", "before"): (0, 3),
        ("test_add", "after"): (3, 3),
        ("test_one", "before"): (3, 3),
        ("test_one", "after"): (3, 3),
    }


def test_the_reports_tell_of_the_validations_in_which_a_test_was_steady(mill, twice):
    (line,) = ledger(mill, filters(limit=10)).lines
    assert (line.test, line.passes, line.runs, line.executions, line.reason) == ("b", 2, 3, 6, "flaky_fail_to_pass")
    counted = every_test(mill, ID, limit=10)
    assert [(line.test, line.arm.value, line.passes, line.runs) for line in counted.lines] == [
        ("t", "after", 3, 6),
        ("b", "after", 5, 6),
        ("b", "before", 0, 6),
        ("a", "after", 6, 6),
        ("a", "before", 6, 6),
    ], "t was steady in each of them, and not the same in both"
    assert [line.test for line in every_test(mill, ID, below=0.6, limit=10).lines] == ["t", "b"]
    short = every_test(mill, ID, limit=2)
    assert (len(short.lines), short.further) == (2, 3)


def test_the_list_on_the_command_line(swemill, twice):
    code, out, err = swemill("flakes")
    assert (code, err) == (0, "")
    for words in ("0.67  2/3", "of 6 runs", "after", ID, "unified", "lost:", "flaky_fail_to_pass"):
        assert words in out
    assert "more; --limit" not in out
    assert swemill("flakes", "--repository", "p/*")[1] == (
        "no flaky test matches; 1 known of 1 instance: give fewer or other filters\n"
    )


def test_a_long_id_is_told_whole_and_does_not_steer_the_terminal(swemill, history):
    environment = history.install(ID, history.harvest())
    name = f"tests/x.py::test_[/red]\x1b[2J{'y' * 300}"
    passed = history.validate(ID, environment)
    history.ran(passed, environment, after=[name, f"-{name}"])
    code, out, _ = swemill("flakes")
    assert code == 0
    assert out.count("y") >= 300
    assert "\x1b" not in out
    assert "test left out" in out


def test_the_limit_says_how_many_more_there_are(swemill, history):
    environment = history.install(ID, history.harvest())
    history.ran(history.validate(ID, environment), environment, after=["a b c", "-a"])
    assert swemill("flakes", "--limit", "1")[1].endswith("\nand 2 more; --limit shows them\n")
    assert swemill("flakes", "--instance", ID, "--all", "--limit", "2")[1].endswith(
        "\nand 1 more; --limit shows them\n"
    )


def test_the_list_as_json(swemill, twice):
    told = json.loads(swemill("flakes", "--json")[1])
    (line,) = told.pop("flaky")
    assert told == {"over_limit": 0, "recorded": {"instances": 1, "runs": 12, "flaky": 1}}
    assert {line.pop(name)[:2] for name in ("first_seen", "last_seen")} == {"20"}
    assert line.pop("image").startswith("image:")
    assert line.pop("environment") > 0
    assert line == {
        "test": "b",
        "instance_id": ID,
        "repository": "o/n",
        "arm": "after",
        "strategy": "unified",
        "passes": 2,
        "runs": 3,
        "executions": 6,
        "reason": "flaky_fail_to_pass",
        "probability": 0.6667,
    }


def test_every_test_on_the_command_line(swemill, twice):
    code, out, err = swemill("flakes", "--instance", "o/n#1", "--all")
    assert (code, err) == (0, "")
    for words in ("0.50", "3/6", "5/6", "0/6", "6/6"):
        assert words in out
    told = json.loads(swemill("flakes", "--instance", ID, "--all", "--json", "--below", "0.6")[1])
    assert (told["instance_id"], told["runs"], told["over_limit"]) == (ID, 12, 0)
    assert [(line["test"], line["probability"]) for line in told["tests"]] == [("t", 0.5), ("b", 0.0)]


def test_nothing_flaky_is_not_nothing_validated(swemill, history):
    assert swemill("flakes")[1].startswith("nothing is validated yet")
    assert json.loads(swemill("flakes", "--json")[1])["recorded"] == {"instances": 0, "runs": 0, "flaky": 0}
    environment = history.install(ID, history.harvest())
    for arguments in ((), ("--all",)):
        code, out, _ = swemill("flakes", "--instance", ID, *arguments)
        assert code == 0
        assert out.startswith(f"no run of the tests of {ID} is recorded")
    history.ran(history.validate(ID, environment), environment, before=["-a"], after=["a"])
    assert swemill("flakes") == (0, "no flaky test in 2 runs of the tests of 1 instance\n", "")
    assert swemill("flakes", "--instance", ID, "--all", "--below", "0") == (
        0,
        f"no test matches in 2 runs of the tests of {ID}\n",
        "",
    )


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--instance", "no__such-1"), "nothing is known of 'no__such-1'; `swemill instances`"),
        (("--instance", "no__such-1", "--all"), "nothing is known of 'no__such-1'; `swemill instances`"),
        (("--all",), "give --instance"),
        (("--all", "--instance", ID, "--since", "2024-01-01"), "no --repository or --since"),
        (("--since", "soon"), "write a date such as"),
        (("--repository", "n"), "owner/name"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_one(swemill, arguments, words):
    code, out, err = swemill("flakes", *arguments)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert words in err


def test_wrong_usage_is_exit_code_two(swemill):
    assert swemill("flakes", "--below", "2")[0] == 2
    assert swemill("flakes", "--limit", "0")[0] == 2


def test_a_report_that_is_gone_is_infrastructure(swemill, twice, monkeypatch, tmp_path):
    monkeypatch.setenv("SWEMILL_BLOBS_URL", str(tmp_path / "elsewhere"))
    code, out, err = swemill("flakes", "--instance", ID, "--all")
    assert (code, out) == (3, "")
    assert err.startswith("StoreUnavailable: reading blob ")
    assert swemill("flakes", "--instance", ID)[0] == 0, "the list reads no report"


def test_the_history_of_an_instance_names_its_flaky_tests(swemill, twice):
    _, out, _ = swemill("explain", ID)
    assert "lost: flaky_fail_to_pass" in out
    assert "    flaky after the gold patch: b passed 2 of 3 runs\n" in out
    assert out.count("flaky after") == 1
    told = json.loads(swemill("explain", ID, "--json")[1])["attempts"]
    assert [attempt["flaky"] for attempt in told] == [
        [],
        [],
        [{"test": "b", "arm": "after", "passes": 2, "runs": 3}],
        [],
    ]


def test_a_history_names_a_few_of_many(swemill, history):
    environment = history.install(ID, history.harvest())
    history.ran(history.validate(ID, environment), environment, after=["a b c d e f g", ""])
    _, out, _ = swemill("explain", ID)
    assert out.count("flaky after the gold patch") == 5
    assert f"and 2 more; `swemill flakes --instance {ID}` lists them" in out
