"""How a pull request landed, and so between which commits its change lies.

The base that a forge reports for a pull request is the tip of the target branch at some moment, often not the commit
that the change was made against: the diff then does not apply. The base is found in the history instead, and how it was
found is kept with it.
"""

from swemill.adapters.git_command import OutputTooLarge
from swemill.adapters.git_mirror import Commit, GitMirror
from swemill.reasons import Reason
from swemill.values import BaseInference, Change, Drop, PullRequestRecord

DIFF_LIMIT = 64 << 20
"""Bytes; no filter would keep a larger diff, so it is not read at all."""


def landed_change(mirror: GitMirror, pull: PullRequestRecord) -> Change | Drop:
    """The change of a pull request, from the commit that landed it.

    - merge commit: from the merge base of its first parent and the pull request's head, to that head;
    - one commit, the pull request's commits not before it with equal patches: a squash, from its parent to it;
    - a run of commits whose patches equal the pull request's, one by one: a rebase, from before the run to its end;
    - no landing commit known, or the head itself landed (a push): from the merge base of recorded base and head.

    Returns a Drop(MISSING_COMMIT) naming the commit that the mirror lacks, or Drop(PATCH_TOO_LARGE).
    """
    landed = pull.merge_commit_oid
    if landed is None:
        return _from_merge_base(mirror, pull)
    if not mirror.exists(landed):
        return _missing(f"merge commit {landed}")
    commit = mirror.commit(landed)
    if not commit.parents:
        return _missing(f"the parent of {landed}: it is a root commit")
    for parent in commit.parents[:2]:
        if not mirror.exists(parent):
            return _missing(f"{parent}, the parent of {landed}")
    head = pull.head_ref_oid if pull.head_ref_oid and mirror.exists(pull.head_ref_oid) else None
    if len(commit.parents) > 1:
        if head is None or not mirror.is_ancestor(head, landed):
            head = commit.parents[1]
        base = mirror.merge_base(commit.parents[0], head)
        return _change(mirror, base, head, BaseInference.MERGE)
    if head is not None and mirror.is_ancestor(head, landed):
        base = pull.base_ref_oid if pull.base_ref_oid and mirror.exists(pull.base_ref_oid) else head
        if base != head and mirror.is_ancestor(base, head):  # recorded after the landing it is the head: tells nothing
            return _change(mirror, base, head, BaseInference.MERGE_BASE)
    return _squash_or_rebase(mirror, commit, head)


def _from_merge_base(mirror: GitMirror, pull: PullRequestRecord) -> Change | Drop:
    base, head = pull.base_ref_oid, pull.head_ref_oid
    for name, oid in (("base", base), ("head", head)):
        if oid is None or not mirror.exists(oid):
            return _missing(f"the {name} commit {oid or '(not recorded)'}, and no landing commit tells more")
    assert base is not None
    assert head is not None
    return _change(mirror, mirror.merge_base(base, head), head, BaseInference.MERGE_BASE)


def _squash_or_rebase(mirror: GitMirror, landed: Commit, head: str | None) -> Change | Drop:
    parent = landed.parents[0]
    authored: list[Commit] = []
    if head is not None and (fork := mirror.merge_base(parent, head)):
        authored = list(mirror.log("--reverse", "--no-merges", "--topo-order", f"{fork}..{head}"))
    run = _rebased_run(mirror, landed, authored)
    if len(run) > 1:
        return _change(mirror, run[-1].parents[0], landed.oid, BaseInference.REBASE, first=run[-1])
    return _change(mirror, parent, landed.oid, BaseInference.SQUASH, first=authored[0] if authored else landed)


def _rebased_run(mirror: GitMirror, landed: Commit, authored: list[Commit]) -> list[Commit]:
    """The commits, newest first, that a rebase of ``authored`` put on the branch; empty when it was no rebase.

    Commits without a change are left out of both sides: a rebase drops them. All must be found: a part of them by
    chance (a squash whose last commit holds everything) is no rebase.
    """
    wanted = [identity for commit in reversed(authored) if (identity := mirror.patch_id(commit))]
    found: list[Commit] = []
    here = landed
    for identity in wanted:
        if len(here.parents) != 1 or mirror.patch_id(here) != identity:
            return []
        found.append(here)
        if not mirror.exists(here.parents[0]):
            return []
        here = mirror.commit(here.parents[0])
    return found


def _change(
    mirror: GitMirror, base: str | None, head: str, inference: BaseInference, *, first: Commit | None = None
) -> Change | Drop:
    if base is None:
        return _missing(f"a common ancestor of {head} and the branch it was merged into")
    if first is None:
        # a head that is its own base has no commits: an empty change, which the filters name
        first = next(mirror.log("--reverse", "--topo-order", f"{base}..{head}"), None)
    try:
        diff = mirror.diff(base, head, limit=DIFF_LIMIT)
    except OutputTooLarge:
        return Drop(reason=Reason.PATCH_TOO_LARGE, detail=f"the diff exceeds {DIFF_LIMIT} bytes")
    return Change(
        base_commit=base,
        head_commit=head,
        base_inference=inference,
        base_committed_at=mirror.commit(base).committed_at,
        diff=diff,
        first_authored_at=first.authored_at if first else None,
    )


def _missing(what: str) -> Drop:
    return Drop(reason=Reason.MISSING_COMMIT, detail=f"the mirror lacks {what}")
