"""Runs the leak gate in a sandbox of a finished image. What counts as a leak, ``environment.leak_gate`` says."""

from collections.abc import Sequence

from swemill.environment.leak_gate import START, Leak, LeakKind, leaks, read_listing, request, texts
from swemill.errors import SandboxUnavailable
from swemill.ports import RunningSandbox

REPOSITORIES = ("/opt/testbed", ".")
"""The checkout that the image keeps, and its copy in the work folder."""
SEARCHED = ("/",)
NOT_SEARCHED = ("/proc", "/sys", "/dev")
"""Folders that the kernel makes up."""

_OUTPUT_LIMIT = 4 << 20
_NO_PROGRAM = (126, 127)
# The image's own variables put its environment first, where a build can have left a `git` of its own.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LD_PRELOAD": "",
    "LD_LIBRARY_PATH": "",
    "LD_AUDIT": "",
    "ENV": "",
    "BASH_ENV": "",
}


def check(
    sandbox: RunningSandbox,
    base_commit: str,
    timeout: float,
    *,
    repositories: Sequence[str] = REPOSITORIES,
    search: Sequence[str] = SEARCHED,
) -> tuple[Leak, ...]:
    """Everything in the sandbox's image that came after ``base_commit`` or may have; empty: it is clean.

    To be called before anything else is run in the sandbox. Nothing is written. An image that cannot be listed within
    ``timeout`` seconds, or within the sandbox's memory, has the leak ``unlistable``.

    Raises:
        SandboxUnavailable: the engine or the container is gone, or the image lacks Python.
    """
    command = ["python3", "-I", "-S", "-B", "-c", START]
    command.append(request(base_commit, repositories=repositories, search=search, skip=NOT_SEARCHED))
    result = sandbox.run(
        command, timeout=timeout, stdin=texts(), env=_ENVIRONMENT, cwd="/testbed", output_limit=_OUTPUT_LIMIT
    )
    if result.timed_out or result.out_of_memory:
        limit = "out of memory" if result.out_of_memory else f"not done after {timeout:.0f} s"
        return (Leak(kind=LeakKind.UNLISTABLE, detail=f"listing the repository: {limit}"),)
    words = " ".join(result.output[-300:].decode("utf-8", "replace").split())
    if result.exit_code in _NO_PROGRAM:
        raise SandboxUnavailable(
            f"the image cannot be looked into, it lacks python3: {words}; make its base image anew"
        )
    if result.exit_code:
        return (Leak(kind=LeakKind.UNLISTABLE, detail=f"listing the repository failed: {words}"),)
    try:
        return leaks(read_listing(result.output), base_commit)
    except ValueError as error:
        raise SandboxUnavailable(f"the listing of the image's repository was cut off ({error}); run again") from error
