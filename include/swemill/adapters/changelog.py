"""Find what a changelog says of one version. Pure: text in, text out.

Changelogs have no format, but their headings do: a line that names one version and little else, often underlined or
marked. The entry of a version is what stands between its heading and the next heading of a version.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath

_NUMBER = r"\d+(?:\.\d+)+(?:\.?(?:a|b|c|rc|alpha|beta|dev|post)\.?\d*)?"
_VERSION = re.compile(rf"(?i)(?<![\w.])v?\.?\s?({_NUMBER})(?!\w|\.\d|\+)")
_ITEM = re.compile(rf"[-*+]\s+v?({_NUMBER})\s*(?::|-|\([^()]*\):?)\s*(.*)")
_RULE = re.compile(r"\s*([=\-~^\"'*+#`._])\1{2,}\s*")
_DATE = re.compile(
    r"(?ix) \d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})? | \d{1,2}(?:st|nd|rd|th)?[-/.\ ](?:of\s)?\w+[-/.,\ ]+\d{2,4}"
    r" | [a-z]{3,9}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4} | unreleased | released?(?:\s+on)? | date | yanked"
)
_MARKUP = " \t#*_`[](){}=~:;,.<>-–—'\"/!|"
_SAYS_VERSION = frozenset(
    {"release", "version", "changes", "change", "log", "changelog", "what's", "whats", "new", "news", "notes"}
    | {"in", "for", "of", "the", "since", "v", "ver", "rel", "history"}
)
_OTHER_THING = frozenset(
    {"python", "cpython", "pypy", "from", "to", "and", "or", "requires", "require", "support", "drop"}
)
_STEMS = (
    "changelog",
    "changes",
    "change_log",
    "history",
    "news",
    "release_notes",
    "releasenotes",
    "whatsnew",
    "releases",
)
_SUFFIXES = ("", ".md", ".rst", ".txt", ".markdown")
_LONGEST_HEADING = 120


@dataclass(frozen=True, kw_only=True)
class _Heading:
    at: int
    version: str
    style: str
    """``#`` signs, the character of the underline, or empty for a bare line."""
    bare: bool
    """Nothing but the version, a name and a date."""

    def ends(self, entry: "_Heading") -> bool:
        """Whether this heading ends the entry below another. ``### Python 3.9`` inside of ``## 2.0`` does not."""
        above = self.style.startswith("#") and entry.style.startswith(self.style)
        return self.bare or above or self.style == entry.style


def extract_entry(text: str, version: str) -> str:
    """The entry of ``version``, without its heading; empty when there is none.

    Understands Markdown headings (``## [1.2.3] - 2020-01-01``), underlined and over-lined titles, ``Version 1.2.3``,
    ``Release 1.2.3``, ``v1.2.3``, ``package 1.2.3``, ``1.2.3 (2020-01-01)`` at the start of a line. ``1.2`` and
    ``1.2.0`` are one version.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
    headings = [found for at in range(len(lines)) if (found := _heading(lines, at))]
    wanted = _normal(version)
    for index, heading in enumerate(headings):
        if _normal(heading.version) != wanted:
            continue
        later = (other.at for other in headings[index + 1 :] if other.ends(heading))
        entry = _trim(lines[heading.at + 1 : next(later, len(lines))])
        if entry:  # a table of contents names versions, too, with nothing below
            return entry
    return _list_item(lines, wanted)


def changelog_files(paths: Iterable[str]) -> list[str]:
    """The paths that may be changelogs, likeliest first: those nearest to the root, then by name, READMEs last."""
    ranked = []
    for path in paths:
        rank = _rank(PurePosixPath(path.lower()))
        if rank is not None:
            ranked.append((rank >= 100, path.count("/"), rank, path))
    return [path for *_, path in sorted(ranked)]


def _rank(path: PurePosixPath) -> int | None:
    """Place of a file among the likely changelogs, or None when it is none. Below 100: by name; 100: a README."""
    if path.suffix not in _SUFFIXES and not re.fullmatch(r"\.\d+", path.suffix):
        return None
    if any(part in ("test", "tests", "node_modules", "vendor", "_vendor") for part in path.parts):
        return None
    stem = (path.stem if path.suffix in _SUFFIXES else path.name).replace("-", "_")
    if stem in _STEMS:
        return _STEMS.index(stem)
    if re.match(r"(changes|changelog|whatsnew|release_?notes|history|news)\W?_?v?\d", stem):
        return 20
    if any(part.replace("-", "_") in _STEMS for part in path.parts[:-1]):
        return 30
    return 100 if stem == "readme" and len(path.parts) == 1 else None


def _heading(lines: list[str], at: int) -> _Heading | None:
    """What a line is the heading of, or None when it is none."""
    line = lines[at].rstrip()
    match = _VERSION.search(line) if len(line) <= _LONGEST_HEADING else None
    if match is None or re.match(r"\s|[-*+]\s", line):  # continuation lines and bullets
        return None
    style = _style(lines, at)
    words = [word for word in (word.strip(_MARKUP).lower() for word in line[: match.start()].split()) if word]
    if len(words) > 5 or not _OTHER_THING.isdisjoint(words):
        return None
    rest = line[match.end() :].strip(_MARKUP)
    dated = _DATE.search(rest) is not None
    only_version = not _DATE.sub("", rest).strip(_MARKUP)
    unknown = [word for word in words if word not in _SAYS_VERSION]
    bare = only_version and (not unknown or (len(unknown) == 1 and (bool(style) or dated)))
    if not bare and not style:
        return None
    return _Heading(at=at, version=match.group(1), style=style, bare=bare)


def _list_item(lines: list[str], wanted: str) -> str:
    """The entry of a changelog that is one flat list, a version an item: ``- 1.2.3: what changed``."""
    for at, line in enumerate(lines):
        item = _ITEM.match(line)
        if item is not None and _normal(item.group(1)) == wanted:
            rest = takewhile(lambda line: line[:1].isspace() or not line, lines[at + 1 :])
            return _trim([item.group(2), *(line.strip() for line in rest)])
    return ""


def _style(lines: list[str], at: int) -> str:
    if match := re.match(r"#+", lines[at]):
        return match.group()
    below = lines[at + 1] if at + 1 < len(lines) else ""
    return below.strip()[:1] if _RULE.fullmatch(below) else ""


def _trim(lines: list[str]) -> str:
    """An entry without the underline of its own heading, the over-line and the anchor of the next."""
    while lines and (not lines[0].strip() or _RULE.fullmatch(lines[0])):
        lines = lines[1:]
    while lines and (not lines[-1].strip() or _RULE.fullmatch(lines[-1]) or _anchor(lines[-1])):
        lines = lines[:-1]
    return "\n".join(line.rstrip() for line in lines)


def _anchor(line: str) -> bool:
    return re.fullmatch(r"\s*(\.\. _[^:]+:|<a .*>\s*</a>|<a .*/>)\s*", line) is not None


def _normal(version: str) -> str:
    text = version.lower().replace("alpha", "a").replace("beta", "b")
    text = re.sub(r"\.?(a|b|c|rc|dev|post)\.?", r"\1", text)
    while text.endswith(".0"):
        text = text.removesuffix(".0")
    return text
