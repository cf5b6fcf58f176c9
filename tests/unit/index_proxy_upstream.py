"""A package index that misbehaves on demand, and the proxy before it: both real HTTP servers on loopback."""

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from swemill.adapters.index_proxy.app import make_app
from swemill.adapters.index_proxy.config import ProxyConfig
from swemill.adapters.index_proxy.listings import JSON


@dataclass
class Upstream:
    """What the index serves, and how it fails."""

    url: str = ""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Entry of the listing by file name; ``content`` is what is served."""
    status: int = 200
    """Of every answer."""
    listing_type: str = JSON
    etag: str = ""
    truncate: int = 0
    """Bytes missing at the end of every file."""
    wrong: bool = False
    """Files are served with other bytes than listed."""
    hang: threading.Event = field(default_factory=threading.Event)
    """Set: answers come."""
    slow: float = 0.0
    """Seconds between two pieces of a file."""
    ranges: bool = True
    redirect: dict[str, str] = field(default_factory=dict)
    """Location by path."""
    lengths: bool = True
    """Files come with their Content-Length."""
    requests: list[str] = field(default_factory=list)
    """Method, path and range of each request."""
    authorizations: list[str | None] = field(default_factory=list)

    def add(self, filename: str, content: bytes = b"content", *, uploaded: str | None = None, **entry: Any) -> str:
        """List a file of the project ``demo``; returns its sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        known = {"hashes": {"sha256": sha256}, "size": len(content), "url": f"{self.url[:-7]}/f/{filename}"}
        if uploaded:
            known["upload-time"] = uploaded
        self.files[filename] = {**known, **entry, "filename": filename, "content": content}
        return sha256

    def asked(self, part: str) -> int:
        """How many requests had ``part`` in them."""
        return sum(part in request for request in self.requests)

    def wait(self, requests: int = 1) -> None:
        """Until that many requests came."""
        until = time.monotonic() + 10
        while len(self.requests) < requests:
            assert time.monotonic() < until
            time.sleep(0.005)

    def listing(self) -> bytes:
        """The listing of ``demo``."""
        shown = [{key: value for key, value in file.items() if key != "content"} for file in self.files.values()]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": shown}).encode()


class Handler(BaseHTTPRequestHandler):
    index: Upstream
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        index = self.index
        index.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        index.authorizations.append(self.headers.get("Authorization"))
        index.hang.wait(20)
        if self.path in index.redirect:
            self._answer(302, b"", Location=index.redirect[self.path])
        elif index.status != 200:
            self._answer(index.status, b"secret of the index")
        elif self.path == "/simple/demo/":
            self._listing()
        elif self.path.startswith("/f/") and (file := index.files.get(self.path[3:].removesuffix(".metadata"))):
            metadata = self.path.endswith(".metadata")
            self._file(b"Metadata-Version: 2.1\n" if metadata else file["content"])
        else:
            self._answer(404, b"")

    def _listing(self) -> None:
        index = self.index
        if index.etag and self.headers.get("If-None-Match") == index.etag:
            self._answer(304, b"")
        else:
            self._answer(200, index.listing(), Content_Type=index.listing_type, ETag=index.etag)

    def _file(self, content: bytes) -> None:
        index = self.index
        if index.wrong:
            content = b"X" * len(content)
        wanted, status, headers = self.headers.get("Range"), 200, {}
        if wanted and index.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first) if first else len(content) - int(last)
            stop = int(last) + 1 if first and last else len(content)
            headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
            status, content = 206, content[start:stop]
        self._answer(status, content, **headers)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        index = self.index
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        if index.lengths:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        body = body[: len(body) - index.truncate] if self.path.startswith("/f/") else body
        step = 1 << 16 if index.slow else max(1, len(body))
        try:
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                time.sleep(index.slow)
        except OSError:  # the proxy went away
            self.close_connection = True
        if index.truncate:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def upstream(address: str = "127.0.0.1") -> Iterator[Upstream]:
    """Serve an index on a free port."""
    index = Upstream()
    index.hang.set()
    server = ThreadingHTTPServer((address, 0), type("Bound", (Handler,), {"index": index}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    index.url = f"http://{address}:{server.server_port}/simple"
    try:
        yield index
    finally:
        index.hang.set()
        server.shutdown()
        server.server_close()


def quick(url: str, cache: Path, **changes: Any) -> ProxyConfig:
    """A configuration whose waits suit a test."""
    config = ProxyConfig(
        upstream=url, cache=cache, connect=1.0, silence=1.0, pause=0.01, listing_seconds=2.0, patience=0.3, quiet=0.0
    )
    return replace(config, **changes)


@contextmanager
def proxy(config: ProxyConfig) -> Iterator[httpx.Client]:
    """Run the proxy on a free port; gives a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(make_app(config), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
            until = time.monotonic() + 10
            while not server.started:
                assert thread.is_alive()
                assert time.monotonic() < until
                time.sleep(0.01)
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
