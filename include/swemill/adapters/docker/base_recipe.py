"""What goes into a base image: the files of its build context, whose hash is in its tag.

What builds need to reach the outside (a proxy's CA bundle, a package index) lies in ``/etc/swemill/build.env``, which
only builds read: an environment variable of the image would also change what tests see. A variable that is set already
wins over that file, because a build's own index is nearer than the one that the base image was made with.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from swemill.errors import ConfigurationError

UV_VERSION = "0.13.9"
# fmt: off
PACKAGES = (
    "ca-certificates", "file", "g++", "gcc", "git", "libbz2-dev", "libc6-dev", "libffi-dev", "liblzma-dev",
    "libreadline-dev", "libsqlite3-dev", "libssl-dev", "libxml2-dev", "libxslt1-dev", "libyaml-dev", "locales",
    "make", "patch", "pkg-config", "procps", "python3", "python3-dev", "python3-pip", "python3-venv", "tzdata",
    "xz-utils", "zlib1g-dev",
)
# fmt: on

_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@&=+,;%\[\]-]+")


def context(*, debian_python: bool, ca_bundle: Path | None, index_url: str | None) -> dict[str, bytes]:
    """The build context that finishes a bare system.

    Args:
        debian_python: Python is Debian's; otherwise the bare system brings its own in ``/usr/local``.
        ca_bundle: certificates for making the image and for builds.
        index_url: package index for the same.

    Raises:
        ConfigurationError: the bundle cannot be read, or the URL has characters that a shell would take for its own.
    """
    packages = [name for name in PACKAGES if debian_python or not name.startswith("python3")]
    certificates = b""
    variables: dict[str, str] = {}
    if ca_bundle:
        try:
            certificates = ca_bundle.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"the CA bundle {ca_bundle} cannot be read: {error}") from error
        names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
        variables |= dict.fromkeys(names, "/etc/swemill/ca.crt")
    if index_url:
        if not _URL.fullmatch(index_url):
            raise ConfigurationError("the package index URL has characters that do not belong into a URL")
        variables |= {"PIP_INDEX_URL": index_url, "UV_DEFAULT_INDEX": index_url}
        parts = urlsplit(index_url)
        if parts.scheme == "http":  # pip asks no such host unless it is told to
            variables["PIP_TRUSTED_HOST"] = parts.netloc.rpartition("@")[2]
    exports = [f': "${{{name}:={value}}}"; export {name}\n' for name, value in variables.items()]
    return {
        "Dockerfile": _DOCKERFILE.encode(),
        "build.env": "".join(exports).encode(),
        "ca.crt": certificates,
        "packages": "\n".join(packages).encode() + b"\n",
        "setup.sh": _SETUP.encode(),
    }


def digest(files: Mapping[str, bytes]) -> str:
    """Twelve hex digits that stand for a build context."""
    recipe = hashlib.sha256(b"\0".join(name.encode() + b"\0" + data for name, data in sorted(files.items())))
    return recipe.hexdigest()[:12]


_DOCKERFILE = """\
ARG RAW
FROM ${RAW}
ARG SOURCE
COPY ca.crt build.env /etc/swemill/
COPY setup.sh packages /tmp/setup/
RUN sh /tmp/setup/setup.sh "$SOURCE" && rm -rf /tmp/setup
ENV LANG=C.UTF-8 PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin VIRTUAL_ENV=/opt/venv
WORKDIR /testbed
USER mill
CMD ["/bin/bash"]
"""

_SETUP = f"""\
set -eu
source=$1
if [ "$source" = registry ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(cat /tmp/setup/packages)
    apt-get clean
    rm -rf /var/lib/apt/lists/*
fi
. /etc/swemill/build.env
# The distribution's pip refuses to touch its own Python from Debian 12 on; older ones do not know the option. uv is a
# program of its own: that an old Python is not among those it is published for does not matter.
PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir --disable-pip-version-check -q \\
    --ignore-requires-python uv=={UV_VERSION}
uv --version
groupadd -g 1000 mill
useradd -u 1000 -g 1000 -m -d /home/mill -s /bin/bash mill
install -d -o mill -g mill /testbed /opt/testbed /opt/venv /opt/build
install -o mill -g mill -m 644 /dev/null /opt/lock.txt
# Nothing below needs set-user-id programs, and no foreign code should find one.
find / -xdev -type f -perm /6000 -exec chmod a-s {{}} +
"""
