"""What makes a pull request a task: small pure filters, each ``-> None`` (keep) or ``Drop`` with its named reason.

One function a reason, so that the funnel's losses can be read here. ``first`` runs them in order and stops at the first
loss: the cheap and most telling come first.
"""

from collections.abc import Callable, Iterable, Sequence

from swemill.patches import TestLayout, is_documentation, shown
from swemill.reasons import Reason
from swemill.values import Drop, PullRequestRecord, StatementSource

Check = Callable[[], Drop | None]

_BY_NAME = TestLayout()


def first(checks: Iterable[Check]) -> Drop | None:
    """The first loss of ``checks``, or None when all keep."""
    return next((drop for check in checks if (drop := check()) is not None), None)


def no_linked_issue(pull_request: PullRequestRecord, *, required: bool = True) -> Drop | None:
    """A pull request of a forge with issues must close one.

    What was mined from commit messages or a changelog has no issue to link and is kept: its statement's source says so.
    """
    if not required or pull_request.issues or pull_request.statement_source is not StatementSource.ISSUE:
        return None
    return Drop(reason=Reason.NO_LINKED_ISSUE, detail="no closing reference and no closing keyword in title or body")


def empty_statement(statement: str, source: StatementSource) -> Drop | None:
    """A task needs words."""
    if any(character.isalnum() for character in statement):
        return None
    return Drop(reason=Reason.EMPTY_STATEMENT, detail=f"nothing to read in the {source.value.replace('_', ' ')}")


def no_test_change(paths: Iterable[str], layout: TestLayout = _BY_NAME) -> Drop | None:
    """A change without tests cannot be shown to work. ``paths`` are those that it touches."""
    if any(layout.is_test(path) for path in paths):
        return None
    return Drop(reason=Reason.NO_TEST_CHANGE, detail="no test file among the changed files")


def no_code_change(paths: Sequence[str], layout: TestLayout = _BY_NAME) -> Drop | None:
    """There must be something to solve: one file that is neither test nor documentation."""
    others = [path for path in paths if not layout.is_test(path)]
    if any(not is_documentation(path) for path in others):
        return None
    named = ", ".join(shown(path) for path in others[:5])
    return Drop(reason=Reason.NO_CODE_CHANGE, detail=f"outside the tests only {named}" if named else "tests only")


def too_many_paths(paths: Iterable[str], *, limit: int) -> Drop | None:
    """A diff spells out every path that it touches: when these alone exceed the limit, it need not be made."""
    size = sum(len(path) + 8 for path in paths)
    if size <= limit:
        return None
    return Drop(reason=Reason.PATCH_TOO_LARGE, detail=f"the paths alone take {size} bytes, the limit is {limit}")


def patch_too_large(size: int, *, limit: int) -> Drop | None:
    """Gold patch and test patch together may hold ``limit`` bytes."""
    if size <= limit:
        return None
    return Drop(reason=Reason.PATCH_TOO_LARGE, detail=f"{size} bytes, the limit is {limit}")
