"""Write the images of an installed instance as folders that anyone can build."""

import errno
from collections.abc import Mapping
from pathlib import Path

from swemill.adapters.docker.base_export import base_context
from swemill.environment.exported_images import ExportedImage, base_tag, exported_images, readme
from swemill.environment.plans_json import plans_from_json
from swemill.errors import DiskFull, UserError
from swemill.jobs.load import environment_of, repository_record
from swemill.wiring import Mill


def export_images(mill: Mill, instance_id: str, folder: Path) -> tuple[ExportedImage, ...]:
    """Write ``base/``, ``environment/`` (where the strategy has that level), ``instance/`` and ``README.md``.

    Each folder is a build context with its ``Dockerfile``. Returns the images in the order in which they are built.

    Raises:
        UnknownSubject: not harvested, or not installed.
        UserError: ``folder`` is not empty or cannot be written, or the environment was made before plans were kept.
        ForgeUnavailable, RateLimited: the repository cannot be had now. DiskFull: no room left.
    """
    _check(folder)
    with mill.store.session() as session:
        loaded, environment, _ = environment_of(session, instance_id)
    if environment.plans_blob is None:
        raise UserError(
            f"how the image of {instance_id} was made is not known, only that it was; run `swemill install "
            f"{instance_id}` again"
        )
    plans = plans_from_json(mill.blobs.get(environment.plans_blob))
    repository = repository_record(loaded)
    snapshot = mill.forge_of(repository).snapshot(repository, loaded.instance.base_commit)
    try:
        images = exported_images(plans, snapshot, base_context(base_tag(plans), plans.packages))
    except ValueError as error:
        raise UserError(f"the images of {instance_id} cannot be told as Dockerfiles: {error}") from error
    files = {f"{image.level.value}/{name}": data for image in images for name, data in image.files.items()}
    _write(folder, {**files, "README.md": readme(instance_id, plans, images).encode()})
    return images


def _check(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise UserError(f"the folder {folder.parent} does not exist")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder")
    try:
        full = folder.is_dir() and any(folder.iterdir())
    except OSError as cause:
        raise UserError(f"{folder} cannot be read: {cause.strerror}; choose another folder") from cause
    if full:
        raise UserError(f"{folder} is not empty; name a new folder, or empty this one")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as cause:
        if cause.errno == errno.ENOSPC:
            raise DiskFull(f"no room left to write {folder}: free some disk space, empty it and run again") from cause
        raise UserError(f"{folder} cannot be written: {cause.strerror}; choose another folder") from cause
