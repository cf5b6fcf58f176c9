"""The recipes of a Makefile's targets, its simple variables filled in. No make is run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from swemill.environment.inference.command_lines import Command, commands
from swemill.environment.inference.sources import Sources

NAMES = ("Makefile", "makefile", "GNUmakefile")
_VARIABLE = re.compile(r"^([A-Za-z_]\w{0,40})[ \t]*[:?]?=[ \t]*(\S[^\n#]{0,200})$", re.MULTILINE)
_TARGET = re.compile(r"([\w.-]{1,60})[ \t]*:(?!=)([^=]{0,300})$")
_MOST_LINES = 3_000


@dataclass(frozen=True)
class Makefile:
    """A Makefile as far as it is plain."""

    path: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    """What each target depends on, and the lines of its recipe."""

    def recipe(self, target: str) -> tuple[Command, ...]:
        """The commands of the targets that ``target`` depends on, then its own; of no deeper ones."""
        depends, own = self.targets.get(target, ([], []))
        lines = [line for name in depends for line in self.targets.get(name, ([], []))[1]]
        return commands("\n".join(self._filled(line) for line in (*lines, *own)[:200]))

    def _filled(self, line: str) -> str:
        plain = re.sub(r"\$[({](\w{1,40})[)}]", lambda found: self.variables.get(found[1], ""), line[:2_000])
        return plain.lstrip("@-+ ").replace("$$", "$")


def makefile(sources: Sources) -> Makefile:
    """The Makefile at the root; one without targets where there is none."""
    path = next((name for name in NAMES if sources.has(name)), "")
    text = sources.text(path) if path else ""
    targets: dict[str, tuple[list[str], list[str]]] = {}
    current: list[str] | None = None
    for line in text.replace("\\\n", " ").splitlines()[:_MOST_LINES]:
        if line.startswith("\t"):
            if current is not None:
                current.append(line.strip())
        elif head := _TARGET.match(line):
            current = []
            targets[head[1]] = (head[2].split()[:10], current)
    return Makefile(path, dict(_VARIABLE.findall(text)), targets)
