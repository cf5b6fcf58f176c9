"""Which images go so that the rest stays within a budget. Pure: what is there and what is needed comes in.

All of them can be made again from their stored plans, so a wrong choice costs time and nothing else. Leftovers without
a name go first, whatever the budget, and base images on which nothing has stood for long. Then, while the images of
environments and instances take more than the budget, one after the other:

1. what a failed try has left;
2. what a newer environment of the same instance has replaced;
3. what the facts know nothing of and has been there for a day: tries that failed, as a rule;
4. instances with no pending work, the least recently used first;
5. environments on which no instance stands any more;
6. another installation's images, after a day;
7. instances with pending work.

What a container uses, a live claim holds, another image stands on, or was made within the hour, is never chosen; nor is
what could not be made again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from swemill.values import ImageLevel, StoredImage

YOUNG = timedelta(hours=1)
"""Age below which an image may be half of something that is being built."""
STRANGE = timedelta(days=1)
"""Age below which an image that is not known here is left to whoever made it."""
LONG_UNUSED = timedelta(days=30)
"""For base images: they are few, and take minutes to make."""


class Why(StrEnum):
    """Why an image is removed."""

    LEFTOVER = "leftover"
    FAILED = "failed try"
    REPLACED = "replaced"
    DONE = "nothing pending"
    BARE = "no instance on it"
    UNKNOWN = "not known here"
    ANOTHERS = "of another installation"
    PENDING = "pending, but over budget"
    UNUSED = "unused for long"


_ORDER = (Why.FAILED, Why.REPLACED, Why.UNKNOWN, Why.DONE, Why.BARE, Why.ANOTHERS, Why.PENDING)


@dataclass(frozen=True, kw_only=True)
class Need:
    """What the facts say of an image."""

    last_used: datetime
    """The newest attempt at what it belongs to."""
    pending: bool = False
    """An attempt that would run in it is pending."""
    current: bool = True
    """No newer environment of the same instance has replaced it."""
    rebuildable: bool = True
    """How it was made is stored."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """An image to remove, and why."""

    image: StoredImage
    why: Why


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to remove, in order."""

    removals: tuple[Removal, ...]
    before: int
    """Bytes that count for the budget now: leftovers, environments and instances."""
    after: int
    """Those that will be left. More than the budget: what is left is all in use or young."""


def choose(
    images: Sequence[StoredImage],
    needs: Mapping[str, Need],
    *,
    budget: int,
    now: datetime,
    store: str,
    is_claimed: Callable[[StoredImage], bool],
) -> Choice:
    """The images to remove.

    Args:
        images: all that the engine holds.
        needs: by image id, of those that the facts know.
        budget: bytes that leftovers, environments and instances may take.
        now: the present.
        store: identity of the database that the facts are from.
        is_claimed: whether a live process works with the image; asked only of what would be removed.
    """
    before = counted(images)
    removals = [
        Removal(image=image, why=Why.LEFTOVER)
        for image in _free(images, now)
        if not image.tags and not is_claimed(image)
    ]
    left = _without(images, removals)
    while counted(left) > budget:
        able = [
            (why, image)
            for image in _free(left, now)
            if (why := _reason(image, needs.get(image.id), now=now, store=store)) is not None
        ]
        able.sort(key=lambda one: (_ORDER.index(one[0]), _last_used(one[1], needs), one[1].id))
        chosen = next((Removal(image=image, why=why) for why, image in able if not is_claimed(image)), None)
        if chosen is None:
            break
        removals.append(chosen)
        left = _without(left, [chosen])
    for image in _free(left, now):
        if image.level is ImageLevel.BASE and now - _last_used(image, needs) > LONG_UNUSED:
            removals.append(Removal(image=image, why=Why.UNUSED))
    return Choice(removals=tuple(removals), before=before, after=counted(left))


def counted(images: Iterable[StoredImage]) -> int:
    """The bytes of those images that the budget is about."""
    levels = (ImageLevel.ENVIRONMENT, ImageLevel.INSTANCE)
    return sum(image.bytes for image in images if image.level in levels or not image.tags)


def _free(images: Sequence[StoredImage], now: datetime) -> list[StoredImage]:
    """Those that nothing uses or stands on and that are not young."""
    below = {image.parent for image in images}
    return [image for image in images if not image.in_use and image.id not in below and now - image.created > YOUNG]


def _reason(image: StoredImage, need: Need | None, *, now: datetime, store: str) -> Why | None:
    """Why the image may go; None: it may not."""
    if image.level not in (ImageLevel.ENVIRONMENT, ImageLevel.INSTANCE):
        return None
    if need is None:
        if image.store and image.store == store:
            return Why.FAILED
        if now - image.created <= STRANGE:
            return None
        return Why.ANOTHERS if image.store else Why.UNKNOWN
    if not need.rebuildable:
        return None
    if image.level is ImageLevel.ENVIRONMENT:
        return Why.BARE
    if not need.current:
        return Why.REPLACED
    return Why.PENDING if need.pending else Why.DONE


def _last_used(image: StoredImage, needs: Mapping[str, Need]) -> datetime:
    need = needs.get(image.id)
    return max(need.last_used, image.created) if need else image.created


def _without(images: Sequence[StoredImage], removals: Sequence[Removal]) -> list[StoredImage]:
    gone = {removal.image.id for removal in removals}
    return [image for image in images if image.id not in gone]
