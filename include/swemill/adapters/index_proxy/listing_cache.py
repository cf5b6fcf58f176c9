"""Listings as builds get them: fresh ones from disk, older ones confirmed by the index, stale ones when it is down."""

import asyncio
import logging
import time

from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.listings import parse
from swemill.adapters.index_proxy.store import Kept, Store
from swemill.adapters.index_proxy.trouble import Missing, Silent, Trouble
from swemill.adapters.index_proxy.upstream import Upstream

log = logging.getLogger(__name__)


class Listings:
    """The listings of one index. Two who ask for the same project at once cost one request."""

    def __init__(self, config: ProxyConfig, *, upstream: Upstream, store: Store) -> None:
        """Nothing is asked yet."""
        self._config, self._upstream, self._store = config, upstream, store
        self._asking: dict[str, asyncio.Task[Kept]] = {}
        self._failed = 0.0
        """When the index last gave no answer, by the monotonic clock."""

    async def get(self, project: str) -> tuple[Kept, str]:
        """The listing of a normalised ``project``, and why it is stale (empty: it is not).

        Raises:
            Missing: the index does not know the project.
            Silent, Wrong: it gives no listing, and none is here.
        """
        kept = self._store.listing(project)
        if kept and time.time() - kept.checked < self._config.fresh:
            return kept, ""
        if kept and self._failed and time.monotonic() - self._failed < self._config.quiet:
            return kept, "the package index did not answer a moment ago"
        try:
            # Who has something to give need not wait for an index that hangs; the question stays asked.
            async with asyncio.timeout(self._config.patience if kept else None):
                return await self._ask_once(project, kept), ""
        except TimeoutError:
            if kept is None:
                raise
            return kept, "the package index takes long"
        except Missing:
            raise
        except Trouble as error:
            if isinstance(error, Silent):
                self._failed = time.monotonic()
            if kept is None:
                raise
            log.warning("%s: %s; the stale listing is given", project, error)
            return kept, str(error)

    async def close(self) -> None:
        """Break off what is asked."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _ask_once(self, project: str, kept: Kept | None) -> Kept:
        task = self._asking.get(project)
        if task is None:
            task = self._asking[project] = asyncio.create_task(self._ask(project, kept))
            task.add_done_callback(lambda _: self._asking.pop(project, None))
            task.add_done_callback(_seen)
        # A client that leaves must not take the answer away from the others who wait for it.
        return await asyncio.shield(task)

    async def _ask(self, project: str, kept: Kept | None) -> Kept:
        answer = await self._upstream.listing(project, etag=kept.etag if kept else "")
        if answer is None and kept is not None:
            self._store.confirm(project)
            return Kept(etag=kept.etag, checked=time.time(), packed=kept.packed)
        if answer is None:
            raise Silent(f"the package index says that nothing changed for {project}, of which nothing is known")
        listing = await asyncio.to_thread(parse, answer.body, base=answer.base, project=project)
        self._failed = 0.0
        return self._store.keep(project, listing, etag=answer.etag)


def _seen(task: "asyncio.Task[Kept]") -> None:
    """Take note of an error that nobody waits for any more, or asyncio complains about it."""
    if not task.cancelled():
        task.exception()
