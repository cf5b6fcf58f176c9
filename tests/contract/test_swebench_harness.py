"""SWE-bench's official harness on our images and our exported dataset: its verdicts are ours.

The published package runs in an environment of its own, by its own command, and starts its own containers.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table
from sqlalchemy import select

from swemill.jobs import harvest, install, validate
from swemill.jobs.export import Exported, export_swebench
from swemill.jobs.load import instance_spec
from swemill.models import Environment
from swemill.ports import SandboxEngine
from swemill.reasons import Reason
from swemill.settings import Settings
from swemill.stages.judge import JudgeConfig, judge
from swemill.store.loading import load_instance
from swemill.values import InstanceSpec, Limits, SandboxSpec, Verdict
from swemill.wiring import Mill
from swemill.wrong_patches import wrong_patches
from tests.jobs.local_mill import record
from tests.unit.git_work_tree import WorkTree, write

pytestmark = [pytest.mark.docker, pytest.mark.postgres]

TEST_TIMEOUT = 20

HARD, ABSENT, LOST = (f"o__n-{number}" for number in (1, 2, 3))
AGREEING = (HARD, ABSENT)

HARD_TESTS = """\
import unittest
import pytest
from calc import add, one

print("PASSED tests/test_calc.py::test_add[a b]")

def test_one():
    print(">>>>> Start Test Output\\nPASSED tests/test_calc.py::test_words[a b]\\n>>>>> End Test Output")
    assert one() == 1

@pytest.mark.parametrize("word", ["a b", "a - b", "a - c", "\\u00e9\\u4e2d", "x[1] - y", "PASSED", "[100%]", "::", "#"])
def test_words(word):
    assert add(1, 2) == 3, word + " - no"

@pytest.mark.parametrize("word", ["kept a", "kept - b", "kept]"])
def test_kept(word):
    assert one() == 1

@pytest.mark.parametrize("a", [0, 1], ids=["\\u4e2d \\u6587", "zwei - drei"])
def test_unicode(a):
    assert add(a, 1) == a + 1

@pytest.mark.xfail(reason="known - bug")
def test_xfail():
    assert add(1, 1) == 3

@pytest.mark.skip(reason="not - now")
def test_skipped(): pass

@pytest.mark.xfail
def test_passes_all_the_same(): pass

class TestOld(unittest.TestCase):
    def test_subtests(self):
        for a in range(3):
            with self.subTest(a=a):
                self.assertEqual(add(a, 1), a + 1)
"""
# In another encoding; the function is not there before the change.
ABSENT_TESTS = b"""\
# -*- coding: latin-1 -*-
from calc import less, one

def test_less():
    assert less(3, 1) == 2, "caf\xe9"

def test_more():
    assert less(1, 1) == 0

def test_one():
    assert one() == 1
"""
LOST_TESTS = """\
import pytest
from calc import twice

@pytest.mark.parametrize("word", ["a  b", "plain", "\\u00a0", "[31m"], ids=str)
def test_twice(word):
    assert twice(2) == 4
"""
WRONG_CALC = '''\
def add(a, b):
    """Add."""
    if a is None:
        return b
    return a - b


def one():
    return 1
'''
PLAIN_IDS = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support"
BASE = {
    "calc.py": WRONG_CALC,
    # No other test has this lock: its image can be removed.
    "setup.py": "from setuptools import setup\n"
    "setup(name='calc', version='1', py_modules=['calc'], install_requires=['toml==0.9.4'])\n",
    "setup.cfg": f"[tool:pytest]\naddopts = -p no:doctest\ntestpaths = tests\n{PLAIN_IDS} = true\n",
    "tests/test_calc.py": "from calc import one\n\ndef test_one():\n    assert one() == 1\n",
    "tests/conftest.py": "",
}
FIXED_CALC = WRONG_CALC.replace("a - b", "a + b").replace("a is None:", "a is None or b == 'nothing':")
LESS = "\n\ndef less(a, b):\n    if a == b:\n        return 0\n    return a - b\n"
TWICE = "\n\ndef twice(a):\n    return 2 * a\n"
CHANGES: Mapping[str, Mapping[str, bytes]] = {
    HARD: {"calc.py": FIXED_CALC.encode(), "tests/test_calc.py": HARD_TESTS.encode()},
    ABSENT: {
        "calc.py": (FIXED_CALC + LESS).encode(),
        # Judging leaves sections of a patch out that touch test configuration: so does the harness's script.
        "setup.cfg": BASE["setup.cfg"].replace("-p no:doctest", "-k nothing_at_all").encode(),
        "tests/test_less.py": ABSENT_TESTS,
    },
    LOST: {
        "calc.py": (FIXED_CALC + LESS + TWICE).encode(),
        "tests/test_twice.py": LOST_TESTS.encode(),
    },
}


@dataclass(frozen=True, kw_only=True)
class Exports:
    """A mill with validated instances, and the dataset that it exported."""

    mill: Mill
    dataset: Path
    parquet: Path
    done: Exported
    rows: Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory, module_database: str, api) -> Iterator[Exports]:
    root = tmp_path_factory.mktemp("mill")
    settings = Settings.load(
        {
            **os.environ,
            "SWEMILL_HOME": str(root / "home"),
            "SWEMILL_DATABASE_URL": module_database,
            "SWEMILL_ARCHIVE_DIR": str(_archive(root)),
            "SWEMILL_REGISTRY": "",
            "SWEMILL_TEST_TIMEOUT": str(TEST_TIMEOUT),
        }
    )
    mill = Mill.open(settings, docker_client=api)
    try:
        yield _exported(mill, root)
    finally:
        _remove_images(mill, api)
        mill.close()


def _exported(mill: Mill, root: Path) -> Exports:
    harvest.harvest(mill, "archive")
    for instance_id in CHANGES:
        installed = install.install(mill, instance_id, strategies=["adaptive"])
        assert installed.passed, installed
        validated = validate.validate(mill, instance_id)
        assert validated.passed, validated
    dataset, parquet = root / "tasks.jsonl", root / "tasks.parquet"
    done = export_swebench(mill, dataset)
    assert export_swebench(mill, parquet) == done
    rows = {row["instance_id"]: row for row in map(json.loads, dataset.read_text().splitlines())}
    return Exports(mill=mill, dataset=dataset, parquet=parquet, done=done, rows=rows)


def _remove_images(mill: Mill, api) -> None:
    with mill.store.session() as session:
        made = session.execute(select(Environment.image, Environment.environment_image)).all()
    for tag in dict.fromkeys([image for image, _ in made] + [shared for _, shared in made]):
        if tag and api.images(tag):
            api.remove_image(tag, force=True)


def _archive(root: Path) -> Path:
    tree = WorkTree(root / "work")

    def commit(message: str, files: Mapping[str, bytes]) -> str:
        write(tree.root, {name.encode(): data for name, data in files.items()})
        tree.git("add", "-A")
        tree.git("commit", "-q", "-m", message)
        return tree.git("rev-parse", "HEAD")

    pulls = []
    commit("base", {name: text.encode() for name, text in BASE.items()})
    for number, files in enumerate(CHANGES.values(), 1):
        # Every one starts from the configuration with which tests run.
        before = commit("Configuration", {"setup.cfg": f"{BASE['setup.cfg']}# {number}\n".encode()})
        last = commit(f"Fix {number} (#{number})", files)
        pulls.append(record(before, last, number=number, title=f"Fix {number}"))
    folder = root / "archive"
    tree.mirror(folder / "repos" / "o" / "n.git")
    (folder / "pulls").mkdir()
    (folder / "pulls" / "o__n.jsonl").write_bytes(b"\n".join(pulls) + b"\n")
    return folder


def official(
    swebench: Path, exports: Exports, run_id: str, patches: Mapping[str, bytes] | None = None
) -> dict[str, Any]:
    """What the harness reports of these predictions, None: of its gold patches; and each instance's own report."""
    work = exports.dataset.parent / f"run-{run_id}"
    work.mkdir()
    dataset, which = exports.parquet, ["--gold"]
    if patches is not None:
        lines = [
            {"instance_id": name, "model_patch": patch.decode(), "model_name_or_path": "m"}
            for name, patch in patches.items()
        ]
        (work / "predictions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        dataset, which = exports.dataset, ["-p", "predictions.jsonl"]
    host = exports.mill.settings.docker_host
    env = {**os.environ, **({"DOCKER_HOST": host} if host else {}), "HF_HUB_OFFLINE": "1", "HF_HOME": str(work / "hf")}
    command = [swebench, "eval", dataset, *which, "--run-id", run_id, "-j", "2", "--timeout", "300"]
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=900)
    model = "gold" if patches is None else "m"
    summary = work / f"{model}.{run_id}.json"
    assert summary.exists(), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(summary.read_text())
    for report in work.glob(f"logs/run_evaluation/{run_id}/{model}/*/report.json"):
        told[report.parent.name] = json.loads(report.read_text())[report.parent.name]
    return told


def spec_of(exports: Exports, instance_id: str) -> InstanceSpec:
    with exports.mill.store.session() as session:
        return instance_spec(exports.mill, load_instance(session, instance_id).instance, None)


def ours(exports: Exports, engine: SandboxEngine, instance_id: str, patch: bytes, run_id: str) -> Verdict:
    row = exports.rows[instance_id]
    return judge(
        spec_of(exports, instance_id),
        row["image"],
        fail_to_pass=json.loads(row["FAIL_TO_PASS"]),
        pass_to_pass=json.loads(row["PASS_TO_PASS"]),
        candidate_patch=patch,
        engine=engine,
        spec=SandboxSpec(
            name=f"swemill-test-official-{os.getpid()}-{run_id}",
            image="",
            limits=Limits(wall_clock=300),
            effect_key="test-official",
            stage="judge",
            subject=instance_id,
        ),
        config=JudgeConfig(test_timeout=TEST_TIMEOUT),
    )


def agree(verdict: Verdict, row: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """The same verdict; and, where the run is graded, of the same tests."""
    report = told[row["instance_id"]]
    assert report["resolved"] == verdict.resolved, (verdict, report)
    if verdict.report is None:  # nothing is left of the patch without its tests and their configuration: we run nothing
        assert verdict.reason is Reason.EMPTY_PATCH
        return
    # A run that did not reach its end has no result there.
    passing = verdict.report.passing() if verdict.report.finished else frozenset()
    for name in ("FAIL_TO_PASS", "PASS_TO_PASS"):
        tests = set(json.loads(row[name]))
        status = {side: set(found) for side, found in report["tests_status"][name].items()}
        assert status == {"success": tests & passing, "failure": tests - passing}, name


NOTHING = b"""\
diff --git a/NOTES b/NOTES
new file mode 100644
index 0000000..e69de29
--- /dev/null
+++ b/NOTES
@@ -0,0 +1 @@
+nothing
"""


def with_body(body: str) -> bytes:
    """A patch that makes ``one``, which tests before the change and after it need, do something else."""
    lines = ["-    return 1\n", *(f"+    {line}\n" for line in body.splitlines())]
    hunk = f"@@ -{ONE},2 +{ONE},{len(lines)} @@\n def one():\n{''.join(lines)}"
    return f"diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n{hunk}".encode()


ONE = WRONG_CALC.splitlines().index("def one():") + 1
SPEAKS = """\
import atexit, os
atexit.register(os._exit, 0)
print(">>>>> Start Test Output")
for name in ("words[a b]", "one"): print(f"PASSED tests/test_calc.py::test_{name}")
print(">>>>> End Test Output", flush=True)
os._exit(0)"""
CHEATS = (
    with_body("return int(1)")
    + b"""\
diff --git a/tests/test_less.py b/tests/test_less.py
new file mode 100644
--- /dev/null
+++ b/tests/test_less.py
@@ -0,0 +1,3 @@
+def test_less(): pass
+def test_more(): pass
+def test_one(): pass
diff --git a/tests/conftest.py b/tests/conftest.py
--- a/tests/conftest.py
+++ b/tests/conftest.py
@@ -0,0 +1 @@
+collect_ignore = ["test_calc.py"]
diff --git a/conftest.py b/conftest.py
new file mode 100644
--- /dev/null
+++ b/conftest.py
@@ -0,0 +1,2 @@
+import pytest
+def pytest_runtest_call(item): pytest.skip()
"""
)
HOSTILE = {
    "exits": {HARD: with_body(SPEAKS), ABSENT: CHEATS},
    "hangs": {HARD: with_body("import time\ntime.sleep(600)"), ABSENT: with_body("return 2")},
    "skips": {HARD: with_body("import unittest\nraise unittest.SkipTest"), ABSENT: NOTHING},
    "nothing": {HARD: NOTHING, ABSENT: NOTHING},
}


@pytest.fixture(scope="module")
def told(exports: Exports, official_swebench: Path) -> Mapping[str, dict[str, Any]]:
    """What the harness reports, by run. It waits fifteen seconds for each container to stop: so all run at once."""
    with ThreadPoolExecutor(4) as pool:
        runs = {"gold": pool.submit(official, official_swebench, exports, "gold")}
        for run_id, patches in candidates(exports).items():
            runs[run_id] = pool.submit(official, official_swebench, exports, run_id, patches)
        return {run_id: run.result() for run_id, run in runs.items()}


def candidates(exports: Exports) -> Mapping[str, Mapping[str, bytes]]:
    """Patches by run and instance; there are as many runs of wrong ones as the instance with the most of them has."""
    wrong = {name: wrong_patches(spec_of(exports, name).patch, most=3) for name in AGREEING}
    rounds = zip_longest(*([one.patch for one in ones] for ones in wrong.values()), fillvalue=b"")
    made = {f"wrong-{number}": dict(zip(wrong, patches, strict=True)) for number, patches in enumerate(rounds)}
    return {**HOSTILE, **made, "empty": dict.fromkeys(exports.rows, b"")}


def test_gold_patches_resolve(exports: Exports, told: Mapping[str, Any], engine: SandboxEngine) -> None:
    assert set(told["gold"]["resolved_ids"]) == {*AGREEING}
    for instance_id in AGREEING:
        row = exports.rows[instance_id]
        verdict = ours(exports, engine, instance_id, spec_of(exports, instance_id).patch, "gold")
        assert verdict.resolved
        agree(verdict, row, told["gold"])


def test_hard_ids_are_in_the_lists(exports: Exports) -> None:
    row = exports.rows[HARD]
    turned, kept = set(json.loads(row["FAIL_TO_PASS"])), set(json.loads(row["PASS_TO_PASS"]))
    assert {f"tests/test_calc.py::test_words[{word}]" for word in ("a b", "a - b", "x[1] - y", "PASSED")} <= turned
    assert "tests/test_calc.py::TestOld::test_subtests" in turned
    assert "tests/test_calc.py::test_kept[kept - b]" in kept
    assert {"tests/test_calc.py::test_unicode[\u4e2d \u6587]", "tests/test_calc.py::test_words[\u00e9\u4e2d]"} <= turned
    assert not any("skipped" in test for test in turned | kept)
    assert "tests/test_calc.py::test_xfail" in kept
    assert set(json.loads(exports.rows[ABSENT]["FAIL_TO_PASS"])) > {"tests/test_less.py::test_less"}


def test_other_patches_have_our_verdicts(exports: Exports, told: Mapping[str, Any], engine: SandboxEngine) -> None:
    resolved = 0
    for run_id, patches in candidates(exports).items():
        for instance_id, patch in patches.items():
            if not patch:
                assert instance_id in told[run_id]["empty_patch_ids"]
                continue
            verdict = ours(exports, engine, instance_id, patch, run_id)
            agree(verdict, exports.rows[instance_id], told[run_id])
            resolved += verdict.resolved
        assert told[run_id]["error_ids"] == []
    assert set(told["empty"]["empty_patch_ids"]) == set(exports.rows)
    assert told["empty"]["resolved_ids"] == []
    assert 0 < resolved < 6, "both verdicts occur"


def test_ids_that_the_harness_loses_are_told(exports: Exports, told: Mapping[str, Any], engine: SandboxEngine) -> None:
    assert (exports.done.rows, exports.done.limited) == (3, 1)
    row = exports.rows[LOST]
    (limit,) = row["harness_limits"]
    lost = {test for test in json.loads(row["FAIL_TO_PASS"]) if "plain" not in test}
    assert len(lost) == 3
    assert all(test in limit for test in lost)
    assert "plain" not in limit
    assert ours(exports, engine, LOST, spec_of(exports, LOST).patch, "lost").resolved
    assert set(told["gold"][LOST]["tests_status"]["FAIL_TO_PASS"]["failure"]) == lost
    assert all(exports.rows[name]["harness_limits"] == [] for name in AGREEING)


def test_parquet_holds_the_same_rows(exports: Exports) -> None:
    assert read_table(exports.parquet).to_pylist() == list(exports.rows.values())
