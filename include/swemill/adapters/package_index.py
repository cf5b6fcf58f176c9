"""A Python package index as a place of source distributions: the JSON form of the simple API, and a cache of files.

Which index: what pip is told to use, so that a mirror or a corporate proxy is configured once. Everything is cached;
with a full cache nothing is asked of the network. A file is believed only when its sha256 is the one that the index
names.
"""

import contextlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from swemill.effects import content_hash
from swemill.errors import ConfigurationError, ForgeUnavailable, boundary
from swemill.reasons import Reason
from swemill.values import Drop

_JSON = "application/vnd.pypi.simple.v1+json"
_TRIES = 4
_LONGEST_WAIT = 60.0
MAX_DOWNLOAD = 128 << 20
"""Bytes of one answer of the index."""


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """One source distribution as the index lists it."""

    filename: str
    url: str
    sha256: str
    uploaded_at: datetime | None


class NotFound(Exception):
    """The index answered 404."""


class PackageIndex:
    """One index. ``backoff`` seconds double from try to try."""

    def __init__(self, *, index_url: str | None, cache: Path, ca_bundle: Path | None, backoff: float = 1.0) -> None:
        self._url = index_url
        self._cache = cache
        self._verify: str | bool = str(ca_bundle) if ca_bundle else True
        self._backoff = backoff

    def sdist(self, package: str, version: str) -> Sdist | Drop:
        """The listed source distribution of a version; Drop(NO_SDIST) naming package and version when there is none.

        A cached listing answers when it knows the version; otherwise the index is asked again.

        Raises:
            ForgeUnavailable: the index does not answer, after bounded retries.
            ConfigurationError: the index refuses, or is none.
        """
        cached = self._cache / "index" / f"{canonicalize_name(package)}.json"
        if cached.is_file():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a damaged cache is a cache miss
                if found := _find(json.loads(cached.read_bytes()), package, version):
                    return found
        base = f"{self._index_url().rstrip('/')}/{canonicalize_name(package)}/"
        try:
            body = self._get(base, accept=_JSON)
        except NotFound:
            return Drop(reason=Reason.NO_SDIST, detail=f"the package index does not know the package {package}")
        listing = _parse(body, base, self._shown(base))
        _write(cached, json.dumps(listing).encode())
        if found := _find(listing, package, version):
            return found
        known = any(_version_of(file) == Version(version) for file in listing["files"])
        why = "publishes wheels but no source distribution of" if known else "has no release"
        return Drop(reason=Reason.NO_SDIST, detail=f"{package} {why} {version}")

    def download(self, package: str, sdist: Sdist) -> bytes:
        """The bytes of a source distribution, from the cache or the index, with the sha256 that the index names.

        Raises:
            ForgeUnavailable: the index does not answer, or gives other bytes than it lists.
            ConfigurationError: the index refuses.
        """
        cached = self._cache / "sdists" / canonicalize_name(package) / sdist.filename
        if cached.is_file() and content_hash(data := cached.read_bytes()) == sdist.sha256:
            return data
        try:
            data = self._get(sdist.url)
        except NotFound:
            raise ForgeUnavailable(f"the package index lists {sdist.filename} but does not have it (404)") from None
        if (found := content_hash(data)) != sdist.sha256:
            raise ForgeUnavailable(
                f"{sdist.filename} has sha256 {found}, the index lists {sdist.sha256}: damaged on its way"
            )
        _write(cached, data)
        return data

    def _index_url(self) -> str:
        if self._url is None:
            self._url, certificates = pip_settings()
            if self._verify is True and certificates:
                self._verify = certificates
        return self._url

    def _get(self, url: str, *, accept: str = "*/*") -> bytes:
        _refuse_plain_http(url, self._index_url())
        wait, trouble = self._backoff, ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(min(wait, _LONGEST_WAIT))
                wait = self._backoff * 2**attempt
            answer = self._try(url, accept)
            if isinstance(answer, bytes):
                return answer
            trouble = answer.trouble
            wait = max(wait, answer.retry_after)
        raise ForgeUnavailable(
            f"the package index gave no answer in {_TRIES} tries ({trouble}); check the network and PIP_INDEX_URL, "
            "then run again: what is cached is not fetched again"
        )

    def _try(self, url: str, accept: str) -> "bytes | _Passing":
        import requests  # here, because importing it costs every DAG file that reaches this module

        shown = self._shown(url)
        try:
            headers = {"Accept": accept, "Accept-Encoding": "gzip" if accept == _JSON else "identity"}
            with requests.get(url, headers=headers, timeout=(15, 60), verify=self._verify, stream=True) as response:
                if response.status_code == 404:
                    raise NotFound(shown)
                if response.status_code in (401, 403):
                    raise ConfigurationError(f"{shown} answered {response.status_code}: the index wants credentials")
                if response.status_code != 200:
                    after = response.headers.get("Retry-After", "")
                    return _Passing(
                        f"{shown} answered {response.status_code}", float(after) if after.isdigit() else 0.0
                    )
                if (form := response.headers.get("Content-Type", "")) and accept == _JSON and "json" not in form:
                    raise ConfigurationError(
                        f"{shown} answers {form}, not JSON: set PIP_INDEX_URL to an index that does"
                    )
                body = bytearray()
                for chunk in response.iter_content(1 << 16):
                    body += chunk
                    if len(body) > MAX_DOWNLOAD:
                        raise ConfigurationError(f"{shown} is larger than {MAX_DOWNLOAD} bytes")
                return bytes(body)
        except requests.RequestException as error:
            # the message of requests repeats the URL, credentials included
            return _Passing(f"{shown}: {type(error).__name__}", 0.0)

    def _shown(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class _Passing:
    trouble: str
    retry_after: float


def pip_settings() -> tuple[str, str | None]:
    """Index and certificates that pip is configured for (files and environment), or pip's own default."""
    try:
        from pip._internal.configuration import Configuration
        from pip._internal.models.index import PyPI
    except ImportError:
        raise ConfigurationError("no package index is known: pip is not installed here; set PIP_INDEX_URL") from None
    configuration = Configuration(isolated=False)
    configuration.load()
    values = dict(configuration.items())
    order = (":env:", "install", "global", "download")
    url = next((values[f"{part}.index-url"] for part in order if f"{part}.index-url" in values), PyPI.simple_url)
    return url, values.get(":env:.cert") or values.get("global.cert")


def _refuse_plain_http(url: str, index_url: str) -> None:
    """Plain HTTP only where the configured index itself is plain HTTP: a person decided that."""
    if urlsplit(index_url).scheme not in ("http", "https"):
        raise ConfigurationError("the package index is no https:// address; see PIP_INDEX_URL and SWEMILL_INDEX_URL")
    if urlsplit(url).scheme != "https" and urlsplit(index_url).scheme != "http":
        raise ConfigurationError(f"the package index offers {urlsplit(url).scheme}://, not https://")


def _parse(body: bytes, base: str, shown: str) -> dict[str, Any]:
    """The part of a PEP 691 answer that is needed, with absolute URLs."""
    try:
        files = [
            {
                "filename": str(file["filename"]),
                "url": urldefrag(urljoin(base, file["url"])).url,
                "sha256": str(file.get("hashes", {}).get("sha256", "")),
                "upload-time": file.get("upload-time"),
            }
            for file in json.loads(body)["files"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForgeUnavailable(f"{shown} answered what is no package listing ({type(error).__name__})") from None
    return {"files": files}


def _version_of(file: dict[str, Any]) -> Version | None:
    """Version of a source distribution or wheel, by its name."""
    name = file["filename"]
    try:
        return Version(name.split("-")[1]) if name.endswith(".whl") else parse_sdist_filename(name)[1]
    except (InvalidSdistFilename, InvalidVersion, IndexError):
        return _old_style_version(name)


def _old_style_version(name: str) -> Version | None:
    for ending in (".tar.bz2", ".tgz", ".tar.xz"):
        if name.endswith(ending):
            try:
                return Version(name.removesuffix(ending).rpartition("-")[2])
            except InvalidVersion:
                return None
    return None


def _find(listing: dict[str, Any], package: str, version: str) -> Sdist | None:
    endings = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
    wanted = Version(version)
    for ending in endings:
        for file in listing["files"]:
            if file["filename"].endswith(ending) and file["sha256"] and _version_of(file) == wanted:
                return Sdist(
                    filename=_safe(file["filename"]),
                    url=file["url"],
                    sha256=file["sha256"],
                    uploaded_at=_time(file["upload-time"]),
                )
    return None


def _time(text: object) -> datetime | None:
    """An upload time (PEP 700), or None where the index gives none that can be read."""
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _safe(filename: str) -> str:
    if "/" in filename or filename.startswith("."):
        raise ConfigurationError(f"the package index lists a file named {filename!r}")
    return filename


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, also when several processes write."""
    with boundary(ForgeUnavailable, f"writing {path}", OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
