"""From a strategy's decision to build plans: the pure side of the three image levels.

- *base*: a Python and Debian packages; the builder's own (port ``Builder``);
- *environment*: a virtual environment with exactly the distributions of a lock. Its tag is a hash of all that defines
  it, so every instance with the same lock shares one image, and it is never built twice;
- *instance*: the checkout at the base commit and the project itself, on an environment.

The baseline strategies know no environment level: they build an instance in one step, straight on the base image.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources

from swemill.environment.level_scripts import ENVIRONMENT_SH, INSTANCE_SH, LOCK, RESOLVE_SH
from swemill.values import BaseImage, BuildPlan, Candidate, InstanceSpec, Strategy

SNAPSHOT = "snapshot.tar"

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!]*")
_UNKNOWN_VERSION = "0.0.0"
_PLAIN = re.compile(r"[A-Za-z0-9_.,/@+=:!~-]*")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What distinguishes one baseline strategy's build from another's."""

    strategy: Strategy
    script: str
    """``install.sh``."""
    uv_config: str = ""
    """``uv.toml``: replaces any configuration that the repository brings along."""


def one_step(
    recipe: Recipe, instance: InstanceSpec, snapshot: bytes, *, base: BaseImage, effect_key: str, timeout: int
) -> BuildPlan:
    """An instance straight on the base image. Raises ValueError when the base commit is not an object id."""
    files = {
        SNAPSHOT: snapshot,
        "install.sh": recipe.script.encode(),
        "options.sh": _options(instance, python=base.python),
        "uv.toml": recipe.uv_config.encode(),
    }
    made = BuildPlan(base=base.reference, files=files, tag="", timeout=timeout, effect_key=effect_key)
    return _tagged(replace(made, subject=instance.instance_id), "instance", salt=effect_key)


def resolution(
    candidate: Candidate, instance: InstanceSpec, snapshot: bytes, *, base: BaseImage, effect_key: str, timeout: int
) -> BuildPlan:
    """Find the versions for ``candidate``: no image, but the lock as output."""
    files = {
        SNAPSHOT: snapshot,
        "resolve.sh": RESOLVE_SH.encode(),
        "valid_version.py": _own("valid_version.py"),
        "options.sh": _options(
            instance,
            python=base.python,
            PROJECT_DIR=candidate.project_dir,
            HAS_PROJECT="1" if candidate.has_project else "",
            ISOLATED="1" if candidate.build_isolation else "",
            VALID_VERSION=_valid_version(candidate, instance),
            EXTRAS=" ".join(candidate.extras),
            GROUPS=" ".join(candidate.groups),
        ),
        **_requirements(candidate),
    }
    return BuildPlan(
        base=base.reference,
        files=files,
        script="resolve.sh",
        tag="",
        timeout=timeout,
        env=candidate.environment,
        outputs=(LOCK,),
        effect_key=effect_key,
        subject=instance.instance_id,
    )


def environment(
    candidate: Candidate, lock: str, *, wheels: bool, base: BaseImage, effect_key: str, subject: str, timeout: int
) -> BuildPlan:
    """The virtual environment of ``lock``; equal locks on equal bases give equal tags.

    Of ``wheels`` alone nothing but the lock decides what comes out. Source distributions are built as of the
    candidate's date, so then the date is part of what defines the image.
    """
    files = {
        "install.sh": ENVIRONMENT_SH.encode(),
        "options.sh": _shell(PYTHON=base.python),
        "lock.txt": lock.encode(),
        "constraints.txt": _lines(() if wheels else candidate.constraints),
        "uv.toml": b"no-build = true\n" if wheels else uv_config(candidate).encode(),
    }
    made = BuildPlan(base=base.reference, files=files, tag="", timeout=timeout, effect_key=effect_key, subject=subject)
    return _tagged(made, "environment")


def instance_on(
    environment_image: str,
    candidate: Candidate,
    instance: InstanceSpec,
    snapshot: bytes,
    *,
    effect_key: str,
    timeout: int,
) -> BuildPlan:
    """The checkout and the project itself on an environment's image."""
    files = {
        SNAPSHOT: snapshot,
        "install.sh": INSTANCE_SH.encode(),
        "in_place.py": _own("in_place.py"),
        "valid_version.py": _own("valid_version.py"),
        "options.sh": _options(
            instance,
            python=candidate.python,
            PROJECT_DIR=candidate.project_dir,
            HAS_PROJECT="1" if candidate.has_project else "",
            ISOLATED="1" if candidate.build_isolation else "",
            VALID_VERSION=_valid_version(candidate, instance),
        ),
        **_requirements(candidate),
    }
    made = BuildPlan(
        base=environment_image,
        files=files,
        tag="",
        timeout=timeout,
        env=candidate.environment,
        effect_key=effect_key,
        subject=instance.instance_id,
    )
    return _tagged(made, "instance")


def uv_config(candidate: Candidate) -> str:
    """``uv.toml`` of a candidate: dates and packages without source builds."""
    lines = [f'exclude-newer = "{rfc3339(candidate.as_of)}"']
    if candidate.only_binary:
        lines.append(f"no-build-package = [{', '.join(_quoted(name) for name in sorted(candidate.only_binary))}]")
    if candidate.lifted:
        lines.append("[exclude-newer-package]")
        lines += [f'{_quoted(name)} = "{rfc3339(date)}"' for name, date in sorted(candidate.lifted.items())]
    return "\n".join(lines) + "\n"


def rfc3339(date: datetime) -> str:
    """A moment as uv and the index read it (``2021-04-05T04:07:08Z``)."""
    return date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def known_version(version: str) -> str:
    """A version that is safe in a shell and readable to version tools; ``0.0.0`` when there is none.

    Build back ends that ask git for a version find no tag: the image has none. So the scripts make one for the time of
    the build, and give the version by environment variable where that does not help.
    """
    stripped = version.strip().removeprefix("v")
    return stripped if _VERSION.fullmatch(stripped) else _UNKNOWN_VERSION


def _own(name: str) -> bytes:
    return resources.files("swemill.environment").joinpath(name).read_bytes()


def _valid_version(candidate: Candidate, instance: InstanceSpec) -> str:
    return known_version(instance.version) if candidate.valid_version else ""


def _requirements(candidate: Candidate) -> dict[str, bytes]:
    return {
        "requirements.in": _lines(candidate.requirements),
        "build-requirements.in": _lines(candidate.build_requires if not candidate.build_isolation else ()),
        "constraints.txt": _lines(candidate.constraints),
        "overrides.txt": _lines(candidate.overrides),
        "uv.toml": uv_config(candidate).encode(),
    }


def _options(instance: InstanceSpec, *, python: str, **more: str) -> bytes:
    if not _COMMIT.fullmatch(instance.base_commit):
        raise ValueError(f"the base commit of {instance.instance_id} is no object id: {instance.base_commit!r}")
    return _shell(BASE_COMMIT=instance.base_commit, VERSION=known_version(instance.version), PYTHON=python, **more)


def _shell(**values: str) -> bytes:
    """Assignments for ``sh``; a value may hold plain characters and spaces only, whoever wrote it."""
    for name, value in values.items():
        if not all(_PLAIN.fullmatch(word) for word in value.split(" ")):
            raise ValueError(f"{name} cannot be given to a shell: {value!r}")
    return "".join(f"{name}='{value}'\n" for name, value in values.items()).encode()


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tagged(plan: BuildPlan, level: str, *, salt: str = "") -> BuildPlan:
    """The plan with a tag that is a hash of everything that defines the image."""
    digest = hashlib.sha256()
    parts: Mapping[str, bytes] = {
        "base": plan.base.encode(),
        "script": plan.script.encode(),
        "salt": salt.encode(),
        **{f"env/{name}": value.encode() for name, value in plan.env.items()},
        **{f"file/{name}": data for name, data in plan.files.items()},
    }
    for name, data in sorted(parts.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    return replace(plan, tag=f"swemill/{level}:{digest.hexdigest()[:32]}")
