"""The instance: one task as SWE-bench writes it down. Everything after harvesting is about one of these."""

from dataclasses import dataclass
from datetime import datetime

from swemill.values.forge import BaseInference, StatementSource
from swemill.values.tests import TestRunner


@dataclass(frozen=True, kw_only=True)
class InstanceSpec:
    """One task: a repository at ``base_commit``, a statement, the gold ``patch`` and the ``test_patch``.

    Field names and meanings are SWE-bench's. Patches are bytes, kept as git printed them.
    """

    instance_id: str
    repository: str
    forge: str
    number: int
    base_commit: str
    base_committed_at: datetime
    patch: bytes
    test_patch: bytes
    problem_statement: str
    hints_text: str
    statement_source: StatementSource
    base_inference: BaseInference
    created_at: datetime
    """When the pull request was opened, as SWE-bench has it; when it was merged where only that is known."""
    version: str = ""
    issue_numbers: tuple[int, ...] = ()
    """The issues that the statement was made of."""
    runner: TestRunner = TestRunner.PYTEST
    """What its tests are run with: what its environment was proven by. pytest until it has one."""
    licence_path: str = ""
    """The licence file at the base commit; empty without one, or where the forge has none to show."""
    licence: bytes = b""


def instance_id(repository: str, number: int) -> str:
    """SWE-bench's instance id: ``owner__name-number``."""
    return f"{repository.replace('/', '__')}-{number}"
