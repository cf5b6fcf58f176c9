"""The steps that rules are made of, and what keeps a rule from doing harm."""

from datetime import UTC, datetime

import pytest
from packaging.requirements import Requirement

from swemill.environment.as_of import lifted
from swemill.environment.failures import FailureKind
from swemill.environment.repairs import INTERPRETER_BOUND, debian_packages, repair
from swemill.environment.repairs.changes import bound, lift, loosen, on_python, override, require, sink
from swemill.environment.repairs.plugins import plugin_for
from swemill.environment.repairs.removed_apis import constraint_for
from swemill.values import Candidate, Failure, Phase

AS_OF = datetime(2018, 7, 1, tzinfo=UTC)
LATER = datetime(2020, 1, 1, tzinfo=UTC)
PYTHONS = ("3.9", "3.11", "3.13")


def candidate(**changes: object) -> Candidate:
    return Candidate(**{"python": "3.9", "as_of": AS_OF, "requirements": ("pytest",), **changes})  # type: ignore[arg-type]


def missing(module: str) -> Failure:
    return Failure(phase=Phase.PROBE, kind=FailureKind.MISSING_MODULE, subject=module)


def test_lifting_never_makes_a_package_older() -> None:
    lifted_once = lift(candidate(), "Foo_Bar", LATER)
    assert lifted_once.lifted == {"foo-bar": LATER}
    assert lift(lifted_once, "foo-bar", AS_OF) == lifted_once
    assert sink(lifted_once, "foo.bar").lifted == {}


def test_a_bound_beats_a_pin_and_keeps_extras_and_markers() -> None:
    pinned = candidate(requirements=("flask[async]==2.0; python_version > '3.6'", "pytest"))
    held = bound(pinned, "Flask<2")
    assert held.requirements == ('flask[async] ; python_version > "3.6"', "pytest")
    assert held.constraints == ("Flask<2",)
    assert loosen(held, "flask").constraints == ()


def test_a_package_is_required_and_overridden_once() -> None:
    assert require(candidate(), "pytest>=5") == candidate()
    assert override(override(candidate(), "attrs"), "attrs>=20").overrides == ("attrs>=20",)


PINNED = (
    "hint: `cchardet` was filtered by `exclude-newer` to only include packages uploaded before 2018-07-01T00:00:00Z. "
    "The {which}, was published at {day}T09:16:01.9Z."
)


@pytest.mark.parametrize(
    ("which", "day", "moved"),
    [
        ("requested version, v1.1.3", "2018-08-02", True),
        ("requested version, v1.1.3", "2019-08-02", False),
        ("latest version satisfying the requirement is v2", "2024-01-01", True),
    ],
    ids=["in the days of the commit", "after it", "one of many"],
)
def test_what_came_out_in_the_quarter_of_the_commit_moves_the_date_of_all(which: str, day: str, moved: bool) -> None:
    committed_at = datetime(2018, 8, 20, tzinfo=UTC)
    line = PINNED.format(which=which, day=day)
    failure = Failure(phase=Phase.RESOLVE, kind=FailureKind.NO_VERSION_AS_OF, subject="cchardet", line=line)
    mended = repair(candidate(), failure, pythons=("3.9",), committed_at=committed_at)
    assert mended is not None
    assert (mended.as_of == committed_at) is moved
    again = repair(mended, failure, pythons=("3.9",), committed_at=committed_at)
    assert again is not None
    assert again.lifted.get("cchardet"), "where the day does not do, the one package is lifted"


def test_what_the_project_is_built_with_and_has_no_wheel_is_taken_from_the_environment() -> None:
    first = candidate(build_requires=("setuptools", "numpy==1.13.3; python_version<'3.7'", "numpy==1.14.5"))
    failure = Failure(phase=Phase.RESOLVE, kind=FailureKind.NO_WHEEL, subject="numpy")
    mended = repair(first, failure, pythons=("3.9",))
    assert mended is not None
    assert (mended.build_isolation, mended.build_requires) == (False, ("setuptools", "numpy"))


@pytest.mark.parametrize(("package", "built"), [("numpy", False), ("somelib", True)])
def test_only_what_builds_in_reasonable_time_is_built_again(package: str, built: bool) -> None:
    current: Candidate | None = candidate(only_binary=(package,))
    failure = Failure(phase=Phase.RESOLVE, kind=FailureKind.NO_WHEEL, subject=package)
    rules: tuple[str, ...] = ()
    while current is not None:
        rules, current = current.rules, repair(current, failure, pythons=("3.9",))
    assert (f"built again {package}" in rules) is built
    assert f"without a date {package}" in rules


def test_another_python_dates_anew_what_is_bound_to_it_and_keeps_what_was_lifted_besides() -> None:
    first = lift(candidate(lifted=lifted("3.9", AS_OF, INTERPRETER_BOUND)), "somelib", LATER)
    moved = on_python(first, "3.11")
    assert moved.lifted == {**lifted("3.11", AS_OF, INTERPRETER_BOUND), "somelib": LATER}
    assert on_python(moved, "3.9") == first


@pytest.mark.parametrize("module", ["utils", "tests", "mypackage.part", "os", "Mine"])
def test_modules_of_the_repository_are_not_taken_from_an_index(module: str) -> None:
    assert repair(candidate(), missing(module), pythons=PYTHONS, own_modules=("mine", "mypackage")) is None


@pytest.mark.parametrize("kind", list(FailureKind))
def test_what_a_log_calls_a_package_is_none_until_it_looks_like_one(kind: FailureKind) -> None:
    for name in ("abc_", "_abc", "-r file", "a b", "x" * 200, "", "é"):
        failure = Failure(phase=Phase.PROJECT, kind=kind, subject=name, package=name)
        repaired: Candidate | None = candidate()
        while repaired is not None:
            last, repaired = repaired, repair(repaired, failure, pythons=PYTHONS)
        lines = (*last.requirements, *last.overrides, *last.build_requires, *last.constraints)
        assert {Requirement(line).name for line in lines} <= {"pytest", "setuptools", "wheel", "numpy", "cython"}
        assert not last.only_binary
        assert set(last.lifted) <= {*lifted("3.9", AS_OF, INTERPRETER_BOUND), "setuptools", "pytest", "numpy"}


def test_a_bound_that_this_python_cannot_meet_means_another_python() -> None:
    failure = Failure(phase=Phase.PROJECT, kind=FailureKind.SETUPTOOLS_TOO_NEW, subject="use_2to3")
    repaired = repair(candidate(python="3.13"), failure, pythons=PYTHONS)
    assert repaired is not None
    assert (repaired.python, repaired.constraints) == ("3.11", ("setuptools<58",))
    assert repair(candidate(python="3.13"), failure, pythons=("3.13",)) is None


@pytest.mark.parametrize(
    ("kind", "name", "package"),
    [
        (FailureKind.MISSING_HEADER, "openssl/opensslv.h", "libssl-dev"),
        (FailureKind.MISSING_HEADER, "graphviz/cgraph.h", "libgraphviz-dev"),
        (FailureKind.MISSING_LIBRARY, "geos_c", "libgeos-dev"),
        (FailureKind.MISSING_PROGRAM, "rustc", "rustc cargo"),
        (FailureKind.MISSING_PROGRAM, "no-such-program", ""),
        (FailureKind.UNKNOWN, "gcc", ""),
    ],
)
def test_what_debian_has(kind: FailureKind, name: str, package: str) -> None:
    assert debian_packages(kind, name) == package


@pytest.mark.parametrize(
    ("subject", "plugin"),
    [
        ("option --cov-report", "pytest-cov"),
        ("option --made-up", ""),
        ("fixture mocker", "pytest-mock"),
        ("fixture their_own", ""),
        ("marker asyncio", "pytest-asyncio"),
        ("import pytest_twisted.plugin", "pytest-twisted"),
        ("plugin pytest-xdist", "pytest-xdist"),
    ],
)
def test_plugins_are_known_by_what_is_missing(subject: str, plugin: str) -> None:
    assert plugin_for(subject) == plugin


def test_removed_names_are_known_by_their_longest_part() -> None:
    assert constraint_for("werkzeug.contrib.cache.SimpleCache") == "werkzeug<1"
    assert constraint_for("jinja2.Markup") == "jinja2<3.1"
    assert constraint_for("their.own") == ""
