"""One conformance suite that every forge passes: the same small project, offered by each in its own way."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swemill.adapters.archive import Archive
from swemill.adapters.github.client import GithubClient
from swemill.adapters.github.credentials import Credential
from swemill.adapters.github.forge import GitHub
from swemill.adapters.github.graphql_api import GraphqlApi
from swemill.adapters.releases import Releases
from swemill.contamination import EvaluationSets
from swemill.errors import SourceError
from swemill.patches import changed_paths, split
from swemill.ports import Forge
from swemill.reasons import Reason
from swemill.stages.harvest import Candidate, HarvestConfig, Rejected, harvest
from swemill.values import Change, Drop, Malformed, PullRequestRecord, RepositoryRecord, Touched
from tests.contract.local_index import serving
from tests.github_standin.model import StandinIssue, StandinPull, StandinRepository, World
from tests.github_standin.server import Standin
from tests.unit.git_work_tree import WorkTree, git, write

DAY = datetime(2024, 1, 1, tzinfo=UTC)
BASE: dict[bytes, bytes | None] = {
    b"demo.py": b"def f():\r\n    return 1\r\n",
    b"tests/test_demo.py": b"assert 1\n",
    b"tox.ini": b"[pytest]\n",
    b"LICENSE": b"Do as you like.\n",
}
GOOD: dict[bytes, bytes | None] = {
    b"demo.py": b"def f():\r\n    return 2\n",
    b"data.bin": bytes(range(256)),
    b"run.sh": b"#!/bin/sh\n",
    b"tests/test_demo.py": b"assert 2\n",
    b"CHANGES.md": b"## 1.1\n\nReturn two.\n",
}
NO_TESTS: dict[bytes, bytes | None] = {b"demo.py": b"3\n", b"CHANGES.md": b"## 1.2\n\nThree.\n"}


def make_archive(tmp_path: Path, *, recorded: bool) -> Forge:
    tree = WorkTree(tmp_path / "work")
    write(tree.root, BASE)
    base = tree.commit("base")
    lines = []
    for number, files in ((1, GOOD), (2, NO_TESTS)):
        write(tree.root, files)
        if number == 1:
            (tree.root / "run.sh").chmod(0o755)
        landed = tree.commit(f"Return {number + 1} (#{number})\n\nFixes #{number + 10}")
        issue = {"number": number + 10, "title": "Wrong", "body": "number", "createdAt": "2024-01-01T00:00:00Z"}
        lines.append(
            {
                "number": number,
                "title": "Fix",
                "body": "",
                "mergedAt": f"2024-01-0{number + 1}T00:00:00Z",
                "baseRefName": "main",
                "baseRefOid": base,
                "headRefOid": None,
                "mergeCommit": {"oid": landed},
                "closingIssuesReferences": {"nodes": [issue]},
            }
        )
    tree.mirror(tmp_path / "archive" / "repos" / "o" / "demo.git")
    (tmp_path / "archive" / "repos" / "o" / "broken.git").mkdir()
    if recorded:
        (tmp_path / "archive" / "pulls").mkdir()
        text = "\n".join(["{"] + [json.dumps(line) for line in reversed(lines)])
        (tmp_path / "archive" / "pulls" / "o__demo.jsonl").write_text(text)
    return Archive(tmp_path / "archive")


class Unlimited:
    """A budget that never ends."""

    def spend(self, resource: str, cost: int) -> None:
        pass

    def settle(self, resource: str, *, remaining: int, limit: int, resets_at: datetime) -> None:
        pass

    def block(self, resource: str, until: datetime, why: str) -> None:
        raise AssertionError(f"blocked: {why}")


@contextmanager
def github(tmp_path: Path) -> Iterator[Forge]:
    """The project on GitHub: squashed from branches that the forge keeps as refs/pull/*/head."""
    tree = WorkTree(tmp_path / "work")
    write(tree.root, BASE)
    base = tree.commit("base")
    world = World()
    demo = StandinRepository(
        node_id="R_demo", database_id=1, name="o/demo", path=tmp_path / "demo.git", created_at=DAY, pushed_at=DAY
    )
    world.repositories[demo.node_id] = demo
    for number, files in ((1, GOOD), (2, NO_TESTS)):
        tree.git("checkout", "-q", "-b", "topic")
        write(tree.root, files)
        if number == 1:
            (tree.root / "run.sh").chmod(0o755)
        head = tree.commit("work")
        tree.git("update-ref", f"refs/pull/{number}/head", head)
        tree.git("checkout", "-q", "main")
        tree.git("merge", "-q", "--squash", "topic")
        landed = tree.commit(f"Return {number + 1} (#{number})")
        tree.git("branch", "-q", "-D", "topic")
        demo.issues[number + 10] = StandinIssue(number=number + 10, title="Wrong", body="number", created_at=DAY)
        at = DAY + timedelta(days=number)
        demo.pulls[number] = StandinPull(
            number=number,
            title="Fix",
            body=f"Fixes #{number + 10}",
            created_at=at,
            updated_at=at,
            merged_at=at,
            base_ref="main",
            base_oid=base,
            head_oid=head,
            merge_commit_oid=landed,
            closes=[(demo.node_id, number + 10)],
        )
    tree.mirror(demo.path)
    with Standin(world) as standin:
        credential = Credential(key="k", way_out="set another token", token="ghp_any")
        with GithubClient(
            [credential], lambda _: Unlimited(), api_url=standin.url, cache=tmp_path / "answers"
        ) as client:
            names = ("o/demo", "o/absent")
            yield GitHub(lambda: GraphqlApi(client), mirrors=tmp_path / "mirrors", names=names, api_url=standin.url)


@pytest.fixture(params=["archive", "mined archive", "releases", "github"])
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Forge]:
    if request.param == "github":
        with github(tmp_path) as found:
            yield found
        return
    if request.param != "releases":
        yield make_archive(tmp_path, recorded=request.param == "archive")
        return
    with serving() as index:
        trees = [BASE, {**BASE, **GOOD}, {**BASE, **GOOD, **NO_TESTS}]
        steps = ""
        for minor, files in enumerate(trees):
            index.release(
                "demo", f"1.{minor}", {name.decode(): data for name, data in files.items() if data is not None}
            )
            if minor:
                steps += f'[[steps]]\npackage = "demo"\nfrom = "1.{minor - 1}"\nto = "1.{minor}"\n'
        (tmp_path / "list.toml").write_text(steps + '[[steps]]\npackage = "demo"\nfrom = "1"\n')
        yield Releases(tmp_path / "list.toml", cache=tmp_path / "cache", index_url=index.url, backoff=0.01)


@pytest.fixture
def repository(forge: Forge) -> RepositoryRecord:
    (found,) = [item for item in forge.repositories() if isinstance(item, RepositoryRecord)]
    return found


@pytest.fixture
def pulls(forge: Forge, repository: RepositoryRecord) -> list[PullRequestRecord]:
    return [item for item in forge.pull_requests(repository) if isinstance(item, PullRequestRecord)]


def test_repositories_name_their_forge_and_what_is_broken(forge: Forge) -> None:
    found = list(forge.repositories())
    assert [item.forge for item in found if isinstance(item, RepositoryRecord)] == [forge.name]
    (bad,) = [item for item in found if isinstance(item, Malformed)]
    assert bad.where
    assert bad.drop.detail


def test_pull_requests_come_oldest_first_with_unique_positive_numbers(pulls: list[PullRequestRecord]) -> None:
    assert len(pulls) == 2
    assert pulls == sorted(pulls, key=lambda pull: pull.merged_at)
    assert 0 < pulls[0].number < pulls[1].number
    assert all(pull.merged_at.tzinfo for pull in pulls)


def test_asking_again_gives_the_same(
    forge: Forge, repository: RepositoryRecord, pulls: list[PullRequestRecord]
) -> None:
    again = [item for item in forge.pull_requests(repository) if isinstance(item, PullRequestRecord)]
    assert again == pulls
    assert forge.change(repository, pulls[0]) == forge.change(repository, pulls[0])
    assert forge.fingerprint() == forge.fingerprint()


def test_the_snapshot_and_both_patches_give_the_head_tree(
    forge: Forge, repository: RepositoryRecord, pulls: list[PullRequestRecord], tmp_path: Path
) -> None:
    change = forge.change(repository, pulls[0])
    assert isinstance(change, Change)
    snapshot = forge.snapshot(repository, change.base_commit)
    assert snapshot == forge.snapshot(repository, change.base_commit)
    with tarfile.open(fileobj=io.BytesIO(snapshot)) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    git(tmp_path, "clone", "-q", str(tmp_path / "out" / "repo.git"), "checkout")
    work = tmp_path / "checkout"
    assert git(work, "rev-list", "--all").decode().split() == [change.base_commit]
    for part in split(change.diff):
        git(work, "apply", "--whitespace=nowarn", "-", stdin=part)
    expected = {name: data for name, data in (BASE | GOOD).items() if data is not None}
    found = {
        str(p.relative_to(work)).encode(): p.read_bytes()
        for p in work.rglob("*")
        if p.is_file() and ".git" not in p.parts
    }
    assert found == expected
    assert (work / "run.sh").stat().st_mode & 0o100


def test_what_is_touched_is_what_changes(
    forge: Forge, repository: RepositoryRecord, pulls: list[PullRequestRecord]
) -> None:
    forge.prepare(repository, pulls)
    for pull in pulls:
        touched = forge.touched(repository, pull)
        forge.fill(repository, pulls)
        change = forge.change(repository, pull)
        assert isinstance(touched, Touched)
        assert isinstance(change, Change)
        assert set(touched.paths) == set(changed_paths(change.diff))
        assert touched.configuration == change.configuration == {"tox.ini": b"[pytest]\n"}
        assert (change.licence_path, change.licence) == ("LICENSE", b"Do as you like.\n")


def test_an_absent_commit_is_a_named_loss_and_has_no_tree_and_no_snapshot(
    forge: Forge, repository: RepositoryRecord, pulls: list[PullRequestRecord]
) -> None:
    absent = "1" * 40
    lost = replace(pulls[0], merge_commit_oid=absent, head_ref_oid=absent, base_ref_oid=absent)
    for found in (forge.touched(repository, lost), forge.change(repository, lost)):
        assert isinstance(found, Drop)
        assert found.reason is Reason.MISSING_COMMIT
        assert absent in found.detail
    with pytest.raises(SourceError):
        forge.snapshot(repository, absent)
    with pytest.raises(SourceError):
        forge.tree(repository, absent, lambda _: True)


def test_a_harvest_keeps_the_good_and_names_the_rest(forge: Forge) -> None:
    results = list(harvest(forge, config=HarvestConfig(), evaluation=EvaluationSets(())))
    (candidate,) = [result for result in results if isinstance(result, Candidate)]
    assert candidate.instance.forge == forge.name
    assert b"demo.py" in candidate.instance.patch
    assert b"test_demo.py" in candidate.instance.test_patch
    assert candidate.instance.problem_statement
    reasons = [result.drop.reason for result in results if isinstance(result, Rejected)]
    assert Reason.NO_TEST_CHANGE in reasons
    assert len(reasons) >= 2
