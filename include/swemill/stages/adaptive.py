"""The strategies ``adaptive`` and ``reuse``: environments found by trying, repairing, and asking the neighbours.

*adaptive*: candidates inferred from the repository, the likeliest first. Each is resolved to a lock, the lock becomes
an environment's image (shared with whoever has the same lock), the project goes on top, the suite is probed. A failure
is named from its log, and a rule that knows its cause changes the candidate; where none does, something is left out;
where nothing is left, the next candidate has its turn. Where a neighbouring commit of the recent past is installed, the
first try is as of the same date, with the same Python and repairs: mostly it ends in the very same environment.

*reuse*: the lock that was proven on a neighbouring commit of the same repository, with this commit's checkout on top.
It needs no resolution, so it also works where the requirements of this commit cannot be resolved.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from swemill.environment.candidates import candidates, like, own_modules, python_order, shed
from swemill.environment.failures import classify
from swemill.environment.image_plans import environment, instance_on, resolution
from swemill.environment.inference import infer
from swemill.environment.level_scripts import LOCK
from swemill.environment.repairs import repair
from swemill.reasons import Reason
from swemill.stages.install import TAIL, Probed, Workshop, bare, build_loss, check_index, probe
from swemill.stages.neighbours import Neighbour, nearest, recent
from swemill.values import (
    BaseImage,
    BuildEnd,
    BuildPlan,
    BuildResult,
    Candidate,
    CommitTree,
    Failure,
    ImagePlans,
    Installed,
    Loss,
    Phase,
    Strategy,
    Try,
)

TRIES = "tries.json"
"""Name of the evidence that tells what was tried."""
REPAIRS = 10
"""Repairs of one candidate."""


@dataclass(frozen=True, kw_only=True)
class _Failed:
    """A candidate that does not work: how far it came, and why."""

    phase: Phase
    loss: Loss
    log: str
    end: BuildEnd = BuildEnd.FAILED


@dataclass(frozen=True, kw_only=True)
class _Works:
    """A candidate that works."""

    base: BaseImage
    environment: BuildPlan
    instance: BuildPlan
    built: BuildResult
    probed: Probed


class _Trail:
    """What was tried, in order, and the loss of the first that came furthest: it tells most."""

    def __init__(self, shop: Workshop, snapshot: bytes) -> None:
        self._shop = shop
        self._snapshot = snapshot
        self.tries: list[Try] = []
        self.loss: Loss | None = None
        self._furthest = -1

    def knows(self, candidate: Candidate) -> bool:
        return any(candidate == done.candidate for done in self.tries)

    def attempt(self, candidate: Candidate, *, lock: str | None = None) -> _Works | Failure:
        """Try one candidate and note it; a failure comes back named."""
        began = time.monotonic()
        done = _attempt(self._shop, candidate, self._snapshot, lock=lock)
        seconds = time.monotonic() - began
        if isinstance(done, _Works):
            self.tries.append(Try(candidate=candidate, failure=None, seconds=seconds))
            return done
        failure = classify(done.phase, done.log, python=candidate.python, end=done.end)
        self.tries.append(Try(candidate=candidate, failure=failure, seconds=seconds, log=done.log[-TAIL:]))
        if (reached := list(Phase).index(done.phase)) > self._furthest:
            self.loss, self._furthest = done.loss, reached
        return failure


def adaptive(shop: Workshop, neighbours: Sequence[Neighbour] = ()) -> Installed | Loss:
    """Try candidates and repairs until one works or the patience is over; the errors are those of ``baseline``."""
    tree = shop.tree()
    pythons = shop.builder.pythons()
    deadline = time.monotonic() + shop.config.patience
    own = own_modules(tree)
    trail = _Trail(shop, shop.snapshot())
    for first in _ways(tree, pythons, neighbours):
        candidate: Candidate | None = first
        for _ in range(REPAIRS + 1):
            if candidate is None or trail.knows(candidate) or time.monotonic() > deadline:
                break
            done = trail.attempt(candidate)
            if isinstance(done, _Works):
                return _installed(Strategy.ADAPTIVE, candidate, done, trail.tries)
            at = tree.committed_at
            mended = repair(candidate, done, pythons=pythons, own_modules=own, committed_at=at)
            candidate = mended or _shed(candidate, done)
    return _lost(trail)


def reuse(shop: Workshop, neighbours: Sequence[Neighbour]) -> Installed | Loss:
    """Try the environments of the nearest neighbours in time; the errors are those of ``baseline``."""
    chosen = nearest(neighbours, shop.instance.base_committed_at)
    if not chosen:
        return Loss(reason=Reason.NO_NEIGHBOUR, detail=f"no other commit of {shop.instance.repository} is installed")
    trail = _Trail(shop, shop.snapshot())
    for other in chosen:
        candidate = replace(other.candidate, rules=(*other.candidate.rules, f"reuse {other.instance_id}"))
        done = trail.attempt(candidate, lock=other.lock)
        if isinstance(done, _Works):
            return _installed(Strategy.REUSE, candidate, done, trail.tries)
    return _lost(trail)


def _ways(tree: CommitTree, pythons: Sequence[str], neighbours: Sequence[Neighbour]) -> Iterator[Candidate]:
    """The candidates, and before them the first as a neighbour of the recent past was installed."""
    inference = infer(tree)
    own = candidates(inference, tree, pythons=pythons)
    admitted = python_order(inference, tree.committed_at, pythons)
    if own and (proven := recent(neighbours, own[0].as_of, pythons=admitted)):
        yield like(own[0], proven.candidate, of=proven.instance_id)
    yield from own


def _attempt(shop: Workshop, candidate: Candidate, snapshot: bytes, *, lock: str | None) -> _Works | _Failed:
    """Take one candidate as far as it comes; without a ``lock`` it is resolved first."""
    timeout, key = shop.config.build_timeout, shop.spec.effect_key
    base = shop.builder.base(candidate.python, candidate.system_packages)

    def failed(phase: Phase, built: BuildResult) -> _Failed:
        return _Failed(phase=phase, loss=build_loss(built, timeout=timeout), log=built.log, end=built.end)

    if lock is None:
        plan = resolution(candidate, shop.instance, snapshot, base=base, effect_key=key, timeout=timeout)
        resolved = shop.builder.build(plan)
        if LOCK not in resolved.outputs:
            return failed(Phase.RESOLVE, resolved)
        lock = installable(resolved.outputs[LOCK].decode(errors="replace"))
    shared, built = _environment(shop, candidate, lock, base)
    if built.image is None:
        return failed(Phase.ENVIRONMENT, built)
    on_top = instance_on(shared.tag, candidate, shop.instance, snapshot, effect_key=key, timeout=timeout)
    finished = shop.builder.build(on_top)
    if finished.image is None:
        return failed(Phase.PROJECT, finished)
    probed = probe(shop, finished.image)
    if probed.loss:
        return _Failed(phase=Phase.PROBE, loss=probed.loss, log=probed.report.log_tail)
    return _Works(base=base, environment=shared, instance=on_top, built=finished, probed=probed)


def _environment(shop: Workshop, candidate: Candidate, lock: str, base: BaseImage) -> tuple[BuildPlan, BuildResult]:
    """The image of a lock: of wheels alone if possible, because such an image depends on nothing but the lock."""
    for wheels in (True, False):
        plan = environment(
            candidate,
            lock,
            wheels=wheels,
            base=base,
            effect_key=shop.spec.effect_key,
            subject=shop.instance.instance_id,
            timeout=shop.config.build_timeout,
        )
        built = shop.builder.build(plan)
        if built.image is not None:
            break
        check_index(built)
    return plan, built


def installable(lock: str) -> str:
    """The pinned distributions of a resolution; the project itself, at its place in the checkout, is left out."""
    lines = (line.strip() for line in lock.splitlines())
    return "".join(f"{line}\n" for line in lines if "==" in line and not line.startswith(("#", "-")))


def _shed(candidate: Candidate, failure: Failure) -> Candidate | None:
    """Leave something out, where that may help: what is installed beside the project can be in its way."""
    if failure.phase in (Phase.RESOLVE, Phase.ENVIRONMENT):
        return shed(candidate, failure.package)
    return None


def _installed(strategy: Strategy, candidate: Candidate, done: _Works, tries: Sequence[Try]) -> Installed:
    return Installed(
        strategy=strategy,
        image=done.instance.tag,
        digest=str(done.built.image),
        python=candidate.python,
        base=done.base.reference,
        plans=ImagePlans(
            python=candidate.python,
            packages=candidate.system_packages,
            environment=done.environment,
            instance=bare(done.instance),
            candidate=candidate,
        ),
        lock=done.probed.lock,
        collected=done.probed.report.collected,
        runner=done.probed.runner,
        log=f"{done.built.log[-TAIL:]}\n== probe\n{done.probed.report.log_tail}",
        seconds=sum(one.seconds for one in tries),
        bytes=done.built.bytes,
        tries=tuple(tries),
    )


def _lost(trail: _Trail) -> Loss:
    """The loss, with everything that was tried."""
    if trail.loss is None:
        return Loss(reason=Reason.BUILD_FAILED, detail="no Python that the repository admits can be had here")
    named = [f"{one.failure.kind} {one.failure.subject}".strip() for one in trail.tries if one.failure]
    detail = f"{trail.loss.detail} ({len(trail.tries)} tries: {', '.join(dict.fromkeys(named))})"
    evidence = {**trail.loss.evidence, TRIES: tries_to_json(trail.tries)}
    return replace(trail.loss, detail=detail[:1000], evidence=evidence)


def tries_to_json(tries: Sequence[Try]) -> bytes:
    """The tries for a person and for the bench, without the logs' bulk."""
    return json.dumps(list(_told(tries)), indent=1, default=str).encode()


def failures_from_json(told: Sequence[bytes]) -> list[Failure]:
    """The failures in what ``tries_to_json`` wrote, the oldest first."""
    failures = [one["failure"] for tries in told for one in json.loads(tries)]
    return [Failure(**{**failure, "phase": Phase(failure["phase"])}) for failure in failures if failure]


def _told(tries: Sequence[Try]) -> Iterator[dict[str, object]]:
    for one in tries:
        yield {
            "candidate": {name: value for name, value in asdict(one.candidate).items() if value},
            "failure": asdict(one.failure) if one.failure else None,
            "seconds": round(one.seconds, 1),
            "log": one.log[-4000:],
        }
