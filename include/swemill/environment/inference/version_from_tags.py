"""Whether the version is asked of git, and which file the tool that asks writes. The checkout has no tags."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from swemill.environment.inference.findings import Finding
from swemill.environment.inference.project import Project
from swemill.environment.inference.sources import Sources, as_list, as_table, as_text, as_texts, at

_REQUIRED = re.compile(
    r"(setuptools[-_.]scm|setuptools[-_.]git[-_.]?versioning|setuptools[-_.]git[-_.]version|hatch[-_.]vcs|pbr|versioneer"
    r"|poetry[-_.]dynamic[-_.]versioning|versioningit|miniver|flit[-_.]scm|dunamai|incremental[-_.]git|vcversioner"
    r"|setuptools[-_.]vcs[-_.]version|better[-_.]setuptools[-_.]git[-_.]version|uv[-_.]dynamic[-_.]versioning"
    r"|hatch[-_.]regex[-_.]commit|setupmeta|reno|katversion|autover"
    r"|setuptools[-_.]version[-_.]command)(\[.*|[<>=!~; ].*)?$"
)
_ARGUMENTS = (
    "use_scm_version",
    "pbr",
    "use_vcs_version",
    "vcversioner",
    "version_config",
    "versioning",
    "use_katversion",
)


def version_from_tags(sources: Sources, project: Project) -> list[Finding]:
    """The places that say so; none when the version is written down."""
    found = [f for f in project.build_requires if _REQUIRED.match(f.value.strip().lower()) and _is_used(f, project)]
    found += [Finding(name, project.path("setup.py")) for name in _ARGUMENTS if project.setup.get(name)]
    tool = at(project.pyproject, "tool")
    path = project.path("pyproject.toml")
    for keys in (
        ("setuptools_scm",),
        ("versioneer",),
        ("versioningit",),
        ("setuptools-git-versioning",),
        ("poetry-dynamic-versioning",),
    ):
        if keys[-1] in tool:
            found.append(Finding(keys[-1], f"{path} tool"))
    if as_text(at(tool, "hatch", "version").get("source")) in ("vcs", "versioningit", "uv-dynamic-versioning", "scm"):
        found.append(Finding("hatch-vcs", f"{path} tool.hatch.version"))
    if as_text(at(tool, "pdm", "version").get("source")) == "scm" or at(tool, "pdm", "version").get("use_scm"):
        found.append(Finding("pdm scm", f"{path} tool.pdm.version"))
    if "versioneer" in project.cfg:
        found.append(Finding("versioneer", project.path("setup.cfg")))
    if "pbr" in as_texts(project.setup.get("setup_requires")):
        found.append(Finding("pbr", project.path("setup.py")))
    if "versioneer.get_version" in sources.text(project.path("setup.py")):
        found.append(Finding("versioneer", project.path("setup.py")))
    return found


def version_file(sources: Sources, project: Project) -> Finding | None:
    """The file that the tool writes, relative to the root of the tree."""
    for value, where in _files(sources, project):
        path = PurePosixPath(value)
        if value and len(value) < 200 and value.isprintable() and not path.is_absolute() and ".." not in path.parts:
            place = PurePosixPath(project.folder, path)
            below = PurePosixPath(project.folder, "src", path)
            if str(place.parent) not in sources.folders and str(below.parent) in sources.folders:
                place = below  # pdm counts from the folder of the packages
            return Finding(str(place), where)
    return None


def _files(sources: Sources, project: Project) -> Iterator[tuple[str, str]]:
    tool = at(project.pyproject, "tool")
    where = project.path("pyproject.toml")
    for table in (
        at(tool, "setuptools_scm"),
        at(tool, "hatch", "build", "hooks", "vcs"),
        at(tool, "pdm", "version"),
        at(tool, "versioningit", "write"),
        at(tool, "poetry-dynamic-versioning", "files"),
        at(tool, "setuptools-git-versioning"),
    ):
        for key in ("version_file", "version-file", "write_to", "write-to", "file"):
            yield as_text(table.get(key)), where
    setup = as_table(project.setup.get("use_scm_version"))
    yield as_text(setup.get("write_to")) or as_text(setup.get("version_file")), project.path("setup.py")
    section = project.cfg.get("versioneer", {}) or at(tool, "versioneer")
    yield as_text(section.get("versionfile_source")), project.path("setup.cfg versioneer")
    for substitution in as_list(at(tool, "poetry-dynamic-versioning", "substitution").get("files"))[:1]:
        value = as_text(substitution)
        yield ("" if "*" in value else value), where


def _is_used(finding: Finding, project: Project) -> bool:
    """A build may require ``setuptools_scm`` only to find its files: then the version is written down."""
    if "version" in at(project.pyproject, "project"):
        return False
    written = project.cfg.get("metadata", {}).get("version", "") or project.setup.get("version")
    return not written or "pbr" in finding.value
