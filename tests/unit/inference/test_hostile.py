"""Whatever a repository holds: ``infer`` answers, soon, and within bounds."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swemill.environment.inference import infer, is_wanted
from swemill.values import CommitTree, Inference
from tests.unit.inference.commits import inferred

PATHS = (
    "pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "tox.toml", "noxfile.py", ".travis.yml", ".gitlab-ci.yml",
    ".github/workflows/ci.yml", ".github/actions/a/action.yml", ".circleci/config.yml", "azure-pipelines.yml",
    ".cirrus.yml", "requirements.txt", "requirements/test.txt", "constraints.txt", "Pipfile", "environment.yml",
    "meta.yaml", "Dockerfile", "Makefile", ".python-version", "runtime.txt", ".tool-versions", ".gitattributes",
    "pytest.ini", "pytest.toml", "conftest.py", "README.md", "ci/install.sh", "hatch.toml", "apt.txt",
    "python/setup.py",
)  # fmt: skip
FRAGMENTS = (
    "[tox]\nenvlist=", "[testenv]\n", "deps=", "commands=", "{[testenv]deps}", "{posargs:", "py{36,37}", "}",
    "[project]\n", "[tool.poetry]\n", "[tool.poetry.dependencies]\n", "[dependency-groups]\n", "test=", "name=",
    "'x'", "[", "]", "{", "\n", "jobs:\n", "  test:\n", "    steps:\n", "    - run: ", "pytest ", "pip install ",
    "-r ", "-e .[test]", "&a ", "*a ", "<<: ", "setup(", "x=", "x+=x\n", "@nox.session(python=",
    "def t(s):\n s.install(", ")", ",", '"', "'", "\\", "$(", "${{ matrix.x }}", "python: ", "3.10", "env: ", "A=1",
    "[build-system]\n", "requires=", "version=", "\t", ":", "=", "#", "FROM python:", "RUN ", "apt-get install ",
    "script: ", "install: ", "matrix:\n", "include:\n", "- ", "[tool.hatch.envs.test]\n", "[pytest]\n", "addopts=",
    "11111111111111111111111111111111111111111111111111", "^", "~", "||", "; python_version<'3'",
    "git+https://x#egg=y", "\x00", "é", "test: a\n\tpytest\n",
)  # fmt: skip

structured = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=40).map(
    lambda parts: "".join(parts).encode("utf-8", "surrogatepass")
)
contents = st.one_of(st.binary(max_size=200), structured)


def tree(files: dict[str, bytes]) -> CommitTree:
    return CommitTree(
        commit="a" * 40, committed_at=datetime(2020, 1, 1, tzinfo=UTC), paths=tuple(sorted(files)), files=files
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(PATHS), contents, max_size=6))
def test_any_bytes_in_any_file(files: dict[str, bytes]) -> None:
    check(infer(tree(files)))


@settings(max_examples=100, deadline=None)
@given(structured)
def test_the_same_nonsense_in_every_file(content: bytes) -> None:
    check(infer(tree(dict.fromkeys(PATHS, content))))


@given(st.text(max_size=60))
def test_any_path(path: str) -> None:
    assert is_wanted(path) in (True, False)


@pytest.mark.parametrize(
    "content",
    [
        b"x" * 250_000,
        b"a.b" * 80_000,
        b" " * 250_000,
        b"[" * 250_000,
        b"{" * 250_000,
        b"(" * 250_000,
        b"\n" * 250_000,
        b"- " * 120_000,
        b"x=x+x\n" * 40_000,
        b"\\\n" * 120_000,
        b"py{1,2}-" * 30_000,
        b"[testenv]\ndeps=" + b"{[testenv]deps}" * 16_000,
        b"[testenv]\ndeps=\n" + b" {[testenv]deps}\n" * 15_000,
        b"[testenv]\ncommands=\n" + b" pytest {posargs:" * 12_000,
        b"[tox]\nenvlist=\n" + b" py{36,37}-{a,b,c}\n" * 12_000 + b"[testenv]\ncommands=pytest\n",
        b"".join(b"[testenv:e%d]\ncommands=pytest\n" % n for n in range(8_000)),
        b"a" * 30 + b"=" + b"a" * 100_000 + b"!",
        b"pip install " + b"-e " * 80_000,
        b"RUN pip install x && " * 12_000,
        b"if [ a == " * 20_000,
        b"test: test test test test\n\tmake test test test test\n" * 4_000,
        b"jobs:\n" + b"".join(b"  j%d: {steps: [{run: make test}]}\n" % n for n in range(6_000)),
        b"-r requirements.txt\n-r requirements/test.txt\n" * 5_000,
        b"setup(" * 40_000,
        b"@" * 250_000,
        b"* filter=lfs\n" * 20_000,
        b"f(" + b"f(x)," * 40_000 + b")",
    ],
    ids=range(27),
)
def test_huge_files_end_soon(content: bytes) -> None:
    started = time.monotonic()
    check(infer(tree(dict.fromkeys(PATHS, content[:20_000]))))
    assert time.monotonic() - started < 10


def test_a_file_beyond_all_size_is_passed_over() -> None:
    assert inferred({"setup.py": b"#" * 5_000_000, "tox.ini": b"x" * 5_000_000}).pythons == ()


def test_nothing_at_all() -> None:
    found = inferred({})
    assert not found.has_project
    assert found == Inference(has_project=False)


def check(found: Inference) -> None:
    """The bounds that callers rely on."""
    lists = (found.pythons, found.extras, found.groups, found.requirement_files, found.requirements, found.evidence)
    for values in (*lists, found.system_packages, found.test_paths, found.build_requires, found.constraint_files):
        assert len(values) <= 400
        assert all(value and len(value) <= 300 and value.isprintable() for value in values)
    assert all(re.fullmatch(r"[23]\.\d{1,2}", version) for version in found.pythons)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in found.system_packages)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in found.environment)
    assert not any(path.startswith(("/", "..")) for path in (*found.requirement_files, *found.test_paths))
