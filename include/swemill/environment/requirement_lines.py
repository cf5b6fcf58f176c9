"""Requirement files and stray requirements as plain PEP 508 lines: one list, with nothing left that leaves the index.

Files of requirements may name other files, places on disk, repositories and indexes. A build reaches one index and one
checkout, so what points elsewhere is reduced to the bare package name where it has one, and dropped where not. What was
dropped is told, so that a person can read why a package is missing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement

_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]?\s*(?P<file>[^\s;#]+)\s*$")
_CONSTRAINT = re.compile(r"(?:-c|--constraint)\b")
_EGG = re.compile(r"[#&]egg=(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_NAME = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?")
_DEEPEST = 8
_MOST = 2_000
"""Lines that are read, of all files together."""


@dataclass(frozen=True, kw_only=True)
class RequirementLines:
    """What was read."""

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Lines that name nothing on an index."""


def requirement_lines(
    files: Mapping[str, bytes], names: Iterable[str], *, constraint_files: Iterable[str] = (), more: Iterable[str] = ()
) -> RequirementLines:
    """Read the files ``names`` (of ``files``: path -> content), then the lines ``more``, each name and line once."""
    reader = _Reader(files)
    for name in names:
        reader.file(name, into=reader.requirements, depth=0)
    for name in constraint_files:
        reader.file(name, into=reader.constraints, depth=0)
    for line in more:
        reader.line(line, into=reader.requirements, folder=PurePosixPath(), depth=0)
    return RequirementLines(
        requirements=tuple(dict.fromkeys(reader.requirements)),
        constraints=tuple(dict.fromkeys(reader.constraints)),
        dropped=tuple(dict.fromkeys(reader.dropped)),
    )


def plain(line: str) -> str | None:
    """One requirement as PEP 508 has it, without any place; None when it names no package of an index.

    A specifier that no longer parses (``>=1.0.*``) is dropped: the package is what matters.
    """
    text = re.sub(r"\s--(?:hash|global-option|install-option|config-settings?)[= ]\S+", "", f" {line}").strip()
    if egg := _EGG.search(text):
        return egg["name"]
    if text.startswith(("-", ".", "/", "$", "{")) or re.match(r"[a-z+]+://|git\+", text):
        return None
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        found = _NAME.match(text)
        return found["name"] if found and not text[found.end() :].startswith(("/", ":", "\\")) else None
    if parsed.url:
        parsed.url = None
    return str(parsed)


class _Reader:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._seen: set[str] = set()
        self._left = _MOST
        self.requirements: list[str] = []
        self.constraints: list[str] = []
        self.dropped: list[str] = []

    def file(self, name: str, *, into: list[str], depth: int) -> None:
        if name in self._seen or depth > _DEEPEST:
            return
        self._seen.add(name)
        content = self._files.get(name)
        if content is None:
            self.dropped.append(f"-r {name} (not there)")
            return
        text = content.decode("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ").lstrip("\ufeff")
        for line in text.splitlines():
            self.line(line, into=into, folder=PurePosixPath(name).parent, depth=depth)

    def line(self, line: str, *, into: list[str], folder: PurePosixPath, depth: int) -> None:
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not text or self._left <= 0:
            return
        self._left -= 1
        if include := _INCLUDE.match(text):
            target = self.constraints if _CONSTRAINT.match(text) else into
            self.file(_joined(folder, include["file"]), into=target, depth=depth + 1)
            return
        requirement = plain(re.sub(r"^(?:-e|--editable)[ =]\s*", "", text))
        if requirement is None:
            self.dropped.append(text[:200])
        else:
            into.append(requirement)


def _joined(folder: PurePosixPath, name: str) -> str:
    """The path of an included file, relative to the root; what points above the root is left as it is: not there."""
    parts: list[str] = []
    for part in (*folder.parts, *PurePosixPath(name).parts):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
