"""Parsing YAML that a stranger wrote: read by events, so nothing is constructed, and aliases are paid for.

Every scalar stays the text that was written. For continuous integration that is what one wants: an unquoted ``3.10`` is
a version and no number.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from swemill.patches import LARGEST_CONFIGURATION

_DEEPEST = 40
_MOST = 20_000
"""Values of a document, those that aliases repeat counted each time."""
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former where libyaml is there


def parse_yaml(text: str) -> Any:
    """The first document: dictionaries, lists and texts. Raises ValueError."""
    if len(text) > LARGEST_CONFIGURATION:
        raise ValueError(f"more than {LARGEST_CONFIGURATION} characters")
    try:
        return _Reader(yaml.parse(text, Loader=_PARSER)).document()
    except (yaml.YAMLError, RecursionError) as cause:
        raise ValueError(f"no YAML: {type(cause).__name__}") from None


class _Reader:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._spent = 0

    def document(self) -> Any:
        for event in self._events:
            if not isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
                return None if isinstance(event, yaml.StreamEndEvent) else self._value(event, 0)
        return None

    def _value(self, event: Any, depth: int) -> Any:
        self._spend(1)
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:  # it does not exist, or holds itself
                raise ValueError("an alias of nothing")
            value, size = self._anchors[event.anchor]
            self._spend(size)
            return value
        before = self._spent
        if isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(depth)
        else:
            value = event.value
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._spent - before)
        return value

    def _sequence(self, depth: int) -> list[Any]:
        found = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, depth + 1))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            value = self._value(next(self._events), depth + 1)
            if key == "<<":
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, Mapping):
                        merged = {**part, **merged}
            elif isinstance(key, str):
                found[key] = value
        return {**merged, **found}

    def _spend(self, size: int) -> None:
        self._spent += size
        if self._spent > _MOST:
            raise ValueError(f"more than {_MOST} values")
