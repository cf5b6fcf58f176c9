"""Whether the distributions that decide how tests come out are those of the package index.

In an environment that foreign commands have filled, pytest may be anybody's: files and RECORD can be changed together.
So the same versions are installed a second time, in a build without any foreign command, and the hashes are compared.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swemill.environment.scripts import PRELUDE
from swemill.values import BaseImage, BuildPlan

LISTING = "/opt/lock.txt"
"""What the build leaves: a line of RECORD each, with the distribution's name and a blank before it."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"[0-9A-Za-z.!]+")


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A distribution that has a hand in how tests come out, as it is installed."""

    name: str
    """Canonical."""
    version: str
    files: Mapping[str, str]
    """RECORD's sha256 by path below site-packages, reckoned from the files themselves."""


def reference_plan(hands: Sequence[Hand], *, base: BaseImage, effect_key: str, subject: str, timeout: int) -> BuildPlan:
    """A build without an image that installs ``hands`` from the index and lists what they consist of."""
    lines = [f"{hand.name} {hand.version}\n" for hand in hands if not misnamed(hand)]
    files = {
        "reference.sh": _SCRIPT.encode(),
        "options.sh": f"PYTHON='{base.python}'\n".encode(),
        "hands.txt": "".join(lines).encode(),
        "uv.toml": b"",
    }
    return BuildPlan(
        base=base.reference,
        files=files,
        script="reference.sh",
        tag="",
        timeout=timeout,
        outputs=(LISTING,),
        effect_key=effect_key,
        subject=subject,
    )


def misnamed(hand: Hand) -> bool:
    """True when the index cannot have a distribution of this name and version (a local version, no name at all)."""
    return not (_NAME.fullmatch(hand.name) and _VERSION.fullmatch(hand.version))


def differences(hands: Sequence[Hand], listing: str) -> list[str]:
    """A sentence for each distribution that is not, file by file, what the index has under its name and version."""
    known: dict[str, dict[str, str]] = {}
    for line in listing.splitlines():
        name, _, record = line.partition(" ")
        row = next(csv.reader([record]), [])
        if len(row) > 1:
            known.setdefault(name, {})[row[0]] = row[1].removeprefix("sha256=")
    return [sentence for hand in hands if (sentence := _difference(hand, known.get(hand.name)))]


def _difference(hand: Hand, wanted: Mapping[str, str] | None) -> str:
    if wanted is None:
        return f"{hand.name} {hand.version[:40]} is not on the package index"
    changed = sorted(path for path, digest in hand.files.items() if wanted.get(path) != digest)
    return f"{changed[0]} is not as {hand.name} {hand.version} has it on the package index" if changed else ""


_SCRIPT = f"""\
{PRELUDE}
: >{LISTING}
while read -r name version; do
    attempt uv pip install -q --no-deps --python "$PYTHON" --target "/tmp/reference/$name" "$name==$version" || continue
    sed "s|^|$name |" "/tmp/reference/$name"/*.dist-info/RECORD >>{LISTING}
done </opt/build/hands.txt
"""
