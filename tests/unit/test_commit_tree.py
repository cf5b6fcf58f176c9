"""Trees of hostile repositories: their limits, what ``.gitmodules`` may say, and which URLs name a repository."""

import logging
from pathlib import Path

import pytest

from swemill.adapters import commit_tree as module
from swemill.adapters import submodules as gathering
from swemill.adapters.commit_tree import commit_tree, listing, submodules_of
from swemill.adapters.git_command import BrokenRepository, OutputTooLarge
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.submodules import Place, place_of, submodule_files
from swemill.errors import ForgeUnavailable, SourceError
from swemill.values import Submodule
from tests.unit.git_work_tree import WorkTree, git, write

OID = "ab" * 20


@pytest.fixture
def tree(tmp_path: Path) -> WorkTree:
    return WorkTree(tmp_path / "work")


def mirror_of(tree: WorkTree) -> GitMirror:
    return GitMirror(tree.root / ".git")


def linked(tree: WorkTree, text: str, *paths: str, oid: str = OID) -> str:
    """Commit a ``.gitmodules`` and links at ``paths``."""
    write(tree.root, {b".gitmodules": text.encode()})
    tree.git("add", "-A")
    for path in paths:
        tree.git("update-index", "--add", "--cacheinfo", f"160000,{oid},{path}")
    tree.git("commit", "-q", "-m", "links")
    return tree.git("rev-parse", "HEAD")


def section(path: str, url: str) -> str:
    return f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'


# --- limits ----------------------------------------------------------------------------------------------------------


def test_of_too_many_paths_those_nearest_to_the_root_are_told(tree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = tree.commit("many", a__b__c="1\n", z="1\n", m__n="1\n", b="1\n")
    monkeypatch.setattr(module, "MOST_PATHS", 3)
    assert commit_tree(mirror_of(tree), commit, lambda _: False).paths == ("b.py", "m/n.py", "z.py")


def test_of_too_many_wanted_files_those_nearest_to_the_root_are_read(
    tree: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = tree.commit("many", a__b__c="1\n", z="1\n", m__n="1\n", b="1\n")
    monkeypatch.setattr(module, "MOST_WANTED", 3)
    found = commit_tree(mirror_of(tree), commit, lambda _: True)
    assert list(found.files) == ["b.py", "m/n.py", "z.py"]
    assert len(found.paths) == 4


def test_the_smallest_files_are_read_up_to_the_limits(tree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = tree.commit("sizes", a="1" * 50, b="1" * 30, c="1" * 30, d="1" * 60, e="1" * 101)
    monkeypatch.setattr(module, "FILE_LIMIT", 100)
    assert set(commit_tree(mirror_of(tree), commit, lambda _: True).files) == {"a.py", "b.py", "c.py", "d.py"}
    monkeypatch.setattr(module, "TOTAL_LIMIT", 110)
    assert set(commit_tree(mirror_of(tree), commit, lambda _: True).files) == {"a.py", "b.py", "c.py"}
    monkeypatch.setattr(module, "TOTAL_LIMIT", 59)
    assert set(commit_tree(mirror_of(tree), commit, lambda _: True).files) == {"b.py"}


def test_a_tree_without_end_is_stopped(tree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each level holds the one below ten times: 25 objects are 10**24 files."""
    blob = git(tree.root, "hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    level = git(tree.root, "mktree", stdin=f"100644 blob {blob}\tx\n".encode()).decode().strip()
    for _ in range(24):
        entries = "".join(f"040000 tree {level}\t{name}\n" for name in "abcdefghij")
        level = git(tree.root, "mktree", stdin=entries.encode()).decode().strip()
    commit = git(tree.root, "commit-tree", "-m", "bomb", level).decode().strip()
    monkeypatch.setattr(module, "LISTING_LIMIT", 1 << 20)
    with pytest.raises(OutputTooLarge):
        commit_tree(mirror_of(tree), commit, lambda _: True)


def test_what_is_no_commit_is_called_missing(tree: WorkTree) -> None:
    commit = tree.commit("one", a="1\n")
    mirror = mirror_of(tree)
    for name in (OID, "HEAD", "--all", mirror.commit(commit).tree):
        with pytest.raises(BrokenRepository, match="does not have the commit"):
            commit_tree(mirror, name, lambda _: True)
    with pytest.raises(BrokenRepository):
        commit_tree(GitMirror(tree.root / "none.git"), commit, lambda _: True)


def test_contents_that_are_not_here_are_left_out(tree: WorkTree) -> None:
    commit = tree.commit("two", a="1\n", b="2\n")
    oid = tree.git("rev-parse", f"{commit}:a.py")
    (tree.root / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    found = commit_tree(mirror_of(tree), commit, lambda _: True)
    assert found.paths == ("a.py", "b.py")
    assert dict(found.files) == {"b.py": b"2\n"}


# --- .gitmodules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[submodule\n",
        '[submodule "lib"]\n\tpath = lib\n',
        '[submodule "lib"]\n\turl = ../lib\n',
        '[submodule "lib"]\n\tpath\n\turl\n',
        "[submodule]\n\tpath = lib\n\turl = ../lib\n",
        section("lib", "-u"),
        section("lib", "--upload-pack=sh"),
        section("lib", ""),
        section("lib", '"a\\nb"'),
        section("lib", "https://h/" + "x" * 3000),
        section("lib/../lib", "../lib"),
        "[include]\n\tpath = {folder}/more\n",
        '[includeIf "gitdir:**"]\n\tpath = {folder}/more\n',
        "\0",
        "",
    ],
)
def test_a_broken_or_hostile_list_names_no_submodule(tree: WorkTree, tmp_path: Path, text: str) -> None:
    (tmp_path / "more").write_text(section("lib", "../lib"))
    commit = linked(tree, text.format(folder=tmp_path) if "{folder}" in text else text, "lib")
    assert commit_tree(mirror_of(tree), commit, lambda _: False).submodules == ()


def test_what_the_list_says_last_counts(tree: WorkTree) -> None:
    text = section("lib", "../one") + section("lib", "../two") + '[SubModule "x.y"]\n\tPATH = x/\n\tURL = ../x\n'
    commit = linked(tree, text, "lib", "x", "unnamed")
    found = submodules_of(mirror_of(tree), listing(mirror_of(tree), commit))
    assert found == (
        Submodule(path="lib", url="../two", commit=OID),
        Submodule(path="x", url="../x", commit=OID),
    )


def test_a_list_that_is_a_link_or_too_large_is_not_read(tree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = linked(tree, section("lib", "../lib"), "lib")
    monkeypatch.setattr(module, "FILE_LIMIT", 10)
    assert commit_tree(mirror_of(tree), commit, lambda _: False).submodules == ()
    monkeypatch.undo()
    assert commit_tree(mirror_of(tree), commit, lambda _: False).submodules != ()
    (tree.root / ".gitmodules").rename(tree.root / "real")
    (tree.root / ".gitmodules").symlink_to("real")
    tree.git("add", ".gitmodules", "real")
    tree.git("commit", "-q", "-m", "link")
    assert commit_tree(mirror_of(tree), tree.git("rev-parse", "HEAD"), lambda _: False).submodules == ()


# --- URLs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, host, name",
    [
        ("https://github.com/o/n.git", "github.com", "o/n"),
        ("https://GitHub.com/o/N/", "github.com", "o/N"),
        ("http://127.0.0.1:8080/o/n", "127.0.0.1:8080", "o/n"),
        ("git://github.com/o/n.git/", "github.com", "o/n"),
        ("ssh://git@github.com:22/o/n.git", "github.com", "o/n"),
        ("git@github.com:o/n.git", "github.com", "o/n"),
        ("https://user:secret@github.com/o/n", "github.com", "o/n"),
        ("../n.git", "h", "o/n"),
        ("./../../p/.n", "h", "p/.n"),
    ],
)
def test_the_ways_in_which_forges_name_repositories_are_read(url: str, host: str, name: str) -> None:
    assert place_of(url, Place(host="h", name="o/demo")) == Place(host=host, name=name)


@pytest.mark.parametrize(
    "url",
    [
        *("", "n", "o/n", "/o/n", "./n", "../../../../../etc", "..", "../../o/..", "-x", "--upload-pack=sh"),
        *("file:///o/n", "ext::sh -c x", "ext::https://github.com/o/n", "ftp://h/o/n", "fd::3/o/n", "git+file://h/o/n"),
        *("https:///o/n", "https://h/o", "https://h/o/n/m", "https://h/o/..", "https://h/o/.git", "https://h//"),
        *("https://h/o/n?x", "https://h/o/n#x", "https://h:99999/o/n", "https://[h/o/n", "https://h/o/n%2f"),
        *("https://h/o/n m", "https://h/o/n\\m", "h:/o/n", "a@b@h:o/n", "h:o/n:m", "https://h/o/" + "x" * 101),
    ],
)
def test_no_other_url_names_a_repository(url: str) -> None:
    assert place_of(url, Place(host="h", name="o/demo")) is None


def test_a_relative_url_of_what_is_nowhere_names_nothing() -> None:
    assert place_of("../n.git") is None


# --- gathering -------------------------------------------------------------------------------------------------------


class Shelf:
    """Repositories by name; notes what was asked for."""

    def __init__(self, **mirrors: GitMirror) -> None:
        self.mirrors = mirrors
        self.asked: list[str] = []

    def __call__(self, place: Place, commit: str) -> GitMirror:
        self.asked.append(place.name)
        if place.name == "o/down":
            raise ForgeUnavailable("no answer")
        if (found := self.mirrors.get(place.name.partition("/")[2])) is None or not found.exists(commit):
            raise SourceError("not here")
        return found


def gathered(tree: WorkTree, commit: str, shelf: Shelf) -> dict[str, bytes]:
    files = submodule_files(mirror_of(tree), commit, place=Place(host="h", name="o/demo"), open_mirror=shelf)
    return {file.path: file.data for file in files}


def test_what_does_not_fit_is_left_out_whole(
    tree: WorkTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lib = WorkTree(tmp_path / "lib")
    oid = lib.commit("lib", a="1" * 40, b="2" * 40)
    commit = linked(tree, section("one", "../lib") + section("two", "../lib"), "one", "two", oid=oid)
    shelf = Shelf(lib=mirror_of(lib))
    assert set(gathered(tree, commit, shelf)) == {"one/a.py", "one/b.py", "two/a.py", "two/b.py"}
    for name, limit in (("MOST_BYTES", 159), ("MOST_FILES", 3)):
        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
            patched.setattr(gathering, name, limit)
            assert set(gathered(tree, commit, shelf)) == {"one/a.py", "one/b.py"}
        assert "'two'" in caplog.text
    monkeypatch.setattr(gathering, "_MOST_TRIED", 1)
    shelf.asked.clear()
    assert set(gathered(tree, commit, shelf)) == {"one/a.py", "one/b.py"}
    assert shelf.asked == ["o/lib"]


def test_a_repository_that_contains_itself_ends(tree: WorkTree) -> None:
    inner = tree.commit("start", a="1\n")
    outer = linked(tree, section("self", "../demo"), "self", oid=inner)
    again = linked(tree, section("self", "../demo"), "self", oid=outer)
    last = linked(tree, section("self", "../demo"), "self", oid=again)
    found = gathered(tree, last, Shelf(demo=mirror_of(tree)))
    assert {path for path in found if path.endswith("a.py")} == {"self/a.py", "self/self/a.py"}


def test_a_submodule_whose_contents_are_not_all_here_is_left_out(
    tree: WorkTree, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lib = WorkTree(tmp_path / "lib")
    oid = lib.commit("lib", a="1\n", b="2\n")
    commit = linked(tree, section("lib", "../lib"), "lib", oid=oid)
    blob = lib.git("rev-parse", f"{oid}:a.py")
    (lib.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert gathered(tree, commit, Shelf(lib=mirror_of(lib))) == {}
    assert "lacks the contents of 1 files" in caplog.text


def test_a_folder_and_a_file_of_one_name_are_not_both_written(tree: WorkTree, tmp_path: Path) -> None:
    lib = WorkTree(tmp_path / "lib")
    first = lib.commit("lib", a="1\n")
    blob, top = lib.git("rev-parse", f"{first}:a.py"), lib.git("rev-parse", f"{first}^{{tree}}")
    entries = f"100644 blob {blob}\tx\n040000 tree {top}\tx\n".encode()
    odd = git(lib.root, "mktree", stdin=entries).decode().strip()
    oid = git(lib.root, "commit-tree", "-m", "odd", odd).decode().strip()
    commit = linked(tree, section("lib", "../lib"), "lib", oid=oid)
    assert gathered(tree, commit, Shelf(lib=mirror_of(lib))) == {"lib/x": b"1\n"}


def test_trouble_that_passes_is_not_taken_for_an_absent_submodule(tree: WorkTree) -> None:
    commit = linked(tree, section("lib", "../down"), "lib")
    with pytest.raises(ForgeUnavailable):
        gathered(tree, commit, Shelf())
