"""Climb the installation ladder: one attempt a strategy, until one works."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

from sqlalchemy.orm import Session

from swemill.environment.dockerfile import describe
from swemill.environment.image_plans import SNAPSHOT
from swemill.environment.inference import is_wanted
from swemill.environment.plans_json import plans_from_json, plans_to_json
from swemill.errors import ConfigurationError, SandboxUnavailable
from swemill.jobs.load import instance_spec, repository_record
from swemill.jobs.perform import Done, Outcome, asked, perform, sandbox_spec
from swemill.models import Environment
from swemill.reasons import ADVICE, Reason, Stage
from swemill.stages import install as stage
from swemill.stages.adaptive import TRIES, adaptive, failures_from_json, reuse, tries_to_json
from swemill.stages.install import InstallConfig, Workshop, baseline
from swemill.stages.neighbours import Neighbour
from swemill.stages.propose import propose
from swemill.store.facts import Work
from swemill.store.loading import LoadedInstance, load_instance, proven_environments
from swemill.store.pending import pending_installs
from swemill.store.report import history
from swemill.values import Failure, Installed, InstanceSpec, Loss, Strategy, TestRunner
from swemill.wiring import Mill


def ladder(mill: Mill, names: Sequence[str] = ()) -> tuple[Strategy, ...]:
    """The strategies of these names; none, or ``ladder``: those of the settings. Raises ConfigurationError."""
    chosen = mill.settings.ladder if tuple(names) in ((), ("ladder",)) else tuple(names)
    known = [strategy.value for strategy in Strategy]
    if wrong := [name for name in chosen if name not in known]:
        raise ConfigurationError(f"no strategy is called {', '.join(wrong)}; there are: {', '.join(known)}")
    return tuple(Strategy(name) for name in dict.fromkeys(chosen))


def config_keys(mill: Mill, names: Sequence[str] = ()) -> dict[Strategy, str]:
    """The configuration of each rung as it is now, as a key. Raises ConfigurationError."""
    return {strategy: _work(mill, strategy).config_key for strategy in ladder(mill, names)}


def pending(mill: Mill, *, strategies: Sequence[str] = ()) -> list[str]:
    """Instances that still have a rung to try and none that works, by id."""
    keys = config_keys(mill, strategies)
    with mill.store.session() as session:
        found = pending_installs(session, list(keys.values()), reuse=keys.get(Strategy.REUSE, ""))
    return [item.subject for item in found]


def install(mill: Mill, instance_id: str, *, strategies: Sequence[str] = ()) -> Done:
    """Try the strategies (names of the ladder) in order and stop at the first that works.

    Raises:
        UnknownSubject: not harvested. SandboxUnavailable, DiskFull, ForgeUnavailable: retry.
    """
    with mill.store.session() as session:
        loaded = load_instance(session, instance_id)
    instance = instance_spec(mill, loaded.instance, None)
    done = Done(subject=instance_id, passed=False, reason=Reason.NO_NEIGHBOUR.value, detail=ADVICE[Reason.NO_NEIGHBOUR])
    for strategy in ladder(mill, strategies):
        neighbours = _neighbours(mill, instance) if strategy is Strategy.REUSE else []
        if strategy is Strategy.REUSE and not neighbours:
            continue  # no attempt: one may come, and then there is something to try
        work = asked(mill, _work(mill, strategy, instance=instance, input_key=loaded.instance_effect))
        done = perform(mill, work, partial(_try, mill, loaded, instance, strategy, work, neighbours))
        if done.passed:
            break
    return done


def ensure_image(mill: Mill, loaded: LoadedInstance) -> str:
    """The image of an installed instance; made again from its plans where this engine does not hold it.

    Raises:
        SandboxUnavailable: it cannot be made again here.
    """
    environment = loaded.environment
    if environment is None:
        raise ValueError(f"{loaded.instance.instance_id} has no environment")
    if mill.builder.has(environment.image):
        return environment.image
    if environment.plans_blob is None:
        raise SandboxUnavailable(
            f"the image {environment.image} is gone, and how it was made is not known: install "
            f"{loaded.instance.instance_id} again"
        )
    plans = plans_from_json(mill.blobs.get(environment.plans_blob))
    base = mill.builder.base(plans.python, plans.packages)
    files = {**plans.instance.files, SNAPSHOT: _snapshot(mill, loaded)}
    if plans.environment is None:
        steps = [replace(plans.instance, base=base.reference, files=files)]
    else:
        steps = [replace(plans.environment, base=base.reference), replace(plans.instance, files=files)]
    for plan in steps:
        result = mill.builder.build(plan)
        if result.image is None:
            raise SandboxUnavailable(
                f"the image {plan.tag} of {loaded.instance.instance_id} is gone and did not build again: "
                f"{result.log[-2000:]}"
            )
    return environment.image


def _try(
    mill: Mill,
    loaded: LoadedInstance,
    instance: InstanceSpec,
    strategy: Strategy,
    work: Work,
    neighbours: Sequence[Neighbour],
) -> Outcome:
    shop = Workshop(
        instance=instance,
        snapshot=lambda: _snapshot(mill, loaded),
        tree=lambda: mill.forge_of(repository_record(loaded)).tree(
            repository_record(loaded), loaded.instance.base_commit, is_wanted
        ),
        builder=mill.builder,
        engine=mill.engine,
        spec=sandbox_spec(mill, work, "", wall_clock=mill.settings.test_timeout + 300),
        config=_config(mill),
        gate=mill.leak_gate,
    )
    if strategy is Strategy.ADAPTIVE:
        result = adaptive(shop, _neighbours(mill, instance))
    elif strategy is Strategy.AGENT:
        result = propose(shop, mill.proposer, failures=_failures(mill, instance.instance_id))
    elif strategy is Strategy.REUSE:
        result = reuse(shop, neighbours)
    else:
        result = baseline(shop, strategy)
    if isinstance(result, Loss):
        return Outcome.of_loss(result)
    return _outcome(mill, instance.instance_id, result)


def _failures(mill: Mill, instance_id: str) -> list[Failure]:
    """How the strategies before failed, as the attempts on the instance tell."""
    with mill.store.session() as session:
        blobs = [attempt.evidence[TRIES] for attempt in history(session, instance_id) if TRIES in attempt.evidence]
    return failures_from_json([mill.blobs.get(blob) for blob in blobs])


def _neighbours(mill: Mill, instance: InstanceSpec) -> list[Neighbour]:
    with mill.store.session() as session:
        proven = proven_environments(session, instance.repository, but=instance.instance_id)
    found = []
    for other in proven:
        plans = plans_from_json(mill.blobs.get(other.plans_blob))
        if plans.environment is not None and plans.candidate is not None:
            lock = plans.environment.files["lock.txt"].decode()
            found.append(
                Neighbour(
                    instance_id=other.instance_id,
                    committed_at=other.base_committed_at,
                    lock=lock,
                    candidate=plans.candidate,
                )
            )
    return found


def _outcome(mill: Mill, instance_id: str, installed: Installed) -> Outcome:
    plans = installed.plans
    levels = [plan for plan in (plans.environment, plans.instance) if plan is not None]
    dockerfile_blob = mill.blobs.put("\n".join(describe(plan) for plan in levels).encode())
    plans_blob = mill.blobs.put(plans_to_json(plans))
    lock_blob = mill.blobs.put(installed.lock.encode())

    def save(session: Session, attempt_id: int) -> None:
        session.add(
            Environment(
                attempt_id=attempt_id,
                instance_id=instance_id,
                strategy=installed.strategy.value,
                image=installed.image,
                image_digest=installed.digest,
                base_image=installed.base,
                python=installed.python,
                dockerfile_blob=dockerfile_blob,
                lock_blob=lock_blob,
                collected=installed.collected,
                seconds=installed.seconds,
                bytes=installed.bytes,
                environment_image=plans.environment.tag if plans.environment else "",
                plans_blob=plans_blob,
                test_runner=installed.runner.value,
            )
        )

    detail = (
        f"installed by {installed.strategy.value} in {installed.seconds:.0f} s, {installed.collected} tests collected"
    )
    if installed.runner is not TestRunner.PYTEST:
        detail += f" by {installed.runner.value}"
    if rules := plans.candidate.rules if plans.candidate else ():
        detail += f" ({', '.join(rules)})"
    evidence = {TRIES: tries_to_json(installed.tries)} if installed.tries else {}
    return Outcome(passed=True, detail=detail, log=installed.log, evidence=evidence, save=save)


def _snapshot(mill: Mill, loaded: LoadedInstance) -> bytes:
    repository = repository_record(loaded)
    return mill.forge_of(repository).snapshot(repository, loaded.instance.base_commit)


def _config(mill: Mill) -> InstallConfig:
    return InstallConfig(build_timeout=mill.settings.build_timeout, test_timeout=mill.settings.test_timeout)


def _work(mill: Mill, strategy: Strategy, *, instance: InstanceSpec | None = None, input_key: str = "") -> Work:
    return Work(
        stage=Stage.INSTALL,
        subject=instance.instance_id if instance else "",
        instance_id=instance.instance_id if instance else None,
        repository=instance.repository if instance else None,
        config={
            "strategy": strategy.value,
            "suite": mill.settings.debian_suite,
            "memory": mill.settings.sandbox_memory,
            "disk": mill.settings.build_disk,
            **asdict(_config(mill)),
        },
        code_version=stage.CODE_VERSION,
        input_key=input_key,
    )
