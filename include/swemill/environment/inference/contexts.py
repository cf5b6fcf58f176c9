"""One shape for every place where a repository runs its own tests: tox, nox, continuous integration, make, documents.

What is installed there, which variables are set, what command is run: all later steps read it from here, in the order
of how much a place is to be trusted.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from swemill.environment.inference.command_lines import Command


class Kind(IntEnum):
    """Places, the most telling first."""

    TOX = 1
    NOX = 2
    TASKS = 3
    """Environments and scripts of hatch, pdm and their like."""
    CI = 4
    MAKE = 5
    DOCKER = 6
    SCRIPT = 7
    DOCUMENT = 8


@dataclass(frozen=True, kw_only=True)
class Wants:
    """What a place installs."""

    requirements: tuple[str, ...] = ()
    """Lines as of a requirements file, without options."""
    files: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    """Of the project itself."""
    groups: tuple[str, ...] = ()
    all_groups: bool = False
    """Also of kinds that are no PEP 735 groups: ``poetry install``, ``pipenv install --dev``."""
    conda_files: tuple[str, ...] = ()

    def __add__(self, other: "Wants") -> "Wants":
        return Wants(
            requirements=self.requirements + other.requirements,
            files=self.files + other.files,
            constraints=self.constraints + other.constraints,
            extras=self.extras + other.extras,
            groups=self.groups + other.groups,
            all_groups=self.all_groups or other.all_groups,
            conda_files=self.conda_files + other.conda_files,
        )


@dataclass(frozen=True, kw_only=True)
class Context:
    """One place where tests are run, or at least prepared."""

    kind: Kind
    where: str
    """For evidence: ``tox.ini testenv``."""
    pythons: tuple[str, ...] = ()
    """Minor versions."""
    commands: tuple[Command, ...] = ()
    wants: Wants = Wants()
    """Beside what the commands install."""
    packages: tuple[str, ...] = ()
    """System packages, beside what the commands install."""
    variables: Mapping[str, str] = field(default_factory=dict)


_OTHER_WORK = frozenset(
    {"lint", "linting", "linters", "linter", "doc", "docs", "documentation", "mypy", "typing", "types", "pyright"}
    | {"typecheck", "flake8", "pylint", "black", "ruff", "isort", "style", "format", "formatting", "release", "upload"}
    | {"publish", "deploy", "deployment", "codeql", "bench", "benchmark", "benchmarks", "stale", "labeler", "labels"}
    | {"changelog", "news", "towncrier", "precommit", "twine", "bandit", "safety", "security", "audit", "spelling"}
    | {"linkcheck", "manifest", "metadata", "website", "pages", "lock", "sdist", "wheel", "wheels", "pypi", "checkqa"}
    | {"pep8", "clean", "report", "package", "pkg", "nightly", "upstream", "fix", "codespell", "commitlint"}
    | {"readme", "autofix", "milestone", "dist", "asv", "mindeps", "minimum", "lowest", "oldest", "downstream", "pypy"}
    | {
        "windows",
        "macos",
        "osx",
        "win",
        "win32",
        "mac",
        "appveyor",
        "mingw",
        "cygwin",
        "msys2",
        "valgrind",
        "memray",
        "vermin",
        "sphinx",
        "pyupgrade",
        "pyroma",
    }
)
_TEST_WORDS = frozenset({"test", "tests", "testing", "unit", "unittest", "unittests", "pytest", "runtests"})


def is_other_work(name: str) -> bool:
    """Whether a job, session or environment is, by its name, about something else than running the tests."""
    words = words_of(name)
    return any(word in _OTHER_WORK for word in words) and not any(word in _TEST_WORDS for word in words)


def is_test_work(name: str) -> bool:
    """Whether it is, by its name, about running the tests."""
    return any(word in _TEST_WORDS or re.fullmatch(r"py[23]\d{0,2}", word) for word in words_of(name))


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def runs_tests(commands: Iterable[Command]) -> bool:
    """Whether one of the commands runs tests, or calls what does."""
    return any(is_test_run(command) for command in commands)


def is_test_program(command: Command) -> bool:
    """Whether a command is a runner of tests itself, or ``setup.py test``."""
    words = command.run
    program = words[0].rpartition("/")[2] if words else ""
    return program in _TEST_PROGRAMS or {"setup.py", "test"} <= set(words)


def is_test_run(command: Command) -> bool:
    """Whether a command runs tests, or calls something that does: tox, nox, make, a script of such a name."""
    words = command.run
    if not words:
        return False
    program = words[0].rpartition("/")[2]
    if program in _TEST_PROGRAMS:
        return True
    if program in _OTHER_PROGRAMS:
        return False
    if program in ("make", "just", "inv", "invoke", "hatch", "task", "rake", "npm"):
        return any("test" in word for word in words[1:])
    named = [program, *(word for word in words[1:3] if not word.startswith("-") and "=" not in word)]
    return any(is_test_work(word.rpartition("/")[2]) for word in named)


_TEST_PROGRAMS = frozenset(
    {"pytest", "py.test", "unittest", "nosetests", "nose", "nose2", "trial", "tox", "nox", "stestr", "ostestr"}
    | {"zope-testrunner", "green", "ward", "behave"}
)
_OTHER_PROGRAMS = frozenset(
    {"pip", "pip3", "apt-get", "apt", "conda", "mamba", "echo", "export", "cd", "git", "cp", "mkdir", "curl", "wget"}
    | {"rm", "docker", "source", ".", "ls", "cat", "brew", "yum", "twine", "codecov", "mypy", "flake8", "black", "ruff"}
)
