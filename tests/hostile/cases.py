"""What a case of the hostile corpus is: who attacks, with which files, and what must come out.

All cases attack one small repository (``shapes_of_repositories``) whose function ``add`` is wrong. A hostile candidate
leaves it wrong, so a verdict of ``resolved`` is always a successful cheat. Code that probes for a way out computes the
right sum only when it found one: then, too, ``resolved`` tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from swemill.reasons import Reason
from tests.unit.shapes_of_repositories import BASE, NEW_TESTS


class Attacker(StrEnum):
    """Whose patch is hostile."""

    CANDIDATE = "candidate"
    """A patch that is judged."""
    GOLD = "gold"
    """A repository, by the change that its pull request makes to the code."""
    TESTS = "tests"
    """A repository, by the change that its pull request makes to the tests; its gold patch is the right one."""
    REPOSITORY = "repository"
    """A repository, by its tests; its gold patch changes nothing, so it must not validate."""


@dataclass(frozen=True)
class Link:
    """A symbolic link in a patch."""

    target: str


Files = Mapping[str, str | bytes | Link | None]
"""What a patch changes, by path (undecodable bytes as surrogates); None deletes."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One attack and its end."""

    name: str
    attacker: Attacker
    files: Files = field(default_factory=dict)
    patch: bytes = b""
    """The hostile patch itself, where git would not make it; else it is the diff of ``files``."""
    ends: tuple[Reason | None, ...]
    """Reasons that may come out. None: the repository validates, and no harm is done."""
    says: str = ""
    """Words that the detail or the log must hold."""
    timeout: float = 60
    nasty: bool = False
    """An honest instance must be judged right after it."""
    open: str = ""
    """Why the attack succeeds today; empty when it does not."""


def cheat(name: str, attack: str, *ends: Reason, says: str = "", open: str = "", **files: str) -> Case:
    """A candidate that leaves ``add`` wrong and runs ``attack`` when it is imported."""
    return Case(
        name=name,
        attacker=Attacker.CANDIDATE,
        files={"calc.py": f"{BASE['calc.py']}\n\n{attack.strip()}\n", **files},
        ends=ends or (Reason.FAIL_TO_PASS_FAILED,),
        says=says,
        open=open,
    )


def probe(name: str, ways_out: str, *, setup: str = "", nasty: bool = False) -> Case:
    """A candidate that adds rightly once one of ``ways_out`` (lines, each a zero-argument callable) is open."""
    lines = "".join(f"    {line.strip()},\n" for line in ways_out.strip().splitlines())
    code = f"""\
import ctypes, glob, os, shutil, socket, stat, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
{setup.strip()}
WAYS = [
{lines}]


def add(a, b):
    for number, way in enumerate(WAYS):
        try:
            found = way()
        except Exception as closed:
            print(number, "closed", repr(closed))
            continue
        if found:
            print(number, "OPEN", repr(found))
            return a + b
    return a - b


def one():
    return 1
"""
    return Case(
        name=name,
        attacker=Attacker.CANDIDATE,
        files={"calc.py": code},
        ends=(Reason.FAIL_TO_PASS_FAILED,),
        nasty=nasty,
    )


def hostile_add(body: str) -> dict[str, str]:
    """``calc.py`` whose ``add`` does ``body`` (lines without indentation) and then what it always did."""
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return {"calc.py": f"def add(a, b):\n{indented}    return a - b\n\n\ndef one():\n    return 1\n"}


def hostile_test(body: str) -> dict[str, str]:
    """The tests of the pull request, and one more that does ``body`` (lines without indentation)."""
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return {"tests/test_calc.py": f"{NEW_TESTS}\n\ndef test_hostile():\n{indented}"}
