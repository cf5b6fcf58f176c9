"""The snapshot of a repository that a sandbox gets: a single commit, and no way to what came after it."""

import io
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swemill.adapters.git_command import TIMEOUT, run_git
from swemill.errors import ForgeUnavailable, boundary


@dataclass(frozen=True, kw_only=True)
class PlainFile:
    """A regular file of a submodule; ``path`` is relative to the root of the checkout."""

    path: str
    data: bytes
    is_executable: bool


def make_bare_repository(path: Path) -> None:
    """Make an empty bare repository: no template, no hook, nothing that depends on the machine."""
    with boundary(ForgeUnavailable, f"making the repository {path}", OSError):
        for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
            (path / folder).mkdir(parents=True, exist_ok=True)
        (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")
        (path / "HEAD").write_text("ref: refs/heads/main\n")


def snapshot_of(repository: Path, oid: str, *, submodules: Sequence[PlainFile] = (), timeout: float = TIMEOUT) -> bytes:
    """A tar with a bare, shallow repository ``repo.git`` whose only commit is ``oid``, on ``main``.

    It holds the commit and its tree and nothing else: no other object, remote, tag or reflog, so that nothing of
    the future can be found in it. Deltas are not reused, so the bytes depend on the commit alone. Beside it lie the
    files of ``submodules``, below ``submodules``. The errors are those of ``run_git``; its ``timeout`` is of each
    command.
    """
    wanted = run_git(repository, "rev-list", "--objects", "--no-object-names", f"{oid}^{{tree}}", timeout=timeout)
    packing = ("--stdout", "--window=0", "--no-reuse-delta", "--no-reuse-object", "--quiet", "--threads=1")
    pack = run_git(repository, "pack-objects", *packing, stdin=[f"{oid}\n".encode(), wanted], timeout=timeout)
    with boundary(ForgeUnavailable, "making a snapshot", OSError), tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "repo.git"
        make_bare_repository(target)
        run_git(target, "index-pack", "--stdin", stdin=[pack], timeout=timeout)
        (target / "shallow").write_text(f"{oid}\n")
        (target / "refs" / "heads" / "main").write_text(f"{oid}\n")
        return _tar(target, submodules)


def _tar(folder: Path, submodules: Sequence[PlainFile]) -> bytes:
    """A tar whose bytes depend on names and contents alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in (folder, *sorted(folder.rglob("*"))):
            name = str(path.relative_to(folder.parent))
            if path.is_dir():
                info = tarfile.TarInfo(name)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                _add(tar, name, path.read_bytes(), mode=0o644)
        for file in sorted(submodules, key=lambda file: file.path):
            _add(tar, f"submodules/{file.path}", file.data, mode=0o755 if file.is_executable else 0o644)
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))
