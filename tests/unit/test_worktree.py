"""Restoring tests and applying patches in a real repository, whatever state somebody left it in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from swemill.errors import SandboxUnavailable
from swemill.stages.worktree import apply, files, protection, restore, untracked
from tests.unit.local_sandbox import LocalEngine, LocalSandbox
from tests.unit.shapes_of_repositories import BASE, FIXED, Repository, spec


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository", {**BASE, "tests/data/[a].txt": "x", "tests/é b.py": "y"})


@pytest.fixture
def sandbox(repository: Repository) -> Iterator[LocalSandbox]:
    with LocalEngine(repository.root, repository.root.parent / "work").start(spec()) as sandbox:
        yield sandbox


def test_restore_undoes_all_that_touches_tests_and_nothing_else(repository: Repository, sandbox: LocalSandbox) -> None:
    root = sandbox.root
    (root / "ignored").mkdir()
    (root / "ignored/conftest.py").write_text("of the image")
    known = untracked(sandbox)
    for name in ("tests/test_calc.py", "setup.cfg", "calc.py", "tests/data/[a].txt", "tests/é b.py"):
        (root / name).write_text("changed")
    (root / "tests/conftest.py").unlink()
    (root / "ignored/deep").mkdir()
    for name in ("conftest.py", "pytest.ini", "tests/new.py", "ignored/deep/conftest.py", "mine.py", "x.pth"):
        (root / name).write_text("added")

    restore(sandbox, repository.commit, protection(b""), known=known)

    for name in ("tests/test_calc.py", "setup.cfg", "tests/conftest.py"):
        assert (root / name).read_text() == BASE[name]
    assert (root / "tests/data/[a].txt").read_text() == "x"
    assert (root / "tests/é b.py").read_text() == "y"
    assert (root / "calc.py").read_text() == "changed"
    assert untracked(sandbox) == {"mine.py", "ignored/conftest.py"}


def test_what_the_test_patch_names_is_protected_whatever_its_name(repository: Repository) -> None:
    protected = protection(repository.diff({"calc.py": FIXED}))
    assert protected("calc.py")
    assert not protected("other.py")


def test_apply_is_all_or_nothing(repository: Repository, sandbox: LocalSandbox) -> None:
    patch = repository.diff({"calc.py": FIXED, "setup.cfg": "[other]\n"})
    (sandbox.root / "setup.cfg").write_text("[elsewhere]\n")
    words = apply(sandbox, patch)
    assert words is not None
    assert "setup.cfg" in words
    assert "/tmp" not in words
    assert (sandbox.root / "calc.py").read_text() == BASE["calc.py"]


def test_asking_whether_a_patch_applies_changes_nothing(repository: Repository, sandbox: LocalSandbox) -> None:
    patch = repository.diff({"calc.py": FIXED})
    assert apply(sandbox, patch, check_only=True) is None
    assert (sandbox.root / "calc.py").read_text() == BASE["calc.py"]
    assert apply(sandbox, patch) is None
    assert (sandbox.root / "calc.py").read_text() == FIXED


def test_a_binary_patch_applies(repository: Repository, sandbox: LocalSandbox) -> None:
    (repository.root / "blob.bin").write_bytes(bytes(range(256)))
    patch = repository.diff({})
    assert apply(sandbox, patch) is None
    assert (sandbox.root / "blob.bin").read_bytes() == bytes(range(256))


def test_files_lists_every_name_as_it_is(sandbox: LocalSandbox) -> None:
    assert files(sandbox) == {*BASE, "tests/data/[a].txt", "tests/é b.py"}


def test_a_folder_without_its_repository_is_not_the_patchs_fault(repository: Repository, sandbox: LocalSandbox) -> None:
    shutil.rmtree(sandbox.root / ".git")
    with pytest.raises(SandboxUnavailable, match="build it again"):
        restore(sandbox, repository.commit, protection(b""))
