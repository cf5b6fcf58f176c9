"""Splitting and sanitising diffs: what real git prints must come through whole, what hides in a patch must not."""

import os
from pathlib import Path

import pytest

from swemill.adapters.git_mirror import GitMirror
from swemill.patches import (
    BadPatch,
    Problem,
    changed_paths,
    is_documentation,
    is_test_config,
    is_test_path,
    sanitise,
    sections,
    shown,
    split,
)
from tests.unit.git_work_tree import git, write


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_a.py",
        "pkg/tests/data/big.json",
        "Tests/test_image.py",
        "t/unit/worker.py",
        "testing/helper.py",
        "src/pkg/test_a.py",
        "pkg/a_test.py",
        "conftest.py",
        "sub/conftest.py",
        "tests.py",
        "integration_tests/run.sh",
        "test-data/x.bin",
        "web/app.test.js",
        "web/app.spec.ts",
    ],
)
def test_counts_as_test(path: str) -> None:
    assert is_test_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "latest/news.py",
        "contest.py",
        "src/contest/main.py",
        "attestation/verify.py",
        "fastest.py",
        "pkg/testing.py",
        "protest/tea.py",
        "src/pytest_plugin/core.py",
        "test-requirements.txt",
        "requirements_test.txt",
        "t.py",
        "greatest_common.py",
    ],
)
def test_does_not_count_as_test(path: str) -> None:
    assert not is_test_path(path)


def test_test_configuration_is_known_wherever_it_lies() -> None:
    assert all(map(is_test_config, ["conftest.py", "a/b/conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "x.pth"]))
    assert not any(map(is_test_config, ["src/config.py", "setup.py", "myconftest.py"]))


def test_documentation_is_told_from_code() -> None:
    assert all(map(is_documentation, ["README.md", "docs/conf.py", "CHANGES.txt", "NEWS", "changelog.d/1.rst"]))
    assert not any(map(is_documentation, ["requirements.txt", "src/docs/x.py", "newsletter.py", "setup.cfg"]))


# --- against real git ------------------------------------------------------------------------------------------------


def commit(where: Path) -> str:
    git(where, "add", "-A")
    git(where, "commit", "-q", "--allow-empty", "-m", "x")
    return git(where, "rev-parse", "HEAD").decode().strip()


OLD: dict[bytes, bytes] = {
    b"src/a.py": b"one\ntwo\nthree\n",
    b"src/crlf.py": b"a\r\nb\r\nc\r\n",
    b"src/mixed.txt": b"a\r\nb\nc\rd\n",
    b"src/no_newline": b"last line without end",
    b"src/gone.py": b"bye\n",
    b"src/moved.py": b"".join(b"line %d\n" % n for n in range(50)),
    b"src/image.bin": bytes(range(256)) * 8,
    b"src/with space.py": b"x\n",
    b"src/tab\there.py": b"x\n",
    "src/größe.py".encode(): b"x\n",
    b"src/latin\xe9.py": b"caf\xe9\n",
    b'src/quo"te\\.py': b"x\n",
    b"src/run.sh": b"#!/bin/sh\n",
    b"src/empty.py": b"",
    b"src/diff.txt": b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n",
    b"tests/test_a.py": b"def test(): pass\n",
    b"tests/data/crlf.txt": b"1\r\n2\r\n",
}
CHANGES: dict[str, dict[bytes, bytes | None]] = {
    "text": {b"src/a.py": b"one\n2\nthree\nfour\n", b"tests/test_a.py": b"def test(): assert 1\n"},
    "carriage returns": {b"src/crlf.py": b"a\r\nB\r\nc\n", b"src/mixed.txt": b"a\nb\r\nc\r\rd\n"},
    "no newline": {b"src/no_newline": b"other", b"src/a.py": b"one\ntwo\nthree"},
    "new newline": {b"src/no_newline": b"last line without end\n"},
    "binary": {b"src/image.bin": bytes(reversed(range(256))) * 8, b"tests/data/new.bin": b"\0\1\2" * 999},
    "deleted and added": {b"src/gone.py": None, b"src/new/deep/file.py": b"hi\n", b"src/new/empty": b""},
    "renamed": {b"src/moved.py": None, b"src/elsewhere.py": OLD[b"src/moved.py"] + b"more\n"},
    "moved into tests": {b"src/moved.py": None, b"tests/test_moved.py": OLD[b"src/moved.py"]},
    "names": {
        b"src/with space.py": b"y\n",
        b"src/tab\there.py": b"y\n",
        "src/größe.py".encode(): b"y\n",
        b"src/latin\xe9.py": b"caf\xe8\n",
        b'src/quo"te\\.py': b"y\n",
        b"tests/\xff.bin": b"\0",
        b"src/ leading b/x.py": b"z\n",
    },
    "emptied": {b"src/a.py": b"", b"src/empty.py": b"no more\n"},
    "a diff inside": {b"src/diff.txt": b"diff --git a/y b/y\n--- a/y\n+++ b/y\n-- x\n++ y\n@@ -1 +1 @@\n"},
    "file becomes folder": {b"src/gone.py": None, b"src/gone.py/inside.py": b"x\n"},
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main", "work")
    root = tmp_path / "work"
    write(root, dict(OLD))
    (root / "src" / "link").symlink_to("a.py")
    commit(root)
    return root


def apply(root: Path, patch: bytes) -> None:
    if patch:
        git(root, "apply", "--whitespace=nowarn", "-", stdin=patch)


@pytest.mark.parametrize("name", [*CHANGES, "modes", "everything"])
def test_both_parts_applied_give_the_head_tree(work: Path, name: str) -> None:
    base = git(work, "rev-parse", "HEAD").decode().strip()
    if name == "everything":
        for part in ("text", "carriage returns", "binary", "renamed", "names"):
            write(work, CHANGES[part])
    elif name in CHANGES:
        write(work, CHANGES[name])
    if name in ("modes", "everything"):
        (work / "src" / "run.sh").chmod(0o755)
        (work / "src" / "link").unlink()
        (work / "src" / "link").symlink_to("run.sh")
        (work / "src" / "empty.py").unlink()
        (work / "src" / "empty.py").symlink_to("a.py")  # a change of type: two sections of one path
    head = commit(work)
    diff = GitMirror(work / ".git").diff(base, head)
    parts = split(diff)

    assert b"".join(section.data for section in sections(diff)) == diff
    assert len(parts.patch) + len(parts.test_patch) == len(diff)
    for order in (parts, reversed(parts)):
        git(work, "checkout", "-q", "--detach", base)
        git(work, "clean", "-fdxq")
        for part in order:
            apply(work, part)
        git(work, "add", "-A")
        assert git(work, "write-tree").strip() == git(work, "rev-parse", f"{head}^{{tree}}").strip()
        git(work, "reset", "-q", "--hard")


def test_paths_come_back_as_they_are(work: Path) -> None:
    base = git(work, "rev-parse", "HEAD").decode().strip()
    write(work, CHANGES["names"])
    diff = GitMirror(work / ".git").diff(base, commit(work))
    assert {os.fsencode(path) for path in changed_paths(diff)} == set(CHANGES["names"])
    assert shown(os.fsdecode(b"caf\xe9\0")) == "caf\\xe9\\0"


def test_a_rename_in_a_foreign_diff_is_one_section_with_both_names(work: Path) -> None:
    git(work, "mv", "src/moved.py", "tests/test_moved.py")
    git(work, "mv", "src/with space.py", "src/other space.py")
    diff = git(work, "diff", "--binary", "-M", "HEAD")
    assert [section.paths for section in sections(diff)] == [
        ("src/with space.py", "src/other space.py"),
        ("src/moved.py", "tests/test_moved.py"),
    ]
    assert b"rename to tests/test_moved.py" in split(diff).test_patch
    # either name protects
    assert sanitise(diff, ["src/moved.py"]).dropped == ("src/moved.py",)
    assert sanitise(diff, ["tests/test_moved.py"]).patch == sections(diff)[0].data


def test_mode_change_alone_and_empty_file_have_paths(work: Path) -> None:
    (work / "src" / "run.sh").chmod(0o755)
    (work / "src" / "new empty").touch()
    base = git(work, "rev-parse", "HEAD").decode().strip()
    diff = GitMirror(work / ".git").diff(base, commit(work))
    assert changed_paths(diff) == ("src/new empty", "src/run.sh")


# --- what must not slip through --------------------------------------------------------------------------------------

HUNK = b"@@ -1 +1 @@\n-a\n+b\n"


def section(path: bytes, body: bytes = HUNK) -> bytes:
    return b"diff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n%s" % (path, path, path, path, body)


def test_sanitise_takes_out_protected_paths_and_keeps_the_rest() -> None:
    patch = section(b"src/a.py") + section(b"tests/test_a.py") + section(b"ConfTest.py")
    cleaned = sanitise(patch, ["conftest.py", "tests/test_a.py"])
    assert cleaned.patch == section(b"src/a.py")
    assert cleaned.dropped == ("tests/test_a.py", "ConfTest.py")
    assert sanitise(patch, is_test_path).dropped == ("tests/test_a.py", "ConfTest.py")


@pytest.mark.parametrize(
    "path", [b"../x", b"a/../../x", b"/etc/passwd", b".git/config", b"sub/.GIT/hooks/x", b"a//b", b"./x"]
)
def test_escapes_are_refused(path: bytes) -> None:
    with pytest.raises(BadPatch) as caught:
        sections(section(path))
    assert caught.value.problem is Problem.ESCAPES


def test_an_escape_in_a_rename_is_refused() -> None:
    patch = b"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to ../../y\n"
    with pytest.raises(BadPatch) as caught:
        sections(patch)
    assert caught.value.problem is Problem.ESCAPES


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(
            section(b"src/a.py") + b"--- a/conftest.py\n+++ b/conftest.py\n" + HUNK, id="old form behind a hunk"
        ),
        pytest.param(b"--- a/conftest.py\n+++ b/conftest.py\n" + HUNK, id="old form alone"),
        pytest.param(b"\n--- a/conftest.py\n+++ b/conftest.py\n" + HUNK + section(b"a"), id="old form in front"),
        pytest.param(section(b"a", b"@@ -1,2 +1,2 @@\n-a\n+b\n"), id="hunk cut short"),
        pytest.param(section(b"a", b"@@ -1 +1 @@\n-a\n-b\n+c\n"), id="hunk too long"),
        pytest.param(section(b"a", b""), id="no hunk"),
        pytest.param(section(b"a", b"@@ x @@\n"), id="bad hunk header"),
        pytest.param(b"diff --git a/x b/y\nold mode 100644\nnew mode 100755\n", id="two names and no rename"),
        pytest.param(b'diff --git "a/x b/x\n--- "a/x\n+++ b/x\n' + HUNK, id="unbalanced quotes"),
        pytest.param(b"I fixed it!\n" + section(b"a"), id="prose"),
        pytest.param(b"diff --git a/x b/x\nindex 1..2\nGIT binary patch\n", id="binary without data"),
        pytest.param(b"diff --git a/x b/x\nBinary files a/x and b/x differ\n", id="binary left out"),
    ],
)
def test_malformed_patches_are_refused(patch: bytes) -> None:
    with pytest.raises(BadPatch) as caught:
        sanitise(patch, ["conftest.py"])
    assert caught.value.problem is Problem.MALFORMED


def test_names_that_disagree_all_count() -> None:
    patch = b"diff --git a/x b/x\n--- a/src/a.py\n+++ b/conftest.py\n" + HUNK
    assert sanitise(patch, ["conftest.py"]).patch == b""


def test_nothing_is_a_patch_of_nothing() -> None:
    assert split(b"") == (b"", b"")
    assert sanitise(b"\n\n", []) == (b"", ())
