"""Everything that tests need beside the project itself: extras, groups, files, and stray requirements."""

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from swemill.environment.inference import dependency_groups, requirement_files
from swemill.environment.inference.conda import CondaPackages, environment_file, recipe
from swemill.environment.inference.contexts import Context, Kind, Wants
from swemill.environment.inference.findings import Finding
from swemill.environment.inference.installs import installed_by, requirement_file_line
from swemill.environment.inference.plugins import plugins
from swemill.environment.inference.project import Project
from swemill.environment.inference.requirement_files import BY_NAME
from swemill.environment.inference.sources import Sources, lines_of, unique
from swemill.environment.inference.tooling import is_service_tool, is_tooling
from swemill.environment.requirement_lines import plain

_MOST_IN_ENVIRONMENT = 150
"""Requirements of a conda environment that is believed; a larger one is a frozen machine."""


@dataclass(frozen=True, kw_only=True)
class TestNeeds:
    """What tests need, each with the place that says so."""

    __test__ = False

    extras: list[Finding]
    groups: list[Finding]
    files: list[Finding]
    constraints: list[Finding]
    requirements: list[Finding]
    system: list[Finding]
    """Debian packages that conda files ask for."""


def needs(sources: Sources, project: Project, contexts: Iterable[Context]) -> TestNeeds:
    """What the tests of ``project`` need, as ``contexts`` and the configuration say."""
    wanted = [(context, _wants(context)) for context in contexts]
    believed = _believed(wanted)
    files = requirement_files.chosen(sources, project, _named(believed, "files"))
    extras = [
        *_named(believed, "extras"),
        *requirement_files.extras_named(sources, [finding.value for finding in files]),
    ]
    groups = _named(believed, "groups")
    lines = _lines(believed)
    lines += _developers(sources, project, [finding.value for finding in groups])
    poor = not lines and not any(finding.where != BY_NAME for finding in files)
    chosen_extras = dependency_groups.extras(project, extras, poor=poor)
    chosen_groups = dependency_groups.groups(project, groups, poor=poor)
    poor = poor and not chosen_extras and not chosen_groups
    if poor or any({"setup.py", "test"} <= set(one.run) for context, _ in wanted for one in context.commands):
        lines += dependency_groups.tests_require(project)
    conda = _conda(sources, believed, poor=poor and not lines)
    lines += [Finding(line, where) for where, found in conda for line in found.requirements]
    lines = _beside_files(lines, sources, files)
    return TestNeeds(
        extras=chosen_extras,
        groups=chosen_groups,
        files=files,
        constraints=requirement_files.constraints(sources, _named(believed, "constraints")),
        requirements=[*_cleaned(lines, project), *_missing(plugins(sources), lines)],
        system=[Finding(name, where) for where, found in conda for name in found.system],
    )


def _named(wanted: list[tuple[Context, Wants]], kind: str) -> list[Finding]:
    return [Finding(name, context.where) for context, wants in wanted for name in getattr(wants, kind)]


def _developers(sources: Sources, project: Project, groups: list[str]) -> list[Finding]:
    """Dependencies of development, without the tools of the service that every developer has."""
    found = dependency_groups.development_lines(sources, project, groups)
    return [finding for finding in found if not is_service_tool(_name(finding.value))]


def _beside_files(lines: list[Finding], sources: Sources, files: list[Finding]) -> list[Finding]:
    """The lines, without those for packages that a requirement file pins: two opinions would only conflict.

    Lines of tox and nox stay, for there both are installed together.
    """
    paths = {path for finding in files for path in (finding.value, *requirement_files.included(sources, finding.value))}
    pinned = {
        canonicalize_name(_name(line))
        for path in paths
        for text in lines_of(sources.text(path))[:2_000]
        for line in requirement_file_line(text).requirements
    }
    together = ("tox", "noxfile.py", "setup.cfg ")
    return [f for f in lines if f.where.startswith(together) or canonicalize_name(_name(f.value)) not in pinned]


def pep508(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The requirements of findings, each once, as PEP 508 has them."""
    parsed = (_parsed(finding.value) for finding in findings)
    return unique(str(one) for one in parsed if one is not None)


def _wants(context: Context) -> Wants:
    wants = context.wants
    for command in context.commands:
        wants += installed_by(command)
    return wants


def _believed(wanted: list[tuple[Context, Wants]]) -> list[tuple[Context, Wants]]:
    """The places to go by: a document only where nothing that a machine executes says anything."""
    executed = [pair for pair in wanted if pair[0].kind < Kind.MAKE and pair[1] != Wants()]
    if executed:
        return executed
    made = [pair for pair in wanted if Kind.MAKE <= pair[0].kind < Kind.DOCUMENT and pair[1] != Wants()]
    return made or [
        (context, Wants(files=wants.files, extras=wants.extras, groups=wants.groups)) for context, wants in wanted
    ]


def _lines(wanted: list[tuple[Context, Wants]]) -> list[Finding]:
    """Stray requirements. Where a command names them, tools of the service are not meant for the tests."""
    found: list[Finding] = []
    for context, wants in wanted:
        for line in wants.requirements:
            name = _name(line)
            service = is_service_tool(name) or name == "setuptools"
            # There such a tool is for the tests, unless the commands themselves install with it.
            installs = any(name == word for one in context.commands for word in one.words[:1])
            if not service or (context.kind in (Kind.TOX, Kind.NOX) and not installs):
                found.append(Finding(line, context.where))
    return found


def _conda(sources: Sources, wanted: list[tuple[Context, Wants]], *, poor: bool) -> list[tuple[str, CondaPackages]]:
    """What conda files ask for: those that commands use, else the one at the root where nothing else was found."""
    named = [name for context, wants in wanted for name in wants.conda_files if sources.has(name)]
    usual = sources.matching("environment*.y*ml", "*environment.y*ml", "conda.y*ml", "ci/requirements/*.y*ml")
    tests = [path for path in usual if "test" in path or "dev" in path or "ci" in path.split("/")[0]]
    paths = named[:1] or ((tests or usual)[:1] if poor else [])
    found = [(path, environment_file(sources.yaml(path))) for path in paths]
    if poor and not found:
        recipes = sources.matching("meta.y*ml", "conda*/meta.y*ml")[:1]
        found = [(path, recipe(sources.yaml(path))) for path in recipes]
    return [(path, packages) for path, packages in found if len(packages.requirements) <= _MOST_IN_ENVIRONMENT]


def _cleaned(lines: Iterable[Finding], project: Project) -> list[Finding]:
    """The lines as PEP 508, the first of each package and marker; no tools and not the project itself."""
    own = canonicalize_name(project.name or "")
    found: dict[tuple[str, str], Finding] = {}
    for finding in lines:
        for line in requirement_file_line(finding.value).requirements:
            parsed = _parsed(line)
            if parsed is None or is_tooling(parsed.name) or canonicalize_name(parsed.name) == own:
                continue
            key = (canonicalize_name(parsed.name), str(parsed.marker or ""))
            found.setdefault(key, Finding(str(parsed), finding.where))
    return list(found.values())


def _missing(presupposed: Iterable[Finding], lines: Iterable[Finding]) -> list[Finding]:
    """What configuration presupposes and no line names. What an extra brings is named again, harmlessly."""
    named = {canonicalize_name(_name(finding.value)) for finding in lines}
    found: dict[str, Finding] = {}
    for finding in presupposed:
        parsed = _parsed(finding.value)
        if parsed is not None and canonicalize_name(parsed.name) not in named:
            found.setdefault(canonicalize_name(parsed.name), Finding(str(parsed), finding.where))
    return list(found.values())


def _parsed(line: str) -> Requirement | None:
    try:
        return Requirement(plain(line[:300]) or "")
    except InvalidRequirement:
        return None


def _name(line: str) -> str:
    parsed = _parsed(line)
    return parsed.name if parsed else ""
