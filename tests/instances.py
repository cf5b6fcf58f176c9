"""An instance for tests to start from: each replaces the fields that it is about."""

from datetime import UTC, datetime

from swemill.values import BaseInference, InstanceSpec, StatementSource

INSTANCE = InstanceSpec(
    instance_id="o__calc-1",
    repository="o/calc",
    forge="archive",
    number=1,
    base_commit="0" * 40,
    base_committed_at=datetime(2024, 1, 1, tzinfo=UTC),
    patch=b"",
    test_patch=b"",
    problem_statement="mean() does not divide.",
    hints_text="",
    statement_source=StatementSource.ISSUE,
    base_inference=BaseInference.MERGE,
    created_at=datetime(2024, 1, 2, tzinfo=UTC),
)
