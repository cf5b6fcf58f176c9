"""Extras, dependency groups and development dependencies: which of them tests need, by name or line by line."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from swemill.environment.inference import poetry
from swemill.environment.inference.findings import Finding
from swemill.environment.inference.project import Project
from swemill.environment.inference.sources import Sources, Table, as_list, as_table, as_text, as_texts, at, lines_of

_TEST = (
    "test", "tests", "testing", "test-requirements", "tests-require", "unittest", "unit-test", "unit-tests", "pytest",
    "test-all", "all-tests", "test-extras", "tests-all", "test-core", "test-suite", "unit", "check",
)  # fmt: skip
_DEVELOPMENT = ("dev", "develop", "development", "devel", "dev-dependencies", "ci", "qa", "develop-test", "all-dev")
_ALL = ("all", "complete", "full")


def extras(project: Project, named: Iterable[Finding], *, poor: bool) -> list[Finding]:
    """The extras that tests need: those that the test commands name, then by their names, then any at all.

    Args:
        project: what is installed.
        named: extras that tox, nox and continuous integration install.
        poor: nothing else tells what tests need, so that what developers install has to do.
    """
    defined = _defined_extras(project)
    known = {_canonical(name): name for name in defined}
    asked = [finding for finding in named if not defined or _canonical(finding.value) in known]
    tests = _fitting(known, _TEST)
    fitting = tests or (_fitting(known, _DEVELOPMENT) or _fitting(known, _ALL) if poor and not asked else [])
    asked = [Finding(known.get(_canonical(finding.value), finding.value), finding.where) for finding in asked]
    return [*[f for f in asked if f.value in tests], *(Finding(name, defined[name]) for name in fitting), *asked]


def groups(project: Project, named: Iterable[Finding], *, poor: bool) -> list[Finding]:
    """The groups of PEP 735 that tests need, in the same order; the arguments are those of ``extras``."""
    table = at(project.pyproject, "dependency-groups")
    known = {_canonical(name): name for name in table}
    where = f"{project.path('pyproject.toml')} dependency-groups"
    asked = [Finding(known[name], f.where) for f in named if (name := _canonical(f.value)) in known]
    fitting = _fitting(known, _TEST) or (_fitting(known, _DEVELOPMENT) if poor and not asked else [])
    found = [*(Finding(name, where) for name in fitting), *asked]
    return [finding for finding in found if not _includes_absent(table, finding.value)]


def development_lines(sources: Sources, project: Project, named: Iterable[str]) -> list[Finding]:
    """Dependencies of development that only their own tool installs, as requirements: of poetry, pdm, uv, pipenv.

    Args:
        sources: for the Pipfile.
        project: what is installed.
        named: groups that test commands ask for by name.
    """
    tool = at(project.pyproject, "tool")
    path = project.path("pyproject.toml")
    wanted = {_canonical(name) for name in named}
    found: list[Finding] = []
    for title, table in (
        (
            "poetry group",
            {name: poetry.dependency_lines(group) for name, group in poetry.groups(at(tool, "poetry")).items()},
        ),
        ("pdm", {name: as_texts(lines) for name, lines in at(tool, "pdm", "dev-dependencies").items()}),
    ):
        for name in _chosen(table, wanted):
            found += [Finding(line, f"{path} {title} {name}") for line in table[name]]
    found += [Finding(line, f"{path} tool.uv") for line in as_texts(at(tool, "uv").get("dev-dependencies"))]
    found += [Finding(line, f"{path} tool.flit") for line in as_texts(at(tool, "flit", "metadata").get("dev-requires"))]
    pipfile = sources.toml("Pipfile")
    for section in ("dev-packages",) if project.declares_dependencies else ("packages", "dev-packages"):
        found += [Finding(line, f"Pipfile {section}") for line in poetry.dependency_lines(at(pipfile, section))]
    return found


def tests_require(project: Project) -> list[Finding]:
    """What ``setup.py test`` installs. Where tests are run otherwise nobody keeps it up to date."""
    found: list[Finding] = []
    tests = project.setup.get("tests_require")
    for value in tests if isinstance(tests, list) else as_texts(tests):
        found += [Finding(line, project.path("setup.py tests_require")) for line in lines_of(as_text(value))]
    options = project.cfg.get("options", {})
    found += [
        Finding(line, project.path("setup.cfg tests_require")) for line in lines_of(options.get("tests_require", ""))
    ]
    return found


def _defined_extras(project: Project) -> dict[str, str]:
    """The extras and the file that defines each; a condition in the name (``test:python_version<'3'``) is cut off."""
    found: dict[str, str] = {}
    tables: list[tuple[Mapping[str, Any], str]] = [
        (at(project.pyproject, "project", "optional-dependencies"), "pyproject.toml optional-dependencies"),
        (at(project.pyproject, "tool", "poetry", "extras"), "pyproject.toml poetry extras"),
        (at(project.pyproject, "tool", "flit", "metadata", "requires-extra"), "pyproject.toml requires-extra"),
        (at(project.pyproject, "tool", "setuptools", "dynamic", "optional-dependencies"), "pyproject.toml dynamic"),
        (project.cfg.get("options.extras_require", {}), "setup.cfg extras_require"),
        (project.cfg.get("extras", {}), "setup.cfg extras"),
        (as_table(project.setup.get("extras_require")), "setup.py extras_require"),
    ]
    for table, where in tables:
        for name in table:
            plain = name.partition(":")[0].strip()
            if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", plain):
                found.setdefault(plain, project.path(where))
    return found


def _fitting(known: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Those of the names that there are, in the order of fitness."""
    return [known[name] for name in names if name in known]


def _chosen(table: Mapping[str, Any], wanted: set[str]) -> list[str]:
    """The groups to take: of tests, of developers, and named ones; without any, all that are no tools'."""
    known = {_canonical(name): name for name in table}
    tests = [*_fitting(known, _TEST), *(name for name in table if _canonical(name) in wanted)]
    development = _fitting(known, _DEVELOPMENT)
    others = [name for name in table if not set(re.split(r"[-_.]", name.lower())) & _TOOLS]
    # Poetry's group dev is installed always, and often holds pytest beside a group of tests.
    return list(dict.fromkeys([*tests, *development])) or others


_TOOLS = frozenset({"docs", "doc", "lint", "linting", "typing", "types", "release", "mypy", "black", "style", "format"})


def _includes_absent(table: Table, name: str) -> bool:
    """Whether a group includes, at any depth, one that does not exist: installers refuse it."""
    known = {_canonical(other): other for other in table}
    seen: set[str] = set()
    left = [_canonical(name)]
    while left:
        current = left.pop()
        if current not in known:
            return True
        if current not in seen:
            seen.add(current)
            entries = map(as_table, as_list(table[known[current]]))
            left += [_canonical(text) for entry in entries if (text := as_text(entry.get("include-group")))]
    return False


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
