"""Looks at a virtual environment that foreign commands have filled: is it what its distributions say, and no more?

This file runs inside a sandbox, on the system's own Python, before anything of the image has run. Hence: standard
library only, Python 3.6 syntax, no import from swemill. It prints one JSON object: ``suspicions`` (sentences) and
``hands``, the distributions that have a hand in how tests come out (pytest and pluggy, plugins that pytest loads by
itself, whoever runs code at the start of Python). What these say of themselves proves nothing, because their RECORD
lies in the same folder: whoever reads this compares their hashes with those of the package index.
"""

# Old Python has no newer syntax, and a path is compared as the text that RECORD has.
# ruff: noqa: PTH113, PTH114, PTH116, PTH118, PTH119, PTH120, PTH123, PTH207, SIM905

import ast
import base64
import configparser
import csv
import glob
import hashlib
import json
import os
import re
import sys
from email.parser import HeaderParser
from typing import Any

MOST = 40

_CORE = ("pytest", "pluggy")
_OF_THE_VENV = re.compile(
    r"pyvenv\.cfg|\.gitignore|CACHEDIR\.TAG|\.lock|bin/(activate(\.[a-z0-9]+|_this\.py)?|Activate\.ps1|deactivate\.bat"
    r"|pydoc\.bat)"
)
_INTERPRETER = re.compile(r"bin/python(3(\.[0-9]+)?)?")
_OF_UV = ("_virtualenv.py", "_virtualenv.pth")
_WITHOUT_HASH = re.compile(r"RECORD(\.jws|\.p7s)?|INSTALLER|REQUESTED|direct_url\.json|uv_(cache|build)\.json")
_STARTS_WITH_PYTHON = re.compile(r"(site|user)customize(\.py|\.[^/]*\.so|\.so|/.*)")
# Programs by which a sandbox is worked with: one of these names in the environment would stand before the system's.
_PROGRAMS = frozenset(
    "awk basename bash cat chmod cp cut dash dirname du env false find git grep head id kill ln ls mkdir mktemp mv ps "
    "readlink rm sed sh sleep sort stat tail tar tee test timeout touch tr true uname wc xargs".split()
)
_FOREIGN_ENV = re.compile(
    r"(LD|PYTEST|DYLD)_.*|PYTHON(PATH|HOME|STARTUP|OPTIMIZE|WARNINGS|INSPECT|USERBASE|PLATLIBDIR)"
)
_EDITABLE_IMPORT = re.compile(r"import (_\w+)(; ?\1\.install\((\{.*\})?\))?;?")
_FINDER_IMPORTS = frozenset("__future__ sys importlib itertools pathlib threading typing types editables".split())
_FINDER_WORDS = frozenset("exec eval compile open __import__ getattr setattr delattr globals vars locals".split())


class Distribution:
    """One ``*.dist-info`` and the files it claims, by real path."""

    def __init__(self, site: str, folder: str) -> None:
        self.folder = folder
        headers = HeaderParser().parsestr(_text(os.path.join(folder, "METADATA")))
        self.name = re.sub(r"[-_.]+", "-", headers.get("Name") or "").lower()
        self.version = headers.get("Version") or ""
        origin = _json(os.path.join(folder, "direct_url.json"))
        self.editable = bool((origin.get("dir_info") or {}).get("editable"))
        self.origin = str(origin.get("url") or "")
        self.files = {}  # type: dict[str, str]
        for row in csv.reader(_text(os.path.join(folder, "RECORD")).splitlines()):
            if row:
                self.files[os.path.normpath(os.path.join(site, row[0]))] = row[1] if len(row) > 1 else ""

    def has_plugin(self) -> bool:
        """True when pytest loads something of it without being asked."""
        points = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
        try:
            points.read_string(_text(os.path.join(self.folder, "entry_points.txt")))
        except configparser.Error:
            return True
        return points.has_section("pytest11")


class Environment:
    """One virtual environment."""

    def __init__(self, root: str, work_folder: str, reference: str) -> None:
        self.root, self.work_folder, self.reference = root, work_folder, reference
        self.found = []  # type: list[str]
        sites = glob.glob(os.path.join(root, "lib", "python3*", "site-packages"))
        self.site = sites[0] if len(sites) == 1 else ""
        self.distributions = []  # type: list[Distribution]
        self.claims = {}  # type: dict[str, list[tuple[Distribution, str]]]
        self.hands = {}  # type: dict[str, Distribution]

    def say(self, sentence: str) -> None:
        self.found.append(sentence[:300])

    def inspect(self) -> None:
        """All checks."""
        if not self.site or os.path.islink(self.site):
            return self.say("the environment has no site-packages, or more than one")
        for name in sorted(os.environ):
            if _FOREIGN_ENV.fullmatch(name):
                self.say(f"the variable {name} is set in the image")
        for folder in sorted(glob.glob(os.path.join(glob.escape(self.site), "*.dist-info"))):
            self._know(Distribution(self.site, folder))
        self._check_interpreter()
        for folder, folders, files in os.walk(self.root):
            for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                self._check_file(os.path.join(folder, name))
        self._check_core()
        return None

    def report(self) -> "dict[str, object]":
        hands = [
            {"name": hand.name, "version": hand.version, "files": self._sources(hand)}
            for _, hand in sorted(self.hands.items())
        ]
        return {"suspicions": self.found[:MOST], "all": len(self.found), "hands": hands}

    def _know(self, distribution: Distribution) -> None:
        self.distributions.append(distribution)
        for path, digest in distribution.files.items():
            self.claims.setdefault(path, []).append((distribution, digest))
        own = distribution.editable and distribution.origin.startswith("file://" + self.work_folder)
        if distribution.editable and not own:
            self.say(f"{distribution.name} is installed from {distribution.origin}")
        if not own and (distribution.name in _CORE or distribution.has_plugin()):
            self.hands[distribution.name] = distribution

    def _sources(self, distribution: Distribution) -> "dict[str, str]":
        kept = {}
        for path in distribution.files:
            inside = path.startswith(self.site + "/") and not path.startswith(distribution.folder + "/")
            metadata = path == os.path.join(distribution.folder, "entry_points.txt")
            if (inside or metadata) and os.path.isfile(path) and not path.endswith((".pyc", ".pyo")):
                kept[os.path.relpath(path, self.site)] = _digest(path, "sha256")
        return kept

    # --- files -------------------------------------------------------------------------------------------------------

    def _check_file(self, path: str) -> None:
        inside = os.path.relpath(path, self.root)
        if inside == "lib64" and os.path.realpath(path) == os.path.join(os.path.realpath(self.root), "lib"):
            return
        if _INTERPRETER.fullmatch(inside) or _OF_THE_VENV.fullmatch(inside):
            return
        name = os.path.relpath(path, self.site)
        if inside.endswith((".pyc", ".pyo")):
            self.say(f"{inside} is a compiled module, which would run in the place of its source")
        elif os.path.islink(path) or not os.path.isfile(path):
            self.say(f"{inside} is no regular file")
        elif name in _OF_UV:
            if _bytes(path) not in [_bytes(place) for place in self._references(name)]:
                self.say(f"{inside} is not what uv writes there")
        elif _STARTS_WITH_PYTHON.fullmatch(name):
            self.say(f"{inside} is run at every start of Python")
        elif name.endswith(".egg-link") or name == "easy-install.pth":
            self._check_old_link(path)
        else:
            self._check_claimed(path, inside)

    def _references(self, name: str) -> "list[str]":
        """Where uv put a file of this name; the Python it was asked for may be another one."""
        return glob.glob(os.path.join(glob.escape(self.reference), "lib", "python3*", "site-packages", name))

    def _check_claimed(self, path: str, inside: str) -> None:
        claims = self.claims.get(path)
        if not claims:
            return self.say(f"{inside} belongs to no installed distribution")
        owner = next((owner for owner, digest in claims if self._is_as_recorded(path, owner, digest)), None)
        if owner is None:
            return self.say(f"{inside} is not as {claims[0][0].name} recorded it")
        if inside.startswith("bin/") and inside[4:] in _PROGRAMS:
            self.say(f"{inside} would be run in the place of the system's own")
        if os.path.dirname(path) == self.site and path.endswith(".pth"):
            self._check_start(path, owner)
        elif owner.editable and path.startswith(self.site + "/") and os.path.dirname(path) != owner.folder:
            self._check_editable(path, inside, owner)
        return None

    def _is_as_recorded(self, path: str, owner: Distribution, digest: str) -> bool:
        if not digest:
            return os.path.dirname(path) == owner.folder and bool(_WITHOUT_HASH.fullmatch(os.path.basename(path)))
        kind, _, wanted = digest.partition("=")
        return kind in ("sha256", "sha384", "sha512") and _digest(path, kind) == wanted

    def _check_start(self, path: str, owner: Distribution) -> None:
        """A .pth: paths must stay in the work folder; code makes its distribution one with a hand in the outcome."""
        for line in _text(path).splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith(("import ", "import\t")):
                if not (owner.editable and _EDITABLE_IMPORT.fullmatch(line.strip())):
                    self.hands[owner.name] = owner
            elif not self._is_inside(os.path.join(self.site, line.strip())):
                self.say(f"{os.path.basename(path)} leads out of the checkout: {line.strip()}")

    def _check_editable(self, path: str, inside: str, owner: Distribution) -> None:
        """Of an editable install the environment holds a finder, at most: code that only says where modules lie."""
        module = os.path.basename(path)
        if not path.endswith(".py"):
            return None
        if os.path.dirname(path) != self.site or not re.match(r"_+editable|_.*_editable(_loader)?\.py", module):
            return self.say(f"{inside} is a copy of editable {owner.name}")
        if module.startswith("__editable__") and not _only_finds(_text(path)):
            self.say(f"{inside} does more than to find modules")
        return None

    def _check_old_link(self, path: str) -> None:
        for line in _text(path).splitlines():
            place = os.path.join(self.work_folder, line.strip())
            if line.strip() and not self._is_inside(place):
                self.say(f"{os.path.basename(path)} leads out of the checkout: {line.strip()}")

    def _is_inside(self, place: str) -> bool:
        place = os.path.normpath(place)
        return place == self.work_folder or place.startswith((self.work_folder + "/", self.site + "/"))

    # --- the interpreter and pytest ----------------------------------------------------------------------------------

    def _check_interpreter(self) -> None:
        real = os.path.realpath(os.path.join(self.root, "bin", "python"))
        outside = os.path.isfile(real) and not real.startswith(os.path.realpath(self.root) + "/")
        if not outside or os.stat(real).st_uid != os.stat("/").st_uid:
            self.say(f"bin/python is not the system's: {real}")
        for path in sorted(glob.glob(os.path.join(self.root, "bin", "python*"))):
            inside = os.path.relpath(path, self.root)
            if _INTERPRETER.fullmatch(inside) and os.path.realpath(path) != real:
                self.say(f"{inside} is not the same as bin/python")
        for line in _text(os.path.join(self.root, "pyvenv.cfg")).splitlines():
            key, _, value = (part.strip() for part in line.partition("="))
            if key == "home" and os.path.realpath(value) != os.path.dirname(real):
                self.say(f"pyvenv.cfg names another home of Python: {value}")
            if key == "include-system-site-packages" and value != "false":
                self.say("pyvenv.cfg opens the system's packages")

    def _check_core(self) -> None:
        """What is imported as pytest must be pytest's, so that comparing its files means something."""
        named = [distribution.name for distribution in self.distributions]
        for name in sorted(set(named)):
            if named.count(name) > 1:
                self.say(f"{name} is installed twice")
        for module, owner in (("_pytest", "pytest"), ("pytest", "pytest"), ("pluggy", "pluggy")):
            for path in glob.glob(os.path.join(self.site, module, "**", "*"), recursive=True):
                owners = [distribution.name for distribution, _ in self.claims.get(path, [])]
                if os.path.isfile(path) and owner not in owners:
                    return self.say(f"{os.path.relpath(path, self.root)} is not of {owner}")
        return None


def _only_finds(source: str) -> bool:
    """True for the finder that setuptools writes: it imports what an importer needs, and calls nothing dangerous."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        if not {name.partition(".")[0] for name in names} <= _FINDER_IMPORTS:
            return False
        if isinstance(node, ast.Name) and node.id in _FINDER_WORDS:
            return False
        if isinstance(node, ast.Attribute) and node.attr in ("modules", "import_module", "__dict__", "__globals__"):
            return False
    return True


def _digest(path: str, kind: str) -> str:
    digest = hashlib.new(kind, _bytes(path)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bytes(path: str) -> bytes:
    if not os.path.isfile(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _json(path: str) -> "dict[str, Any]":
    try:
        value = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def main() -> None:
    """Read the order from the file named by the only argument; print what was found."""
    with open(sys.argv[1]) as file:
        order = json.load(file)
    environment = Environment(order["venv"], order["work_folder"], order["reference"])
    environment.inspect()
    print(json.dumps(environment.report()))


if __name__ == "__main__":
    main()
