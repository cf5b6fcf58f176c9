"""A pull request's change and paths out of a mirror: what archives and GitHub have in common."""

from swemill.adapters.at_base import configuration_at, licence_at, version_at, wanted_at_base
from swemill.adapters.git_command import OutputTooLarge
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.landing import Landing, find_landing, settle
from swemill.reasons import Reason
from swemill.values import Change, Drop, PullRequestRecord, Touched

DIFF_LIMIT = 64 << 20
"""Bytes; no filter would keep a larger diff, so it is not read at all."""


def touched_paths(mirror: GitMirror, landing: Landing) -> Touched:
    """What a change touches. A doubt of ``landing`` does not matter: both its sides touch the same paths."""
    return Touched(
        paths=tuple(entry.path for entry in mirror.entries(landing.base, landing.head)),
        configuration=configuration_at(mirror, landing.base),
    )


def wanted_blobs(mirror: GitMirror, landing: Landing) -> set[str]:
    """Ids of all contents that ``change_of`` will read, whichever way a doubt is decided."""
    sides = [(landing.base, landing.head), *([landing.landed] if landing.landed else [])]
    wanted = {oid for base, _ in sides for oid in wanted_at_base(mirror, base)}
    return wanted | {oid for base, head in sides for entry in mirror.entries(base, head) for oid in entry.blobs}


def change_of(mirror: GitMirror, landing: Landing) -> Change | Drop:
    """The whole change. Drop(PATCH_TOO_LARGE), or raises BrokenRepository where the mirror lacks a content."""
    try:
        landing = settle(mirror, landing, limit=DIFF_LIMIT)
        diff = mirror.diff(landing.base, landing.head, limit=DIFF_LIMIT)
    except OutputTooLarge:
        return Drop(reason=Reason.PATCH_TOO_LARGE, detail=f"the diff exceeds {DIFF_LIMIT} bytes")
    configuration = configuration_at(mirror, landing.base)
    licence = licence_at(mirror, landing.base)
    return Change(
        base_commit=landing.base,
        head_commit=landing.head,
        base_inference=landing.inference,
        base_committed_at=mirror.commit(landing.base).committed_at,
        diff=diff,
        first_authored_at=landing.first.authored_at if landing.first else None,
        configuration=configuration,
        version=version_at(mirror, landing.base, configuration),
        licence_path=licence.path,
        licence=licence.text,
    )


def landed_change(mirror: GitMirror, pull: PullRequestRecord) -> Change | Drop:
    """The change of a pull request (see ``find_landing``)."""
    landing = find_landing(mirror, pull)
    return landing if isinstance(landing, Drop) else change_of(mirror, landing)


def landed_paths(mirror: GitMirror, pull: PullRequestRecord) -> Touched | Drop:
    """The paths that a pull request changes (see ``find_landing``)."""
    landing = find_landing(mirror, pull)
    return landing if isinstance(landing, Drop) else touched_paths(mirror, landing)
