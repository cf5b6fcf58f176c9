"""What the facts say of images: whose they are, when they were last worked with, whether they can be made again."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, and_, exists, func, not_, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from swemill.models import Attempt, Environment, Validation


class ImageUse(NamedTuple):
    """One tag. Base images and environments belong to as many instances as stand on them."""

    tag: str
    last_used: datetime
    """The end of the newest attempt at any of its instances."""
    instances: int
    instance_id: str
    """The first of them."""
    repository: str | None
    current: bool
    """For one of them it is what work runs in now: the newest environment, or a validated one."""
    rebuildable: bool
    """How it was made is stored."""


def image_use(session: Session, tags: Sequence[str]) -> list[ImageUse]:
    """Those of the tags that the facts know, whatever their level, by tag."""
    levels = (Environment.image, Environment.environment_image, Environment.base_image)
    rows = union_all(*(_of_level(level, tags) for level in levels)).subquery()
    return [ImageUse(*row) for row in session.execute(select(rows).order_by(rows.c.tag))]


def _of_level(
    tag: InstrumentedAttribute[str], tags: Sequence[str]
) -> Select[str, datetime, int, str, str | None, bool, bool]:
    later = aliased(Environment)
    replaced = exists().where(later.instance_id == Environment.instance_id, later.id > Environment.id)
    validated = exists().where(Validation.environment_id == Environment.id)
    about = aliased(Attempt)
    newest = select(func.max(about.finished_at)).where(about.instance_id == Environment.instance_id).scalar_subquery()
    made = aliased(Attempt)
    return (
        select(
            tag.label("tag"),
            func.max(func.greatest(newest, made.finished_at)),
            func.count(func.distinct(Environment.instance_id)),
            func.min(Environment.instance_id),
            func.min(made.repository),
            func.bool_or(or_(not_(replaced), validated)),
            # A base image is made of settings alone.
            func.bool_and(Environment.plans_blob.is_not(None))
            if tag is not Environment.base_image
            else func.bool_and(True),
        )
        .join(made, and_(made.id == Environment.attempt_id))
        .where(tag.in_(tags))
        .group_by(tag)
    )
