"""Entry of the command line: collects the commands and turns our errors into one line and an exit code."""

import logging
import sys

import typer

from swemill.cli import benching, discovering, flakes, harvesting, images, inspecting, machine, reprocessing, working
from swemill.cli.context import printable
from swemill.errors import Infrastructure, SwemillError

_INTERRUPTED = 130

app = typer.Typer(
    name="swemill",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Mill GitHub into execution-validated software-engineering training data, and that into a better model.",
)
machine.register(app)
discovering.register(app)
harvesting.register(app)
working.register(app)
reprocessing.register(app)
inspecting.register(app)
flakes.register(app)
images.register(app)
benching.register(app)


@app.callback()
def options(verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what is done in detail.")) -> None:
    """Options of all commands."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """Run the command line.

    Exit code 1: bad input, or a training that failed; 2: wrong usage; 3: infrastructure; 130: Ctrl-C.
    """
    try:
        app()
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer turns Ctrl-C into this, without a word
            typer.echo("interrupted; finished work is kept and not repeated", err=True)
        raise
    except SwemillError as error:
        typer.secho(printable(f"{type(error).__name__}: {error}"), fg="red", err=True)
        sys.exit(3 if isinstance(error, Infrastructure) else 1)
