"""Submodules of a repository on GitHub, over real HTTP: from where, with which credentials, and how much."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from swemill.adapters.github import submodule_clones as module
from swemill.adapters.github.git_fetch import NotOnServer, PackTooLarge, RepositoryGone
from swemill.adapters.github.submodule_clones import SubmoduleClones
from swemill.adapters.submodules import Place
from swemill.errors import ForgeUnavailable, SourceError
from swemill.values import RepositoryRecord
from tests.unit.git_server import GitServer, git_server
from tests.unit.git_work_tree import WorkTree


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "server").mkdir()
    with git_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def lib(tmp_path: Path, server: GitServer) -> WorkTree:
    tree = WorkTree(tmp_path / "lib")
    for number in range(3):
        tree.commit(f"state {number}", a=os.urandom(20_000).hex(), b=f"{number}\n")
    tree.mirror(server.root / "o" / "lib.git")
    tree.mirror(server.root / "p" / "lib.git")
    return tree


def clones(server: GitServer, tmp_path: Path, token: str | None = None) -> SubmoduleClones:
    home = RepositoryRecord(forge="github", name="was/named", location=f"{server.url}/O/demo.git")
    return SubmoduleClones(home, mirrors=tmp_path / "mirrors", ca_bundle=None, token=(lambda: token) if token else None)


def place(server: GitServer, name: str) -> Place:
    return Place(host=server.url.removeprefix("http://"), name=name)


def test_a_commit_comes_with_its_contents_and_alone(server: GitServer, lib: WorkTree, tmp_path: Path) -> None:
    newest, middle, _ = lib.git("rev-list", "HEAD").split()
    found = clones(server, tmp_path)
    for oid, text in ((middle, b"1\n"), (newest, b"2\n"), (middle, b"1\n")):
        clone = found.with_commit(place(server, "o/lib"), oid)
        assert clone.read(oid, "b.py") == text
        assert not clone.missing(file.oid for file in clone.tree(oid))
    listed = (
        clone.run("cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)").decode().split("\n")
    )
    assert {line for line in listed if line.startswith("commit")} == {f"commit {newest}", f"commit {middle}"}


def test_credentials_go_to_repositories_of_the_same_owner_only(
    server: GitServer, lib: WorkTree, tmp_path: Path
) -> None:
    oid = lib.git("rev-parse", "HEAD")
    found = clones(server, tmp_path, token="ghs_TOKEN")
    found.with_commit(place(server, "p/lib"), oid)
    assert not any(header for _, header in server.seen)
    server.seen.clear()
    found.with_commit(place(server, "o/lib"), oid)
    assert all(header for path, header in server.seen if path.startswith("/o/lib"))
    server.needs = "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX1RPS0VO"
    with pytest.raises(RepositoryGone):
        found.with_commit(place(server, "p/secret"), oid)


def test_no_other_host_is_asked(server: GitServer, lib: WorkTree, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="host"):
        clones(server, tmp_path).with_commit(Place(host="127.0.0.1", name="o/lib"), lib.git("rev-parse", "HEAD"))
    assert server.seen == []


def test_what_is_too_large_is_stopped_on_the_way_and_not_asked_for_again(
    server: GitServer, lib: WorkTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oid = lib.git("rev-parse", "HEAD")
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    with pytest.raises(PackTooLarge):
        clones(server, tmp_path).with_commit(place(server, "o/lib"), oid)
    assert not list((tmp_path / "mirrors").rglob("tmp_*"))
    server.seen.clear()
    with pytest.raises(PackTooLarge, match="known"):
        clones(server, tmp_path).with_commit(place(server, "o/lib"), oid)
    assert server.seen == []
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    assert clones(server, tmp_path).with_commit(place(server, "o/lib"), oid).read(oid, "b.py") == b"2\n"
    monkeypatch.setattr(module, "MOST_FILES", 1)
    with pytest.raises(SourceError, match="2 files"):
        clones(server, tmp_path).with_commit(place(server, "o/lib"), oid)


def test_lasting_and_passing_trouble_are_told_apart(server: GitServer, lib: WorkTree, tmp_path: Path) -> None:
    oid = lib.git("rev-parse", "HEAD")
    found = clones(server, tmp_path)
    with pytest.raises(RepositoryGone):
        found.with_commit(place(server, "o/none"), oid)
    with pytest.raises(NotOnServer):
        found.with_commit(place(server, "o/lib"), "1" * 40)
    server.fault = 503
    with pytest.raises(ForgeUnavailable):
        found.with_commit(place(server, "o/lib"), oid)
    server.fault = 0
    assert found.with_commit(place(server, "o/lib"), oid).exists(oid)
