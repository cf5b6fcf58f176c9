"""The two ways of making instances' images that ``environment_costs`` compares, each measured on a real engine.

*Ours* is the strategy ``adaptive`` as the bench runs it, behind a builder that gives environments and instances tags of
this run alone: what an earlier run left on the engine must not make this one look cheap. *Plain* is one Dockerfile an
instance, as people write them: from Debian's minimal system, compilers and packages by apt, then the very scripts,
files and lock that worked for ours, one after the other. It gets the lock for nothing, and asks the index itself. The
history that a clone has, as people make it, is measured beside the image: ours holds the base commit alone.
"""

import io
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swemill.adapters.archive import Archive
from swemill.adapters.archive_commits import BenchCommit
from swemill.adapters.docker import base_packages, base_recipe
from swemill.adapters.docker.base_catalogue import BaseKind, kinds
from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.adapters.docker.debootstrap import bootstrap
from swemill.adapters.docker.engine import DockerSandboxEngine
from swemill.adapters.docker.tar import tar_of
from swemill.effects import canonical, content_hash
from swemill.environment.dockerfile import dockerfile
from swemill.environment.image_plans import SNAPSHOT
from swemill.environment.scripts import INDEX_SILENT
from swemill.errors import DiskFull, ForgeUnavailable, SandboxUnavailable, UserError
from swemill.jobs.bench_attempt import STORE, workshop
from swemill.settings import Settings
from swemill.stages.adaptive import adaptive
from swemill.stages.neighbours import Neighbour
from swemill.values import ImagePlans, Loss, RepositoryRecord
from swemill.wiring import Mill
from tests.benchmarks.environment_costs_values import Apart, Layer, Ours, Plain

if TYPE_CHECKING:
    from docker import APIClient

_STEP = re.compile(r"---> ([0-9a-f]{12})$")
_TIMEOUT = 3600
"""Seconds without a word after which a plain build is given up."""


@dataclass
class Bench:
    """Both ways on one engine; ``clean`` removes what they made."""

    api: "APIClient"
    mill: Mill
    archive: Path
    mark: str
    _base_seconds: dict[str, float] = field(default_factory=dict)
    _plain: list[str] = field(default_factory=list)

    @cached_property
    def builder(self) -> Apart:
        return Apart(self.mill.builder, self.mark)

    def ours(self, commit: BenchCommit, before: Sequence[Ours]) -> Ours | Loss:
        """Install a commit after others of its repository; the errors are those of ``adaptive``."""
        engine = DockerSandboxEngine(self.api, runtime=self.mill.settings.sandbox_runtime, store=STORE)
        key = content_hash(canonical([commit, self.mark]))
        shop = replace(workshop(self.mill, self.archive, commit, engine, key=key), builder=self.builder)
        began = time.monotonic()
        done = adaptive(shop, [_neighbour(one) for one in before])
        seconds = time.monotonic() - began
        if isinstance(done, Loss):
            return done
        return Ours(commit=commit, plans=done.plans, layers=tuple(self._layers(done.plans)), seconds=seconds)

    def _layers(self, plans: ImagePlans) -> Iterator[Layer]:
        """What each image of an installation adds to the one below it."""
        assert plans.environment, "adaptive builds on an environment's image"
        base = self.builder.base(plans.python)
        images = [("system", self._system(plans), 0.0)]
        images.append(("base", base.reference, self._timed(base.reference, *self._base(plans, with_packages=False))))
        if plans.environment.base != base.reference:
            lines, files = base_packages.layer(base_packages.wanted(plans.packages))
            seconds = self._timed(plans.environment.base, f"FROM {base.reference}\n{lines}", files)
            images.append(("base", plans.environment.base, seconds))
        for level, plan in (("environment", plans.environment), ("instance", plans.instance)):
            images.append((level, self.builder.own(plan.tag), self.builder.seconds[self.builder.own(plan.tag)]))
        below = 0
        for level, tag, seconds in images:
            image = self._inspect(tag)
            yield Layer(id=image["Id"], level=level, bytes=int(image["Size"]) - below, seconds=seconds)
            below = int(image["Size"])

    def plain(self, one: Ours) -> Plain | str:
        """Build an instance the plain way and remove the image again; a text says what failed.

        Raises ForgeUnavailable when the index does not answer, DiskFull, SandboxUnavailable.
        """
        assert one.plans.environment, "adaptive builds on an environment's image"
        path = self.archive / "repos" / f"{one.commit.repository}.git"
        record = RepositoryRecord(forge="archive", name=one.commit.repository, location=str(path))
        snapshot = Archive(self.archive).snapshot(record, one.commit.commit)
        instance = replace(one.plans.instance, files={**one.plans.instance.files, SNAPSHOT: snapshot})
        lines, files = self._base(one.plans, with_packages=True)
        for level, plan in (("environment", one.plans.environment), ("instance", instance)):
            _, *steps = dockerfile(plan).splitlines(keepends=True)  # without its FROM
            copy = f"COPY --chown=1000:1000 {level}/ /opt/build/\n"
            lines += "".join(copy if step.startswith("COPY ") else step for step in steps)
            files |= {f"{level}/{name}": data for name, data in plan.files.items()}
        began = time.monotonic()
        tag = self._built(lines, files)
        seconds = time.monotonic() - began
        if not tag.startswith("swemill-costs/"):
            return tag
        whole = int(self._inspect(tag)["Size"]) - self._copied(tag)
        self._remove(tag)
        system = int(self._inspect(self._system(one.plans))["Size"])
        return Plain(bytes=whole, system=system, history=cloned(path) - stored(snapshot), seconds=seconds)

    def clean(self) -> None:
        """Remove the images of this run, the upper ones first; says on stderr what would not go."""
        for tag in reversed([*self.builder.tags, *self._plain]):
            try:
                self._remove(tag)
            except SandboxUnavailable as error:
                print(f"an image stays ({error}): docker rmi {tag}", file=sys.stderr)

    def _kind(self, plans: ImagePlans) -> BaseKind:
        name = self.builder.base(plans.python).reference.partition(":")[2].rpartition("-")[0]
        return next(kind for kind in kinds() if kind.name == name)

    def _system(self, plans: ImagePlans) -> str:
        """The minimal system that a Dockerfile starts from: a public image, or debootstrap's smallest."""
        kind = self._kind(plans)
        if self.builder.base(plans.python).source == "registry":
            return kind.registry_image
        mirror = self.mill.settings.debian_mirror
        return bootstrap(self.api, suite=kind.suite, mirror=mirror, packages=("ca-certificates",), slim=False)

    def _base(self, plans: ImagePlans, *, with_packages: bool) -> tuple[str, dict[str, bytes]]:
        """Lines of a Dockerfile, and its files, that make the base image from the minimal system."""
        settings: Settings = self.mill.settings
        files = base_recipe.context(
            debian_python=bool(self._kind(plans).suite), ca_bundle=settings.ca_bundle, index_url=settings.index_url
        )
        lines = files.pop("Dockerfile").decode()
        for argument, value in (("RAW", self._system(plans)), ("SOURCE", "registry")):
            lines = lines.replace(f"ARG {argument}\n", f"ARG {argument}={value}\n")
        if with_packages and (names := base_packages.wanted(plans.packages)):
            steps, more = base_packages.layer(names, folder="more-packages/")
            lines, files = lines + steps, files | more
        return lines, files

    def _timed(self, name: str, lines: str, files: Mapping[str, bytes]) -> float:
        """Seconds that the image ``name``, which was there before, takes when it is made anew; measured once."""
        if name not in self._base_seconds:
            began = time.monotonic()
            tag = self._built(lines, files)
            if not tag.startswith("swemill-costs/"):
                raise SandboxUnavailable(f"making the base image {name} anew failed: {tag}")
            self._base_seconds[name] = time.monotonic() - began
            self._remove(tag)
        return self._base_seconds[name]

    def _built(self, lines: str, files: Mapping[str, bytes]) -> str:
        """Tag of the image that the engine's classic builder made without its cache; otherwise what went wrong."""
        tag = f"swemill-costs/plain:{self.mark}-{len(self._plain)}"
        self._plain.append(tag)
        context = io.BytesIO(tar_of({**files, "Dockerfile": lines.encode()}, modified=0))
        said, last = "", ""
        try:
            with engine_errors(f"building {tag}"):
                options: dict[str, Any] = {"nocache": True, "rm": True, "forcerm": True, "decode": True}
                for answer in self.api.build(
                    fileobj=context, custom_context=True, tag=tag, timeout=_TIMEOUT, **options
                ):
                    said = (said + str(answer.get("stream") or answer.get("error") or ""))[-20_000:]
                    step = _STEP.search(str(answer.get("stream", "")).strip())
                    last = step[1] if step else last
                    if "error" in answer:
                        return _failed(said, int((answer.get("errorDetail") or {}).get("code") or 0))
            last = ""
            return tag
        finally:
            if last:  # the steps of a build that did not end well have no name
                self._remove(last)

    def _copied(self, tag: str) -> int:
        """Bytes of what was copied in for the scripts: they delete it, and a clone would not have left it."""
        with engine_errors(f"asking for the layers of {tag}"):
            steps = self.api.history(tag)
        into = (" in /opt/build", " in /tmp/setup")
        return sum(
            int(step["Size"])
            for step in steps
            if "#(nop) COPY" in step["CreatedBy"] and any(folder in step["CreatedBy"] for folder in into)
        )

    def _inspect(self, tag: str) -> dict[str, Any]:
        with engine_errors(f"looking at the image {tag}"):
            found: dict[str, Any] = self.api.inspect_image(tag)
        return found

    def _remove(self, name: str) -> None:
        """Remove an image of this run; an unnamed one only if it has no name, which may be somebody else's."""
        import docker.errors

        with engine_errors(f"removing the image {name}"):
            try:
                if ":" in name or not self.api.inspect_image(name)["RepoTags"]:
                    self.api.remove_image(name)
            except docker.errors.ImageNotFound:
                return


def cloned(mirror: Path) -> int:
    """Bytes of what ``git clone`` fetches: the history of all branches and tags. Raises UserError."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["git", "clone", "-q", "--bare", "--no-local", str(mirror), folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"{mirror} cannot be cloned (is it whole?): {done.stderr.strip()[-300:]}")
        return sum(path.lstat().st_size for path in Path(folder).rglob("*"))


def stored(snapshot: bytes) -> int:
    """Bytes of the git repository in a snapshot."""
    with tarfile.open(fileobj=io.BytesIO(snapshot)) as archive:
        return sum(member.size for member in archive if "repo.git/" in member.name)


def _neighbour(one: Ours) -> Neighbour:
    assert one.plans.environment, "adaptive builds on an environment's image"
    assert one.plans.candidate, "adaptive tells as what it installed"
    return Neighbour(
        instance_id=one.commit.commit,
        committed_at=one.commit.date,
        lock=one.plans.environment.files["lock.txt"].decode(),
        candidate=one.plans.candidate,
    )


def _failed(said: str, code: int) -> str:
    """What went wrong in a plain build; raises where that is not the repository's doing."""
    words = " ".join(said[-600:].split())
    if says_disk_full(said):
        raise DiskFull(f"the engine's disk is full; free some space and run again: {words}")
    if code == INDEX_SILENT:
        raise ForgeUnavailable(f"the package index did not answer a plain build; run again: {words}")
    if code == 0 or "/opt/build/" not in words:
        raise SandboxUnavailable(f"a plain build did not come to the repository (mirror, index?): {words}")
    return words
