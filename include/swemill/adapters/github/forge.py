"""The forge ``github``, its free side: changes and snapshots come from blobless clones, which cost no quota.

``prepare`` brings the commits of a batch of pull requests, ``fill`` the contents of those that are still wanted after
their paths were seen: each a few fetches, however large the batch. What was not prepared is, one by one.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from swemill.adapters.at_base import wanted_at_base
from swemill.adapters.commit_tree import commit_tree
from swemill.adapters.git_command import BrokenRepository
from swemill.adapters.git_mirror import is_oid
from swemill.adapters.github.clone import Clone, clone_path
from swemill.adapters.github.git_fetch import Remote, RepositoryGone
from swemill.adapters.github.submodule_clones import SubmoduleClones
from swemill.adapters.landed_change import change_of, touched_paths, wanted_blobs
from swemill.adapters.landing import Landing, find_landing
from swemill.adapters.submodules import submodule_files
from swemill.errors import SourceError
from swemill.ports import ForgeApi
from swemill.reasons import Reason
from swemill.values import Change, CommitTree, Drop, Malformed, PullRequestRecord, RepositoryRecord, Touched

_MOST_KEPT = 20_000
"""Landings kept in memory."""
_Key = tuple[str, PullRequestRecord]


class GitHub:
    """The port ``Forge`` over clones below ``mirrors``."""

    name = "github"

    def __init__(
        self,
        api: Callable[[], ForgeApi],
        *,
        mirrors: Path,
        names: Sequence[str] = (),
        api_url: str = "https://api.github.com",
        token: Callable[[], str | None] | None = None,
        ca_bundle: Path | None = None,
    ) -> None:
        """Args:
        api: the metered side, asked for only by ``repositories``, ``pull_requests`` and ``fingerprint``.
        mirrors: folder of the clones.
        names: the repositories (``owner/name``) to offer.
        api_url: root of the REST API, which tells the host that ``token`` may be sent to.
        token: for private repositories.
        ca_bundle: certificates to trust.
        """
        self._api = api
        self._mirrors = mirrors
        self._names = tuple(dict.fromkeys(names))
        self._host = git_host(api_url)
        self._token = token
        self._ca_bundle = ca_bundle
        self._clones: dict[Path, Clone] = {}
        self._landings: dict[_Key, Landing | Drop] = {}
        self._filled: set[_Key] = set()

    # --- what there is ---------------------------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """Hash of each repository's name and of when its merged pull requests last changed: one request."""
        records = [item for item in self.repositories() if isinstance(item, RepositoryRecord)]
        probes = self._api().probe(records)
        known = sorted((forge_id, probe.name, str(probe.newest_update)) for forge_id, probe in probes.items())
        return hashlib.sha256(repr((self._names, known)).encode()).hexdigest()

    def repositories(self) -> Iterator[RepositoryRecord | Malformed]:
        """The repositories of the names given, where they are now; those that do not exist as Malformed."""
        found = self._api().repositories(self._names) if self._names else {}
        for name in self._names:
            if (seen := found.get(name)) is None:
                drop = Drop(reason=Reason.MISSING_REPOSITORY, detail=f"GitHub has no repository {name} for us")
                yield Malformed(repository=name, where=name, drop=drop)
            else:
                yield RepositoryRecord(forge=self.name, name=seen.name, location=seen.location, forge_id=seen.forge_id)

    def pull_requests(self, repository: RepositoryRecord) -> Iterator[PullRequestRecord | Malformed]:
        """Every merged pull request, oldest first: reads the whole listing, 100 a request.

        The nightly harvest does not come here: it keeps the listing in the database, page by page.
        """
        records: dict[int, PullRequestRecord] = {}
        api, cursor = self._api(), None
        while True:
            page = api.pull_page(repository, cursor=cursor)
            for pull in page.pulls:
                if isinstance(pull, Malformed):
                    yield pull
                else:  # one that was updated meanwhile comes twice; the first is the newer
                    records.setdefault(pull.record.number, pull.record)
            if (cursor := page.cursor) is None:
                break
        yield from sorted(records.values(), key=lambda record: (record.merged_at, record.number))

    # --- changes ---------------------------------------------------------------------------------------------------

    def prepare(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Bring what ``touched`` of these needs: commits, and the small configuration files at their bases.

        A repository that is gone is no error here: what is not in its clone is then missing.
        """
        if len(self._landings) > _MOST_KEPT:
            self._landings.clear()
            self._filled.clear()
        gone = ""
        self._clones.pop(clone_path(self._mirrors, repository), None)  # what it has read is of batches before
        clone = self._clone(repository)
        try:
            _bring(clone, pull_requests)
        except RepositoryGone as error:
            gone = str(error)
        if clone.is_made():
            named = (oid for pull in pull_requests for oid in (pull.merge_commit_oid, pull.head_ref_oid) if oid)
            clone.load(parent for commit in clone.load(named) for parent in commit.parents)
        wanted: dict[str, tuple[str, ...]] = {}
        found: dict[_Key, Landing | Drop] = {}
        for pull in pull_requests:
            landing = found[_key(repository, pull)] = _landing(clone, pull, gone)
            if isinstance(landing, Landing) and landing.base not in wanted:
                wanted[landing.base] = wanted_at_base(clone, landing.base)
        try:
            clone.fill({oid for oids in wanted.values() for oid in oids})
        except RepositoryGone as error:
            _lose(clone, found, wanted, str(error))
        self._landings |= found  # only now: what a broken fetch did not bring must not look absent later

    def touched(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Touched | Drop:
        """The paths of the change; Drop(MISSING_REPOSITORY or MISSING_COMMIT) where GitHub has it no more."""
        landing = self._prepared(repository, pull_request)
        return landing if isinstance(landing, Drop) else touched_paths(self._clone(repository), landing)

    def fill(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Bring all contents that ``change`` of these reads."""
        clone = self._clone(repository)
        wanted: set[str] = set()
        for pull in pull_requests:
            landing = self._prepared(repository, pull)
            if isinstance(landing, Landing):
                wanted |= wanted_blobs(clone, landing)
        with suppress(RepositoryGone):  # `change` names each content that is missing
            clone.fill(wanted)
        self._filled |= {_key(repository, pull) for pull in pull_requests}

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        """The change as it landed; Drop(MISSING_REPOSITORY or MISSING_COMMIT) where GitHub has it no more."""
        landing = self._prepared(repository, pull_request)
        if isinstance(landing, Drop):
            return landing
        if _key(repository, pull_request) not in self._filled:
            self.fill(repository, [pull_request])
        try:
            return change_of(self._clone(repository), landing)
        except BrokenRepository as error:
            detail = f"GitHub does not have all contents of the change any more ({error})"
            return Drop(reason=Reason.MISSING_COMMIT, detail=detail)

    def tree(self, repository: RepositoryRecord, commit: str, wanted: Callable[[str], bool]) -> CommitTree:
        """See ``commit_tree``: at most one fetch for all contents. Raises as ``snapshot``."""
        clone = self._clone_with(repository, commit)
        return commit_tree(clone, commit, wanted, fill=clone.fill)

    def snapshot(self, repository: RepositoryRecord, commit: str) -> bytes:
        """See ``GitMirror.snapshot``; of the submodules those on the same host, within limits.

        Raises a SourceError when GitHub does not have the commit any more.
        """
        clone = self._clone_with(repository, commit)
        clone.fill_whole(commit)
        beside = SubmoduleClones(
            repository, mirrors=self._mirrors, ca_bundle=self._ca_bundle, token=self._token_for(repository)
        )
        submodules = submodule_files(clone, commit, place=beside.home, open_mirror=beside.with_commit)
        return clone.snapshot(commit, submodules=submodules)

    def _clone_with(self, repository: RepositoryRecord, commit: str) -> Clone:
        """The clone, after a try to get the commit into it."""
        clone = self._clone(repository)
        if not is_oid(commit):
            raise SourceError(f"{commit!r} is no commit's id")
        if clone.missing([commit]):
            clone.refresh()
            clone.bring_commits([commit])
        return clone

    def _prepared(self, repository: RepositoryRecord, pull: PullRequestRecord) -> Landing | Drop:
        key = _key(repository, pull)
        if key not in self._landings:
            self.prepare(repository, [pull])
        return self._landings[key]

    def _clone(self, repository: RepositoryRecord) -> Clone:
        path = clone_path(self._mirrors, repository)
        if path not in self._clones:
            token = self._token_for(repository)
            remote = Remote(url=repository.location, ca_bundle=self._ca_bundle, token=token)
            self._clones = {path: Clone(path, remote)}
        return self._clones[path]

    def _token_for(self, repository: RepositoryRecord) -> Callable[[], str | None] | None:
        return self._token if urlsplit(repository.location).netloc.lower() == self._host else None


def git_host(api_url: str) -> str:
    """The host (and port) that serves git beside an API: ``github.com``, or that of an Enterprise Server itself."""
    host = urlsplit(api_url).netloc.lower()
    return "github.com" if host == "api.github.com" else host


def _key(repository: RepositoryRecord, pull: PullRequestRecord) -> _Key:
    return repository.forge_id or repository.name, pull


def _lose(clone: Clone, found: dict[_Key, Landing | Drop], wanted: Mapping[str, tuple[str, ...]], why: str) -> None:
    """The repository went with contents that were still wanted: these pull requests cannot be judged."""
    lacking = set(clone.missing(oid for oids in wanted.values() for oid in oids))
    for key, landing in found.items():
        if isinstance(landing, Landing) and not lacking.isdisjoint(wanted[landing.base]):
            found[key] = Drop(reason=Reason.MISSING_REPOSITORY, detail=why)


def _bring(clone: Clone, pulls: Sequence[PullRequestRecord]) -> None:
    """Bring the commits that the records name, first by the references that lead to them, the rest by id."""
    landed = [pull.merge_commit_oid for pull in pulls if pull.merge_commit_oid]
    bases = [pull.base_ref_oid for pull in pulls if pull.base_ref_oid]
    heads = {pull.head_ref_oid: pull.number for pull in pulls if pull.head_ref_oid}
    if not clone.is_made() or clone.missing([*landed, *bases]):
        clone.refresh()
    if lacking := clone.missing(heads):
        clone.bring_heads(heads[oid] for oid in lacking)
    if lacking := clone.missing([*landed, *bases, *heads]):
        clone.bring_commits(lacking)


def _landing(clone: Clone, pull: PullRequestRecord, gone: str) -> Landing | Drop:
    if gone and not clone.is_made():
        return Drop(reason=Reason.MISSING_REPOSITORY, detail=gone)
    try:
        landing = find_landing(clone, pull)
    except BrokenRepository as error:
        landing = Drop(reason=Reason.MISSING_COMMIT, detail=f"the clone lacks an object of the change ({error})")
    if gone and isinstance(landing, Drop):
        return Drop(reason=Reason.MISSING_REPOSITORY, detail=gone)
    return landing
