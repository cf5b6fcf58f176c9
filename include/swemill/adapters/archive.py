"""The forge ``archive``: a folder of bare git mirrors, with or without their pull requests beside them.

This is how internal, air-gapped or already mirrored repositories are fed in::

    repos/<owner>/<name>.git          bare mirrors (git clone --mirror)
    pulls/<owner>__<name>.jsonl       optional: one pull request a line, in GitHub's GraphQL field names

Without a pulls file, pull requests are mined from the default branch (see ``mined_pulls``).
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from swemill.adapters.commit_tree import commit_tree
from swemill.adapters.git_command import BrokenRepository
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.graphql_pulls import NotMerged, UnreadablePull, parse_pull_request
from swemill.adapters.landed_change import landed_change, landed_paths
from swemill.adapters.mined_pulls import mine
from swemill.adapters.submodules import Place, submodule_files
from swemill.errors import ForgeUnavailable, SourceError, boundary
from swemill.reasons import Reason
from swemill.values import Change, CommitTree, Drop, Malformed, PullRequestRecord, RepositoryRecord, Touched

LAYOUT = (
    "an archive holds bare mirrors at repos/<owner>/<name>.git (git clone --mirror) and, where known, "
    "their pull requests at pulls/<owner>__<name>.jsonl"
)
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Archive:
    """The port ``Forge`` over the folder ``root``."""

    name = "archive"

    def __init__(self, root: Path) -> None:
        self._root = root

    def fingerprint(self) -> str:
        """Hash of the names, sizes and times of the files that make up the archive; contents are not read."""
        self._check_layout()
        digest = hashlib.sha256()
        with boundary(ForgeUnavailable, f"reading {self._root}", OSError):
            for path in sorted(path for folder in ("repos", "pulls") for path in (self._root / folder).rglob("*")):
                if path.is_file():
                    status = path.stat()
                    name = os.fsencode(path.relative_to(self._root))
                    digest.update(name + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def repositories(self) -> Iterator[RepositoryRecord | Malformed]:
        """Every mirror in order of its name; unusable ones, and pulls files without a mirror, as Malformed.

        Raises:
            SourceError: the folder is missing or holds no mirror; the message says what is expected.
        """
        self._check_layout()
        known = set()
        for path in sorted((self._root / "repos").glob("*/*.git")):
            name = f"{path.parent.name}/{path.name.removesuffix('.git')}"
            known.add(_pulls_name(name))
            yield self._repository(name, path)
        for path in sorted((self._root / "pulls").glob("*.jsonl")):
            if path.name not in known:
                owner, _, name = path.name.removesuffix(".jsonl").partition("__")
                detail = f"pulls/{path.name} has no mirror at repos/{owner}/{name}.git"
                yield _malformed(f"{owner}/{name}", f"pulls/{path.name}", Reason.MISSING_REPOSITORY, detail)

    def pull_requests(self, repository: RepositoryRecord) -> Iterator[PullRequestRecord | Malformed]:
        """Pull requests, oldest first: of the pulls file where there is one, else mined from history."""
        path = self._root / "pulls" / _pulls_name(repository.name)
        if path.is_file():
            yield from _recorded(path, repository.name)
            return
        try:
            yield from mine(self._mirror(repository), repository.name)
        except BrokenRepository as error:
            detail = f"its history cannot be read ({error})"
            yield _malformed(repository.name, f"repos/{repository.name}.git", Reason.MISSING_REPOSITORY, detail)

    def prepare(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Nothing to do: what an archive has is here."""

    def touched(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Touched | Drop:
        """The paths of the change as it landed; Drop(MISSING_COMMIT) where the mirror lacks an object of it."""
        try:
            return landed_paths(self._mirror(repository), pull_request)
        except BrokenRepository as error:
            return Drop(reason=Reason.MISSING_COMMIT, detail=f"the mirror lacks an object of the change ({error})")

    def fill(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Nothing to do: what an archive has is here."""

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        """The change as it landed; Drop(MISSING_COMMIT) where the mirror lacks an object of it."""
        try:
            return landed_change(self._mirror(repository), pull_request)
        except BrokenRepository as error:
            return Drop(reason=Reason.MISSING_COMMIT, detail=f"the mirror lacks an object of the change ({error})")

    def tree(self, repository: RepositoryRecord, commit: str, wanted: Callable[[str], bool]) -> CommitTree:
        """See ``commit_tree``. Raises BrokenRepository (a SourceError) when the commit is not here."""
        return commit_tree(self._mirror(repository), commit, wanted)

    def snapshot(self, repository: RepositoryRecord, commit: str) -> bytes:
        """See ``GitMirror.snapshot``; of the submodules those whose mirrors are in this archive, whatever their host.

        Raises BrokenRepository (a SourceError) when the commit is not whole.
        """
        mirror = self._mirror(repository)
        place = Place(host="", name=repository.name)
        submodules = submodule_files(mirror, commit, place=place, open_mirror=self._with_commit)
        return mirror.snapshot(commit, submodules=submodules)

    def _with_commit(self, place: Place, commit: str) -> GitMirror:
        """The mirror of this name; capitals do not matter to forges."""
        wanted = f"{place.name}.git".casefold()
        for path in sorted((self._root / "repos").glob("*/*.git")):
            if f"{path.parent.name}/{path.name}".casefold() == wanted and (mirror := GitMirror(path)).exists(commit):
                return mirror
        raise SourceError(f"the archive has no mirror repos/{place.name}.git with that commit")

    def _mirror(self, repository: RepositoryRecord) -> GitMirror:
        """The mirror in this archive, else where it lay when it was harvested: an archive may move."""
        here = self._root / "repos" / f"{repository.name}.git"
        return GitMirror(here if here.is_dir() else Path(repository.location))

    def _repository(self, name: str, path: Path) -> RepositoryRecord | Malformed:
        location = str(path.relative_to(self._root))
        trouble = None if all(map(_NAME.fullmatch, name.split("/"))) else "its name holds characters no forge allows"
        trouble = trouble or GitMirror(path).trouble()
        if trouble:
            return _malformed(name, location, Reason.MISSING_REPOSITORY, f"{location}: {trouble}")
        return RepositoryRecord(forge=self.name, name=name, location=str(path.absolute()))

    def _check_layout(self) -> None:
        if not self._root.is_dir():
            raise SourceError(f"the archive folder {self._root} does not exist; {LAYOUT}")
        if not any((self._root / "repos").glob("*/*.git")) and not any((self._root / "pulls").glob("*.jsonl")):
            raise SourceError(f"{self._root} holds no repository; {LAYOUT}")


def _recorded(path: Path, repository: str) -> Iterator[PullRequestRecord | Malformed]:
    """Records of a pulls file by time of merging. Read twice, so that a large file is never held whole."""
    order = []
    numbers: dict[int, int] = {}
    with boundary(ForgeUnavailable, f"reading {path}", OSError), path.open("rb") as file:
        offset = 0
        for at, line in enumerate(file, start=1):
            where, start, offset = f"pulls/{path.name}:{at}", offset, offset + len(line)
            if not line.strip():
                continue
            try:
                record = parse_pull_request(line)
            except NotMerged as error:
                yield _malformed(repository, where, Reason.NOT_MERGED, f"{where}: {error}")
            except UnreadablePull as error:
                yield _malformed(repository, where, Reason.MALFORMED_RECORD, f"{where}: {error}")
            else:
                if earlier := numbers.get(record.number):
                    detail = f"{where}: pull request {record.number} was already given in line {earlier}"
                    yield _malformed(repository, where, Reason.MALFORMED_RECORD, detail)
                    continue
                numbers[record.number] = at
                order.append((record.merged_at, record.number, start))
        for _, _, start in sorted(order):
            file.seek(start)
            yield parse_pull_request(file.readline())


def _pulls_name(repository: str) -> str:
    return f"{repository.replace('/', '__')}.jsonl"


def _malformed(repository: str, where: str, reason: Reason, detail: str) -> Malformed:
    drop = Drop(reason=reason, detail=_spelled(detail))
    return Malformed(repository=_spelled(repository), where=_spelled(where), drop=drop)


def _spelled(text: str) -> str:
    """File names may hold line ends and bytes that are no text: the place must be one line that can be stored."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
