"""The jobs one after the other over a real archive: what each leaves behind, and that nothing is done twice."""

import base64
import json
import re
from pathlib import Path

import pytest
from pyarrow.parquet import read_table
from sqlalchemy import select

from swemill.errors import ConfigurationError, SandboxUnavailable, SourceError, UnknownSubject, UserError
from swemill.jobs import evaluate, harvest, install, judge, pending, release, rollout, train, validate
from swemill.jobs.export import DatasetFormat, Exported, export_swebench
from swemill.jobs.rollout import Subject
from swemill.models import Attempt, Environment, Instance, Validation
from swemill.reasons import Stage
from swemill.store import report
from swemill.store.loading import load_instance, load_rollout
from swemill.values import RepositoryRecord, Strategy
from tests.fact_counts import fact_counts
from tests.jobs.local_mill import ID, LocalMill, archive, local_mill, record
from tests.unit.shapes_of_repositories import FAIL_TO_PASS, PASS_TO_PASS

pytestmark = pytest.mark.postgres


@pytest.fixture
def mill(tmp_path: Path, database: str) -> LocalMill:
    archive(tmp_path)
    return local_mill(tmp_path, database, SWEMILL_ARCHIVE_DIR=str(tmp_path / "archive"))


@pytest.fixture
def harvested(mill: LocalMill) -> LocalMill:
    harvest.harvest(mill, "archive")
    return mill


@pytest.fixture
def validated(harvested: LocalMill) -> LocalMill:
    install.install(harvested, ID)
    assert validate.validate(harvested, ID).passed
    return harvested


def facts(mill: LocalMill) -> dict[str, int]:
    with mill.store.session() as session:
        return fact_counts(session)


def commit_of(mill: LocalMill) -> str:
    with mill.store.session() as session:
        return load_instance(session, ID).instance.base_commit


def losses(mill: LocalMill) -> list[tuple[str, str]]:
    with mill.store.session() as session:
        return [(loss.stage, loss.reason) for loss in report.funnel(session)[1]]


def test_a_source_is_harvested_once(mill):
    assert harvest.pending(mill, "archive") == ["source:archive"]
    said = []
    first = harvest.harvest(mill, "archive", say=said.append)
    assert (first.kept, first.rejected, first.new) == (1, 0, 1)
    assert said == [f"{ID}: harvested"]
    assert harvest.pending(mill, "archive") == []
    before = facts(mill)
    second = harvest.harvest(mill, "archive")
    assert (second.kept, second.new) == (1, 0)
    assert facts(mill) == before
    with mill.store.session() as session:
        row = session.scalars(select(Instance)).one()
    assert b"return a + b" in mill.blobs.get(row.patch_blob)
    assert b"test_add" in mill.blobs.get(row.test_patch_blob)
    assert row.problem_statement == "add subtracts\n\nIt does."


def test_bad_lines_are_rejections_with_their_place_and_the_others_go_on(tmp_path, database):
    surrogate = record("a" * 40, "b" * 40, number=3).replace(b"Fix add", b"\\ud800 \\u0000")
    folder = archive(tmp_path, b"{ no json", record("a" * 40, "b" * 40, number=2), surrogate)
    mill = local_mill(tmp_path, database)
    done = harvest.harvest(mill, "archive", archive=folder)
    assert (done.kept, done.rejected, done.new) == (1, 3, 4)
    assert harvest.harvest(mill, "archive", archive=folder).new == 0
    with mill.store.session() as session:
        lines = {line.instance_id: line.reason for line in report.instances(session, stage="harvest")}
    assert lines["pulls/o__n.jsonl:2"] == "malformed_record"
    assert lines["o__n-2"] == "missing_commit"


def test_a_repaired_line_is_new_and_the_good_one_is_not_repeated(mill):
    pulls = mill.settings.archive_dir / "pulls" / "o__n.jsonl"
    whole = pulls.read_bytes()
    pulls.write_bytes(whole[:100] + b"\n")
    assert harvest.harvest(mill, "archive").kept == 0
    pulls.write_bytes(whole)
    assert harvest.pending(mill, "archive") == ["source:archive"]
    assert harvest.harvest(mill, "archive").new == 1
    pulls.write_bytes(whole.replace(b"Fix add", b"Fix addition"))
    assert harvest.harvest(mill, "archive").new == 1, "an edited pull request is a new fact"
    assert install.pending(mill) == [ID]


def test_a_missing_archive_is_said_and_leaves_nothing(tmp_path, database):
    mill = local_mill(tmp_path, database)
    with pytest.raises(SourceError, match="does not exist"):
        harvest.harvest(mill, "archive", archive=tmp_path / "absent")
    assert sum(facts(mill).values()) == 0


def test_an_archive_given_by_option_alone_is_found_again_by_installs(tmp_path, database):
    folder = archive(tmp_path)
    mill = local_mill(tmp_path, database)
    harvest.harvest(mill, "archive", archive=folder)
    assert install.install(mill, ID).passed
    repository = RepositoryRecord(forge="archive", name="o/n", location=str(folder / "repos" / "o" / "n.git"))
    assert mill.forge_of(repository).snapshot(repository, commit_of(mill))
    folder.rename(tmp_path / "moved")
    moved = local_mill(tmp_path, database, SWEMILL_ARCHIVE_DIR=str(tmp_path / "moved"))
    assert moved.forge_of(repository).snapshot(repository, commit_of(mill))


def test_without_a_neighbour_reuse_is_no_attempt(harvested):
    done = install.install(harvested, ID, strategies=["reuse"])
    assert (done.passed, done.reason) == (False, "no_neighbour")
    assert losses(harvested) == []
    assert install.pending(harvested, strategies=["reuse"]) == []


def test_a_strategy_that_does_not_exist_is_refused(harvested):
    with pytest.raises(ConfigurationError, match="no strategy is called guess; there are: unified, dated"):
        install.install(harvested, ID, strategies=["guess"])


def test_the_ladder_stops_at_the_first_rung_that_holds(harvested):
    harvested.builder.fails = True
    harvested.builder.log = "error: Failed to build `x`\n"
    done = install.install(harvested, ID, strategies=[Strategy.UNIFIED])
    assert (done.passed, done.reason) == (False, "build_failed")
    assert install.pending(harvested) == [ID]
    assert install.pending(harvested, strategies=[Strategy.UNIFIED]) == []
    assert losses(harvested) == [("install", "build_failed")]
    harvested.builder.fails = False
    assert install.install(harvested, ID).passed
    assert install.pending(harvested) == []
    assert losses(harvested) == []
    with harvested.store.session() as session:
        row = session.scalars(select(Environment)).one()
        tries = session.scalars(select(Attempt).where(Attempt.stage == "install").order_by(Attempt.id)).all()
    assert row.strategy == "adaptive"
    assert [attempt.config["strategy"] for attempt in tries] == ["unified", "adaptive"]
    assert b"Failed to build" in harvested.blobs.get(tries[0].log_blob)


def test_more_memory_is_another_try(harvested, tmp_path):
    install.install(harvested, ID)
    richer = local_mill(
        tmp_path,
        harvested.settings.database_url,
        SWEMILL_SANDBOX_MEMORY=str(8 << 30),
        SWEMILL_ARCHIVE_DIR=str(harvested.settings.archive_dir),
    )
    assert install.pending(harvested) == []
    assert install.pending(richer) == [ID]


def test_an_engine_that_is_down_leaves_an_incident_and_the_work_pending(harvested):
    install.install(harvested, ID)
    harvested.engine.down = True
    with pytest.raises(SandboxUnavailable, match="does not answer"):
        validate.validate(harvested, ID)
    assert validate.pending(harvested) == [ID]
    assert losses(harvested) == []
    with harvested.store.session() as session:
        assert [item.stage for item in report.incidents(session, ID)] == ["validate"]
    harvested.engine.down = False
    assert validate.validate(harvested, ID).passed
    assert validate.pending(harvested) == []


def test_an_image_that_is_gone_is_built_again(validated):
    validated.builder.images.clear()
    assert rollout.rollout(validated, f"{ID}@idle#1").reason == "empty_patch"
    assert len(validated.builder.images) == 2, "the environment's and the instance's"
    validated.builder.images.clear()
    validated.builder.fails = True
    with pytest.raises(SandboxUnavailable, match="did not build again"):
        rollout.rollout(validated, f"{ID}@oracle#1")
    assert rollout.pending(validated) == [f"{ID}@oracle#1"]


def test_the_whole_pass_and_again(validated):
    assert rollout.pending(validated) == [f"{ID}@oracle#1", f"{ID}@idle#1"]
    for subject in rollout.pending(validated):
        rollout.rollout(validated, subject)
    assert evaluate.pending(validated) == ["idle/all"]
    with pytest.raises(UserError, match="no judged rollout by oracle"):
        evaluate.evaluate(validated, "oracle/all")
    assert judge.pending(validated) == [f"{ID}@oracle#1"]
    assert judge.judge(validated, f"{ID}@oracle#1").passed
    assert release.pending(validated) == ["sft"]
    assert evaluate.pending(validated) == ["oracle/all", "idle/all"]
    for subject in evaluate.pending(validated):
        evaluate.evaluate(validated, subject)
    with validated.store.session() as session:
        stages, lost = report.funnel(session)
        newest = report.newest_results(session)
    assert [item.count for item in stages] == [1, 1, 1, 1, 1, 0]
    assert [(loss.stage, loss.reason) for loss in lost] == [("rollout", "empty_patch")]
    assert [line.split(" =")[0] for line in newest.evaluations] == [
        "idle/all: resolved 0/1",
        "oracle/all: resolved 1/1",
    ]
    before = facts(validated)
    for stage in (Stage.HARVEST, Stage.INSTALL, Stage.VALIDATE, Stage.ROLLOUT, Stage.JUDGE, Stage.EVALUATE):
        assert pending.of(validated, stage, {"source": "archive"}) == [], stage
    assert install.install(validated, ID).repeated
    assert validate.validate(validated, ID).repeated
    assert rollout.rollout(validated, f"{ID}@oracle#1").repeated
    assert judge.judge(validated, f"{ID}@oracle#1").repeated
    assert facts(validated) == before


def test_a_release_is_made_once_and_its_files_come_back(validated):
    with pytest.raises(UserError, match="nothing to release"):
        release.release(validated)
    assert release.pending(validated) == []
    with pytest.raises(UserError, match="swemill release"):
        train.train(validated)
    rollout.rollout(validated, f"{ID}@oracle#1")
    judge.judge(validated, f"{ID}@oracle#1")
    assert release.release(validated).passed
    assert release.pending(validated) == []
    (folder,) = (validated.settings.home / "releases").iterdir()
    (row,) = [json.loads(line) for line in (folder / "dataset.jsonl").read_text().splitlines()]
    assert row["instance_id"] == ID
    assert train.pending(validated) == [folder.name]
    (folder / "dataset.jsonl").unlink()
    assert release.release(validated).repeated
    assert (folder / "dataset.jsonl").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.jsonl", "manifest.json"]


def test_a_model_that_says_what_no_file_can_hold_is_kept_and_not_released(validated):
    validated.knowing.says = "half a surrogate pair: \ud800"
    rollout.rollout(validated, f"{ID}@oracle#1")
    judge.judge(validated, f"{ID}@oracle#1")
    assert release.release(validated).passed
    assert ("release", "malformed_answers") in losses(validated)
    with validated.store.session() as session:
        blob = load_rollout(session, f"{ID}@oracle#1").rollout.trajectory_blob
    trajectory = json.loads(validated.blobs.get(blob))
    assert trajectory["messages"][2]["content"] == validated.knowing.says


def test_a_held_out_repository_is_a_loss_until_it_is_released(validated, tmp_path):
    rollout.rollout(validated, f"{ID}@oracle#1")
    judge.judge(validated, f"{ID}@oracle#1")
    given = {"SWEMILL_ARCHIVE_DIR": str(validated.settings.archive_dir), "SWEMILL_HOLDOUT_PERCENT": "100"}
    strict = local_mill(tmp_path, validated.settings.database_url, **given)
    release.release(strict)
    assert ("release", "held_out") in losses(strict)
    assert train.pending(strict) == [], "there is nothing in this release to train on"
    release.release(validated)
    assert losses(validated) == []


def test_the_export_has_the_fields_of_swebench(validated, tmp_path):
    path = tmp_path / "swebench.jsonl"
    assert export_swebench(validated, path) == Exported(rows=1, limited=0)
    (row,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert set(row) == {
        "repo",
        "instance_id",
        "base_commit",
        "patch",
        "test_patch",
        "problem_statement",
        "hints_text",
        "created_at",
        "version",
        "FAIL_TO_PASS",
        "PASS_TO_PASS",
        "environment_setup_commit",
        "pull_number",
        "issue_numbers",
        "image",
        "eval_script",
        "log_parser",
        "eval_type",
        "license_path",
        "license_text",
        "patch_base64",
        "test_patch_base64",
        "license_text_base64",
        "harness_limits",
    }
    assert (row["repo"], row["instance_id"], row["pull_number"]) == ("o/n", ID, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["created_at"])
    assert all(isinstance(number, str) for number in row["issue_numbers"])
    assert json.loads(row["FAIL_TO_PASS"]) == list(FAIL_TO_PASS)
    assert json.loads(row["PASS_TO_PASS"]) == list(PASS_TO_PASS)
    assert row["patch"].startswith("diff --git a/calc.py b/calc.py")
    assert (row["patch_base64"], row["harness_limits"]) == (None, [])
    assert (row["log_parser"], row["eval_type"]) == ("parse_log_pytest_v2", "pass_and_fail")
    assert list(tmp_path.glob(".*")) == []


def test_both_formats_hold_the_same_rows_however_often_they_are_written(validated, tmp_path):
    files = [tmp_path / "tasks.jsonl", tmp_path / "tasks.parquet"]
    for path in files:
        path.write_bytes(b"of another time")
        export_swebench(validated, path)
    first = [path.read_bytes() for path in files]
    for path in files:
        export_swebench(validated, path)
    assert [path.read_bytes() for path in files] == first
    rows = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert read_table(files[1]).to_pylist() == rows
    assert sorted(path.name for path in tmp_path.glob("*tasks*")) == ["tasks.jsonl", "tasks.parquet"]


def test_what_the_official_harness_cannot_have_is_told(validated, tmp_path):
    latin = "diff --git a/calc.py b/calc.py\n+caf\xe9\n".encode("latin-1")
    with validated.store.session() as session:
        session.scalars(select(Instance)).one().patch_blob = validated.blobs.put(latin)
        session.scalars(select(Environment)).one().plans_blob = None
        session.scalars(select(Validation)).one().pass_to_pass = ["t.py::t[a  b]", "t.py::t[a b]"]
        session.commit()
    assert export_swebench(validated, tmp_path / "out.jsonl") == Exported(rows=1, limited=1)
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert (row["patch"], base64.b64decode(row["patch_base64"])) == ("", latin)
    ids, encoding, image = row["harness_limits"]
    assert "1 of 3 test ids: t.py::t[a  b]" in ids
    assert "patch_base64" in encoding
    assert "without a checkout in /testbed" in image
    export_swebench(validated, tmp_path / "out.parquet")
    assert read_table(tmp_path / "out.parquet").to_pylist() == [row]


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(harvested, tmp_path):
    with pytest.raises(UserError, match="no instance is validated"):
        export_swebench(harvested, tmp_path / "out.jsonl")
    with pytest.raises(UserError, match="does not exist"):
        export_swebench(harvested, tmp_path / "absent" / "out.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        export_swebench(harvested, tmp_path / "folder.jsonl")
    with pytest.raises(UserError, match=r"out.txt must end in .jsonl or .parquet"):
        export_swebench(harvested, tmp_path / "out.txt")
    with pytest.raises(UserError, match=r"out.jsonl must end in .parquet"):
        export_swebench(harvested, tmp_path / "out.jsonl", format_=DatasetFormat.PARQUET)
    install.install(harvested, ID)
    validate.validate(harvested, ID)
    with pytest.raises(UserError, match="cannot be written"):
        export_swebench(harvested, Path("/proc/out.jsonl"))


@pytest.mark.parametrize("text", ["", "x", "a@b", "@b#1", "a@#1", "a@b#", "a@b#one", "a@b#1#2"])
def test_a_malformed_rollout_is_named_with_the_right_form(text):
    with pytest.raises(UnknownSubject, match="INSTANCE@POLICY#NUMBER"):
        Subject.parse(text)
    assert str(Subject.parse("a@b#1")) == "a@b#1"


def test_work_out_of_order_says_what_to_do_first(harvested):
    with pytest.raises(UnknownSubject, match="swemill install o__n-1"):
        validate.validate(harvested, ID)
    install.install(harvested, ID)
    with pytest.raises(UnknownSubject, match="swemill validate o__n-1"):
        rollout.rollout(harvested, f"{ID}@oracle#1")
    with pytest.raises(UnknownSubject, match="o__n-1@oracle#1"):
        judge.judge(harvested, f"{ID}@oracle#1")
    with pytest.raises(UserError, match="no split"):
        evaluate.evaluate(harvested, "oracle/none")
    with pytest.raises(UserError, match="no split"):
        evaluate.pending(harvested, split="none")
    with pytest.raises(ValueError, match="no job"):
        pending.of(harvested, "dance", {})
