"""Whether an image that foreign commands have built pretends its success. Looked at from outside, in two sandboxes.

In the first nothing of the image is run: its PATH leads past the environment, and the inspectors are scripts of ours on
the system's own Python, which the commands of a build could not write to. In the second a failing and a passing test of
ours must come out as such, by the same runner that all tests are run with.
"""

import hashlib
import io
import json
import secrets
import tarfile
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from swemill.environment.proposal_reference import Hand
from swemill.ports import RunningSandbox, SandboxEngine
from swemill.testreports.runner import run_tests
from swemill.values import InstanceSpec, SandboxSpec, TestOutcome

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are that a build cannot have changed."""

_SECONDS = 600.0
_CANARY_SECONDS = 120.0
_OUTPUT = 16 << 20
_MODULE = "swemill.environment"
# -I -S: no variable, no user's folder and no site-packages have a say.
_INSPECT = """\
for python in /usr/bin/python3 /usr/local/bin/python3; do
    [ ! -x "$python" ] || exec "$python" -I -S "$@"
done
exit 127
"""
_REFERENCE = """\
for python in /usr/bin/python3 /usr/local/bin/python3; do
    [ ! -x "$python" ] || exec uv venv -q --offline --no-config --no-cache --python "$python" "$1"
done
exit 127
"""
_CANARY = """\
def test_right_{mark}():
    assert sorted([2, 1]) == [1, 2]


def test_wrong_{mark}():
    assert sorted([2, 1]) == [2, 1]


def test_raising_{mark}():
    raise ValueError("on purpose")
"""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What the inspectors found."""

    suspicions: tuple[str, ...]
    """One sentence each; empty: nothing that is known to be wrong."""
    hands: tuple[Hand, ...] = ()
    """Distributions that must still be compared with the package index."""


def suspicions(engine: SandboxEngine, spec: SandboxSpec, instance: InstanceSpec, snapshot: bytes) -> Inspection:
    """Look at the image of ``spec``, without running anything of it first.

    Raises:
        SandboxUnavailable: the engine is gone.
    """
    with engine.start(replace(spec, env={**spec.env, "PATH": SYSTEM_PATH})) as sandbox:
        return inspect(sandbox, instance, snapshot)


def misreported(engine: SandboxEngine, spec: SandboxSpec) -> list[str]:
    """What is wrong with how tests of ours come out in the image of ``spec``; empty: nothing.

    Raises:
        SandboxUnavailable: the engine is gone.
    """
    with engine.start(spec) as sandbox:
        return canary(sandbox)


def inspect(
    sandbox: RunningSandbox,
    instance: InstanceSpec,
    snapshot: bytes,
    *,
    testbed: str = "/opt/testbed",
    venv: str = "/opt/venv",
) -> Inspection:
    """The two inspectors in a sandbox in which nothing foreign has run."""
    folder = f"/tmp/inspection-{secrets.token_hex(8)}"
    order = {
        "testbed": testbed,
        "commit": instance.base_commit,
        "submodules": _submodules(snapshot),
        "venv": venv,
        "work_folder": "/testbed",
        "reference": f"{folder}/reference",
    }
    sandbox.write({f"{folder}/order.json": json.dumps(order).encode()})
    made = sandbox.run(["/bin/sh", "-c", _REFERENCE, "sh", f"{folder}/reference"], timeout=_SECONDS)
    if made.exit_code != 0:
        return Inspection(suspicions=(f"no environment can be made to compare with: {made.output[-300:]!r}",))
    checkout = _inspect(sandbox, "proposal_checkout_inspector.py", folder)
    environment = _inspect(sandbox, "proposal_venv_inspector.py", folder)
    hands = tuple(
        Hand(name=str(hand["name"]), version=str(hand["version"]), files=dict(hand["files"]))
        for hand in environment.get("hands", ())
    )
    return Inspection(suspicions=(*checkout["suspicions"], *environment["suspicions"]), hands=hands)


def canary(sandbox: RunningSandbox) -> list[str]:
    """What is wrong with how three tests of ours come out: one passes, two fail."""
    mark = secrets.token_hex(4)
    place = f"/tmp/{secrets.token_hex(8)}/test_{mark}.py"
    sandbox.write({place: _CANARY.format(mark=mark).encode()})
    report = run_tests(sandbox, test_files=(place,), timeout=_CANARY_SECONDS)
    outcomes = {test.rpartition("::")[2]: outcome for test, outcome in report.outcomes.items()}
    wanted = {
        f"test_right_{mark}": TestOutcome.PASSED,
        f"test_wrong_{mark}": TestOutcome.FAILED,
        f"test_raising_{mark}": TestOutcome.FAILED,
    }
    if outcomes == wanted:
        return []
    told = ", ".join(f"{name.removesuffix(f'_{mark}')} {outcomes.get(name, 'without a result')}" for name in wanted)
    return [f"tests of ours do not come out as they should: {told}: {report.log_tail[-600:].strip()}"]


def _inspect(sandbox: RunningSandbox, script: str, folder: str) -> dict[str, Any]:
    """What an inspector says; that it cannot say anything is suspicious in itself."""
    source = resources.files(_MODULE).joinpath(script).read_bytes()
    command = ["/bin/sh", "-c", _INSPECT, "sh", "-", f"{folder}/order.json"]
    done = sandbox.run(command, timeout=_SECONDS, stdin=source, output_limit=_OUTPUT, cwd="/tmp")
    try:
        answer = json.loads(done.output.splitlines()[-1]) if done.exit_code == 0 and not done.truncated else None
    except (ValueError, IndexError):
        answer = None
    if not isinstance(answer, dict):
        words = done.output[-300:].decode(errors="replace").strip()
        return {"suspicions": [f"the image cannot be looked at ({script}, exit code {done.exit_code}): {words}"]}
    return answer


def _submodules(snapshot: bytes) -> dict[str, str]:
    """sha256 of the files that the snapshot holds for submodules, by path in the checkout."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(snapshot)) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isreg() and name.startswith("submodules/"):
                reader = archive.extractfile(member)
                assert reader is not None  # of a regular file there is one
                found[name.removeprefix("submodules/")] = hashlib.sha256(reader.read()).hexdigest()
    return found
