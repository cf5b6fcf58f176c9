"""System packages, the test command and variables."""

import pytest

from swemill.values import TestRunner
from tests.unit.inference.commits import inferred


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        (
            {
                ".travis.yml": "install:\n- sudo apt-get update && sudo apt-get install -y -qq libgeos-dev=3.7 "
                "python3-dev git gfortran:amd64 $MORE libpq-dev/stable python-virtualenv > /dev/null\nscript: pytest"
            },
            ("libgeos-dev", "gfortran", "libpq-dev"),
        ),
        (
            {"Dockerfile": "RUN apt-get update && \\\n apt-get install --no-install-recommends -y swig \\\n cmake\n"},
            ("swig", "cmake"),
        ),
        ({"Dockerfile": "RUN yum install -y hdf5-devel unknown-devel gcc"}, ("libhdf5-dev",)),
        (
            {"README.rst": "Ubuntu::\n\n    $ sudo apt-get install libenchant-dev own-tool\n"},
            ("libenchant-dev", "own-tool"),
        ),
        ({"INSTALL": "`apt install own2 graphviz`", "setup.py": "setup(name='own')"}, ("graphviz",)),
        ({"README.md": "sudo apt install from-docs", "Dockerfile": "RUN apt-get -y install swig"}, ("swig",)),
        ({"apt.txt": "# needed\nffmpeg\n"}, ("ffmpeg",)),
        ({"Dockerfile": "RUN apt-get install 'a;rm' ../x -- A_B '$(id)' --option libx11-dev"}, ("libx11-dev",)),
    ],
)
def test_system_packages(files: dict[str, str | bytes], packages: tuple[str, ...]) -> None:
    assert inferred(files).system_packages == packages


@pytest.mark.parametrize(
    ("files", "runner", "paths"),
    [
        ({"tox.ini": "[testenv]\ncommands = pytest --cov=pkg {posargs:t/unit}"}, TestRunner.PYTEST, ("t/unit",)),
        (
            {"tox.ini": "[testenv]\ncommands = py.test -k not_t t/unit/test_a.py::B"},
            TestRunner.PYTEST,
            ("t/unit/test_a.py",),
        ),
        ({"tox.ini": "[testenv]\ncommands = python -m unittest discover -s t"}, TestRunner.UNITTEST, ("t",)),
        ({".travis.yml": "script: python -m unittest pkg.suite"}, TestRunner.UNITTEST, ("pkg/suite",)),
        ({".travis.yml": "script: nosetests -v t"}, TestRunner.NOSE, ("t",)),
        ({".travis.yml": "script: trial pkg"}, TestRunner.UNITTEST, ("pkg",)),
        ({".travis.yml": "script: python manage.py test"}, TestRunner.DJANGO, ()),
        ({"Makefile": "test:\n\tcoverage run -m pytest t\n"}, TestRunner.PYTEST, ("t",)),
        (
            {".travis.yml": "script: python setup.py test", "setup.py": "setup(test_suite='nose.collector')"},
            TestRunner.NOSE,
            (),
        ),
        (
            {".travis.yml": "script: python setup.py test", "setup.py": "setup(test_suite='pkg.suite')"},
            TestRunner.UNITTEST,
            ("pkg/suite",),
        ),
        (
            {
                ".travis.yml": "script: python setup.py test",
                "setup.cfg": "[aliases]\ntest = pytest\n[metadata]\nname=x",
            },
            TestRunner.PYTEST,
            (),
        ),
        ({"setup.cfg": "[nosetests]\nverbosity = 1"}, TestRunner.NOSE, ()),
        ({".travis.yml": "script: pytest gone /etc ../x $DIR ."}, TestRunner.PYTEST, ()),
        ({}, TestRunner.PYTEST, ()),
    ],
)
def test_the_test_command(files: dict[str, str | bytes], runner: TestRunner, paths: tuple[str, ...]) -> None:
    found = inferred(files, "t/unit/test_a.py", "pkg/suite/test_b.py", "pkg/__init__.py")
    assert (found.runner, found.test_paths) == (runner, paths)


def test_runtests_of_a_django_project() -> None:
    files: dict[str, str | bytes] = {"tox.ini": "[testenv]\ncommands = python runtests.py", "runtests.py": ""}
    assert inferred({**files, "setup.py": "setup(name='django-thing')"}).runner is TestRunner.DJANGO
    assert inferred({**files, "setup.py": "setup(name='thing')"}).runner is TestRunner.PYTEST


def test_variables_of_tox_come_first_and_only_plain_ones() -> None:
    found = inferred(
        {
            "tox.ini": "[testenv]\nsetenv =\n  FOO = one\n  PYTHONPATH = {toxinidir}/src:/evil:$HOME:lib:..\n"
            "  PATH = x\n"
            "  LD_PRELOAD = x\n  PYTHONSTARTUP = x\n  PYTEST_ADDOPTS = x\n  PIP_INDEX_URL = x\n  UV_INDEX = x\n"
            "  SWEMILL_X = 1\n  SSL_CERT_FILE = x\n  MY_TOKEN = x\n  API_KEY = x\n  A_SECRET = x\n  lower = x\n"
            "  BAD = $(id)\n  QUOTED = a'b\n  WHERE = https://x.org\n  PYTHONHASHSEED = 0\n  UP = ../x\n"
            "  PYTHONWARNINGS = error\n  PYTHONDEVMODE = 1\n"
            "commands = pytest\n",
            ".travis.yml": "env: {global: [FOO=two BAR=three]}\nscript: BAZ=4 pytest",
        },
        "src/a.py",
    )
    assert found.environment == {
        "FOO": "one",
        "PYTHONPATH": "/testbed/src",
        "PYTHONHASHSEED": "0",
        "BAR": "three",
        "BAZ": "4",
    }


def test_django_settings_of_pytest() -> None:
    files: dict[str, str | bytes] = {"pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = t.settings\n"}
    assert inferred(files).environment == {"DJANGO_SETTINGS_MODULE": "t.settings"}
    assert inferred(files).requirements == ("pytest-django",)
