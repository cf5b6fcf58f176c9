"""A checkout of the past beside the repository that knows the future, and every way of letting that leak."""

import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swemill.adapters.git_snapshot import snapshot_of
from swemill.environment.leak_gate import LeakKind
from tests.unit.git_work_tree import WorkTree, git


@dataclass(frozen=True)
class Past:
    """``checkout`` at ``base``, as a build makes it; ``full`` has the commit ``future`` as well."""

    checkout: Path
    full: Path
    base: str
    future: str


def make_past(root: Path) -> Past:
    """A repository of three commits, and a checkout of the snapshot of its second."""
    tree = WorkTree(root / "full")
    tree.commit("first", a="first = 1\n", tests__test_a="def test(): pass\n")
    (tree.root / "link").symlink_to("a.py")
    base = tree.commit("base", a="base = 2\n")
    future = tree.commit("the fix", a="fixed = 3\n", new="answer = 42\n")
    checkout = root / "testbed"
    with tarfile.open(fileobj=io.BytesIO(snapshot_of(tree.root / ".git", base))) as tar:
        tar.extractall(root, filter="data")
    checkout.mkdir()
    shutil.move(root / "repo.git", checkout / ".git")
    git(checkout, "config", "core.bare", "false")
    git(checkout, "config", "user.name", "SWE-Mill")
    git(checkout, "checkout", "-q", "-f", "-B", "main", base)
    git(checkout, "reflog", "expire", "--expire=now", "--all")
    return Past(checkout=checkout, full=tree.root, base=base, future=future)


def _add(past: Past, name: str, text: str) -> None:
    path = past.checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _bring(past: Past, *, loose: bool = False) -> None:
    """The future's objects, as a fetch leaves them, with no reference to them."""
    objects = git(past.full, "pack-objects", "--stdout", "--revs", "-q", stdin=past.future.encode())
    command = ("unpack-objects", "-q") if loose else ("index-pack", "--stdin")
    git(past.checkout, *command, stdin=objects)


def _tag(past: Past) -> None:
    _bring(past)
    git(past.checkout, "tag", "v2", past.future)


def _packed_tag(past: Past) -> None:
    _tag(past)
    git(past.checkout, "pack-refs", "--all")


def _reflog(past: Past) -> None:
    git(past.checkout, "reset", "-q", "--hard", past.base)
    _add(past, ".git/logs/HEAD", f"{past.future} {past.base} A <a@localhost> 1704067200 +0000\treset: moving\n")
    (past.checkout / ".git" / "ORIG_HEAD").unlink()


def _alternate(past: Past) -> None:
    _add(past, ".git/objects/info/alternates", f"{past.full}/.git/objects\n")


def _fetch_head(past: Past) -> None:
    git(past.checkout, "fetch", "-q", "--no-tags", str(past.full), "main")


def _replace(past: Past) -> None:
    _bring(past)
    git(past.checkout, "replace", past.base, past.future)


def _clone(past: Past) -> None:
    git(past.checkout.parent, "clone", "-q", str(past.full), str(past.checkout / "vendor" / "tool"))


def _bare_clone(past: Past) -> None:
    git(past.checkout.parent, "clone", "-q", "--bare", str(past.full), str(past.checkout.parent / "cache" / "data"))


def _worktree(past: Past) -> None:
    _bring(past)
    git(past.checkout, "worktree", "add", "-q", "--detach", str(past.checkout.parent / "other"), past.future)


def _hidden_pack(past: Past) -> None:
    _bring(past)
    for index in (past.checkout / ".git" / "objects" / "pack").glob("*.idx"):
        if past.future.encode() in git(past.checkout, "show-index", stdin=index.read_bytes()):
            index.unlink()


def _hiding_index(past: Past) -> None:
    """A pack with everything under the index of the pack with the base commit alone."""
    packs = past.checkout / ".git" / "objects" / "pack"
    (index,) = packs.glob("*.idx")
    _bring(past)
    (other,) = set(packs.glob("*.pack")) - {index.with_suffix(".pack")}
    index.with_suffix(".pack").chmod(0o644)
    index.with_suffix(".pack").write_bytes(other.read_bytes())
    for left in (other, other.with_suffix(".idx"), other.with_suffix(".rev")):
        left.unlink(missing_ok=True)


def _stash(past: Past) -> None:
    _add(past, "a.py", "fixed = 3\n")
    git(past.checkout, "stash", "-q")


def _staged(past: Past) -> None:
    blob = git(past.full, "rev-parse", f"{past.future}:a.py").decode().strip()
    git(past.checkout, "update-index", "--cacheinfo", f"100644,{blob},a.py")


def _assumed(past: Past) -> None:
    git(past.checkout, "update-index", "--assume-unchanged", "a.py")
    _add(past, "a.py", "fixed = 3\n")


def _bundle(past: Past) -> None:
    git(past.full, "bundle", "create", "-q", str(past.checkout / "data.bin"), "main")


def _stray_object(past: Past) -> None:
    folder = past.checkout / "cache" / past.future[:2]
    folder.mkdir(parents=True)
    shutil.copy(past.full / ".git" / "objects" / past.future[:2] / past.future[2:], folder)


def _promisor(past: Past) -> None:
    (pack,) = (past.checkout / ".git" / "objects" / "pack").glob("*.pack")
    pack.with_suffix(".promisor").write_text("")


def _moved_git_folder(past: Past) -> None:
    shutil.move(past.checkout / ".git", past.checkout.parent / "elsewhere")
    _add(past, ".git", f"gitdir: {past.checkout.parent}/elsewhere\n")


def _include(past: Past) -> None:
    git(past.checkout, "config", "include.path", "/opt/more")


LEAKS: dict[str, tuple[LeakKind, Callable[[Past], None]]] = {
    "a pack without reference": (LeakKind.OBJECT, _bring),
    "loose objects": (LeakKind.OBJECT, lambda past: _bring(past, loose=True)),
    "a tag": (LeakKind.REFERENCE, _tag),
    "a tag in packed-refs": (LeakKind.REFERENCE, _packed_tag),
    "a tag of nothing": (LeakKind.REFERENCE, lambda past: _add(past, ".git/refs/tags/v2", past.future)),
    "a reflog entry": (LeakKind.REFLOG, _reflog),
    "an alternate": (LeakKind.ALTERNATE, _alternate),
    "an alternate's objects": (LeakKind.OBJECT, _alternate),
    "an http alternate": (
        LeakKind.ALTERNATE,
        lambda past: _add(past, ".git/objects/info/http-alternates", "https://h/o"),
    ),
    "a remote": (LeakKind.REMOTE, lambda past: git(past.checkout, "remote", "add", "origin", str(past.full))),
    "a FETCH_HEAD": (LeakKind.OPERATION, _fetch_head),
    "an ORIG_HEAD": (LeakKind.OPERATION, lambda past: _add(past, ".git/ORIG_HEAD", past.future)),
    "a MERGE_HEAD": (LeakKind.OPERATION, lambda past: _add(past, ".git/MERGE_HEAD", past.future)),
    "a replaced commit": (LeakKind.REPLACEMENT, _replace),
    "a graft": (LeakKind.REPLACEMENT, lambda past: _add(past, ".git/info/grafts", f"{past.base} {past.future}\n")),
    "a nested clone": (LeakKind.REPOSITORY, _clone),
    "a bare clone of another name": (LeakKind.REPOSITORY, _bare_clone),
    "a bundle": (LeakKind.REPOSITORY, _bundle),
    "a loose object elsewhere": (LeakKind.REPOSITORY, _stray_object),
    "a worktree": (LeakKind.WORKTREE, _worktree),
    "a submodule's history": (LeakKind.SUBMODULE, lambda past: _add(past, ".git/modules/lib/HEAD", past.future)),
    "a pack without index": (LeakKind.PACK, _hidden_pack),
    "a pack with an index that hides": (LeakKind.UNLISTABLE, _hiding_index),
    "a stash": (LeakKind.REFERENCE, _stash),
    "a staged file": (LeakKind.INDEX, _staged),
    "a changed file that git was told to overlook": (LeakKind.TREE, _assumed),
    "a promisor": (LeakKind.PARTIAL, _promisor),
    "a wrong shallow": (LeakKind.SHALLOW, lambda past: _add(past, ".git/shallow", f"{past.base}\n{past.future}\n")),
    "a git folder elsewhere": (LeakKind.UNLISTABLE, _moved_git_folder),
    "an included configuration": (LeakKind.SETTING, _include),
    "a leftover of a fetch": (LeakKind.STRAY, lambda past: _add(past, ".git/objects/pack/tmp_pack_x", "PACK")),
    "a link": (LeakKind.STRAY, lambda past: (past.checkout / ".git" / "more").symlink_to("/opt")),
}
"""By what it is: the kind by which the gate must call it, and how it is done."""
