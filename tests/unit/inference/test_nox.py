"""nox: sessions out of the syntax tree."""

from swemill.environment.inference.nox import nox_contexts
from tests.unit.inference.commits import sources

NOXFILE = """
import nox
PYTHONS = ["3.8", "3.9"]
LINT = ["flake8"]
@nox.session
def lint(session):
    session.install(*LINT)
    session.run("flake8", "tests")
@nox.session(python=[*PYTHONS, "pypy3"], name="unit-tests")
def whatever(session):
    session.install("-e", ".[test]", "-r", "requirements/test.txt", "mock>=2")
    if session.python == "3.8":
        session.install("importlib-metadata")
    args = session.posargs or ["tests"]
    session.run("pytest", "-q", *args, env={"FOO": "1", "X": session.name})
@nox.session
@nox.parametrize("python", ["3.10"])
def testing(session):
    session.run("python", "-m", "unittest")
"""


def test_sessions_that_run_tests() -> None:
    unit, testing = nox_contexts(sources({"noxfile.py": NOXFILE}))
    assert unit.where == "noxfile.py unit-tests"
    assert unit.pythons == ("3.8", "3.9")
    assert unit.wants.extras == ("test",)
    assert unit.wants.files == ("requirements/test.txt",)
    assert unit.wants.requirements == ("mock>=2", "importlib-metadata")
    assert [one.words for one in unit.commands] == [("pytest", "-q", "tests")]
    assert unit.variables == {"FOO": "1"}
    assert testing.pythons == ("3.10",)


def test_no_sessions() -> None:
    assert nox_contexts(sources({"noxfile.py": "def f(:"})) == []
    assert nox_contexts(sources({})) == []
