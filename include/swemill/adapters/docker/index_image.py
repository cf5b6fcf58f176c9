"""The image of the index proxy: the Debian 12 base, the proxy's code, and the pinned libraries it needs.

It is trusted code, so a plain ``docker build`` makes it. Where the index wants credentials they lie in the first stage
only, which is never pushed anywhere.
"""

import hashlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from swemill.adapters.docker.base_image import BaseImages
from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.adapters.docker.policy import LABEL
from swemill.adapters.docker.tar import tar_of
from swemill.adapters.file_lock import only_one
from swemill.errors import DiskFull, SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

PYTHON = "3.11"
"""Of the base image below the proxy."""
REQUIREMENTS = (
    "anyio==4.16.0",
    "certifi==2026.10.18",
    "click==8.5.1",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "httpx==0.28.1",
    "idna==3.20",
    "starlette==1.10.0",
    "typing_extensions==4.16.0",
    "uvicorn==0.54.0",
)
"""All that is installed in it: the versions of ``requirements.txt``, which a test compares."""
USER = "10001:10001"
CACHE = "/cache"
CERTIFICATES = "/opt/index-proxy/ca.crt"
PROGRAM = "/opt/index-proxy/venv/bin/python"

_CODE = Path(__file__).resolve().parents[1] / "index_proxy"
_TIMEOUT = 600


def image(api: "APIClient", *, base_images: BaseImages, upstream: str, certificates: bytes, lock_dir: Path) -> str:
    """Tag of the proxy's image, made now if the engine lacks it (half a minute, and the base image's time).

    Args:
        upstream: URL of the index that the libraries come from, credentials included.
        certificates: CA bundle to trust, for making the image and for running the proxy; empty: the system's.
        lock_dir: folder of the lock that keeps two processes from making the same image.

    Raises:
        SandboxUnavailable: the engine or the index does not answer. DiskFull: no room left.
        ConfigurationError: the base image cannot be made here.
    """
    files = _context(base_images.get(PYTHON).reference, upstream=upstream, certificates=certificates)
    # Where the libraries came from makes no difference to the image.
    recipe = b"\0".join(name.encode() + b"\0" + data for name, data in sorted(files.items()) if name != "pip.conf")
    tag = f"swemill/index-proxy:{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not _has(api, tag):
        with only_one(lock_dir / "index-proxy-image.lock"):
            if not _has(api, tag):
                _build(api, tag, files)
    return tag


def _context(base: str, *, upstream: str, certificates: bytes) -> dict[str, bytes]:
    package = "app/swemill/adapters/index_proxy"
    files = {f"{package}/{path.name}": path.read_bytes() for path in sorted(_CODE.glob("*.py"))}
    options = ["[global]", f"index-url = {upstream}"]
    options += ["cert = /build/ca.crt"] if certificates else []
    # An index without TLS was a person's decision; pip does not ask it unless it is told of that.
    address = urlsplit(upstream)
    options += [f"trusted-host = {address.hostname}"] if address.scheme == "http" else []
    return {
        **files,
        "app/swemill/__init__.py": b"",
        "app/swemill/adapters/__init__.py": b"",
        "Dockerfile": _DOCKERFILE.format(base=base).encode(),
        "ca.crt": certificates,
        "pip.conf": "\n".join([*options, ""]).encode(),
        "requirements.txt": "\n".join([*REQUIREMENTS, ""]).encode(),
    }


def _has(api: "APIClient", tag: str) -> bool:
    import docker.errors

    with engine_errors(f"looking for the image {tag}"):
        try:
            api.inspect_image(tag)
        except docker.errors.ImageNotFound:
            return False
    return True


def _build(api: "APIClient", tag: str, files: Mapping[str, bytes]) -> None:
    log.info("index proxy: making the image %s", tag)
    tail = ""
    with engine_errors(f"building {tag}"):
        answers: Any = api.build(
            fileobj=io.BytesIO(tar_of(files, modified=0)),
            custom_context=True,
            tag=tag,
            labels={LABEL: "1"},
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_TIMEOUT,
        )
        for answer in answers:
            tail = (tail + str(answer.get("stream") or answer.get("error") or ""))[-4000:]
            if "error" in answer:
                kind = DiskFull if says_disk_full(tail) else SandboxUnavailable
                raise kind(
                    f"building the index proxy's image {tag} failed (is the package index reachable from containers? "
                    f"behind a proxy with certificates of its own set SWEMILL_CA_BUNDLE): {_told(tail)}"
                )


def _told(output: str) -> str:
    """The end of pip's words, without the address of the index: it may hold credentials."""
    words = " ".join(output.split()).split(" ")
    return " ".join("(address)" if "://" in word else word for word in words)[-600:]


_DOCKERFILE = """\
FROM {base} AS libraries
USER root
COPY ca.crt pip.conf requirements.txt /build/
RUN python3 -m venv /opt/index-proxy/venv && \\
    PIP_CONFIG_FILE=/build/pip.conf /opt/index-proxy/venv/bin/pip install -q --no-cache-dir --no-deps \\
    --disable-pip-version-check --only-binary :all: -r /build/requirements.txt

FROM {base}
USER root
COPY --from=libraries /opt/index-proxy/venv /opt/index-proxy/venv
COPY app /opt/index-proxy/app
COPY ca.crt /opt/index-proxy/ca.crt
RUN /opt/index-proxy/venv/bin/python -m compileall -q /opt/index-proxy/app && install -d -o 10001 -g 10001 /cache
ENV PYTHONPATH=/opt/index-proxy/app PYTHONUNBUFFERED=1
WORKDIR /
USER 10001:10001
CMD ["/opt/index-proxy/venv/bin/python", "-m", "swemill.adapters.index_proxy"]
"""
