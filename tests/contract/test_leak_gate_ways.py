"""The leak gate on real repositories: a clean checkout passes, and whatever knows of the future does not."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from swemill.environment.leak_gate import Leak, LeakKind, Listed, Listing, RepositoryListing, leaks, read_listing
from swemill.errors import SandboxUnavailable
from swemill.stages import leak_gate
from tests.unit.git_work_tree import git, write
from tests.unit.leaking import LEAKS, Past, make_past
from tests.unit.local_sandbox import LocalSandbox

BASE = "b" * 40


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Past:
    return make_past(tmp_path_factory.mktemp("past"))


@pytest.fixture
def past(built: Past, tmp_path: Path) -> Past:
    """A checkout as a build leaves it, and the repository that knows how it went on."""
    shutil.copytree(built.checkout, tmp_path / "testbed", symlinks=True)
    return Past(checkout=tmp_path / "testbed", full=built.full, base=built.base, future=built.future)


def check(past: Past, *, timeout: float = 60, kept: Path | None = None, commit: str = "") -> tuple[Leak, ...]:
    sandbox = LocalSandbox(past.checkout, bin_folder=past.checkout / "no-programs")
    repositories = [str(kept), "."] if kept else ["."]
    search = [str(past.checkout.parent)]
    return leak_gate.check(sandbox, commit or past.base, timeout, repositories=repositories, search=search)


def kinds(found: tuple[Leak, ...]) -> set[LeakKind]:
    return {leak.kind for leak in found}


def test_a_checkout_of_the_snapshot_passes(past):
    assert check(past) == ()


def test_so_does_one_with_untracked_files_and_a_detached_head(past):
    write(past.checkout, {b"tool.egg-info/PKG-INFO": b"Name: tool\n", b"\xff\n": b"odd"})
    (past.checkout / ".git" / "info").mkdir(exist_ok=True)
    (past.checkout / ".git" / "info" / "exclude").write_text("/tool.egg-info/\n")
    (past.checkout / ".git" / "HEAD").write_text(past.base + "\n")
    assert check(past) == ()


@pytest.mark.parametrize("name", LEAKS)
def test_what_knows_of_the_future_is_found(name: str, past: Past):
    kind, leak = LEAKS[name]
    leak(past)
    found = check(past)
    assert kind in kinds(found), found


def test_ancestors_of_the_base_commit_are_no_leak(past):
    shutil.rmtree(past.checkout)
    git(past.checkout.parent, "clone", "-q", "--no-local", "--no-tags", str(past.full), "testbed")
    git(past.checkout, "reset", "-q", "--hard", past.base)
    git(past.checkout, "remote", "remove", "origin")
    git(past.checkout, "reflog", "expire", "--expire=now", "--all")
    git(past.checkout, "gc", "-q", "--prune=now")
    for name in ("ORIG_HEAD", "FETCH_HEAD", "objects/info/commit-graph", "info/refs"):
        (past.checkout / ".git" / name).unlink(missing_ok=True)
    (past.checkout / ".git" / "packed-refs").write_text("")
    (past.checkout / ".git" / "refs" / "heads" / "main").write_text(past.base + "\n")
    assert check(past) == ()
    parent = git(past.full, "rev-parse", f"{past.base}^").decode().strip()
    assert {LeakKind.OBJECT, LeakKind.REFERENCE} <= kinds(check(past, commit=parent))


def test_a_base_commit_that_is_not_there_cannot_be_listed(past):
    assert LeakKind.UNLISTABLE in kinds(check(past, commit=past.future))


@dataclass
class Written:
    """What attributes make of a blob when it is checked out."""

    attributes: str
    blob: bytes
    file: bytes


@pytest.mark.parametrize(
    "written",
    [
        Written("*.dat text eol=crlf\n", b"one\ntwo\n", b"one\r\ntwo\r\n"),
        Written("*.dat ident\n", b"$Id$\n", b"$Id: 45b983be36b73c0788dc9cbcb76cbb80fc7bb057 $\n"),
        Written("*.dat text working-tree-encoding=UTF-16LE\n", b"one\n", "one\n".encode("utf-16-le")),
    ],
    ids=lambda written: written.attributes.split()[1],
)
def test_a_file_that_attributes_write_otherwise_is_unchanged(written, tmp_path):
    tree = tmp_path / "testbed"
    tree.mkdir()
    write(tree, {b".gitattributes": written.attributes.encode(), b"a.dat": written.file, b"kept.py": b"1\n"})
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "base")
    assert git(tree, "cat-file", "blob", "HEAD:a.dat") == written.blob
    git(tree, "reflog", "expire", "--expire=now", "--all")
    (tree / ".git" / "COMMIT_EDITMSG").unlink()
    base = git(tree, "rev-parse", "HEAD").decode().strip()
    past = Past(checkout=tree, full=tree, base=base, future=base)
    assert check(past) == ()
    (tree / "a.dat").write_bytes(written.file + b"more")
    assert [(leak.kind, leak.detail) for leak in check(past)] == [(LeakKind.TREE, "a.dat")]


def test_repositories_among_the_base_commits_own_files_are_its_own(past, tmp_path):
    # A tool that is about git keeps bare repositories and packs as test data.
    tree = tmp_path / "other"
    git(tmp_path, "clone", "-q", "--bare", "--no-local", str(past.full), str(tree / "tests" / "data" / "bare"))
    snapshot_pack = next((tree / "tests" / "data" / "bare" / "objects" / "pack").glob("*.pack"))
    shutil.copy(snapshot_pack, tree / "tests" / "data" / "some.bin")
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "base")
    git(tree, "reflog", "expire", "--expire=now", "--all")
    (tree / ".git" / "COMMIT_EDITMSG").unlink()
    base = git(tree, "rev-parse", "HEAD").decode().strip()
    shutil.rmtree(past.checkout)
    shutil.move(tree, past.checkout)
    own = Past(checkout=past.checkout, full=past.full, base=base, future=past.future)
    assert check(own) == ()
    (past.checkout / "tests" / "data" / "bare" / "refs" / "new").write_text(past.future)
    assert kinds(check(own)) == {LeakKind.REPOSITORY}


def test_the_copy_in_the_work_folder_is_looked_at_where_it_differs(past, tmp_path):
    kept = tmp_path / "kept"
    shutil.copytree(past.checkout, kept, symlinks=True)
    assert check(past, kept=kept) == ()
    (past.checkout / ".git" / "FETCH_HEAD").write_text(past.future)
    assert kinds(check(past, kept=kept)) == {LeakKind.OPERATION}


def test_neither_the_repositorys_settings_nor_its_programs_are_obeyed(past, tmp_path):
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\nexec cat\n")
    trap.chmod(0o755)
    for name in ("git", "python3", "cat", "head"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        shutil.copy(trap, tmp_path / "bin" / name)
    write(
        past.checkout, {b".git/info/attributes": b"* filter=x diff=x\n", b".git/hooks/post-checkout": b"#!/bin/false\n"}
    )
    for key in (
        "core.fsmonitor",
        "filter.x.clean",
        "filter.x.process",
        "diff.x.textconv",
        "alias.rev-list",
        "core.pager",
    ):
        git(past.checkout, "config", key, str(trap))
    (past.checkout / "a.py").write_text("changed\n")
    sandbox = LocalSandbox(past.checkout, bin_folder=tmp_path / "bin")
    found = leak_gate.check(sandbox, past.base, 60, repositories=["."], search=[])
    assert [(leak.kind, leak.detail) for leak in found] == [(LeakKind.TREE, "a.py")]
    assert not sprung.exists()


def test_pipes_that_never_end_are_not_read(past):
    for name in ("a.py", "pipe", "tests/HEAD"):
        path = past.checkout / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    assert [(leak.kind, leak.detail) for leak in check(past, timeout=30)] == [(LeakKind.TREE, "a.py")]


@pytest.mark.parametrize("name", ["index", "shallow", "FETCH_HEAD", "objects/ab/" + "c" * 38])
def test_a_pipe_in_the_git_folder_is_a_leak_of_its_own(name, past):
    path = past.checkout / ".git" / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    assert f".git/{name}" in {leak.detail for leak in check(past, timeout=30)}


def test_no_checkout_at_all(tmp_path):
    (tmp_path / "testbed").mkdir()
    past = Past(checkout=tmp_path / "testbed", full=tmp_path, base=BASE, future=BASE)
    assert kinds(check(past)) == {LeakKind.UNLISTABLE}


def test_a_listing_that_takes_too_long_is_a_leak(past):
    assert kinds(check(past, timeout=0.01)) == {LeakKind.UNLISTABLE}


def test_an_image_without_python_is_infrastructure(past, monkeypatch):
    monkeypatch.setattr(leak_gate, "_ENVIRONMENT", {**leak_gate._ENVIRONMENT, "PATH": "/nowhere"})

    class Shell(LocalSandbox):
        def run(self, command, **more):
            return super().run(["/bin/sh", "-c", 'exec "$@"', "sh", *command], **more)

    with pytest.raises(SandboxUnavailable, match="python3"):
        leak_gate.check(Shell(past.checkout, bin_folder=past.checkout), past.base, 30)


def listing(head: str = "ref: refs/heads/main", **lists: list) -> Listing:
    items = {"refs": [["refs/heads/main", BASE]], **lists}
    counts = {name: len(found) for name, found in items.items()}
    return Listing(repositories=(RepositoryListing(path="/testbed", head=head, items=items, counts=counts),))


@pytest.mark.parametrize(
    "told, kind",
    [
        (listing(head="ref: refs/heads/other"), LeakKind.REFERENCE),
        (listing(head="c" * 40), LeakKind.REFERENCE),
        (listing(head=""), LeakKind.REFERENCE),
        (listing(refs=[["refs/heads/main", "c" * 40]]), LeakKind.REFERENCE),
        (listing(unusual=["modules/lib"]), LeakKind.SUBMODULE),
        (listing(unusual=["lfs/objects/ab"]), LeakKind.STRAY),
        (listing(settings=[["includeif.gitdir:/x.path", "more"]]), LeakKind.SETTING),
        (listing(settings=[["extensions.partialclone", "origin"]]), LeakKind.SETTING),
        (listing(settings=[["url.https://x/.insteadof", "y"]]), LeakKind.REMOTE),
        (Listing(repositories=()), LeakKind.UNLISTABLE),
    ],
)
def test_the_verdict_on_a_listing(told: Listing, kind: LeakKind):
    assert kind in kinds(leaks(told, BASE))


def test_settings_of_no_other_place_are_no_leak():
    usual = [["core.bare", "false"], ["core.hookspath", "x"], ["filter.lfs.clean", "git-lfs clean"]]
    assert leaks(listing(settings=usual), BASE) == ()
    assert leaks(listing(head=BASE), BASE) == ()


def test_what_was_only_counted_counts():
    quiet = RepositoryListing(path="/t", head=BASE, items={"settings": []}, counts={"settings": 3})
    assert [leak.detail for leak in leaks(Listing(repositories=(quiet,)), BASE)] == ["and 3 more settings"]
    many = Listed(items={"files": [["pack", "/x"]]}, counts={"files": 9})
    found = leaks(Listing(repositories=(RepositoryListing(path="/t", head=BASE),), elsewhere=many), BASE)
    assert [leak.detail for leak in found] == ["pack /x", "and 8 more files"]


def test_a_detail_is_printable_and_short():
    (found,) = leaks(listing(unusual=["\x1b[2J" + "x" * 500 + "\udcff"]), BASE)
    assert found.detail.isprintable()
    assert len(found.detail) <= 200


@pytest.mark.parametrize("answer", [b"", b"\n", b"Traceback", b"{}", b'{"repositories": [{}], "elsewhere": {}}'])
def test_what_is_no_listing_is_refused(answer: bytes):
    with pytest.raises(ValueError):
        read_listing(answer)


def test_words_before_the_listing_do_not_matter():
    answer = json.dumps({"repositories": [], "elsewhere": {"items": {}, "counts": {}}}).encode()
    assert read_listing(b"warning: odd\n\n" + answer + b"\n") == Listing(repositories=())


def test_the_texts_are_of_a_python_that_old_images_have():
    import ast

    from swemill.environment.leak_gate import texts

    for name, text in json.loads(texts()):
        ast.parse(text, name, feature_version=(3, 6))
