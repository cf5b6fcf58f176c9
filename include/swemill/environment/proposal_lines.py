"""A proposed Dockerfile as instructions, read the way Docker's own parser reads it (Dockerfile reference, "Format").

What a model wrote is foreign text, and it must mean here exactly what it would mean to ``docker build``: a continued
line or a quote that is read otherwise would run another command than the one that was looked at. So whatever is rare
enough to be read in two ways (parser directives, heredocs) is refused instead of being guessed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST = 32 << 10
"""Bytes of a proposal."""

_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=", re.IGNORECASE)
_CONTINUED = re.compile(r"([^\\])\\[ \t]*$|^\\[ \t]*$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Refused(Exception):
    """A proposal asks for what the grammar does not have. Never leaves ``proposal.parse``."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction with its continued lines joined."""

    line: int
    """Where it begins, from 1."""
    keyword: str
    """Upper case."""
    rest: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile, in order. Raises Refused."""
    if len(text.encode(errors="surrogatepass")) > LARGEST:
        raise Refused(0, f"the Dockerfile is larger than {LARGEST >> 10} KiB")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if control := _CONTROL.search(line):
            raise Refused(number, f"it holds the character {control[0]!r}, which is no text")
    joined, begun = "", 0
    for number, line in enumerate(lines, start=1):
        bare = line.strip()
        if bare.startswith("#"):
            if _DIRECTIVE.match(bare):
                raise Refused(number, "parser directives (# syntax=, # escape=, # check=) are not allowed")
            continue  # in the middle of a continued line as well
        if not bare:
            continue
        begun = begun or number
        part = line if joined else line.lstrip()
        if _CONTINUED.search(part):
            joined += _CONTINUED.sub(r"\1", part)
            joined = joined or " "
            continue
        yield _instruction(begun, joined + part)
        joined, begun = "", 0
    if joined.strip():
        yield _instruction(begun, joined)


def _instruction(line: int, text: str) -> Instruction:
    keyword, _, rest = text.strip().partition(" ") if " " in text.strip() else (text.strip(), "", "")
    if "\t" in keyword:
        keyword, _, more = keyword.partition("\t")
        rest = f"{more} {rest}".strip()
    if not rest.strip():
        raise Refused(line, f"{keyword[:40]} says nothing")
    return Instruction(line=line, keyword=keyword.upper(), rest=rest.strip())


def unquoted(text: str) -> str:
    """``text`` of a shell command with each quoted part and each escaped character replaced by ``_``."""
    kept, quote, escaped = [], "", False
    for character in text:
        if escaped:
            escaped = False
        elif quote:
            if character == "\\" and quote == '"':
                escaped = True
            elif character == quote:
                quote = ""
        elif character == "\\":
            escaped = True
        elif character in "'\"":
            quote = character
        else:
            kept.append(character)
            continue
        kept.append("_")
    return "".join(kept)


def assignments(instruction: Instruction) -> dict[str, str]:
    """``NAME=value`` pairs of an ENV, quotes taken away as Docker does; nothing is expanded, so ``$`` is refused."""
    pairs: dict[str, str] = {}
    for word in _words(instruction):
        name, equals, value = word.partition("=")
        if not equals:
            raise Refused(instruction.line, "write ENV as NAME=value")
        pairs[name] = value
    return pairs


def _words(instruction: Instruction) -> list[str]:
    words: list[str] = []
    word: list[str] | None = None
    quote, text, at = "", instruction.rest, 0
    while at < len(text):
        character = text[at]
        at += 1
        if not quote and character in " \t":
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None else word
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == "$" and quote != "'":
            raise Refused(instruction.line, "ENV expands no variables: write the value out, or quote it with '...'")
        elif character == "\\" and quote != "'":
            if at == len(text):
                raise Refused(instruction.line, "ENV ends in a backslash")
            # Within double quotes a backslash is itself, unless it stands before one of these.
            word.append(text[at] if not quote or text[at] in '"$\\' else "\\" + text[at])
            at += 1
        else:
            word.append(character)
    if quote:
        raise Refused(instruction.line, f"ENV has a quote {quote} that is not closed")
    return words if word is None else [*words, "".join(word)]
