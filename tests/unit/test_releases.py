"""The releases source against a real index on loopback: what it makes, and every way in which an index can fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from swemill.adapters.git_mirror import GitMirror
from swemill.adapters.releases import Releases
from swemill.errors import ConfigurationError, ForgeUnavailable, SourceError
from swemill.reasons import Reason
from swemill.values import BaseInference, Change, Malformed, PullRequestRecord, RepositoryRecord, StatementSource
from tests.contract.local_index import LocalIndex, serving

OLD = {"demo.py": b"def f():\n    return 1\n", "PKG-INFO": b"Version: 1.0\n", "tests/test_demo.py": b"old\n"}
NEW = {
    "demo.py": b"def f():\n    return 2\n",
    "PKG-INFO": b"Version: 1.1\n",
    "demo.egg-info/SOURCES.txt": b"x\n",
    "tests/test_demo.py": b"new\n",
    "tests/\n odd.bin": b"\0\xff",
    "CHANGES.rst": b"1.1\n===\n\n- Return two.\n\n1.0\n===\n\n- First.\n",
}
STEP = '[[steps]]\npackage = "{}"\nfrom = "{}"\nto = "{}"\n'


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with serving() as index:
        index.release("demo", "1.0", OLD)
        index.release("demo", "1.1", NEW)
        yield index


def forge(tmp_path: Path, index: LocalIndex, text: str = STEP.format("Demo", "1.0", "1.1")) -> Releases:
    listing = tmp_path / "releases.toml"
    listing.write_text(text)
    return Releases(listing, cache=tmp_path / "cache", index_url=index.url, backoff=0.01)


def pulls(source: Releases) -> list[PullRequestRecord | Malformed]:
    (repository,) = source.repositories()
    assert isinstance(repository, RepositoryRecord), repository
    return list(source.pull_requests(repository))


def test_a_step_becomes_a_pull_request(tmp_path: Path, index: LocalIndex) -> None:
    source = forge(tmp_path, index)
    (repository,) = source.repositories()
    assert repository == RepositoryRecord(forge="releases", name="pypi/demo", location="demo")
    (pull,) = pulls(source)
    assert isinstance(pull, PullRequestRecord)
    assert pull.title == "demo 1.0 -> 1.1"
    assert pull.body == "- Return two."
    assert pull.number == 1001000
    assert pull.version == "1.0"
    assert pull.statement_source is StatementSource.CHANGELOG
    change = source.change(repository, pull)
    assert isinstance(change, Change)
    assert change.base_inference is BaseInference.RELEASE
    assert change.base_committed_at.isoformat() == "2024-03-01T12:00:00+00:00"
    assert b"PKG-INFO" not in change.diff
    assert b"egg-info" not in change.diff
    assert b'"b/tests/\\n odd.bin"' in change.diff
    mirror = GitMirror(tmp_path / "cache" / "releases" / "demo.git")
    assert mirror.read(change.base_commit, "PKG-INFO") == b"Version: 1.0\n"  # version finders read it
    assert mirror.commit(change.head_commit).message == "demo 1.1"


def test_commits_depend_on_the_release_alone(tmp_path: Path, index: LocalIndex) -> None:
    index.release("demo", "1.0.5", OLD)
    texts = {
        "short": STEP.format("demo", "1.0", "1.1"),
        "long": STEP.format("demo", "1.0", "1.0.5") + STEP.format("demo", "1.0.5", "1.1"),
    }
    made = {}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        made[name] = [
            pull for pull in pulls(forge(tmp_path / name, index, text)) if isinstance(pull, PullRequestRecord)
        ]
    (short,), (first, second) = made["short"], made["long"]
    assert first.base_ref_oid == short.base_ref_oid
    assert second.head_ref_oid == short.head_ref_oid
    assert second.number == short.number


def test_a_full_cache_needs_no_network(tmp_path: Path, index: LocalIndex) -> None:
    first = pulls(forge(tmp_path, index))
    asked = len(index.requests)
    assert asked == 3  # one listing, two files
    index.url = "http://127.0.0.1:9/simple"
    assert pulls(forge(tmp_path, index)) == first
    # without the mirror the cached listing and files make the same commits again
    (tmp_path / "cache" / "releases").rename(tmp_path / "gone")
    assert pulls(forge(tmp_path, index)) == first
    assert len(index.requests) == asked


def test_passing_faults_are_tried_again(tmp_path: Path, index: LocalIndex) -> None:
    index.answers = [(503, {}), (429, {"Retry-After": "0"}), (502, {})]
    (pull,) = pulls(forge(tmp_path, index))
    assert isinstance(pull, PullRequestRecord)
    assert index.requests[:4] == ["/simple/demo/"] * 4


def test_an_index_that_stays_down_is_infrastructure(tmp_path: Path, index: LocalIndex) -> None:
    index.answers = [(500, {})] * 4
    with pytest.raises(ForgeUnavailable, match=r"no answer in 4 tries .*answered 500.*PIP_INDEX_URL"):
        pulls(forge(tmp_path, index))
    index.url = "http://user:secret@127.0.0.1:9/simple"
    with pytest.raises(ForgeUnavailable) as caught:
        pulls(forge(tmp_path, index))
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:9/simple" in str(caught.value)
    index.url = "somewhere"
    with pytest.raises(ConfigurationError, match="no https:// address; see PIP_INDEX_URL"):
        pulls(forge(tmp_path, index))


def test_an_index_that_refuses_needs_a_person(tmp_path: Path, index: LocalIndex) -> None:
    index.answers = [(401, {})]
    with pytest.raises(ConfigurationError, match="wants credentials"):
        pulls(forge(tmp_path, index))


def test_other_bytes_than_listed_are_not_believed(tmp_path: Path, index: LocalIndex) -> None:
    index.sha256["demo-1.0.tar.gz"] = "0" * 64
    with pytest.raises(ForgeUnavailable, match="the index lists 0000"):
        pulls(forge(tmp_path, index))


def test_without_an_upload_time_there_is_no_date_to_resolve_at(tmp_path: Path, index: LocalIndex) -> None:
    for index.uploaded in ("", "yesterday"):
        missing = loss(pulls(forge(tmp_path, index)))
        assert "no upload time of demo-1.0.tar.gz" in missing.drop.detail


def test_an_https_index_is_not_followed_to_plain_http(tmp_path: Path, index: LocalIndex) -> None:
    source = forge(tmp_path, index)
    list(pulls(source))
    (tmp_path / "cache" / "releases").rename(tmp_path / "gone")
    for path in (tmp_path / "cache" / "sdists").rglob("*.gz"):
        path.unlink()
    index.url = index.url.replace("http:", "https:")  # the cached listing still names plain files
    with pytest.raises(ConfigurationError, match="offers http://, not https://"):
        pulls(forge(tmp_path, index))


def loss(results: list[PullRequestRecord | Malformed]) -> Malformed:
    (result,) = results
    assert isinstance(result, Malformed)
    return result


def test_what_has_no_source_distribution_is_named(tmp_path: Path, index: LocalIndex) -> None:
    index.files["demo"]["demo-1.2-py3-none-any.whl"] = b""
    missing = loss(pulls(forge(tmp_path, index, STEP.format("demo", "1.1", "1.2"))))
    assert missing.drop.reason is Reason.NO_SDIST
    assert missing.drop.detail == "demo publishes wheels but no source distribution of 1.2"
    assert missing.where == "releases.toml: step 1"
    assert (
        loss(pulls(forge(tmp_path, index, STEP.format("demo", "1.1", "7.0")))).drop.detail == "demo has no release 7.0"
    )
    unknown = loss(pulls(forge(tmp_path, index, STEP.format("nobody", "1.1", "1.2"))))
    assert "does not know the package nobody" in unknown.drop.detail


def test_an_unreadable_source_distribution_is_named(tmp_path: Path, index: LocalIndex) -> None:
    index.files["demo"]["demo-1.2.tar.gz"] = b"no archive"
    bad = loss(pulls(forge(tmp_path, index, STEP.format("demo", "1.1", "1.2"))))
    assert bad.drop.reason is Reason.UNREADABLE_SDIST
    assert bad.drop.detail.startswith("demo-1.2.tar.gz: neither")


def test_without_a_changelog_the_statement_is_empty(tmp_path: Path, index: LocalIndex) -> None:
    index.release("demo", "1.2", OLD)
    (pull,) = pulls(forge(tmp_path, index, STEP.format("demo", "1.1", "1.2")))
    assert isinstance(pull, PullRequestRecord)
    assert pull.body == ""


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        ('[[steps]]\npackage = "x"\n', "from, to missing"),
        (STEP.format("../x", "1.0", "1.1"), "no package name"),
        (STEP.format("x", "1.0", "new"), "no version"),
        (STEP.format("x", "1.0", "1.1rc1"), "no final release"),
        (STEP.format("x", "1.0", "1.0.0.1"), "more parts"),
        (STEP.format("x", "1.1", "1.0"), "not older"),
        (STEP.format("demo", "1.0.1", "1.1"), "already the goal of releases.toml: step 1"),
    ],
)
def test_bad_entries_are_named_and_the_others_go_on(tmp_path: Path, index: LocalIndex, entry: str, cause: str) -> None:
    results = list(forge(tmp_path, index, STEP.format("demo", "1.0", "1.1") + entry).repositories())
    assert isinstance(results[0], RepositoryRecord)
    assert isinstance(results[1], Malformed)
    assert results[1].where == "releases.toml: step 2"
    assert cause in results[1].drop.detail


@pytest.mark.parametrize("text", ["steps = 1", "", "[[steps"])
def test_a_list_that_is_none_is_a_source_error(tmp_path: Path, index: LocalIndex, text: str) -> None:
    with pytest.raises(SourceError, match=r"releases\.toml"):
        list(forge(tmp_path, index, text).repositories())
    with pytest.raises(SourceError, match="cannot be read"):
        Releases(tmp_path / "absent.toml", cache=tmp_path).fingerprint()
