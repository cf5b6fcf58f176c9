"""A Dockerfile that a model proposed: what of it is allowed, and what it then means.

The strategy ``agent`` lets a model find out how a repository is installed. Its word is a text of this small grammar and
nothing else; it is built by the same builder as every other plan, without the model, and probed from outside:

- comments; one ``FROM swemill/base:python<X.Y>``, which comes first;
- ``ENV NAME=value`` before the first command, with names that do not reach into Python, pytest, pip or the system;
- ``RUN apt-get install NAMES``: packages of the base image, never a command that is run as root;
- ``RUN command``: a shell command of the unprivileged user; ``WORKDIR`` below ``/testbed``.

There is no way in for anything from outside: no COPY, no ADD, no other image, no mounts, no network of its own.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from swemill.environment import proposal_apt
from swemill.environment.proposal_lines import Instruction, Refused, assignments, instructions, unquoted

BASE = "swemill/base:python"
"""What a proposal writes before the version of Python."""
WORK_FOLDER = "/testbed"
MOST_STEPS = 100

_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_FOREIGN_ENV = re.compile(
    r"PATH|HOME|USER|SHELL|ENV|BASH_ENV|IFS|PS4|TMPDIR|VIRTUAL_ENV|HOSTNAME|PWD|GCONV_PATH|LOCPATH|GLIBC_TUNABLES"
    r"|ALL_PROXY|HTTPS?_PROXY|NO_PROXY|COVERAGE_PROCESS_START|COV_CORE_.*|NODE_OPTIONS|NETRC"
    r"|(LD|DYLD|PYTEST|PIP|UV|SWEMILL|SSL|GIT|REQUESTS|CURL|DOCKER|MALLOC|XDG|SETUPTOOLS_USE)_.*"
)
# Of Python's own variables these change no result; PYTHONOPTIMIZE would take every assert away.
_PYTHON_ENV = frozenset(
    ("PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
)
_FOLDER = re.compile(r"/testbed(/[A-Za-z0-9_.+@-]+)*/?")
_OUTSIDE = "COPY and ADD bring files from outside; the checkout is in /testbed already, and commands can write the rest"
_FIXED = "the image's command, shell and signals are fixed"
_REFUSED = {
    "COPY": _OUTSIDE,
    "ADD": _OUTSIDE,
    "ARG": "there are no build arguments; write the value out",
    "VOLUME": "a volume would hide what the build wrote",
    "EXPOSE": "tests run without network",
    "HEALTHCHECK": _FIXED,
    "ONBUILD": "nothing is built on the image",
    "STOPSIGNAL": _FIXED,
    "ENTRYPOINT": _FIXED,
    "CMD": _FIXED,
    "SHELL": _FIXED,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of the unprivileged user."""

    folder: str
    command: str
    """For ``sh -eu -c``."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a proposed Dockerfile means."""

    python: str
    packages: tuple[str, ...] = ()
    """Debian packages, sorted."""
    env: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    text: str = ""
    """The Dockerfile as it was proposed."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a proposed Dockerfile is not built (``Reason.PROPOSAL_REFUSED``)."""

    line: int
    """From 1; 0: it is about the whole."""
    why: str

    def __str__(self) -> str:
        """One sentence."""
        return f"line {self.line}: {self.why}" if self.line else self.why


def parse(text: str, *, pythons: Sequence[str]) -> Proposal | Refusal:
    """What ``text`` proposes, or why it is refused. ``pythons`` are the versions that base images can be had with."""
    reader = _Reader(text, pythons)
    try:
        for instruction in instructions(text):
            reader.read(instruction)
        return reader.proposal()
    except Refused as refused:
        return Refusal(line=refused.line, why=refused.why)


class _Reader:
    """Reads one proposal from top to bottom."""

    def __init__(self, text: str, pythons: Sequence[str]) -> None:
        self._pythons = pythons
        self._found = Proposal(python="", text=text)
        self._folder = WORK_FOLDER
        self._as_root = 0
        self._readers: Mapping[str, Callable[[Instruction], None]] = {
            "FROM": self._from,
            "ENV": self._env,
            "RUN": self._run,
            "WORKDIR": self._workdir,
            "USER": self._user,
        }

    def read(self, instruction: Instruction) -> None:
        if instruction.keyword in _REFUSED:
            raise Refused(instruction.line, f"{instruction.keyword} is not allowed: {_REFUSED[instruction.keyword]}")
        reader = self._readers.get(instruction.keyword)
        if reader is None:
            known = ", ".join(self._readers)
            raise Refused(instruction.line, f"{instruction.keyword[:40]!r} is not allowed; there are {known}")
        if not self._found.python and instruction.keyword != "FROM":
            raise Refused(instruction.line, "FROM comes first")
        reader(instruction)

    def proposal(self) -> Proposal:
        if not self._found.python:
            raise Refused(0, f"it has no FROM; use {self._bases()}")
        if self._as_root:
            raise Refused(self._as_root, "USER root is not followed by USER mill")
        return replace(self._found, packages=tuple(sorted(set(self._found.packages))))

    def _bases(self) -> str:
        return " or ".join(f"{BASE}{python}" for python in self._pythons)

    def _from(self, instruction: Instruction) -> None:
        if self._found.python:
            raise Refused(instruction.line, "there is one stage only: a second FROM is not allowed")
        python = instruction.rest.removeprefix(BASE)
        if not instruction.rest.startswith(BASE) or python not in self._pythons:
            raise Refused(instruction.line, f"FROM {instruction.rest[:60]} is not allowed; use {self._bases()}")
        self._found = replace(self._found, python=python)

    def _env(self, instruction: Instruction) -> None:
        if self._found.steps:
            raise Refused(instruction.line, "ENV holds for the whole build: write it before the first RUN")
        for name, value in assignments(instruction).items():
            foreign = name.startswith("PYTHON") and name not in _PYTHON_ENV
            if not _ENV_NAME.fullmatch(name) or _FOREIGN_ENV.fullmatch(name) or foreign:
                raise Refused(instruction.line, f"ENV {name[:60]} is not allowed: it could change more than the tests")
            if len(value) > 4096 or not value.isprintable():
                raise Refused(instruction.line, f"the value of {name} is too long, or no plain text")
            self._found = replace(self._found, env={**self._found.env, name: value})

    def _run(self, instruction: Instruction) -> None:
        command = instruction.rest
        if command.startswith("--"):
            raise Refused(instruction.line, f"RUN {command.split()[0][:40]} is not allowed: RUN takes no options")
        if "<<" in unquoted(command):
            raise Refused(instruction.line, "RUN with << (a heredoc) is not allowed; write the file with printf")
        command = _exec_form(command)
        if proposal_apt.mentions_root(command):
            names = proposal_apt.packages(command, instruction.line)
            self._found = replace(self._found, packages=(*self._found.packages, *names))
            if len(self._found.packages) > proposal_apt.MOST_PACKAGES:
                raise Refused(instruction.line, f"more than {proposal_apt.MOST_PACKAGES} Debian packages")
        elif self._as_root:
            raise Refused(instruction.line, "as root there is only apt-get install; write USER mill before this RUN")
        elif len(self._found.steps) == MOST_STEPS:
            raise Refused(instruction.line, f"more than {MOST_STEPS} RUN")
        else:
            step = Step(folder=self._folder, command=command)
            self._found = replace(self._found, steps=(*self._found.steps, step))

    def _workdir(self, instruction: Instruction) -> None:
        folder = str(PurePosixPath(self._folder) / instruction.rest)
        if not _FOLDER.fullmatch(folder) or ".." in PurePosixPath(folder).parts:
            raise Refused(instruction.line, f"WORKDIR {instruction.rest[:60]} is not allowed: stay below {WORK_FOLDER}")
        self._folder = folder

    def _user(self, instruction: Instruction) -> None:
        if instruction.rest not in ("root", "mill"):
            raise Refused(instruction.line, f"USER {instruction.rest[:40]} is not allowed; there are root and mill")
        self._as_root = instruction.line if instruction.rest == "root" else 0


def _exec_form(command: str) -> str:
    """The JSON form of RUN as a shell command that does the same."""
    if not command.startswith("["):
        return command
    try:
        words = json.loads(command)
    except ValueError:
        return command  # as Docker does: then it is a shell command that begins with a bracket
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        return command
    return shlex.join(words)
