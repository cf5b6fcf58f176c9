"""One build's container: from the base image to the new image, with foreign code in between.

The order is what makes it safe: files in before anything runs; the script, watched; everything that it left running
killed; outputs read; leftovers removed; and only then the layer kept as an image. The image's configuration is written
anew from the base's: what the engine knows of the container (its name, keeper, owner) has no place in it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.build_lock import build_lock
from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.disk_watch import DiskWatch
from swemill.adapters.docker.policy import LABEL, WORKDIR, build_arguments, labels
from swemill.adapters.docker.sandbox import DockerSandbox
from swemill.adapters.docker.tar import tar_of
from swemill.values import BuildEnd, BuildPlan, ExecResult, SandboxSpec

if TYPE_CHECKING:
    from docker import APIClient

LEVEL_LABEL = "swemill.level"
"""``environment`` or ``instance``: the last part of the tag's repository name."""
COMMIT_PATIENCE = 900
"""Seconds that the engine may take to keep a layer; the keeper lives so much longer than the script may."""

_LOG_LIMIT = 1 << 20
_OUTPUT_LIMIT = 64 << 20
_CLEANING = 300.0
_MTIME = 315532800
"""1980-01-01."""
_USER = 1000
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PLAIN = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": "", "LD_LIBRARY_PATH": ""}
"""For commands of our own: nothing that a build has installed."""
_CLEAN = """\
for folder in /opt/build /tmp /var/tmp /run/lock /home/mill/.cache; do
    [ -d "$folder" ] && [ ! -L "$folder" ] || continue
    chmod -R u+rwX "$folder" 2>/dev/null
    find "$folder" -mindepth 1 -user 1000 -delete || exit 1
done
"""


@dataclass(frozen=True, kw_only=True)
class ScriptEnd:
    """What the script did."""

    end: BuildEnd
    exit_code: int
    log: str
    outputs: Mapping[str, bytes] = field(default_factory=dict)


class BuildContainer:
    """A started container, in which one script is run and whose layer is kept."""

    def __init__(self, api: "APIClient", container: str, *, spec: SandboxSpec, base: Mapping[str, Any]) -> None:
        """Wrap the running container of ``spec``; ``base`` is the configuration of the image below."""
        self._api = api
        self._container = container
        self._spec = spec
        self._base = base
        self._sandbox = DockerSandbox(api, container, name=spec.name)

    def run(self, plan: BuildPlan, *, reach: Mapping[str, str]) -> ScriptEnd:
        """Run the script; ``reach`` are the variables that lead to the package index, for this one command.

        Raises:
            SandboxUnavailable: the engine is gone, or somebody stopped the container. DiskFull: no room left.
        """
        linker = {name: value for name, value in _variables(self._base).items() if name.startswith("LD_")}
        limit = self._spec.limits.disk_bytes
        with DiskWatch(self._api, self._container, self._sandbox, limit=limit) as watch:
            result = self._sandbox.run(
                ["/bin/sh", f"/opt/build/{plan.script}"],
                timeout=plan.timeout,
                env={"HOME": "/home/mill", **linker, **plan.env, **reach},
                cwd=WORKDIR,
                output_limit=_LOG_LIMIT,
            )
        if not self._sandbox.is_over():
            watch.settle()
        end = _end(result, plan, too_large=bool(watch.too_large))
        log = _text(result, plan, end, watch.too_large)
        if end != BuildEnd.BUILT:
            return ScriptEnd(end=end, exit_code=result.exit_code, log=log)
        outputs = read_outputs(self._sandbox, plan.outputs)
        if self._sandbox.run(["/bin/sh", "-c", _CLEAN], timeout=_CLEANING, env=_PLAIN, cwd="/").exit_code:
            log += "\n[what the build left in its temporary folders could not be removed]\n"
            return ScriptEnd(end=BuildEnd.FAILED, exit_code=1, log=log)
        return ScriptEnd(end=end, exit_code=0, log=log, outputs=outputs)

    def commit(self, plan: BuildPlan) -> str:
        """Keep the layer as an image and only then give it its tag; returns its id.

        Raises:
            SandboxUnavailable: the engine is gone. DiskFull: it has no room left.
        """
        repository, _, name = plan.tag.rpartition(":")
        variables = {**_variables(self._base), **plan.env}
        # The engine adds what is missing here from the container's own: an empty label keeps the owner's out.
        blank = dict.fromkeys(labels(self._spec), "")
        kept = {
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Cmd": self._base.get("Cmd") or ["/bin/bash"],
            "Entrypoint": [],
            "User": "mill",
            "WorkingDir": self._base.get("WorkingDir") or WORKDIR,
            "Labels": {
                **(self._base.get("Labels") or {}),
                **blank,
                LABEL: "1",
                LEVEL_LABEL: repository.rpartition("/")[2],
            },
        }
        with engine_errors(f"keeping {plan.tag}"):
            # The library's commit() has the client's patience only; a large layer takes more.
            answer = self._api._post_json(
                self._api._url("/commit"),
                data=kept,
                params={"container": self._container, "pause": True},
                timeout=COMMIT_PATIENCE,
            )
            image = str(self._api._result(answer, json=True)["Id"])
            self._api.tag(image, repository, name, force=True)
        return image


@contextmanager
def build_container(
    api: "APIClient",
    plan: BuildPlan,
    spec: SandboxSpec,
    *,
    base: Mapping[str, Any],
    network: str,
    runtime: str,
    store: str,
    is_done: Callable[[], bool],
) -> Iterator[BuildContainer | None]:
    """A started container with the plan's files in it; None when another one made the image meanwhile.

    Raises:
        SandboxUnavailable: the engine is gone, or lacks the base image. DiskFull: it has no room left.
    """
    arguments = build_arguments(spec, network=network, runtime=runtime, store=store, image_env=_variables(base))
    with build_lock(api, spec.name, create=lambda: arguments.create(api), is_done=is_done) as container:
        if container is None:
            yield None
            return
        with engine_errors(f"starting the build {spec.name}"):
            # Before anything runs in it. The engine unpacks as root, into a folder that no image below could replace.
            api.put_archive(container, "/opt/build", tar_of(plan.files, modified=_MTIME, owner=_USER))
            api.start(container)
        yield BuildContainer(api, container, spec=spec, base=base)


def read_outputs(sandbox: DockerSandbox, paths: tuple[str, ...]) -> dict[str, bytes]:
    """Those of the files that exist, each to its limit. Raises SandboxUnavailable."""
    found = {path: sandbox.read(path, limit=_OUTPUT_LIMIT) for path in paths}
    return {path: data for path, data in found.items() if data is not None}


def _end(result: ExecResult, plan: BuildPlan, *, too_large: bool) -> BuildEnd:
    if too_large:
        return BuildEnd.TOO_LARGE
    if result.exit_code == 0:
        return BuildEnd.BUILT
    if result.out_of_memory:
        return BuildEnd.OUT_OF_MEMORY
    # A sandbox that had to be ended counts as timed out even where its time was not over.
    return BuildEnd.TIMED_OUT if result.timed_out and result.seconds >= plan.timeout else BuildEnd.FAILED


def _text(result: ExecResult, plan: BuildPlan, end: BuildEnd, too_large: str) -> str:
    log = _COLOURS.sub("", result.output.decode(errors="replace").replace("\0", ""))
    if end == BuildEnd.TIMED_OUT:
        log += f"\n[the build was ended after {plan.timeout} s]\n"
    elif end == BuildEnd.OUT_OF_MEMORY:
        log += "\n[a process of the build was killed for memory]\n"
    elif too_large:
        log += f"\n[the build wrote {too_large}]\n"
    return log[-_LOG_LIMIT:]


def _variables(image: Mapping[str, Any]) -> dict[str, str]:
    """Environment of an image, from its configuration."""
    return dict(variable.partition("=")[::2] for variable in image.get("Env") or ())
