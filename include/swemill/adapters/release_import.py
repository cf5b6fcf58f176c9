"""Writes the files of a release into a mirror as a commit of its own, without a work tree: git's fast-import."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.sdist import File

_PERSON = b"Release <release@localhost>"


def import_release(
    mirror: GitMirror, reference: str, message: str, when: datetime, files: Mapping[bytes, File]
) -> None:
    """Make ``reference`` a root commit of these files; its sha depends on message, time and files alone.

    Raises as ``run_git`` does.
    """
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
