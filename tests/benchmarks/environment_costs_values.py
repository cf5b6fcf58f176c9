"""What ``environment_costs`` measures of an instance, and the builder that keeps one run's images apart."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from swemill.adapters.archive_commits import BenchCommit
from swemill.ports import Builder
from swemill.values import BaseImage, BuildPlan, BuildResult, ImagePlans


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One image of ours, without those below it."""

    id: str
    level: str
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Ours:
    """An instance that ``adaptive`` installed."""

    commit: BenchCommit
    plans: ImagePlans
    layers: tuple[Layer, ...] = ()
    """From the minimal system up; empty for one that was read from a file."""
    seconds: float = 0
    """All of the stage: resolving, tries that failed, builds, probes."""


@dataclass(frozen=True, kw_only=True)
class Plain:
    """The image of an instance as one Dockerfile."""

    bytes: int
    """Of the whole image, without what the Dockerfile copies in for its scripts."""
    system: int
    """Of these, the minimal system's."""
    history: int
    """What a clone has beside the base commit; not in ``bytes``."""
    seconds: float
    """The clone's are not in it: ours is made from the same mirror."""


@dataclass
class Apart:
    """A builder (port ``Builder``) whose environments and instances have tags of one run."""

    inner: Builder
    mark: str
    tags: list[str] = field(default_factory=list)
    """Those of this run, whether the image came about or not."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What the one build took that made the image of a tag."""

    def pythons(self) -> tuple[str, ...]:
        return self.inner.pythons()

    def base(self, python: str = "", packages: Sequence[str] = ()) -> BaseImage:
        return self.inner.base(python, packages)

    def has(self, image: str) -> bool:
        return self.inner.has(self.own(image) if self.own(image) in self.tags else image)

    def own(self, tag: str) -> str:
        return f"{tag}-{self.mark}"

    def build(self, plan: BuildPlan) -> BuildResult:
        base = self.own(plan.base) if self.own(plan.base) in self.tags else plan.base
        tag = self.own(plan.tag) if plan.tag else ""
        if tag and tag not in self.tags:
            self.tags.append(tag)  # before it is there: a build that is interrupted may still leave it
        began = time.monotonic()
        done = self.inner.build(replace(plan, base=base, tag=tag))
        if done.image and not done.repeated:
            self.seconds[tag] = time.monotonic() - began
        return done
