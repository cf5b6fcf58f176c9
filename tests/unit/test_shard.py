"""A shard: every item has its turn, and the worst that happened is told at the end."""

from collections.abc import Callable

import pytest

from swemill.errors import AlreadyClaimed, SandboxUnavailable, UnknownSubject
from swemill.jobs.perform import Done
from swemill.jobs.shard import PATIENCE, all_of


def doing(failures: dict[str, Exception], tried: list[str]) -> Callable[[str], Done]:
    def do(subject: str) -> Done:
        tried.append(subject)
        if subject in failures:
            raise failures[subject]
        return Done(subject=subject, passed=True)

    return do


def test_all_are_done_in_order() -> None:
    tried: list[str] = []
    done = all_of(["a", "b", "c"], doing({}, tried))
    assert [one.subject for one in done] == tried == ["a", "b", "c"]


def test_one_item_that_fails_holds_up_no_other() -> None:
    tried: list[str] = []
    with pytest.raises(SandboxUnavailable) as raised:
        all_of(["a", "b", "c"], doing({"a": SandboxUnavailable("gone")}, tried))
    assert tried == ["a", "b", "c"]
    assert raised.value.__notes__ == ["2 of 3 items are done; not done: a"]


def test_what_may_be_mended_by_another_try_is_told_before_what_may_not() -> None:
    failures = {"a": UnknownSubject("a?"), "b": ValueError("a defect"), "c": AlreadyClaimed("c")}
    with pytest.raises(AlreadyClaimed):
        all_of(["a", "b", "c", "d"], doing(failures, []))
    del failures["c"]
    with pytest.raises(UnknownSubject):
        all_of(["a", "b", "c", "d"], doing(failures, []))


def test_a_machine_in_trouble_is_not_asked_for_every_item() -> None:
    tried: list[str] = []
    items = [str(number) for number in range(20)]
    with pytest.raises(SandboxUnavailable):
        all_of(items, doing({item: SandboxUnavailable("gone") for item in items}, tried))
    assert len(tried) == PATIENCE


def test_items_that_somebody_else_does_are_no_trouble_of_the_machine() -> None:
    tried: list[str] = []
    items = [str(number) for number in range(6)]
    with pytest.raises(AlreadyClaimed):
        all_of(items, doing({item: AlreadyClaimed(item) for item in items}, tried))
    assert tried == items


def test_a_single_item_fails_as_it_is() -> None:
    with pytest.raises(ValueError, match="a defect") as raised:
        all_of(["a"], doing({"a": ValueError("a defect")}, []))
    assert not hasattr(raised.value, "__notes__")


def test_a_stop_is_obeyed_at_once() -> None:
    tried: list[str] = []

    def stopped(subject: str) -> Done:
        tried.append(subject)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        all_of(["a", "b"], stopped)
    assert tried == ["a"]
