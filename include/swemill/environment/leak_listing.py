"""Lists what the git repositories of an image hold, for ``leak_gate`` to judge. One of the texts that it sends.

Runs in the image: standard library only, Python 3.6 syntax, and of swemill nothing but the other texts.

The repository is hostile. Git never reads its configuration, hooks, references, replacements, grafts or attributes: it
gets a git folder made here, and of the repository the folder of objects alone. Everything else is read as files.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from swemill.environment.leak_files import HEX, Facts, below, blob_id, is_copy, is_regular, loose_id, target_of, text_of
from swemill.environment.leak_search import search

_USUAL = re.compile(
    r"(HEAD|config|description|index|shallow|packed-refs|hooks/.*|info/(exclude|attributes)|objects/info/packs"
    r"|objects/pack/pack-[0-9a-f]{40,64}\.(pack|idx|rev|bitmap|keep|promisor)"
    r"|objects/[0-9a-f]{2}/[0-9a-f]{38}([0-9a-f]{24})?)",
    re.DOTALL,
)
_CONFIG = """\
[core]
	bare = false
	commitGraph = false
	multiPackIndex = false
	attributesFile = /dev/null
	fsmonitor = false
	hooksPath = /dev/null
"""
_FORMATS = {
    40: "\trepositoryformatversion = 0\n",
    64: "\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n",
}


class GitFailed(Exception):
    """A git command did not end well; the text is its own."""


class Git:
    """Git on a repository's objects, and on nothing else of it."""

    def __init__(self, tree: Path, base: str) -> None:
        """Make the git folder that stands in for the one of ``tree``; ``base`` tells the kind of ids."""
        self.tree = tree
        self.objects = tree / ".git" / "objects"
        self._own = tempfile.TemporaryDirectory()
        folder = Path(self._own.name)
        (folder / "refs").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "config").write_text(_CONFIG + _FORMATS[len(base)])
        cut = [word for word in text_of(tree / ".git" / "shallow").split() if HEX.fullmatch(word)]
        if cut:
            # A wrong one makes less reachable, so that it shows.
            (folder / "shallow").write_text("".join(oid + "\n" for oid in cut))
        self._env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": self._own.name,
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_DIR": self._own.name,
            "GIT_OBJECT_DIRECTORY": str(self.objects),
            "GIT_WORK_TREE": str(tree),
            "GIT_INDEX_FILE": str(folder / "index"),
        }

    def __call__(self, *arguments: str, given: bytes = b"") -> bytes:
        """Standard output of a git command. Raises GitFailed."""
        pipe, command = subprocess.PIPE, ("git", *arguments)
        done = subprocess.run(command, input=given, env=self._env, cwd=str(self.tree), stdout=pipe, stderr=pipe)
        if done.returncode:
            words = done.stderr[-300:].decode("utf-8", "replace").strip()
            raise GitFailed(f"git {arguments[0]} ended with {done.returncode}: {words}")
        return done.stdout

    def staged(self) -> "dict[str, list[str]]":
        """The entries of the repository's own index."""
        self._env["GIT_INDEX_FILE"] = str(self.tree / ".git" / "index")
        return self.entries("ls-files", "--stage", "-z")

    def ids(self, *arguments: str) -> "set[str]":
        """The first word of each line that a git command writes."""
        return {line.partition(b" ")[0].decode() for line in self(*arguments).splitlines()}

    def entries(self, *arguments: str) -> "dict[str, list[str]]":
        """What ``ls-tree -z`` or ``ls-files -z`` say of each path."""
        parted = [entry.partition(b"\t") for entry in self(*arguments).split(b"\0")[:-1]]
        return {os.fsdecode(name): said.decode().split() for said, _, name in parted}


def repository(tree: Path, base: str) -> "tuple[dict[str, object], set[str]]":
    """What a checkout's repository holds, and the ids of the base commit and of all that belongs to it."""
    facts, own = Facts(), tree / ".git"
    if own.is_symlink() or (own / "objects").is_symlink() or not (own / "objects").is_dir():
        return facts.json(path=str(tree), head="", problem="no plain repository"), set()
    if not _files(own, facts):
        # Git would follow links, and wait for pipes.
        return facts.json(path=str(tree), head="", problem="its git folder holds what is no file"), set()
    git = Git(tree, base)
    _settings(git, own, facts)
    problem, reachable = "", set()  # type: str, set[str]
    try:
        reachable = git.ids("rev-list", "--objects", base)
        commits = git.ids("rev-list", base)
        for oid in text_of(own / "shallow").split():
            if oid not in commits:
                facts.add("shallow", oid)
        _objects(git, reachable, facts)
        _work_tree(git, base, facts)
    except GitFailed as error:
        problem = str(error)
    return facts.json(path=str(tree), head=text_of(own / "HEAD").strip(), problem=problem), reachable


def _files(own: Path, facts: Facts) -> bool:
    """References, reflogs, alternates, and whatever else lies in ``.git``, read as files; whether all are files."""
    unusual, plain = set(), True
    for path in below(own):
        name = path.relative_to(own).as_posix()
        if not is_regular(path):
            plain = False
            unusual.add(f"{name} -> {target_of(path)}" if path.is_symlink() else name)
        elif name.startswith("refs/"):
            facts.add("refs", [name, text_of(path).strip()])
        elif name.startswith("logs/"):
            if path.stat().st_size:
                facts.add("reflogs", name)
        elif name in ("objects/info/alternates", "objects/info/http-alternates"):
            facts.add("alternates", text_of(path).strip())
        elif not _USUAL.fullmatch(name):
            unusual.add("/".join(name.split("/")[:2]) if name.startswith(("modules/", "worktrees/")) else name)
        elif name.endswith(".promisor"):
            facts.add("promisors", name)
    for name in sorted(unusual):
        facts.add("unusual", name)
    for line in text_of(own / "packed-refs", 64 << 20).splitlines():
        oid, _, name = line.partition(" ")
        if name and not line.startswith("#"):
            facts.add("refs", [name, oid])
    return plain


def _settings(git: Git, own: Path, facts: Facts) -> None:
    for name in ("config", "config.worktree"):
        if not is_regular(own / name):
            continue
        try:
            listed = git("config", "--file", str(own / name), "--no-includes", "--list", "-z")
        except GitFailed as error:
            facts.add("settings", [name, str(error)])
            continue
        for entry in listed.split(b"\0")[:-1]:
            key, _, value = os.fsdecode(entry).partition("\n")
            if key.partition(".")[0] not in ("user", "advice", "gc", "color"):
                facts.add("settings", [key, value])


def _objects(git: Git, reachable: "set[str]", facts: Facts) -> None:
    """Objects beyond the reachable ones; packs and loose objects that do not hold what their names say."""
    stored = git.ids("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
    given = "".join(oid + "\n" for oid in stored - reachable).encode()
    told = git("cat-file", "--batch-check=%(objecttype) %(objectname)", given=given).decode().splitlines()
    for line in sorted(told, key=lambda line: (line.partition(" ")[0] not in ("commit", "tag"), line)):
        facts.add("objects", line)
    packs = git.objects / "pack"
    for index in sorted(packs.glob("*.idx")):
        if not index.with_suffix(".pack").is_file():
            facts.add("packs", f"{index.name} has no pack")
    for pack in sorted(packs.glob("*.pack")):
        if not pack.with_suffix(".idx").is_file():
            facts.add("packs", f"{pack.name} has no index")
            continue
        try:
            git("verify-pack", str(pack.with_suffix(".idx")))
        except GitFailed as error:
            facts.add("packs", f"{pack.name}: {error}")
    for path in git.objects.glob("[0-9a-f][0-9a-f]/*"):
        oid = path.parent.name + path.name
        if HEX.fullmatch(oid) and loose_id(path, "sha1" if len(oid) == 40 else "sha256") != oid:
            facts.add("packs", f"the loose object {oid} is not what its name says")


def _work_tree(git: Git, base: str, facts: Facts) -> None:
    """Tracked files and index entries that differ from the base commit."""
    algorithm = "sha1" if len(base) == 40 else "sha256"
    tracked = {name: (mode, oid) for name, (mode, _, oid) in git.entries("ls-tree", "-r", "-z", base).items()}
    differing = [
        name for name, (mode, oid) in tracked.items() if mode != "160000" and blob_id(git.tree / name, algorithm) != oid
    ]
    # Attributes may have it written in another way: line ends, ident, encodings. Git itself can undo that.
    ordinary = [name for name in differing if "\n" not in name and is_regular(git.tree / name)]
    given = b"".join(os.fsencode(name) + b"\n" for name in ordinary)
    cleaned = dict(zip(ordinary, git("hash-object", "--stdin-paths", given=given).decode().split()))  # noqa: B905 - of Python 3.10
    for name in differing:
        if cleaned.get(name) != tracked[name][1]:
            facts.add("changed", name)
    if is_regular(git.tree / ".git" / "index"):
        staged = {name: (mode, oid + stage) for name, (mode, oid, stage) in git.staged().items()}
        for name in sorted(set(tracked) | set(staged)):
            if name not in tracked or staged.get(name) != (tracked[name][0], tracked[name][1] + "0"):
                facts.add("staged", name)


def _trees(names: "Iterable[str]") -> "list[Path]":
    """The checkouts to list: those that exist, but for copies of the first."""
    there = [Path(name).resolve() for name in names if Path(name).is_dir()]
    return there[:1] + [tree for tree in there[1:] if tree != there[0] and not is_copy(there[0], tree)]


def main() -> None:
    """Answer in one line of JSON what the one argument asks for.

    It is JSON with ``base`` (the base commit), ``repositories`` (checkouts to list; those that are copies of the first
    one are not listed again), ``search`` (folders to look through for anything else) and ``skip`` (but not these).
    """
    asked = json.loads(sys.argv[1])
    trees, listed, known = _trees(asked["repositories"]), [], set()  # type: list[Path], list[object], set[str]
    for tree in trees:
        answer, reachable = repository(tree, asked["base"])
        listed.append(answer)
        known |= reachable
    copies = {str(Path(name).resolve()) for name in asked["repositories"]} - {str(tree) for tree in trees}
    skip = copies.union(asked["skip"], [str(tree / ".git") for tree in trees])
    elsewhere = Facts()
    for folder in asked["search"]:
        search(folder, skip, known, elsewhere)
    sys.stdout.write("\n" + json.dumps({"repositories": listed, "elsewhere": elsewhere.json()}) + "\n")
