"""What there is to install: where it lies, what builds it, what the build itself needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from swemill.environment.inference.findings import Finding
from swemill.environment.inference.setup_py import setup_arguments
from swemill.environment.inference.sources import Sources, Table, as_text, as_texts, at, lines_of

_BACKENDS: Mapping[str, str] = {
    "setuptools": "setuptools",
    "poetry": "poetry",
    "pdm": "pdm",
    "hatchling": "hatch",
    "flit_core": "flit",
    "flit": "flit",
    "flit_scm": "flit",
    "maturin": "maturin",
    "mesonpy": "meson",
    "scikit_build_core": "scikit-build-core",
    "uv_build": "uv",
    "pbr": "setuptools",
    "whey": "whey",
    "sipbuild": "sip",
    "enscons": "enscons",
    "jupyter_packaging": "setuptools",
    "poetry_dynamic_versioning": "poetry",
    "hatch": "hatch",
    "trampolim": "trampolim",
    "py_build_cmake": "py-build-cmake",
}
_LIKELY = ("python", "src", "py", "lib", "library", "backend", "server", "api", "core", "sdk", "package", "packages")


@dataclass(frozen=True, kw_only=True)
class Project:
    """The project to install, with its configuration as it was read."""

    exists: bool = False
    folder: str = "."
    where: str = ""
    """The file that says so."""
    pyproject: Table = field(default_factory=dict)
    setup: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of ``setup()``."""
    cfg: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Sections of ``setup.cfg``."""

    @property
    def name(self) -> str:
        """Its name, as far as it is written down."""
        return (
            as_text(at(self.pyproject, "project").get("name"))
            or as_text(at(self.pyproject, "tool", "poetry").get("name"))
            or self.cfg.get("metadata", {}).get("name", "")
            or as_text(self.setup.get("name"))
        )

    @property
    def backend(self) -> str:
        """What builds it (``Inference.build_backend``)."""
        system = at(self.pyproject, "build-system")
        module = as_text(system.get("build-backend")).partition(":")[0].split(".")[0]
        if module:
            required = " ".join(as_texts(system.get("requires"))) if "backend-path" in system else ""
            inner = next((known for name, known in _BACKENDS.items() if name.replace("_", "-") in required), "")
            return _BACKENDS.get(module, inner or module)
        if system:
            return "setuptools"
        if not self.setup and at(self.pyproject, "tool", "poetry"):
            return "poetry"
        return ""

    @property
    def build_requires(self) -> list[Finding]:
        """Requirements of the build."""
        lines = as_texts(at(self.pyproject, "build-system").get("requires"))
        found = [Finding(line, self.path("pyproject.toml")) for line in lines]
        found += [Finding(line, self.path("setup.py")) for line in as_texts(self.setup.get("setup_requires"))]
        options = self.cfg.get("options", {}).get("setup_requires", "")
        return found + [Finding(line, self.path("setup.cfg")) for line in lines_of(options)]

    @property
    def declares_dependencies(self) -> bool:
        """Whether it says itself what it needs at run time, so that no file beside it has to."""
        project = at(self.pyproject, "project")
        return bool(
            project.get("dependencies")
            or len(at(self.pyproject, "tool", "poetry", "dependencies")) > 1
            or self.cfg.get("options", {}).get("install_requires")
            or self.setup.get("install_requires")
        )

    def path(self, name: str) -> str:
        """The path of a file in its folder, from the root of the tree."""
        return str(PurePosixPath(self.folder, name))


def project_of(sources: Sources) -> Project:
    """The project at the root; else the likeliest one in a folder."""
    found = [project for folder in _folders(sources) if (project := _in(sources, folder)).exists]
    return found[0] if found else _in(sources, ".")


def _folders(sources: Sources) -> Iterator[str]:
    yield "."
    deeper = {
        str(PurePosixPath(path).parent) for path in sources.matching("*/pyproject.toml", "*/setup.py", "*/setup.cfg")
    }

    def rank(folder: str) -> tuple[int, bool, str]:
        parts = PurePosixPath(folder).parts
        return (len(parts), parts[-1].lower() not in _LIKELY, folder)

    yield from sorted(deeper, key=rank)[:20]


def _in(sources: Sources, folder: str) -> Project:
    def path(name: str) -> str:
        return str(PurePosixPath(folder, name))

    pyproject = sources.toml(path("pyproject.toml"))
    cfg = sources.ini(path("setup.cfg"))
    setup = setup_arguments(sources.text(path("setup.py")))
    tool = at(pyproject, "tool")
    unpackaged = at(tool, "poetry").get("package-mode") is False or at(tool, "uv").get("package") is False
    where = ""
    if sources.has(path("setup.py")):
        where = path("setup.py")
    elif pyproject.keys() & {"project", "build-system"} or at(tool, "poetry") or at(tool, "flit", "metadata"):
        where = path("pyproject.toml")
    elif cfg.keys() & {"options"} or "name" in cfg.get("metadata", {}):
        where = path("setup.cfg")
    return Project(
        exists=bool(where) and not unpackaged,
        folder=folder,
        where=where,
        pyproject=pyproject,
        setup=setup,
        cfg=cfg,
    )
