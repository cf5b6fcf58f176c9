"""The forge ``releases``: consecutive releases of a package stand for pull requests, where no forge can be reached.

The source distributions of both releases become two commits of a bare mirror; what lies between them is real
third-party code with its tests, and the changelog says what it is about. The list is a checked-in TOML file::

    [[steps]]
    package = "click"
    from = "8.1.6"
    to = "8.1.7"

Each release is a root commit of its own under ``refs/releases/``: its sha depends on the release alone, so that
instances keep their base commit when the list grows.
"""

import fcntl
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from swemill.adapters.changelog import changelog_files, extract_entry
from swemill.adapters.git_mirror import BrokenRepository, GitMirror, OutputTooLarge
from swemill.adapters.landing import DIFF_LIMIT
from swemill.adapters.package_index import PackageIndex
from swemill.adapters.sdist import File, UnreadableSdist, read_sdist
from swemill.effects import content_hash
from swemill.errors import ForgeUnavailable, SourceError, boundary
from swemill.reasons import Reason
from swemill.values import (
    BaseInference,
    Change,
    Drop,
    Malformed,
    PullRequestRecord,
    RepositoryRecord,
    StatementSource,
)

LAYOUT = 1
"""Part of every reference name: raised when the same source distribution would become another tree."""
PACKAGE_INFO = "PKG-INFO"
"""Written by the build into every source distribution. It stays in the tree, because version finders read it, and out
of every diff, because nobody changed it."""
_PERSON = b"Release <release@localhost>"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One entry of the list."""

    package: str
    old: str
    new: str
    where: str

    @property
    def number(self) -> int:
        """The number that stands for the step: 8.1.7 is 8001007. It says which, and never changes."""
        major, minor, micro = (*Version(self.new).release, 0, 0)[:3]
        return (major * 1000 + minor) * 1000 + micro


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
        return content_hash(self._read())

    def repositories(self) -> Iterator[RepositoryRecord | Malformed]:
        """One repository ``pypi/<package>`` a package of the list; unreadable entries as Malformed.

        Raises:
            SourceError: the list is missing or not TOML of the expected form.
        """
        seen = set()
        for step in self._steps():
            if isinstance(step, Malformed):
                yield step
            elif step.package not in seen:
                seen.add(step.package)
                yield RepositoryRecord(forge=self.name, name=f"pypi/{step.package}", location=step.package)

    def pull_requests(self, repository: RepositoryRecord) -> Iterator[PullRequestRecord | Malformed]:
        """The steps of a package, oldest release first.

        A release without a readable source distribution is Malformed. Raises ForgeUnavailable when the index is down.
        """
        steps = [step for step in self._steps() if isinstance(step, Step) and step.package == repository.location]
        for step in sorted(steps, key=lambda step: Version(step.new)):
            found = self._step(step)
            if isinstance(found, Drop):
                yield Malformed(repository=repository.name, where=step.where, drop=found)
            else:
                yield found

    def change(self, repository: RepositoryRecord, pull_request: PullRequestRecord) -> Change | Drop:
        """What changed between the two releases, without what the build wrote."""
        mirror = self._mirror(repository.location)
        base, head = pull_request.base_ref_oid or "", pull_request.head_ref_oid or ""
        for oid in (base, head):
            if not mirror.exists(oid):
                return Drop(
                    reason=Reason.MISSING_COMMIT, detail=f"{mirror.path} lacks {oid}: remove it to make it anew"
                )
        try:
            diff = mirror.diff(base, head, exclude=(PACKAGE_INFO,), limit=DIFF_LIMIT)
        except OutputTooLarge:
            return Drop(reason=Reason.PATCH_TOO_LARGE, detail=f"the diff exceeds {DIFF_LIMIT} bytes")
        return Change(
            base_commit=base,
            head_commit=head,
            base_inference=BaseInference.RELEASE,
            base_committed_at=mirror.commit(base).committed_at,
            diff=diff,
        )

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
        with _locked(mirror.path.with_suffix(".lock")):
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
            _import(mirror, reference, f"{package} {version}", sdist.uploaded_at, files)
            commit = mirror.resolve(reference)
        if commit is None:
            raise ForgeUnavailable(f"{reference} is not in {mirror.path} after its import")
        return commit

    def _mirror(self, package: str) -> GitMirror:
        return GitMirror(self._cache / "releases" / f"{package}.git")

    def _read(self) -> bytes:
        try:
            return self._file.read_bytes()
        except OSError as error:
            raise SourceError(f"the list of release steps {self._file} cannot be read: {error.strerror}") from None

    def _steps(self) -> Iterator[Step | Malformed]:
        try:
            entries = tomllib.loads(self._read().decode()).get("steps")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SourceError(f"{self._file} is not TOML: {error}") from None
        if not isinstance(entries, list) or not entries:
            raise SourceError(f'{self._file} holds no [[steps]] with package = "...", from = "...", to = "..."')
        numbers: dict[tuple[str, int], str] = {}
        for at, entry in enumerate(entries, start=1):
            where = f"{self._file.name}: step {at}"
            step = _parse_step(entry, where)
            if isinstance(step, Step) and (earlier := numbers.setdefault((step.package, step.number), where)) != where:
                step = f"{step.package} {step.new} is already the goal of {earlier}"
            if isinstance(step, str):
                drop = Drop(reason=Reason.MALFORMED_RECORD, detail=f"{where}: {step}")
                yield Malformed(repository=str(self._file.name), where=where, drop=drop)
            else:
                yield step


def _parse_step(entry: Any, where: str) -> Step | str:
    """A step, or what is wrong with its entry."""
    if not isinstance(entry, dict):
        return "is no table"
    values = {key: value for key in ("package", "from", "to") if isinstance(value := entry.get(key), str) and value}
    if wrong := {"package", "from", "to"} - set(values):
        return f"{', '.join(sorted(wrong))} missing or not a text"
    if not _NAME.fullmatch(values["package"]):
        return f"{values['package']!r} is no package name"
    for key in ("from", "to"):
        try:
            version = Version(values[key])
        except InvalidVersion:
            return f"{key} = {values[key]!r} is no version"
        if version.is_prerelease or version.is_postrelease or version.local or version.epoch:
            return f"{key} = {values[key]!r} is no final release"
        if len(version.release) > 3 or max(version.release[1:], default=0) > 999:
            return f"{key} = {values[key]!r} has more parts than major.minor.micro, or a part above 999"
    if Version(values["from"]) >= Version(values["to"]):
        return f"from = {values['from']!r} is not older than to = {values['to']!r}"
    package = canonicalize_name(values["package"])
    return Step(package=package, old=values["from"], new=values["to"], where=where)


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


def _import(mirror: GitMirror, reference: str, message: str, when: datetime, files: Mapping[bytes, File]) -> None:
    mirror.run(
        "-c",
        "fastimport.unpackLimit=0",
        "fast-import",
        "--quiet",
        "--done",
        "--date-format=raw",
        stdin=_stream(reference, message, when, files),
    )


def _stream(reference: str, message: str, when: datetime, files: Mapping[bytes, File]) -> Iterable[bytes]:
    """The commands of ``git fast-import`` for one root commit."""
    text = message.encode()
    yield b"commit %s\n" % reference.encode()
    for role in (b"author", b"committer"):
        yield b"%s %s %d +0000\n" % (role, _PERSON, int(when.astimezone(UTC).timestamp()))
    yield b"data %d\n%s\n" % (len(text), text)
    for path, file in files.items():
        mode = b"100755" if file.executable else b"100644"
        yield b"M %s inline %s\ndata %d\n" % (mode, _quoted(path), len(file.data))
        yield file.data
        yield b"\n"
    yield b"done\n"


def _quoted(path: bytes) -> bytes:
    """A path as fast-import reads it, whatever bytes it holds."""
    return b'"' + b"".join(b"\\%03o" % byte if byte < 32 or byte in b'"\\' else bytes([byte]) for byte in path) + b'"'


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process makes a mirror at a time; the lock goes with its process."""
    with boundary(ForgeUnavailable, f"locking {path}", OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
