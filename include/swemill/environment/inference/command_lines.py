"""Commands out of shell text: split, without the words that only say how a command is run.

No shell is understood here, only the lines that people write into continuous integration. What is unclear is junk that
no later step recognises.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_LONGEST = 4_000
_MOST_LINES = 1_000
_PASSING = frozenset(
    {"sudo", "exec", "env", "command", "travis_retry", "time", "then", "do", "else", "if", "!", "{", "nice", "retry"}
    | {"nohup", "while", "-", "call", "&", "stdbuf", "unbuffer", "catchsegv", "powershell", "echo_and_run"}
)
_DISPLAY = frozenset({"xvfb-run", "dbus-run-session", "dbus-launch", "travis_wait", "timeout", "setarch", "taskset"})
_RUNNERS = frozenset({"poetry", "pipenv", "pdm", "uv", "rye", "hatch", "conda", "mamba", "micromamba", "pixi"})
_VALUED = frozenset(
    {"--with", "--group", "--only-group", "--extra", "--python", "-p", "-n", "--name", "--package", "--env"}
    | {"--with-requirements", "--directory", "--project", "--prefix", "-s", "--server-args", "--server-num"}
)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_FOREIGN = re.compile(
    r"(?i)(?:el)?(?:if\s+|\[|test\s)[^=!]{0,200}={1,2}~?\s*[\"'^]*(?:2\b|2\.|2\*|pypy|osx|darwin|win|mac|py2|cygwin)"
)
_PYTHON = re.compile(r"(.*/)?(python|pypy)[0-9.]*(\.exe)?|\$\{?(PYTHON|PY|python)[0-9]*\}?|\{envpython\}|\{py\}|py")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command."""

    words: tuple[str, ...]
    """The program and its arguments, without ``sudo`` and its kin."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Assignments in front of it."""

    @property
    def run(self) -> tuple[str, ...]:
        """The words without what provides an environment: ``poetry run``, ``coverage run -m``, ``python -m``."""
        return _innermost(self.words)


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a shell text, in order."""
    return tuple(_commands(text))


def command(words: Iterable[str]) -> Command:
    """The command that these words are."""
    variables: dict[str, str] = {}
    rest = list(words)[:500]
    while rest:
        assigned = _ASSIGNMENT.fullmatch(rest[0])
        if assigned:
            variables[assigned[1]] = assigned[2]
        elif rest[0] not in _PASSING:
            break
        rest.pop(0)
        while rest and rest[0].startswith("-") and not assigned:
            rest.pop(0)
    return Command(words=tuple(rest), variables=variables)


def split_words(line: str) -> list[str]:
    """The words of one line; quotes that do not close count as letters."""
    try:
        return shlex.split(line[:_LONGEST])
    except ValueError:
        return line[:_LONGEST].split()


def _commands(text: str) -> Iterator[Command]:
    for line in _for_this_system(text.replace("\\\n", " ").splitlines()[:_MOST_LINES]):
        words: list[str] = []
        for word in [*_tokens(line), ";"]:
            if word and not word.strip(";&|()"):
                if words:
                    yield command(words)
                words = []
            else:
                words.append(word)


def _for_this_system(lines: list[str]) -> Iterator[str]:
    """The lines, without those that are for Python 2, PyPy or another system."""
    passing = False
    for raw in lines:
        line = raw.strip()[:_LONGEST]
        word = line.split(";")[0].split(" ")[0]
        if passing and word in ("fi", "else", "elif", "}"):
            passing = False
        if _FOREIGN.match(line):
            passing = line.startswith(("if", "elif")) and not re.search(r"\bfi\b", line)
        elif not passing:
            yield line


def _tokens(line: str) -> list[str]:
    line = line.strip()[:_LONGEST]
    if not line or line.startswith("#"):
        return []
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        words = line.split()
    comment = next((number for number, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def _innermost(words: tuple[str, ...]) -> tuple[str, ...]:
    for _ in range(6):
        shorter = _without_wrapper(words)
        if shorter == words:
            break
        words = shorter
    return words


def _without_wrapper(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        return words
    program = words[0].rpartition("/")[2]
    if program in _DISPLAY:
        rest = _after_options(words[1:])
        return rest[1:] if rest and rest[0].isdigit() else rest
    if program in _RUNNERS and "run" in words[1:3]:
        return _after_options(words[words.index("run") + 1 :])
    if program in ("coverage", "coverage3", "kernprof") and "run" in words[1:2]:
        rest = _after_options(words[2:], flags=("-m",), valued=("--source", "--omit", "--include", "--rcfile"))
        return rest[1:] if rest[:1] == ("-m",) else ("python", *rest)
    if _PYTHON.fullmatch(words[0]):
        rest = _after_options(words[1:], flags=("-m", "-c"), valued=("-W", "-X"))
        return rest[1:] if rest[:1] == ("-m",) else words
    return words


def _after_options(
    words: tuple[str, ...], *, flags: tuple[str, ...] = (), valued: tuple[str, ...] = ()
) -> tuple[str, ...]:
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] not in flags:
        takes_value = words[position] in _VALUED or words[position] in valued
        position += 2 if takes_value else 1
    return words[position:]
