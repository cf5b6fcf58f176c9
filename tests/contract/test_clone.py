"""Blobless clones over real HTTP: what is fetched and when, what is missing, and every way it can go wrong."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swemill.adapters.git_command import BrokenRepository, run_git
from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.github import clone as clone_module
from swemill.adapters.github.clone import Clone, clone_path
from swemill.adapters.github.forge import GitHub, git_host
from swemill.adapters.github.git_fetch import NotOnServer, Remote, RepositoryGone, fetch
from swemill.errors import ConfigurationError, ForgeUnavailable, SourceError
from swemill.reasons import Reason
from swemill.values import BaseInference, Change, Drop, PullRequestRecord, RepositoryRecord, Touched
from tests.unit.git_server import GitServer, git_server
from tests.unit.git_work_tree import WorkTree, git

ABSENT = "1" * 40


class Upstream:
    """A repository on a server: squashed pull request 1, merged pull request 2, whose branches are gone."""

    def __init__(self, root: Path) -> None:
        self.tree = WorkTree(root / "work")
        self.start = self.tree.commit("start", a="1\n", b="1\n", c__deep="1\n")
        (self.tree.root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        (self.tree.root / "LICENSE").write_text("Do as you like.\n")
        self.base = self.tree.commit("settings")
        self.tree.git("tag", "v1.2.0")
        self.tree.git("checkout", "-q", "-b", "one")
        self.one = self.tree.commit("one", a="2\n", tests__test_a="t\n")
        self.tree.git("checkout", "-q", "-b", "two", "main")
        self.two = self.tree.commit("two", b="2\n")
        self.tree.git("checkout", "-q", "main")
        self.tree.git("merge", "-q", "--squash", "one")
        self.squash = self.tree.commit("One (#1)")
        self.tree.git("merge", "-q", "--no-ff", "-m", "Merge pull request #2 from x/two", "two")
        self.merge = self.tree.git("rev-parse", "HEAD")
        self.tree.git("branch", "-q", "-D", "one", "two")
        self.path = root / "server" / "o" / "n.git"
        self.tree.git("update-ref", "refs/pull/1/head", self.one)
        self.tree.git("update-ref", "refs/pull/2/head", self.two)
        self.tree.mirror(self.path)

    def pull(self, number: int, head: str, landed: str) -> PullRequestRecord:
        return PullRequestRecord(
            number=number,
            title="",
            body="",
            merged_at=datetime(2024, 1, 2, tzinfo=UTC),
            base_ref_name="main",
            base_ref_oid=self.base,
            head_ref_oid=head,
            merge_commit_oid=landed,
        )

    @property
    def pulls(self) -> list[PullRequestRecord]:
        return [self.pull(1, self.one, self.squash), self.pull(2, self.two, self.merge)]

    def push(self) -> None:
        git(self.path, "fetch", "-q", "--prune", str(self.tree.root), "+refs/*:refs/*")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for the internet must not catch calls to this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(upstream: Upstream, tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def clone(server: GitServer, tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clones" / "n.git", Remote(url=f"{server.url}/o/n.git"))


def repository(server: GitServer) -> RepositoryRecord:
    return RepositoryRecord(forge="github", name="o/n", location=f"{server.url}/o/n.git", forge_id="R_1")


def forge(tmp_path: Path) -> GitHub:
    def no_api() -> None:
        raise AssertionError("the free side asked the metered one")

    return GitHub(no_api, mirrors=tmp_path / "mirrors")  # type: ignore[arg-type]


# --- the clone -------------------------------------------------------------------------------------------------------


def test_a_fresh_clone_has_all_commits_and_trees_and_no_contents(clone: Clone, upstream: Upstream) -> None:
    assert not clone.is_made()
    clone.refresh()
    assert clone.files(upstream.merge)
    assert clone.missing([upstream.start, upstream.merge]) == []
    contents = [file.oid for file in clone.tree(upstream.merge)]
    assert clone.missing(contents) == list(dict.fromkeys(contents))
    assert clone.resolve("refs/tags/v1.2.0") == upstream.base
    assert [entry.path for entry in clone.entries(upstream.base, upstream.squash)] == ["a.py", "tests/test_a.py"]


def test_heads_and_contents_come_in_bulk_and_only_once(clone: Clone, upstream: Upstream, server: GitServer) -> None:
    clone.refresh()
    server.seen.clear()
    assert clone.bring_heads([1, 2]) == set()
    assert clone.missing([upstream.one, upstream.two]) == []
    oids = [file.oid for file in clone.tree(upstream.merge)]
    assert clone.fill(oids) == set()
    assert clone.blobs(oids, limit=1 << 20).keys() == set(oids)
    asked = len(server.seen)
    assert asked <= 8
    assert clone.fill(oids) == set()
    assert len(server.seen) == asked


def test_nothing_is_fetched_by_reading(clone: Clone, upstream: Upstream, server: GitServer) -> None:
    clone.refresh()
    server.seen.clear()
    with pytest.raises(BrokenRepository):
        clone.diff(upstream.base, upstream.squash)
    with pytest.raises(BrokenRepository):
        clone.read(upstream.merge, "a.py")
    assert not clone.exists(ABSENT)
    assert server.seen == []


def test_what_the_server_lacks_is_named_and_the_rest_comes(clone: Clone, upstream: Upstream) -> None:
    clone.refresh()
    assert clone.bring_heads([7, 1, 8, 2]) == {7, 8}
    assert clone.missing([upstream.one, upstream.two]) == []
    oids = [file.oid for file in clone.tree(upstream.merge)]
    assert clone.fill([ABSENT, *oids]) == {ABSENT}
    assert clone.missing(oids) == []


def test_many_absent_heads_are_looked_up_at_once(clone: Clone, upstream: Upstream, server: GitServer) -> None:
    clone.refresh()
    server.seen.clear()
    assert clone.bring_heads(range(1, 60)) == set(range(3, 60))
    assert clone.missing([upstream.one, upstream.two]) == []
    assert len(server.seen) < 20


def test_a_commit_without_a_reference_comes_by_its_id(clone: Clone, upstream: Upstream) -> None:
    git(upstream.path, "update-ref", "-d", "refs/pull/1/head")
    clone.refresh()
    assert clone.bring_heads([1]) == {1}
    assert clone.bring_commits([upstream.one, ABSENT]) == {ABSENT}
    assert clone.exists(upstream.one)


def test_a_refresh_follows_moved_and_deleted_branches_and_keeps_commits(clone: Clone, upstream: Upstream) -> None:
    upstream.tree.git("branch", "topic", upstream.one)
    upstream.push()
    clone.refresh()
    upstream.tree.git("branch", "-D", "topic")
    upstream.tree.git("branch", "topic/deeper", upstream.two)
    upstream.tree.git("reset", "-q", "--hard", upstream.base)
    other = upstream.tree.commit("history rewritten", a="9\n")
    upstream.push()
    clone.refresh()
    assert clone.resolve("refs/heads/topic/deeper") == upstream.two
    assert clone.resolve("refs/heads/main") == other
    assert clone.missing([upstream.one, upstream.merge]) == []


def test_many_packs_become_one(clone: Clone, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone_module, "MOST_PACKS", 3)
    clone.refresh()
    clone.bring_heads([1])
    oids = [file.oid for file in clone.tree(upstream.merge)]
    for oid in dict.fromkeys(oids):
        clone.fill([oid])
    packs = list((clone.path / "objects" / "pack").glob("*.pack"))
    assert 1 <= len(packs) <= 4
    assert all(pack.with_suffix(".promisor").exists() for pack in packs)
    assert clone.missing([*oids, upstream.one, upstream.merge]) == []
    later = upstream.tree.commit("later", a="5\n")
    upstream.push()
    clone.refresh()
    assert clone.exists(later)


def test_a_snapshot_gets_all_contents_first(clone: Clone, upstream: Upstream) -> None:
    clone.refresh()
    whole = GitMirror(upstream.path)
    assert clone.snapshot(upstream.base) == whole.snapshot(upstream.base)
    assert clone.snapshot(upstream.base) == whole.snapshot(upstream.base)


def test_the_mirrors_own_configuration_is_not_obeyed(clone: Clone, server: GitServer, tmp_path: Path) -> None:
    clone.refresh()
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for name, value in {
        "remote.origin.url": f"ext::{trap}",
        f"url.ext::{trap}.insteadOf": server.url,
        "core.sshCommand": str(trap),
        "credential.helper": f"!{trap}",
        "http.proxy": "http://127.0.0.1:9",
    }.items():
        git(clone.path, "config", name, value)
    clone.refresh()
    clone.bring_heads([1])
    assert not (tmp_path / "sprung").exists()


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["file:///srv/x.git", "ssh://h/x", "ext::sh", "https://u:p@h/x", "/srv/x", "-x"])
def test_only_plain_web_addresses_are_fetched(url: str) -> None:
    with pytest.raises(SourceError, match="nothing is fetched"):
        Remote(url=url)


def test_no_other_transport_works_even_after_a_redirect(tmp_path: Path, server: GitServer) -> None:
    server.redirects["moved"] = "ftp://127.0.0.1:9/o"
    clone = Clone(tmp_path / "x.git", Remote(url=f"{server.url}/moved/n.git"))
    with pytest.raises(ForgeUnavailable):
        clone.refresh()


def test_a_renamed_repository_is_followed(tmp_path: Path, server: GitServer, upstream: Upstream) -> None:
    server.redirects["old"] = f"{server.url}/o"
    clone = Clone(tmp_path / "x.git", Remote(url=f"{server.url}/old/n.git"))
    clone.refresh()
    assert clone.exists(upstream.merge)


@pytest.mark.parametrize("status", [404, 410, 451, 401])
def test_a_repository_that_is_gone_is_called_so(clone: Clone, server: GitServer, status: int) -> None:
    server.fault = status
    with pytest.raises(RepositoryGone):
        clone.refresh()


@pytest.mark.parametrize("status", [500, 429, 403])
def test_passing_trouble_is_infrastructure(clone: Clone, server: GitServer, upstream: Upstream, status: int) -> None:
    server.fault = status
    with pytest.raises(ForgeUnavailable, match=str(status)):
        clone.refresh()
    server.fault = 0
    clone.refresh()
    assert clone.exists(upstream.merge)


def test_a_refused_connection_and_a_broken_answer_are_infrastructure(
    clone: Clone, server: GitServer, upstream: Upstream, tmp_path: Path
) -> None:
    with pytest.raises(ForgeUnavailable):
        Clone(tmp_path / "y.git", Remote(url="http://127.0.0.1:9/o/n.git")).refresh()
    server.truncate = 300
    with pytest.raises(ForgeUnavailable):
        clone.refresh()
    server.truncate = 0
    clone.refresh()
    assert clone.exists(upstream.merge)


def test_the_proxy_of_the_environment_is_used(
    clone: Clone, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(ForgeUnavailable):
        clone.refresh()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    clone.refresh()
    assert clone.exists(upstream.merge)


def test_a_fetch_has_a_time_limit(server: GitServer, tmp_path: Path) -> None:
    with pytest.raises(ForgeUnavailable, match="more than 0 seconds"):
        Clone(tmp_path / "y.git", Remote(url=f"{server.url}/o/n.git", timeout=0)).refresh()


def test_a_token_goes_in_a_header_and_nowhere_else(server: GitServer, tmp_path: Path, upstream: Upstream) -> None:
    secret = "ghs_SECRET"
    server.needs = "Basic " + base64.b64encode(f"x-access-token:{secret}".encode()).decode()
    remote = Remote(url=f"{server.url}/o/n.git", token=lambda: secret)
    clone = Clone(tmp_path / "private.git", remote)
    clone.refresh()
    assert clone.exists(upstream.merge)
    assert secret not in repr(remote)
    everything = b"".join(path.read_bytes() for path in clone.path.rglob("*") if path.is_file())
    assert secret.encode() not in everything
    assert server.needs.split()[1].encode() not in everything


def test_a_refused_token_is_a_matter_of_configuration_and_is_not_shown(server: GitServer, tmp_path: Path) -> None:
    server.needs = "Basic other"
    clone = Clone(tmp_path / "private.git", Remote(url=f"{server.url}/o/n.git", token=lambda: "ghs_SECRET"))
    with pytest.raises(ConfigurationError, match="GITHUB_TOKEN") as raised:
        clone.refresh()
    assert "SECRET" not in str(raised.value)


def test_a_token_is_for_the_forges_own_host_only(server: GitServer, tmp_path: Path, upstream: Upstream) -> None:
    assert git_host("https://api.github.com") == "github.com"
    assert git_host("https://ghe.example/api/v3") == "ghe.example"
    for api_url, expected in ((f"{server.url}/api/v3", True), ("https://api.github.com", False)):
        server.seen.clear()
        mirrors = tmp_path / api_url.partition("//")[2].replace("/", "-")
        source = GitHub(lambda: None, mirrors=mirrors, api_url=api_url, token=lambda: "t")  # type: ignore[arg-type,return-value]
        assert isinstance(source.touched(repository(server), upstream.pulls[0]), Touched)
        assert any(header for _, header in server.seen) is expected


def test_what_is_not_on_the_server_is_told_by_its_name(clone: Clone) -> None:
    clone.refresh()
    remote = clone._remote
    for name in (ABSENT, "refs/pull/99/head"):
        with pytest.raises(NotOnServer) as raised:
            fetch(clone.path, remote, wanted=[name])
        assert raised.value.name == name


def test_what_a_killed_git_leaves_behind_blocks_nobody(clone: Clone, upstream: Upstream) -> None:
    clone.refresh()
    upstream.tree.git("branch", "topic", upstream.one)
    upstream.push()
    for name in ("packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock", "refs/heads/topic.lock"):
        (clone.path / name).write_text("")
    left = clone.path / "objects" / "pack" / "tmp_pack_x1"
    left.write_bytes(b"x" * 1000)
    clone.refresh()
    assert clone.resolve("refs/heads/topic") == upstream.one
    assert not left.exists()


def test_several_workers_may_want_the_same_clone(server: GitServer, upstream: Upstream, tmp_path: Path) -> None:
    def work(_: int) -> list[str]:
        clone = Clone(tmp_path / "clones" / "n.git", Remote(url=f"{server.url}/o/n.git"))
        clone.refresh()
        clone.bring_heads([1, 2])
        oids = [file.oid for file in clone.tree(upstream.merge)]
        assert clone.fill(oids) == set()
        return clone.missing([*oids, upstream.one, upstream.two])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[]] * 4


def test_a_killed_worker_leaves_a_clone_that_goes_on(server: GitServer, upstream: Upstream, tmp_path: Path) -> None:
    for number in range(30):  # enough to be in the middle of something
        upstream.tree.commit(f"more {number}", **{f"big{number}": os.urandom(2000).hex()})
    upstream.push()
    path = tmp_path / "clones" / "n.git"
    script = (
        "from pathlib import Path\n"
        "from swemill.adapters.github.clone import Clone\n"
        "from swemill.adapters.github.git_fetch import Remote\n"
        f"clone = Clone(Path({str(path)!r}), Remote(url={server.url + '/o/n.git'!r}))\n"
        "clone.refresh()\n"
        "clone.fill(file.oid for file in clone.tree(clone.resolve('refs/heads/main')))\n"
    )
    for pause in (0.15, 0.25, 0.4):
        worker = subprocess.Popen([sys.executable, "-c", script])
        time.sleep(pause)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    clone = Clone(path, Remote(url=f"{server.url}/o/n.git"))
    clone.refresh()
    newest = clone.resolve("refs/heads/main")
    assert newest is not None
    assert clone.fill(file.oid for file in clone.tree(newest)) == set()
    run_git(path, "rev-list", "--objects", f"{newest}^{{tree}}")
    assert not list(path.glob("objects/pack/tmp_*"))


# --- the forge over it ------------------------------------------------------------------------------------------------


def test_a_batch_takes_few_fetches_and_no_api(tmp_path: Path, server: GitServer, upstream: Upstream) -> None:
    source = forge(tmp_path)
    source.prepare(repository(server), upstream.pulls)
    prepared = len(server.seen)
    touched = [source.touched(repository(server), pull) for pull in upstream.pulls]
    assert len(server.seen) == prepared
    assert [item.paths for item in touched if isinstance(item, Touched)] == [("a.py", "tests/test_a.py"), ("b.py",)]
    assert isinstance(touched[0], Touched)
    assert dict(touched[0].configuration) == {"pyproject.toml": b"[tool.pytest.ini_options]\n"}
    source.fill(repository(server), upstream.pulls)
    filled = len(server.seen)
    one, two = (source.change(repository(server), pull) for pull in upstream.pulls)
    assert len(server.seen) == filled <= 12
    assert isinstance(one, Change)
    assert isinstance(two, Change)
    assert (one.base_commit, one.head_commit, one.base_inference) == (upstream.base, upstream.one, BaseInference.SQUASH)
    assert (two.base_commit, two.head_commit, two.base_inference) == (upstream.base, upstream.two, BaseInference.MERGE)
    assert (one.version, one.licence_path, one.licence) == ("1.2", "LICENSE", b"Do as you like.\n")
    assert one.diff == GitMirror(upstream.path).diff(upstream.base, upstream.one)


def test_a_second_batch_fetches_only_what_is_new(tmp_path: Path, server: GitServer, upstream: Upstream) -> None:
    forge(tmp_path).prepare(repository(server), upstream.pulls)
    server.seen.clear()
    forge(tmp_path).prepare(repository(server), upstream.pulls)
    assert server.seen == []


def test_without_preparation_a_change_brings_what_it_needs(
    tmp_path: Path, server: GitServer, upstream: Upstream
) -> None:
    change = forge(tmp_path).change(repository(server), upstream.pulls[0])
    assert isinstance(change, Change)
    assert b"tests/test_a.py" in change.diff


def test_a_repository_that_is_gone_loses_its_pull_requests(
    tmp_path: Path, server: GitServer, upstream: Upstream
) -> None:
    server.fault = 404
    source = forge(tmp_path)
    source.prepare(repository(server), upstream.pulls)
    source.fill(repository(server), upstream.pulls)
    for found in (
        source.touched(repository(server), upstream.pulls[0]),
        source.change(repository(server), upstream.pulls[0]),
    ):
        assert isinstance(found, Drop)
        assert found.reason is Reason.MISSING_REPOSITORY
        assert server.url in found.detail
    with pytest.raises(RepositoryGone):
        source.snapshot(repository(server), upstream.base)


def test_a_repository_that_goes_after_its_commits_were_fetched(
    tmp_path: Path, server: GitServer, upstream: Upstream
) -> None:
    source = forge(tmp_path)
    source.prepare(repository(server), upstream.pulls)
    server.fault = 404
    assert isinstance(source.touched(repository(server), upstream.pulls[0]), Touched)
    change = source.change(repository(server), upstream.pulls[0])
    assert isinstance(change, Drop)
    assert change.reason is Reason.MISSING_COMMIT


def test_a_repository_that_goes_between_commits_and_configuration(
    tmp_path: Path, server: GitServer, upstream: Upstream
) -> None:
    made = Clone(clone_path(tmp_path / "mirrors", repository(server)), Remote(url=repository(server).location))
    made.refresh()
    made.bring_heads([1, 2])
    server.fault = 404
    found = forge(tmp_path).touched(repository(server), upstream.pulls[0])
    assert isinstance(found, Drop)
    assert found.reason is Reason.MISSING_REPOSITORY


def test_a_broken_fetch_leaves_nothing_that_looks_prepared(
    tmp_path: Path, server: GitServer, upstream: Upstream
) -> None:
    made = Clone(clone_path(tmp_path / "mirrors", repository(server)), Remote(url=repository(server).location))
    made.refresh()
    made.bring_heads([1, 2])
    source, pull = forge(tmp_path), upstream.pulls[0]
    for ask in (source.touched, source.change):
        server.fault = 500
        for _ in range(2):
            with pytest.raises(ForgeUnavailable):
                ask(repository(server), pull)
        server.fault = 0
        assert not isinstance(ask(repository(server), pull), Drop)


def test_an_absent_commit_loses_one_pull_request_only(tmp_path: Path, server: GitServer, upstream: Upstream) -> None:
    source = forge(tmp_path)
    lost = upstream.pull(3, upstream.one, ABSENT)
    source.prepare(repository(server), [lost, *upstream.pulls])
    found = source.touched(repository(server), lost)
    assert isinstance(found, Drop)
    assert found.reason is Reason.MISSING_COMMIT
    assert ABSENT in found.detail
    assert isinstance(source.touched(repository(server), upstream.pulls[0]), Touched)


def test_a_head_that_is_gone_leaves_what_landed(tmp_path: Path, server: GitServer, upstream: Upstream) -> None:
    change = forge(tmp_path).change(repository(server), upstream.pull(1, ABSENT, upstream.squash))
    assert isinstance(change, Change)
    assert (change.base_commit, change.head_commit) == (upstream.base, upstream.squash)


def test_clones_lie_apart_whatever_their_names(tmp_path: Path) -> None:
    records = [
        RepositoryRecord(forge="github", name=name, location="", forge_id=forge_id)
        for name, forge_id in (("a/b", "1"), ("a/b", "2"), ("a-b/c", "3"), ("a/b-c", "4"), ("../../x", "5"))
    ]
    paths = {clone_path(tmp_path, record) for record in records}
    assert len(paths) == len(records)
    assert all(path.parent == tmp_path / "github" for path in paths)
