"""Asks the configured index, and the hosts that its listings name, for listings and files. Nothing else is asked.

Credentials go to the index's own origin and to nobody else. A redirect is followed as the index wants it, but never
from https to http, and never to an address that only this machine or its link has.
"""

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import httpx

from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.listings import JSON
from swemill.adapters.index_proxy.trouble import Missing, Silent, Trouble, Wrong

log = logging.getLogger(__name__)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_TRIES = 3
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the index answered for a project."""

    body: bytes
    base: str
    """The address that the listing's relative URLs start from."""
    etag: str


class Upstream:
    """One index."""

    def __init__(self, config: ProxyConfig) -> None:
        """Nothing is asked yet. Raises ValueError for a URL that is none, OSError for certificates that are none."""
        parts = urlsplit(config.upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL of the index is no http or https address")
        self._config = config
        self._origin = _origin(config.upstream)
        self._host = parts.hostname
        place = parts.netloc.rpartition("@")[2]
        self._base = urlunsplit((parts.scheme, place, parts.path.rstrip("/") + "/", "", ""))
        self._auth = None
        if parts.username is not None:
            self._auth = httpx.BasicAuth(unquote(parts.username), unquote(parts.password or ""))
        certificates = str(config.ca_bundle) if config.ca_bundle else None
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=certificates),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(config.silence, connect=config.connect),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            headers={"User-Agent": "swemill-index-proxy"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def listing(self, project: str, *, etag: str) -> Answer | None:
        """What the index lists for a normalised ``project``; None: the same as had ``etag``.

        Raises:
            Missing: the index does not know the project.
            Silent: no answer in time, after retries.
            Wrong: it answers with no JSON listing, refuses, or sends too much.
        """
        headers = {"Accept": f"{JSON}, application/json;q=0.1", "Accept-Encoding": "gzip"}
        if etag:
            headers["If-None-Match"] = etag
        pause, last = self._config.pause, Silent(f"the package index gave no answer for {project} in time")
        try:
            async with asyncio.timeout(self._config.listing_seconds):
                for attempt in range(_TRIES):
                    if attempt:
                        await asyncio.sleep(pause * 2 ** (attempt - 1))
                    try:
                        return await self._listing(project, headers)
                    except Silent as error:
                        last = error
        except TimeoutError:
            pass  # ``last`` tells
        raise last

    async def _listing(self, project: str, headers: Mapping[str, str]) -> Answer | None:
        async with self.open(f"{self._base}{quote(project)}/", headers=headers) as response:
            if response.status_code == 304:
                return None
            kind = response.headers.get("Content-Type", "")
            if "json" not in kind:
                raise Wrong(f"the package index answers {kind[:80] or 'no type'} for {project}, not JSON (PEP 691)")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > self._config.listing_bytes:
                    raise Wrong(f"the listing of {project} is larger than {self._config.listing_bytes} bytes")
            return Answer(body=bytes(body), base=str(response.url), etag=response.headers.get("ETag", ""))

    @asynccontextmanager
    async def open(self, url: str, *, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer of 200, 206 or 304 to a GET of a listed ``url``; its body is still to be read.

        Raises Missing, Silent and Wrong; Silent also while the body is read.
        """
        try:
            response = await self._follow(url, headers)
            try:
                _check_status(response)
                yield response
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The library's own message repeats the URL.
            raise Silent(f"the package index does not answer ({type(error).__name__})") from None

    async def _follow(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        for _ in range(_MOST_REDIRECTS + 1):
            self._check(url)
            request = self._client.build_request("GET", url, headers=dict(headers))
            auth = self._auth if _origin(url) == self._origin else None
            response = await self._client.send(request, stream=True, auth=auth)
            if response.status_code not in _REDIRECTS:
                return response
            await response.aclose()
            url = urljoin(url, response.headers.get("Location", ""))
        raise Wrong("the package index redirects without end")

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            raise Wrong("the package index names an address that is none") from None
        secure = self._base.startswith("https:")
        if parts.scheme != "https" and (secure or parts.scheme != "http"):
            raise Wrong(f"the package index names a {parts.scheme[:10]}:// address, not https://")
        if host != self._host and (not host or _is_here(host)):
            raise Wrong("the package index names an address that only this machine or its link has")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise Wrong("the package index names an address that is none") from None
    return parts.scheme, parts.hostname or "", port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status in (200, 206, 304):
        return
    if status in (404, 410):
        raise Missing("the package index does not have it")
    kind: type[Trouble] = Silent if status >= 500 or status in _PASSING else Wrong
    raise kind(f"the package index answered {status}")
