"""What git prints of commits and trees, as values: the output of plumbing commands, read by their documented forms."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_WHEN = re.compile(r"> *([0-9]{1,18})(?![0-9])[^>]*$")
"""The time behind a name and address; the zone, which old tools left out, does not matter."""
_LAST_SECOND = 253402300799
"""Of the year 9999."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit, as its object says."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: str
    """Name and address, as the author wrote them."""
    authored_at: datetime
    committed_at: datetime
    message: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One path that differs between two commits. Absent on one side: mode 0 and an id of zeros."""

    path: str
    old_mode: int
    new_mode: int
    old: str
    new: str

    @property
    def blobs(self) -> tuple[str, ...]:
        """Ids of the contents on both sides, where there are any."""
        return tuple(oid for oid in (self.old, self.new) if oid.strip("0"))


@dataclass(frozen=True, kw_only=True)
class TreeFile:
    """One file of a commit."""

    path: str
    mode: int
    oid: str


SUBMODULE = 0o160000
"""Mode of an entry that is a commit of another repository."""
REGULAR = (0o100644, 0o100755, 0o100664)
"""Modes of regular files; the last was written by old versions of git."""


def parse_entries(listed: bytes) -> tuple[Entry, ...]:
    """What ``git diff-tree -r -z --raw --no-abbrev`` of two commits prints; submodules are left out."""
    fields = iter(listed.split(b"\0"))
    found = []
    for header in filter(None, fields):
        old_mode, new_mode, old, new, _ = header[1:].decode().split(" ")
        path = next(fields).decode("utf-8", "surrogateescape")
        entry = Entry(path=path, old_mode=int(old_mode, 8), new_mode=int(new_mode, 8), old=old, new=new)
        if SUBMODULE not in (entry.old_mode, entry.new_mode):
            found.append(entry)
    return tuple(found)


def parse_tree(listed: bytes) -> tuple[TreeFile, ...]:
    """What ``git ls-tree -z`` prints."""
    found = []
    for line in filter(None, listed.split(b"\0")):
        head, _, path = line.partition(b"\t")
        mode, _, oid = head.decode().split(" ")
        found.append(TreeFile(path=path.decode("utf-8", "surrogateescape"), mode=int(mode, 8), oid=oid))
    return tuple(found)


def parse_commit(record: bytes) -> Commit:
    """One record of ``git rev-list --header``."""
    head, _, body = record.partition(b"\n\n")
    oid, *headers = head.decode("utf-8", "replace").lstrip("\n").split("\n")
    values = [line.partition(" ") for line in headers]
    first = {key: value for key, _, value in reversed(values)}
    author, committer = first.get("author", ""), first.get("committer", "")
    message = "\n".join(line.removeprefix("    ") for line in body.decode("utf-8", "replace").split("\n"))
    return Commit(
        oid=oid,
        tree=first["tree"],
        parents=tuple(value for key, _, value in values if key == "parent"),
        author=author.rsplit(" ", 2)[0],
        authored_at=_time(author),
        committed_at=_time(committer),
        message=message.strip("\n").replace("\0", ""),
    )


def _time(person: str) -> datetime:
    """When an author or committer line was written. One without a time that can be read is of 1970, as git has it."""
    found = _WHEN.search(person)
    return datetime.fromtimestamp(min(int(found[1]), _LAST_SECOND) if found else 0, UTC)
