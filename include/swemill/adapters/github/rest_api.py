"""The port ``ForgeApi`` by GitHub's REST API: for newcomers without a token, who have 60 requests an hour.

It knows less than ``GraphqlApi``: no closing references (the closing keywords of the text decide later) and no trees
beside a repository. It finds repositories by name, so what it is given by id it must have met before.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from swemill.adapters.github import rest_payloads
from swemill.adapters.github.answers import Answer, NotThere
from swemill.adapters.github.client import GithubClient
from swemill.adapters.github.payloads import FORGE, NAME, malformed, read
from swemill.adapters.github.queries import PAGE
from swemill.adapters.github.rest_payloads import Pull
from swemill.adapters.github.search_terms import search_terms
from swemill.errors import ForgeUnavailable, UnknownSubject
from swemill.reasons import Reason
from swemill.values import (
    Comment,
    Issue,
    ListedPull,
    Malformed,
    Probe,
    PullPage,
    RepositoryPage,
    RepositoryQuery,
    RepositoryRecord,
    RepositorySighting,
)


class RestApi:
    """GitHub by REST. Methods about one repository raise UnknownSubject when it is gone.

    One credential's answers are kept by the client, so asking again for what did not change is cheap with a token.
    """

    name = FORGE
    newest_at_once = 1

    def __init__(self, client: GithubClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        """Present names of the repositories met so far, by their node id."""
        self._probed: dict[str, Probe | None] = {}
        """Answers to a probe that was not finished: with 60 requests an hour, one of many repositories takes hours."""

    def search(self, query: RepositoryQuery, *, cursor: str | None = None) -> RepositoryPage:
        """See ``ForgeApi.search``. The cursor is the number of the page; no repository comes with paths."""
        params: dict[str, str | int] = {"q": search_terms(query), "per_page": PAGE, "page": _page_number(cursor)}
        answer = self._client.get("/search/repositories", params=params, resource="search")
        page = read(rest_payloads.SearchPage, answer.data, "a search")
        return RepositoryPage(
            total=page.total_count,
            sightings=tuple(self._meet(item) for item in page.items),
            cursor=_next_number(cursor, answer),
        )

    def repositories(self, names: Sequence[str]) -> Mapping[str, RepositorySighting]:
        """See ``ForgeApi.repositories``: one request each. Renames are followed; what cannot be a name is absent.

        Whether a repository is empty is not said: its default branch is named all the same.
        """
        found = {}
        for name in dict.fromkeys(names):
            if NAME.fullmatch(name):
                try:
                    found[name] = self._meet(self._client.get(f"/repos/{name}").data)
                except NotThere:
                    continue  # absent, as the port has it
        return found

    def deeper_paths(self, forge_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """See ``ForgeApi.deeper_paths``: one request each, for the whole tree.

        Raises UnknownSubject for a repository that neither ``search`` nor ``repositories`` gave before.
        """
        found = {}
        for forge_id in forge_ids:
            if forge_id not in self._names:
                raise UnknownSubject(
                    f"without a token GitHub finds repositories by name only, and {forge_id} was not met yet: "
                    "look it up by its name first, or set GITHUB_TOKEN"
                )
            try:
                answer = self._client.get(f"/repos/{self._names[forge_id]}/git/trees/HEAD", params={"recursive": "1"})
            except NotThere:
                continue  # absent, as the port has it
            found[forge_id] = rest_payloads.top_paths(answer.data)
        return found

    def probe(self, repositories: Sequence[RepositoryRecord]) -> Mapping[str, Probe]:
        """See ``ForgeApi.probe``: one request each, the first page of ``pull_page``, which is kept for that.

        Where that page holds no merged pull request but is not the last, its oldest change is given: later than the
        truth, so one page is read in vain. Renames show in pull requests; a repository without any keeps its name. A
        probe that is interrupted goes on where it was when the same object is asked again.
        """
        for repository in repositories:
            if repository.forge_id not in self._probed:
                self._probed[repository.forge_id] = self._probe(repository)
        asked = {repository.forge_id: self._probed.get(repository.forge_id) for repository in repositories}
        self._probed = {}
        return {forge_id: found for forge_id, found in asked.items() if found}

    def pull_page(self, repository: RepositoryRecord, *, cursor: str | None = None) -> PullPage:
        """See ``ForgeApi.pull_page``. The cursor is the number of the page; ``issues`` of every record are empty.

        Closed pull requests that were not merged take part in the paging and are left out. What is updated while the
        pages are read moves to the front and the others move back by one: no page misses one for that, but some show
        one twice. One that leaves (deleted, reopened) moves them forward, and the next walk meets what was skipped.
        """
        try:
            answer, entries = self._pulls(repository, cursor)
        except NotThere as cause:
            raise _gone(repository, cause) from cause
        if any(isinstance(entry, Pull) and self._is_other(repository, entry) for entry in entries):
            raise _moved(repository)
        times = [entry.updated_at for entry in entries if isinstance(entry, Pull)]
        listed = [entry.listed() if isinstance(entry, Pull) else entry for entry in entries]
        return PullPage(
            pulls=tuple(entry for entry in listed if entry is not None),
            cursor=_next_number(cursor, answer),
            oldest_update=times[-1] if times else None,
            asked_at=answer.date,
            points=1,
        )

    def newest_pulls(self, repositories: Sequence[RepositoryRecord]) -> Mapping[str, PullPage]:
        """See ``ForgeApi.newest_pulls``: ``pull_page`` of each in turn. Raises RateLimited at once."""
        found = {}
        for repository in repositories:
            try:
                found[repository.forge_id] = self.pull_page(repository)
            except UnknownSubject:
                continue  # absent, as the port has it
        return found

    def pull_request(self, repository: RepositoryRecord, number: int) -> ListedPull | Malformed:
        """See ``ForgeApi.pull_request``. Its issues are empty. A repository that is gone has no pull request either.

        Raises UnknownSubject when another repository has its name now.
        """
        where = f"pull request {number}"
        try:
            data = self._client.get(f"/repos/{self._name(repository)}/pulls/{number}").data
        except NotThere as cause:
            return malformed(repository, where, f"there is no such pull request: {cause}")
        entry = rest_payloads.pull(data, repository)
        if isinstance(entry, Malformed):
            return entry
        if self._is_other(repository, entry):
            raise _moved(repository)
        return entry.listed() or malformed(repository, where, f"{where} was never merged", Reason.NOT_MERGED)

    def issues(self, repository: RepositoryRecord, numbers: Sequence[int]) -> Mapping[int, Issue]:
        """See ``ForgeApi.issues``: one request each."""
        found = {}
        for number in dict.fromkeys(numbers):
            if number < 1:
                continue
            try:
                answer = self._client.get(f"/repos/{self._name(repository)}/issues/{number}")
            except NotThere:
                continue  # absent, as the port has it
            if (issue := rest_payloads.issue(answer.data)) is not None:
                found[number] = issue
        return found

    def comments(self, repository: RepositoryRecord, issues: Sequence[Issue]) -> Mapping[Issue, tuple[Comment, ...]]:
        """See ``ForgeApi.comments``: a request for each hundred of each issue. An issue that is gone has none."""
        return {issue: tuple(self._comments(repository, issue)) for issue in dict.fromkeys(issues)}

    def _comments(self, repository: RepositoryRecord, issue: Issue) -> Iterator[Comment]:
        path = f"/repos/{issue.repository or self._name(repository)}/issues/{issue.number}/comments"
        page: int | None = 1
        while page is not None:
            try:
                answer = self._client.get(path, params={"per_page": PAGE, "page": page})
            except NotThere:
                return
            found = _listed(answer)
            yield from map(rest_payloads.comment, found)
            page = page + 1 if found and rest_payloads.has_next(answer.headers) else None

    def _probe(self, repository: RepositoryRecord) -> Probe | None:
        try:
            answer, entries = self._pulls(repository, None)
        except NotThere:
            return None
        pulls = [entry for entry in entries if isinstance(entry, Pull)]
        if not pulls:
            newest = answer.date if entries else None  # what cannot be read is new: its listing names it
            return Probe(name=self._name(repository), location=repository.location, newest_update=newest)
        if self._is_other(repository, pulls[0]):
            return None
        home = pulls[0].home
        self._names[home.node_id] = home.full_name
        newest = next((one.updated_at for one in pulls if one.merged_at), None)
        if newest is None and rest_payloads.has_next(answer.headers):
            newest = pulls[-1].updated_at
        return Probe(name=home.full_name, location=home.clone_url, newest_update=newest)

    def _pulls(self, repository: RepositoryRecord, cursor: str | None) -> tuple[Answer, list[Pull | Malformed]]:
        params: dict[str, str | int] = {"state": "closed", "sort": "updated", "direction": "desc", "per_page": PAGE}
        path = f"/repos/{self._name(repository)}/pulls"
        answer = self._client.get(path, params={**params, "page": _page_number(cursor)})
        return answer, [rest_payloads.pull(item, repository) for item in _listed(answer)]

    def _meet(self, data: object) -> RepositorySighting:
        found = rest_payloads.sighting(data)
        self._names[found.forge_id] = found.name
        return found

    def _name(self, repository: RepositoryRecord) -> str:
        """Where the repository was seen last: an old name may be another repository's by now."""
        if known := self._names.get(repository.forge_id):
            return known
        path = "/".join(urlsplit(repository.location).path.removesuffix(".git").strip("/").split("/")[-2:])
        return path if NAME.fullmatch(path) else repository.name

    @staticmethod
    def _is_other(repository: RepositoryRecord, pull: Pull) -> bool:
        return bool(repository.forge_id) and pull.home.node_id != repository.forge_id


def _listed(answer: Answer) -> list[Any]:
    if not isinstance(answer.data, list):
        raise ForgeUnavailable("GitHub answered a listing with something other than a list; try again later")
    return answer.data


def _page_number(cursor: str | None) -> int:
    """A cursor of ``GraphqlApi`` is no number and says nothing here: the listing begins anew."""
    return int(cursor) if cursor and cursor.isdecimal() else 1


def _next_number(cursor: str | None, answer: Answer) -> str | None:
    return str(_page_number(cursor) + 1) if rest_payloads.has_next(answer.headers) else None


def _gone(repository: RepositoryRecord, cause: NotThere) -> UnknownSubject:
    return UnknownSubject(f"GitHub no longer has the repository {repository.name} ({repository.forge_id}): {cause}")


def _moved(repository: RepositoryRecord) -> UnknownSubject:
    return UnknownSubject(f"another repository is called {repository.name} now; its id {repository.forge_id} moved")
