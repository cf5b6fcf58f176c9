"""Many items one after the other, where none is to suffer from another: what a task of the sharded mode does.

What could not be done is told at the end. Done again, the shard does only what has no fact yet (``perform``).
"""

import logging
from collections.abc import Callable, Sequence

from swemill.errors import AlreadyClaimed, Infrastructure
from swemill.jobs.perform import Done

log = logging.getLogger(__name__)

PATIENCE = 3
"""Items in a row that infrastructure trouble may stop: then it is the machine's, and the others would only wait too."""


def all_of(subjects: Sequence[str], do: Callable[[str], Done]) -> list[Done]:
    """Do every item; what became of them, in order.

    Raises:
        Infrastructure: the first of its kind, if any; else the first error of another kind. Its note counts the items
            that were not done. With one item it is simply that item's error.
    """
    done: list[Done] = []
    failed: dict[str, Exception] = {}
    row = 0
    for number, subject in enumerate(subjects, start=1):
        try:
            done.append(do(subject))
            row = 0
        except Exception as error:  # noqa: BLE001 - a boundary: other items have nothing to do with it
            failed[subject] = error
            row = row + 1 if isinstance(error, Infrastructure) and not isinstance(error, AlreadyClaimed) else 0
            log.error("%s: %s: %s", subject, type(error).__name__, error)
        else:
            log.info("%d of %d: %s", number, len(subjects), done[-1].line())
        if row == PATIENCE:
            log.error("%d items in a row met trouble of the machine; the other %d wait", row, len(subjects) - number)
            break
    if failed:
        # What another try may mend goes first: with the other kind the task would fail for good.
        worst = next((one for one in failed.values() if isinstance(one, Infrastructure)), next(iter(failed.values())))
        if len(subjects) > 1:
            worst.add_note(f"{len(done)} of {len(subjects)} items are done; not done: {', '.join(failed)}")
        raise worst
    return done
