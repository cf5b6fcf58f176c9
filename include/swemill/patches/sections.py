"""Reads a git diff into sections, one a file, and refuses whatever ``git apply`` would read in another way.

The reader is strict where ``git apply`` is lenient: hunks are read by their own line counts, and whatever is left over
is refused, because ``git apply`` would go on to apply it (a second patch in the old ``---``/``+++`` form hidden behind
a hunk would otherwise slip past ``sanitise``). A section is kept as the very bytes that git printed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from swemill.patches.paths import shown


class Problem(StrEnum):
    """What is wrong with a patch."""

    MALFORMED = "malformed"
    ESCAPES = "escapes"
    """A path leaves the work tree or reaches into ``.git``."""


class BadPatch(ValueError):
    """A patch that is not a well-formed git diff, or that names a path it must not name.

    Never infrastructure: callers turn it into a verdict with ``problem`` and the message.
    """

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Section:
    """One file's part of a diff."""

    data: bytes
    """The bytes of the section as they stand in the diff."""
    paths: tuple[str, ...]
    """Every path it names, the old one first: one, or two for a rename or a copy."""

    def hunks(self) -> tuple[bytes, list[bytes]]:
        """What stands before the hunks, and these; a binary change has none."""
        starts = [match.start() for match in _HUNK_BEGINS.finditer(self.data)]
        if not starts:
            return self.data, []
        ends = [*starts[1:], len(self.data)]
        return self.data[: starts[0]], [self.data[start:end] for start, end in zip(starts, ends, strict=True)]


def sections(diff: bytes) -> tuple[Section, ...]:
    """The sections of a git diff, in order; their data joined is the diff without blank lines between them.

    Raises:
        BadPatch: the bytes are no well-formed git diff, or a path escapes.
    """
    reader = _Reader(diff)
    return tuple(reader.sections())


_HUNK_BEGINS = re.compile(rb"(?m)^@@ -")
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_PLAIN_HEADERS = (b"similarity index ", b"dissimilarity index ", b"index ")
_MODE_HEADERS = (b"old mode ", b"new mode ", b"deleted file mode ", b"new file mode ")
_NAME_HEADERS = (b"rename from ", b"rename to ", b"copy from ", b"copy to ")
_BINARY_LINE = re.compile(rb"[A-Za-z][0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]+\r?\n?")
_BINARY_SIZE = re.compile(rb"(literal|delta) \d+\r?\n?")


class _Reader:
    """Reads a diff line by line; lines keep their ends, and only a line feed ends a line."""

    def __init__(self, diff: bytes) -> None:
        self._lines = re.findall(rb"[^\n]*\n|[^\n]+", diff)
        self._at = 0

    def sections(self) -> Iterator[Section]:
        while (line := self._peek()) is not None:
            if line.strip():
                yield self._section()
            else:
                self._at += 1

    def _section(self) -> Section:
        start = self._at
        first = self._next()
        if not first.startswith(b"diff --git "):
            raise self._malformed("expected 'diff --git'")
        names: dict[bytes, str] = {}
        while (line := self._peek()) is not None and (key := _header(line)):
            self._at += 1
            if key in _NAME_HEADERS:
                names[key] = _unquote(line[len(key) :].rstrip(b"\n"))
        renamed = [names[key] for key in _NAME_HEADERS if key in names]
        marked = self._body()
        paths = renamed or marked or _names_of_first_line(first)
        for path in (*paths, *marked):
            _refuse_escape(path)
        data = b"".join(self._lines[start : self._at])
        return Section(data=data, paths=_unique([*paths, *marked]))

    def _body(self) -> list[str]:
        """Read hunks or a binary patch; returns the paths of the ``---`` and ``+++`` lines."""
        line = self._peek()
        if line is None or line.startswith(b"diff --git ") or not line.strip():
            return []
        if line.startswith(b"GIT binary patch"):
            self._binary()
            return []
        if not line.startswith(b"--- "):
            raise self._malformed("unknown line")
        self._at += 1
        old = _marked_path(line[4:])
        line = self._next()
        if not line.startswith(b"+++ "):
            raise self._malformed("'---' without '+++'")
        new = _marked_path(line[4:])
        hunks = 0
        while (line := self._peek()) is not None and line.startswith(b"@@ "):
            self._hunk()
            hunks += 1
        if not hunks:
            raise self._malformed("'+++' without a hunk")
        return [path for path in (old, new) if path is not None]

    def _hunk(self) -> None:
        match = _HUNK.match(self._next())
        if match is None:
            raise self._malformed("malformed hunk header")
        old, new = (1 if count is None else int(count) for count in match.groups())
        while old > 0 or new > 0:
            kind = self._next()[:1]
            if kind in (b" ", b"\n"):
                old, new = old - 1, new - 1
            elif kind == b"-":
                old -= 1
            elif kind == b"+":
                new -= 1
            elif kind != b"\\":
                raise self._malformed("unexpected line in a hunk")
        if old or new:
            raise self._malformed("hunk longer than its header says")
        if (self._peek() or b"").startswith(b"\\"):
            self._at += 1

    def _binary(self) -> None:
        self._at += 1
        blocks = 0
        while (line := self._peek()) is not None and _BINARY_SIZE.fullmatch(line):
            self._at += 1
            while (line := self._peek()) is not None and _BINARY_LINE.fullmatch(line):
                self._at += 1
            if line is not None and line.strip():
                raise self._malformed("unexpected line in a binary patch")
            self._at += line is not None
            blocks += 1
        if not blocks:
            raise self._malformed("binary patch without data")

    def _peek(self) -> bytes | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _next(self) -> bytes:
        line = self._peek()
        if line is None:
            raise BadPatch(Problem.MALFORMED, "the patch ends in the middle of a section")
        self._at += 1
        return line

    def _malformed(self, what: str) -> BadPatch:
        return BadPatch(Problem.MALFORMED, f"{what} at line {min(self._at + 1, len(self._lines))} of the patch")


def _header(line: bytes) -> bytes | None:
    return next((key for key in (*_PLAIN_HEADERS, *_MODE_HEADERS, *_NAME_HEADERS) if line.startswith(key)), None)


def _unique(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))


def _marked_path(value: bytes) -> str | None:
    """Path of a ``---`` or ``+++`` line; None for ``/dev/null``."""
    value = value.rstrip(b"\n")
    if value in (b"/dev/null", b"/dev/null\t"):
        return None
    # git ends a name that holds white space with a tab, for readers that would stop at a space
    path = _unquote(value.removesuffix(b"\t"))
    return _without_prefix(path)


def _without_prefix(path: str) -> str:
    if path[:2] not in ("a/", "b/"):
        raise BadPatch(Problem.MALFORMED, f"path without its a/ or b/ prefix: {shown(path)}")
    return path[2:]


def _names_of_first_line(line: bytes) -> list[str]:
    """The path of a section without any other name (mode change, binary, empty file): both halves are the same."""
    rest = line[len(b"diff --git ") :].rstrip(b"\n")
    middle = len(rest) // 2
    old, new = rest[:middle], rest[middle + 1 :]
    if rest[middle : middle + 1] != b" " or (path := _without_prefix(_unquote(old))) != _without_prefix(_unquote(new)):
        raise BadPatch(Problem.MALFORMED, f"cannot tell the path of {shown(rest.decode('utf-8', 'surrogateescape'))}")
    return [path]


_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-3][0-7]{2})')
_ESCAPED = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


def _unquote(name: bytes) -> str:
    """Undo git's C-style quoting."""
    if name.startswith(b'"'):
        if len(name) < 2 or not name.endswith(b'"'):
            raise BadPatch(Problem.MALFORMED, "unbalanced quotes in a path")
        name = _ESCAPE.sub(_unescape, name[1:-1])
    return name.decode("utf-8", "surrogateescape")


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([_ESCAPED[code[0]]]) if len(code) == 1 else bytes([int(code, 8)])


def _refuse_escape(path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or "\0" in path or not path or any(part in ("", ".", "..") for part in parts):
        raise BadPatch(Problem.ESCAPES, f"the path leaves the work tree: {shown(path)!r}")
    if any(part.casefold() == ".git" for part in parts):
        raise BadPatch(Problem.ESCAPES, f"the path reaches into git's own folder: {shown(path)!r}")
