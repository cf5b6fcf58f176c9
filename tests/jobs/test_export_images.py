"""Exporting the images of an instance: what is written where, and when nothing is."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from swemill.errors import UnknownSubject, UserError
from swemill.jobs import harvest, install
from swemill.jobs.export_images import export_images
from swemill.models import Environment
from swemill.values import BaseImage
from tests.jobs.local_mill import ID, LocalMill, archive, local_mill

pytestmark = pytest.mark.postgres


@pytest.fixture
def mill(tmp_path: Path, database: str, monkeypatch) -> LocalMill:
    archive(tmp_path)
    mill = local_mill(tmp_path, database, SWEMILL_ARCHIVE_DIR=str(tmp_path / "archive"))
    base: BaseImage = replace(mill.builder.base(), reference="swemill/base:bookworm-0123456789ab")
    monkeypatch.setattr(mill.builder, "base", lambda python="", packages=(): base)
    harvest.harvest(mill, "archive")
    return mill


def test_an_installed_instance_is_written_with_its_snapshot(mill: LocalMill, tmp_path: Path) -> None:
    install.install(mill, ID, strategies=["dated"])
    folder = tmp_path / "exported"
    images = export_images(mill, ID, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "base", "instance"]
    assert images[-1].tag in mill.builder.images, "the tag that the mill gave it"
    with tarfile.open(folder / "instance" / "snapshot.tar") as snapshot:
        assert "repo.git/HEAD" in snapshot.getnames()
    for image in images:
        context = folder / image.level.value
        assert {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()} == set(image.files)
        assert image.command in (folder / "README.md").read_text()


def test_an_empty_folder_will_do_and_no_other(mill: LocalMill, tmp_path: Path) -> None:
    install.install(mill, ID, strategies=["dated"])
    folder = tmp_path / "exported"
    folder.mkdir()
    export_images(mill, ID, folder)
    before = (folder / "README.md").stat().st_mtime_ns
    with pytest.raises(UserError, match="not empty"):
        export_images(mill, ID, folder)
    assert (folder / "README.md").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="is a file"):
        export_images(mill, ID, folder / "README.md")
    with pytest.raises(UserError, match="does not exist"):
        export_images(mill, ID, tmp_path / "none" / "exported")


def test_what_is_not_installed_is_not_written(mill: LocalMill, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    with pytest.raises(UnknownSubject, match=f"swemill install {ID}"):
        export_images(mill, ID, folder)
    with pytest.raises(UnknownSubject, match="was harvested"):
        export_images(mill, "o__n-2", folder)
    install.install(mill, ID, strategies=["dated"])
    with mill.store.session() as session:
        session.execute(update(Environment).values(plans_blob=None))
        session.commit()
    with pytest.raises(UserError, match="is not known"):
        export_images(mill, ID, folder)
    assert not folder.exists()
