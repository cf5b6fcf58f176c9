"""The filters of the harvest: each names its loss."""

from datetime import UTC, datetime

import pytest

from swemill import filters
from swemill.patches import TestLayout
from swemill.reasons import Reason
from swemill.values import Drop, Issue, PullRequestRecord, StatementSource

WHEN = datetime(2024, 5, 1, tzinfo=UTC)


def pull(source: StatementSource, *issues: Issue) -> PullRequestRecord:
    return PullRequestRecord(
        number=1, title="t", body="b", merged_at=WHEN, base_ref_name="main", issues=issues, statement_source=source
    )


def reason(drop: Drop | None) -> Reason | None:
    return drop.reason if drop else None


def test_an_issue_is_asked_for_only_where_there_are_issues() -> None:
    issue = Issue(number=1, title="", body="", created_at=WHEN)
    assert reason(filters.no_linked_issue(pull(StatementSource.ISSUE))) is Reason.NO_LINKED_ISSUE
    assert filters.no_linked_issue(pull(StatementSource.ISSUE, issue)) is None
    assert filters.no_linked_issue(pull(StatementSource.ISSUE), required=False) is None
    for source in (StatementSource.PULL_REQUEST, StatementSource.COMMIT_MESSAGE, StatementSource.CHANGELOG):
        assert filters.no_linked_issue(pull(source)) is None


@pytest.mark.parametrize("statement", ["", " \n\t", "---\n***"])
def test_a_statement_needs_words(statement: str) -> None:
    drop = filters.empty_statement(statement, StatementSource.CHANGELOG)
    assert reason(drop) is Reason.EMPTY_STATEMENT
    assert drop is not None
    assert "changelog" in drop.detail
    assert filters.empty_statement("Fix.", StatementSource.CHANGELOG) is None


def test_tests_must_change() -> None:
    assert reason(filters.no_test_change([])) is Reason.NO_TEST_CHANGE
    assert reason(filters.no_test_change(["src/a.py", "src/latest/b.py"])) is Reason.NO_TEST_CHANGE
    assert filters.no_test_change(["src/a.py", "tests/test_a.py"]) is None


def test_code_must_change_beyond_documentation() -> None:
    assert reason(filters.no_code_change([])) is Reason.NO_CODE_CHANGE
    drop = filters.no_code_change(["CHANGES.rst", "docs/index.rst", "tests/test_a.py"])
    assert reason(drop) is Reason.NO_CODE_CHANGE
    assert drop is not None
    assert drop.detail == "outside the tests only CHANGES.rst, docs/index.rst"
    only = filters.no_code_change(["tests/test_a.py"])
    assert only is not None
    assert only.detail == "tests only"
    assert filters.no_code_change(["CHANGES.rst", "src/a.py"]) is None


def test_the_repository_says_what_its_tests_are() -> None:
    layout = TestLayout.of({"pytest.ini": b"[pytest]\ntestpaths = checks\n"})
    assert reason(filters.no_test_change(["checks/a.py"])) is Reason.NO_TEST_CHANGE
    assert filters.no_test_change(["checks/a.py"], layout) is None
    assert filters.no_code_change(["checks/a.py"]) is None
    assert reason(filters.no_code_change(["checks/a.py"], layout)) is Reason.NO_CODE_CHANGE


def test_size_has_a_limit() -> None:
    assert filters.patch_too_large(10, limit=10) is None
    drop = filters.patch_too_large(11, limit=10)
    assert reason(drop) is Reason.PATCH_TOO_LARGE
    assert drop is not None
    assert "11 bytes" in drop.detail


def test_a_change_of_very_many_files_is_lost_before_its_diff_is_made() -> None:
    paths = [f"src/module_{number}.py" for number in range(1000)]
    assert filters.too_many_paths(paths, limit=100_000) is None
    drop = filters.too_many_paths(paths, limit=20_000)
    assert reason(drop) is Reason.PATCH_TOO_LARGE


def test_first_stops_at_the_first_loss() -> None:
    def never() -> Drop | None:
        raise AssertionError("asked although already lost")

    loss = Drop(reason=Reason.EMPTY_STATEMENT)
    assert filters.first([lambda: None, lambda: loss, never]) is loss
    assert filters.first([lambda: None]) is None
