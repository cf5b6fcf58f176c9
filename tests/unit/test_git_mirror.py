"""The hardened reader of bare repositories: what a snapshot holds, and what a hostile mirror cannot do."""

import io
import tarfile
from pathlib import Path

import pytest

from swemill.adapters.git_command import BrokenRepository, OutputTooLarge
from swemill.adapters.git_mirror import GitMirror
from swemill.errors import DiskFull, ForgeUnavailable
from tests.unit.git_work_tree import WorkTree, git


@pytest.fixture
def tree(tmp_path: Path) -> WorkTree:
    tree = WorkTree(tmp_path / "work")
    tree.commit("first", a="1\n")
    tree.git("tag", "v1")
    tree.commit("second\n\nwith a body: käse", a="2\n", tests__test_a="x\n")
    tree.commit("third", a="3\n")
    return tree


@pytest.fixture
def mirror(tree: WorkTree, tmp_path: Path) -> GitMirror:
    return GitMirror(tree.mirror(tmp_path / "m.git"))


def unpack(snapshot: bytes, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(snapshot)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "repo.git"


def test_a_snapshot_holds_one_commit_and_nothing_else(mirror: GitMirror, tmp_path: Path) -> None:
    second = mirror.resolve("HEAD~1")
    assert second is not None
    repo = unpack(mirror.snapshot(second), tmp_path / "out")
    assert git(repo, "rev-parse", "HEAD", "refs/heads/main").decode().split() == [second, second]
    assert git(repo, "rev-list", "--all").decode().split() == [second]
    objects = git(repo, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").decode().split()
    assert len(objects) == 5  # the commit, two trees, two files
    assert git(repo, "remote") == git(repo, "tag") == b""
    assert not (repo / "logs").exists()
    git(repo, "fsck", "--strict")
    git(repo, "clone", "-q", ".", str(tmp_path / "checkout"))
    assert (tmp_path / "checkout" / "a.py").read_text() == "2\n"


def test_a_snapshot_has_the_same_bytes_from_any_mirror(mirror: GitMirror, tree: WorkTree, tmp_path: Path) -> None:
    first = mirror.resolve("refs/tags/v1")
    assert first is not None
    once = mirror.snapshot(first)
    tree.commit("later", a="4\n")
    other = GitMirror(tree.mirror(tmp_path / "other.git"))
    git(other.path, "repack", "-adq", "--depth=50", "--window=50")
    assert other.snapshot(first) == once == mirror.snapshot(first)


def test_a_commit_is_read_as_it_is(mirror: GitMirror) -> None:
    third, second, first = mirror.log("HEAD")
    assert second.message == "second\n\nwith a body: käse"
    assert third.parents == (second.oid,)
    assert first.parents == ()
    assert second.committed_at > first.committed_at
    assert mirror.commit(second.oid) == second
    assert mirror.merge_base(first.oid, third.oid) == first.oid
    assert mirror.is_ancestor(first.oid, third.oid)
    assert not mirror.is_ancestor(third.oid, first.oid)
    assert mirror.files(third.oid) == ("a.py", "tests/test_a.py")
    assert mirror.read(third.oid, "a.py") == b"3\n"
    assert mirror.default_branch() == "main"


@pytest.mark.parametrize(
    "author, year",
    [
        (b"A <a@localhost> 1704067200", 2024),
        (b"A > B <a@localhost> 1704067200 +9999999", 2024),
        (b"A <a@localhost> -1 +0000", 1970),
        (b"A <a@localhost> " + b"9" * 5000 + b" +0000", 1970),
        (b"A <a@localhost> 999999999999999 +0000", 9999),
        (b"A <a@localhost>", 1970),
        (b"A", 1970),
        (b"", 1970),
    ],
)
def test_a_commit_whose_dates_are_no_dates_is_read(mirror: GitMirror, author: bytes, year: int) -> None:
    (third, *_) = mirror.log("HEAD")
    record = b"tree %s\nauthor %s\ncommitter %s\n\nodd\n" % (third.tree.encode(), author, author)
    oid = git(mirror.path, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=record).decode().strip()
    odd = mirror.commit(oid)
    assert (odd.tree, odd.message, odd.authored_at.year, odd.committed_at.year) == (third.tree, "odd", year, year)


def test_many_commits_and_contents_are_read_at_once(mirror: GitMirror) -> None:
    third, second, first = mirror.log("HEAD")
    fresh = GitMirror(mirror.path)
    assert fresh.load(iter([third.oid, "0" * 40, "HEAD", first.oid, third.oid])) == [third, first]
    assert fresh.exists(third.oid)
    assert fresh.commit(first.oid) == first
    (entry,) = mirror.entries(second.oid, third.oid)
    assert (entry.path, entry.old_mode, entry.new_mode) == ("a.py", 0o100644, 0o100644)
    assert mirror.blobs([*entry.blobs, "0" * 40], limit=2) == {entry.old: b"2\n", entry.new: b"3\n"}
    assert mirror.blobs(entry.blobs, limit=1) == {}
    assert mirror.sizes([]) == mirror.blobs([], limit=1) == {}
    assert mirror.sizes([entry.new, third.oid]).keys() == {entry.new, third.oid}
    added = mirror.entries(first.oid, second.oid)[-1]
    assert (added.path, added.old_mode, added.blobs) == ("tests/test_a.py", 0, (added.new,))


@pytest.mark.parametrize("oid", ["", "HEAD", "--all", "0" * 40, "Z" * 40, "v1"])
def test_only_full_ids_of_present_commits_exist(mirror: GitMirror, oid: str) -> None:
    assert not mirror.exists(oid)


def test_a_mirror_with_hostile_configuration_runs_nothing(mirror: GitMirror, tmp_path: Path) -> None:
    third, second, *_ = mirror.log("HEAD")
    clean = mirror.diff(second.oid, third.oid)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for name, value in {
        "core.fsmonitor": trap,
        "core.pager": trap,
        "core.sshCommand": trap,
        "core.hooksPath": tmp_path,
        "diff.external": trap,
        "diff.x.command": trap,
        "diff.x.textconv": trap,
        "diff.noprefix": "true",
        "diff.context": "0",
        "diff.suppressBlankEmpty": "true",
        "log.showSignature": "true",
        "gpg.program": trap,
        "core.alternateRefsCommand": trap,
        "uploadpack.packObjectsHook": trap,
        "extensions.partialClone": "evil",
        "remote.evil.url": str(mirror.path),
        "remote.evil.promisor": "true",
        "remote.evil.uploadpack": trap,
    }.items():
        git(mirror.path, "config", name, str(value))
    (mirror.path / "info").mkdir(exist_ok=True)
    (mirror.path / "info" / "attributes").write_text("* diff=x\n")
    assert mirror.diff(second.oid, third.oid) == clean
    mirror.snapshot(third.oid)
    assert mirror.trouble() is None
    assert not mirror.exists("1" * 40)  # a missing object must not be fetched from the promisor
    with pytest.raises(BrokenRepository):
        mirror.snapshot("1" * 40)
    assert not (tmp_path / "sprung").exists()


def test_trouble_is_named(mirror: GitMirror, tmp_path: Path) -> None:
    assert mirror.trouble() is None
    (tmp_path / "empty.git").mkdir()
    assert "HEAD is missing" in (GitMirror(tmp_path / "empty.git").trouble() or "")
    for pack in (mirror.path / "objects").rglob("*"):
        if pack.is_file():
            pack.unlink()
    assert "copied only in part" in (mirror.trouble() or "")
    with pytest.raises(BrokenRepository):
        mirror.snapshot(git(tmp_path / "work", "rev-parse", "HEAD").decode().strip())


def test_output_and_time_are_limited(mirror: GitMirror) -> None:
    third, second, *_ = mirror.log("HEAD")
    with pytest.raises(OutputTooLarge, match="more than 10 bytes"):
        mirror.diff(second.oid, third.oid, limit=10)
    with pytest.raises(ForgeUnavailable, match=r"more than 0 seconds"):
        GitMirror(mirror.path, timeout=0).run("cat-file", "--batch-all-objects", "--batch", "--unordered")


def test_long_complaints_keep_both_ends(mirror: GitMirror) -> None:
    complaint = "!{ echo first; seq 100000; echo fatal: last; } >&2; exit 1"
    with pytest.raises(BrokenRepository, match=r"first.*\.\.\..*fatal: last$") as raised:
        mirror.run("-c", f"alias.complain={complaint}", "complain")
    assert len(str(raised.value)) < 8192


def test_a_full_disk_is_called_so(mirror: GitMirror) -> None:
    complaint = "!echo 'fatal: write error: No space left on device' >&2; exit 128"
    with pytest.raises(DiskFull, match="free some disk space"):
        mirror.run("-c", f"alias.complain={complaint}", "complain")


def test_unusual_files_are_left_out_of_a_diff_by_name_only(tree: WorkTree, tmp_path: Path) -> None:
    before = tree.git("rev-parse", "HEAD")
    (tree.root / "PKG-INFO").write_text("x\n")
    (tree.root / "sub").mkdir()
    (tree.root / "sub" / "PKG-INFO").write_text("x\n")
    after = tree.commit("info")
    diff = GitMirror(tree.mirror(tmp_path / "x.git")).diff(before, after, exclude=("PKG-INFO",))
    assert diff.count(b"diff --git") == 1
    assert b"sub/PKG-INFO" in diff
