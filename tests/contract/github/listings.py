"""Pull requests that a test puts into a world, and walks through the listings that a ``ForgeApi`` gives of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from swemill.ports import ForgeApi
from swemill.values import ListedPull, Malformed, PullPage, RepositoryRecord
from tests.github_standin.model import StandinPull, StandinRepository
from tests.github_standin.server import Standin

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def pull(number: int, **fields: Any) -> StandinPull:
    """Merged that many hours after ``BEGIN``, updated five minutes later; ``fields`` say what is different."""
    at = BEGIN + timedelta(hours=number)
    told: dict[str, Any] = {
        "title": f"Change {number}",
        "body": f"Fixes #{number}",
        "created_at": at - timedelta(days=1),
        "updated_at": at + timedelta(minutes=5),
        "merged_at": at,
        "base_ref": "main",
        "base_oid": "a" * 40,
        "head_oid": f"{number:040x}",
        "merge_commit_oid": f"{number + 1000:040x}",
    }
    return StandinPull(number=number, **(told | fields))


def record(github: Standin, name: str = "o/busy") -> RepositoryRecord:
    """A repository as the adapters are given it."""
    found = repository(github, name)
    return RepositoryRecord(forge="github", name=name, location=github.git_url(found.name), forge_id=found.node_id)


def repository(github: Standin, name: str = "o/busy") -> StandinRepository:
    """The same as the world holds it."""
    found = github.world.find(name)
    assert found is not None
    return found


def pages(api: ForgeApi, repository: RepositoryRecord) -> Iterator[PullPage]:
    """A listing to its end, which must come."""
    cursor = None
    for _ in range(100):
        page = api.pull_page(repository, cursor=cursor)
        yield page
        cursor = page.cursor
        if cursor is None:
            return
    raise AssertionError("the listing does not end")


def walk(api: ForgeApi, repository: RepositoryRecord) -> list[ListedPull | Malformed]:
    """What lies on all those pages."""
    return [entry for page in pages(api, repository) for entry in page.pulls]


def numbers(entries: list[ListedPull | Malformed]) -> list[int]:
    """Of the pull requests that are whole."""
    return [entry.record.number for entry in entries if isinstance(entry, ListedPull)]
