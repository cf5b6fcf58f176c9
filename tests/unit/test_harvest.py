"""The harvest stage over a forge of values: every pull request ends as a candidate or with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from swemill.errors import ForgeUnavailable
from swemill.reasons import Reason
from swemill.stages.harvest import Candidate, HarvestConfig, Rejected, harvest
from swemill.values import (
    BaseInference,
    Change,
    Comment,
    Drop,
    Issue,
    Malformed,
    PullRequestRecord,
    RepositoryRecord,
    StatementSource,
)


def at(hour: int) -> datetime:
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


def section(path: str) -> bytes:
    return b"diff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n@@ -1 +1 @@\n-a\n+b\n" % ((path.encode(),) * 4)


ISSUE = Issue(
    number=3,
    title="It breaks",
    body="When I press it.",
    created_at=at(1),
    comments=(
        Comment(body="late: just change b", created_at=at(9)),
        Comment(body="second", created_at=at(3)),
        Comment(body="first", created_at=at(2)),
    ),
)
PULL = PullRequestRecord(
    number=7, title="Fix it", body="Closes #3", merged_at=at(10), base_ref_name="main", issues=(ISSUE,)
)
CHANGE = Change(
    base_commit="b" * 40,
    head_commit="c" * 40,
    base_inference=BaseInference.SQUASH,
    base_committed_at=at(0),
    diff=section("src/a.py") + section("tests/test_a.py"),
    first_authored_at=at(5),
)


@dataclass
class ListedForge:
    """A forge whose answers are given."""

    pulls: list[PullRequestRecord | Malformed] = field(default_factory=lambda: [PULL])
    answer: Change | Drop = CHANGE
    down: tuple[str, ...] = ()
    broken: tuple[Malformed, ...] = ()
    names: tuple[str, ...] = ("o/n",)
    name: str = "listed"

    def fingerprint(self) -> str:
        return ""

    def repositories(self) -> Iterator[RepositoryRecord | Malformed]:
        yield from self.broken
        for name in self.names:
            yield RepositoryRecord(forge=self.name, name=name, location=name)

    def pull_requests(self, repository: RepositoryRecord) -> Iterator[PullRequestRecord | Malformed]:
        for pull in self.pulls:
            if repository.name in self.down:
                raise ForgeUnavailable("no answer")
            yield pull

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        return self.answer

    def snapshot(self, repository: RepositoryRecord, commit: str) -> bytes:
        return b""


def one(forge: ListedForge, **config: int | bool) -> Candidate | Rejected:
    (result,) = harvest(forge, config=HarvestConfig(**config))
    return result


def test_a_pull_request_becomes_an_instance() -> None:
    result = one(ListedForge())
    assert isinstance(result, Candidate)
    instance = result.instance
    assert instance.instance_id == "o__n-7"
    assert instance.patch == section("src/a.py")
    assert instance.test_patch == section("tests/test_a.py")
    assert instance.problem_statement == "It breaks\n\nWhen I press it."
    assert instance.base_commit == "b" * 40
    assert instance.created_at == at(10)
    assert instance.statement_source is StatementSource.ISSUE


def test_hints_are_what_was_said_before_the_first_commit() -> None:
    result = one(ListedForge())
    assert isinstance(result, Candidate)
    assert result.instance.hints_text == "first\n\nsecond"
    unknown = one(ListedForge(answer=replace(CHANGE, first_authored_at=None)))
    assert isinstance(unknown, Candidate)
    assert unknown.instance.hints_text == "first\n\nsecond\n\nlate: just change b"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (StatementSource.PULL_REQUEST, "Fix it\n\nCloses #3"),
        (StatementSource.COMMIT_MESSAGE, "Fix it\n\nCloses #3"),
        (StatementSource.CHANGELOG, "Closes #3"),
    ],
)
def test_weaker_statements_are_taken_as_given_and_marked(source: StatementSource, expected: str) -> None:
    result = one(ListedForge(pulls=[replace(PULL, issues=(), statement_source=source)]))
    assert isinstance(result, Candidate)
    assert result.instance.problem_statement == expected
    assert result.instance.statement_source is source


def test_several_issues_are_joined() -> None:
    other = replace(ISSUE, number=4, title="And this", body="")
    result = one(ListedForge(pulls=[replace(PULL, issues=(ISSUE, other))]))
    assert isinstance(result, Candidate)
    assert result.instance.problem_statement == "It breaks\n\nWhen I press it.\n\nAnd this"


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (ListedForge(pulls=[replace(PULL, issues=())]), Reason.NO_LINKED_ISSUE),
        (ListedForge(pulls=[replace(PULL, issues=(replace(ISSUE, title="", body=" "),))]), Reason.EMPTY_STATEMENT),
        (ListedForge(answer=Drop(reason=Reason.MISSING_COMMIT, detail="x")), Reason.MISSING_COMMIT),
        (ListedForge(answer=replace(CHANGE, diff=section("src/a.py"))), Reason.NO_TEST_CHANGE),
        (ListedForge(answer=replace(CHANGE, diff=b"")), Reason.NO_TEST_CHANGE),
        (ListedForge(answer=replace(CHANGE, diff=section("tests/test_a.py"))), Reason.NO_CODE_CHANGE),
        (ListedForge(answer=replace(CHANGE, diff=b"nonsense")), Reason.MALFORMED_RECORD),
    ],
)
def test_losses_are_named_and_keep_the_pull_request(forge: ListedForge, reason: Reason) -> None:
    result = one(forge)
    assert isinstance(result, Rejected)
    assert result.drop.reason is reason
    assert result.subject == "o__n-7"
    assert result.pull_request is forge.pulls[0]


def test_large_patches_are_lost() -> None:
    result = one(ListedForge(), max_patch_bytes=100)
    assert isinstance(result, Rejected)
    assert result.drop.reason is Reason.PATCH_TOO_LARGE


def test_without_the_demand_for_an_issue_the_pull_request_speaks() -> None:
    result = one(ListedForge(pulls=[replace(PULL, issues=())]), require_issue=False)
    assert isinstance(result, Candidate)
    assert result.instance.statement_source is StatementSource.PULL_REQUEST
    assert result.instance.problem_statement == "Fix it\n\nCloses #3"


def test_unreadable_records_are_losses_and_the_others_go_on() -> None:
    bad = Malformed(repository="o/n", where="pulls/o__n.jsonl:1", drop=Drop(reason=Reason.MALFORMED_RECORD))
    gone = Malformed(repository="o/x", where="repos/o/x.git", drop=Drop(reason=Reason.MISSING_REPOSITORY))
    results = list(harvest(ListedForge(pulls=[bad, PULL], broken=(gone,)), config=HarvestConfig()))
    assert [type(result) for result in results] == [Rejected, Rejected, Candidate]
    assert [result.subject for result in results[:2]] == ["repos/o/x.git", "pulls/o__n.jsonl:1"]


def test_an_unreachable_repository_is_told_after_the_others_are_done() -> None:
    results = harvest(ListedForge(names=("o/one", "o/two"), down=("o/one",)), config=HarvestConfig())
    first = next(results)
    assert isinstance(first, Candidate)
    assert first.instance.instance_id == "o__two-7"
    with pytest.raises(ForgeUnavailable, match="o/one: no answer"):
        next(results)
