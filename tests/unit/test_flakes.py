"""Which tests are flaky, how often each passed, and what a person is told of the flake ledger."""

from datetime import UTC, datetime

import pytest

from swemill.errors import UserError
from swemill.flakiness import flaky_tests, passes, steadiness
from swemill.jobs.flakes import Counted, Filters, Ledger, PassRate, filters
from swemill.store.flakes import FlakyLine, Recorded
from swemill.values import Arm, FlakyTest, TestOutcome, TestReport, TestRun

AT = datetime(2026, 1, 2, tzinfo=UTC)
ADDRESS = "test_x[<object at 0x7f0123456789>]"
RATE = PassRate("a", Arm.AFTER, 1, "swemill/instance:0", "adaptive", 1, 3, AT, AT)
FLAKY = FlakyLine("a", "o__n-1", "o/n", Arm.AFTER, 1, "swemill/instance:0", "adaptive", 1, 3, 3, AT, AT, None)


def report(**outcomes: str) -> TestReport:
    return TestReport(
        outcomes={test: TestOutcome(word) for test, word in outcomes.items()}, collected=len(outcomes), finished=True
    )


def runs(arm: Arm, *reports: TestReport) -> list[TestRun]:
    return [TestRun(arm=arm, round=number, order_seed="", report=one) for number, one in enumerate(reports, 1)]


def test_absent_skipped_and_failed_are_not_passed_and_an_expected_failure_is():
    counts = passes(
        [
            report(a="passed", b="xfailed", c="skipped", d="failed"),
            report(a="passed", b="xpassed", c="passed", d="error"),
            report(a="passed"),
        ]
    )
    assert counts == {"a": 3, "b": 1, "c": 1, "d": 0}
    assert "d" in counts


def test_what_passes_in_some_runs_of_an_arm_and_not_in_all_is_flaky():
    before = runs(Arm.BEFORE, report(a="failed", b="passed"), report(a="failed", b="passed"))
    after = runs(Arm.AFTER, report(a="passed", b="passed"), report(a="passed", c="passed"))
    assert flaky_tests(after + before) == (
        FlakyTest(test="b", arm=Arm.AFTER, passes=1, runs=2),
        FlakyTest(test="c", arm=Arm.AFTER, passes=1, runs=2),
    )
    assert flaky_tests(before) == ()


def test_an_id_that_no_other_run_can_have_is_no_flaky_test():
    once = runs(Arm.AFTER, report(**{ADDRESS: "passed", "a": "passed"}), report(a="passed"))
    assert flaky_tests(once) == ()
    assert passes([run.report for run in once]) == {"a": 2}


def test_the_steadiest_is_last():
    counts = [(0, 3), (1, 2), (2, 3), (9, 10), (3, 3), (1, 3), (2, 6)]
    assert sorted(counts, key=lambda one: steadiness(*one)) == [
        *((1, 2), (1, 3), (2, 6), (2, 3), (9, 10)),
        *((0, 3), (3, 3)),
    ]


def test_words_become_filters():
    given = filters(repositories=["o/n", "p/*", "o/n"], instance_id="o__n-1", since="2026-01-02", below=0.5, limit=7)
    assert given == Filters(repositories=("o/n", "p/*"), instance_id="o__n-1", since=AT, below=0.5, limit=7)
    assert filters(limit=1) == Filters(limit=1)


@pytest.mark.parametrize(
    "words, told",
    [
        ({"since": "yesterday"}, "since is 'yesterday': write a date such as"),
        ({"since": "2999-01-01"}, "is empty"),
        ({"repositories": ["o/n", "flask"]}, "'flask' is no repository: write owner/name, or with a star"),
    ],
)
def test_a_word_that_cannot_be_meant_is_refused(words, told):
    with pytest.raises(UserError) as raised:
        filters(limit=1, **words)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "instance, held, told",
    [
        (None, (0, 0, 0), "nothing is validated yet: no run of any tests is recorded; `swemill validate` makes them"),
        ("o__n-1", (0, 0, 0), "no run of the tests of o__n-1 is recorded: it is not validated yet, or the first"),
        (None, (1, 6, 0), "no flaky test in 6 runs of the tests of 1 instance"),
        (None, (2, 12, 0), "no flaky test in 12 runs of the tests of 2 instances"),
        ("o__n-1", (1, 6, 0), "no flaky test in 6 runs of the tests of o__n-1"),
        (None, (2, 12, 3), "no flaky test matches; 3 known of 2 instances: give fewer or other filters"),
    ],
)
def test_an_empty_answer_tells_nothing_flaky_from_nothing_validated(instance, held, told):
    given = Filters(instance_id=instance, limit=1)
    (line,) = Ledger(filters=given, lines=(), further=0, recorded=Recorded(*held)).summary()
    assert line.startswith(told)


def test_an_empty_count_likewise():
    (line,) = Counted(instance_id="o__n-1", lines=(), further=0, runs=0).summary()
    assert "`swemill explain o__n-1`" in line
    (line,) = Counted(instance_id="o__n-1", lines=(), further=0, runs=6).summary()
    assert line == "no test matches in 6 runs of the tests of o__n-1"


def test_what_is_over_the_limit_is_told():
    held = Recorded(1, 6, 1)
    for further, told in ((0, []), (4, ["and 4 more; --limit shows them"])):
        ledger = Ledger(filters=Filters(limit=1), lines=(FLAKY,), further=further, recorded=held)
        assert ledger.summary() == told
        assert Counted(instance_id="o__n-1", lines=(RATE,), further=further, runs=3).summary() == told
