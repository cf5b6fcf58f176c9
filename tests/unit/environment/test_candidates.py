"""Which ways of installing are tried, and in which order."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from swemill.environment.as_of import lifted, quarter_of
from swemill.environment.candidates import MOST, candidates, python_order, shed
from swemill.values import CommitTree, Inference

HERE = ("3.9", "3.11", "3.13")


def tree(year: int, month: int = 5, **files: bytes) -> CommitTree:
    committed = datetime(year, month, 20, 13, 14, tzinfo=UTC)
    named = {name.replace("__", "."): data for name, data in files.items()}
    return CommitTree(commit="a" * 40, committed_at=committed, paths=tuple(sorted(named)), files=named)


def order(year: int, *, pythons: tuple[str, ...] = (), requires: str = "", preferred: str = "") -> list[str]:
    inference = Inference(pythons=pythons, requires_python=requires, preferred_python=preferred)
    return python_order(inference, tree(year).committed_at, HERE)


@pytest.mark.parametrize(
    "year, pythons, requires, first",
    [
        (2015, ("2.7", "3.4"), "", "3.9"),
        (2021, ("3.6", "3.7", "3.8", "3.9"), ">=3.6", "3.9"),
        (2024, ("3.9", "3.10", "3.11", "3.12"), ">=3.9", "3.11"),
        (2024, ("3.12",), ">=3.12", "3.13"),
        (2025, ("3.10", "3.11", "3.12", "3.13"), "", "3.13"),
        (2024, (), "", "3.11"),
        (2019, (), "", "3.9"),
        (2022, ("3.7", "3.8", "3.9", "3.10", "3.11"), "", "3.9"),
    ],
)
def test_the_newest_python_that_is_named_and_was_settled_comes_first(
    year: int, pythons: tuple[str, ...], requires: str, first: str
) -> None:
    assert order(year, pythons=pythons, requires=requires)[0] == first


def test_a_python_that_is_not_admitted_is_not_tried() -> None:
    assert order(2024, requires=">=3.10,<3.13") == ["3.11"]


def test_a_bound_on_the_patch_release_is_no_reason_to_refuse() -> None:
    assert "3.9" in order(2023, requires=">=3.9.2")


def test_where_none_is_admitted_all_are_tried_all_the_same() -> None:
    assert sorted(order(2015, requires="<3.5"), key=HERE.index) == list(HERE)
    assert order(2015, requires="<3.5")[0] == "3.9"


def test_a_pinned_python_wins() -> None:
    assert order(2024, pythons=("3.9", "3.11"), preferred="3.9")[0] == "3.9"


def test_nonsense_in_requires_python_is_no_requirement() -> None:
    assert len(order(2024, requires=">=3.x || evil")) == len(HERE)


def test_quarters_are_of_utc() -> None:
    assert quarter_of(datetime.fromisoformat("2021-04-01T00:30:00+02:00")) == datetime(2021, 1, 1, tzinfo=UTC)
    assert quarter_of(datetime(2021, 12, 31, tzinfo=UTC)) == datetime(2021, 10, 1, tzinfo=UTC)


def test_what_is_bound_to_the_interpreter_may_be_younger_where_python_is() -> None:
    old = lifted("3.9", datetime(2015, 1, 1, tzinfo=UTC), {"pytest"})
    assert old["pytest"] == datetime(2021, 10, 5, tzinfo=UTC)
    assert old["setuptools"] >= datetime(2022, 12, 1, tzinfo=UTC), "back ends must know editable installs"
    assert lifted("3.9", datetime(2024, 1, 1, tzinfo=UTC), {"pytest"}) == {}


def test_candidates_hold_what_was_inferred() -> None:
    source = tree(2021, requirements_dev__txt=b"mock\n-r missing.txt\npytest<6\n")
    inference = Inference(
        pythons=("3.9",),
        requirement_files=("requirements_dev.txt",),
        extras=("test", "-x", "$(evil)"),
        project_dir="a'b",
    )
    first = candidates(inference, source, pythons=HERE)[0]
    assert first.requirements == ("pip", "setuptools", "wheel", "pytest", "mock", "pytest<6")
    assert first.extras == ("test",)
    assert first.project_dir == "."
    assert first.as_of == datetime(2021, 4, 1, tzinfo=UTC)


def test_a_pin_of_what_grows_with_python_is_dropped_where_python_is_younger() -> None:
    source = tree(2015, requirements__txt=b"pytest==2.5.1\npy==1.4.19\nmock==1.0\npytest-cov<2\nflake8\n")
    old = candidates(Inference(requirement_files=("requirements.txt",)), source, pythons=HERE)[0]
    assert old.requirements[4:] == ("py", "mock==1.0", "pytest-cov<2")
    all_young = candidates(Inference(requirement_files=("requirements.txt",)), source, pythons=HERE)[1]
    assert all_young.as_of.year == 2021
    assert all_young.requirements == old.requirements, "not even where everything is as young as Python"
    of_its_time = tree(2022, requirements__txt=b"pytest==6.2.1\n")
    young = candidates(Inference(requirement_files=("requirements.txt",)), of_its_time, pythons=HERE)[0]
    assert "pytest==6.2.1" in young.requirements


def test_where_python_is_younger_than_the_commit_the_second_try_is_of_its_day() -> None:
    found = candidates(Inference(), tree(2015), pythons=HERE)
    assert [candidate.python for candidate in found[:2]] == ["3.9", "3.9"]
    assert found[0].as_of.year == 2015
    assert found[1].as_of.year == 2021
    assert len(found) <= MOST
    assert len(set(map(repr, found))) == len(found)


def test_what_was_uploaded_again_is_no_reason_for_a_second_try() -> None:
    found = candidates(Inference(), tree(2022), pythons=("3.9",))
    assert found[0].lifted["atomicwrites"] == datetime(2022, 7, 9, tzinfo=UTC)
    assert [candidate.as_of.year for candidate in found] == [2022]


def test_shedding_ends_with_the_bare_project() -> None:
    source = tree(2021, requirements__txt=b"a==1\nb\n")
    inference = Inference(requirement_files=("requirements.txt",), extras=("test",))
    candidate = candidates(inference, source, pythons=HERE)[0]
    seen = []
    left = shed(candidate, blamed="B")
    while left is not None:
        seen.append(left)
        left = shed(left)
    assert all("b" not in later.requirements for later in seen)
    assert seen[-1].requirements == ("pip", "setuptools", "wheel", "pytest")
    assert seen[-1].extras == ()
    assert len({repr(later) for later in seen}) == len(seen)


def test_big_compiled_packages_are_never_built_where_python_is_younger_but_the_repository_itself_may_be_one() -> None:
    source = replace(tree(2015), paths=("setup.py", "src/PIL/__init__.py", "scipy/__init__.py"))
    old = candidates(Inference(), source, pythons=HERE)[0]
    assert {"numpy", "pandas"} <= set(old.only_binary)
    assert not {"scipy", "pillow"} & set(old.only_binary)
    assert old.lifted["pandas"] == old.lifted["python-dateutil"] == datetime(2021, 10, 5, tzinfo=UTC)
    assert candidates(Inference(), tree(2024), pythons=HERE)[0].only_binary == ()
