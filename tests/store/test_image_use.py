"""What the facts say of images, on a constructed history; and the job that goes by it, over an engine in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import pytest
from sqlalchemy import update

from swemill.jobs import collect_images, validate
from swemill.models import Attempt, Environment
from swemill.reasons import Stage
from swemill.stages.collect_images import Why
from swemill.store.image_use import ImageUse, image_use
from swemill.values import ImageLevel, StoredImage
from swemill.wiring import Mill
from tests.store.history import History, work

pytestmark = pytest.mark.postgres

LONG_AGO = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.fixture
def history(mill) -> History:
    """Instance 1 is validated, 2 is not, and 3 was installed twice."""
    history = History(mill)
    history.validated(1)
    history.install("o__n-2", history.harvest(2))
    found = history.harvest(3)
    history.install("o__n-3", found)
    history.install("o__n-3", found, config={"strategy": "dated"})
    with mill.store.session() as session:
        for row in session.query(Environment).order_by(Environment.id):
            row.image, row.base_image = f"swemill/instance:{row.id}", "swemill/base:x"
            row.environment_image = "swemill/environment:shared" if row.id < 3 else ""
            row.plans_blob = "plans" if row.id != 2 else None
        session.execute(update(Attempt).where(Attempt.instance_id == "o__n-1").values(finished_at=LONG_AGO))
    return history


def uses(mill: Mill, *tags: str) -> dict[str, ImageUse]:
    with mill.store.session() as session:
        return {use.tag: use for use in image_use(session, tags)}


def test_each_level_is_known_by_its_tag(history, mill):
    tags = [f"swemill/instance:{number}" for number in range(1, 5)]
    found = uses(mill, *tags, "swemill/environment:shared", "swemill/base:x", "swemill/instance:of-nobody", "")
    assert sorted(found) == sorted([*tags, "swemill/environment:shared", "swemill/base:x", ""])
    one, shared, base = found[tags[0]], found["swemill/environment:shared"], found["swemill/base:x"]
    assert (one.instance_id, one.repository, one.last_used, one.current) == ("o__n-1", "o/n", LONG_AGO, True)
    assert (shared.instances, shared.instance_id, shared.rebuildable) == (2, "o__n-1", False)
    assert shared.last_used > LONG_AGO
    assert (base.instances, base.rebuildable) == (3, True)
    assert [found[tag].current for tag in tags] == [True, True, False, True]
    assert [found[tag].rebuildable for tag in tags] == [True, False, True, True]


def test_a_newer_attempt_is_a_newer_use(history, mill):
    (before,) = uses(mill, "swemill/instance:1").values()
    with mill.store.session() as session:
        effect = session.query(Attempt.effect_key).filter_by(instance_id="o__n-1", stage="validate").one()[0]
    history.rollout("o__n-1", effect)
    (after,) = uses(mill, "swemill/instance:1").values()
    assert after.last_used > before.last_used


@dataclass
class Images:
    """An engine's images in a list."""

    held: list[StoredImage]
    refused: set[str] = field(default_factory=set)

    def images(self) -> Sequence[StoredImage]:
        return list(self.held)

    def remove(self, image: StoredImage) -> bool:
        if image.id in self.refused:
            return False
        self.held.remove(image)
        return True


@dataclass(frozen=True, kw_only=True)
class MillOfImages(Mill):
    """A mill over that engine."""

    held: Images

    @cached_property
    def image_store(self) -> Images:
        return self.held


@pytest.fixture
def holding(history, mill) -> MillOfImages:
    """The images of the history, and the environment below two of them; the scripted policies have nothing to do."""
    made = datetime.now(UTC) - timedelta(hours=5)
    environment = StoredImage(
        id="e", tags=("swemill/environment:shared",), level=ImageLevel.ENVIRONMENT, bytes=100, created=made
    )
    images = [
        StoredImage(
            id=str(number),
            tags=(f"swemill/instance:{number}",),
            level=ImageLevel.INSTANCE,
            bytes=10,
            created=made,
            parent="e" if number < 3 else "",
        )
        for number in range(1, 5)
    ]
    return MillOfImages(settings=mill.settings, held=Images([environment, *images]))


def ids(done: collect_images.Collected) -> list[tuple[str, Why]]:
    return [(removal.image.id, removal.why) for removal in done.removed]


def test_what_has_pending_work_goes_last_and_what_cannot_be_made_again_never(holding):
    lines = {line.image.id: line for line in collect_images.listing(holding)}
    assert {key: line.pending for key, line in lines.items()} == {
        "e": False, "1": True, "2": True, "3": False, "4": True,
    }  # fmt: skip
    done = collect_images.collect(holding, budget=0, dry_run=True)
    assert ids(done) == [("3", Why.REPLACED), ("1", Why.PENDING), ("4", Why.PENDING)]
    assert (done.before, done.after, len(holding.held.held)) == (140, 110, 5)
    assert "would be removed" in done.line()
    done = collect_images.collect(holding, budget=130)
    assert ids(done) == [("3", Why.REPLACED)]
    assert (done.after, sorted(image.id for image in holding.held.held)) == (130, ["1", "2", "4", "e"])


def test_a_live_claim_keeps_its_image(holding):
    claimed = next(work for work in validate.waiting(holding) if work.instance_id == "o__n-3")
    with holding.store.claim(claimed.effect_key):
        assert ids(collect_images.collect(holding, budget=0)) == [("1", Why.PENDING)]
    assert ids(collect_images.collect(holding, budget=0)) == [("3", Why.REPLACED), ("4", Why.PENDING)]


def test_what_a_failed_try_left_goes_first_unless_it_still_goes_on(holding):
    trying = work(Stage.INSTALL, "o__n-9", "x").effect_key
    left = replace(
        holding.held.held[1], id="t", tags=("swemill/instance:t",), effect_key=trying, store=holding.store.identity()
    )
    holding.held.held.append(left)
    with holding.store.claim(trying):
        assert ("t", Why.FAILED) not in ids(collect_images.collect(holding, budget=0, dry_run=True))
    assert ids(collect_images.collect(holding, budget=149)) == [("t", Why.FAILED)]


def test_what_something_needs_by_now_stays_and_is_counted(holding):
    holding.held.refused.add("3")
    done = collect_images.collect(holding, budget=130)
    assert (ids(done), [removal.image.id for removal in done.stayed], done.after) == ([], ["3"], 140)


def test_the_list_by_level_and_repository(holding):
    assert [line.image.id for line in collect_images.listing(holding, level=ImageLevel.ENVIRONMENT)] == ["e"]
    assert len(collect_images.listing(holding, repository="o/n")) == 5
    assert collect_images.listing(holding, repository="p/q") == []
