"""The small language of tox: generative names (``py{36,37}-django{1,2}``) and conditions (``py36: mock``)."""

import re

_MOST = 300
"""Names that one generative name may stand for."""
_LONGEST = 2_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_CONDITION = re.compile(r"\s*(?P<condition>[!A-Za-z0-9_.,{}\-\s]+?)\s*:\s+(?P<line>\S.*)")
_PYTHON = re.compile(r"py(?:thon)?(\d)(?:\.?(\d{1,2}))")


def expanded(text: str) -> list[str]:
    """The names that a generative list stands for: ``py{36,37}, docs`` is three."""
    found: list[str] = []
    for part in _top_level(text):
        found += _alternatives(part.strip())
        if len(found) > _MOST:
            break
    return [name for name in found[:_MOST] if name and re.fullmatch(r"[\w.!+-]+", name)]


def python_of(factor: str) -> str | None:
    """The minor version that a factor names: ``py36``, ``py3.10`` and ``3.10``."""
    if found := _PYTHON.fullmatch(factor):
        return f"{found[1]}.{found[2]}"
    return factor if re.fullmatch(r"[23]\.\d{1,2}", factor) else None


def is_python_factor(factor: str) -> bool:
    """Whether a factor is about the interpreter alone."""
    return python_of(factor) is not None or factor in ("py", "py2", "py3", "python", "test", "tests")


def applies(line: str, factors: frozenset[str]) -> tuple[str, str] | None:
    """A line of a setting as it is for an environment with these factors; None when it is not for it.

    Conditions on Python are not decided: the second text is the marker that they amount to, empty for none.
    """
    found = _CONDITION.fullmatch(line[:_LONGEST])
    if not found:
        return line.strip(), ""
    markers = [_marker(one.split("-"), factors) for one in expanded(found["condition"].replace(" ", ""))]
    open_ones = [marker for marker in markers if marker is not None]
    if not open_ones:
        return None
    rest = found["line"].strip()
    return rest, "" if "" in open_ones else " or ".join(dict.fromkeys(open_ones))


def _marker(condition: list[str], factors: frozenset[str]) -> str | None:
    """The marker that remains of a condition: empty for one that holds, None for one that does not."""
    open_parts: list[str] = []
    for factor in condition:
        negated, name = factor.startswith("!"), factor.removeprefix("!")
        python = python_of(name)
        if python:
            open_parts.append(f'python_version {"!=" if negated else "=="} "{python}"')
        elif name in ("py2", "py3", "py"):
            if name != "py":
                open_parts.append(f'python_version {"<" if (name == "py2") != negated else ">="} "3"')
        elif (name in factors) == negated:
            return None
    return " and ".join(open_parts)


def _top_level(text: str) -> list[str]:
    """The parts between commas and white space that are in no braces."""
    parts, depth, current = [], 0, ""
    for letter in text[:5_000]:
        depth += (letter == "{") - (letter == "}")
        if depth <= 0 and (letter == "," or letter.isspace()):
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in [*parts, current] if part.strip()]


def _alternatives(name: str) -> list[str]:
    found = [name]
    for _ in range(8):
        if not any("{" in one for one in found) or len(found) > _MOST:
            break
        found = [other for one in found for other in _once(one)][: _MOST + 1]
    return [one for one in found if "{" not in one]


def _once(name: str) -> list[str]:
    braces = _BRACES.search(name)
    if not braces:
        return [name]
    choices = braces[1].split(",")
    span = re.fullmatch(r"(\d{1,4})-(\d{1,4})", braces[1].strip())
    if span and 0 <= int(span[2]) - int(span[1]) < 50:  # tox 4.25: py3{9-13}
        choices = [str(number) for number in range(int(span[1]), int(span[2]) + 1)]
    return [name[: braces.start()] + choice.strip() + name[braces.end() :] for choice in choices[:50]]
