"""Looks through an image for anything of git's beside its repository. One of the texts that ``leak_gate`` sends.

Runs in the image: standard library only, Python 3.6 syntax, and of swemill nothing but the other texts.
"""

import os
from collections.abc import Collection
from pathlib import Path

from swemill.environment.leak_files import Facts, below, blob_id, kind_of, text_of


def search(folder: str, skip: "Collection[str]", known: "Collection[str]", facts: Facts) -> None:
    """Find other repositories, packs, bundles and loose objects below ``folder``, whatever their names.

    Left out are folders in ``skip``, what the base commit itself holds (``known`` object ids: test data of tools that
    are about git), and what only root can have written or can read.
    """

    def refused(error: OSError) -> None:
        # What its owner has closed, he can open again.
        if error.filename and os.lstat(error.filename).st_uid == os.getuid():
            facts.add("unreadable", str(error.filename))

    for place, folders, files in os.walk(folder, onerror=refused):
        here = Path(place)
        if "HEAD" in files and ("objects" in folders or "commondir" in files):
            if not all(_belongs(path, known) for path in below(here)):
                facts.add("repositories", place)
            folders[:] = []
            continue
        if ".git" in files and text_of(here / ".git", 8).startswith("gitdir:"):
            facts.add("repositories", place)
        folders[:] = [name for name in folders if str(here / name) not in skip]
        for name in files:
            try:
                kind = kind_of(here / name)
                if kind and not _belongs(here / name, known):
                    facts.add("files", [kind, str(here / name)])
            except PermissionError as error:
                refused(error)


def _belongs(path: Path, known: "Collection[str]") -> bool:
    """Whether the base commit holds the file's very bytes."""
    return blob_id(path, "sha1") in known or blob_id(path, "sha256") in known
