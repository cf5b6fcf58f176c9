"""What to do again, from a person's words, and what that person is told."""

from datetime import UTC, datetime

import pytest

from swemill.errors import UserError
from swemill.jobs.reprocess_choice import Again, Count, Reprocessed, Standing, choice
from swemill.reasons import Reason, Stage
from swemill.store.reprocess import Lost

AT = datetime(2026, 1, 2, tzinfo=UTC)


def again(
    subject: str, *, repository: str = "o/n", reason: str = "no_report", standing: Standing = Standing.ASKED_NOW
) -> Again:
    return Again(Lost(subject, subject.partition("@")[0], repository, reason, None, AT, "input"), standing)


def done(*found: Again, stage: str = "validate", dry_run: bool = False, **more) -> Reprocessed:
    more.setdefault("choice", choice(stage))
    return Reprocessed(dry_run=dry_run, found=found, **more)


def test_words_become_a_choice_each_once():
    chosen = choice(
        "validate",
        reasons=["no_report", "no_report"],
        repositories=["o/n", "p/*"],
        since="2026-01-02",
        until="2026-02-01",
    )
    assert (chosen.stage, chosen.reasons) == (Stage.VALIDATE, (Reason.NO_REPORT,))
    assert (chosen.window.since, chosen.window.until) == (AT, datetime(2026, 2, 1, tzinfo=UTC))
    assert [chosen.has(name) for name in ("o/n", "p/x", "o/nn", "", "x/p/y")] == [True, True, False, False, False]
    assert choice("install", strategies=["adaptive", "adaptive"]).strategies == ("adaptive",)


def test_without_a_word_everything_is_chosen():
    chosen = choice("judge")
    assert (chosen.reasons, chosen.repositories, chosen.limit) == ((), (), None)
    assert chosen.has("")
    assert chosen.window.since < AT < datetime.now(UTC) < chosen.window.until


@pytest.mark.parametrize(
    "words, told",
    [
        ({"stage": "validation"}, "no stage of reprocess is called 'validation'; did you mean validate or revalidate?"),
        ({"stage": "harvest"}, "there are: install, validate, revalidate, rollout, judge"),
        ({"reasons": ["test_timed_out"]}, "no reason is called 'test_timed_out'; did you mean tests_timed_out"),
        ({"reasons": ["no_report", "xyz"]}, "no reason is called 'xyz'; there are: fork, archived"),
        ({"since": "yesterday"}, "since is 'yesterday': write a date such as"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "is empty"),
        ({"repositories": ["flask"]}, "'flask' is no repository: write owner/name, or with a star"),
        ({"repositories": ["o/n", "o/"]}, "'o/' is no repository"),
        ({"strategies": ["adaptive"]}, "a strategy is for the stage install, and validate has none"),
    ],
)
def test_a_word_that_cannot_be_meant_is_refused_with_the_nearest(words, told):
    with pytest.raises(UserError) as raised:
        choice(**{"stage": "validate", **words})
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_losses_are_counted_the_most_first():
    found = done(
        again("a", reason="no_report"),
        again("b", repository="p/q", reason="tests_timed_out"),
        again("c", repository="p/q", reason="tests_timed_out"),
        *(again(str(number), repository=f"r/{number}") for number in range(4)),
    )
    assert found.counts()[:2] == [Count("tests_timed_out", "p/q", 2), Count("no_report", "o/n", 1)]
    assert found.by_reason() == [
        "no_report: 5 in 5 repositories (o/n 1, r/0 1, r/1 1, ...)",
        "tests_timed_out: 2 in p/q",
    ]


def test_the_summary_tells_what_was_asked_and_what_was_not():
    found = (again("a"), again("b", standing=Standing.ASKED_BEFORE), again("c", standing=Standing.PENDING))
    (line, over) = done(*found, further=7).summary()
    assert line == (
        "3 losses of validate: 1 asked for now, 1 asked for before and not done yet, "
        "1 pending anyway (settings, code or input have changed since)"
    )
    assert over == "7 more match and are over the limit"
    line, last = done(*found, dry_run=True).summary()
    assert "1 would be asked for now" in line
    assert last == "dry run: nothing was changed"


def test_where_nothing_matches_the_way_out_is_named():
    nothing, way_out = done(has={"no_report": 2, "tests_crashed": 1}).summary()
    assert nothing == "no loss of validate matches: there is nothing to do again"
    assert way_out.startswith("validate has lost: no_report 2, tests_crashed 1; give fewer or other reasons")
    assert "`swemill funnel`" in done(has={}).summary()[-1]
    assert "left out are rollouts of old, older" in done(unknown_policies=("old", "older")).summary()[1]


@pytest.mark.parametrize(
    "found, form, command",
    [
        (done(again("a"), again("a"), again("b")), {"only": ["a", "b"]}, "swemill validate"),
        (
            done(again("a"), choice=choice("install", strategies=["dated"])),
            {"only": ["a"], "strategies": ["dated"]},
            "swemill install --strategy dated",
        ),
        (done(again("a"), stage="install"), {"only": ["a"], "strategies": []}, "swemill install"),
        (
            done(again("a@idle#1"), again("b@gpt#3"), stage="rollout"),
            {"only": ["a@idle#1", "b@gpt#3"], "policies": ["gpt", "idle"], "attempts": 3},
            "swemill rollout --policy gpt --policy idle --attempts 3",
        ),
        (done(again("a@idle#2"), stage="judge"), {"only": ["a@idle#2"]}, "swemill judge"),
    ],
)
def test_the_run_that_does_exactly_these(found, form, command):
    assert found.form() == form
    assert found.command() == command
