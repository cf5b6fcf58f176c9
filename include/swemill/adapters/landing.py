"""How a pull request landed, and so between which commits its change lies.

The base that a forge reports for a pull request is the tip of the target branch at some moment, often not the commit
that the change was made against: the diff then does not apply. The base is found in the history instead, and how it was
found is kept with it.

``find_landing`` asks commits and trees only, so that it works on a clone without file contents. ``settle`` compares
contents, where trees leave a doubt.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.git_objects import Commit, Entry
from swemill.reasons import Reason
from swemill.values import BaseInference, Drop, PullRequestRecord

RUN_SPAN = timedelta(hours=1)
"""Commits of one rebase are committed within this time: an older one of the same author landed before, by itself."""

_PLACE = re.compile(rb"^(?:index [^\n]*|@@ [^\n]*)\n", re.MULTILINE)
"""The lines of a diff that tell where a change stands; those of a hunk or a binary patch never begin so."""


@dataclass(frozen=True, kw_only=True)
class Landing:
    """Between which commits a change lies."""

    base: str
    head: str
    inference: BaseInference
    first: Commit | None = None
    """The first commit of the change as it was written."""
    landed: tuple[str, str] | None = None
    """What landed instead (parent, commit), if ``doubtful`` paths turn out to be changed in another way there."""
    doubtful: tuple[str, ...] = ()


def find_landing(mirror: GitMirror, pull: PullRequestRecord) -> Landing | Drop:
    """How a pull request landed, told without file contents. Apart from them, see ``settle``.

    - merge commit or squash: from the merge base of the landed commit's first parent and the pull request's head, to
      that head. That is what was written and reviewed, against the code that it was written for. But what landed
      counts: where it is not the same change (the head is based on another pull request that was squashed, a conflict
      was resolved in the merge, the head moved on afterwards) it lies between the landed commit and its first parent;
    - a run of commits that carry the authors and author dates of the pull request's: a rebase, from before the run to
      its end. Rebase, cherry-pick and am keep both, a squash does not;
    - no landing commit known, or the head itself landed (a push): from the merge base of recorded base and head;
    - the head came in with another pull request's landing: from the merge base to the head.

    Returns a Drop(MISSING_COMMIT) naming the commit that the mirror lacks.
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
    if head == landed and (pushed := _pushed(mirror, pull, head)):
        return pushed
    if len(commit.parents) > 1:
        return _merged(mirror, commit, head)
    if head is not None and head != landed and mirror.is_ancestor(head, landed):
        return _pushed(mirror, pull, head) or _as_landed(commit, BaseInference.SQUASH)
    return _squash_or_rebase(mirror, pull, commit, head)


def settle(mirror: GitMirror, landing: Landing, *, limit: int) -> Landing:
    """Decide a doubt by the contents of the doubtful files: the same lines changed are the same change.

    Raises BrokenRepository when a content is not here, OutputTooLarge when a diff of them exceeds ``limit`` bytes.
    """
    if landing.landed is None or not landing.doubtful:
        return landing
    written = mirror.diff(landing.base, landing.head, only=landing.doubtful, limit=limit)
    landed = mirror.diff(*landing.landed, only=landing.doubtful, limit=limit)
    if _PLACE.sub(b"", written) == _PLACE.sub(b"", landed):
        return Landing(base=landing.base, head=landing.head, inference=landing.inference, first=landing.first)
    base, head = landing.landed
    return Landing(base=base, head=head, inference=landing.inference, first=landing.first)


def _from_merge_base(mirror: GitMirror, pull: PullRequestRecord) -> Landing | Drop:
    base, head = pull.base_ref_oid, pull.head_ref_oid
    for name, oid in (("base", base), ("head", head)):
        if oid is None or not mirror.exists(oid):
            return _missing(f"the {name} commit {oid or '(not recorded)'}, and no landing commit tells more")
    assert base is not None
    assert head is not None
    fork = mirror.merge_base(base, head)
    if fork is None:
        return _missing(f"a common ancestor of {head} and the branch it was merged into")
    return Landing(base=fork, head=head, inference=BaseInference.MERGE_BASE, first=_first(mirror, fork, head))


def _pushed(mirror: GitMirror, pull: PullRequestRecord, head: str) -> Landing | None:
    """A head that is on the branch itself: only the recorded base tells where the pull request began.

    None when that tells nothing: not here, or recorded after the landing, so that it contains the head.
    """
    recorded = pull.base_ref_oid
    if recorded is None or not mirror.exists(recorded):
        return None
    base = mirror.merge_base(recorded, head)
    if base is None or base == head:
        return None
    return Landing(base=base, head=head, inference=BaseInference.MERGE_BASE, first=_first(mirror, base, head))


def _merged(mirror: GitMirror, landed: Commit, head: str | None) -> Landing | Drop:
    onto = landed.parents[0]
    if head is None or head == landed.oid or not mirror.is_ancestor(head, landed.oid):
        head = landed.parents[1]
    base = mirror.merge_base(onto, head)
    if base == head:  # the head was on the branch already: all that is left is what the merge itself did
        return _as_landed(landed, BaseInference.MERGE)
    first = _first(mirror, base, head) if base else landed
    if base is not None and head not in landed.parents:
        # it came in with another pull request that was built on it, and that one's change is not its own
        return Landing(base=base, head=head, inference=BaseInference.MERGE, first=first)
    return _what_landed(mirror, base, head, landed, BaseInference.MERGE, first)


def _squash_or_rebase(mirror: GitMirror, pull: PullRequestRecord, landed: Commit, head: str | None) -> Landing:
    fork = mirror.merge_base(landed.parents[0], head) if head and head != landed.oid else None
    if head is None or fork is None:
        return _as_landed(landed, BaseInference.SQUASH)
    authored = list(mirror.log("--reverse", "--no-merges", "--topo-order", f"{fork}..{head}"))
    first = authored[0] if authored else landed
    run = _rebased_run(mirror, landed, authored, stop=pull.base_ref_oid)
    if len(run) > 1 or (run and len(_changing(mirror, authored)) == 1):
        oldest = run[-1].parents[0]
        return Landing(base=oldest, head=landed.oid, inference=BaseInference.REBASE, first=first)
    return _what_landed(mirror, fork, head, landed, BaseInference.SQUASH, first)


def _rebased_run(mirror: GitMirror, landed: Commit, authored: list[Commit], *, stop: str | None) -> list[Commit]:
    """The commits, newest first, that a rebase of ``authored`` put on the branch; empty when it was no rebase.

    They are recognised by author and author date, in order. Contents are not compared: a conflict resolved on the way
    changes them, and the change is read from the run itself. Some of ``authored`` may be missing in it, because a
    rebase drops what is empty or landed before; ``stop`` is the branch before the landing, where that is known.
    """
    left = [(commit.author, commit.authored_at) for commit in authored]
    run: list[Commit] = []
    here = landed
    while len(here.parents) == 1 and here.oid != stop and landed.committed_at - here.committed_at <= RUN_SPAN:
        identity = (here.author, here.authored_at)
        while left and left[-1] != identity:
            left.pop()
        if not left or not mirror.exists(here.parents[0]):
            break
        left.pop()
        run.append(here)
        here = mirror.commit(here.parents[0])
    return run


def _changing(mirror: GitMirror, commits: list[Commit]) -> list[Commit]:
    """Those of the commits whose tree is not that of their parent."""
    return [one for one in commits if not one.parents or mirror.commit(one.parents[0]).tree != one.tree]


def _what_landed(
    mirror: GitMirror, base: str | None, head: str, landed: Commit, inference: BaseInference, first: Commit | None
) -> Landing:
    """From ``base`` to ``head`` where that is the change that landed, else what landed; or the doubt between them."""
    as_landed = _as_landed(landed, inference, first=first)
    if base is None:
        return as_landed
    written = {entry.path: entry for entry in mirror.entries(base, head)}
    arrived = {entry.path: entry for entry in mirror.entries(as_landed.base, landed.oid)}
    doubtful = []
    for path in written.keys() | arrived.keys():
        one, other = written.get(path), arrived.get(path)
        if one == other:
            continue
        if one is None or other is None or not _comparable(one, other):
            return as_landed
        doubtful.append(path)
    return Landing(
        base=base,
        head=head,
        inference=inference,
        first=first,
        landed=(as_landed.base, landed.oid) if doubtful else None,
        doubtful=tuple(sorted(doubtful)),
    )


def _comparable(one: Entry, other: Entry) -> bool:
    """Whether two changes of a path can be the same lines changed in two states of the file."""
    both = bool(one.old.strip("0") and one.new.strip("0"))
    return both and (one.old_mode, one.new_mode) == (other.old_mode, other.new_mode)


def _as_landed(landed: Commit, inference: BaseInference, *, first: Commit | None = None) -> Landing:
    return Landing(base=landed.parents[0], head=landed.oid, inference=inference, first=first or landed)


def _first(mirror: GitMirror, base: str, head: str) -> Commit | None:
    """None for a head that is its own base: an empty change, which the filters name."""
    return next(mirror.log("--reverse", "--topo-order", f"{base}..{head}"), None)


def _missing(what: str) -> Drop:
    return Drop(reason=Reason.MISSING_COMMIT, detail=f"the mirror lacks {what}")
