"""Requirement files as lists of what an index knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from swemill.environment.requirement_lines import plain, requirement_lines


@pytest.mark.parametrize(
    "line, read",
    [
        ("pytest", "pytest"),
        ("pytest >= 3.0 , < 5", "pytest<5,>=3.0"),
        ("requests[socks]==2.0 --hash=sha256:abc", "requests[socks]==2.0"),
        ('mock; python_version < "3.3"', 'mock; python_version < "3.3"'),
        ("git+https://example.org/a/b.git@main#egg=b_lib", "b_lib"),
        ("b @ https://example.org/b.tar.gz", "b"),
        ("https://example.org/b.tar.gz", None),
        (".", None),
        ("./vendored", None),
        ("..[test]", None),
        ("--index-url https://example.org", None),
        ("${PACKAGE}", None),
        ("old>=1.0.*", "old"),
        ("folder/file.whl", None),
    ],
)
def test_a_line_is_reduced_to_what_an_index_knows(line: str, read: str | None) -> None:
    assert plain(line) == read


def test_files_that_include_files_are_one_list() -> None:
    files = {
        "requirements/test.txt": b"# for tests\n-r base.txt\n-c ../constraints.txt\npytest # the runner\n-e .\n",
        "requirements/base.txt": b"six\\\n  >=1.0\n-r test.txt\n",
        "constraints.txt": b"six<2\n",
    }
    read = requirement_lines(files, ["requirements/test.txt"], more=["mock", "pytest"])
    assert read.requirements == ("six>=1.0", "pytest", "mock")
    assert read.constraints == ("six<2",)
    assert read.dropped == (".",) or read.dropped == ("-e .",)


def test_a_file_that_is_not_there_is_told() -> None:
    read = requirement_lines({}, ["requirements.txt"])
    assert read.requirements == ()
    assert "requirements.txt" in read.dropped[0]


def test_a_file_outside_is_not_there() -> None:
    read = requirement_lines({"etc/passwd": b"root"}, [], more=["-r ../../etc/passwd"])
    assert read.requirements == ()


@given(st.binary(max_size=400))
def test_whatever_a_file_holds_comes_out_as_requirements(content: bytes) -> None:
    read = requirement_lines({"r.txt": content}, ["r.txt"])
    for line in (*read.requirements, *read.constraints):
        Requirement(line)
        assert "\n" not in line
