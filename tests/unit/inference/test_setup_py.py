"""setup.py as a syntax tree: literals are known, everything else is not, and nothing is run."""

from pathlib import Path

import pytest

from swemill.environment.inference.setup_py import setup_arguments


def test_names_lists_and_tables_are_followed() -> None:
    found = setup_arguments(
        """
import os
base = ["six"]
extras = {"docs": ["sphinx"], "test": ["pytest>=3"] + base}
extras["dev"] = extras["test"] + ["tox"]
base.append("attrs")
tests = base + ["mock"]
tests += ["nose"]
NAME = "thing"
setup(name=NAME, install_requires=base, extras_require=extras, tests_require=tests, long_description=open("x").read())
"""
    )
    assert found == {
        "name": "thing",
        "install_requires": ["six", "attrs"],
        "extras_require": {"docs": ["sphinx"], "test": ["pytest>=3", "six"], "dev": ["pytest>=3", "six", "tox"]},
        "tests_require": ["six", "attrs", "mock", "nose"],
    }


def test_a_call_in_a_function_with_a_table() -> None:
    text = """
def run():
    options = dict(name="q", tests_require=\"\"\"
        mock
        nose
    \"\"\".split())
    setup(python_requires=">=3.6", **options)
if __name__ == "__main__":
    run()
"""
    assert setup_arguments(text) == {"name": "q", "tests_require": ["mock", "nose"], "python_requires": ">=3.6"}


def test_python_2_is_mended() -> None:
    text = """
try:
    import x
except ImportError, e:
    print "no x", e
if 1: print "old"
from setuptools import setup
setup(name="old", tests_require=["nose"])
"""
    assert setup_arguments(text) == {"name": "old", "tests_require": ["nose"]}


def test_unknown_things_are_left_out_and_the_rest_stays() -> None:
    found = setup_arguments("setup(name=get_name(), extras_require={'a': read('x'), 'b': ['c', f()]}, version=v)")
    assert found == {"extras_require": {"b": ["c"]}}


def test_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    setup_arguments(f"open({str(target)!r}, 'w')\nsetup(name=open({str(target)!r}, 'w').name)")
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "setup(",
        "(" * 50_000,
        "-" * 50_000 + "1",
        "x = [1]\n" + "x = x + x\n" * 20_000 + "setup(name=x)",
        "x = 'a'\n" + "x += x\n" * 20_000 + "setup(name=x)",
        "a = [1]\n" + "a = [*a, *a, *a]\n" * 2_000 + "setup(a=a)",
        "setup(" + "a=" * 10_000 + "1)",
        "1" + "+1" * 20_000,
        "setup(**{'a': 1, **{'b': 2}}, *x, **y)",
        "setup(a={}[1], b={'x': 1}['y'], c=[][0], d=f'{x}')",
    ],
)
def test_nonsense_ends_soon(text: str) -> None:
    assert isinstance(setup_arguments(text), dict)


def test_a_bound_on_python_is_found_even_where_nothing_parses() -> None:
    assert setup_arguments("setup(\n  python_requires='>=3.5',\n  !!!")["python_requires"] == ">=3.5"
