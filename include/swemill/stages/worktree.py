"""What validation and judging both do to the work folder of a sandbox: apply patches, restore tests, choose targets.

Both stages treat the folder alike, so that the lists which validation finds are the ones a judged patch can reach:

- *protected* files are tests and test configuration (``patches.TestLayout``, ``is_test_config``) and whatever the test
  patch names. They have the base commit's content, changed by the test patch alone. Sections of the gold patch or of a
  candidate that touch them are left out;
- which files are tests, the configuration of the base commit tells (``layout_of``), never the one that lies there now;
- the tests to run depend on the test patch and on the files of the base commit, never on a candidate.
"""

import secrets
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from swemill.errors import SandboxUnavailable
from swemill.patches import (
    CONFIGURATION_FILES,
    LARGEST_CONFIGURATION,
    TestLayout,
    changed_paths,
    is_test_config,
    starts_by_itself,
)
from swemill.ports import RunningSandbox

GIT_TIMEOUT = 300.0
"""Seconds for one git command: they take milliseconds, unless the machine is drowning."""
_LISTING_LIMIT = 64 << 20
_GIT = ("git", "-c", "safe.directory=*", "-c", "core.autocrlf=false", "-c", "core.quotePath=false")


_BY_NAME = TestLayout()


def layout_of(sandbox: RunningSandbox, commit: str) -> TestLayout:
    """The test layout that the repository's root configures at ``commit``.

    Raises:
        SandboxUnavailable: git failed.
    """
    listing = _git(sandbox, "ls-tree", "-z", "-l", "--full-tree", commit, "--", *CONFIGURATION_FILES)
    configuration: dict[str, bytes] = {}
    for entry in listing.split(b"\0")[:-1]:
        (_, kind, blob, size), name = entry.partition(b"\t")[0].split(), entry.partition(b"\t")[2].decode()
        if kind == b"blob":
            readable = int(size) <= LARGEST_CONFIGURATION
            configuration[name] = _git(sandbox, "cat-file", "blob", blob.decode()) if readable else b""
    return TestLayout.of(configuration)


def protection(test_patch: bytes, layout: TestLayout = _BY_NAME) -> Callable[[str], bool]:
    """The predicate that tells protected paths. Raises patches.BadPatch."""
    named = frozenset(path.casefold() for path in changed_paths(test_patch))
    return lambda path: (
        path.casefold() in named or layout.is_test(path) or is_test_config(path) or starts_by_itself(path)
    )


def apply(sandbox: RunningSandbox, patch: bytes, *, check_only: bool = False) -> str | None:
    """``git apply`` a patch as the unprivileged user: all of it or nothing. None when it applies, else git's words."""
    if not patch.strip():
        return None
    place = f"/tmp/swemill-{secrets.token_hex(8)}.patch"
    sandbox.write({place: patch})
    options = ("--check",) if check_only else ()
    result = sandbox.run([*_GIT, "apply", "--whitespace=nowarn", *options, place], timeout=GIT_TIMEOUT)
    sandbox.run(["rm", "-f", place], timeout=GIT_TIMEOUT)
    if result.exit_code == 0 and not result.timed_out:
        return None
    words = result.output[-4096:].decode("utf-8", "replace").replace("\x00", "").replace(place, "the patch").strip()
    return words or f"git apply ended with exit code {result.exit_code}"


def files(sandbox: RunningSandbox) -> frozenset[str]:
    """Every file below the work folder, ignored ones included, git's own folder excluded."""
    return _paths(sandbox, "ls-files", "-z", "--cached") | untracked(sandbox)


def untracked(sandbox: RunningSandbox) -> frozenset[str]:
    """Files that are not in git's index, ignored ones included."""
    return _paths(sandbox, "ls-files", "-z", "--others")


def restore(
    sandbox: RunningSandbox, commit: str, protected: Callable[[str], bool], *, known: frozenset[str] | None = None
) -> None:
    """Give every protected file the content of ``commit``; remove protected untracked files that are not ``known``.

    ``known`` None keeps all untracked files: they belong to the image.

    Raises:
        SandboxUnavailable: git failed, so nobody knows what would be tested.
    """
    changed = [path for path in _paths(sandbox, "diff", "--name-only", "-z", "--no-renames", commit) if protected(path)]
    if changed:
        stdin = _joined(changed)
        _git(
            *(sandbox, "--literal-pathspecs", "checkout", commit, "--pathspec-from-file=-", "--pathspec-file-nul"),
            stdin=stdin,
        )
    if known is not None:
        added = [path for path in untracked(sandbox) - known if protected(path)]
        if added:
            result = sandbox.run(["xargs", "-0", "rm", "-f", "--"], timeout=GIT_TIMEOUT, stdin=_joined(added))
            if result.exit_code:
                raise SandboxUnavailable(f"removing added test files failed: {result.output[-500:]!r}")


def targets_of(test_patch: bytes, existing: frozenset[str], layout: TestLayout = _BY_NAME) -> tuple[str, ...]:
    """What to give to pytest: files or folders relative to the work folder; empty means the whole suite.

    1. The test files (``test_*.py``, ``*_test.py``, ``test.py``, ``tests.py``, and what the ``layout`` calls so) that
       the test patch changes and leaves in place. 2. When it changes only other things (data, helpers, conftest.py):
       the nearest folders around them that hold such files. 3. When there are none: the changed Python files
       themselves, for repositories that name their tests otherwise. 4. Else everything.
    """
    changed = changed_paths(test_patch)
    collectable = frozenset(path for path in existing if _looks_collectable(path) or layout.is_test_file(path))
    direct = collectable.intersection(changed)
    if direct:
        return tuple(sorted(direct))
    folders = {folder for path in changed if (folder := _folder_with_tests(path, collectable))}
    if folders:
        return tuple(sorted(folders))
    skipped = ("__init__.py", "conftest.py")
    return tuple(sorted(p for p in changed if p in existing and p.endswith(".py") and not p.endswith(skipped)))


def _looks_collectable(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and (
        name.startswith("test_") or name.endswith("_test.py") or name in ("test.py", "tests.py")
    )


def _folder_with_tests(path: str, collectable: frozenset[str]) -> str | None:
    for folder in PurePosixPath(path).parents:
        if str(folder) == ".":
            return None
        if any(other.startswith(f"{folder}/") for other in collectable):
            return str(folder)
    return None


def _paths(sandbox: RunningSandbox, *arguments: str) -> frozenset[str]:
    output = _git(sandbox, *arguments)
    return frozenset(path.decode("utf-8", "surrogateescape") for path in output.split(b"\0") if path)


def _joined(paths: Iterable[str]) -> bytes:
    return b"\0".join(path.encode("utf-8", "surrogateescape") for path in sorted(paths))


def _git(sandbox: RunningSandbox, *arguments: str, stdin: bytes = b"") -> bytes:
    result = sandbox.run([*_GIT, *arguments], timeout=GIT_TIMEOUT, stdin=stdin, output_limit=_LISTING_LIMIT)
    if result.exit_code or result.timed_out or result.truncated:
        raise SandboxUnavailable(
            f"git {arguments[0]} failed in the work folder (exit code {result.exit_code}): "
            f"{result.output[-500:].decode('utf-8', 'replace')}; the image may lack its repository: build it again"
        )
    return result.output
