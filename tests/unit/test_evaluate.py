"""Evaluation: rate, interval, the identity of the set, and the refusal of a leaking one."""

import pytest

from swemill.errors import UserError
from swemill.stages.evaluate import evaluate, instance_set, require_disjoint
from swemill.values import PolicySpec

POLICY = PolicySpec(name="p", agent="a", model="m", provider="scripted")


def test_rate_and_wilson_interval() -> None:
    result = evaluate(POLICY, {f"i{n}": n < 9 for n in range(10)}, split="held_out")
    assert (result.policy, result.split, result.instances, result.resolved, result.rate) == (
        "p",
        "held_out",
        10,
        9,
        0.9,
    )
    assert (result.low, result.high) == pytest.approx((0.5958, 0.9821), abs=1e-3)


def test_the_ends_stay_between_nothing_and_everything() -> None:
    none, every = (evaluate(POLICY, {"a": value, "b": value}, split="s") for value in (False, True))
    assert (none.rate, none.low, every.rate, every.high) == (0.0, 0.0, 1.0, 1.0)
    assert 0 < none.high < 1
    assert 0 < every.low < 1


def test_the_set_is_known_by_its_members_alone() -> None:
    first = evaluate(POLICY, {"b": True, "a": False}, split="s")
    second = evaluate(POLICY, {"a": True, "b": True}, split="s")
    assert first.instance_set == second.instance_set == instance_set(["a", "b", "a"])
    assert first.instance_set != instance_set(["a"])
    assert list(first.outcomes) == ["a", "b"]


def test_nothing_judged_is_refused() -> None:
    with pytest.raises(UserError, match="no judged instance"):
        evaluate(POLICY, {}, split="held_out")


def test_a_shared_repository_is_refused_by_name() -> None:
    require_disjoint(trained=["a/b"], evaluated=["a/c"])
    with pytest.raises(UserError, match="share a/b"):
        require_disjoint(trained=["A/B", "c/d"], evaluated=["a/b"])
