"""The archive source: its layout, its pulls files with every kind of damage, and mining without them."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from swemill.adapters.archive import Archive
from swemill.errors import SourceError
from swemill.reasons import Reason
from swemill.values import Change, Drop, Malformed, PullRequestRecord, RepositoryRecord, StatementSource
from tests.unit.git_work_tree import WorkTree


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "number": number,
        "title": "Fix",
        "body": "",
        "mergedAt": f"2024-02-{number:02d}T00:00:00Z",
        "baseRefName": "main",
        "baseRefOid": "a" * 40,
        "headRefOid": "b" * 40,
        "mergeCommit": {"oid": "c" * 40},
        "closingIssuesReferences": {"nodes": []},
        **fields,
    }


@pytest.fixture
def tree(tmp_path: Path) -> WorkTree:
    tree = WorkTree(tmp_path / "work")
    tree.commit("start", a="1\n")
    return tree


def archive(tmp_path: Path, tree: WorkTree, lines: list[Any] | None = None) -> Archive:
    root = tmp_path / "archive"
    tree.mirror(root / "repos" / "o" / "n.git")
    if lines is not None:
        (root / "pulls").mkdir()
        text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        (root / "pulls" / "o__n.jsonl").write_bytes(text + b"\n")
    return Archive(root)


def pulls(forge: Archive) -> list[PullRequestRecord | Malformed]:
    (repository,) = forge.repositories()
    assert isinstance(repository, RepositoryRecord), repository
    return list(forge.pull_requests(repository))


def test_a_missing_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"does not exist; an archive holds bare mirrors at repos/<owner>/<name>\.git"
    ):
        list(Archive(tmp_path / "absent").repositories())
    with pytest.raises(SourceError, match="holds no repository"):
        list(Archive(tmp_path).repositories())


def test_half_copied_mirrors_are_named_and_the_others_go_on(tmp_path: Path, tree: WorkTree) -> None:
    forge = archive(tmp_path, tree)
    repos = tmp_path / "archive" / "repos" / "o"
    (repos / "empty.git").mkdir()
    shutil.copytree(repos / "n.git", repos / "half.git")
    shutil.rmtree(repos / "half.git" / "objects" / "pack")
    for path in (repos / "half.git" / "objects").glob("??"):
        shutil.rmtree(path)
    (tmp_path / "archive" / "pulls").mkdir()
    (tmp_path / "archive" / "pulls" / "o__gone.jsonl").touch()
    results = list(forge.repositories())
    losses = {result.where: result.drop for result in results if isinstance(result, Malformed)}
    assert set(losses) == {"repos/o/empty.git", "repos/o/half.git", "pulls/o__gone.jsonl"}
    assert {drop.reason for drop in losses.values()} == {Reason.MISSING_REPOSITORY}
    assert "HEAD is missing" in losses["repos/o/empty.git"].detail
    assert "copied only in part" in losses["repos/o/half.git"].detail
    assert "no mirror at repos/o/gone.git" in losses["pulls/o__gone.jsonl"].detail
    assert [result.name for result in results if isinstance(result, RepositoryRecord)] == ["o/n"]


def test_a_mirror_that_loses_its_objects_later_loses_its_pull_requests_only(tmp_path: Path, tree: WorkTree) -> None:
    forge = archive(tmp_path, tree)
    (repository,) = forge.repositories()
    assert isinstance(repository, RepositoryRecord)
    shutil.rmtree(tmp_path / "archive" / "repos" / "o" / "n.git" / "objects")
    (loss,) = forge.pull_requests(repository)
    assert isinstance(loss, Malformed)
    assert loss.drop.reason is Reason.MISSING_REPOSITORY


def test_records_come_oldest_first_with_their_issues(tmp_path: Path, tree: WorkTree) -> None:
    issue = {
        "number": 5,
        "title": "B\0ug",
        "body": None,
        "createdAt": "2024-01-01T00:00:00Z",
        "comments": {"nodes": [{"body": "me too", "createdAt": "2024-01-02T00:00:00+02:00"}]},
    }
    lines = [record(9), record(2, closingIssuesReferences={"nodes": [issue]}, extra="ignored"), b"", record(4)]
    nine = pulls(archive(tmp_path, tree, lines))
    assert [pull.number for pull in nine if isinstance(pull, PullRequestRecord)] == [2, 4, 9]
    first = nine[0]
    assert isinstance(first, PullRequestRecord)
    assert first.issues[0].title == "Bug"  # what no database can hold is gone
    assert first.issues[0].comments[0].body == "me too"
    assert first.merge_commit_oid == "c" * 40


def test_bad_lines_are_named_by_file_and_line_and_the_others_go_on(tmp_path: Path, tree: WorkTree) -> None:
    lines = [
        b'{"number": 1, ',
        record(2, mergedAt="yesterday"),
        record(3, mergedAt=None),
        {"number": 4},
        record(5, mergeCommit={"oid": "--upload-pack=evil"}),
        b"\xff\xfe",
        b"[]",
        record(8),
        record(8),
        record(10, mergeCommit=None, closingIssuesReferences=None, body=None),
    ]
    results = pulls(archive(tmp_path, tree, lines))
    losses = {result.where: result.drop for result in results if isinstance(result, Malformed)}
    assert set(losses) == {f"pulls/o__n.jsonl:{line}" for line in (1, 2, 3, 4, 5, 6, 7, 9)}
    assert losses["pulls/o__n.jsonl:3"].reason is Reason.NOT_MERGED
    assert "mergedAt" in losses["pulls/o__n.jsonl:2"].detail
    assert "title" in losses["pulls/o__n.jsonl:4"].detail
    assert "mergeCommit.oid" in losses["pulls/o__n.jsonl:5"].detail
    assert "already given in line 8" in losses["pulls/o__n.jsonl:9"].detail
    assert all(drop.detail.startswith(where) for where, drop in losses.items())
    assert [pull.number for pull in results if isinstance(pull, PullRequestRecord)] == [8, 10]


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ("Fixes #12", StatementSource.PULL_REQUEST),
        ("this resolved: #3.", StatementSource.PULL_REQUEST),
        ("closes o/n#3", StatementSource.PULL_REQUEST),
        ("see #12, prefixes #3", StatementSource.ISSUE),
    ],
)
def test_closing_keywords_stand_in_for_references(
    tmp_path: Path, tree: WorkTree, body: str, source: StatementSource
) -> None:
    (pull,) = pulls(archive(tmp_path, tree, [record(1, body=body)]))
    assert isinstance(pull, PullRequestRecord)
    assert pull.statement_source is source


def test_mining_reads_merges_squashes_and_closing_commits(tmp_path: Path, tree: WorkTree) -> None:
    tree.git("checkout", "-q", "-b", "topic")
    tree.commit("Add the thing\n\nIn detail.", a="2\n", tests__test_a="t\n")
    tree.git("checkout", "-q", "main")
    tree.commit("unrelated", z="1\n")
    tree.git("merge", "-q", "--no-ff", "-m", "Merge pull request #3 from me/topic\n\nThe thing\n\nFixes #1", "topic")
    merge = tree.git("rev-parse", "HEAD")
    squash = tree.commit("Speed it up (#2) (#4)\n\n* faster", a="3\n")
    closing = tree.commit("Stop the leak\n\nFixes #9", a="4\n")
    tree.commit("Again (#4)", a="5\n")
    tree.git("checkout", "-q", "-b", "side", "HEAD~1")
    tree.commit("not on the default branch (#99)")
    tree.git("checkout", "-q", "main")
    forge = archive(tmp_path, tree)
    *found, again = pulls(forge)
    assert all(isinstance(pull, PullRequestRecord) for pull in found)
    shown = [(p.number, p.title, p.body, p.merge_commit_oid) for p in found if isinstance(p, PullRequestRecord)]
    assert shown == [
        (3, "The thing", "Fixes #1\n\nAdd the thing\n\nIn detail.", merge),
        (4, "Speed it up (#2)", "* faster", squash),
        (9, "Stop the leak", "Fixes #9", closing),
    ]
    assert {p.statement_source for p in found if isinstance(p, PullRequestRecord)} == {StatementSource.COMMIT_MESSAGE}
    assert isinstance(again, Malformed)
    assert squash in again.drop.detail
    (repository,) = forge.repositories()
    assert isinstance(repository, RepositoryRecord)
    assert isinstance(found[0], PullRequestRecord)
    change = forge.change(repository, found[0])
    assert isinstance(change, Change)
    assert b"z.py" not in change.diff
    assert b"tests/test_a.py" in change.diff


def test_a_lost_object_of_one_change_is_a_missing_commit(tmp_path: Path, tree: WorkTree) -> None:
    landed = tree.commit("Fix (#1)", a="2\n")
    tree.commit("Later (#2)", a="3\n")
    forge = archive(tmp_path, tree)
    blob = tree.git("rev-parse", f"{landed}:a.py")
    objects = tmp_path / "archive" / "repos" / "o" / "n.git" / "objects"
    (objects / blob[:2] / blob[2:]).unlink()  # a local clone keeps loose objects loose
    (repository,) = forge.repositories()
    assert isinstance(repository, RepositoryRecord)
    first, _ = forge.pull_requests(repository)
    assert isinstance(first, PullRequestRecord)
    change = forge.change(repository, first)
    assert isinstance(change, Drop)
    assert change.reason is Reason.MISSING_COMMIT
    assert blob in change.detail


def test_the_fingerprint_follows_the_files(tmp_path: Path, tree: WorkTree) -> None:
    forge = archive(tmp_path, tree, [record(1)])
    before = forge.fingerprint()
    assert forge.fingerprint() == before
    with (tmp_path / "archive" / "pulls" / "o__n.jsonl").open("a") as file:
        file.write(json.dumps(record(2)) + "\n")
    assert forge.fingerprint() != before


@pytest.mark.parametrize(
    "field, value, cause",
    [
        ("number", 2**70, "number: Input should be less than"),
        ("mergedAt", "9999-12-31T23:59:59-23:59", "mergedAt: .* outside of the years 1 to 9999"),
        ("mergedAt", "0001-01-01T00:00:00+23:59", "mergedAt: .* outside of the years 1 to 9999"),
    ],
)
def test_values_that_no_database_holds_are_named_and_the_others_go_on(
    tmp_path: Path, tree: WorkTree, field: str, value: Any, cause: str
) -> None:
    bad, good = pulls(archive(tmp_path, tree, [{**record(1), field: value}, record(2)]))
    assert isinstance(bad, Malformed)
    assert bad.drop.reason is Reason.MALFORMED_RECORD
    assert re.search(cause, bad.drop.detail)
    assert isinstance(good, PullRequestRecord)
    assert good.number == 2


def test_numbers_too_large_for_any_forge_are_not_mined(tmp_path: Path, tree: WorkTree) -> None:
    tree.commit(f"Fix (#{'9' * 5000})", a="2\n")
    tree.commit("Fix (#7)", a="3\n")
    (only,) = pulls(archive(tmp_path, tree))
    assert isinstance(only, PullRequestRecord)
    assert only.number == 7


def test_file_names_that_are_no_text_are_spelled_in_one_line(tmp_path: Path, tree: WorkTree) -> None:
    forge = archive(tmp_path, tree)
    folder = tmp_path / "archive" / "repos" / "o"
    os.mkdir(os.fsencode(folder) + b"/caf\xe9.git")  # noqa: PTH102 (pathlib takes no bytes)
    (folder / "a\nb.git").mkdir()
    assert len(forge.fingerprint()) == 64
    line_end, not_text, good = forge.repositories()
    assert isinstance(line_end, Malformed)
    assert isinstance(not_text, Malformed)
    assert (line_end.where, not_text.where) == (r"repos/o/a\nb.git", r"repos/o/caf\udce9.git")
    assert "no forge allows" in not_text.drop.detail
    assert isinstance(good, RepositoryRecord)
