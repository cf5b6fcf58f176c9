"""``python -m swemill.embedded engine|up|down``: the set-up without the rest of the command line, for the Makefile."""

import sys
from collections.abc import Callable

from swemill.embedded import docker_engine, services
from swemill.errors import SwemillError
from swemill.settings import Settings


def main(arguments: list[str]) -> int:
    """Run one verb; returns the exit status."""
    verbs: dict[str, Callable[[Settings], object]] = {
        "engine": lambda settings: docker_engine.ensure(settings, print),
        "up": lambda settings: services.up(settings, print),
        "down": lambda settings: services.down(settings, print),
    }
    if len(arguments) != 1 or arguments[0] not in verbs:
        print(f"usage: python -m swemill.embedded {'|'.join(verbs)}", file=sys.stderr)
        return 2
    try:
        verbs[arguments[0]](Settings.load())
    except SwemillError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
