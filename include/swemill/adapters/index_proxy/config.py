"""What the proxy is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PORT = 8000
VARIABLE = "INDEX_PROXY_"
"""Prefix of the environment variables that hold the configuration inside the container."""


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """The configuration; sizes in bytes, times in seconds."""

    upstream: str
    """URL of the index (``https://host/simple``), with credentials where it wants some. Never shown to anyone."""
    cache: Path
    """Folder of listings and files, for this proxy alone."""
    ca_bundle: Path | None = None
    """Certificates to trust in place of the system's."""
    cache_bytes: int = 40 << 30
    """Files beyond this are removed, the least recently used first."""
    listing_store_bytes: int = 1 << 30
    """The same of compressed listings."""
    listing_bytes: int = 64 << 20
    """Largest listing of a project."""
    file_bytes: int = 2 << 30
    """Largest file."""
    downloads: int = 16
    """Files that are downloaded at a time; further ones wait."""
    fresh: float = 600.0
    """A listing this young is given without asking the index."""
    quiet: float = 15.0
    """After the index failed, how long stale listings are given without asking it again."""
    connect: float = 15.0
    """Longest wait for a connection."""
    silence: float = 60.0
    """Longest wait for the next bytes of an answer."""
    listing_seconds: float = 180.0
    """Longest time for a whole listing, retries included."""
    file_seconds: float = 3600.0
    """Longest time for a whole file."""
    pause: float = 0.5
    """Wait before the second try of a request that failed; it doubles."""
    patience: float = 5.0
    """A file that takes longer is sent while it is still being downloaded."""
    through: int = 16 << 20
    """Ranges of larger files that are not cached are asked of the index, and the whole file is not."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "ProxyConfig":
        """The configuration in ``environ``. Raises KeyError and ValueError: the container was started wrongly."""
        numbers = ("cache_bytes", "listing_bytes", "file_bytes", "downloads")
        given = {name: int(environ[key]) for name in numbers if (key := VARIABLE + name.upper()) in environ}
        certificates = environ.get(f"{VARIABLE}CA_BUNDLE")
        return cls(
            upstream=environ[f"{VARIABLE}UPSTREAM"],
            cache=Path(environ[f"{VARIABLE}CACHE"]),
            ca_bundle=Path(certificates) if certificates else None,
            cache_bytes=given.get("cache_bytes", cls.cache_bytes),
            listing_bytes=given.get("listing_bytes", cls.listing_bytes),
            file_bytes=given.get("file_bytes", cls.file_bytes),
            downloads=given.get("downloads", cls.downloads),
        )
