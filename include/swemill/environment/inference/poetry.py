"""Poetry's own grammar of dependencies, as lines of PEP 508 (Poetry documentation, "Dependency specification")."""

import re
from collections.abc import Iterator
from typing import Any

from swemill.environment.inference.sources import Table, as_list, as_table, as_text, as_texts, at

_RELEASE = re.compile(r"\d+(?:\.\d+){0,5}")
_PART = re.compile(r"(?P<sign>\^|~=|~|===?|!=|<=|>=|<|>)?\s*v?(?P<version>\d[\w.+!-]*(?:\.\*)?|\*)")


def dependency_lines(table: Table) -> list[str]:
    """A table of dependencies as requirements; ``python``, optional ones and places on disk are left out."""
    return [line for name, value in table.items() for line in _lines(name, value)]


def groups(tool: Table) -> dict[str, Table]:
    """The groups of dependencies of ``tool.poetry``; the old ``dev-dependencies`` are the group ``dev``."""
    found = {name: at(at(tool, "group", name), "dependencies") for name in at(tool, "group")}
    if old := at(tool, "dev-dependencies"):
        found["dev"] = {**old, **found.get("dev", {})}
    return found


def specifiers(constraint: str) -> str:
    """A constraint (``^3.7``, ``~1.2 || >=2``) as PEP 440 has it; empty for any."""
    alternatives = [part for part in re.split(r"\s*\|\|?\s*", constraint.strip()[:200]) if part]
    if len(alternatives) != 1:
        return _joined(alternatives)
    parts = [part for part in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[\^~<>=!])", alternatives[0]) if part]
    found = [_specifier(part) for part in parts]
    return ",".join(part for part in found if part)


def _joined(alternatives: list[str]) -> str:
    """Alternatives such as ``~2.7 || ^3.5`` admit whatever lies between; the lowest bound remains."""
    lowest = [found[1] for part in alternatives if (found := re.match(r"\s*(?:[\^~]|>=|==?)?\s*(\d[\d.]*)", part))]
    if not lowest:
        return ""
    return ">=" + min(lowest, key=lambda version: [int(part) for part in version.split(".") if part]).rstrip(".")


def _specifier(part: str) -> str:
    found = _PART.fullmatch(part.strip())
    if not found or found["version"] == "*":
        return ""
    sign, version = found["sign"] or "", found["version"]
    if sign in ("^", "~"):
        return _range(sign, version)
    if not sign or sign == "==":
        return f"=={version}"
    return f"{sign}{version}"


def _range(sign: str, version: str) -> str:
    release = _RELEASE.match(version)
    if not release or len(release[0]) > 40:
        return ""
    numbers = [int(part) for part in release[0].split(".")]
    if sign == "~":
        kept = min(2, len(numbers))
    else:
        kept = next((place + 1 for place, number in enumerate(numbers) if number), len(numbers))
    above = [*numbers[: kept - 1], numbers[kept - 1] + 1]
    return f">={version.removesuffix('.*')},<{'.'.join(map(str, above))}"


def _lines(name: str, value: Any) -> Iterator[str]:
    if name.lower() == "python":
        return
    for one in as_list(value):
        table = as_table(one)
        if not table:
            if text := as_text(one):
                yield name + specifiers(text)
            continue
        if table.get("optional") is True or "path" in table:
            continue
        extras = ",".join(as_texts(table.get("extras")))
        version = "" if "git" in table or "url" in table else specifiers(as_text(table.get("version")))
        yield f"{name}{f'[{extras}]' if extras else ''}{version}{_marker(table)}"


def _marker(table: Table) -> str:
    found = [f"({text})" for text in as_texts(table.get("markers"))]
    python = specifiers(as_text(table.get("python")))
    for part in python.split(",") if python else ():
        sign = re.match(r"[<>=!~]+", part)
        if sign:
            found.append(f'python_version {sign[0]} "{_minor_of(part[sign.end() :])}"')
    if platform := as_text(table.get("platform")):
        found.append(f'sys_platform == "{platform}"')
    return f"; {' and '.join(found)}" if found else ""


def _minor_of(version: str) -> str:
    return ".".join(version.removesuffix(".*").split(".")[:2])
