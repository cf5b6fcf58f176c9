"""The list of release steps, a checked-in TOML file::

    [[steps]]
    package = "click"
    from = "8.1.6"
    to = "8.1.7"

People write it by hand, so each entry is checked by itself and what is wrong with it is said with its place.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from swemill.errors import SourceError
from swemill.reasons import Reason
from swemill.values import Drop, Malformed

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One entry of the list."""

    package: str
    old: str
    new: str
    where: str

    @property
    def number(self) -> int:
        """The number that stands for the step: 8.1.7 is 8001007. It says which, and never changes."""
        major, minor, micro = (*Version(self.new).release, 0, 0)[:3]
        return (major * 1000 + minor) * 1000 + micro


def read_list(path: Path) -> bytes:
    """The bytes of the list. Raises SourceError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"the list of release steps {path} cannot be read: {error.strerror}") from None


def read_steps(path: Path) -> Iterator[Step | Malformed]:
    """The steps of a list in its order; unreadable entries as Malformed.

    Raises:
        SourceError: the list is missing or not TOML of the expected form.
    """
    try:
        entries = tomllib.loads(read_list(path).decode()).get("steps")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not TOML: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise SourceError(f'{path} holds no [[steps]] with package = "...", from = "...", to = "..."')
    numbers: dict[tuple[str, int], str] = {}
    for at, entry in enumerate(entries, start=1):
        where = f"{path.name}: step {at}"
        step = _parse_step(entry, where)
        if isinstance(step, Step) and (earlier := numbers.setdefault((step.package, step.number), where)) != where:
            step = f"{step.package} {step.new} is already the goal of {earlier}"
        if isinstance(step, str):
            drop = Drop(reason=Reason.MALFORMED_RECORD, detail=f"{where}: {step}")
            yield Malformed(repository=path.name, where=where, drop=drop)
        else:
            yield step


def _parse_step(entry: Any, where: str) -> Step | str:
    """A step, or what is wrong with its entry."""
    if not isinstance(entry, dict):
        return "is no table"
    values = {key: value for key in ("package", "from", "to") if isinstance(value := entry.get(key), str) and value}
    if wrong := {"package", "from", "to"} - set(values):
        return f"{', '.join(sorted(wrong))} missing or not a text"
    if not _NAME.fullmatch(values["package"]):
        return f"{values['package']!r} is no package name"
    for key in ("from", "to"):
        try:
            version = Version(values[key])
        except InvalidVersion:
            return f"{key} = {values[key]!r} is no version"
        if version.is_prerelease or version.is_postrelease or version.local or version.epoch:
            return f"{key} = {values[key]!r} is no final release"
        if len(version.release) > 3 or max(version.release[1:], default=0) > 999:
            return f"{key} = {values[key]!r} has more parts than major.minor.micro, or a part above 999"
    if Version(values["from"]) >= Version(values["to"]):
        return f"from = {values['from']!r} is not older than to = {values['to']!r}"
    package = canonicalize_name(values["package"])
    return Step(package=package, old=values["from"], new=values["to"], where=where)
