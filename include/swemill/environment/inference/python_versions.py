"""Which Pythons a repository says it works with, which one it pins, and what bound it declares."""

import re
from collections.abc import Iterable, Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from swemill.environment.inference.conda import environment_file
from swemill.environment.inference.contexts import Context, Kind
from swemill.environment.inference.factors import python_of
from swemill.environment.inference.findings import Finding
from swemill.environment.inference.poetry import specifiers
from swemill.environment.inference.project import Project
from swemill.environment.inference.sources import Sources, as_text, at, lines_of
from swemill.environment.inference.tox import tox_environments
from swemill.environment.inference.versions import minor

_CLASSIFIER = re.compile(r"Programming Language\s{0,3}::\s{0,3}Python\s{0,3}::\s{0,3}([23]\.\d{1,2})(?![\w.])")


def supported(sources: Sources, project: Project, contexts: Iterable[Context]) -> list[Finding]:
    """The versions that are said to work. What ``requires-python`` excludes does not."""
    found = [*_classified(sources, project), *_tox(sources)]
    found += [
        Finding(version, context.where)
        for context in contexts
        if context.kind in (Kind.NOX, Kind.TASKS, Kind.CI)
        for version in context.pythons
    ]
    bound = required(sources, project)
    return [finding for finding in found if bound is None or _admits(bound.value, finding.value)]


def preferred(sources: Sources, contexts: Iterable[Context]) -> Finding | None:
    """The one version that a file pins."""
    for path, pattern in (
        (".python-version", r"(?m)^\s*(?:c?python-)?(\d\S*)"),
        ("runtime.txt", r"(?m)^\s*python-(\S+)"),
        (".tool-versions", r"(?m)^\s*python\s+(\S+)"),
    ):
        found = [version for text in re.findall(pattern, sources.text(path)[:5_000]) if (version := minor(text))]
        if found:
            return Finding(max(found, key=_number) if path == ".python-version" else found[0], path)
    pipenv = as_text(at(sources.toml("Pipfile"), "requires").get("python_version"))
    if version := minor(pipenv):
        return Finding(version, "Pipfile requires")
    for context in contexts:
        if context.kind is Kind.DOCKER and context.pythons:
            return Finding(context.pythons[-1], context.where)
    for path in sources.matching("environment*.yml", "environment*.yaml", "binder/environment.yml"):
        if version := minor(environment_file(sources.yaml(path)).python):
            return Finding(version, path)
    return None


def required(sources: Sources, project: Project) -> Finding | None:
    """The bound on Python as written; of poetry, which has a grammar of its own, as PEP 440 has it."""
    for value, where in _bounds(sources, project):
        text = value.strip()
        if text and len(text) <= 100:
            return Finding(text, where)
    return None


def _bounds(sources: Sources, project: Project) -> Iterator[tuple[str, str]]:
    pyproject, tool = project.pyproject, at(project.pyproject, "tool")
    yield as_text(at(pyproject, "project").get("requires-python")), project.path("pyproject.toml")
    yield specifiers(as_text(at(tool, "poetry", "dependencies").get("python"))), project.path("pyproject.toml")
    yield as_text(at(tool, "flit", "metadata").get("requires-python")), project.path("pyproject.toml")
    yield as_text(at(tool, "pdm").get("python_requires")), project.path("pyproject.toml")
    yield project.cfg.get("options", {}).get("python_requires", ""), project.path("setup.cfg")
    yield project.cfg.get("metadata", {}).get("requires-python", ""), project.path("setup.cfg")
    yield project.cfg.get("metadata", {}).get("requires_python", ""), project.path("setup.cfg")
    yield as_text(project.setup.get("python_requires")), project.path("setup.py")


def _classified(sources: Sources, project: Project) -> Iterator[Finding]:
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        path = project.path(name)
        text = "\n".join(line for line in lines_of(sources.text(path)) if len(line) < 2_000)
        for version in dict.fromkeys(_CLASSIFIER.findall(text)):
            if known := minor(version):
                yield Finding(known, f"{path} classifiers")


def _tox(sources: Sources) -> Iterator[Finding]:
    for name, where in tox_environments(sources):
        for factor in name.split("-"):
            if (version := python_of(factor)) and minor(version):
                yield Finding(version, f"{where} envlist")


def _admits(bound: str, version: str) -> bool:
    try:
        return any(SpecifierSet(bound).contains(f"{version}{patch}") for patch in ("", ".0", ".99"))
    except InvalidSpecifier:
        return True


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
