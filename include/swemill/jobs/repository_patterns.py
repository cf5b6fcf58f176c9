"""Repositories as a person names them: ``owner/name``, with ``*`` and ``?`` for any letters."""

from collections.abc import Iterable

from swemill.errors import UserError


def repository_patterns(words: Iterable[str]) -> tuple[str, ...]:
    """The patterns, each once.

    Raises:
        UserError: one has another form.
    """
    patterns = tuple(dict.fromkeys(words))
    if wrong := [pattern for pattern in patterns if pattern.count("/") != 1 or not all(pattern.split("/"))]:
        raise UserError(f"{wrong[0]!r} is no repository: write owner/name, or with a star: owner/*, */name")
    return patterns
