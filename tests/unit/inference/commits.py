"""Commits out of a handful of files, for the tests of inference."""

from datetime import UTC, datetime

from swemill.environment.inference import infer, is_wanted
from swemill.environment.inference.sources import Sources
from swemill.values import CommitTree, Inference, Submodule


def commit(files: dict[str, str | bytes], *more: str, submodules: tuple[Submodule, ...] = ()) -> CommitTree:
    """A commit with these files, of which only what is wanted is read, and ``more`` paths."""
    contents = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    return CommitTree(
        commit="a" * 40,
        committed_at=datetime(2021, 3, 1, tzinfo=UTC),
        paths=tuple(sorted({*files, *more})),
        files={path: content for path, content in contents.items() if is_wanted(path)},
        submodules=submodules,
    )


def inferred(files: dict[str, str | bytes], *more: str) -> Inference:
    """What is inferred of a commit with these files."""
    return infer(commit(files, *more))


def sources(files: dict[str, str | bytes], *more: str) -> Sources:
    """The files as inference reads them."""
    return Sources(commit(files, *more))
