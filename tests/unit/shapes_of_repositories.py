"""A small git repository with a bug, its fix and its test, for the tests of validation and judging."""

from dataclasses import replace
from pathlib import Path

from swemill.values import InstanceSpec, Limits, SandboxSpec
from tests.instances import INSTANCE
from tests.unit.git_work_tree import git, head

BASE = {
    "calc.py": "def add(a, b):\n    return a - b\n\n\ndef one():\n    return 1\n",
    "tests/test_calc.py": "from calc import one\n\n\ndef test_one():\n    assert one() == 1\n",
    "tests/conftest.py": "",
    "setup.cfg": "[tool:pytest]\n",
    ".gitignore": "*.pyc\nignored/\n",
}
FIXED = "def add(a, b):\n    return a + b\n\n\ndef one():\n    return 1\n"
NEW_TESTS = """from calc import add, one


def test_one():
    assert one() == 1


def test_add():
    assert add(1, 2) == 3
"""
FAIL_TO_PASS = ("tests/test_calc.py::test_add",)
PASS_TO_PASS = ("tests/test_calc.py::test_one",)


class Repository:
    """A checkout at its base commit, ready to be an image."""

    def __init__(self, root: Path, files: dict[str, str] | None = None) -> None:
        self.root = root
        root.mkdir(parents=True)
        self._put(BASE if files is None else files)
        self._git("init", "-q", "-b", "main")
        self._git("add", "-A", "-f")
        self._git("commit", "-q", "-m", "base")
        self.commit = head(root)

    def diff(self, changes: dict[str, str | None]) -> bytes:
        """The git diff of some changes (None deletes), which are undone again."""
        self._put({name: text for name, text in changes.items() if text is not None})
        for name, text in changes.items():
            if text is None:
                (self.root / name).unlink()
        self._git("add", "-A", "-f")
        diff = self._git("diff", "--cached", "--binary", "HEAD")
        self._git("reset", "-q", "--hard")
        return diff

    def instance(
        self, *, fix: dict[str, str | None] | None = None, tests: dict[str, str | None] | None = None
    ) -> InstanceSpec:
        """The repository's bug as an instance."""
        return replace(
            INSTANCE,
            base_commit=self.commit,
            patch=self.diff({"calc.py": FIXED} if fix is None else fix),
            test_patch=self.diff({"tests/test_calc.py": NEW_TESTS} if tests is None else tests),
            problem_statement="add subtracts",
        )

    def _put(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            place = self.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def _git(self, *arguments: str) -> bytes:
        return git(self.root, *arguments)


def spec() -> SandboxSpec:
    """A sandbox specification whose image the stage sets."""
    return SandboxSpec(name="t", image="", limits=Limits(), effect_key="k", stage="validate", subject="s")
