"""What a repository runs its tests with, and which files or folders it names when it does."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from swemill.environment.inference.command_lines import Command, split_words
from swemill.environment.inference.contexts import Context
from swemill.environment.inference.findings import Finding
from swemill.environment.inference.plugins import configuration
from swemill.environment.inference.project import Project
from swemill.environment.inference.sources import Sources, as_text, as_texts
from swemill.values import TestRunner

_PROGRAMS = {
    "pytest": TestRunner.PYTEST,
    "py.test": TestRunner.PYTEST,
    "unittest": TestRunner.UNITTEST,
    "unittest2": TestRunner.UNITTEST,
    "stestr": TestRunner.UNITTEST,
    "ostestr": TestRunner.UNITTEST,
    "testtools.run": TestRunner.UNITTEST,
    "subunit.run": TestRunner.UNITTEST,
    "trial": TestRunner.UNITTEST,
    "twisted.trial": TestRunner.UNITTEST,
    "green": TestRunner.UNITTEST,
    "zope-testrunner": TestRunner.UNITTEST,
    "nosetests": TestRunner.NOSE,
    "nose": TestRunner.NOSE,
    "nose2": TestRunner.NOSE,
    "django-admin": TestRunner.DJANGO,
    "django-admin.py": TestRunner.DJANGO,
}
_SCRIPTS = {"runtests.py": TestRunner.DJANGO, "manage.py": TestRunner.DJANGO}
_PYTEST_VALUED = frozenset(
    {"-k", "-m", "-n", "-p", "-c", "-o", "-r", "-W", "--cov", "--cov-report", "--cov-config", "--junitxml", "--timeout"}
    | {
        "--durations",
        "--maxfail",
        "--tb",
        "--rootdir",
        "--ignore",
        "--deselect",
        "--numprocesses",
        "--dist",
        "--log-level",
    }
    | {
        "--junit-xml",
        "--basetemp",
        "--confcutdir",
        "--import-mode",
        "--reruns",
        "--color",
        "--ds",
        "-t",
        "-s",
        "--pyargs",
    }
    | {"--with-xunit", "--cover-package", "--processes", "-e", "-w", "--log-cli-level", "--override-ini"}
)
_FLAGS = frozenset({"-s", "--pyargs", "--cov", "-r"})
"""Of the above, those that may stand alone: what follows counts when it is a place in the tree."""


def runner(sources: Sources, project: Project, contexts: Iterable[Context]) -> Finding | None:
    """The first runner that a command names; without any, what the configuration presupposes."""
    found = [
        (runs, context) for context in contexts for one in context.commands if (runs := _runner(one, project, sources))
    ]
    for kind, context in found:
        return Finding(kind.value, context.where)
    path, section = configuration(sources)
    if path and section:
        return Finding(TestRunner.PYTEST.value, path)
    if "nosetests" in sources.ini("setup.cfg"):
        return Finding(TestRunner.NOSE.value, "setup.cfg nosetests")
    suite = as_text(project.setup.get("test_suite"))
    if suite:
        kind = _suite_runner(suite)
        return Finding(kind.value, "setup.py test_suite")
    return None


def test_paths(sources: Sources, project: Project, contexts: Iterable[Context]) -> list[Finding]:
    """The places in the tree that the first context which runs tests itself names; a later one tells of a part."""
    for context in contexts:
        found = [path for one in context.commands for path in _paths(one, project, sources)]
        if found:
            return [Finding(path, context.where) for path in dict.fromkeys(found)]
        if any(_runner(one, project, sources) for one in context.commands):
            break
    suite = as_text(project.setup.get("test_suite")).partition(":")[0]
    for place in (suite, suite.rpartition(".")[0]):
        if path := _place(place.replace(".", "/"), sources):
            return [Finding(path, "setup.py test_suite")]
    return []


test_paths.__test__ = False  # type: ignore[attr-defined]  # for pytest: this is no test


def _runner(one: Command, project: Project, sources: Sources) -> TestRunner | None:
    words = _run(one, project)
    if not words:
        return None
    program = words[0].rpartition("/")[2]
    if program in ("django-admin", "django-admin.py") and "test" not in words:
        return None
    if program in _PROGRAMS:
        return _PROGRAMS[program]
    script = next((word.rpartition("/")[2] for word in words[:3] if word.endswith(".py")), "")
    if script == "setup.py" and {"test", "pytest", "ptr", "nosetests"} & set(words):
        return _setup_runner(words, project, sources)
    if script == "manage.py":
        return TestRunner.DJANGO if "test" in words else None
    return _SCRIPTS.get(script) if any("django" in text.lower() for text in _about(project)) else None


def _about(project: Project) -> Iterator[str]:
    yield project.name
    for table in (project.setup, project.pyproject):
        yield str(table.get("install_requires", ""))[:5_000]
        yield str(table.get("classifiers", ""))[:5_000]
        yield str(table.get("project", ""))[:20_000]


def _setup_runner(words: tuple[str, ...], project: Project, sources: Sources) -> TestRunner:
    """What ``setup.py test`` runs: an alias, a command class, a test suite."""
    if "pytest" in words or "ptr" in words or "pytest" in str(project.setup.get("cmdclass", "")):
        return TestRunner.PYTEST
    if "nosetests" in words:
        return TestRunner.NOSE
    named = " ".join(as_texts(project.setup.get("tests_require")) + as_texts(project.setup.get("setup_requires")))
    if "pytest" in named or "pytest" in sources.text(project.path("setup.py")):
        return TestRunner.PYTEST
    return _suite_runner(as_text(project.setup.get("test_suite")))


def _suite_runner(suite: str) -> TestRunner:
    return TestRunner.NOSE if suite.startswith("nose") else TestRunner.UNITTEST


def _run(one: Command, project: Project) -> tuple[str, ...]:
    """The words that run tests; an alias of ``setup.py test`` is what it stands for."""
    words = one.run
    if words[:1] == ("python",) or (words and words[0].endswith("python")):
        words = words[1:] if words[1:2] and words[1].endswith(".py") else words
    if words[:2] == ("setup.py", "test"):
        alias = project.cfg.get("aliases", {}).get("test", "")
        return ("setup.py", *split_words(alias), *words[2:]) if alias else words
    return words


def _paths(one: Command, project: Project, sources: Sources) -> list[str]:
    words = _run(one, project)
    if not words:
        return []
    program = words[0].rpartition("/")[2]
    if program in _PROGRAMS and _PROGRAMS[program] is not TestRunner.DJANGO:
        return list(_named(list(words[1:]), sources, modules=_PROGRAMS[program] is not TestRunner.PYTEST))
    return []


def _named(words: list[str], sources: Sources, *, modules: bool) -> Iterator[str]:
    rest = words[1:] if words[:1] == ["discover"] else words
    before = ""
    for word in rest:
        after_value = before in _PYTEST_VALUED and "=" not in before and before not in _FLAGS
        if not word.startswith("-") and (not after_value or before == "-s"):
            path = _place(word.partition("::")[0], sources)
            if not path and modules:
                path = _place(word.replace(".", "/"), sources)
            if path and not (before == "--cov" and path != "tests"):
                yield path
        before = word


def _place(word: str, sources: Sources) -> str:
    """The file or folder of the tree that a word names; empty for none, and for the root."""
    if not word or "$" in word or "{" in word:
        return ""
    path = str(PurePosixPath(word))
    for known in (path, f"{path}.py"):
        if path not in (".", "/") and (known in sources.paths or known in sources.folders):
            return known
    return ""
