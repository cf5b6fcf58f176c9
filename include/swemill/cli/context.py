"""What commands share: opening the mill on this machine, and writing lines."""

from dataclasses import replace

import typer

from swemill.embedded import postgres
from swemill.settings import Settings
from swemill.wiring import Mill


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
