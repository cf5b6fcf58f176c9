"""What every forge tells of a commit's tree, and which files of submodules lie beside its snapshot."""

import io
import logging
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from swemill.adapters.archive import Archive
from swemill.adapters.github.forge import GitHub
from swemill.adapters.releases import Releases
from swemill.errors import SourceError
from swemill.ports import Forge
from swemill.values import RepositoryRecord, Submodule
from tests.contract.local_index import serving
from tests.unit.git_server import GitServer, git_server
from tests.unit.git_work_tree import WorkTree, git, write

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 12345\n"
FILES: dict[bytes, bytes | None] = {
    b"setup.py": b"import setuptools\n",
    b"tox.ini": b"[tox]\n",
    b"docs/requirements.txt": b"sphinx\n",
    b"model.bin": POINTER,
    b".gitattributes": b"*.bin filter=lfs\n",
    b"huge.txt": b"x" * ((1 << 20) + 1),
    b"caf\xe9.txt": b"latin\n",
    "café.txt".encode(): b"utf-8\n",
}
PATHS = {os.fsdecode(name) for name in FILES if name != b"caf\xe9.txt"}
ABSENT = "1" * 40


@dataclass(kw_only=True)
class Project:
    """``o/demo`` with submodules: good ones, and what a hostile author would write."""

    forge: Forge
    repository: RepositoryRecord
    commit: str
    tree: WorkTree
    mirror: Path
    links: dict[str, str]
    server: GitServer | None = None

    def unsafe(self) -> str:
        """A commit on top whose tree has names that no checkout could have, each a link to a good submodule."""
        oid = self.links["vendor/lib"]
        entries = git(self.tree.root, "ls-tree", "-z", self.commit)
        for name in (".", "..", ".git", ".GIT"):
            entries += f"160000 commit {oid}\t{name}\0".encode()
        tree = git(self.tree.root, "mktree", "-z", "--missing", stdin=entries).decode().strip()
        commit = git(self.tree.root, "commit-tree", "-m", "unsafe", tree).decode().strip()
        git(self.tree.root, "update-ref", "refs/heads/main", commit)
        git(self.mirror, "fetch", "-q", str(self.tree.root), "+refs/*:refs/*")
        return commit


def link(tree: WorkTree, modules: dict[str, tuple[str, str]], message: str) -> str:
    """Commit a ``.gitmodules`` of path -> URL and commit, and links at those paths that an index can hold."""
    text = "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, (url, _) in modules.items())
    write(tree.root, {b".gitmodules": text.encode()})
    tree.git("add", "-A")
    for path, (_, oid) in modules.items():
        if oid:
            tree.git("update-index", "--add", "--cacheinfo", f"160000,{oid},{path}")
    tree.git("commit", "-q", "-m", message)
    return tree.git("rev-parse", "HEAD")


def build(root: Path, served: Path, base_url: str) -> tuple[WorkTree, str, dict[str, str]]:
    """Make the repositories below ``served``; returns the demo's work tree, its commit, and commits of its links."""
    deeper = WorkTree(root / "deeper")
    too_deep = deeper.commit("deeper", deeper="1\n")
    deeper.mirror(served / "o" / "deeper.git")
    deep = WorkTree(root / "deep")
    write(deep.root, {b"deep.h": b"deep\n"})
    nested = link(deep, {"third": ("../deeper.git", too_deep)}, "deep")
    deep.mirror(served / "o" / "deep.git")
    lib = WorkTree(root / "lib")
    write(lib.root, {b"lib.c": b"int x;\n", b"run.sh": b"#!/bin/sh\n", b".gitignore": b"*.o\n"})
    (lib.root / "run.sh").chmod(0o755)
    (lib.root / "passwd").symlink_to("/etc/passwd")
    wanted = link(lib, {"inner": ("../deep.git", nested)}, "lib")
    lib.commit("later", later="1\n")
    lib.mirror(served / "o" / "lib.git")
    other = WorkTree(root / "other")
    elsewhere = other.commit("other", data="1\n")
    other.mirror(served / "p" / "Other.git")
    sprung = root / "sprung"
    modules = {
        "vendor/lib": ("../lib.git", wanted),
        "other": (f"{base_url}/p/Other", elsewhere),
        "gone": ("../gone.git", wanted),
        "no-commit": ("../lib.git", ABSENT),
        "evil/ext": (f"ext::sh -c touch% {sprung}", wanted),
        "evil/file": (f"file://{served}/o/lib.git", wanted),
        "evil/path": (f"{served}/o/lib.git", wanted),
        "evil/option": (f"--upload-pack=touch {sprung}", wanted),
        "evil/up": ("../../../../lib.git", wanted),
        "evil/dots": (f"{base_url}/o/..", wanted),
        "evil/query": (f"{base_url}/o/lib.git?x=y", wanted),
        "../outside": ("../lib.git", ""),
        "/outside": ("../lib.git", ""),
        ".git/hooks": ("../lib.git", ""),
        "..": ("../lib.git", ""),
        ".git": ("../lib.git", ""),
        ".GIT": ("../lib.git", ""),
        ".": ("../lib.git", ""),
    }
    demo = WorkTree(root / "demo")
    write(demo.root, FILES)
    (demo.root / "linked.txt").symlink_to("tox.ini")
    commit = link(demo, modules, "demo")
    return demo, commit, {path: oid for path, (_, oid) in modules.items() if oid}


@pytest.fixture(params=["archive", "github"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "archive":
        served = tmp_path / "archive" / "repos"
        tree, commit, links = build(tmp_path, served, "https://example.test")
        forge = Archive(tmp_path / "archive")
        mirror = tree.mirror(served / "o" / "demo.git")
        found = [item for item in forge.repositories() if isinstance(item, RepositoryRecord)]
        (repository,) = [item for item in found if item.name == "o/demo"]
        yield Project(forge=forge, repository=repository, commit=commit, tree=tree, mirror=mirror, links=links)
        return

    def no_api() -> None:
        raise AssertionError("the free side asked the metered one")

    served = tmp_path / "server"
    served.mkdir()
    with git_server(served) as server:
        tree, commit, links = build(tmp_path, served, server.url)
        mirror = tree.mirror(served / "o" / "demo.git")
        repository = RepositoryRecord(
            forge="github", name="was/named", location=f"{server.url}/o/demo.git", forge_id="R_1"
        )
        yield Project(
            forge=GitHub(no_api, mirrors=tmp_path / "mirrors", api_url=server.url, token=lambda: "ghs_TOKEN"),  # type: ignore[arg-type]
            repository=repository,
            commit=commit,
            tree=tree,
            mirror=mirror,
            links=links,
            server=server,
        )


def unpacked(snapshot: bytes, folder: Path) -> Path:
    """The checkout as a build makes it, with the files of submodules in it."""
    with tarfile.open(fileobj=io.BytesIO(snapshot)) as tar:
        tar.extractall(folder, filter="data")
    work = folder / "work"
    work.mkdir()
    (folder / "repo.git").rename(work / ".git")
    git(work, "config", "core.bare", "false")
    git(work, "checkout", "-q", "-f", "main")
    shutil.copytree(folder / "submodules", work, dirs_exist_ok=True)
    return work


# --- trees -----------------------------------------------------------------------------------------------------------


def test_a_tree_has_all_paths_and_the_contents_that_are_wanted(project: Project) -> None:
    asked: list[str] = []

    def wanted(path: str) -> bool:
        asked.append(path)
        return path.endswith((".py", ".ini", ".txt", ".bin"))

    tree = project.forge.tree(project.repository, project.commit, wanted)
    assert tree.commit == project.commit
    assert tree.committed_at.isoformat().startswith("2024-01-01T")
    assert tree.paths == tuple(sorted(PATHS | {".gitmodules", "linked.txt"}))
    assert dict(tree.files) == {
        "café.txt": b"utf-8\n",
        "docs/requirements.txt": b"sphinx\n",
        "model.bin": POINTER,
        "setup.py": b"import setuptools\n",
        "tox.ini": b"[tox]\n",
    }
    assert "linked.txt" not in asked
    assert tree == project.forge.tree(project.repository, project.commit, wanted)


def test_submodules_are_those_that_tree_and_list_both_name(project: Project) -> None:
    tree = project.forge.tree(project.repository, project.commit, lambda _: False)
    assert tree.files == {}
    expected = {path: oid for path, oid in project.links.items() if path != "evil/option"}
    assert {found.path: found.commit for found in tree.submodules} == expected
    assert Submodule(path="vendor/lib", url="../lib.git", commit=project.links["vendor/lib"]) in tree.submodules


def test_a_tree_takes_one_fetch_of_contents(project: Project) -> None:
    project.forge.tree(project.repository, project.commit, lambda _: False)
    if project.server is None:
        return
    before = project.server.fetches
    wanted = project.forge.tree(project.repository, project.commit, lambda path: path.endswith((".py", ".ini")))
    assert len(wanted.files) == 2
    assert project.server.fetches == before + 1
    project.forge.tree(project.repository, project.commit, lambda path: path.endswith((".py", ".ini")))
    assert project.server.fetches == before + 1


@pytest.mark.parametrize("oid", [ABSENT, "main", "--all", "", "HEAD"])
def test_what_is_no_commit_of_it_has_no_tree(project: Project, oid: str) -> None:
    with pytest.raises(SourceError):
        project.forge.tree(project.repository, oid, lambda _: True)


def test_names_that_no_checkout_could_have_are_left_out(project: Project) -> None:
    unsafe = project.unsafe()
    plain = project.forge.tree(project.repository, project.commit, lambda _: False)
    tree = project.forge.tree(project.repository, unsafe, lambda _: False)
    assert (tree.paths, tree.submodules) == (plain.paths, plain.submodules)
    with tarfile.open(fileobj=io.BytesIO(project.forge.snapshot(project.repository, unsafe))) as tar:
        names = [name for name in tar.getnames() if name.startswith("submodules/")]
    assert names
    assert not [name for name in names if {".", "..", ".git", ".GIT"} & set(name.split("/"))]


def test_releases_tell_their_trees_as_well(tmp_path: Path) -> None:
    with serving() as index:
        files = {os.fsdecode(name): data for name, data in FILES.items() if data is not None}
        for version in ("1.0", "1.1"):
            index.release("demo", version, {**files, "VERSION": version.encode()})
        (tmp_path / "list.toml").write_text('[[steps]]\npackage = "demo"\nfrom = "1.0"\nto = "1.1"\n')
        forge = Releases(tmp_path / "list.toml", cache=tmp_path / "cache", index_url=index.url, backoff=0.01)
        (repository,) = forge.repositories()
        assert isinstance(repository, RepositoryRecord)
        (pull,) = forge.pull_requests(repository)
    assert not hasattr(pull, "drop")
    tree = forge.tree(repository, pull.base_ref_oid, lambda path: path in ("VERSION", "model.bin", "huge.txt"))
    assert set(tree.paths) >= PATHS
    assert all(path.isprintable() for path in tree.paths)
    assert dict(tree.files) == {"VERSION": b"1.0", "model.bin": POINTER}
    assert tree.submodules == ()
    assert tree.committed_at.isoformat().startswith("2024-03-01T")


# --- submodules beside a snapshot ------------------------------------------------------------------------------------


def test_submodules_that_can_be_had_lie_beside_the_snapshot(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        snapshot = project.forge.snapshot(project.repository, project.commit)
    with tarfile.open(fileobj=io.BytesIO(snapshot)) as tar:
        members = {item.name: item for item in tar.getmembers() if item.name.startswith("submodules/")}
        assert all(item.isreg() for item in members.values())
    assert {name: bool(item.mode & 0o111) for name, item in members.items()} == {
        "submodules/other/data.py": False,
        "submodules/vendor/lib/.gitignore": False,
        "submodules/vendor/lib/.gitmodules": False,
        "submodules/vendor/lib/inner/.gitmodules": False,
        "submodules/vendor/lib/inner/deep.h": False,
        "submodules/vendor/lib/lib.c": False,
        "submodules/vendor/lib/run.sh": True,
    }
    work = unpacked(snapshot, tmp_path / "out")
    assert (work / "vendor" / "lib" / "inner" / "deep.h").read_text() == "deep\n"
    (work / "vendor" / "lib" / "built.so").write_text("")
    git(work, "add", "-A")
    assert git(work, "status", "--porcelain") == b""
    assert git(work, "diff", "HEAD") == b""
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    for path in ("gone", "no-commit", "evil/ext", "evil/file", "evil/path", "evil/up", "evil/dots", "evil/query"):
        assert sum(repr(path) in line for line in left_out) == 1, path
    assert not (tmp_path / "sprung").exists()
    assert snapshot == project.forge.snapshot(project.repository, project.commit)
