"""Which requirement files to install, and in what order: those of the project, then those of its tests."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from swemill.environment.inference.findings import Finding
from swemill.environment.inference.installs import requirement_file_line
from swemill.environment.inference.project import Project
from swemill.environment.inference.sources import Sources, lines_of
from swemill.environment.inference.tooling import is_tooling_file

_PROJECT = (
    "requirements.txt", "requirements/base.txt", "requirements/main.txt", "requirements/requirements.txt",
    "requirements/default.txt", "requirements/project.txt", "requirements/common.txt", "requirements/core.txt",
    "requirements/install.txt", "requirements/runtime.txt", "requirements/prod.txt", "reqs/requirements.txt",
    "requirements-base.txt", "requirements.in",
)  # fmt: skip
_TEST_KINDS = (
    "test",
    "tests",
    "testing",
    "unittest",
    "pytest",
    "ci",
    "dev",
    "develop",
    "devel",
    "development",
    "local",
)
_TEST_SHAPES = (
    "requirements-{0}.txt", "requirements_{0}.txt", "{0}-requirements.txt", "{0}_requirements.txt",
    "requirements.{0}.txt", "requirements/{0}.txt", "requirements/requirements-{0}.txt",
    "requirements/requirements_{0}.txt",
    "requirements/{0}-requirements.txt", "requirements/{0}_requirements.txt", "{0}/requirements.txt",
    "{0}/requirements-{0}.txt", "{0}/{0}-requirements.txt", "{0}/test_requirements.txt", ".requirements-{0}.txt",
    "requirements/{0}/requirements.txt", "requirements/{0}.in", "requirements-{0}.in", "etc/requirements_{0}.txt",
    "reqs/{0}.txt", "reqs/{0}-requirements.txt", "reqs/requirements-{0}.txt", "requirements{0}.txt",
)  # fmt: skip
_DEEPEST = 5
BY_NAME = "by its name"
"""Evidence for a file that no command names."""


def chosen(sources: Sources, project: Project, named: Iterable[Finding]) -> list[Finding]:
    """The files, each once and none that another includes.

    Args:
        sources: the commit.
        project: what is installed; one that declares its dependencies needs no file for them.
        named: files that tox, nox and continuous integration install.
    """
    asked = [found for finding in named if (found := _resolved(sources, finding)) and not is_tooling_file(found.value)]
    tests = [finding for finding in asked if finding.value not in _PROJECT] or _by_convention(sources)
    own = [Finding(path, BY_NAME) for path in _PROJECT if _worth(sources, path)][:1]
    if project.exists and project.declares_dependencies and not any(f.value in _PROJECT for f in asked):
        own = [] if tests else own
    own = [finding for finding in asked if finding.value in _PROJECT] or own
    return _without_included(sources, [*own, *tests])


def constraints(sources: Sources, named: Iterable[Finding]) -> list[Finding]:
    """Constraint files that commands name. A file that only lies there may be for something else."""
    return [found for finding in named if (found := _resolved(sources, finding))]


def extras_named(sources: Sources, files: Iterable[str]) -> list[Finding]:
    """Extras of the project that requirement files ask for: ``-e .[cli,http2]``."""
    return [
        Finding(extra, path)
        for path in files
        for line in lines_of(sources.text(path))[:2_000]
        if line.startswith(("-e", "."))
        for extra in requirement_file_line(line).extras
    ]


def included(sources: Sources, path: str) -> set[str]:
    """The files that one includes with ``-r``, at any depth."""
    found: set[str] = set()
    left = [(path, 0)]
    while left and len(found) < 100:
        current, depth = left.pop()
        for line in lines_of(sources.text(current))[:2_000]:
            name = re.fullmatch(r"(?:-r|--requirement)[ =]?\s*(\S+)", line)
            inner = _joined(str(PurePosixPath(current).parent), name[1]) if name else ""
            if inner and inner not in found and depth < _DEEPEST:
                found.add(inner)
                left.append((inner, depth + 1))
    return found - {path}


def _resolved(sources: Sources, finding: Finding) -> Finding | None:
    """The file as it is in the tree: a variable in its name makes it unknown."""
    path = _joined(".", finding.value)
    return Finding(path, finding.where) if sources.has(path) else None


def _by_convention(sources: Sources) -> list[Finding]:
    """The first kind of file that there is: one for developers asks for more than tests need."""
    for kind in _TEST_KINDS:
        for shape in _TEST_SHAPES:
            path = shape.format(kind)
            if _worth(sources, path):
                return [Finding(path, BY_NAME)]
    return []


def _worth(sources: Sources, path: str) -> bool:
    return sources.has(path) and bool(lines_of(sources.text(path)))


def _without_included(sources: Sources, findings: list[Finding]) -> list[Finding]:
    once = list({finding.value: finding for finding in reversed(findings)}.values())[::-1]
    inner: set[str] = set()
    for finding in once:
        if finding.value not in inner:
            inner |= included(sources, finding.value)
    return [finding for finding in once if finding.value not in inner]


def _joined(folder: str, name: str) -> str:
    parts: list[str] = []
    for part in (*PurePosixPath(folder).parts, *PurePosixPath(name).parts):
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
