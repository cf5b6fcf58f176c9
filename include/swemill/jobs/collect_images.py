"""Keep the images of an engine within a budget of bytes; what is removed is made again when it is needed."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from swemill.jobs import judge, revalidate, rollout, validate
from swemill.stages.collect_images import Need, Removal, choose, counted
from swemill.store.image_use import ImageUse, image_use
from swemill.values import ImageLevel, StoredImage
from swemill.wiring import Mill

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImageLine:
    """One line of ``swemill images``."""

    image: StoredImage
    use: ImageUse | None
    """None: the facts know nothing of it."""
    pending: bool
    """An attempt that would run in it is pending."""

    @property
    def last_used(self) -> datetime:
        """The newest attempt, or when it was made."""
        return max(self.use.last_used, self.image.created) if self.use else self.image.created

    @property
    def state(self) -> str:
        """What keeps it, in words."""
        if self.image.in_use:
            return "in use"
        if not self.image.tags:
            return "leftover"
        return "work pending" if self.pending else ""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a collection did, or would do."""

    removed: tuple[Removal, ...]
    stayed: tuple[Removal, ...]
    """Chosen, but something needed them by then."""
    before: int
    """Bytes of environments, instances and leftovers."""
    after: int
    budget: int
    dry_run: bool

    def line(self) -> str:
        """One line for a log or a terminal."""
        would = "would be " if self.dry_run else ""
        over = (
            ""
            if self.after <= self.budget
            else f", over the budget of {in_units(self.budget)}: the rest is in use or young"
        )
        return (
            f"{len(self.removed)} images {would}removed, {in_units(self.before)} before, "
            f"{in_units(self.after)} after{over}"
        )


def in_units(count: int) -> str:
    """Bytes for a person (``1.2 GB``)."""
    unit, word = next(((unit, word) for unit, word in ((1e9, "GB"), (1e6, "MB")) if count >= unit), (1e3, "kB"))
    return f"{count / unit:.1f} {word}"


def listing(mill: Mill, *, level: ImageLevel | None = None, repository: str = "") -> list[ImageLine]:
    """The images of the engine, the largest first; ``repository`` is a part of the name of an instance's repository.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    images = mill.image_store.images()
    uses = _uses(mill, images)
    waiting = _waiting(mill)
    lines = []
    for image in images:
        use = uses.get(image.id)
        is_run_in = (
            image.level is ImageLevel.INSTANCE and use is not None and use.current and use.instance_id in waiting
        )
        lines.append(ImageLine(image=image, use=use, pending=is_run_in))
    wanted = (
        line
        for line in lines
        if (level is None or line.image.level is level)
        and (not repository or (line.use is not None and repository in (line.use.repository or "")))
    )
    return sorted(wanted, key=lambda line: (-line.image.bytes, line.image.id))


def collect(mill: Mill, *, budget: int | None = None, dry_run: bool = False) -> Collected:
    """Remove images until those of environments and instances take no more than ``budget`` bytes.

    Args:
        mill: whose engine, and whose facts.
        budget: default: that of the settings.
        dry_run: choose only.

    Raises:
        SandboxUnavailable: the engine does not answer.
    """
    budget = mill.settings.image_budget if budget is None else budget
    images = mill.image_store.images()
    uses = _uses(mill, images)
    waiting = _waiting(mill)
    needs = {
        key: Need(
            last_used=use.last_used,
            pending=use.instance_id in waiting,
            current=use.current,
            rebuildable=use.rebuildable,
        )
        for key, use in uses.items()
    }

    def is_claimed(image: StoredImage) -> bool:
        use = uses.get(image.id)
        keys = list(waiting.get(use.instance_id, ())) if use and image.level is ImageLevel.INSTANCE else []
        if image.effect_key and image.store == store:
            keys.append(image.effect_key)
        return any(map(mill.store.is_claimed, keys))

    store = mill.store.identity()
    choice = choose(images, needs, budget=budget, now=datetime.now(UTC), store=store, is_claimed=is_claimed)
    removed: list[Removal] = []
    stayed: list[Removal] = []
    for removal in choice.removals:
        gone = dry_run or (not is_claimed(removal.image) and mill.image_store.remove(removal.image))
        (removed if gone else stayed).append(removal)
        log.info("%s %s (%s)", "removed" if gone else "kept", removal.image.name, removal.why.value)
    after = choice.after + counted(removal.image for removal in stayed)
    return Collected(
        removed=tuple(removed),
        stayed=tuple(stayed),
        before=choice.before,
        after=after,
        budget=budget,
        dry_run=dry_run,
    )


def _uses(mill: Mill, images: Sequence[StoredImage]) -> Mapping[str, ImageUse]:
    """What the facts know, by image id."""
    with mill.store.session() as session:
        by_tag = {use.tag: use for use in image_use(session, [tag for image in images for tag in image.tags])}
    return {image.id: by_tag[tag] for image in images for tag in image.tags if tag in by_tag}


def _waiting(mill: Mill) -> Mapping[str, Sequence[str]]:
    """Effect keys of the pending work that runs in an instance's image, by instance id."""
    keys = defaultdict(list)
    for work in (*validate.waiting(mill), *revalidate.waiting(mill), *rollout.waiting(mill), *judge.waiting(mill)):
        if work.instance_id:
            keys[work.instance_id].append(work.effect_key)
    return keys
