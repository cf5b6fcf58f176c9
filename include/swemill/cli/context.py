"""What commands share: opening the mill on this machine, writing lines, and the name of a pull request."""

import re
from dataclasses import replace

import typer

from swemill.embedded import postgres
from swemill.settings import Settings
from swemill.wiring import Mill

_PULL = re.compile(r"([\w.-]+/[\w.-]+)#([1-9][0-9]{0,17})")


def open_mill() -> Mill:
    """The mill over this machine's database (the embedded PostgreSQL is started when it is down), migrated."""
    settings = Settings.load()
    mill = Mill.open(replace(settings, database_url=postgres.ensure(settings).swemill))
    mill.store.migrate()
    return mill


def say(line: str) -> None:
    """Write one line of progress."""
    typer.echo(printable(line))


def printable(text: str) -> str:
    """Text without control characters: what a repository or a model wrote must not steer the terminal."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def pull_named(text: str) -> tuple[str, int] | None:
    """Repository and number of a pull request written as ``owner/name#7``; None for any other text."""
    match = _PULL.fullmatch(text)
    return (match[1], int(match[2])) if match else None
