"""Ways to install a repository at a commit, the likeliest first: inference joined with the Pythons that can be had.

The first candidate is what a careful engineer would have done on the day of the commit: the newest Python that the
repository says it works with and that was settled by then, every dependency as of that day. Where such a Python is not
to be had, the nearest one stands in, and what is bound to an interpreter may be as young as that one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from swemill.environment.as_of import PYTHON_RELEASED, SETTLED, lifted, quarter_of, settled
from swemill.environment.inference import is_tooling
from swemill.environment.repairs import INTERPRETER_BOUND, never_built
from swemill.environment.requirement_lines import requirement_lines
from swemill.values import Candidate, CommitTree, Inference

MOST = 4
"""Candidates of one instance."""
TOOLS = ("pip", "setuptools", "wheel")
"""In every environment, as virtual environments of old had them: much code imports ``pkg_resources`` at run time."""
RUNNER = "pytest"

# What a build script can be given; a repository may call its things otherwise, but then it goes without them.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FOLDER = re.compile(r"\.|[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def candidates(inference: Inference, tree: CommitTree, *, pythons: Sequence[str]) -> tuple[Candidate, ...]:
    """At most ``MOST`` candidates; ``pythons`` are the versions that base images can be had with."""
    ordered = python_order(inference, tree.committed_at, pythons)
    found = [_candidate(inference, tree, python, quarter_of(tree.committed_at)) for python in ordered[:3]]
    young = settled(ordered[0]) if ordered else None
    if young and young > found[0].as_of:
        # Python is younger than the commit: perhaps everything else has to be as well.
        found.insert(1, _candidate(inference, tree, ordered[0], young))
    return tuple(found[:MOST])


def python_order(inference: Inference, committed_at: datetime, pythons: Sequence[str]) -> list[str]:
    """The versions to try, the likeliest first.

    Those that the repository names and its ``requires-python`` admits come first, of these the ones that were settled
    at the commit, the newest of them first; then the others by their distance from what it names.
    """
    admitted = [python for python in pythons if _admits(inference.requires_python, python)] or list(pythons)
    named = [python for python in inference.pythons if python.startswith("3.")]
    wanted = inference.preferred_python

    def rank(python: str) -> tuple[bool, int, int]:
        released = PYTHON_RELEASED.get(python)
        young = released is None or released + SETTLED / 2 > committed_at
        by_age = _minor(python) if young else -_minor(python)  # the newest of settled ones, else the least young
        if python in named or not named:
            return (python != wanted, int(young), by_age)
        return (True, 2 + min(abs(_minor(python) - _minor(other)) for other in named), by_age)

    return sorted(admitted, key=rank)


def like(candidate: Candidate, proven: Candidate, *, of: str) -> Candidate:
    """The candidate with all that a neighbour's environment owes to trying: Python, dates, what its repairs changed.

    The same requirements as of the same date give the same lock, so neighbours share one environment's image.

    Args:
        of: the neighbour's instance id, told in the candidate's rules.
    """
    return replace(
        candidate,
        python=proven.python,
        as_of=proven.as_of,
        lifted=proven.lifted,
        system_packages=tuple(sorted({*candidate.system_packages, *proven.system_packages})),
        constraints=tuple(dict.fromkeys((*candidate.constraints, *proven.constraints))),
        overrides=proven.overrides,
        only_binary=proven.only_binary,
        build_isolation=proven.build_isolation,
        valid_version=proven.valid_version,
        environment={**proven.environment, **candidate.environment},
        rules=(f"like {of}",),
    )


def own_modules(tree: CommitTree) -> list[str]:
    """Names under which the repository's own code may be imported: its top folders and files, and those of ``src``."""
    tops = {path.removeprefix("src/").removeprefix("lib/").partition("/")[0].removesuffix(".py") for path in tree.paths}
    return sorted(name for name in tops if name.isidentifier())


def shed(candidate: Candidate, blamed: str = "") -> Candidate | None:
    """The candidate with less asked for, for when no rule knows better; None when nothing is left to leave out.

    First the requirement that is blamed, then exact pins, then all that is no dependency of the project itself.
    """
    name = canonicalize_name(blamed) if blamed else ""
    without = tuple(line for line in candidate.requirements if not name or _name(line) != name)
    if name and name != RUNNER and without != candidate.requirements:
        return replace(candidate, requirements=without, rules=(*candidate.rules, f"without {name}"))
    if candidate.constraints and "without constraints" not in candidate.rules:
        return replace(candidate, constraints=(), rules=(*candidate.rules, "without constraints"))
    unpinned = tuple(line.partition("==")[0].strip() if _pinned(line) else line for line in candidate.requirements)
    if unpinned != candidate.requirements:
        return replace(candidate, requirements=unpinned, rules=(*candidate.rules, "without pins"))
    if candidate.groups or candidate.extras:
        return replace(candidate, groups=(), extras=(), rules=(*candidate.rules, "without extras"))
    bare = (*TOOLS, RUNNER)
    if candidate.requirements != bare:
        return replace(candidate, requirements=bare, rules=(*candidate.rules, "without test requirements"))
    return None


def _candidate(inference: Inference, tree: CommitTree, python: str, as_of: datetime) -> Candidate:
    younger = lifted(python, as_of, INTERPRETER_BOUND)
    # Also where all is as young as Python: a pin of the commit's day does not go with it.
    unpinned = lifted(python, quarter_of(tree.committed_at), INTERPRETER_BOUND)
    read = requirement_lines(
        tree.files,
        inference.requirement_files,
        constraint_files=inference.constraint_files,
        more=inference.requirements,
    )
    return Candidate(
        python=python,
        as_of=as_of,
        lifted=younger,
        system_packages=inference.system_packages,
        project_dir=inference.project_dir if _FOLDER.fullmatch(inference.project_dir) else ".",
        has_project=inference.has_project,
        extras=tuple(name for name in inference.extras if _PLAIN.fullmatch(name)),
        groups=tuple(name for name in inference.groups if _PLAIN.fullmatch(name)),
        requirements=tuple(dict.fromkeys((*TOOLS, RUNNER, *_asked(read.requirements, unpinned)))),
        constraints=read.constraints,
        only_binary=never_built(own_modules(tree)) if "numpy" in unpinned else (),
        build_requires=inference.build_requires,
        environment=inference.environment,
    )


def _asked(lines: Sequence[str], younger: Mapping[str, datetime]) -> Iterator[str]:
    """What tests can need: no linter, documentation or release tool. A pin of what has to be younger is no help."""
    for line in lines:
        name = Requirement(line).name
        if not is_tooling(name):
            yield name if canonicalize_name(name) in younger and _pinned(line) else line


def _admits(requires: str, python: str) -> bool:
    try:
        specifiers = SpecifierSet(requires)
    except InvalidSpecifier:
        return True
    # A bound such as >=3.9.2 is met by the patch releases that exist: a high one stands for them.
    return specifiers.contains(f"{python}.99") or specifiers.contains(f"{python}.0") or specifiers.contains(python)


def _minor(python: str) -> int:
    return int(python.partition(".")[2] or 0)


def _name(line: str) -> str:
    return canonicalize_name(Requirement(line).name)  # requirement_lines let nothing else through


def _pinned(line: str) -> bool:
    return "==" in line.partition(";")[0] and ";" not in line
