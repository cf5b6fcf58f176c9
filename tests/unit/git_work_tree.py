"""A small real git repository to build histories in, for tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_WHO = ("-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "core.autocrlf=false", "-c", "commit.gpgsign=false")


def git(where: Path, *arguments: str, stdin: bytes = b"", at: str | None = None) -> bytes:
    """Run git without any configuration of the machine; ``at`` is the time of commits."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    if at:
        env |= {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    command = ["git", *_WHO, *arguments]
    return subprocess.run(command, cwd=where, input=stdin, env=env, check=True, capture_output=True).stdout


def write(root: Path, files: Mapping[bytes, bytes | None]) -> None:
    """Write files, or remove those that are None."""
    for name, data in files.items():
        path = root / os.fsdecode(name)
        if data is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def commit_files(root: Path, files: Mapping[str, str]) -> str:
    """Write text files below ``root``, a repository from then on, commit all that lies there and return the sha."""
    root.mkdir(parents=True, exist_ok=True)
    write(root, {os.fsencode(name): text.encode() for name, text in files.items()})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "state")
    return head(root)


def head(root: Path) -> str:
    """The sha of the commit that is checked out."""
    return git(root, "rev-parse", "HEAD").decode().strip()


class WorkTree:
    """A repository with a branch ``main``. Every commit is an hour after the one before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.hour = 0
        root.mkdir(parents=True)
        git(root, "init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        """Run git here, at the next hour."""
        self.hour += 1
        at = f"2024-01-{1 + self.hour // 24:02d}T{self.hour % 24:02d}:00:00Z"
        return git(self.root, *arguments, at=at).decode("utf-8", "replace").strip()

    def commit(self, message: str, **files: str) -> str:
        """Commit files (``__`` in a name is ``/``, all are Python) and return the sha."""
        write(self.root, {f"{name.replace('__', '/')}.py".encode(): text.encode() for name, text in files.items()})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def mirror(self, path: Path) -> Path:
        """Make a bare mirror, all references included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        git(self.root, "clone", "-q", "--mirror", str(self.root), str(path))
        return path
