"""The forge ``releases``: consecutive releases of a package stand for pull requests, where no forge can be reached.

The source distributions of both releases become two commits of a bare mirror; what lies between them is real
third-party code with its tests, and the changelog says what it is about. ``release_steps`` reads the list of them.

Each release is a root commit of its own under ``refs/releases/``: its sha depends on the release alone, so that
instances keep their base commit when the list grows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from packaging.version import Version

from swemill.adapters.at_base import configuration_at, licence_at, swebench_version
from swemill.adapters.changelog import changelog_files, extract_entry
from swemill.adapters.commit_tree import commit_tree
from swemill.adapters.file_lock import only_one
from swemill.adapters.git_command import BrokenRepository, OutputTooLarge
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.landed_change import DIFF_LIMIT
from swemill.adapters.package_index import PackageIndex
from swemill.adapters.release_import import import_release
from swemill.adapters.release_steps import Step, read_list, read_steps
from swemill.adapters.sdist import UnreadableSdist, read_sdist
from swemill.effects import content_hash
from swemill.errors import ForgeUnavailable, boundary
from swemill.reasons import Reason
from swemill.values import (
    BaseInference,
    Change,
    CommitTree,
    Drop,
    Malformed,
    PullRequestRecord,
    RepositoryRecord,
    StatementSource,
    Touched,
)

LAYOUT = 1
"""Part of every reference name: raised when the same source distribution would become another tree."""
PACKAGE_INFO = "PKG-INFO"
"""Written by the build into every source distribution. It stays in the tree, because version finders read it, and out
of every diff, because nobody changed it."""


class Releases:
    """The port ``Forge`` over a list of release steps."""

    name = "releases"

    def __init__(
        self,
        steps_file: Path,
        *,
        cache: Path,
        index_url: str | None = None,
        ca_bundle: Path | None = None,
        backoff: float = 1.0,
    ) -> None:
        """Args:
        steps_file: the TOML list.
        cache: folder for listings, source distributions and mirrors.
        index_url: the simple API to ask; None: whatever pip is configured for.
        ca_bundle: certificates to trust; None: the usual ones.
        backoff: seconds before the second try, doubled from there.
        """
        self._file = steps_file
        self._cache = cache
        self._index = PackageIndex(index_url=index_url, cache=cache, ca_bundle=ca_bundle, backoff=backoff)

    def fingerprint(self) -> str:
        """Hash of the list: what an index holds of a release never changes."""
        return content_hash(read_list(self._file))

    def repositories(self) -> Iterator[RepositoryRecord | Malformed]:
        """One repository ``pypi/<package>`` a package of the list; unreadable entries as Malformed.

        Raises:
            SourceError: the list is missing or not TOML of the expected form.
        """
        seen = set()
        for step in read_steps(self._file):
            if isinstance(step, Malformed):
                yield step
            elif step.package not in seen:
                seen.add(step.package)
                yield RepositoryRecord(forge=self.name, name=f"pypi/{step.package}", location=step.package)

    def pull_requests(self, repository: RepositoryRecord) -> Iterator[PullRequestRecord | Malformed]:
        """The steps of a package, oldest release first.

        A release without a readable source distribution is Malformed. Raises ForgeUnavailable when the index is down.
        """
        steps = [
            step for step in read_steps(self._file) if isinstance(step, Step) and step.package == repository.location
        ]
        for step in sorted(steps, key=lambda step: Version(step.new)):
            found = self._step(step)
            if isinstance(found, Drop):
                yield Malformed(repository=repository.name, where=step.where, drop=found)
            else:
                yield found

    def prepare(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Nothing to do: listing a step makes its commits."""

    def touched(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Touched | Drop:
        """The paths that differ between the two releases, without what the build wrote."""
        mirror = self._mirror(repository.location)
        if (missing := _missing(mirror, pull_request)) is not None:
            return missing
        base, head = pull_request.base_ref_oid or "", pull_request.head_ref_oid or ""
        return Touched(
            paths=tuple(entry.path for entry in mirror.entries(base, head) if entry.path != PACKAGE_INFO),
            configuration=configuration_at(mirror, base),
        )

    def fill(self, repository: RepositoryRecord, pull_requests: Sequence[PullRequestRecord]) -> None:
        """Nothing to do: listing a step makes its commits."""

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        """What changed between the two releases, without what the build wrote."""
        mirror = self._mirror(repository.location)
        if (missing := _missing(mirror, pull_request)) is not None:
            return missing
        base, head = pull_request.base_ref_oid or "", pull_request.head_ref_oid or ""
        try:
            diff = mirror.diff(base, head, exclude=(PACKAGE_INFO,), limit=DIFF_LIMIT)
        except OutputTooLarge:
            return Drop(reason=Reason.PATCH_TOO_LARGE, detail=f"the diff exceeds {DIFF_LIMIT} bytes")
        licence = licence_at(mirror, base)
        return Change(
            base_commit=base,
            head_commit=head,
            base_inference=BaseInference.RELEASE,
            base_committed_at=mirror.commit(base).committed_at,
            diff=diff,
            configuration=configuration_at(mirror, base),
            version=swebench_version(pull_request.version),
            licence_path=licence.path,
            licence=licence.text,
        )

    def tree(self, repository: RepositoryRecord, commit: str, wanted: Callable[[str], bool]) -> CommitTree:
        """See ``commit_tree``. A source distribution has no submodules: it holds their files as its own."""
        return commit_tree(self._mirror(repository.location), commit, wanted)

    def snapshot(self, repository: RepositoryRecord, commit: str) -> bytes:
        """See ``GitMirror.snapshot``."""
        return self._mirror(repository.location).snapshot(commit)

    def _step(self, step: Step) -> PullRequestRecord | Drop:
        commits = []
        for version in (step.old, step.new):
            commit = self._release(step.package, version)
            if isinstance(commit, Drop):
                return commit
            commits.append(commit)
        mirror = self._mirror(step.package)
        return PullRequestRecord(
            number=step.number,
            title=f"{step.package} {step.old} -> {step.new}",
            body=_statement(mirror, commits[1], step.new),
            merged_at=mirror.commit(commits[1]).committed_at,
            base_ref_name="main",
            base_ref_oid=commits[0],
            head_ref_oid=commits[1],
            statement_source=StatementSource.CHANGELOG,
            version=step.old,
        )

    def _release(self, package: str, version: str) -> str | Drop:
        """The commit of a release, made when it is not there yet."""
        mirror = self._mirror(package)
        reference = f"refs/releases/{LAYOUT}/{version}"
        with _alone(mirror.path.with_suffix(".lock")):
            if not (mirror.path / "HEAD").is_file():
                GitMirror.create(mirror.path)
            if (commit := mirror.resolve(reference)) and mirror.exists(commit):
                return commit
            sdist = self._index.sdist(package, version)
            if isinstance(sdist, Drop):
                return sdist
            try:
                files = read_sdist(sdist.filename, self._index.download(package, sdist))
            except UnreadableSdist as error:
                return Drop(reason=Reason.UNREADABLE_SDIST, detail=f"{sdist.filename}: {error}")
            if sdist.uploaded_at is None:
                detail = (
                    f"the index tells no upload time of {sdist.filename} (PEP 700), which its environment depends on"
                )
                return Drop(reason=Reason.NO_SDIST, detail=detail)
            import_release(mirror, reference, f"{package} {version}", sdist.uploaded_at, files)
            commit = mirror.resolve(reference)
        if commit is None:
            raise ForgeUnavailable(f"{reference} is not in {mirror.path} after its import")
        return commit

    def _mirror(self, package: str) -> GitMirror:
        return GitMirror(self._cache / "releases" / f"{package}.git")


def _missing(mirror: GitMirror, pull_request: PullRequestRecord) -> Drop | None:
    for oid in (pull_request.base_ref_oid or "", pull_request.head_ref_oid or ""):
        if not mirror.exists(oid):
            detail = f"{mirror.path} lacks {oid}: remove it to make it anew"
            return Drop(reason=Reason.MISSING_COMMIT, detail=detail)
    return None


def _statement(mirror: GitMirror, commit: str, version: str) -> str:
    """What the release's own changelog says of it; empty when no file has an entry."""
    for path in changelog_files(mirror.files(commit)):
        try:
            text = mirror.read(commit, path, limit=4 << 20).decode("utf-8", "replace").replace("\0", "")
        except (BrokenRepository, OutputTooLarge):
            continue
        if entry := extract_entry(text, version):
            return entry
    return ""


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Only one process makes a mirror at a time. Trouble with the lock itself is the forge's, what is inside is not."""
    with ExitStack() as held:
        with boundary(ForgeUnavailable, f"locking {lock}", OSError):
            held.enter_context(only_one(lock))
        yield
