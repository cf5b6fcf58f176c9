"""A package index on loopback for tests: PEP 691 listings of source distributions made on the spot."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def make_sdist(top: str, files: Mapping[str, bytes], *, extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """A ``.tar.gz`` with ``files`` below the folder ``top``, and ``extra`` members as they are."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mode = len(data), 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(data))
        for info in extra:
            tar.addfile(info, io.BytesIO(b"\0" * info.size) if info.isreg() else None)
    return gzip.compress(plain.getvalue(), mtime=0)


@dataclass
class LocalIndex:
    """What the index serves; requests are counted."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By package, then by file name."""
    uploaded: str = "2024-03-01T12:00:00.123456Z"
    sha256: dict[str, str] = field(default_factory=dict)
    """Hashes listed for a file instead of its own."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Statuses and headers to answer the next requests with."""
    requests: list[str] = field(default_factory=list)

    def release(self, package: str, version: str, files: Mapping[str, bytes]) -> None:
        """Publish a source distribution."""
        top = f"{package}-{version}"
        self.files.setdefault(package, {})[f"{top}.tar.gz"] = make_sdist(top, files)

    def listing(self, package: str) -> dict[str, Any]:
        """The PEP 691 answer."""
        entries = [
            {
                "filename": name,
                "url": f"../../files/{package}/{name}#sha256=ignored",
                "hashes": {"sha256": self.sha256.get(name) or hashlib.sha256(data).hexdigest()},
                **({"upload-time": self.uploaded} if self.uploaded else {}),
            }
            for name, data in self.files[package].items()
        ]
        return {"meta": {"api-version": "1.1"}, "name": package, "files": entries}

    def body(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body of a path, None for 404."""
        kind, package, *rest = path.strip("/").split("/")
        if package not in self.files:
            return None
        if kind == "simple":
            return "application/vnd.pypi.simple.v1+json", json.dumps(self.listing(package)).encode()
        data = self.files[package].get(rest[0])
        return None if data is None else ("application/octet-stream", data)


@contextmanager
def serving() -> Iterator[LocalIndex]:
    """Serve an index on a free port of loopback."""
    index = LocalIndex()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requests.append(self.path)
            status, headers = index.answers.pop(0) if index.answers else (200, {})
            found = index.body(self.path) if status == 200 else ("text/plain", b"trouble")
            kind, body = found or ("text/plain", b"not found")
            self.send_response(status if found else 404)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
