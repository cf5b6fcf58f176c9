"""Versions of Python, from everywhere that people write them down."""

import pytest

from swemill.environment.inference.poetry import specifiers
from swemill.environment.inference.versions import minor
from tests.unit.inference.commits import inferred


@pytest.mark.parametrize(
    ("word", "version"),
    [
        ("3.10", "3.10"), ("py310", "3.10"), ("3.8.12", "3.8"), ("3.9.x", "3.9"), ("cp311", "3.11"), ("2.7", "2.7"),
        ("python3.8", "3.8"), ("~3.11.0-0", "3.11"), ("pypy3.9", None), ("3.13-dev", None), ("3.14.0a1", None),
        ("3.13t", None), ("3", None), ("1.0", None), ("2.0", None), ("", None), ("3.99", None),
    ],
)  # fmt: skip
def test_minor(word: str, version: str | None) -> None:
    assert minor(word) == version


def test_classifiers_tox_nox_and_bounds_together() -> None:
    found = inferred(
        {
            "setup.py": "setup(python_requires='>=3.6', classifiers=['Programming Language :: Python :: 3.6',\n"
            "'Programming Language :: Python :: 2.7', 'Programming Language :: Python :: 3'])",
            "tox.ini": "[tox]\nenvlist = py{37,38}, pypy3, lint\n[testenv]\ncommands=pytest\n",
            "noxfile.py": "@nox.session(python=['3.9', '3.10'])\ndef tests(session):\n  session.run('pytest')\n",
        }
    )
    assert found.pythons == ("3.6", "3.7", "3.8", "3.9", "3.10")
    assert found.requires_python == ">=3.6"
    assert "python 3.7: tox.ini envlist" in found.evidence


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({".python-version": "3.8.5\n"}, "3.8"),
        ({".python-version": "3.9\n3.11\n"}, "3.11"),
        ({"runtime.txt": "python-3.7.2"}, "3.7"),
        ({".tool-versions": "nodejs 1\npython 3.10.1"}, "3.10"),
        ({"Pipfile": "[requires]\npython_version = '3.6'"}, "3.6"),
        ({"Dockerfile": "ARG V=3.8-slim\nFROM python:${V} AS x\nRUN true"}, "3.8"),
        ({"Dockerfile": "FROM debian:12"}, ""),
        ({"environment.yml": "dependencies: [python=3.9.1, numpy]"}, "3.9"),
        ({".python-version": "system"}, ""),
    ],
)
def test_a_pinned_version(files: dict[str, str | bytes], version: str) -> None:
    assert inferred(files).preferred_python == version


@pytest.mark.parametrize(
    ("files", "bound"),
    [
        ({"pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.8'"}, ">=3.8"),
        ({"pyproject.toml": "[tool.poetry]\nname='x'\n[tool.poetry.dependencies]\npython='^3.7'"}, ">=3.7,<4"),
        ({"setup.cfg": "[metadata]\nname=x\n[options]\npython_requires = >=3.6, <4\n"}, ">=3.6, <4"),
        ({"setup.py": "setup(python_requires='>=3.5')"}, ">=3.5"),
        ({"setup.py": "setup()"}, ""),
    ],
)
def test_the_bound(files: dict[str, str | bytes], bound: str) -> None:
    assert inferred(files).requires_python == bound


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("^1.2.3", ">=1.2.3,<2"), ("^0.3", ">=0.3,<0.4"), ("^0.0.3", ">=0.0.3,<0.0.4"), ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"), ("*", ""), ("1.2.*", "==1.2.*"), ("1.4", "==1.4"), (">=1,<2", ">=1,<2"),
        (">=3.7 <4", ">=3.7,<4"), ("~2.7 || ^3.5", ">=2.7"), ("nonsense", ""), ("", ""),
    ],
)  # fmt: skip
def test_constraints_of_poetry(constraint: str, said: str) -> None:
    assert specifiers(constraint) == said
