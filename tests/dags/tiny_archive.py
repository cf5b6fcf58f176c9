"""A tiny source in the layout of ``archive``: real git, two repositories, three pull requests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.git_work_tree import WorkTree

_BROKEN = "def mean(numbers):\n    return sum(numbers) / (len(numbers) + 1)\n"
_FIXED = "def mean(numbers):\n    return sum(numbers) / len(numbers)\n"
_TEST_BEFORE = "from {module} import mean\n\n\ndef test_of_zeros():\n    assert mean([0, 0]) == 0\n"
_TEST_AFTER = _TEST_BEFORE + "\n\ndef test_of_equals():\n    assert mean([2, 2]) == 2\n"
_SETUP = "from setuptools import setup\n\nsetup(name='tiny', version='1.0', packages=['tiny'])\n"


@dataclass(frozen=True, kw_only=True)
class TinyArchive:
    """What the archive holds."""

    root: Path
    good: tuple[str, ...] = ("acme__plain-1", "acme__tiny-1")
    """Instances that validate; ``plain`` has nothing to install, ``tiny`` is a package."""
    without_tests: str = "acme__tiny-2"
    """A pull request that touches no test."""
    fail_to_pass: str = "test_mean.py::test_of_equals"
    pass_to_pass: str = "test_mean.py::test_of_zeros"

    @classmethod
    def make(cls, folder: Path) -> "TinyArchive":
        """Write the archive below ``folder``."""
        root = folder / "archive"
        (root / "pulls").mkdir(parents=True)
        _plain(folder / "plain", root)
        _tiny(folder / "tiny", root)
        return cls(root=root)


def _plain(work: Path, root: Path) -> None:
    tree = WorkTree(work)
    tree.commit("start", stats=_BROKEN, test_mean=_TEST_BEFORE.format(module="stats"))
    pull = _merge(tree, 1, "The mean is too small", stats=_FIXED, test_mean=_TEST_AFTER.format(module="stats"))
    _save(tree, root, "plain", [pull])


def _tiny(work: Path, root: Path) -> None:
    tree = WorkTree(work)
    test = {"test_mean": _TEST_BEFORE.format(module="tiny.core")}
    tree.commit("start", setup=_SETUP, tiny__core=_BROKEN, **test)
    changed = {"tiny__core": _FIXED, "test_mean": _TEST_AFTER.format(module="tiny.core")}
    fix = _merge(tree, 1, "The mean of a list is too small", **changed)
    words = _merge(tree, 2, "Say what it does", tiny__core=f'"""Means."""\n\n{_FIXED}')
    _save(tree, root, "tiny", [fix, words])


def _merge(tree: WorkTree, number: int, title: str, **files: str) -> dict[str, Any]:
    """A pull request with one commit, merged with a merge commit; in GitHub's GraphQL field names."""
    base = tree.git("rev-parse", "HEAD")
    tree.git("switch", "-q", "-c", f"topic-{number}")
    head = tree.commit(title, **files)
    tree.git("switch", "-q", "main")
    tree.git("merge", "-q", "--no-ff", "-m", f"Merge pull request #{number}", f"topic-{number}")
    issue = {
        "number": 100 + number,
        "title": title,
        "body": "The mean of [2, 2] must be 2, and is less.",
        "createdAt": "2024-01-01T00:00:00Z",
        "comments": {"nodes": []},
    }
    return {
        "number": number,
        "title": title,
        "body": f"Fixes #{100 + number}",
        "mergedAt": f"2024-02-{number:02d}T00:00:00Z",
        "baseRefName": "main",
        "baseRefOid": base,
        "headRefOid": head,
        "mergeCommit": {"oid": tree.git("rev-parse", "HEAD")},
        "closingIssuesReferences": {"nodes": [issue]},
    }


def _save(tree: WorkTree, root: Path, name: str, pulls: list[dict[str, Any]]) -> None:
    tree.mirror(root / "repos" / "acme" / f"{name}.git")
    text = "".join(json.dumps(pull) + "\n" for pull in pulls)
    (root / "pulls" / f"acme__{name}.jsonl").write_text(text)
