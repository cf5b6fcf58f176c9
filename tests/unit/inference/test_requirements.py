"""What tests need: extras, groups, files, stray lines, plugins."""

import pytest

from swemill.environment.inference.tooling import is_tooling, is_tooling_file
from tests.unit.inference.commits import inferred

PROJECT = "[project]\nname='own'\ndependencies=['six']\n"


@pytest.mark.parametrize(
    ("extras", "chosen"),
    [
        ("dev=['a']\ntest=['b']\ndocs=['c']", ("test",)),
        ("tests=['b']\ntest=['b']", ("test", "tests")),
        ("Testing=['b']", ("Testing",)),
        ("dev=['a']\nall=['z']", ("dev",)),
        ("all=['z']\ndocs=['c']", ("all",)),
        ("docs=['c']", ()),
    ],
)
def test_extras_by_their_names(extras: str, chosen: tuple[str, ...]) -> None:
    assert inferred({"pyproject.toml": f"{PROJECT}[project.optional-dependencies]\n{extras}\n"}).extras == chosen


def test_extras_that_commands_name_come_with_those_of_tests() -> None:
    found = inferred(
        {
            "setup.cfg": "[metadata]\nname=x\n[options.extras_require]\nsocks=a\ntests:python_version<'4' = b\ndev=c\n",
            "tox.ini": "[testenv]\nextras = socks\ncommands = pytest\n",
            ".travis.yml": "script: pip install -e '.[tests,unknown]' && pytest",
        }
    )
    assert found.extras == ("tests", "socks")


def test_developers_extras_only_where_nothing_else_tells() -> None:
    files: dict[str, str | bytes] = {"setup.py": "setup(extras_require={'dev': ['sphinx']})"}
    assert inferred(files).extras == ("dev",)
    assert inferred({**files, "tox.ini": "[testenv]\ndeps = pytest\ncommands=pytest\n"}).extras == ()


def test_groups_of_pep_735() -> None:
    text = f"{PROJECT}[dependency-groups]\ntest=['pytest', {{include-group='base'}}]\nbase=['x']\ndev=[]\n"
    assert inferred({"pyproject.toml": text}).groups == ("test",)
    broken = f"{PROJECT}[dependency-groups]\ntest=[{{include-group='gone'}}]\n"
    assert inferred({"pyproject.toml": broken}).groups == ()
    circle = f"{PROJECT}[dependency-groups]\ntest=[{{include-group='test'}}]\n"
    assert inferred({"pyproject.toml": circle}).groups == ("test",)


def test_poetry_groups_are_spelled_out() -> None:
    text = """
[tool.poetry]
name = "own"
[tool.poetry.dependencies]
python = "^3.8"
six = "*"
[tool.poetry.dev-dependencies]
pytest = "^6.0"
black = "*"
mock = {version = ">=2", extras = ["x"], python = "<3.9"}
local = {path = "../local"}
fork = {git = "https://x.org/fork.git"}
[tool.poetry.group.docs.dependencies]
sphinx = "*"
[tool.poetry.group.test.dependencies]
responses = "~0.10"
multi = [{version = "1", python = "<3.9"}, {version = "2", python = ">=3.9"}]
"""
    assert inferred({"pyproject.toml": text}).requirements == (
        "responses<0.11,>=0.10",
        'multi==1; python_version < "3.9"',
        'multi==2; python_version >= "3.9"',
        "pytest<7,>=6.0",
        'mock[x]>=2; python_version < "3.9"',
        "fork",
    )


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (
            {"pyproject.toml": PROJECT + "[tool.pdm.dev-dependencies]\ntest=['nose', '-e file:///x']\ndoc=['mkdocs']"},
            ("nose",),
        ),
        ({"pyproject.toml": PROJECT + "[tool.uv]\ndev-dependencies=['nose', 'ruff']"}, ("nose",)),
        ({"pyproject.toml": PROJECT + "[tool.hatch.envs.test]\ndependencies=['nose>=1', 'own']"}, ("nose>=1",)),
        (
            {
                "pyproject.toml": PROJECT
                + "[tool.cibuildwheel]\ntest-requires='nose'\ntest-command='nosetests {project}/t'"
            },
            ("nose",),
        ),
        ({"Pipfile": "[packages]\nsix='*'\n[dev-packages]\nnose={version='*'}\ntox='*'\n"}, ("six", "nose")),
        ({"setup.py": "setup(tests_require=['nose', 'mock'])"}, ("nose", "mock")),
        ({"setup.cfg": "[metadata]\nname=x\n[options]\ntests_require =\n  nose\n  mock\n"}, ("nose", "mock")),
        (
            {".travis.yml": "install: pip install nose coveralls 'mock>=1' tox setuptools==30\nscript: nosetests"},
            ("nose", "mock>=1"),
        ),
        (
            {"environment.yml": "dependencies: [python=3.7, nose=1.3, pytorch, hdf5, {pip: [mock, -r x.txt]}]"},
            ("nose==1.3.*", "torch", "mock"),
        ),
        (
            {"Dockerfile": "RUN pip install --no-cache-dir \\\n   nose==1.0 'git+https://x.org/y.git#egg=yy'"},
            ("nose==1.0", "yy"),
        ),
        ({"README.md": "Run `pip install own` and\n\n    $ pip install evil\n"}, ()),
    ],
)
def test_lines_from_everywhere(files: dict[str, str | bytes], lines: tuple[str, ...]) -> None:
    assert inferred(files).requirements == lines


def test_conda_gives_system_packages_too() -> None:
    found = inferred({"environment.yml": "dependencies: [numpy, hdf5, graphviz, libgdal]"})
    assert found.requirements == ("numpy",)
    assert found.system_packages == ("libhdf5-dev", "graphviz", "libgdal-dev")


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        (
            ["requirements.txt", "requirements-dev.txt", "test-requirements.txt"],
            ("requirements.txt", "test-requirements.txt"),
        ),
        (
            ["requirements/base.txt", "requirements/test.txt", "requirements/docs.txt"],
            ("requirements/base.txt", "requirements/test.txt"),
        ),
        (["requirements_dev.txt"], ("requirements_dev.txt",)),
        (["requirements-docs.txt", "requirements-lint.txt"], ()),
        (["tests/requirements.txt"], ("tests/requirements.txt",)),
    ],
)
def test_files_by_their_names(paths: list[str], chosen: tuple[str, ...]) -> None:
    assert inferred(dict.fromkeys(paths, "x\n")).requirement_files == chosen


def test_files_that_commands_name_and_those_they_include() -> None:
    found = inferred(
        {
            "setup.py": "setup(install_requires=['six'])",
            "requirements.txt": "six==1\n",
            "requirements-dev.txt": "tox\n",
            "ci/requirements.txt": "-r base.txt\n-e .[cli]\nnose==1.0\n",
            "ci/base.txt": "mock\n",
            "constraints.txt": "six<2\n",
            ".travis.yml": "install: pip install -r ci/base.txt -r ci/requirements.txt -c constraints.txt nose==2.0\n"
            "script: nosetests",
        }
    )
    assert found.requirement_files == ("ci/requirements.txt",)
    assert found.constraint_files == ("constraints.txt",)
    assert found.extras == ("cli",)
    assert found.requirements == ()  # the file knows better


def test_files_that_are_not_there_or_lie_outside_are_not_named() -> None:
    found = inferred({".travis.yml": "script: pip install -r ../../etc/passwd -r gone.txt -r $FILE && pytest"})
    assert found.requirement_files == ()


@pytest.mark.parametrize(
    ("files", "plugin"),
    [
        ({"pytest.ini": "[pytest]\naddopts = -n auto"}, "pytest-xdist"),
        ({"setup.cfg": "[tool:pytest]\naddopts = --cov=x --cov-report=term"}, "pytest-cov"),
        ({"tox.ini": "[pytest]\ntimeout = 30"}, "pytest-timeout"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\naddopts=['--flake8']"}, "pytest-flake8"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\nasyncio_mode='auto'"}, "pytest-asyncio"),
        ({"pytest.ini": "[pytest]\nrequired_plugins = pytest-mock>=3"}, "pytest-mock>=3"),
        ({"pytest.ini": "[pytest]\naddopts = -p xdist"}, "pytest-xdist"),
        ({"conftest.py": "import hypothesis"}, "hypothesis"),
        ({"tests/conftest.py": "pytest_plugins = ['pytest_twisted']"}, "pytest-twisted"),
    ],
)
def test_plugins_that_the_configuration_presupposes(files: dict[str, str | bytes], plugin: str) -> None:
    assert inferred(files).requirements == (plugin,)


def test_a_plugin_that_lies_in_the_tree_is_no_package() -> None:
    assert inferred({"conftest.py": "import mock, factory"}, "mock/__init__.py", "factory.py").requirements == ()


def test_tools_are_known() -> None:
    assert is_tooling("Flake8")
    assert is_tooling("types-requests")
    assert is_tooling("sphinx_rtd_theme")
    assert not is_tooling("pytest-cov")
    assert not is_tooling("mock")
    assert is_tooling_file("requirements/docs.txt")
    assert is_tooling_file("requirements/test-windows.txt")
    assert not is_tooling_file("requirements/docs-test.txt")
