"""Quality labels: what statement, gold patch and test patch say about a task before anybody has tried to solve it.

They are evidence for whoever filters a dataset, and no verdicts: nothing is lost for a label. The questions are those
with which others re-read SWE-bench: is the solution in the statement (SWE-Bench+, arXiv 2410.06992, section 3), is the
statement too thin, do tests ask for names that nobody could guess (both: SWE-bench Verified, annotation guidelines).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from swemill.patches import Section, is_documentation, is_test_path, sections

THIN_WORDS = 20
"""Words below which a statement is thin; code, links and quotes of logs are no words."""
LEAKED_SHARE = 0.5
"""Share of the solution's telling lines from which a statement leaks it."""
LONGEST = 200_000
"""Characters of a statement and lines of a patch that are looked at."""


class Difficulty(StrEnum):
    """The time that an engineer who knows the repository would need: the classes of SWE-bench Verified's annotators."""

    MINUTES = "under 15 minutes"
    HOUR = "15 minutes to 1 hour"
    HOURS = "1 to 4 hours"
    DAY = "over 4 hours"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The labels of one instance, with what they were read from."""

    files: int
    """Files that the gold patch changes, without tests and documentation."""
    hunks: int
    lines: int
    """Added and removed lines of those files."""
    difficulty: Difficulty
    """An estimate from size alone."""
    statement_words: int
    leaked_share: float
    """Share of the added lines that say something which stand, word for word, in the statement."""
    unmentioned: tuple[str, ...]
    """Names that the gold patch makes and the tests use, and the statement never mentions. Sorted."""

    @property
    def thin(self) -> bool:
        return self.statement_words < THIN_WORDS

    @property
    def leaks_solution(self) -> bool:
        return self.leaked_share >= LEAKED_SHARE

    def labels(self) -> tuple[str, ...]:
        """The labels that hold, as they appear in a dataset."""
        named = {
            "statement_thin": self.thin,
            "statement_leaks_solution": self.leaks_solution,
            "tests_check_unmentioned_names": bool(self.unmentioned),
        }
        return tuple(name for name, holds in named.items() if holds)


def quality(statement: str, patch: bytes, test_patch: bytes) -> Quality:
    """Read the labels of an instance. Raises patches.BadPatch."""
    text = statement[:LONGEST]
    code = [part for part in sections(patch) if not _is_beside(part.paths[-1])]
    added, removed, kept = (list(_lines(code, mark)) for mark in (b"+", b"-", b" "))
    hunks = sum(len(part.hunks()[1]) for part in code)
    telling = {line for line in map(_squeezed, added) if _is_telling(line)}
    stated = _squeezed(text)
    made = set(_made(added)) - set(_words([*removed, *kept]))
    used = set(_words(_lines(sections(test_patch), b"+")))
    return Quality(
        files=len(code),
        hunks=hunks,
        lines=len(added) + len(removed),
        difficulty=_difficulty(len(code), hunks, len(added) + len(removed)),
        statement_words=len(_PROSE_WORD.findall(_NO_PROSE.sub(" ", text))),
        leaked_share=round(sum(line in stated for line in telling) / len(telling), 3) if telling else 0.0,
        unmentioned=tuple(sorted((made & used) - set(_WORD.findall(text)))),
    )


_NO_PROSE = re.compile(r"```.*?(?:```|\Z)|^(?: {4}|\t|>>> |> )[^\n]*|`[^`\n]*`|https?://\S+", re.DOTALL | re.MULTILINE)
_PROSE_WORD = re.compile(r"[^\W\d_]{2,}")
_WORD = re.compile(r"[A-Za-z_]\w*")
_MADE = re.compile(
    r"^\s*(?:async\s+)?(?:def|class)\s+(?P<name>[A-Za-z_]\w*)"
    r"|^(?P<constant>[A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)"
    r"|^\s+self\.(?P<attribute>[A-Za-z]\w*)\s*(?::[^=]+)?=(?!=)"
)
_PARAMETER = re.compile(r"[(,]\s*\**(?P<name>[A-Za-z_]\w*)\s*(?::[^,()=]+)?=")
_SIZES = ((Difficulty.MINUTES, 1, 2, 10), (Difficulty.HOUR, 3, 6, 50), (Difficulty.HOURS, 8, 25, 250))
"""Most files, hunks and lines of each class."""


def _is_beside(path: str) -> bool:
    return is_documentation(path) or is_test_path(path)


def _difficulty(files: int, hunks: int, lines: int) -> Difficulty:
    sizes = (name for name, *most in _SIZES if files <= most[0] and hunks <= most[1] and lines <= most[2])
    return next(sizes, Difficulty.DAY)


def _lines(parts: Iterable[Section], mark: bytes) -> Iterator[str]:
    """The lines of all hunks that begin with ``mark``, without it."""
    left = LONGEST
    for hunk in (hunk for part in parts for hunk in part.hunks()[1]):
        for line in hunk.split(b"\n"):
            if line.startswith(mark) and left > 0:
                left -= 1
                yield line[1:2000].decode("utf-8", "replace")


def _made(added: Iterable[str]) -> Iterator[str]:
    """Functions, classes, constants, attributes and parameters that the lines bring."""
    for line in added:
        if match := _MADE.match(line):
            yield next(name for name in match.groups() if name)
        if "def " in line or line.lstrip().startswith(("self", "*")):
            yield from (found["name"] for found in _PARAMETER.finditer(line) if len(found["name"]) > 1)


def _words(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from _WORD.findall(line)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _is_telling(line: str) -> bool:
    """A line that would not stand in a statement by chance."""
    return len(line) >= 15 and len(_WORD.findall(line)) >= 3 and not line.startswith(("import ", "from ", "#", '"'))
