"""Runs an instance's tests in a container of SWE-bench's harness as judging runs them, and writes what that reads.

This file is copied into containers, beside the reporter of pytest and a copy of ``patches/paths.py``, and started by an
evaluation script (``official``). Hence: standard library only, Python 3.6 syntax, and no import from swemill.

The harness has applied a prediction to ``/testbed`` as root and starts the script as root, with a network. From here on
all is as in judging: files belong to uid 1000, protected files have the base commit's content, the test patch is
applied, and the tests run as uid 1000. Results are lines for ``parse_log_pytest_v2``, a line a test that has passed or
failed. That parser cuts `` - `` and what follows from ids after ``FAILED``; such ids come after ``ERROR``, which counts
alike. Skipped tests have no line, as in pytest's own summary: a test that is skipped has not passed. Of a run that did
not reach its end no result is written.

Arguments: the folder of the script with ``task.json`` and ``test.patch``, the file for the results, and the image's own
``PATH``, which is for the tests alone: they may have changed what lies there.
"""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from swemill.patches.paths import is_test_config, is_test_path, starts_by_itself
else:
    sys.path.insert(0, str(Path(__file__).parent))
    from paths import is_test_config, is_test_path, starts_by_itself

WORK = Path("/testbed")
PRISTINE = Path("/opt/testbed")
USER = "1000"
GIT = ("git", "-c", "safe.directory=*", "-c", "core.autocrlf=false", "-c", "core.quotePath=false")
LOG_LIMIT = 64 << 10
"""Bytes of the tests' output that are shown: its end."""
USAGE_ERROR = 4
MAX_ID = 1024
WORST_FIRST = ("error", "failed", "xpassed", "skipped", "xfailed", "passed")
WORDS = {"passed": "PASSED", "xfailed": "XFAIL", "failed": "FAILED", "error": "ERROR"}
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Unusable(Exception):
    """Why there are no results; the text is shown."""


def as_user(*command: Any) -> "list[Any]":
    """The command as the user that owns the work folder, without a way back to root."""
    return ["/usr/bin/setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs", *command]


def git(*arguments: str, stdin: bytes = b"") -> bytes:
    """What git says in the work folder. Raises Unusable."""
    process = subprocess.Popen(
        as_user(*GIT, *arguments), cwd=str(WORK), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, complaint = process.communicate(stdin)
    if process.returncode:
        raise Unusable(f"git {arguments[0]} failed: {complaint[-500:].decode('utf-8', 'replace')}")
    return said


def listed(*arguments: str) -> "list[str]":
    """Paths that git lists with ``-z``."""
    return [os.fsdecode(path) for path in git(*arguments).split(b"\0") if path]


# --- the work folder, as stages.worktree treats it -------------------------------------------------------------------


def protection(changed: "list[str]") -> "Callable[[str], bool]":
    """The predicate that tells files on which a prediction has no say."""
    named = {path.casefold() for path in changed}
    return lambda path: path.casefold() in named or is_test_path(path) or is_test_config(path) or starts_by_itself(path)


def lay_tests(task: "dict[str, Any]", patch: Path) -> None:
    """Give the work folder to its user, its protected files the base commit's content, and apply the test patch."""
    subprocess.check_call(
        ["find", str(WORK), "-xdev", "!", "-uid", USER, "-exec", "chown", "-h", f"{USER}:{USER}", "{}", "+"]
    )
    protected = protection(task["changed"])
    changed = listed("diff", "--name-only", "-z", "--no-renames", task["base_commit"])
    back = [os.fsencode(path) for path in changed if protected(path)]
    if back:
        words = ("checkout", task["base_commit"], "--pathspec-from-file=-", "--pathspec-file-nul")
        git("--literal-pathspecs", *words, stdin=b"\0".join(back))
    for path in listed("ls-files", "-z", "--others"):
        if protected(path) and not os.path.lexists(str(PRISTINE / path)):
            subprocess.check_call(as_user("rm", "-f", "--", str(WORK / path)))
    if patch.stat().st_size:
        git("apply", "--whitespace=nowarn", str(patch))


def targets(task: "dict[str, Any]") -> "list[str]":
    """What to give to pytest: ``stages.worktree.targets_of``, for which files with expected tests are test files."""
    existing = {*listed("ls-files", "-z", "--cached"), *listed("ls-files", "-z", "--others")}
    collectable = {path for path in existing if looks_collectable(path) or path in task["test_files"]}
    direct = collectable.intersection(task["changed"])
    if direct:
        return sorted(direct)
    folders = {folder for path in task["changed"] for folder in [folder_with_tests(path, collectable)] if folder}
    if folders:
        return sorted(folders)
    skipped = ("__init__.py", "conftest.py")
    return sorted(
        path for path in task["changed"] if path in existing and path.endswith(".py") and not path.endswith(skipped)
    )


def looks_collectable(path: str) -> bool:
    """Whether a file is called like a test file."""
    name = path.rpartition("/")[2]
    return name.endswith(".py") and (
        name.startswith("test_") or name.endswith("_test.py") or name in ("test.py", "tests.py")
    )


def folder_with_tests(path: str, collectable: "set[str]") -> str:
    """The nearest folder above that holds test files; empty: none."""
    folder = path.rpartition("/")[0]
    while folder:
        if any(other.startswith(f"{folder}/") for other in collectable):
            return folder
        folder = folder.rpartition("/")[0]
    return ""


# --- the run, as testreports.runner and testreports.reader treat it --------------------------------------------------


class Run:
    """One run of the tests: its output, and the events that the reporter wrote."""

    def __init__(self, folder: Path, task: "dict[str, Any]", paths: "list[str]", words: "list[str]") -> None:
        self.outcomes = {}  # type: dict[str, str]
        self.started, self.ends = {}, set()  # type: dict[str, None], set[int]
        self.collected, self.tampered, self.timed_out = 0, "", False
        own = folder / "run"
        own.mkdir()
        os.chown(str(own), int(USER), int(USER))
        # The output is out of the tests' reach: a pipe in its place would hold up whoever reads it.
        report, output = own / os.urandom(8).hex(), folder / "output"
        key = os.urandom(16).hex().encode()
        command = as_user("python", str(folder / "pytest_reporter.py"), *words, *paths)
        env = dict(os.environ, PATH=task["path"], HOME="/tmp", SWEMILL_REPORT=str(report), **task["env"])
        with output.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=str(WORK), env=env, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                process.communicate(key, timeout=task["timeout"])
            except subprocess.TimeoutExpired:
                self.timed_out = True
            subprocess.call(as_user("sh", "-c", "kill -KILL -1"), stderr=subprocess.DEVNULL)
            self.exit_code = process.wait()
        self.output = end_of(output)
        for event in unsealed(report, key):
            self._read(event)
        subprocess.check_call(["rm", "-rf", str(own)])

    def _read(self, event: "dict[str, Any]") -> None:
        kind, test = event.get("e"), clean_id(event.get("id", ""))
        if kind == "start":
            self.started[test] = None
        elif kind in ("finish", "collect"):
            self.started.pop(test, None)
            both = [self.outcomes.get(test, event["outcome"]), event["outcome"]]
            self.outcomes[test] = min(both, key=WORST_FIRST.index)
        elif kind == "collected":
            self.collected = event["n"]
        elif kind == "tampered":
            self.tampered = self.tampered or event["what"]
        elif kind == "end":
            self.ends.add(event["status"])

    def refused(self) -> bool:
        """Whether pytest refused its command line or configuration."""
        return self.exit_code == USAGE_ERROR and not self.outcomes and not self.collected

    def trouble(self) -> str:
        """Why the run counts for nothing; empty: it reached its end."""
        if self.timed_out:
            return "the tests ran out of time"
        if self.tampered:
            return f"code under test changed {self.tampered}"
        if self.ends != {self.exit_code} or self.exit_code not in (0, 1, 5) or self.started:
            return f"pytest did not run to its end (exit code {self.exit_code})"
        return ""


def run(folder: Path, task: "dict[str, Any]") -> Run:
    """Run the tests; where pytest refuses the repository's options, without them."""
    paths = [path if not path.startswith("-") else f"./{path}" for path in targets(task)]
    words = [word.replace("{folder}", str(folder / "run")) for word in task["words"]]
    first = Run(folder, task, paths, words)
    if not first.refused():
        return first
    again = Run(folder, task, paths, [*words, *task["without_options"]])
    return first if again.exit_code == USAGE_ERROR else again


def end_of(path: Path) -> str:
    """The output's end, without anything that the harness would take for its own marks."""
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - LOG_LIMIT, 0))
        return file.read().decode("utf-8", "replace").replace(">>>>>", ">>>> >")


def unsealed(path: Path, key: bytes) -> "list[dict[str, Any]]":
    """The events that the reporter wrote (``event_lines``), and nobody else."""
    events = []
    for line in path.read_bytes().split(b"\n") if path.is_file() else []:
        seal, _, event = line.partition(b" ")
        if hmac.compare_digest(seal, hashlib.blake2b(event, key=key, digest_size=16).hexdigest().encode()):
            events.append(json.loads(event.decode()))
    return events


def clean_id(test: str) -> str:
    """The id as ``testreports.reader`` spells it."""
    text = test.encode("utf-8", "backslashreplace").decode()
    text = HIDDEN.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
    return text if len(text) <= MAX_ID else f"{text[:MAX_ID]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def result_lines(outcomes: "dict[str, str]") -> "list[str]":
    """A line a test that passed or failed; the last line is there so that the harness never finds none."""
    lines = []
    for test, outcome in sorted(outcomes.items()):
        word = WORDS.get(outcome)
        if word:
            lines.append(f"{'ERROR' if word == 'FAILED' and ' - ' in test else word} {test}")
    return [*lines, "SKIPPED swemill: the run reached its end"]


def main() -> int:
    """Run and write; what stands in the way becomes the one result."""
    folder, place = Path(sys.argv[1]), Path(sys.argv[2])
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    task["path"] = sys.argv[3]
    try:
        lay_tests(task, folder / "test.patch")
        done = run(folder, task)
        sys.stdout.buffer.write(done.output.encode())
        trouble = done.trouble()
        lines = [f"ERROR swemill: {trouble}"] if trouble else result_lines(done.outcomes)
    except Unusable as problem:
        lines = [f"ERROR swemill: {' '.join(str(problem).split())}"]
    place.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
