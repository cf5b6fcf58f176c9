"""tox: generative names, conditions, references, and the one environment that is believed."""

import pytest

from swemill.environment.inference.factors import applies, expanded
from swemill.environment.inference.tox import tox_contexts, tox_environments
from tests.unit.inference.commits import sources


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("py{36,37}, docs", ["py36", "py37", "docs"]),
        ("py{36,37}-django{1,2}", ["py36-django1", "py36-django2", "py37-django1", "py37-django2"]),
        ("py3{9-11}", ["py39", "py310", "py311"]),
        ("{py27,py36}{,-cov}", ["py27", "py27-cov", "py36", "py36-cov"]),
        ("{unclosed", []),
        ("", []),
    ],
)
def test_generative_names(text: str, names: list[str]) -> None:
    assert expanded(text) == names


def test_generative_names_are_bounded() -> None:
    assert len(expanded("-".join(["{a,b,c,d,e,f,g,h,i,j}"] * 20))) <= 300


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mock", ("mock", "")),
        ("py36: mock", ("mock", 'python_version == "3.6"')),
        ("py36,py37: mock", ("mock", 'python_version == "3.6" or python_version == "3.7"')),
        ("!py27: mock", ("mock", 'python_version != "2.7"')),
        ("django2: x", ("x", "")),
        ("py36-django2: x", ("x", 'python_version == "3.6"')),
        ("django3: x", None),
        ("!django2: x", None),
        ("lint,django2: -r x.txt", ("-r x.txt", "")),
        ("git+https://x.org/y.git#egg=y", ("git+https://x.org/y.git#egg=y", "")),
    ],
)
def test_conditions(line: str, said: tuple[str, str] | None) -> None:
    assert applies(line, frozenset({"py37", "django2"})) == said


def test_the_test_environment_and_its_references() -> None:
    (found,) = tox_contexts(
        sources(
            {
                "tox.ini": """
[tox]
envlist = py{27,36,37}-{unit,mindeps}, lint, docs
[base]
deps = pytest>=3
[testenv]
deps =
    {[base]deps}
    # why not
    -r{toxinidir}/requirements/test.txt
    -cconstraints.txt
    py27: mock
    py36: contextvars
    mindeps: numpy==1.0
    lint: flake8
    .[socks]
extras = test, cli
setenv =
    FOO = bar
    py27: OLD = 1
commands =
    unit: pytest -n auto {posargs:tests {env:MORE:}}  # all
    mindeps: pytest old
[testenv:lint]
commands = flake8
"""
            }
        )
    )
    assert found.where == "tox.ini py37-unit"
    assert found.wants.requirements == (
        "pytest>=3",
        'mock; python_version == "2.7"',
        'contextvars; python_version == "3.6"',
    )
    assert found.wants.files == ("requirements/test.txt",)
    assert found.wants.constraints == ("constraints.txt",)
    assert found.wants.extras == ("test", "cli", "socks")
    assert [one.words for one in found.commands] == [("pytest", "-n", "auto", "tests")]
    assert found.variables["FOO"] == "bar"


def test_a_file_for_another_python_is_not_taken() -> None:
    (found,) = tox_contexts(
        sources(
            {
                "tox.ini": "[tox]\nenvlist=py27,py38\n[testenv]\ndeps =\n  py27: -r old.txt\n  py38: -r new.txt\n"
                "commands = pytest\n"
            }
        )
    )
    assert found.wants.files == ("new.txt",)


def test_what_the_newest_python_needs_later_ones_need_too() -> None:
    text = "[tox]\nenvlist=py{36,37}\n[testenv]\ndeps =\n  py36: old\n  py37: new\ncommands = pytest\n"
    (found,) = tox_contexts(sources({"tox.ini": text}))
    assert found.wants.requirements == (
        'old; python_version == "3.6"',
        'new; python_version == "3.7" or python_version > "3.7"',
    )


@pytest.mark.parametrize(
    "files",
    [
        {"setup.cfg": "[tox:tox]\nenvlist=py38\n[testenv]\ndeps=nose\ncommands=nosetests\n"},
        {"pyproject.toml": "[tool.tox]\nlegacy_tox_ini='''\n[tox]\nenvlist=py38\n[testenv]\ndeps=nose\n'''\n"},
        {"tox.toml": "env_list=['3.8']\n[env_run_base]\ndeps=['nose']\ncommands=[['nosetests']]\n"},
        {"pyproject.toml": "[tool.tox]\nenv_list=['py38']\n[tool.tox.env_run_base]\ndeps=['nose']\n"},
    ],
)
def test_all_places_of_its_configuration(files: dict[str, str | bytes]) -> None:
    (found,) = tox_contexts(sources(files))
    assert found.wants.requirements == ("nose",)
    assert [name for name, _ in tox_environments(sources(files))] in (["py38"], ["3.8"])


@pytest.mark.parametrize(
    "text",
    [
        "[testenv]\ndeps = {[testenv]deps}{[testenv]deps}\n",
        "[a]\nx={[b]x}{[b]x}\n[b]\nx={[a]x}{[a]x}\n[testenv]\ndeps={[a]x}\n",
        "[testenv]\ndeps = {[x}\n",
        "[tox]\nenvlist={{{{{,,,,\n",
        "[testenv:{a,b,c}{a,b,c}{a,b,c}{a,b,c}]\nbase=y\n",
        "[testenv]\ncommands = " + "{posargs:" * 1_000,
    ],
)
def test_nonsense_ends_soon(text: str) -> None:
    tox_contexts(sources({"tox.ini": text}))
