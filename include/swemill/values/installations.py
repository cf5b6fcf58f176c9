"""What installing an instance is about: what its repository tells, what is tried, how that fails, what works."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from swemill.values.environments import BuildPlan, Strategy
from swemill.values.tests import TestRunner


@dataclass(frozen=True, kw_only=True)
class Submodule:
    """A git submodule as ``.gitmodules`` and the tree of one commit name it."""

    path: str
    url: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class CommitTree:
    """What a repository holds at one commit, as far as an installation can be inferred from it. Nothing was run."""

    commit: str
    committed_at: datetime
    paths: tuple[str, ...]
    """Every file of the tree, sorted; a name that is no UTF-8 is left out."""
    files: Mapping[str, bytes]
    """Contents of those files that inference reads (``environment.inference.is_wanted``), of bounded size."""
    submodules: tuple[Submodule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What a repository tells about its own installation. Unknown things are empty, never guessed."""

    pythons: tuple[str, ...] = ()
    """Minor versions said to work (``3.6``), oldest first, from classifiers, CI, tox and nox."""
    preferred_python: str = ""
    """The one version that a file pins (``.python-version``, a Dockerfile, ``runtime.txt``)."""
    requires_python: str = ""
    """``requires-python`` as written (``>=3.7,<4``)."""
    has_project: bool = True
    """There is something to install: ``pyproject.toml`` with a project or build system, ``setup.py``, ``setup.cfg``."""
    project_dir: str = "."
    """Folder of that, relative to the root."""
    build_backend: str = ""
    """``setuptools``, ``poetry``, ``pdm``, ``hatch``, ``flit``, ``maturin``, ``meson`` ...; empty: legacy setup.py."""
    build_requires: tuple[str, ...] = ()
    """Requirements of the build (``build-system.requires``, ``setup_requires``)."""
    extras: tuple[str, ...] = ()
    """Extras that tests need, the most fitting first (``test``, ``tests``, ``testing``, ``dev``, ``ci`` ...)."""
    groups: tuple[str, ...] = ()
    """Dependency groups (PEP 735) that tests need."""
    requirement_files: tuple[str, ...] = ()
    """Files for ``-r``: of the project, then of its tests."""
    constraint_files: tuple[str, ...] = ()
    """Files for ``-c``."""
    requirements: tuple[str, ...] = ()
    """Requirements read elsewhere, one a line: tox and nox ``deps``, poetry and pdm groups, ``tests_require``, conda
    files, CI commands (``pip install nose mock``)."""
    system_packages: tuple[str, ...] = ()
    """Debian packages, from CI, Dockerfiles, conda files and documents."""
    runner: TestRunner = TestRunner.PYTEST
    test_paths: tuple[str, ...] = ()
    """Folders or files that its own test command names."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that its own test command sets (tox ``setenv``, CI ``env``): safe names only."""
    version_from_tags: bool = False
    """The version is asked of git (setuptools_scm, versioneer, pbr, hatch-vcs ...)."""
    version_file: str = ""
    """File that the version tool writes, relative to the root."""
    submodules: tuple[Submodule, ...] = ()
    git_lfs: tuple[str, ...] = ()
    """Patterns that ``.gitattributes`` gives to git-lfs."""
    evidence: tuple[str, ...] = ()
    """Where each of the above was read, one a line: ``python 3.6: tox.ini envlist``."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to install, whole: equal candidates give equal images."""

    python: str
    """Minor version of the base image (``3.9``)."""
    as_of: datetime
    """Nothing that was uploaded later takes part in any resolution, except ``lifted``."""
    lifted: Mapping[str, datetime] = field(default_factory=dict)
    """Packages that may be younger, and how young: canonical name -> date."""
    system_packages: tuple[str, ...] = ()
    project_dir: str = "."
    has_project: bool = True
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    requirement_files: tuple[str, ...] = ()
    constraint_files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    """Requirements beside those of the project, pytest among them."""
    constraints: tuple[str, ...] = ()
    """Bounds for anything that is installed, build requirements included (``setuptools<58``)."""
    overrides: tuple[str, ...] = ()
    """Requirements that win over whatever else is said of their package (uv ``--override``)."""
    only_binary: tuple[str, ...] = ()
    """Packages of which only wheels are taken: their source distributions do not build here."""
    build_isolation: bool = True
    """False: the project is built inside the environment, with ``build_requires`` installed there."""
    build_requires: tuple[str, ...] = ()
    valid_version: bool = False
    """Whether the project is built under another version, because no tool takes its own (``dev``)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the build and of the image."""
    rules: tuple[str, ...] = ()
    """Names of the repair rules that made it what it is, in order."""


class Phase(StrEnum):
    """Where an installation failed."""

    RESOLVE = "resolve"
    """No set of versions was found, or reading a package's metadata failed."""
    ENVIRONMENT = "environment"
    """Installing the lock failed."""
    PROJECT = "project"
    """Building or installing the project itself failed."""
    PROBE = "probe"
    """Nothing was collected, or no test passed."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed try, named. ``kind`` is from the taxonomy of ``environment.failures``."""

    phase: Phase
    kind: str
    subject: str = ""
    """What it is about: a header, a package, a module, an option."""
    package: str = ""
    """The distribution whose build or import failed, where that is not the project itself."""
    line: str = ""
    """The telling line of the log."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """One candidate and what became of it."""

    candidate: Candidate
    failure: Failure | None
    """None: it works."""
    seconds: float
    log: str = ""
    """The end of the failing phase's log."""


@dataclass(frozen=True, kw_only=True)
class ImagePlans:
    """How to make an instance's image again anywhere: its three levels."""

    python: str
    packages: tuple[str, ...]
    """Of the base image."""
    environment: BuildPlan | None
    """None where the strategy builds the instance in one step, straight on the base image."""
    instance: BuildPlan
    """Without ``snapshot.tar``: the forge makes that anew from the base commit."""
    candidate: Candidate | None = None
    """As which it was installed, where the strategy has candidates: neighbours start from it."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment that works: built, collected, at least one test passing at the base commit."""

    strategy: Strategy
    image: str
    """Tag of the instance's image."""
    digest: str
    """Its content id (``sha256:...``)."""
    python: str
    base: str
    """Reference of the base image."""
    plans: ImagePlans
    """How to make the image again anywhere."""
    lock: str
    """Installed distributions, one ``name==version`` a line."""
    collected: int
    log: str
    seconds: float
    bytes: int
    runner: TestRunner = TestRunner.PYTEST
    """What the suite was run with when a test passed."""
    tries: tuple[Try, ...] = ()
    """What was tried, in order; the last one is this."""
