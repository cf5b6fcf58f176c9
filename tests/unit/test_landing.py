"""How a pull request landed decides its base: histories constructed for each way."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.landing import landed_change
from swemill.reasons import Reason
from swemill.values import BaseInference, Change, Drop, PullRequestRecord
from tests.unit.git_work_tree import WorkTree, git


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

    def change(self, landed: str | None, *, head: str | None = None, base: str | None = None) -> Change | Drop:
        path = self.root / "mirror.git"
        if not path.exists():
            self.tree.mirror(path)
        pull = PullRequestRecord(
            number=1,
            title="",
            body="",
            merged_at=datetime(2024, 1, 2, tzinfo=UTC),
            base_ref_name="main",
            base_ref_oid=base,
            head_ref_oid=head,
            merge_commit_oid=landed,
        )
        return landed_change(GitMirror(path), pull)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def found(change: Change | Drop) -> tuple[str, str, BaseInference]:
    assert isinstance(change, Change), change
    return change.base_commit, change.head_commit, change.base_inference


def test_merge_commit_starts_at_the_merge_base_not_at_the_branch(history: History) -> None:
    history.tree.git("merge", "-q", "--no-ff", "-m", "Merge pull request #1 from x/pr", "pr")
    landed = history.tree.git("rev-parse", "HEAD")
    for head in (history.head, None, "0" * 40):
        change = history.change(landed, head=head, base=history.main)
        assert found(change) == (history.fork, history.head, BaseInference.MERGE)
        assert isinstance(change, Change)
        assert b"z.py" not in change.diff
        assert change.first_authored_at == GitMirror(history.root / "mirror.git").commit(history.one).authored_at


def test_merge_after_the_branch_took_main_in(history: History) -> None:
    history.tree.git("checkout", "-q", "pr")
    history.tree.git("merge", "-q", "-m", "take main in", "main")
    head = history.tree.git("rev-parse", "HEAD")
    history.tree.git("checkout", "-q", "main")
    history.tree.git("merge", "-q", "--no-ff", "-m", "land", "pr")
    change = history.change(history.tree.git("rev-parse", "HEAD"), head=head, base=history.fork)
    assert found(change) == (history.main, head, BaseInference.MERGE)
    assert isinstance(change, Change)
    assert b"z.py" not in change.diff


def test_commits_pushed_after_the_merge_do_not_count(history: History) -> None:
    history.tree.git("merge", "-q", "--no-ff", "-m", "land", "pr")
    landed = history.tree.git("rev-parse", "HEAD")
    history.tree.git("checkout", "-q", "pr")
    late = history.tree.commit("too late", a="9\n")
    assert found(history.change(landed, head=late)) == (history.fork, history.head, BaseInference.MERGE)


@pytest.mark.parametrize("known", [True, False], ids=["head known", "head not in the mirror"])
def test_squash_starts_at_its_parent(history: History, known: bool) -> None:
    history.tree.git("merge", "-q", "--squash", "pr")
    landed = history.tree.commit("squashed (#1)")
    if not known:
        history.tree.git("branch", "-q", "-D", "pr")
    change = history.change(landed, head=history.head)
    assert found(change) == (history.main, landed, BaseInference.SQUASH)
    assert isinstance(change, Change)
    assert change.diff.count(b"diff --git") == 2


def test_rebase_walks_back_over_all_commits(history: History) -> None:
    history.tree.git("cherry-pick", history.one, history.head)
    landed = history.tree.git("rev-parse", "HEAD")
    history.tree.commit("later", z="3\n")
    assert found(history.change(landed, head=history.head)) == (history.main, landed, BaseInference.REBASE)


def test_rebase_that_dropped_an_empty_commit(history: History) -> None:
    history.tree.git("checkout", "-q", "pr")
    head = history.tree.commit("trigger the checks")
    history.tree.git("checkout", "-q", "main")
    history.tree.git("cherry-pick", history.one, history.head)
    landed = history.tree.git("rev-parse", "HEAD")
    assert found(history.change(landed, head=head)) == (history.main, landed, BaseInference.REBASE)


def test_squash_of_a_branch_whose_last_commit_alone_matches(history: History) -> None:
    landed = history.tree.commit("only the tests (#1)", tests__test_a="t\n")
    assert found(history.change(landed, head=history.head)) == (history.main, landed, BaseInference.SQUASH)


def test_fast_forward_uses_the_recorded_base(history: History) -> None:
    history.tree.git("checkout", "-q", "pr")
    assert found(history.change(history.head, head=history.head, base=history.fork)) == (
        history.fork,
        history.head,
        BaseInference.MERGE_BASE,
    )
    assert found(history.change(history.head, head=history.head)) == (history.one, history.head, BaseInference.SQUASH)


def test_without_a_landing_commit_the_merge_base_serves(history: History) -> None:
    change = history.change(None, head=history.head, base=history.main)
    assert found(change) == (history.fork, history.head, BaseInference.MERGE_BASE)


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
