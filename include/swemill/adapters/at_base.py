"""What is known of the software at a base commit: pytest's configuration, the licence file, the version.

Shared by all forges that have a git history. Nothing is checked out or run: names come from the tree, contents from
blobs of bounded size, the version from tags or from static metadata.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swemill.adapters.git_command import BrokenRepository
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.git_objects import REGULAR, TreeFile
from swemill.patches import CONFIGURATION_FILES, parse_ini, parse_toml

CONFIGURATION_LIMIT = 1 << 20
"""Bytes; a larger configuration file is left out."""
LICENCE_LIMIT = 256 << 10
"""Bytes; a larger licence file is left out."""

_LICENCE = re.compile(r"(?i)(licen[cs]e|copying|unlicen[cs]e)([._-][ -~]*)?")
_TAGS = ("[0-9]*", "[vV][0-9]*", "*[-_/.][0-9]*", "*[-_/.][vV][0-9]*")
"""Globs of tags that look like versions (git describe --match)."""


_LONGEST_VERSION = 256
"""Characters that are looked at, more than a tag may have: the search takes the square of what a file spells out."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """A licence file; both empty where there is none."""

    path: str = ""
    text: bytes = b""


def wanted_at_base(mirror: GitMirror, base: str) -> tuple[str, ...]:
    """Ids of the blobs that ``configuration_at`` and ``licence_at`` read, for a forge that must get them first."""
    top = mirror.top(base)
    return tuple(file.oid for file in (*_configuration_files(top), *_licence_files(top)))


def configuration_at(mirror: GitMirror, base: str) -> dict[str, bytes]:
    """pytest's possible configuration files at the root of a commit, by name; see ``patches.TestLayout``."""
    files = _configuration_files(mirror.top(base))
    contents = mirror.blobs((file.oid for file in files), limit=CONFIGURATION_LIMIT)
    return {file.path: contents[file.oid] for file in files if file.oid in contents}


def licence_at(mirror: GitMirror, base: str) -> Licence:
    """The licence file at the root of a commit: of several the one with the plainest name."""
    for file in _licence_files(mirror.top(base)):
        found = mirror.blobs([file.oid], limit=LICENCE_LIMIT)
        if file.oid in found:
            return Licence(path=file.path, text=found[file.oid])
    return Licence()


def version_at(mirror: GitMirror, base: str, configuration: Mapping[str, bytes]) -> str:
    """SWE-bench's ``version`` at a commit: of the nearest tag before it, else of static metadata, else empty."""
    matching = [f"--match={glob}" for glob in _TAGS]
    try:
        tag = mirror.run("describe", "--tags", "--abbrev=0", *matching, base).decode("utf-8", "replace").strip()
    except BrokenRepository:  # no tag that looks like a version comes before the commit
        tag = ""
    return swebench_version(tag.rpartition("/")[2]) or swebench_version(_static_version(configuration))


def swebench_version(text: str) -> str:
    """``major.minor`` of a version or of a tag that carries one, as SWE-bench groups instances; empty when it is none.

    ``v2.3.1`` is 2.3, ``release_1_4`` is 1.4, ``22.1.0rc1`` is 22.1, ``v7`` is 7, ``nightly`` is nothing. Source:
    SWE-bench, ``versioning/get_versions.py`` (major and minor of ``__version__``).
    """
    text = text[:_LONGEST_VERSION]
    numbers = re.search(r"(?<![0-9A-Za-z])[vV]?(\d+)[._](\d+)", text) or re.search(r"(\d+)[._](\d+)", text)
    if numbers:
        return f"{numbers[1]}.{numbers[2]}"
    single = re.fullmatch(r"(?:.*[^0-9A-Za-z])?[vV]?(\d{1,8})", text.strip())
    return single[1] if single else ""


def _configuration_files(top: tuple[TreeFile, ...]) -> list[TreeFile]:
    return [file for file in top if file.path in CONFIGURATION_FILES and file.mode in REGULAR]


def _licence_files(top: tuple[TreeFile, ...]) -> list[TreeFile]:
    found = [file for file in top if _LICENCE.fullmatch(file.path) and file.mode in REGULAR]
    return sorted(found, key=lambda file: (len(file.path), file.path))


def _static_version(configuration: Mapping[str, bytes]) -> str:
    """The version that pyproject.toml or setup.cfg spells out; empty where it is computed or cannot be read."""
    return _pyproject_version(configuration.get("pyproject.toml", b"")) or _setup_cfg_version(
        configuration.get("setup.cfg", b"")
    )


def _pyproject_version(data: bytes) -> str:
    try:
        content = parse_toml(data.decode("utf-8", "replace"))
    except ValueError:
        return ""
    for path in (("project",), ("tool", "poetry"), ("tool", "flit", "metadata")):
        table: Any = content
        for part in path:
            table = table.get(part) if isinstance(table, dict) else None
        if isinstance(table, dict) and isinstance(version := table.get("version"), str):
            return version
    return ""


def _setup_cfg_version(data: bytes) -> str:
    try:
        version = parse_ini(data.decode("utf-8", "replace")).get("metadata", {}).get("version", "")
    except ValueError:
        return ""
    return "" if version.startswith(("attr:", "file:")) else version
