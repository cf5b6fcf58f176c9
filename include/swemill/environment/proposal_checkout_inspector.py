"""Looks at a checkout that foreign commands have built in: is it the base commit, and nothing else that counts?

This file runs inside a sandbox, on the system's own Python and git, before anything of the image has run. Hence:
standard library only, Python 3.6 syntax, no import from swemill. It prints one JSON list of sentences.

No word of the checkout's own repository is taken: git runs with a repository folder of its own that borrows objects,
and every object it borrows is hashed again. Files that git does not know are the point: an untracked ``conftest.py``
turns every test green. They are there by right when a build makes them so (compiled modules, metadata, a version file
without code), when they are copies of tracked files, or when the base commit's own ``.gitignore`` names them and they
are none of the files that tests or Python read by themselves.
"""

# Old Python has neither newer syntax nor `strict`, and the names of files are bytes, which pathlib does not take.
# ruff: noqa: B905, PTH103, PTH110, PTH112, PTH113, PTH114, PTH115, PTH118, PTH119, PTH123, PTH208, SIM905

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any

MOST = 40

_READ_BY_ITSELF = re.compile(
    r"conftest\.py|\.?pytest\.(ini|toml)|tox\.ini|setup\.cfg|pyproject\.toml|(site|user)customize\.py|.*\.(pth|egg-link)"
    r"|tests?\.py|test_.*\.py|.*_test\.py|.*\.py[co]|\.git(ignore|attributes|modules)?"
)
_CODE = (".py", ".pyc", ".pyo", ".pyw", ".pth")
_COMPILED = re.compile(r".*\.(so(\.[0-9.]+)?|pyd|o|obj|a|lo|la|d|c|cc|cpp|cxx|h|hpp|mod|html)")
_BUILD_FOLDER = re.compile(r"build|builddir|dist|_skbuild|target|cmake-build-.*|\.eggs|\.mesonpy-.*")
_METADATA = re.compile(r".*\.(egg|dist)-info")
_VERSION_FILE = re.compile(r"(?i)_*version_*\.(py|txt)|.*_version\.(py|txt)|VERSION")
_PLAIN_NODES = tuple(
    getattr(ast, name, ast.Module)  # some are gone from newer versions of Python
    for name in "Module Expr Assign AnnAssign If Name Load Store Tuple List Subscript Index Constant Str Num "
    "NameConstant Import ImportFrom alias BinOp BitOr Dict".split()
)
_GIT_ENTRIES = frozenset(
    [
        "HEAD",
        "config",
        "description",
        "hooks",
        "index",
        "info",
        "objects",
        "refs",
        "packed-refs",
        "logs",
        "shallow",
        "branches",
    ]
)
_GIT_SETTINGS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|symlinks|ignorecase)|user\.(name|email)"
    r"|advice\.detachedhead|extensions\.objectformat"
)


class Checkout:
    """One checkout and the tree it should be."""

    def __init__(self, root: str, commit: str, submodules: "dict[str, str]", scratch: str) -> None:
        self.root, self.commit, self.submodules = root, commit, submodules
        self.found = []  # type: list[str]
        self._hash = "sha256" if len(commit) == 64 else "sha1"
        self._git_folder = os.path.join(root, ".git")
        self._env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": scratch,
            "XDG_CONFIG_HOME": scratch,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        fresh = os.path.join(scratch, "git")
        self.git("init", "--quiet", "--bare", "--template=", "--object-format=" + self._hash, fresh)
        os.makedirs(os.path.join(fresh, "objects", "info"), exist_ok=True)
        with open(os.path.join(fresh, "objects", "info", "alternates"), "w") as file:
            file.write(os.path.join(self._git_folder, "objects") + "\n")
        self._env.update(GIT_DIR=fresh, GIT_WORK_TREE=root)
        self.git("config", "core.bare", "false")
        self._listing = os.path.join(scratch, "listing")
        self.tree = {}  # type: dict[bytes, tuple[bytes, bytes]]

    def git(self, *arguments: str, stdin: bytes = b"", **env: str) -> bytes:
        """What a git command prints; a failing one is worth a sentence of its own, so its exit code is ignored."""
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=self.root,
            env=dict(self._env, **env),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return done.stdout

    def say(self, sentence: str) -> None:
        self.found.append(sentence[:300])

    def inspect(self) -> None:
        """All checks, the most telling first."""
        if os.path.islink(self._git_folder) or not os.path.isdir(self._git_folder):
            return self.say("the checkout is no git repository")
        self.read_tree()
        if not self.tree:
            return self.say("the repository does not hold the base commit")
        self.check_objects()
        self.check_tracked()
        self.check_untracked()
        self.check_repository()
        return None

    # --- the base commit ---------------------------------------------------------------------------------------------

    def read_tree(self) -> None:
        for entry in self.git("ls-tree", "-r", "-t", "-z", "--full-tree", self.commit).split(b"\0")[:-1]:
            (mode, _, name), path = entry.partition(b"\t")[0].split(), entry.partition(b"\t")[2]
            self.tree[path] = (mode, name)

    def check_objects(self) -> None:
        """Each object of the base commit has the content that its name stands for."""
        top = self.git("rev-parse", self.commit + "^{tree}").strip()
        wanted = {self.commit.encode(), top} | {name for mode, name in self.tree.values() if mode != b"160000"}
        with open(self._listing, "wb") as file:
            file.write(b"\n".join(sorted(wanted)) + b"\n")
        with open(self._listing, "rb") as listing:
            command = ["git", "cat-file", "--batch"]
            reader = subprocess.Popen(command, cwd=self.root, env=self._env, stdin=listing, stdout=subprocess.PIPE)
        assert reader.stdout is not None
        good = sum(self._hashes_to_its_name(reader.stdout) for _ in wanted)
        reader.stdout.close()
        reader.wait()
        if good != len(wanted):
            self.say(f"{len(wanted) - good} objects of the repository are not what their names say")

    def _hashes_to_its_name(self, stream: Any) -> bool:
        header = stream.readline().split()
        if len(header) != 3:
            return False
        name, kind, size = header[0], header[1], int(header[2])
        digest = hashlib.new(self._hash, kind + b" " + header[2] + b"\0")
        while size:
            data = stream.read(min(size, 1 << 20))
            if not data:
                return False
            digest.update(data)
            size -= len(data)
        stream.read(1)
        return bool(digest.hexdigest().encode() == name)

    def blob(self, path: bytes) -> bytes:
        """The name git would give to a file's bytes as they are."""
        place = os.path.join(os.fsencode(self.root), path)
        if os.path.islink(place):
            data = os.readlink(place)
        else:
            with open(place, "rb") as file:
                data = file.read()
        return hashlib.new(self._hash, b"blob %d\0" % len(data) + data).hexdigest().encode()

    def check_tracked(self) -> None:
        self.git("read-tree", self.commit)
        self.git("update-index", "-q", "--really-refresh")
        words = self.git("diff-files", "-z", "--name-status", "--ignore-submodules=all").split(b"\0")[:-1]
        for status, path in zip(words[::2], words[1::2]):
            if self.tree.get(path, (b"",))[0] == b"160000":
                continue
            # Where attributes and content of the base commit do not fit each other, every checkout looks changed.
            if status != b"D" and self.blob(path) == self.tree[path][1]:
                continue
            word = "is gone" if status == b"D" else "was changed"
            self.say(f"the tracked file {os.fsdecode(path)} {word}")

    # --- beside the base commit --------------------------------------------------------------------------------------

    def check_untracked(self) -> None:
        root = os.fsencode(self.root)
        links = tuple(path + b"/" for path, (mode, _) in self.tree.items() if mode == b"160000")
        copies = {(os.path.basename(path), name) for path, (_, name) in self.tree.items()}
        others = []
        for folder, folders, files in os.walk(root):
            if folder == root:
                folders.remove(b".git")
            entries = files + [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for entry in entries:
                path = os.path.relpath(os.path.join(folder, entry), root)
                if path.startswith(links):
                    self._check_submodule_file(path)
                elif path not in self.tree:
                    others.append(path)
            if b".git" in folders and folder != root:
                self.say(f"a repository of its own in {os.fsdecode(folder)}")
        ignored = frozenset(self.git("check-ignore", "-z", "--stdin", stdin=b"\0".join(others) + b"\0").split(b"\0"))
        for path in others:
            if not self._has_reason(path, ignored, copies):
                self.say(f"the file {os.fsdecode(path)} is not of the base commit, and no build explains it")

    def _check_submodule_file(self, path: bytes) -> None:
        place = os.path.join(os.fsencode(self.root), path)
        if not os.path.isfile(place) or os.path.islink(place):
            return
        with open(place, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        wanted = self.submodules.get(os.fsdecode(path))
        if wanted != digest and not (wanted is None and _COMPILED.fullmatch(os.fsdecode(path))):
            self.say(f"the file {os.fsdecode(path)} of a submodule was changed or added")

    def _has_reason(self, path: bytes, ignored: "frozenset[bytes]", copies: "set[tuple[bytes, bytes]]") -> bool:
        text, place = os.fsdecode(path), os.path.join(os.fsencode(self.root), path)
        parts = text.split("/")
        if os.path.islink(place) and not os.path.realpath(place).startswith(os.fsencode(self.root) + b"/"):
            return False
        if not os.path.isfile(place):
            return False
        if (os.path.basename(path), self.blob(path)) in copies:
            return True
        if _READ_BY_ITSELF.fullmatch(parts[-1]):
            return False
        if path in ignored or _COMPILED.fullmatch(parts[-1]):
            return True
        if any(_BUILD_FOLDER.fullmatch(part) for part in parts[:2][: len(parts) - 1]):
            return True
        if any(_METADATA.fullmatch(part) for part in parts[:-1]):
            return not parts[-1].endswith(_CODE)
        return _VERSION_FILE.fullmatch(parts[-1]) is not None and _is_plain(place)

    # --- the repository itself: its settings and hooks would run, and its index hide, whenever git is used -----------

    def check_repository(self) -> None:
        for entry in sorted(set(os.listdir(self._git_folder)) - _GIT_ENTRIES):
            self.say(f".git/{entry} does not belong there")
        for folder, _, files in os.walk(os.path.join(self._git_folder, "hooks")):
            for name in files:
                if not name.endswith(".sample"):
                    self.say(f"a git hook: {os.path.join(folder, name)}")
        for name in _listdir(os.path.join(self._git_folder, "info")):
            if name != "exclude":
                self.say(f".git/info/{name} does not belong there")
        if os.path.exists(os.path.join(self._git_folder, "objects", "info", "alternates")):
            self.say("the repository borrows objects from elsewhere")
        settings = self.git("config", "-z", "--list", "--no-includes", "-f", os.path.join(self._git_folder, "config"))
        for setting in settings.split(b"\0")[:-1]:
            key = os.fsdecode(setting.partition(b"\n")[0])
            if not _GIT_SETTINGS.fullmatch(key):
                self.say(f"the git setting {key}")
        if _read(os.path.join(self._git_folder, "HEAD")).strip() not in (b"ref: refs/heads/main", self.commit.encode()):
            self.say("HEAD is not the branch main")
        self._check_references()
        self._check_index()

    def _check_references(self) -> None:
        lines = [line.split() for line in _read(os.path.join(self._git_folder, "packed-refs")).splitlines()]
        found = {os.fsdecode(words[1]): words[0] for words in lines if len(words) == 2 and words[0] != b"#"}
        for folder, _, files in os.walk(os.path.join(self._git_folder, "refs")):
            for name in files:
                place = os.path.join(folder, name)
                found[os.path.relpath(place, self._git_folder)] = _read(place).strip()
        if found != {"refs/heads/main": self.commit.encode()}:
            self.say(f"the repository has other references than main at the base commit: {sorted(found)[:5]}")

    def _check_index(self) -> None:
        index = os.path.join(self._git_folder, "index")
        tags = {entry[:1] for entry in self.git("ls-files", "-v", "-z", GIT_INDEX_FILE=index).split(b"\0")[:-1]}
        if not tags <= {b"H"}:
            self.say("the git index hides files (assume-unchanged, skip-worktree)")
        entries = {}
        for entry in self.git("ls-files", "-s", "-z", GIT_INDEX_FILE=index).split(b"\0")[:-1]:
            words, _, path = entry.partition(b"\t")
            entries[path] = tuple(words.split()[:2])
        if entries != {path: entry for path, entry in self.tree.items() if entry[0] != b"040000"}:
            self.say("the git index is not that of the base commit")


def _is_plain(place: bytes) -> bool:
    """A version file that only assigns constants: nothing in it can do anything."""
    source = _read(os.fsdecode(place))
    if len(source) > 8192:
        return False
    if not place.endswith(b".py"):
        return True
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        if not isinstance(node, _PLAIN_NODES):
            return False
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        if not set(names) <= {"__future__", "typing", "typing_extensions"}:
            return False
    return True


def _read(place: str) -> bytes:
    if not os.path.isfile(place):
        return b""
    with open(place, "rb") as file:
        return file.read()


def _listdir(place: str) -> "list[str]":
    return sorted(os.listdir(place)) if os.path.isdir(place) else []


def main() -> None:
    """Read the order from the file named by the only argument; print what was found."""
    with open(sys.argv[1]) as file:
        order = json.load(file)
    with tempfile.TemporaryDirectory() as scratch:
        checkout = Checkout(order["testbed"], order["commit"], order["submodules"], scratch)
        checkout.inspect()
    print(json.dumps({"suspicions": checkout.found[:MOST], "all": len(checkout.found)}))


if __name__ == "__main__":
    main()
