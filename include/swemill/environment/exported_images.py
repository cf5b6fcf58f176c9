"""The images of an instance as folders for ``docker build``, so that they can be made where there is no mill."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from swemill.environment.dockerfile import dockerfile
from swemill.environment.image_plans import SNAPSHOT
from swemill.values import ImageLevel, ImagePlans

DOCKERFILE = "Dockerfile"


@dataclass(frozen=True, kw_only=True)
class ExportedImage:
    """One image as a folder."""

    level: ImageLevel
    """Names the folder."""
    tag: str
    files: Mapping[str, bytes]
    """By relative path."""

    @property
    def command(self) -> str:
        """Makes the image; to be run in the folder above."""
        return f"docker build -t {self.tag} {self.level.value}"


def exported_images(plans: ImagePlans, snapshot: bytes, base: Mapping[str, bytes]) -> tuple[ExportedImage, ...]:
    """The images in the order in which they are built.

    Args:
        snapshot: the repository at the base commit, which stored plans lack.
        base: build context of the base image.

    Raises:
        ValueError: a plan cannot be told as a Dockerfile.
    """
    instance = replace(plans.instance, files={**plans.instance.files, SNAPSHOT: snapshot})
    upper = {ImageLevel.INSTANCE: instance}
    if plans.environment is not None:
        upper = {ImageLevel.ENVIRONMENT: plans.environment, **upper}
    images = [ExportedImage(level=ImageLevel.BASE, tag=base_tag(plans), files=base)]
    for level, plan in upper.items():
        if wrong := [name for name in plan.files if name == DOCKERFILE or "/" in name or name in ("", ".", "..")]:
            raise ValueError(f"files of a build cannot be called {wrong!r}")
        files = {DOCKERFILE: dockerfile(plan).encode(), **plan.files}
        images.append(ExportedImage(level=level, tag=plan.tag, files=files))
    return tuple(images)


def base_tag(plans: ImagePlans) -> str:
    """Tag of the base image below all others."""
    return (plans.environment or plans.instance).base


def readme(instance_id: str, plans: ImagePlans, images: tuple[ExportedImage, ...]) -> str:
    """What the folder is, and how the images are made from it."""
    commands = "".join(f"{image.command}\n" for image in images)
    pinned = (
        "`environment/lock.txt` pins every distribution of the environment."
        if plans.environment is not None
        else "Versions are resolved during the build, as `instance/install.sh` and `instance/uv.toml` say."
    )
    return f"""\
# Images of {instance_id}

One folder an image, each on the one before: the system with Python {plans.python}, the distributions that the project
needs where they have an image of their own, the project at its base commit. In this folder:

```bash
{commands}```

Tests run in a copy of the checkout:

```bash
docker run --rm {plans.instance.tag} sh -c 'cp -a /opt/testbed/. /testbed/ && python -m pytest'
```

- The builds need a registry, a Debian mirror and the package index. {pinned} Debian's packages are those of the day.
- An engine on which SWE-Mill installed the instance has the base image already: the first command would replace it.
- Another system to start from: `--build-arg RAW=IMAGE` with the first command.
- Behind a proxy with certificates of its own, or with another package index: put the certificates into `base/ca.crt`,
  and lines for the shell into `base/build.env`, which every build reads, such as
  `export SSL_CERT_FILE=/etc/swemill/ca.crt PIP_CERT=/etc/swemill/ca.crt` and `export UV_DEFAULT_INDEX=URL`.
- `instance/snapshot.tar` holds the repository at the base commit, under its own licence.
- The scripts run what the repository brings. SWE-Mill runs them confined; `docker build` does not.
"""
