"""A base image as a folder for ``docker build``: the same recipe, for machines without the mill.

It starts from the public image of the same Debian release or Python, and names neither this machine's package index
nor its certificates: an index URL may hold a password.
"""

import re
from collections.abc import Sequence

from swemill.adapters.docker import base_packages, base_recipe
from swemill.adapters.docker.base_catalogue import kinds

_TAIL = r"-(with-)?[0-9a-f]{12}"


def base_context(reference: str, packages: Sequence[str] = ()) -> dict[str, bytes]:
    """The build context of the base image with that tag, its ``Dockerfile`` included, by relative path.

    ``packages`` are the Debian packages beyond those of every base image.

    Raises:
        ValueError: the tag is none that base images get.
    """
    kind = next(
        (kind for kind in kinds() if re.fullmatch(f"swemill/base:{re.escape(kind.name)}{_TAIL}", reference)), None
    )
    if kind is None:
        raise ValueError(f"{reference} is not the tag of a base image")
    files = base_recipe.context(debian_python=bool(kind.suite), ca_bundle=None, index_url=None)
    dockerfile = files["Dockerfile"].decode()
    for argument, value in (("RAW", kind.registry_image), ("SOURCE", "registry")):
        dockerfile = dockerfile.replace(f"ARG {argument}\n", f"ARG {argument}={value}\n")
    if packages:
        steps, more = base_packages.layer(packages, folder="more-packages/")
        dockerfile += steps
        files |= more
    return {**files, "Dockerfile": dockerfile.encode()}
