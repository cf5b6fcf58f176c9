"""The harvest stage over a forge of values: every pull request ends as a candidate or with a reason."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from swemill.contamination import EvaluationInstance, EvaluationSet, EvaluationSets
from swemill.errors import ForgeUnavailable
from swemill.patches import changed_paths
from swemill.reasons import Reason
from swemill.stages.harvest import Candidate, HarvestConfig, Rejected, harvest, harvest_pulls, with_hints
from swemill.values import (
    BaseInference,
    Change,
    Comment,
    CommitTree,
    Drop,
    Issue,
    Malformed,
    PullRequestRecord,
    RepositoryRecord,
    StatementSource,
    Touched,
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
    asked: list[str] = field(default_factory=list)
    """What was called, for which numbers."""

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

    def prepare(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        self.asked.append(f"prepare {[pull.number for pull in pull_requests]}")

    def touched(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Touched | Drop:
        if isinstance(self.answer, Drop):
            return self.answer
        paths = changed_paths(self.answer.diff) if self.answer.diff.startswith(b"diff") else ("tests/a.py", "a.py")
        return Touched(paths=paths if self.answer.diff else (), configuration=self.answer.configuration)

    def fill(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        self.asked.append(f"fill {[pull.number for pull in pull_requests]}")

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        self.asked.append(f"change {pull_request.number}")
        return self.answer

    def tree(self, repository: RepositoryRecord, commit: str, wanted: Callable[[str], bool]) -> CommitTree:
        raise AssertionError("a harvest looks into no tree")

    def snapshot(self, repository: RepositoryRecord, commit: str) -> bytes:
        return b""


def one(forge: ListedForge, **config: int | bool) -> Candidate | Rejected:
    (result,) = harvest(forge, config=HarvestConfig(**config), evaluation=EvaluationSets.none())
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


def test_a_comment_that_was_changed_after_the_first_commit_is_no_hint() -> None:
    said = (
        Comment(body="edited: just change b", created_at=at(2), updated_at=at(6)),
        Comment(body="corrected in time", created_at=at(3), updated_at=at(4)),
    )
    result = one(ListedForge(pulls=[replace(PULL, issues=(replace(ISSUE, comments=said),))]))
    assert isinstance(result, Candidate)
    assert result.instance.hints_text == "corrected in time"


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
    results = list(
        harvest(
            ListedForge(pulls=[bad, PULL], broken=(gone,)), config=HarvestConfig(), evaluation=EvaluationSets.none()
        )
    )
    assert [type(result) for result in results] == [Rejected, Rejected, Candidate]
    assert [result.subject for result in results[:2]] == ["repos/o/x.git", "pulls/o__n.jsonl:1"]


def test_an_unreachable_repository_is_told_after_the_others_are_done() -> None:
    results = harvest(
        ListedForge(names=("o/one", "o/two"), down=("o/one",)), config=HarvestConfig(), evaluation=EvaluationSets.none()
    )
    first = next(results)
    assert isinstance(first, Candidate)
    assert first.instance.instance_id == "o__two-7"
    with pytest.raises(ForgeUnavailable, match="o/one: no answer"):
        next(results)


def test_what_the_change_brings_along_is_kept() -> None:
    pull = replace(PULL, created_at=at(4), version="1.0")
    known = replace(CHANGE, version="1.2", licence_path="LICENSE", licence=b"MIT")
    result = one(ListedForge(pulls=[pull], answer=known))
    assert isinstance(result, Candidate)
    instance = result.instance
    assert (instance.created_at, instance.version, instance.issue_numbers) == (at(4), "1.2", (3,))
    assert (instance.licence_path, instance.licence) == ("LICENSE", b"MIT")
    unversioned = one(ListedForge(pulls=[pull]))
    assert isinstance(unversioned, Candidate)
    assert unversioned.instance.version == "1.0"


def test_the_repository_says_what_its_tests_are() -> None:
    diff = section("src/a.py") + section("checks/a.py")
    assert isinstance(one(ListedForge(answer=replace(CHANGE, diff=diff))), Rejected)
    configured = replace(CHANGE, diff=diff, configuration={"pytest.ini": b"[pytest]\ntestpaths = checks\n"})
    result = one(ListedForge(answer=configured))
    assert isinstance(result, Candidate)
    assert result.instance.test_patch == section("checks/a.py")


@pytest.mark.parametrize(
    ("found", "reason", "asked"),
    [
        (EvaluationSet(name="s", repositories=("o/N",)), Reason.IN_EVALUATION_SET, []),
        (
            EvaluationSet(
                name="s",
                instances=(EvaluationInstance(instance_id="x-1", problem_statement="It breaks: when I press it"),),
            ),
            Reason.STATEMENT_IN_EVALUATION_SET,
            [],
        ),
        (
            EvaluationSet(name="s", instances=(EvaluationInstance(instance_id="x-1", patch=section("src/a.py")),)),
            None,  # one letter changed says too little
            ["prepare [7]", "fill [7]", "change 7"],
        ),
    ],
)
def test_evaluation_sets_are_kept_out_at_the_cheapest_moment(found, reason, asked) -> None:
    forge = ListedForge()
    (result,) = harvest(forge, config=HarvestConfig(), evaluation=EvaluationSets([found]))
    assert (result.drop.reason if isinstance(result, Rejected) else None) is reason
    assert [call for call in forge.asked if not call.endswith("[]")] == asked


def test_one_issue_of_several_may_be_an_evaluation_sets() -> None:
    theirs = EvaluationInstance(instance_id="x-1", problem_statement="It breaks: when I press it")
    sets = EvaluationSets([EvaluationSet(name="s", instances=(theirs,))])
    other = replace(ISSUE, number=4, title="And this", body="Another matter.")
    forge = ListedForge(pulls=[replace(PULL, issues=(other, ISSUE))])
    (result,) = harvest(forge, config=HarvestConfig(), evaluation=sets)
    assert isinstance(result, Rejected)
    assert result.drop.reason is Reason.STATEMENT_IN_EVALUATION_SET


def test_a_change_of_an_evaluation_set_is_kept_out() -> None:
    diff = section("src/a.py").replace(b"+b", b"+an_unmistakable_line = True") + section("tests/test_a.py")
    theirs = EvaluationInstance(instance_id="x-1", patch=diff.partition(b"diff --git a/tests")[0])
    sets = EvaluationSets([EvaluationSet(name="s", instances=(theirs,))])
    (result,) = harvest(ListedForge(answer=replace(CHANGE, diff=diff)), config=HarvestConfig(), evaluation=sets)
    assert isinstance(result, Rejected)
    assert result.drop.reason is Reason.PATCH_IN_EVALUATION_SET


REPOSITORY = RepositoryRecord(forge="listed", name="o/n", location="https://github.com/o/n.git", forge_id="R1")


@dataclass
class MeteredIssues:
    """The part of the metered side that a harvest uses."""

    known: dict[int, Issue]
    said: dict[tuple[str, int], tuple[Comment, ...]] = field(default_factory=dict)
    """By the repository of the issue and its number."""
    asked: list[str] = field(default_factory=list)
    name: str = "listed"

    def issues(self, repository: RepositoryRecord, numbers: Sequence[int]) -> Mapping[int, Issue]:
        self.asked.append(f"issues {list(numbers)}")
        return {number: self.known[number] for number in numbers if number in self.known}

    def comments(self, repository: RepositoryRecord, issues: Sequence[Issue]) -> Mapping[Issue, tuple[Comment, ...]]:
        self.asked.append(f"comments {[issue.number for issue in issues]}")
        return {issue: self.said.get((issue.repository or repository.name, issue.number), ()) for issue in issues}


BARE = replace(ISSUE, comments=())


def metered(forge: ListedForge, api: MeteredIssues, *pulls: PullRequestRecord) -> list[Candidate | Rejected]:
    none, config = EvaluationSets.none(), HarvestConfig()
    return list(harvest_pulls(forge, REPOSITORY, pulls, config=config, evaluation=none, api=api))  # type: ignore[arg-type]


def test_issues_named_in_words_are_looked_up_together_for_those_that_touch_tests() -> None:
    api = MeteredIssues(known={3: BARE, 5: replace(BARE, number=5, title="Other")})
    words = [
        replace(PULL, number=11, issues=(), body="Fixes #3, closes #5."),
        replace(PULL, number=12, issues=(), body="Resolves https://github.com/o/n/issues/5"),
        replace(PULL, number=13, issues=(), body="Fixes #99"),
        replace(PULL, number=14, issues=(), body="See #3"),
    ]
    results = {
        result.pull_request.number: result
        for result in metered(ListedForge(), api, *words)
        if result.pull_request is not None
    }
    assert api.asked == ["issues [3, 5, 99]"]
    both, other = results[11], results[12]
    assert isinstance(both, Candidate)
    assert both.instance.problem_statement.startswith("It breaks")
    assert both.instance.issue_numbers == (3, 5)
    assert both.pull_request is words[0], "the record stays as the forge told it"
    assert isinstance(other, Candidate)
    assert other.instance.issue_numbers == (5,)
    for number in (13, 14):
        lost = results[number]
        assert isinstance(lost, Rejected)
        assert lost.drop.reason is Reason.NO_LINKED_ISSUE
    silent = MeteredIssues(known={3: BARE})
    metered(ListedForge(answer=replace(CHANGE, diff=section("src/a.py"))), silent, words[0])
    assert silent.asked == []


def test_an_issue_found_by_words_may_say_nothing() -> None:
    api = MeteredIssues(known={3: replace(BARE, title="?", body="")})
    (lost,) = metered(ListedForge(), api, replace(PULL, issues=(), body="Fixes #3"))
    assert isinstance(lost, Rejected)
    assert lost.drop.reason is Reason.EMPTY_STATEMENT


def test_a_renamed_repository_is_meant_by_its_present_and_by_its_first_name() -> None:
    words = [
        replace(PULL, number=11, issues=(), body="Fixes new/home#3"),
        replace(PULL, number=12, issues=(), body="Closes https://github.com/O/n/issues/3"),
        replace(PULL, number=13, issues=(), body="Fixes other/home#3"),
    ]

    def harvested(*sets: EvaluationSet) -> dict[str, Reason | None]:
        results = harvest_pulls(
            ListedForge(),
            REPOSITORY,
            words,
            config=HarvestConfig(),
            evaluation=EvaluationSets(sets),
            api=MeteredIssues(known={3: BARE}),  # type: ignore[arg-type]
            present_name="new/home",
        )
        return {
            item.subject if isinstance(item, Rejected) else item.instance.instance_id: (
                item.drop.reason if isinstance(item, Rejected) else None
            )
            for item in results
        }

    assert harvested() == {"o__n-11": None, "o__n-12": None, "o__n-13": Reason.NO_LINKED_ISSUE}
    for name in ("o/N", "New/home"):
        claimed = harvested(EvaluationSet(name="s", repositories=(name,), cutoff=at(1)))
        assert set(claimed.values()) == {Reason.IN_EVALUATION_SET}


def test_losses_cost_no_git_and_contents_are_brought_for_what_is_left() -> None:
    forge = ListedForge()
    metered(forge, MeteredIssues(known={}), replace(PULL, issues=(), body="no issue"), replace(PULL, number=8))
    assert forge.asked == ["prepare [8]", "fill [8]", "change 8"]


def test_hints_of_several_repositories_are_asked_for_together() -> None:
    elsewhere = replace(BARE, number=4, repository="x/y")
    pulls = [replace(PULL, issues=(BARE,)), replace(PULL, number=8, issues=(BARE, elsewhere))]
    first = [item for item in metered(ListedForge(), MeteredIssues(known={}), *pulls) if isinstance(item, Candidate)]
    renamed = replace(REPOSITORY, name="o/first", forge_id="R2")
    other = replace(first[0], repository=renamed, present_name="o/other")
    said = {
        ("o/n", 3): (Comment(body="late", created_at=at(6)), Comment(body="early", created_at=at(2))),
        ("x/y", 4): (Comment(body="far", created_at=at(1)),),
        ("o/other", 3): (Comment(body="another", created_at=at(1)),),
    }
    api = MeteredIssues(known={}, said=said)
    told = with_hints([*first, other], api)  # type: ignore[arg-type]
    assert api.asked == ["comments [3, 4, 3]"]
    assert [candidate.instance.hints_text for candidate in told] == ["early", "far\n\nearly", "another"]
    assert with_hints([], api) == []  # type: ignore[arg-type]
