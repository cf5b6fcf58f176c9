"""SWE-bench's own grading of our reports: for each exported instance and each report, its verdict is ours."""

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swemill.grading import failure, grade
from swemill.testreports.official import EVAL_TYPE, LOG_PARSER, evaluation_log, lost_ids
from swemill.values import TestOutcome, TestReport

CASES = 2000
WORDS = ("a b", "a - b", "a - c", "a", "\u00e9 \u4e2d", "x[1] - y", "PASSED", "[100%]", "#")
IDS = (
    *(f"t.py::test_{letter}" for letter in "abc"),
    *(f"t.py::test[{word}]" for word in WORDS),
    "t.py",
    "tests/t.py::TestC::test_m - ok",
)
# Grades logs with the published package: a case comes in as a line of JSON, its report goes out.
GRADER = """
import json, sys
from pathlib import Path
from swebench.harness.grading import get_eval_report
from swebench.harness.utils import make_test_spec
for line in sys.stdin:
    case = json.loads(line)
    Path("log").write_text(case["log"])
    prediction = {"instance_id": "i", "model_patch": "x", "model_name_or_path": "m"}
    print("=" + json.dumps(get_eval_report(make_test_spec(case["row"]), prediction, "log", True)["i"]))
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Lists and a report."""

    fail_to_pass: list[str]
    pass_to_pass: list[str]
    report: TestReport

    def told(self) -> str:
        """The case as a line for the grader."""
        row = {
            "instance_id": "i",
            "image": "none",
            "repo": "o/n",
            "version": "",
            "FAIL_TO_PASS": json.dumps(self.fail_to_pass),
            "PASS_TO_PASS": json.dumps(self.pass_to_pass),
            "log_parser": LOG_PARSER,
            "eval_type": EVAL_TYPE,
            "eval_script": "",
        }
        return json.dumps({"row": row, "log": evaluation_log(self.report)})


def cases() -> Iterator[Case]:
    """The same ones every time: good runs, runs with some faults, runs that did not end."""
    chance = random.Random(7)
    for _ in range(CASES):
        ids = chance.sample(IDS, chance.randint(1, len(IDS)))
        turned = chance.randint(1, len(ids))
        outcomes = {test: chance.choice((TestOutcome.PASSED, TestOutcome.XFAILED)) for test in ids}
        for test in chance.sample(ids, min(chance.choice((0, 0, 1, 3)), len(ids))):
            if outcome := chance.choice((None, *TestOutcome)):
                outcomes[test] = outcome
            else:
                del outcomes[test]
        finished, timed_out = chance.random() > 0.1, chance.random() < 0.05
        yield Case(
            fail_to_pass=ids[:turned],
            pass_to_pass=ids[turned:],
            report=TestReport(
                outcomes=outcomes,
                collected=len(ids),
                finished=finished and not timed_out,
                exit_code=0 if finished else 139,
                timed_out=timed_out,
            ),
        )


def test_its_verdicts_on_our_reports_are_ours(official_swebench: Path, tmp_path: Path) -> None:
    assert lost_ids(IDS) == ()
    made = list(cases())
    done = subprocess.run(
        [official_swebench.parent / "python", "-c", GRADER],
        cwd=tmp_path,
        input="".join(f"{case.told()}\n" for case in made),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = [json.loads(line[1:]) for line in done.stdout.splitlines() if line.startswith("=")]
    resolved = 0
    for case, theirs in zip(made, told, strict=True):
        ended = failure(case.report) is None
        ours = grade(case.report, case.fail_to_pass, case.pass_to_pass)
        assert theirs["resolved"] == (ended and ours.complete), case
        status = theirs["tests_status"]
        if ended:
            assert set(status["FAIL_TO_PASS"]["failure"]) == set(ours.fail_to_pass_missed), case
            assert set(status["PASS_TO_PASS"]["failure"]) == set(ours.pass_to_pass_missed), case
        resolved += theirs["resolved"]
    assert CASES / 10 < resolved < CASES * 9 / 10
