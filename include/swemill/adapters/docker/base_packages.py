"""Debian packages on top of a base image: a thin image, shared by all environments that want the same packages.

The names were read in a repository's files, so they are checked, and what Debian does not have, or what would remove
or weigh too much, is left out. Nothing of the repository runs: packages are Debian's, and are installed as root.
"""

import hashlib
import io
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swemill.adapters.docker.client import engine_errors, says_disk_full
from swemill.adapters.docker.policy import LABEL
from swemill.adapters.docker.tar import tar_of
from swemill.errors import DiskFull, SandboxUnavailable

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

PACKAGES_LABEL = "swemill.base.packages"
"""Those that were installed, sorted, with spaces between."""

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]")
"""Debian Policy, section 5.6.1; a hyphen at the end would ask apt to remove the package."""
_LONGEST = 100
_MOST = 60
"""Packages that one image may have."""
_DOWNLOAD = 1 << 30
"""Bytes that all of them together may weigh."""
_TIMEOUT = 1200
_MARK = "swemill installed:"


def wanted(names: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names`` that can be names of packages, each once, sorted; not more than an image may have."""
    fitting = {name for name in names if len(name) <= _LONGEST and _NAME.fullmatch(name)}
    return tuple(sorted(fitting)[:_MOST])


def reference(base_digest: str, names: Sequence[str], *, kind: str) -> str:
    """Tag of the image with ``names`` on top of the base image of that content id."""
    key = hashlib.sha256("\0".join((base_digest, *sorted(names))).encode()).hexdigest()[:12]
    return f"swemill/base:{kind}-with-{key}"


def layer(names: Sequence[str], *, folder: str = "") -> tuple[str, dict[str, bytes]]:
    """Lines of a Dockerfile that add ``names``, and the files of its context that they need, below ``folder``."""
    files = {"setup.sh": _SETUP.encode(), "names": "\n".join(names).encode() + b"\n"}
    placed = {f"{folder}{name}": data for name, data in files.items()}
    return _LAYER.format(files=" ".join(placed)), placed


def make(api: "APIClient", *, base: str, tag: str, names: Sequence[str]) -> None:
    """Make the image ``tag`` from ``base``, with a label that tells which of ``names`` are in it.

    Raises:
        SandboxUnavailable: the engine or the Debian mirror does not answer. DiskFull: no room left.
    """
    log.info("base image: adding %d packages to %s", len(names), base)
    # The label is known only when apt has spoken, and so is given in a second step, which adds no bytes.
    steps, files = layer(names)
    image, output = _build(api, {"Dockerfile": f"FROM {base}\n{steps}".encode(), **files}, tag, {})
    told = [line.partition(_MARK)[2].split() for line in output.splitlines() if line.startswith(_MARK)]
    if not told or not image:
        raise SandboxUnavailable(f"adding packages to {base} ended without a word of which; run again")
    labels = {LABEL: "1", PACKAGES_LABEL: " ".join(sorted(told[-1]))}
    _build(api, {"Dockerfile": f"FROM {image}\n".encode()}, tag, labels, publish=True)


def _build(
    api: "APIClient", files: dict[str, bytes], tag: str, labels: dict[str, str], *, publish: bool = False
) -> tuple[str, str]:
    """Returns the image's id and the output."""
    image, output = "", ""
    with engine_errors(f"building {tag}"):
        answers: Any = api.build(
            fileobj=io.BytesIO(tar_of(files, modified=0)),
            custom_context=True,
            tag=tag if publish else None,
            labels=labels,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_TIMEOUT,
        )
        for answer in answers:
            image = str((answer.get("aux") or {}).get("ID") or image)
            output = (output + str(answer.get("stream") or answer.get("error") or ""))[-20_000:]
            if "error" in answer:
                kind = DiskFull if says_disk_full(output) else SandboxUnavailable
                raise kind(
                    f"building {tag} failed (is the Debian mirror reachable from containers?): "
                    f"{' '.join(output[-600:].split())}"
                )
    return image, output


_LAYER = """\
USER root
COPY {files} /tmp/setup/
RUN sh /tmp/setup/setup.sh && rm -rf /tmp/setup
USER mill
"""

_SETUP = f"""\
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q -o APT::Update::Error-Mode=any
options='-q --no-install-recommends --no-remove'
kept=
for name in $(cat /tmp/setup/names); do
    # Resolves as an installation would, without one, and tells the sizes of what it would load.
    if apt-get install $options -q --print-uris -- $kept "$name" >/tmp/setup/uris 2>/tmp/setup/trouble; then
        bytes=$(awk '/^\\047/ {{ sum += $3 }} END {{ printf "%d", sum }}' /tmp/setup/uris)
        if [ "$bytes" -le {_DOWNLOAD} ]; then kept="$kept $name"; continue; fi
        echo "too large: $name"
    else
        echo "left out: $name: $(tail -n 1 /tmp/setup/trouble)"
    fi
done
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
[ -z "$kept" ] || apt-get install $options -y -- $kept
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d
find / -xdev -type f -perm /6000 -exec chmod a-s {{}} +
echo "{_MARK} $kept"
"""
