"""Evaluation scripts for SWE-bench's own harness (package ``swebench``, 5.0): what it runs in a container of ours.

A row of its dataset brings the image's name, a shell script and the name of a log parser (``make_test_spec`` in
``swebench/harness/utils.py``). The harness applies the prediction to ``/testbed``, runs the script as root and reads
the results from between two marks of its output. Ours runs the tests as judging does (``official_run``), so that the
verdicts agree, and prints results in the words of the one parser that keeps spaces in ids.
"""

import base64
import gzip
import io
import json
import re
import tarfile
from collections.abc import Collection, Iterable
from importlib import resources

from swemill.grading import failure
from swemill.patches import changed_paths
from swemill.testreports.official_run import result_lines
from swemill.testreports.runner import ENVIRONMENT, PYTEST, WITHOUT_OPTIONS
from swemill.values import TestReport

VERSION = "5.0.2"
"""The release that the tests hold this against."""
LOG_PARSER = "parse_log_pytest_v2"
EVAL_TYPE = "pass_and_fail"

_START, _END = ">>>>> Start Test Output", ">>>>> End Test Output"
_SCRIPT = """\
#!/bin/bash
set -uxo pipefail
{{ set +x; }} 2>/dev/null
# One stream: the harness reads two in no certain order.
exec 2>&1
image_path=$PATH
python=$(command -v python)
PATH=/usr/sbin:/usr/bin:/sbin:/bin
folder=$(mktemp -d /opt/swemill-XXXXXXXX)
chmod 755 "$folder"
echo 'ERROR swemill: the run was broken off' >"$folder/results"
# official_run.py of SWE-Mill with its test patch; see docs/validation.md there.
base64 -d <<'{end}' | tar -xz --no-same-owner -C "$folder"
{archive}
{end}
"$python" -I -S -B "$folder/official_run.py" "$folder" "$folder/results" "$image_path" </dev/null
echo '{start}'
cat "$folder/results"
echo '{finish}'
"""
_COLOUR = re.compile(r"\[(\d+)m")
_CONTROL = dict.fromkeys(range(1, 32))


def evaluation_script(base_commit: str, test_patch: bytes, tests: Collection[str], *, timeout: float) -> str:
    """The script: equal arguments give equal texts.

    Args:
        base_commit: that the image has checked out.
        test_patch: what it applies on top of the prediction, whatever its encoding.
        tests: FAIL_TO_PASS and PASS_TO_PASS; their files are test files, whatever they are called.
        timeout: seconds for the test run.

    Raises:
        patches.BadPatch: the test patch is no git diff.
    """
    task = {
        "base_commit": base_commit,
        "changed": sorted(changed_paths(test_patch)),
        "test_files": sorted({test.partition("::")[0] for test in tests}),
        "timeout": timeout,
        "words": PYTEST.words,
        "without_options": WITHOUT_OPTIONS,
        "env": ENVIRONMENT,
    }
    here, patches = resources.files("swemill.testreports"), resources.files("swemill.patches")
    files = {
        **{name: here.joinpath(name).read_bytes() for name in ("official_run.py", *PYTEST.scripts)},
        "paths.py": patches.joinpath("paths.py").read_bytes(),
        "task.json": json.dumps(task).encode(),
        "test.patch": test_patch,
    }
    archive = base64.encodebytes(_archive(files)).decode().strip()
    return _SCRIPT.format(archive=archive, end="END_OF_ARCHIVE", start=_START, finish=_END)


def evaluation_log(report: TestReport) -> str:
    """What a container of the harness would have printed of a run whose report we have: for its grading alone."""
    trouble = failure(report)
    outcomes = {test: str(outcome) for test, outcome in report.outcomes.items()}
    lines = [f"ERROR swemill: {trouble[1]}"] if trouble else result_lines(outcomes)
    return "\n".join([_START, *lines, _END, ""])


def lost_ids(tests: Iterable[str]) -> tuple[str, ...]:
    """Ids that the harness does not read as they are, so that they never pass there, or pass for another's sake."""
    known = list(tests)
    lost = [test for test in known if not _survives(test)]
    # One that is cut off inside its brackets is looked for by its beginning (``_resolve_case`` in grading.py).
    cut = [test for test in known if test.count("[") > test.count("]")]
    lost += [test for test in cut if any(other != test and other.startswith(test) for other in known)]
    return tuple(dict.fromkeys(lost))


def _survives(test: str) -> bool:
    """Whether ``parse_log_pytest_v2`` gives the id back, and nothing in it is a mark of the harness."""
    words = _COLOUR.sub("", f"PASSED {test}").translate(_CONTROL).split()
    return " ".join(words[1:]) == test and ">>>>>" not in test and "\n" not in test


def _archive(files: dict[str, bytes]) -> bytes:
    """A compressed tar whose bytes depend on nothing but ``files``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)
