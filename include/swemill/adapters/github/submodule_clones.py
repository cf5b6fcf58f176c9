"""Clones of the submodules of one repository of GitHub: each of single commits, of bounded size, from the same host.

Who writes a ``.gitmodules`` must not get at what only our token can read: it is sent to repositories of the same owner,
and of others only public ones are to be had. The two kinds lie in folders of their own.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from swemill.adapters.github.clone import Clone, clone_path
from swemill.adapters.github.git_fetch import Remote
from swemill.adapters.submodules import MOST_BYTES, MOST_FILES, Place, place_of
from swemill.errors import SourceError
from swemill.values import RepositoryRecord

_TIMEOUT = 600.0
"""Seconds one fetch may take."""


class SubmoduleClones:
    """Clones below ``mirrors``, for the submodules of ``repository``."""

    def __init__(
        self,
        repository: RepositoryRecord,
        *,
        mirrors: Path,
        ca_bundle: Path | None,
        token: Callable[[], str | None] | None,
    ) -> None:
        self.home: Place | None = place_of(repository.location)
        """Where the repository itself is; None where it is at no ``owner/name``: then it has no submodules."""
        self._repository = repository
        self._mirrors = mirrors
        self._ca_bundle = ca_bundle
        self._token = token

    def with_commit(self, place: Place, commit: str) -> Clone:
        """A clone that has this commit with its contents.

        Raises a SourceError when it cannot be had (another host, gone, private, too large) and, as ``fetch``, an
        Infrastructure error when it may be had later.
        """
        if self.home is None or place.host != self.home.host:
            raise SourceError(f"its host, {place.host}, is not that of {self._repository.name}")
        is_own = _owner(place) == _owner(self.home)
        scheme = urlsplit(self._repository.location).scheme
        record = RepositoryRecord(
            forge=self._repository.forge, name=place.name, location=f"{scheme}://{place.host}/{place.name}.git"
        )
        token = self._token if is_own else None
        remote = Remote(url=record.location, ca_bundle=self._ca_bundle, token=token, timeout=_TIMEOUT)
        clone = Clone(clone_path(self._mirrors / "submodules" / ("own" if is_own else "public"), record), remote)
        clone.bring_alone(commit, most_files=MOST_FILES, most_bytes=MOST_BYTES)
        return clone


def _owner(place: Place) -> str:
    return place.name.partition("/")[0].casefold()
