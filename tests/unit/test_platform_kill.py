"""Pure parts of the drill ``tests/benchmarks/platform_kill.py``: its moments, its archive, and how facts compare."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.reasons import Reason
from tests.benchmarks.platform_kill_archive import Truth, make_archive, truth_of
from tests.benchmarks.platform_kill_facts import Fact, Facts, differences, untruths
from tests.benchmarks.platform_kill_values import KINDS, LATEST_DELAY, moments

RUNS = (("after", 1, "", 2, 0), ("before", 1, "", 1, 1))
GOOD = Fact(
    instance="o__n-1",
    effect_key="a",
    passed=True,
    reason=None,
    fail_to_pass=("t.py::new",),
    pass_to_pass=("t.py::old",),
    strength=1.0,
    labels=("well_formed",),
    runs=RUNS,
)
LOST = Fact(instance="o__n-2", effect_key="b", passed=False, reason="no_fail_to_pass")
FACTS = Facts(attempts=(GOOD, LOST), rows={"attempt": 2, "test_execution": 2})
TRUTHS = {
    "o__n-1": Truth(reason=None, fail_to_pass=("t.py::new",), pass_to_pass=("t.py::old",)),
    "o__n-2": Truth(reason="no_fail_to_pass"),
}


@pytest.mark.parametrize(("kills", "instances"), [(20, 40), (3, 6), (20, 6), (1, 1)])
def test_kills_are_spread_over_the_whole_run_and_every_kind_has_its_share(kills: int, instances: int) -> None:
    plan = moments(random.Random(1), kills=kills, instances=instances)
    assert len(plan) == kills
    done = [one.done for one in plan]
    assert done == sorted(done)
    assert 0 <= done[0] <= (instances + 1) / kills
    assert instances >= done[-1] >= int((kills - 1) * (instances + 1) / kills)
    assert all(0 <= one.delay <= LATEST_DELAY for one in plan)
    counts = Counter(one.kind for one in plan)
    assert max(counts.values()) - min(counts[kind] for kind in KINDS) <= 1


def test_the_same_seed_gives_the_same_kills_and_another_one_others() -> None:
    first, again, other = (moments(random.Random(seed), kills=20, instances=40) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_only_the_kinds_that_were_asked_for_are_killed() -> None:
    plan = moments(random.Random(1), kills=4, instances=6, kinds=["postgres", "task"])
    assert Counter(one.kind for one in plan) == {"postgres": 2, "task": 2}


def test_equal_facts_do_not_differ_in_whatever_order_they_were_found() -> None:
    assert list(differences(FACTS, FACTS)) == []
    assert list(differences(FACTS, replace(FACTS, attempts=(LOST, GOOD)))) == []


@pytest.mark.parametrize(
    "changed",
    [
        replace(GOOD, effect_key="c"),
        replace(GOOD, fail_to_pass=()),
        replace(GOOD, strength=0.5),
        replace(GOOD, labels=()),
        replace(GOOD, runs=RUNS[:1]),
        replace(GOOD, runs=(*RUNS, RUNS[0])),
        replace(GOOD, passed=False, reason="tests_crashed"),
    ],
)
def test_a_fact_that_became_another_one_is_missing_and_added(changed: Fact) -> None:
    told = list(differences(FACTS, replace(FACTS, attempts=(changed, LOST))))
    assert [line.partition(":")[0] for line in told] == ["missing", "added"]
    assert str(GOOD) in told[0]
    assert str(changed) in told[1]


def test_what_is_lost_or_there_twice_is_told_with_the_rows() -> None:
    assert list(differences(FACTS, replace(FACTS, attempts=(GOOD,)))) == [f"missing: {LOST}"]
    twice = Facts(attempts=(GOOD, GOOD, LOST), rows={"attempt": 3, "test_execution": 2, "flake": 1})
    assert list(differences(FACTS, twice)) == [
        f"added: {GOOD}",
        "3 rows of attempt, not 2",
        "1 rows of flake, not 0",
    ]


def test_facts_are_held_to_what_the_archive_was_made_for() -> None:
    assert list(untruths(FACTS, TRUTHS)) == []
    assert list(untruths(replace(FACTS, attempts=(GOOD,)), TRUTHS)) == ["o__n-2 has 0 attempts"]
    assert list(untruths(replace(FACTS, attempts=(GOOD, LOST, LOST)), TRUTHS)) == ["o__n-2 has 2 attempts"]
    stranger = replace(LOST, instance="o__n-3")
    assert "o__n-3 has 1 attempts" in list(untruths(replace(FACTS, attempts=(GOOD, LOST, stranger)), TRUTHS))
    crashed = replace(LOST, reason="tests_crashed")
    (told,) = untruths(replace(FACTS, attempts=(GOOD, crashed)), TRUTHS)
    assert "tests_crashed" in told
    assert "no_fail_to_pass" in told
    twice = replace(GOOD, runs=(*RUNS, RUNS[1]))
    assert list(untruths(replace(FACTS, attempts=(twice, LOST)), TRUTHS)) == ["o__n-1 has round 1 before 2 times"]


def test_the_archive_holds_what_must_be_lost_and_counts_that_differ(tmp_path: Path) -> None:
    truths = make_archive(tmp_path / "archive", tmp_path / "trees", instances=9)
    assert len(truths) == 9
    assert sorted(path.name for path in (tmp_path / "archive" / "repos" / "mill").iterdir()) == [
        "stone0.git",
        "stone1.git",
    ]
    assert {one.reason for one in truths.values()} == {
        None,
        Reason.NO_FAIL_TO_PASS.value,
        Reason.TESTS_CRASHED.value,
        Reason.GOLD_BREAKS_TESTS.value,
    }
    kept = [truth for number in range(40) if (truth := truth_of(number)).reason is None]
    assert len(kept) == 28
    assert len({len(one.fail_to_pass) for one in kept}) == 3
    assert len({len(one.pass_to_pass) for one in kept}) == 4
