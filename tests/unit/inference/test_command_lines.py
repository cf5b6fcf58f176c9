"""Commands out of shell text."""

import pytest

from swemill.environment.inference.command_lines import commands


def words(text: str) -> list[tuple[str, ...]]:
    return [one.words for one in commands(text)]


def test_lines_are_joined_split_and_cleaned() -> None:
    text = "sudo -E apt-get install -y a \\\n  b && pip install -e '.[test]' \"foo>=3\" # why\n# nothing\n"
    assert words(text) == [
        ("apt-get", "install", "-y", "a", "b"),
        ("pip", "install", "-e", ".[test]", "foo>=3"),
    ]


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("python -m pytest tests", ("pytest", "tests")),
        ("python3.8 -W error -m unittest discover", ("unittest", "discover")),
        ("poetry run coverage run --source x -m pytest -v", ("pytest", "-v")),
        ("uv run --group test --python 3.9 pytest a", ("pytest", "a")),
        ("xvfb-run -a python -m pytest", ("pytest",)),
        ("timeout 60 nosetests x", ("nosetests", "x")),
        ("coverage run setup.py test", ("python", "setup.py", "test")),
        ("conda run -n base pip install x", ("pip", "install", "x")),
        ("python setup.py test", ("python", "setup.py", "test")),
        ("$PYTHON -m pip install x", ("pip", "install", "x")),
    ],
)
def test_what_provides_an_environment_is_taken_away(text: str, run: tuple[str, ...]) -> None:
    assert commands(text)[0].run == run


def test_assignments_are_variables() -> None:
    (one,) = commands("PYTHONPATH=. FOO='a b' python -m pytest")
    assert one.variables == {"PYTHONPATH": ".", "FOO": "a b"}
    assert one.run == ("pytest",)


def test_what_is_for_python_2_or_another_system_is_left_out() -> None:
    text = """
if [[ $TRAVIS_PYTHON_VERSION == 2.6 ]]; then pip install unittest2; fi
if [ "$TRAVIS_OS_NAME" == "osx" ]; then
  brew install hdf5
else
  apt-get install libhdf5-dev
fi
[[ $TRAVIS_PYTHON_VERSION == 'pypy' ]] && pip install nothing
if [[ $TRAVIS_PYTHON_VERSION != 2.6 ]]; then pip install modern; fi
"""
    installed = [line[-1] for line in words(text) if "install" in line]
    assert installed == ["libhdf5-dev", "modern"]


@pytest.mark.parametrize("text", ["'", '"', "a 'b\nc", "&&;;||", "\\\n" * 1_000, "(" * 10_000, "x" * 100_000, "if"])
def test_nonsense_is_survived(text: str) -> None:
    commands(text)
