"""How a pull request landed decides its base: histories constructed for each way."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.adapters import landed_change as landed_module
from swemill.adapters.git_command import OutputTooLarge
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.landed_change import landed_change, touched_paths
from swemill.adapters.landing import Landing, find_landing, settle
from swemill.patches import changed_paths
from swemill.reasons import Reason
from swemill.values import BaseInference, Change, Drop, PullRequestRecord
from tests.unit.git_work_tree import WorkTree, git, head, write


class History:
    """A fork point, a branch ``pr`` of two commits, and ``main`` gone on meanwhile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = WorkTree(root / "work")
        self.fork = self.tree.commit("fork", a="1\n", z="1\n")
        self.tree.git("checkout", "-q", "-b", "pr")
        self.one = self.tree.commit("one", a="2\n")
        self.head = self.tree.commit("two", tests__test_a="t\n")
        self.tree.git("checkout", "-q", "main")
        self.main = self.tree.commit("meanwhile", z="2\n")

    @property
    def tip(self) -> str:
        return head(self.tree.root)

    def pull(self, landed: str | None, head: str | None, base: str | None) -> PullRequestRecord:
        return PullRequestRecord(
            number=1,
            title="",
            body="",
            merged_at=datetime(2024, 1, 2, tzinfo=UTC),
            base_ref_name="main",
            base_ref_oid=base,
            head_ref_oid=head,
            merge_commit_oid=landed,
        )

    def change(self, landed: str | None, *, head: str | None = None, base: str | None = None) -> Change | Drop:
        path = self.root / "mirror.git"
        if not path.exists():
            self.tree.mirror(path)
        return landed_change(GitMirror(path), self.pull(landed, head, base))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def applies(root: Path, change: Change) -> None:
    """The diff must apply to a checkout of the base, and give the head's tree."""
    git(root, "checkout", "-q", "--force", "--detach", change.base_commit)
    if change.diff:
        git(root, "apply", "--check", "-", stdin=change.diff)
        git(root, "apply", "--index", "--whitespace=nowarn", "-", stdin=change.diff)
    assert git(root, "write-tree") == git(root, "rev-parse", f"{change.head_commit}^{{tree}}")


def found(change: Change | Drop) -> tuple[str, str, BaseInference]:
    assert isinstance(change, Change), change
    return change.base_commit, change.head_commit, change.base_inference


def test_merge_commit_starts_at_the_merge_base_not_at_the_branch(history: History) -> None:
    history.tree.git("merge", "-q", "--no-ff", "-m", "Merge pull request #1 from x/pr", "pr")
    landed = history.tree.git("rev-parse", "HEAD")
    for known in (history.head, None, "0" * 40):
        change = history.change(landed, head=known, base=history.main)
        assert found(change) == (history.fork, history.head, BaseInference.MERGE)
        assert isinstance(change, Change)
        assert b"z.py" not in change.diff
        assert change.first_authored_at == GitMirror(history.root / "mirror.git").commit(history.one).authored_at


def test_commits_pushed_after_the_merge_do_not_count(history: History) -> None:
    history.tree.git("merge", "-q", "--no-ff", "-m", "land", "pr")
    landed = history.tree.git("rev-parse", "HEAD")
    history.tree.git("checkout", "-q", "pr")
    late = history.tree.commit("too late", a="9\n")
    assert found(history.change(landed, head=late)) == (history.fork, history.head, BaseInference.MERGE)


@pytest.mark.parametrize("known", [True, False], ids=["head known", "head not in the mirror"])
def test_squash_starts_where_the_branch_did_as_far_as_that_is_known(history: History, known: bool) -> None:
    history.tree.git("merge", "-q", "--squash", "pr")
    landed = history.tree.commit("squashed (#1)")
    change = history.change(landed, head=history.head if known else "0" * 40)
    expected = (history.fork, history.head) if known else (history.main, landed)
    assert found(change) == (*expected, BaseInference.SQUASH)
    assert isinstance(change, Change)
    assert change.diff.count(b"diff --git") == 2


def test_rebase_walks_back_over_all_commits(history: History) -> None:
    history.tree.git("cherry-pick", history.one, history.head)
    landed = history.tree.git("rev-parse", "HEAD")
    history.tree.commit("later", z="3\n")
    assert found(history.change(landed, head=history.head)) == (history.main, landed, BaseInference.REBASE)


def test_fast_forward_uses_the_recorded_base(history: History) -> None:
    history.tree.git("checkout", "-q", "pr")
    assert found(history.change(history.head, head=history.head, base=history.fork)) == (
        history.fork,
        history.head,
        BaseInference.MERGE_BASE,
    )
    assert found(history.change(history.head, head=history.head)) == (history.one, history.head, BaseInference.SQUASH)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pull request as it landed, and what is to be found."""

    landed: str | None
    head: str | None
    recorded: str | None = None
    kind: BaseInference
    base: str
    end: str


def plain_merge(h: History) -> Case:
    h.tree.git("merge", "-q", "--no-ff", "-m", "land", "pr")
    landed = h.tree.git("rev-parse", "HEAD")
    return Case(landed=landed, head=h.head, recorded=h.main, kind=BaseInference.MERGE, base=h.fork, end=h.head)


def merge_that_resolved_a_conflict(h: History) -> Case:
    onto = h.tree.commit("in the way", a="conflict\n")
    h.tree.git("merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "pr")
    landed = h.tree.commit("land", a="both\n", tests__test_a="t\n")
    return Case(landed=landed, head=h.head, recorded=onto, kind=BaseInference.MERGE, base=onto, end=landed)


def merge_beside_a_change_of_the_same_file(h: History) -> Case:
    """The file is another before and after, but the lines changed are the same: the branch's own change counts."""
    lines = [f"{n}\n" for n in range(40)]
    h.tree.commit("long", long="".join(lines))
    fork = h.tree.git("rev-parse", "HEAD")
    h.tree.git("checkout", "-q", "-b", "long")
    head = h.tree.commit("end", long="".join([*lines[:-1], "the end\n"]))
    h.tree.git("checkout", "-q", "main")
    h.tree.commit("start", long="".join(["the start\n", "of it\n", *lines[1:]]))
    h.tree.git("merge", "-q", "--no-ff", "-m", "land", "long")
    return Case(landed=h.tip, head=head, kind=BaseInference.MERGE, base=fork, end=head)


def squash_beside_a_change_of_the_same_file(h: History) -> Case:
    case = merge_beside_a_change_of_the_same_file(h)
    h.tree.git("reset", "-q", "--hard", "HEAD~1")
    h.tree.git("merge", "-q", "--squash", "long")
    return replace(case, landed=h.tree.commit("squashed (#1)"), kind=BaseInference.SQUASH)


def squash(h: History) -> Case:
    h.tree.git("merge", "-q", "--squash", "pr")
    landed = h.tree.commit("squashed (#1)")
    return Case(landed=landed, head=h.head, recorded=h.main, kind=BaseInference.SQUASH, base=h.fork, end=h.head)


def squash_without_a_head(h: History) -> Case:
    return replace(squash(h), head=None, base=h.main, end=h.tip)


def squash_with_a_head_that_moved_on(h: History) -> Case:
    case = squash(h)
    h.tree.git("checkout", "-q", "pr")
    late = h.tree.commit("too late", a="9\n", later="1\n")
    return replace(case, head=late, base=h.main, end=str(case.landed))


def squash_edited_while_landing(h: History) -> Case:
    h.tree.git("merge", "-q", "--squash", "pr")
    landed = h.tree.commit("squashed (#1)", a="2 and a bit\n")
    return Case(landed=landed, head=h.head, kind=BaseInference.SQUASH, base=h.main, end=landed)


def squash_after_update_branch(h: History) -> Case:
    h.tree.git("checkout", "-q", "pr")
    h.tree.git("merge", "-q", "-m", "Merge branch 'main' into pr", "main")
    h.tree.commit("after the update", more="1\n")
    head = h.tip
    h.tree.git("checkout", "-q", "main")
    h.tree.commit("main goes on", z="9\n")
    h.tree.git("merge", "-q", "--squash", "pr")
    landed = h.tree.commit("squashed (#1)")
    return Case(landed=landed, head=head, recorded=h.fork, kind=BaseInference.SQUASH, base=h.main, end=head)


def merge_after_update_branch(h: History) -> Case:
    case = squash_after_update_branch(h)
    h.tree.git("reset", "-q", "--hard", "HEAD~1")
    h.tree.git("merge", "-q", "--no-ff", "-m", "land", "pr")
    return replace(case, landed=h.tip, kind=BaseInference.MERGE)


def stacked_on_a_squashed_one(h: History) -> Case:
    """Its branch holds the commits of another pull request, which was squashed before: only its own part landed."""
    h.tree.git("checkout", "-q", "-b", "upper", "pr")
    head = h.tree.commit("on top", upper="1\n")
    h.tree.git("checkout", "-q", "main")
    h.tree.git("merge", "-q", "--squash", "pr")
    lower = h.tree.commit("lower (#1)")
    h.tree.git("merge", "-q", "--squash", "upper")
    landed = h.tree.commit("upper (#2)")
    return Case(landed=landed, head=head, recorded=lower, kind=BaseInference.SQUASH, base=lower, end=landed)


def stacked_and_merged_into_the_lower_branch(h: History) -> Case:
    h.tree.git("checkout", "-q", "-b", "upper", "pr")
    head = h.tree.commit("on top", upper="1\n")
    h.tree.git("checkout", "-q", "pr")
    h.tree.git("merge", "-q", "--no-ff", "-m", "land into pr", "upper")
    return Case(landed=h.tip, head=head, recorded=h.head, kind=BaseInference.MERGE, base=h.head, end=head)


def landed_with_the_one_on_top(h: History) -> Case:
    """GitHub marks it merged when the pull request that was built on it lands; that one's change is not its own."""
    h.tree.git("checkout", "-q", "-b", "upper", "pr")
    h.tree.commit("on top", upper="1\n")
    h.tree.git("checkout", "-q", "main")
    h.tree.git("merge", "-q", "--no-ff", "-m", "land upper", "upper")
    return Case(landed=h.tip, head=h.head, kind=BaseInference.MERGE, base=h.fork, end=h.head)


def rebase(h: History) -> Case:
    h.tree.git("cherry-pick", h.one, h.head)
    return Case(landed=h.tip, head=h.head, recorded=h.main, kind=BaseInference.REBASE, base=h.main, end=h.tip)


def rebase_of_one_commit(h: History) -> Case:
    h.tree.git("cherry-pick", h.one)
    return Case(landed=h.tip, head=h.one, kind=BaseInference.REBASE, base=h.main, end=h.tip)


def rebase_that_dropped_an_empty_commit(h: History) -> Case:
    h.tree.git("checkout", "-q", "pr")
    head = h.tree.commit("trigger the checks")
    h.tree.git("checkout", "-q", "main")
    return replace(rebase(h), head=head)


def rebase_that_resolved_a_conflict(h: History) -> Case:
    onto = h.tree.commit("in the way", more="1\n")
    h.tree.git("cherry-pick", "--no-commit", h.one)
    write(h.tree.root, {b"a.py": b"2 resolved\n"})
    h.tree.git("commit", "-q", "-a", "-C", h.one)
    h.tree.hour -= 1
    h.tree.git("cherry-pick", h.head)
    return Case(landed=h.tip, head=h.head, kind=BaseInference.REBASE, base=onto, end=h.tip)


def rebase_on_a_rebased_one(h: History) -> Case:
    """Its branch holds commits of another pull request, rebased before: the run ends where that one landed."""
    h.tree.git("checkout", "-q", "-b", "upper", "pr")
    three = h.tree.commit("three", upper="1\n")
    four = h.tree.commit("four", upper="2\n")
    h.tree.git("checkout", "-q", "main")
    h.tree.git("cherry-pick", h.one, h.head)
    lower = h.tip
    h.tree.hour += 5
    h.tree.git("cherry-pick", three, four)
    return Case(landed=h.tip, head=four, kind=BaseInference.REBASE, base=lower, end=h.tip)


def rebase_at_once_on_a_rebased_one(h: History) -> Case:
    """As before, within the hour: the recorded base tells where it ends."""
    case = rebase_on_a_rebased_one(h)
    lower = case.base
    h.tree.git("reset", "-q", "--hard", lower)
    h.tree.hour = 0
    h.tree.git("cherry-pick", "upper~1", "upper")
    return replace(case, landed=h.tip, end=h.tip, recorded=lower)


def squash_whose_last_commit_alone_matches(h: History) -> Case:
    landed = h.tree.commit("only the tests (#1)", tests__test_a="t\n")
    return Case(landed=landed, head=h.head, kind=BaseInference.SQUASH, base=h.main, end=landed)


def queue_of_squashes(h: History) -> Case:
    """The landed parent is another queued pull request's landing."""
    h.tree.git("checkout", "-q", "-b", "other", h.fork)
    h.tree.commit("other", other="1\n")
    h.tree.git("checkout", "-q", "main")
    h.tree.git("merge", "-q", "--squash", "other")
    h.tree.commit("other (#2)")
    return replace(squash(h), recorded=h.main)


def queue_of_merges(h: History) -> Case:
    h.tree.git("checkout", "-q", "-b", "other", h.fork)
    h.tree.commit("other", other="1\n")
    h.tree.git("checkout", "-q", "main")
    h.tree.git("merge", "-q", "--no-ff", "-m", "Merge pull request #2", "other")
    return replace(plain_merge(h), recorded=h.main)


def fast_forward(h: History) -> Case:
    kind = BaseInference.MERGE_BASE
    return Case(landed=h.head, head=h.head, recorded=h.fork, kind=kind, base=h.fork, end=h.head)


def fast_forward_to_a_head_that_merged_main(h: History) -> Case:
    h.tree.git("checkout", "-q", "pr")
    h.tree.git("merge", "-q", "-m", "Merge branch 'main' into pr", "main")
    kind = BaseInference.MERGE_BASE
    return Case(landed=h.tip, head=h.tip, recorded=h.main, kind=kind, base=h.main, end=h.tip)


def octopus(h: History) -> Case:
    h.tree.git("checkout", "-q", "-b", "other", h.fork)
    h.tree.commit("other", other="1\n")
    h.tree.git("checkout", "-q", "main")
    h.tree.git("merge", "-q", "--no-ff", "-m", "land both", "pr", "other")
    # more than this pull request landed, and nothing tells the parts of such a merge apart
    return Case(landed=h.tip, head=h.head, kind=BaseInference.MERGE, base=h.main, end=h.tip)


def merge_of_what_was_there(h: History) -> Case:
    h.tree.git("merge", "-q", "--ff-only", "-q", h.main)
    tree = h.tree.git("rev-parse", "HEAD^{tree}")
    landed = h.tree.git("commit-tree", "-p", h.main, "-p", h.fork, "-m", "nothing new", tree)
    h.tree.git("reset", "-q", "--hard", landed)
    return Case(landed=landed, head=h.fork, kind=BaseInference.MERGE, base=h.main, end=landed)


def without_a_landing_commit(h: History) -> Case:
    kind = BaseInference.MERGE_BASE
    return Case(landed=None, head=h.head, recorded=h.main, kind=kind, base=h.fork, end=h.head)


CASES = (
    plain_merge,
    merge_that_resolved_a_conflict,
    merge_beside_a_change_of_the_same_file,
    squash_beside_a_change_of_the_same_file,
    squash,
    squash_without_a_head,
    squash_with_a_head_that_moved_on,
    squash_edited_while_landing,
    squash_after_update_branch,
    merge_after_update_branch,
    stacked_on_a_squashed_one,
    stacked_and_merged_into_the_lower_branch,
    landed_with_the_one_on_top,
    rebase,
    rebase_of_one_commit,
    rebase_that_dropped_an_empty_commit,
    rebase_that_resolved_a_conflict,
    rebase_on_a_rebased_one,
    rebase_at_once_on_a_rebased_one,
    squash_whose_last_commit_alone_matches,
    queue_of_squashes,
    queue_of_merges,
    fast_forward,
    fast_forward_to_a_head_that_merged_main,
    octopus,
    merge_of_what_was_there,
    without_a_landing_commit,
)


@pytest.mark.parametrize("build", CASES, ids=[case.__name__ for case in CASES])
def test_every_way_to_land(history: History, build: Callable[[History], Case]) -> None:
    case = build(history)
    change = history.change(case.landed, head=case.head, base=case.recorded)
    assert found(change) == (case.base, case.end, case.kind)
    assert isinstance(change, Change)
    applies(history.tree.root, change)
    landing = find_landing(GitMirror(history.root / "mirror.git"), history.pull(case.landed, case.head, case.recorded))
    assert isinstance(landing, Landing)
    touched = touched_paths(GitMirror(history.root / "mirror.git"), landing)
    assert set(touched.paths) == set(changed_paths(change.diff))


def test_a_doubt_about_large_files_is_too_large_too(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    case = squash_beside_a_change_of_the_same_file(history)
    monkeypatch.setattr(landed_module, "DIFF_LIMIT", 100)
    change = history.change(case.landed, head=case.head)
    assert isinstance(change, Drop)
    assert change.reason is Reason.PATCH_TOO_LARGE
    mirror = GitMirror(history.root / "mirror.git")
    landing = find_landing(mirror, history.pull(case.landed, case.head, None))
    assert isinstance(landing, Landing)
    assert landing.doubtful
    with pytest.raises(OutputTooLarge):
        settle(mirror, landing, limit=100)


def test_what_is_missing_is_named(history: History) -> None:
    absent = "1" * 40
    for change in (
        history.change(absent, head=history.head),
        history.change(None, head=absent, base=history.main),
        history.change(None, head=None, base=history.main),
        history.change(history.fork),
    ):
        assert isinstance(change, Drop)
        assert change.reason is Reason.MISSING_COMMIT
        assert change.detail
    assert absent in history.change(absent).detail


def test_the_edge_of_a_shallow_mirror_is_a_missing_commit(history: History) -> None:
    target = history.root / "mirror.git"
    git(history.root, "clone", "-q", "--mirror", "--depth=1", f"file://{history.tree.root}", str(target))
    change = history.change(history.main)
    assert isinstance(change, Drop)
    assert change.reason is Reason.MISSING_COMMIT
    assert history.fork in change.detail
