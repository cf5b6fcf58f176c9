"""The images of one Docker engine (port ``ImageStore``): ours are those with the label ``swemill=1``.

What an image takes of its own is its size less that of the stored image it stands on: the one with the longest part of
its layers. So it also holds for images that came from a registry, which know no parent, and needs no ``/system/df``,
which reads the whole disk and answers only one at a time.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors
from swemill.adapters.docker.policy import EFFECT_LABEL, LABEL, STORE_LABEL
from swemill.values import ImageLevel, StoredImage

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

_CONFLICT = 409


class DockerImageStore:
    """The images on one engine."""

    def __init__(self, client: "APIClient") -> None:
        """Use ``client``, the engine's low-level client."""
        self._api = client

    def images(self) -> Sequence[StoredImage]:
        """Every image with our label, the oldest first. Raises SandboxUnavailable."""
        with engine_errors("listing images"):
            used = {str(container["ImageID"]) for container in self._api.containers(all=True)}
            listed = self._api.images(filters={"label": f"{LABEL}=1"})
        found = [image for entry in listed if (image := self._inspect(entry["Id"])) is not None]
        by_layers = {_layers(image): image for image in found}
        stored = [_stored(image, _below(image, by_layers), used) for image in found]
        return sorted(stored, key=lambda image: (image.created, image.id))

    def remove(self, image: StoredImage) -> bool:
        """Remove an image, tag by tag and never by force. Raises SandboxUnavailable."""
        import docker.errors

        for name in image.tags or (image.id,):
            now = self._inspect(name)
            if now is None or now["Id"] != image.id:
                continue  # the tag is another image's since
            with engine_errors(f"removing the image {name}"):
                try:
                    self._api.remove_image(name)
                except docker.errors.ImageNotFound:
                    continue
                except docker.errors.APIError as error:
                    if error.status_code != _CONFLICT:
                        raise
                    log.info("the image %s stays: %s", name, error.explanation)
                    return False
        return self._inspect(image.id) is None

    def _inspect(self, name: str) -> dict[str, Any] | None:
        import docker.errors

        with engine_errors(f"looking at the image {name}"):
            try:
                found: dict[str, Any] = self._api.inspect_image(name)
            except docker.errors.ImageNotFound:
                return None
        return found


def _layers(image: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((image.get("RootFS") or {}).get("Layers") or ())


def _below(
    image: Mapping[str, Any], by_layers: Mapping[tuple[str, ...], Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The stored image with the longest part of this one's layers, from the bottom."""
    layers = _layers(image)
    for count in range(len(layers) - 1, 0, -1):
        if layers[:count] in by_layers:
            return by_layers[layers[:count]]
    return None


def _stored(image: Mapping[str, Any], below: Mapping[str, Any] | None, used: set[str]) -> StoredImage:
    tags = tuple(sorted(image.get("RepoTags") or ()))
    labels: Mapping[str, str] = (image.get("Config") or {}).get("Labels") or {}
    size = int(image["Size"]) - (int(below["Size"]) if below else 0)
    return StoredImage(
        id=image["Id"],
        tags=tags,
        level=next((level for tag in tags if (level := _level(tag)) is not None), None),
        bytes=max(size, 0),
        # An image from a registry is as old as its build, wherever that was; its tag is as young as the pull.
        created=max(_moment(image["Created"]), _moment((image.get("Metadata") or {}).get("LastTagTime"))),
        parent=below["Id"] if below else "",
        in_use=image["Id"] in used,
        effect_key=labels.get(EFFECT_LABEL, ""),
        store=labels.get(STORE_LABEL, ""),
    )


def _moment(text: str | None) -> datetime:
    """A time as the engine writes it; the beginning of time for none, which it writes in more than one way."""
    return datetime.fromisoformat(text).astimezone(UTC) if text and text > "1970" else datetime.fromtimestamp(0, UTC)


def _level(tag: str) -> ImageLevel | None:
    """The level by the tag's name: ``swemill/instance:...``, with a registry before it or without."""
    *_, name = tag.rpartition(":")[0].split("/")
    return ImageLevel(name) if name in list(ImageLevel) else None
