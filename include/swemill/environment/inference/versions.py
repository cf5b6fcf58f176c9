"""Minor versions of Python, in all the ways that people write them."""

import re
from collections.abc import Iterable

_DOTTED = re.compile(r"(?:c?python|py|cp|~|==|=)?[-_ =]?([23])\.(\d{1,2})(?:\.(?:\d+|x|X|\*))?(?:\.?0-0)?")
_TIGHT = re.compile(r"(?:py|cp|python)([23])(\d{1,2})")
_BETWEEN = re.compile(r"[\s,;|'\"\[\](){}]+")
_KNOWN = {2: range(6, 8), 3: range(0, 30)}


def minor(text: str) -> str | None:
    """The minor version that a word names (``3.10``, ``py310``, ``3.9.1``, ``3.8.x``), None for anything else.

    Pre-releases (``3.14-dev``, ``3.13.0a1``), builds without the lock and other interpreters are none.
    """
    found = _DOTTED.fullmatch(text.strip()) or _TIGHT.fullmatch(text.strip())
    if not found or int(found[2]) not in _KNOWN[int(found[1])]:
        return None
    return f"{found[1]}.{int(found[2])}"


def minors(texts: Iterable[str]) -> list[str]:
    """Every version that the texts name."""
    words = (word for text in texts for word in _BETWEEN.split(text[:2_000]))
    return list(dict.fromkeys(version for word in words if (version := minor(word)) is not None))


def in_order(versions: Iterable[str]) -> list[str]:
    """Each once, the oldest first."""
    return sorted(set(versions), key=lambda version: tuple(int(part) for part in version.split(".")))
