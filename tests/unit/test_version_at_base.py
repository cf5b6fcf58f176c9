"""What is known of the software at a base commit: its version by tags and metadata, its licence, its configuration."""

from pathlib import Path

import pytest

from swemill.adapters.at_base import (
    CONFIGURATION_LIMIT,
    LICENCE_LIMIT,
    configuration_at,
    licence_at,
    swebench_version,
    version_at,
    wanted_at_base,
)
from swemill.adapters.git_mirror import GitMirror
from tests.unit.git_work_tree import WorkTree, write


@pytest.fixture
def tree(tmp_path: Path) -> WorkTree:
    tree = WorkTree(tmp_path / "work")
    tree.commit("start", a="1\n")
    return tree


def mirror_of(tree: WorkTree) -> GitMirror:
    return GitMirror(tree.root / ".git")


def add(tree: WorkTree, files: dict[bytes, bytes | None]) -> str:
    write(tree.root, files)
    return tree.commit("more")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v2.3.1", "2.3"),
        ("2.3", "2.3"),
        ("22.1.0rc1", "22.1"),
        ("V1.0-beta", "1.0"),
        ("release_1_4", "1.4"),
        ("release-1.4.2", "1.4"),
        ("pkg-v0.10.0", "0.10"),
        ("django1.2", "1.2"),
        ("4.0.0.dev0", "4.0"),
        ("v7", "7"),
        ("release-7", "7"),
        ("1!2.0", "2.0"),
        ("nightly", ""),
        ("py3", ""),
        ("9" * 250_000 + ".2", ""),
        ("", ""),
    ],
)
def test_a_version_is_shortened_as_swe_bench_does(text: str, version: str) -> None:
    assert swebench_version(text) == version


def test_the_nearest_tag_before_the_commit_counts(tree: WorkTree) -> None:
    tree.git("tag", "v1.1.0")
    between = tree.commit("between", a="2\n")
    tree.git("tag", "nightly")
    tree.commit("next", a="3\n")
    tree.git("tag", "-a", "-m", "release", "sub/v1.2.0")
    after = tree.commit("after", a="4\n")
    mirror = mirror_of(tree)
    assert version_at(mirror, between, {}) == "1.1"
    assert version_at(mirror, after, {"pyproject.toml": b'[project]\nversion = "9.9.9"\n'}) == "1.2"


@pytest.mark.parametrize(
    ("configuration", "version"),
    [
        ({"pyproject.toml": b'[project]\nversion = "3.1.4"\n'}, "3.1"),
        ({"pyproject.toml": b'[tool.poetry]\nversion = "3.1.4"\n'}, "3.1"),
        ({"pyproject.toml": b'[project]\ndynamic = ["version"]\n', "setup.cfg": b"[metadata]\nversion = 0.9\n"}, "0.9"),
        ({"setup.cfg": b"[metadata]\nversion = attr: pkg.__version__\n"}, ""),
        ({"pyproject.toml": b"\xff not toml", "setup.cfg": b"no section"}, ""),
        ({"pyproject.toml": b"[project]\nversion = 3\n"}, ""),
        ({"pyproject.toml": b"project = 1\ntool = 2\n"}, ""),
        ({"pyproject.toml": b"a = " + b"[" * 100_000}, ""),
        ({"pyproject.toml": b"a" + b".a" * 60_000 + b" = 1"}, ""),
        ({"setup.cfg": b"[metadata]\n = no key\n"}, ""),
        ({}, ""),
    ],
)
def test_without_a_tag_static_metadata_counts(tree: WorkTree, configuration: dict[str, bytes], version: str) -> None:
    assert version_at(mirror_of(tree), tree.git("rev-parse", "HEAD"), configuration) == version


def test_the_plainest_licence_at_the_root_counts(tree: WorkTree) -> None:
    add(tree, {b"docs/LICENSE": b"no", b"licences.py": b"no"})
    none = licence_at(mirror_of(tree), tree.git("rev-parse", "HEAD"))
    assert (none.path, none.text) == ("", b"")
    found = licence_at(mirror_of(tree), add(tree, {b"LICENSE-APACHE.txt": b"apache", b"COPYING": b"plain"}))
    assert (found.path, found.text) == ("COPYING", b"plain")


def test_what_is_no_plain_file_or_too_large_is_left_out(tree: WorkTree) -> None:
    add(tree, {b"LICENSE.md": b"small", b"LICENSE": b"x" * (LICENCE_LIMIT + 1)})
    (tree.root / "COPYING").symlink_to("/etc/passwd")
    (tree.root / "tox.ini").symlink_to("/etc/passwd")
    (tree.root / "setup.cfg").mkdir()
    base = add(
        tree, {b"setup.cfg/x": b"", b"pyproject.toml": b"y" * (CONFIGURATION_LIMIT + 1), b"pytest.ini": b"[x]\n"}
    )
    mirror = mirror_of(tree)
    assert licence_at(mirror, base).path == "LICENSE.md"
    assert configuration_at(mirror, base) == {"pytest.ini": b"[x]\n"}


def test_what_will_be_read_is_known_before(tree: WorkTree) -> None:
    base = add(tree, {b"LICENSE": b"l", b"tox.ini": b"t", b"sub/pytest.ini": b"no"})
    mirror = mirror_of(tree)
    assert set(mirror.blobs(wanted_at_base(mirror, base), limit=10).values()) == {b"l", b"t"}
