"""Which images go: never what is needed now, least needed first, and no more than the budget asks for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from swemill.stages.collect_images import LONG_UNUSED, STRANGE, YOUNG, Choice, Need, Why, choose, counted
from swemill.values import ImageLevel, StoredImage

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STORE = "7-1"


def image(name: str, level: ImageLevel | None = ImageLevel.INSTANCE, *, on: str = "base", **more) -> StoredImage:
    own = {"bytes": 10, "created": NOW - 3 * DAY, "parent": "" if on == name else on, "tags": (f"swemill/x:{name}",)}
    return StoredImage(id=name, level=level, **{**own, **more})


BASE = image("base", ImageLevel.BASE, on="base", bytes=1000)


def need(*, days: float = 1, **more) -> Need:
    return Need(last_used=NOW - days * DAY, **more)


def collect(
    images: Sequence[StoredImage], needs: dict[str, Need], budget: int, *, claimed: Sequence[str] = ()
) -> Choice:
    return choose(
        [BASE, *images], needs, budget=budget, now=NOW, store=STORE, is_claimed=lambda image: image.id in claimed
    )


def chosen(choice: Choice) -> list[tuple[str, Why]]:
    return [(removal.image.id, removal.why) for removal in choice.removals]


def test_within_the_budget_only_leftovers_go():
    images = [image("a"), image("left", None, tags=()), image("fresh", None, tags=(), created=NOW - YOUNG / 2)]
    choice = collect(images, {"a": need()}, 30)
    assert chosen(choice) == [("left", Why.LEFTOVER)]
    assert (choice.before, choice.after) == (30, 20)


def test_the_least_needed_go_first_until_the_budget_is_kept():
    images = [
        image("pending"),
        image("done-lately"),
        image("done-long-ago"),
        image("replaced"),
        image("failed", store=STORE),
        image("unknown", created=NOW - 2 * STRANGE),
        image("anothers", created=NOW - 2 * STRANGE, store="8-1"),
        image("bare", ImageLevel.ENVIRONMENT),
    ]
    needs = {
        "pending": need(days=1, pending=True),
        "done-lately": need(days=1),
        "done-long-ago": need(days=2),
        "replaced": need(days=0.5, current=False, pending=True),
        "bare": need(days=0.5),
    }
    order = [
        ("failed", Why.FAILED),
        ("replaced", Why.REPLACED),
        ("unknown", Why.UNKNOWN),
        ("done-long-ago", Why.DONE),
        ("done-lately", Why.DONE),
        ("bare", Why.BARE),
        ("anothers", Why.ANOTHERS),
        ("pending", Why.PENDING),
    ]
    for kept in range(len(images) + 1):
        assert chosen(collect(images, needs, 10 * kept)) == order[: len(images) - kept]


def test_what_is_needed_now_stays_whatever_the_budget():
    images = [
        image("used", in_use=True),
        image("claimed"),
        image("young", created=NOW - YOUNG / 2),
        image("not-known-since-yesterday", created=NOW - STRANGE / 2),
        image("of-another-store", store="8-1", created=NOW - STRANGE / 2),
        image("lost-for-good"),
        image("other", None, tags=("swemill/debian:bullseye",)),
    ]
    needs = {"used": need(), "claimed": need(), "young": need(), "lost-for-good": need(rebuildable=False)}
    choice = collect(images, needs, 0, claimed=["claimed"])
    assert chosen(choice) == []
    assert choice.after == choice.before == 60


def test_an_environment_goes_only_after_all_that_stands_on_it():
    environment = image("environment", ImageLevel.ENVIRONMENT, bytes=500)
    images = [environment, image("one", on="environment"), image("two", on="environment")]
    needs = {"environment": need(), "one": need(days=3), "two": need(days=2, pending=True)}
    assert chosen(collect(images, needs, 511)) == [("one", Why.DONE)]
    assert chosen(collect(images, needs, 509)) == [("one", Why.DONE), ("two", Why.PENDING)]
    everything = [("one", Why.DONE), ("two", Why.PENDING), ("environment", Why.BARE)]
    assert chosen(collect(images, needs, 0)) == everything
    used = [images[0], images[1], replace(images[2], in_use=True)]
    assert chosen(collect(used, needs, 0)) == [("one", Why.DONE)]


def test_a_leftover_that_something_stands_on_goes_with_the_next_run():
    images = [image("left", None, tags=()), image("on-it", on="left")]
    assert chosen(collect(images, {"on-it": need()}, 20)) == []


def test_a_base_image_goes_only_when_nothing_has_stood_on_it_for_long():
    old = replace(BASE, created=NOW - LONG_UNUSED - DAY)

    def bases(images: Sequence[StoredImage], needs: dict[str, Need]) -> list[tuple[str, Why]]:
        done = choose([old, *images], needs, budget=1000, now=NOW, store=STORE, is_claimed=lambda image: False)
        return chosen(done)

    assert bases([], {}) == [("base", Why.UNUSED)]
    assert bases([], {"base": need(days=3)}) == []
    assert bases([image("a")], {"a": need(days=90)}) == []
    assert chosen(collect([], {}, 0)) == []  # three days old


LEVELS = st.sampled_from([ImageLevel.ENVIRONMENT, ImageLevel.INSTANCE, None])


@st.composite
def engines(draw: st.DrawFn) -> tuple[list[StoredImage], dict[str, Need], set[str]]:
    images, needs, claimed = [], {}, set()
    for number in range(draw(st.integers(0, 8))):
        name, level = f"i{number}", draw(LEVELS)
        images.append(
            image(
                name,
                level,
                on=draw(st.sampled_from(["base", *(one.id for one in images)])),
                bytes=draw(st.integers(0, 20)),
                created=NOW - draw(st.integers(0, 72)) * timedelta(hours=1),
                in_use=draw(st.booleans()),
                tags=() if level is None and draw(st.booleans()) else (f"swemill/x:{name}",),
                store=draw(st.sampled_from(["", STORE, "8-1"])),
            )
        )
        if draw(st.booleans()):
            needs[name] = need(
                days=draw(st.integers(0, 9)), pending=draw(st.booleans()), rebuildable=draw(st.booleans())
            )
        if draw(st.booleans()):
            claimed.add(name)
    return images, needs, claimed


@given(engine=engines(), budget=st.integers(0, 100))
def test_whatever_the_engine_holds(engine, budget):
    images, needs, claimed = engine
    choice = collect(images, needs, budget, claimed=sorted(claimed))
    gone = {removal.image.id for removal in choice.removals}
    left = [one for one in images if one.id not in gone]
    assert choice.after == counted(left)
    assert not any(one.parent in gone for one in left)
    for removal in choice.removals:
        assert not removal.image.in_use
        assert NOW - removal.image.created > YOUNG
        assert removal.image.id not in claimed
    within = [removal for removal in choice.removals if removal.why is not Why.LEFTOVER]
    if within:  # the last one was needed to get below the budget
        assert choice.after + within[-1].image.bytes > budget
