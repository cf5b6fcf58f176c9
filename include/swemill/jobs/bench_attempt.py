"""One attempt of the bench, for real: the install stage on a commit of an archive, without a database.

Nothing here decides what is measured. The instance has no statement and no patch, since installing looks at neither.
Containers carry a mark of their own (``STORE``) in place of a database's, so that no mill's reaper takes them for
orphans.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from swemill.adapters.archive import Archive
from swemill.adapters.archive_commits import BenchCommit
from swemill.adapters.at_base import configuration_at, version_at
from swemill.adapters.docker.client import connect, engine_errors
from swemill.adapters.docker.engine import DockerSandboxEngine, remove_own
from swemill.adapters.git_mirror import GitMirror
from swemill.effects import canonical, content_hash
from swemill.environment.inference import is_wanted
from swemill.errors import SandboxUnavailable
from swemill.jobs.bench_environments import Attempt, Neighbours
from swemill.jobs.bench_journal import BenchRecord
from swemill.reasons import Stage
from swemill.stages.adaptive import TRIES, adaptive, reuse
from swemill.stages.install import InstallConfig, Workshop, baseline
from swemill.stages.neighbours import Neighbour
from swemill.values import (
    BaseInference,
    Installed,
    InstanceSpec,
    Loss,
    RepositoryRecord,
    SandboxSpec,
    StatementSource,
    Strategy,
    Try,
)
from swemill.wiring import Mill

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

STORE = "bench"
"""What the bench's containers name as the store of their claims."""
_TRIES = TypeAdapter(tuple[Try, ...])
_LOCK = "lock.txt"
_LOG = 4000
"""Characters of a try's log that are kept."""


@contextmanager
def attempts_over(mill: Mill, archive: Path, *, code_version: str) -> Iterator[Attempt]:
    """Attempts on the commits of the archive; leaving the context removes the sandboxes of those still under way.

    Raises SandboxUnavailable when no engine answers.
    """
    api = connect(mill.settings.docker_host)
    engine = DockerSandboxEngine(api, runtime=mill.settings.sandbox_runtime, store=STORE)

    def attempt(commit: BenchCommit, strategy: Strategy, neighbours: Neighbours) -> BenchRecord:
        shop = workshop(mill, archive, commit, engine, key=content_hash(canonical([commit, strategy, code_version])))
        began = time.monotonic()
        result = _installed(shop, strategy, neighbours)
        seconds = time.monotonic() - began
        if isinstance(result, Loss):
            return lost(commit, strategy, result, seconds=seconds, code_version=code_version)
        layers = _layers(api, result)
        _remove(api, result.image)
        return works(commit, strategy, result, seconds=seconds, layers=layers, code_version=code_version)

    try:
        yield attempt
    finally:
        try:
            remove_own(api)
        except SandboxUnavailable as error:  # must not hide what brought us here; a sandbox's own clock ends it
            log.warning("sandboxes of the bench may be left: %s", error)


def works(
    commit: BenchCommit,
    strategy: Strategy,
    installed: Installed,
    *,
    seconds: float,
    layers: dict[str, int],
    code_version: str,
) -> BenchRecord:
    """The record of a success."""
    below = installed.plans.environment
    return BenchRecord(
        repository=commit.repository,
        commit=commit.commit,
        date=commit.date,
        half=commit.half,
        strategy=strategy,
        code_version=code_version,
        success=True,
        python=installed.python,
        collected=installed.collected,
        seconds=seconds,
        layers=layers,
        rules=installed.tries[-1].candidate.rules if installed.tries else (),
        tries=tuple(replace(one, log=one.log[-_LOG:]) for one in installed.tries),
        lock=below.files[_LOCK].decode() if below else "",
    )


def lost(commit: BenchCommit, strategy: Strategy, loss: Loss, *, seconds: float, code_version: str) -> BenchRecord:
    """The record of a loss, with the tries that the stage left as evidence."""
    tries = _TRIES.validate_python(json.loads(loss.evidence.get(TRIES, b"[]")))
    last = tries[-1] if tries else None
    return BenchRecord(
        repository=commit.repository,
        commit=commit.commit,
        date=commit.date,
        half=commit.half,
        strategy=strategy,
        code_version=code_version,
        success=False,
        reason=loss.reason,
        kind=last.failure.kind if last and last.failure else "",
        detail=loss.detail,
        python=last.candidate.python if last else "",
        seconds=seconds,
        rules=last.candidate.rules if last else (),
        tries=tries,
    )


def neighbours_of(records: Sequence[BenchRecord]) -> list[Neighbour]:
    """The records that hold an environment to build on."""
    return [
        Neighbour(
            instance_id=_name(record.repository, record.commit),
            committed_at=record.date,
            lock=record.lock,
            candidate=record.tries[-1].candidate,
        )
        for record in records
        if record.lock and record.tries
    ]


def _installed(shop: Workshop, strategy: Strategy, neighbours: Neighbours) -> Installed | Loss:
    if strategy is Strategy.ADAPTIVE:
        return adaptive(shop)
    if strategy is Strategy.REUSE:
        return reuse(shop, neighbours_of(neighbours))
    return baseline(shop, strategy)


def workshop(mill: Mill, archive: Path, commit: BenchCommit, engine: DockerSandboxEngine, *, key: str) -> Workshop:
    """What installing the commit needs. ``key`` is its effect's, which names its sandboxes."""
    path = archive / "repos" / f"{commit.repository}.git"
    forge, record = Archive(archive), RepositoryRecord(forge="archive", name=commit.repository, location=str(path))
    instance = _instance(GitMirror(path), commit)
    return Workshop(
        instance=instance,
        snapshot=lambda: forge.snapshot(record, commit.commit),
        tree=lambda: forge.tree(record, commit.commit, is_wanted),
        builder=mill.builder,
        engine=engine,
        spec=SandboxSpec(
            name=f"swemill-bench-{key[:16]}",
            image="",
            limits=replace(mill.limits, wall_clock=mill.settings.test_timeout + 300),
            effect_key=key,
            stage=Stage.INSTALL.value,
            subject=instance.instance_id,
        ),
        config=InstallConfig(build_timeout=mill.settings.build_timeout, test_timeout=mill.settings.test_timeout),
    )


def _instance(mirror: GitMirror, commit: BenchCommit) -> InstanceSpec:
    committed_at = mirror.commit(commit.commit).committed_at
    return InstanceSpec(
        instance_id=_name(commit.repository, commit.commit),
        repository=commit.repository,
        forge="archive",
        number=0,
        base_commit=commit.commit,
        base_committed_at=committed_at,
        patch=b"",
        test_patch=b"",
        problem_statement="",
        hints_text="",
        statement_source=StatementSource.COMMIT_MESSAGE,
        base_inference=BaseInference.SQUASH,
        created_at=committed_at,
        version=version_at(mirror, commit.commit, configuration_at(mirror, commit.commit)),
    )


def _name(repository: str, commit: str) -> str:
    return f"{repository.replace('/', '__')}-{commit[:12]}"


def _layers(api: "APIClient", installed: Installed) -> dict[str, int]:
    """What each image of an installation adds to the one below it, in bytes."""
    below = installed.plans.environment
    tags = [installed.base, *([below.tag] if below else []), installed.image]
    with engine_errors("asking the Docker engine for the sizes of images"):
        sizes = [int(api.inspect_image(tag)["Size"]) for tag in tags]
    return {tag: upper - lower for tag, lower, upper in zip(tags[1:], sizes, sizes[1:], strict=False)}


def _remove(api: "APIClient", image: str) -> None:
    """Hundreds of instances' images would fill the disk. A mill that has the very same one makes it again."""
    with engine_errors(f"removing the image {image}"):
        api.remove_image(image)
