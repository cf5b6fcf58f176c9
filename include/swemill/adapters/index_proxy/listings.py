"""A project's listing, from the index's JSON to what builds are given (pure).

Every URL becomes one of the proxy's own, by the file's sha256. What the formats are: "Simple repository API" of the
Python packaging user guide (PEP 503, 592, 658, 691, 700, 714, 792).
"""

import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urldefrag, urljoin

from swemill.adapters.index_proxy.trouble import Wrong

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]{0,254}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PASSED_ON = ("requires-python", "size", "upload-time", "yanked")
UNVERIFIED = "url-"
"""Start of the key of a file whose hash the index does not give: it is followed by the sha256 of its URL."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a listed file comes from."""

    key: str
    """Its sha256, or ``UNVERIFIED`` and the sha256 of its URL."""
    filename: str
    url: str
    sha256: str
    """Empty: unknown, the content cannot be verified."""
    size: int | None = None
    metadata: bool = False
    """The index serves ``<url>.metadata``."""
    metadata_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A listing as builds get it, and the sources of its files."""

    packed: bytes
    """The JSON, by gzip: as it is kept, and as most clients take it."""
    sources: Sequence[Source]


def normalised(project: str) -> str | None:
    """The one spelling of a project's name; None when it is none."""
    if not _NAME.fullmatch(project):
        return None
    return re.sub(r"[-_.]+", "-", project).lower()


def parse(body: bytes, *, base: str, project: str) -> Listing:
    """The listing that the index answered for ``project`` from the address ``base``. Raises Wrong."""
    try:
        answer = json.loads(body)
        entries = [entry for file in answer["files"] if (entry := _entry(file, base)) is not None]
        version = str((answer.get("meta") or {}).get("api-version", "1.0"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Wrong(f"the package index answered for {project} what is no listing ({type(error).__name__})") from None
    listing = {"meta": {"api-version": version}, "name": project, "files": [shown for shown, _ in entries]}
    for key in ("versions", "project-status"):
        if key in answer:
            listing[key] = answer[key]
    packed = gzip.compress(json.dumps(listing).encode(), compresslevel=5, mtime=0)
    return Listing(packed=packed, sources=[source for _, source in entries])


def _entry(file: Mapping[str, Any], base: str) -> tuple[dict[str, Any], Source] | None:
    """A file as it is shown, and its source; None when its name is no file name."""
    filename = str(file["filename"])
    if not _FILENAME.fullmatch(filename):
        return None
    url = urldefrag(urljoin(base, str(file["url"]))).url
    hashes = {str(kind): str(value).lower() for kind, value in (file.get("hashes") or {}).items()}
    sha256 = hashes.get("sha256", "")
    if not _SHA256.fullmatch(sha256):
        hashes.pop("sha256", None)
        sha256 = ""
    key = sha256 or UNVERIFIED + hashlib.sha256(url.encode()).hexdigest()
    shown: dict[str, Any] = {"filename": filename, "url": f"/files/{key}/{quote(filename)}", "hashes": hashes}
    shown.update({name: file[name] for name in _PASSED_ON if file.get(name) is not None})
    size = file.get("size")
    metadata = file.get("core-metadata", file.get("dist-info-metadata", file.get("data-dist-info-metadata"))) or False
    if metadata:
        # Both names: installers from before PEP 714 know the second one only.
        shown["core-metadata"] = shown["dist-info-metadata"] = metadata
    known = str(metadata.get("sha256", "")).lower() if isinstance(metadata, dict) else ""
    return shown, Source(
        key=key,
        filename=filename,
        url=url,
        sha256=sha256,
        size=size if isinstance(size, int) and size >= 0 else None,
        metadata=bool(metadata),
        metadata_sha256=known if _SHA256.fullmatch(known) else "",
    )


def read_moment(text: str) -> datetime | None:
    """``YYYY-MM-DDTHH:MM:SSZ``; None for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def as_of(body: bytes, moment: datetime) -> bytes:
    """The listing without what was uploaded after ``moment``, or at a time that nobody knows."""
    listing = json.loads(body)
    listing["files"] = [file for file in listing["files"] if _uploaded_by(file, moment)]
    # Versions of files that are not there any more would only mislead; they may be absent before version 1.1.
    listing.pop("versions", None)
    listing["meta"]["api-version"] = "1.0"
    return json.dumps(listing).encode()


def _uploaded_by(file: Mapping[str, Any], moment: datetime) -> bool:
    try:
        uploaded = datetime.fromisoformat(str(file.get("upload-time")))
    except ValueError:
        return False
    return (uploaded if uploaded.tzinfo else uploaded.replace(tzinfo=UTC)) <= moment


def wants_json(accept: str) -> bool:
    """What a client that sent this Accept header gets: JSON when it says so and does not prefer HTML."""
    quality: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        given = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        quality[kind] = float(given) if re.fullmatch(r"[01](\.\d{0,3})?", given) else 0.0
    of_json = max(quality.get(JSON, 0.0), quality.get("application/vnd.pypi.simple.latest+json", 0.0))
    return of_json > 0 and of_json >= max(quality.get(HTML, 0.0), quality.get("text/html", 0.0))


def as_html(body: bytes) -> bytes:
    """The listing for clients from before the JSON form (PEP 503)."""
    listing = json.loads(body)
    title = html.escape(f"Links for {listing['name']}")
    lines = ["<!DOCTYPE html>", '<html><head><meta name="pypi:repository-version" content="1.0">']
    lines += [f"<title>{title}</title></head><body><h1>{title}</h1>"]
    lines += [_link(file) for file in listing["files"]]
    return "\n".join([*lines, "</body></html>", ""]).encode()


def _link(file: Mapping[str, Any]) -> str:
    kind = next((kind for kind in ("sha256", "sha512", "sha384", "md5") if kind in file["hashes"]), "")
    fragment = f"#{kind}={file['hashes'][kind]}" if kind else ""
    attributes = {"href": file["url"] + fragment}
    if file.get("requires-python"):
        attributes["data-requires-python"] = str(file["requires-python"])
    if yanked := file.get("yanked"):
        attributes["data-yanked"] = yanked if isinstance(yanked, str) else ""
    if metadata := file.get("core-metadata"):
        known = metadata.get("sha256") if isinstance(metadata, dict) else None
        attributes["data-core-metadata"] = attributes["data-dist-info-metadata"] = (
            f"sha256={known}" if known else "true"
        )
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(file['filename'])}</a><br>"
