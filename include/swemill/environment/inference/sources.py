"""The files of a commit as inference reads them: decoded, parsed once, and empty where they are nonsense.

A repository's files are a stranger's. A file that does not parse tells nothing, and that is all that happens.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from swemill.environment.inference.bounded_yaml import parse_yaml
from swemill.patches import LARGEST_CONFIGURATION, parse_ini, parse_toml
from swemill.values import CommitTree

Table = Mapping[str, Any]
LONGEST = 300
"""Characters of a single value that is believed."""


@dataclass(frozen=True)
class Sources:
    """One commit's files."""

    tree: CommitTree
    _parsed: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every path of the tree."""
        return frozenset(self.tree.paths) | frozenset(self.tree.files)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder of the tree."""
        return frozenset(str(parent) for path in self.paths for parent in PurePosixPath(path).parents)

    def has(self, path: str) -> bool:
        """True when the file's content is at hand."""
        return path in self.tree.files

    def matching(self, *patterns: str) -> list[str]:
        """The files at hand that fit a pattern, sorted; a ``*`` may stand for folders too."""
        return sorted(path for path in self.tree.files if any(fnmatchcase(path, pattern) for pattern in patterns))

    def text(self, path: str) -> str:
        """The content; empty when absent or larger than any configuration."""
        data = self.tree.files.get(path, b"")
        if len(data) > LARGEST_CONFIGURATION:
            return ""
        return data.decode("utf-8-sig", "replace").replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")

    def toml(self, path: str) -> Table:
        """The tables of a TOML file."""
        return as_table(self._read("toml", path, parse_toml))

    def ini(self, path: str) -> Mapping[str, Mapping[str, str]]:
        """The sections of an INI file."""
        found: Mapping[str, Mapping[str, str]] = as_table(self._read("ini", path, parse_ini))
        return found

    def ini_text(self, text: str) -> Mapping[str, Mapping[str, str]]:
        """The sections of an INI document that is a value of another file."""
        try:
            return parse_ini(text)
        except ValueError:
            return {}

    def yaml(self, path: str) -> Table:
        """The mapping that a YAML file is."""
        return as_table(self._read("yaml", path, parse_yaml))

    def _read(self, kind: str, path: str, parse: Callable[[str], Any]) -> Any:
        if (kind, path) not in self._parsed:
            try:
                self._parsed[kind, path] = parse(self.text(path))
            except ValueError:
                self._parsed[kind, path] = None
        return self._parsed[kind, path]


def as_table(value: Any) -> Mapping[str, Any]:
    """The mapping, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """The list; one value is a list of itself."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None else [value]


def as_text(value: Any) -> str:
    """The text or number as text; empty for anything else."""
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def as_texts(value: Any) -> list[str]:
    """The texts of a list, or of one text."""
    return [text for item in as_list(value) if (text := as_text(item))]


def at(table: Table, *keys: str) -> Table:
    """The table below ``keys``, or an empty one."""
    for key in keys:
        table = as_table(table.get(key))
    return table


def lines_of(text: str) -> list[str]:
    """The lines that say something, without comments of whole lines."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def unique(values: Iterable[str], most: int = 200) -> tuple[str, ...]:
    """Each value once, in order; nothing empty, overlong or unprintable."""
    kept = (value for value in values if value and len(value) <= LONGEST and value.isprintable())
    return tuple(dict.fromkeys(kept))[:most]
