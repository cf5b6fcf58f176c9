"""Plausible wrong patches: a gold patch with a part left out or changed. Tests that let one through are weak.

Two families, after mutation testing (DeMillo, Lipton, Sayward: Hints on Test Data Selection, 1978) and after what
agents hand in: *incomplete* ones lack a file or a hunk; *mutated* ones have one added line of Python changed, so that
it still reads as Python. Which are made depends on the patch alone: the same patch gives the same wrong ones.

A mutation can mean the same as the original (an equivalent mutant), so one that resolves is a sign of weak tests and no
proof; that is why the outcome is a share and not a verdict.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from swemill.patches import Section, is_documentation, sections

MOST = 8
"""Wrong patches of one gold patch."""
LONGEST_LINE = 500
"""Bytes of a line that is looked at for a mutation."""


class WrongKind(StrEnum):
    """What was done to the gold patch."""

    WITHOUT_FILE = "without_file"
    WITHOUT_HUNK = "without_hunk"
    MUTATED = "mutated"


@dataclass(frozen=True, kw_only=True)
class WrongPatch:
    """One wrong patch."""

    kind: WrongKind
    what: str
    """For a person: what was left out, or the line before and after."""
    patch: bytes


@dataclass(frozen=True, kw_only=True)
class _Mutation:
    name: str
    pattern: re.Pattern[bytes]
    replacement: bytes


def _mutation(name: str, pattern: str, replacement: str) -> _Mutation:
    return _Mutation(name=name, pattern=re.compile(pattern.encode()), replacement=replacement.encode())


_MUTATIONS = (
    _mutation("equal", r" == ", " != "),
    _mutation("unequal", r" != ", " == "),
    _mutation("at most", r" <= ", " < "),
    _mutation("at least", r" >= ", " > "),
    _mutation("below", r" < ", " <= "),
    _mutation("above", r" > ", " >= "),
    _mutation("is not", r" is not ", " is "),
    _mutation("is", r" is (?!not )", " is not "),
    _mutation("not in", r" not in ", " in "),
    _mutation("and", r" and ", " or "),
    _mutation("or", r" or ", " and "),
    _mutation("not", r"\bnot (?!in )", ""),
    _mutation("true", r"\bTrue\b", "False"),
    _mutation("false", r"\bFalse\b", "True"),
    _mutation("plus", r" \+ ", " - "),
    _mutation("minus", r" - ", " + "),
    _mutation("one more", r"(?<![\w.])0(?![\w.])", "1"),
    _mutation("one less", r"(?<![\w.])1(?![\w.])", "0"),
    _mutation("nothing returned", r"^(\s*)return (?!None\b)[\w.]+(?:\(\))?\s*$", r"\1return None"),
)
_STATEMENT = re.compile(rb"^(\s+)[A-Za-z_][\w.]*(?:\[[^\]]*\])? ?(?:[-+*/|&]?=|\().*[^\s:,(\[{\\]$")
"""A line that is a whole simple statement, as far as one line can tell: an assignment or a call, indented."""
_QUOTED = re.compile(rb"\"[^\"]*\"|'[^']*'|#.*")


def wrong_patches(gold: bytes, *, most: int = MOST) -> tuple[WrongPatch, ...]:
    """At most ``most`` wrong patches, the incomplete ones first; each differs from ``gold`` and from the others.

    Files that are documentation are no part of the solution: leaving them out, or changing them, proves nothing.

    Raises:
        patches.BadPatch: ``gold`` is no git diff.
    """
    parts = sections(gold)
    incomplete = [*_without_files(parts), *_without_hunks(parts)]
    mutated = sorted(_mutated(parts), key=lambda one: sha256(one.patch).digest())
    # Half of the places for either family, and what one does not need for the other.
    room = max(most - min(len(mutated), most // 2), most // 2)
    chosen: dict[bytes, WrongPatch] = {}
    for one in (*_spread(incomplete, room), *mutated):
        if len(chosen) < most and one.patch.strip() and one.patch != gold:
            chosen.setdefault(one.patch, one)
    return tuple(chosen.values())


def _without_files(parts: Sequence[Section]) -> Iterator[WrongPatch]:
    code = [index for index, part in enumerate(parts) if not is_documentation(part.paths[-1])]
    for left_out in code if len(code) > 1 else ():
        rest = b"".join(part.data for index, part in enumerate(parts) if index != left_out)
        yield WrongPatch(kind=WrongKind.WITHOUT_FILE, what=parts[left_out].paths[-1], patch=rest)


def _without_hunks(parts: Sequence[Section]) -> Iterator[WrongPatch]:
    for index, part in enumerate(parts):
        head, hunks = part.hunks()
        if len(hunks) < 2 or is_documentation(part.paths[-1]):
            continue
        for left_out in range(len(hunks)):
            kept = head + b"".join(hunk for number, hunk in enumerate(hunks) if number != left_out)
            what = f"{part.paths[-1]}, hunk {left_out + 1} of {len(hunks)}"
            yield WrongPatch(kind=WrongKind.WITHOUT_HUNK, what=what, patch=_with(parts, index, kept))


def _mutated(parts: Sequence[Section]) -> Iterator[WrongPatch]:
    for index, part in enumerate(parts):
        if not part.paths[-1].endswith((".py", ".pyx")):
            continue
        lines = part.data.splitlines(keepends=True)
        first = len(part.hunks()[0].splitlines())
        for number, line in enumerate(lines[first:], first):
            if not line.startswith(b"+") or len(line) > LONGEST_LINE:
                continue
            code, end = line[1:].rstrip(b"\r\n"), line[1 + len(line[1:].rstrip(b"\r\n")) :]
            for changed in _variants(code):
                data = b"".join((*lines[:number], b"+" + changed + end, *lines[number + 1 :]))
                what = f"{part.paths[-1]}: {_told(code)} -> {_told(changed)}"
                yield WrongPatch(kind=WrongKind.MUTATED, what=what, patch=_with(parts, index, data))


def _variants(code: bytes) -> Iterator[bytes]:
    """The line with one thing changed; nothing inside quotes or comments, and no loop header, is touched."""
    stripped = code.lstrip()
    if not stripped or stripped.startswith((b"#", b"import ", b"from ", b"for ", b"async for ", b'"', b"'", b"@")):
        return
    bare = _QUOTED.sub(lambda match: b"\0" * len(match[0]), code)
    for mutation in _MUTATIONS:
        match = mutation.pattern.search(bare)
        if match and not (b" for " in bare and b" in " in match[0]):
            yield code[: match.start()] + match.expand(mutation.replacement) + code[match.end() :]
    if (match := _STATEMENT.match(bare)) and _balanced(bare) and not stripped.startswith((b"def ", b"class ")):
        yield match[1] + b"pass"


def _balanced(bare: bytes) -> bool:
    return all(bare.count(left) == bare.count(right) for left, right in ((b"(", b")"), (b"[", b"]"), (b"{", b"}")))


def _with(parts: Sequence[Section], index: int, data: bytes) -> bytes:
    return b"".join(data if number == index else part.data for number, part in enumerate(parts))


def _spread(ones: Sequence[WrongPatch], most: int) -> list[WrongPatch]:
    """At most so many, evenly from the whole row."""
    if len(ones) <= most:
        return list(ones)
    return [ones[number * len(ones) // most] for number in range(most)]


def _told(line: bytes) -> str:
    return line.strip().decode("utf-8", "replace")[:120]
