"""Wrong patches: each applies, reads as Python, differs from the gold patch, and is the same every time."""

import ast
from pathlib import Path

import pytest

from swemill.patches import BadPatch
from swemill.wrong_patches import MOST, WrongKind, wrong_patches
from tests.unit.git_work_tree import commit_files, git, write

BEFORE = {
    "calc.py": "import math\n\n\ndef add(a, b):\n    return a - b\n\n\n"
    + "# a long way\n" * 20
    + "\n\ndef clamp(value, low, high):\n    return value\n",
    "names.py": "NAMES = ['a']\n",
    "docs/index.rst": "Calc\n====\n",
}
AFTER = {
    "calc.py": "import math\n\n\ndef add(a, b):\n    total = a + b\n    return total\n\n\n"
    + "# a long way\n" * 20
    + "\n\ndef clamp(value, low, high):\n    if value < low and low is not None:\n        return low\n"
    + "    log('a == b')  # x == y\n    return value\n",
    "names.py": "NAMES = ['a', 'b']\n",
    "docs/index.rst": "Calc\n====\n\nAdds and clamps.\n",
}


class Tree:
    """A repository that holds the files before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        commit_files(root, BEFORE)

    def diff(self, files: dict[str, str]) -> bytes:
        write(self.root, {name.encode(): text.encode() for name, text in files.items()})
        found = git(self.root, "diff", "--binary")
        git(self.root, "checkout", "-q", ".")
        return found


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def test_every_wrong_patch_applies_reads_as_python_and_differs(tree: Tree) -> None:
    gold = tree.diff(AFTER)
    found = wrong_patches(gold, most=100)
    assert len({one.patch for one in found}) == len(found) > 8
    assert gold not in {one.patch for one in found}
    assert {one.kind for one in found} == set(WrongKind)
    for one in found:
        git(tree.root, "apply", "-", stdin=one.patch)
        for name in ("calc.py", "names.py"):
            ast.parse((tree.root / name).read_text())
        git(tree.root, "checkout", "-q", ".")


def test_quotes_comments_imports_and_documentation_are_left_alone(tree: Tree) -> None:
    said = [one.what for one in wrong_patches(tree.diff(AFTER), most=100)]
    assert not [what for what in said if "index.rst" in what]
    assert not [what for what in said if "a != b" in what or "x != y" in what]


def test_the_kinds_that_people_would_expect(tree: Tree) -> None:
    said = [one.what for one in wrong_patches(tree.diff(AFTER), most=100)]
    assert "names.py" in said
    assert "calc.py, hunk 1 of 2" in said
    assert "calc.py: total = a + b -> total = a - b" in said
    assert "calc.py: if value < low and low is not None: -> if value < low or low is not None:" in said
    assert "calc.py: return total -> return None" in said


def test_a_few_are_of_both_families_and_the_same_every_time(tree: Tree) -> None:
    gold = tree.diff(AFTER)
    found = wrong_patches(gold)
    assert len(found) == MOST
    assert sum(one.kind is WrongKind.MUTATED for one in found) == MOST // 2
    assert wrong_patches(gold) == found


def test_a_change_without_python_of_one_file_has_none(tree: Tree) -> None:
    assert wrong_patches(tree.diff({"docs/index.rst": "Other\n"})) == ()
    assert wrong_patches(b"") == ()


def test_what_is_no_diff_is_refused() -> None:
    with pytest.raises(BadPatch):
        wrong_patches(b"nonsense\n")


def test_carriage_returns_and_bytes_that_are_no_text_stay_as_they_are(tree: Tree) -> None:
    (tree.root / "raw.py").write_bytes(b"x = 1\r\n")
    git(tree.root, "add", "-A")
    (tree.root / "raw.py").write_bytes(b"x = 1\r\ny = x == 2  # \xff\r\n")
    gold = git(tree.root, "diff", "--binary")
    (one,) = (one for one in wrong_patches(gold) if " != " in one.what)
    assert b"+y = x != 2  # \xff\r\n" in one.patch
