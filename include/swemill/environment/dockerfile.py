"""Turns a recipe into a build plan: one Dockerfile of one RUN step, and the files of its context.

Everything happens in a single step, so that the checkout is stored once although it is built in one place
(``/testbed``) and kept in another (``/opt/testbed``), and so that no cache stays in a layer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from swemill.values import BaseImage, BuildPlan, InstanceSpec, Strategy

INDEX_SILENT = 90
"""Exit code of ``install.sh`` when the package index does not answer: says nothing about the repository."""
NOT_PRUNED = 81
"""Exit code when the repository holds objects beyond those of the base commit."""
NOT_INSTALLED = 80
"""Exit code when no way of installing the project worked."""

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!]*")
_UNKNOWN_VERSION = "0.0.0"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What distinguishes one strategy's build from another's."""

    strategy: Strategy
    script: str
    """``install.sh``."""
    uv_config: str = ""
    """``uv.toml``: replaces any configuration that the repository brings along."""


def render(
    recipe: Recipe, instance: InstanceSpec, snapshot: bytes, *, base: BaseImage, tag: str, timeout: int
) -> BuildPlan:
    """The build plan. Raises ValueError when the base commit is not an object id."""
    if not _COMMIT.fullmatch(instance.base_commit):
        raise ValueError(f"the base commit of {instance.instance_id} is no object id: {instance.base_commit!r}")
    options = {"BASE_COMMIT": instance.base_commit, "VERSION": known_version(instance.version)}
    context: Mapping[str, bytes] = {
        "snapshot.tar": snapshot,
        "install.sh": recipe.script.encode(),
        "options.sh": "".join(f"{name}='{value}'\n" for name, value in options.items()).encode(),
        "uv.toml": recipe.uv_config.encode(),
    }
    dockerfile = (
        f"FROM {base.reference}\n"
        f"COPY --chown=1000:1000 {' '.join(sorted(context))} /opt/build/\n"
        "RUN sh /opt/build/install.sh\n"
    )
    return BuildPlan(dockerfile=dockerfile, context=context, tag=tag, timeout=timeout)


def known_version(version: str) -> str:
    """A version that is safe in a shell and readable to version tools; ``0.0.0`` when there is none.

    Build back ends that ask git for a version find no tag: the image has none. So ``install.sh`` makes one for the
    time of the build, and gives the version by environment variable where that does not help.
    """
    stripped = version.strip().removeprefix("v")
    return stripped if _VERSION.fullmatch(stripped) else _UNKNOWN_VERSION
