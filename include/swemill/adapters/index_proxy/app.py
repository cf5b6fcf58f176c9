"""The proxy as an ASGI application: its routes, and one line of log a request."""

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.downloads import Downloads
from swemill.adapters.index_proxy.file_answers import FileAnswer, FileAnswers
from swemill.adapters.index_proxy.files import Files
from swemill.adapters.index_proxy.listing_cache import Listings
from swemill.adapters.index_proxy.listings import JSON, as_html, as_of, normalised, read_moment, wants_json
from swemill.adapters.index_proxy.store import Store
from swemill.adapters.index_proxy.trouble import Missing, Silent, Trouble
from swemill.adapters.index_proxy.upstream import Upstream

log = logging.getLogger(__name__)
access = logging.getLogger("swemill.index_proxy.access")
STALE = "X-Index-Stale"
"""Header of a listing that the index did not confirm: its age in seconds, and why."""


class Proxy:
    """What the routes share."""

    def __init__(self, config: ProxyConfig) -> None:
        """Open the cache. Raises OSError, sqlite3.Error and ValueError: the proxy cannot run."""
        config.cache.mkdir(parents=True, exist_ok=True)
        self.upstream = Upstream(config)
        self.store = Store(config.cache, most_bytes=config.listing_store_bytes)
        files = Files(config.cache, most_bytes=config.cache_bytes)
        self.downloads = Downloads(config, upstream=self.upstream, files=files)
        self.listings = Listings(config, upstream=self.upstream, store=self.store)
        self.files = FileAnswers(
            config, upstream=self.upstream, store=self.store, files=files, downloads=self.downloads
        )

    async def close(self) -> None:
        """End what runs."""
        await self.downloads.close()
        await self.listings.close()
        await self.upstream.close()
        self.store.close()

    async def listing(self, request: Request) -> Response:
        """``/simple/<project>/`` and ``/as-of/<moment>/simple/<project>/``."""
        project = normalised(request.path_params["project"])
        moment = None
        if "moment" in request.path_params:
            moment = read_moment(request.path_params["moment"])
            if moment is None:
                raise Missing("write the moment as YYYY-MM-DDTHH:MM:SSZ")
        if project is None:
            raise Missing("this is no name of a project")
        kept, stale = await self.listings.get(project)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if stale:
            headers[STALE] = f"{time.time() - kept.checked:.0f}; {stale}"
        as_json = wants_json(request.headers.get("Accept", ""))
        headers["Content-Type"] = JSON if as_json else "text/html; charset=utf-8"
        if as_json and moment is None and "gzip" in request.headers.get("Accept-Encoding", ""):
            return Response(kept.packed, headers={**headers, "Content-Encoding": "gzip"})

        def render() -> bytes:
            body = gzip.decompress(kept.packed)
            body = body if moment is None else as_of(body, moment)
            return body if as_json else as_html(body)

        return Response(await asyncio.to_thread(render), headers=headers)

    def file(self, request: Request) -> FileAnswer:
        """``/files/<key>/<filename>``."""
        return self.files.of(
            request.path_params["key"],
            request.path_params["filename"],
            only_head=request.method == "HEAD",
            wanted=request.headers.get("Range", ""),
        )


def make_app(config: ProxyConfig) -> ASGIApp:
    """The application. The cache is opened when it starts."""
    state: dict[str, Proxy] = {}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        state["proxy"] = Proxy(config)
        try:
            yield
        finally:
            await state["proxy"].close()

    async def listing(request: Request) -> Response:
        return await state["proxy"].listing(request)

    async def file(request: Request) -> FileAnswer:
        return state["proxy"].file(request)

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def trouble(_: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, Trouble) else 500
        headers = {"Retry-After": "5"} if isinstance(error, Silent) else {}
        return PlainTextResponse(f"{error}\n", status_code=status, headers=headers)

    routes = [
        Route("/health", health),
        *(Route(f"/simple/{{project}}{end}", listing) for end in ("/", "")),
        *(Route(f"/as-of/{{moment}}/simple/{{project}}{end}", listing) for end in ("/", "")),
        Route("/files/{key}/{filename}", file, methods=["GET", "HEAD"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Trouble: trouble})
    app.router.redirect_slashes = False
    return _logged(app)


def _logged(app: ASGIApp) -> ASGIApp:
    """One line a request: method, path without its query, status, bytes, seconds."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status, size, began = 0, 0, time.monotonic()

        async def counting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, counting)
        finally:
            path = scope["raw_path"].decode("ascii", "replace")[:500] if scope["path"] != "/health" else ""
            if path:
                seconds = time.monotonic() - began
                access.info("%s %r %d %d bytes %.3f s", scope["method"], path, status, size, seconds)

    return logged
