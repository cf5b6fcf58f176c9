"""Jobs of continuous integration, of every service."""

from swemill.environment.inference.ci import ci_contexts
from tests.unit.inference.commits import sources


def test_github_matrix_steps_and_variables() -> None:
    found = ci_contexts(
        sources(
            {
                ".github/workflows/ci.yml": """
on: [push]
env: {GLOBAL: '1'}
jobs:
  lint:
    steps: [{run: pip install flake8 && flake8 tests}]
  windows-test:
    runs-on: windows-latest
    steps: [{run: pip install pywin32 && pytest}]
  test-extra:
    steps: [{run: pytest extra}]
  test:
    runs-on: ${{ matrix.os }}
    strategy:
      matrix:
        os: [ubuntu-latest, windows-latest]
        python-version: [3.9, 3.10, "3.11", 3.13-dev, pypy-3.9]
        req: [old, new]
        include:
          - {python: '3.12', tox: py312}
    steps:
      - uses: actions/setup-python@v4
        with: {python-version: "${{ matrix.python-version }}"}
      - name: windows
        if: runner.os == 'Windows'
        run: choco install x
      - run: |
          sudo apt-get install -y libgeos-dev
          pip install -r requirements-${{ matrix.req }}.txt thing==${{ github.ref_name }}
      - run: python -m pytest tests
        env: {STEP: two, VARIES: "${{ matrix.req }}", MY_NO_EXTENSIONS: "${{ matrix.req }}"}
      - run: codecov
        env: {LATER: '1'}
"""
            }
        )
    )
    assert [context.where.split()[1] for context in found] == ["ci/test", "ci/test-extra"]
    test = found[0]
    assert test.pythons == ("3.9", "3.10", "3.11", "3.12")
    lines = [one.words for one in test.commands]
    assert ("apt-get", "install", "-y", "libgeos-dev") in lines
    assert ("pip", "install", "-r", "requirements-new.txt", "thing==$UNKNOWN") in lines
    assert test.variables["GLOBAL"] == "1"
    assert test.variables["STEP"] == "two"
    assert test.variables["MY_NO_EXTENSIONS"] == "new"
    assert test.variables["VARIES"] == "$UNKNOWN"
    assert "LATER" not in test.variables


def test_github_actions_of_the_repository_and_scripts() -> None:
    (found,) = ci_contexts(
        sources(
            {
                ".github/workflows/t.yaml": "jobs: {t: {steps: [{uses: ./.github/actions/setup}, {run: make check}]}}",
                ".github/actions/setup/action.yml": "runs: {steps: [{run: bash ci/install.sh}]}",
                "ci/install.sh": "#!/bin/sh\npip install nose\n",
                "Makefile": "PY = python\ndeps:\n\tpip install mock\ncheck: deps\n\t@$(PY) -m pytest t\n",
            }
        )
    )
    assert [one.run for one in found.commands if one.run[0] != "bash"] == [
        ("pip", "install", "nose"),
        ("make", "check"),
        ("pip", "install", "mock"),
        ("pytest", "t"),
    ]


def test_a_script_that_calls_itself_ends() -> None:
    (found,) = ci_contexts(sources({".travis.yml": "script: ./run.sh", "run.sh": "./run.sh\n./run.sh\npytest\n" * 50}))
    assert len(found.commands) <= 1_001


def test_travis() -> None:
    (found,) = ci_contexts(
        sources(
            {
                ".travis.yml": """
language: python
python: [2.7, "3.6", 3.7-dev, pypy]
addons: {apt: {packages: [libxml2-dev, graphviz]}}
env:
  global: [FOO=bar BAZ="a b", {secure: xyz}]
  matrix: [TOXENV=py35, TOXENV=py34-cov]
matrix:
  include:
    - {python: 3.8, addons: {apt: {packages: swig}}}
    - {python: 3.5, os: osx, install: brew install x}
    - {python: 3.4, name: Lint, script: flake8}
install: pip install -r requirements.txt
script: [pytest tests]
"""
            }
        )
    )
    assert set(found.pythons) == {"2.7", "3.6", "3.8", "3.5", "3.4"}
    assert found.packages == ("libxml2-dev", "graphviz", "swig")
    assert found.variables["FOO"] == "bar"
    assert found.variables["BAZ"] == "a b"
    assert [one.words for one in found.commands] == [("pip", "install", "-r", "requirements.txt"), ("pytest", "tests")]


def test_gitlab_circle_azure_and_cirrus() -> None:
    found = ci_contexts(
        sources(
            {
                ".gitlab-ci.yml": "image: python:3.7\nbefore_script: [pip install a]\ntest: {script: [pytest]}\n"
                "lint: {script: [flake8 tests]}\n",
                ".circleci/config.yml": "jobs:\n  build:\n    docker: [{image: cimg/python:3.8.1}]\n"
                "    steps: [checkout, {run: {command: pip install b}}, {run: pytest}]\n",
                "azure-pipelines.yml": "jobs:\n- strategy: {matrix: {a: {python.version: '3.9'}}}\n"
                "  steps: [{script: pip install c}, {bash: pytest}]\n",
                ".cirrus.yml": "t:\n  container: {image: 'python:3.10-slim'}\n  test_script: [pip install d, pytest]\n",
            }
        )
    )
    assert {context.pythons for context in found} == {("3.7",), ("3.8",), ("3.9",), ("3.10",)}
    assert {one.words[-1] for context in found for one in context.commands} == {"a", "b", "c", "d", "pytest"}
