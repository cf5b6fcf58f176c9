"""What the drill validates: a made-up archive of small pull requests, and what must come of each of them.

Most turn some tests green. Others must be lost, each for a reason that does not depend on chance: a change that turns
nothing green, one whose tests kill their own process, one that breaks most of what worked. The tests need nothing but
pytest, so that an installation is quick, and one of each suite sleeps a little, so that kills meet running tests.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swemill.reasons import Reason
from tests.unit.git_work_tree import WorkTree

REPOSITORIES = 5
"""At most; fewer instances make fewer repositories."""
_EACH = 4
_OWNER = "mill"
_LOST = {3: Reason.NO_FAIL_TO_PASS, 5: Reason.TESTS_CRASHED, 7: Reason.GOLD_BREAKS_TESTS}
"""Number of an instance modulo ``_PERIOD``: why it must be lost."""
_PERIOD = 10
_BEFORE = "def more(x):\n    return x\n\n\ndef same(x):\n    return x\n"
_SLEEP = 0.5


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What must come of an instance."""

    reason: str | None
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()


def truth_of(number: int) -> Truth:
    """What must come of instance ``number``, from 0: how many tests it has depends on the number."""
    if reason := _LOST.get(number % _PERIOD):
        return Truth(reason=reason.value)
    name = _module(number)
    return Truth(
        reason=None,
        fail_to_pass=tuple(f"test_{name}.py::test_new_{one}" for one in range(_new(number))),
        pass_to_pass=tuple(f"test_{name}.py::test_same_{one}" for one in range(_same(number))),
    )


def make_archive(folder: Path, work: Path, *, instances: int) -> dict[str, Truth]:
    """Write an archive of so many pull requests to ``folder``; what must come of each, by instance id."""
    repositories = max(1, min(REPOSITORIES, instances // _EACH))
    (folder / "pulls").mkdir(parents=True)
    truths: dict[str, Truth] = {}
    for place in range(repositories):
        numbers = range(place, instances, repositories)
        name = f"stone{place}"
        tree = WorkTree(work / name)
        modules = {_module(number): _BEFORE for number in numbers}
        tests = {f"test_{_module(number)}": _tests_before(number) for number in numbers}
        tree.commit("start", **modules, **tests)
        pulls = [_pull(tree, at, number) for at, number in enumerate(numbers, 1)]
        tree.mirror(folder / "repos" / _OWNER / f"{name}.git")
        lines = "".join(json.dumps(pull) + "\n" for pull in pulls)
        (folder / "pulls" / f"{_OWNER}__{name}.jsonl").write_text(lines)
        truths |= {f"{_OWNER}__{name}-{at}": truth_of(number) for at, number in enumerate(numbers, 1)}
    return truths


def _module(number: int) -> str:
    return f"part{number}"


def _new(number: int) -> int:
    return 1 + number % 3


def _same(number: int) -> int:
    return 1 + number % 4


def _tests_before(number: int) -> str:
    name = _module(number)
    same = [f"def test_same_{one}():\n    assert {name}.same({one}) == {one}\n" for one in range(_same(number))]
    return "\n\n".join([f"import os\nimport time\n\nimport {name}\n", *same])


def _change(number: int) -> tuple[str, str]:
    """Code and tests after the pull request."""
    name, reason = _module(number), _LOST.get(number % _PERIOD)
    code = _BEFORE.replace("return x\n", "return x + 1\n", 1)
    if reason is Reason.NO_FAIL_TO_PASS:
        code = f'"""More, and the same."""\n\n{_BEFORE}'
    elif reason is Reason.GOLD_BREAKS_TESTS:
        code = "def more(x):\n    return x + 1\n\n\ndef same(x):\n    return -1\n"
    due = "one" if reason is Reason.NO_FAIL_TO_PASS else "one + 1"
    new = []
    for one in range(_new(number)):
        sleep = f"    time.sleep({_SLEEP})\n" if one == 0 else ""
        after = "    os._exit(3)\n" if reason is Reason.TESTS_CRASHED else ""
        new.append(f"def test_new_{one}():\n    one = {one}\n{sleep}    assert {name}.more(one) == {due}\n{after}")
    return code, "\n\n".join([_tests_before(number), *new])


def _pull(tree: WorkTree, number: int, instance: int) -> dict[str, Any]:
    """A pull request with one commit, merged with a merge commit; in GitHub's GraphQL field names."""
    code, tests = _change(instance)
    name = _module(instance)
    title = f"{name} must give one more"
    base = tree.git("rev-parse", "HEAD")
    tree.git("switch", "-q", "-c", f"topic-{number}")
    head = tree.commit(title, **{name: code, f"test_{name}": tests})
    tree.git("switch", "-q", "main")
    tree.git("merge", "-q", "--no-ff", "-m", f"Merge pull request #{number}", f"topic-{number}")
    issue = {
        "number": 1000 + number,
        "title": title,
        "body": f"`{name}.more({instance})` gives {instance}, and should give {instance + 1}.",
        "createdAt": "2024-01-01T00:00:00Z",
        "comments": {"nodes": []},
    }
    return {
        "number": number,
        "title": title,
        "body": f"Fixes #{1000 + number}",
        "mergedAt": f"2024-02-{1 + number // 24:02d}T{number % 24:02d}:00:00Z",
        "baseRefName": "main",
        "baseRefOid": base,
        "headRefOid": head,
        "mergeCommit": {"oid": tree.git("rev-parse", "HEAD")},
        "closingIssuesReferences": {"nodes": [issue]},
    }
