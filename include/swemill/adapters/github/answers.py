"""What GitHub answers, in our words: the values that the client hands out, and reading an answer's bytes.

Everything here is foreign: bodies are bounded before they get here, and what GitHub says goes into messages as one
short line.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from swemill.errors import ForgeUnavailable, UserError

GONE = frozenset({"NOT_FOUND", "FORBIDDEN", "UNPROCESSABLE"})
"""Kinds of GraphQL errors that say that something is not there for us: deleted, blocked, private."""
_SHOWN = 300
"""Characters of a foreign text that a message shows."""


class NotThere(UserError):
    """What was asked for does not exist, or not for us (404, 409 of an empty repository, 410, 451, blocked)."""


class TooHeavy(ForgeUnavailable):
    """GitHub could not answer this very query in time: ask for less.

    In an outage every query is too heavy. Who gives up on the smallest one must first see a trivial query answered.
    """


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of the REST API."""

    data: Any
    """The parsed JSON; None for an empty body."""
    headers: Mapping[str, str]
    """By lower-case name."""
    date: datetime
    """GitHub's clock when it answered; ours where it does not say."""
    from_cache: bool
    """Nothing changed since the last time (304), so with credentials it cost nothing."""


@dataclass(frozen=True, kw_only=True)
class GraphqlError:
    """One error beside the data of a GraphQL answer."""

    type: str
    """Such as ``NOT_FOUND`` or ``FORBIDDEN``; empty where GitHub gives none."""
    message: str
    path: tuple[str | int, ...] = ()
    """Where in the data the null stands that this explains."""


@dataclass(frozen=True, kw_only=True)
class GraphqlAnswer:
    """One answer of the GraphQL API. Nodes may be null, each explained by an error of its path."""

    data: dict[str, Any] | None
    errors: tuple[GraphqlError, ...]
    date: datetime
    points: int
    """What it cost: GitHub's own word where the query asks for ``rateLimit { cost }``, else what was set aside."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One HTTP answer, whatever its status; its body is within the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    date: datetime
    from_cache: bool = False
    of_sign_in: bool = False
    """It is the answer to an App's request for an installation token, not to our own."""

    def json(self) -> Any:
        """The parsed body; None when empty. Raises ValueError when it is no JSON."""
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def message(self) -> str:
        """What GitHub says in words: ``message`` of the JSON, else the start of the body."""
        try:
            parsed = self.json()
        except ValueError:
            return one_line(self.body[: 4 * _SHOWN].decode(errors="replace"))
        said = parsed.get("message") if isinstance(parsed, dict) else None
        return one_line(said) if isinstance(said, str) else ""

    def number(self, header: str) -> int | None:
        """A header that is a whole number of up to 12 digits; None without such a one."""
        value = self.headers.get(header, "")
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 12 else None


def one_line(text: str) -> str:
    """A foreign text as a short line of printable characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def server_date(headers: Mapping[str, str], now: datetime) -> datetime:
    """The ``Date`` header; ``now`` where it is missing or no date."""
    return http_date(headers.get("date", "")) or now


def http_date(value: str) -> datetime | None:
    """A date of HTTP, with its zone; None when it is none."""
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter for numbers of many digits
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def graphql_errors(document: Mapping[str, Any]) -> tuple[GraphqlError, ...]:
    """The errors of a GraphQL answer; entries of a wrong form become errors without a type."""
    listed = document.get("errors")
    return tuple(_error(entry) for entry in listed) if isinstance(listed, list) else ()


def _error(entry: Any) -> GraphqlError:
    if not isinstance(entry, dict):
        return GraphqlError(type="", message="an error without a message")
    kind, said, path = entry.get("type"), entry.get("message"), entry.get("path")
    steps = path if isinstance(path, list) else []
    return GraphqlError(
        type=one_line(kind) if isinstance(kind, str) else "",
        message=one_line(said) if isinstance(said, str) else "",
        path=tuple(step for step in steps if isinstance(step, (str, int))),
    )
