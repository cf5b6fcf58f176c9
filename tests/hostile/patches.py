"""Patches that would leave the work tree, reach into git's folder, or are no text that anybody can read."""

from swemill.reasons import Reason
from tests.hostile.cases import Attacker, Case, Link
from tests.unit.shapes_of_repositories import BASE, NEW_TESTS


def new_file(path: str, text: str, mode: str = "100644", *, header: str = "") -> bytes:
    """A section that makes a file, written by hand: git itself would not print it."""
    lines = text.splitlines()
    body = "".join(f"+{line}\n" for line in lines)
    return (
        f"diff --git {header or f'a/{path} b/{path}'}\nnew file mode {mode}\nindex 0000000..1111111\n"
        f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n{body}"
    ).encode()


def link(path: str, target: str) -> bytes:
    """A section that makes a symbolic link."""
    return new_file(path, target, "120000") + b"\\ No newline at end of file\n"


def _refused(name: str, patch: bytes, says: str = "") -> Case:
    ends = (Reason.PATCH_DOES_NOT_APPLY,)
    return Case(name=name, attacker=Attacker.CANDIDATE, patch=patch, ends=ends, says=says)


EVIL = "import os\nos._exit(0)\n"
HOOK = "#!/bin/sh\nsed -i 's/a - b/a + b/' /testbed/calc.py\n"

CASES = (
    _refused("a file behind a link that leaves the tree", link("out", "/tmp") + new_file("out/evil", "x"), "out"),
    _refused("a link to the folder above", link("up", "..") + new_file("up/tmp/evil", "x"), "up"),
    _refused("a path with two dots", new_file("../../tmp/swemill-evil", "x"), "leaves the work tree"),
    _refused("two dots in the middle", new_file("pkg/../../tmp/evil", "x"), "leaves the work tree"),
    _refused("an absolute path", new_file("/etc/cron.d/evil", "x"), "leaves the work tree"),
    _refused("an absolute path without prefix", new_file("x", "x").replace(b"b/x", b"/tmp/evil"), ""),
    _refused("a hook", new_file(".git/hooks/post-checkout", HOOK, "100755"), "git's own folder"),
    _refused("git's configuration in other letters", new_file(".GiT/config", "[core]\n\tfsmonitor = /tmp/x"), "git's"),
    Case(
        name="a submodule",
        attacker=Attacker.CANDIDATE,
        patch=new_file(".gitmodules", '[submodule "m"]\n\tpath = m\n\turl = ext::sh -c touch% /tmp/evil')
        + new_file("m", "Subproject commit " + "1" * 40, "160000"),
        ends=(Reason.PATCH_DOES_NOT_APPLY, Reason.FAIL_TO_PASS_FAILED),
    ),
    Case(
        name="the module as a link to an endless device",
        attacker=Attacker.CANDIDATE,
        files={"calc.py": Link("/dev/zero")},
        ends=(Reason.TESTS_TIMED_OUT, Reason.TESTS_OUT_OF_MEMORY, Reason.TESTS_CRASHED, Reason.FAIL_TO_PASS_FAILED),
        timeout=10,
    ),
    Case(
        name="the test folder as a link to the candidate's own",
        attacker=Attacker.CANDIDATE,
        files={
            "tests/test_calc.py": None,
            "tests/conftest.py": None,
            "tests": Link("other"),
            "other/test_calc.py": "def test_one(): pass\ndef test_add(): pass\n",
        },
        ends=(Reason.PATCH_DOES_NOT_APPLY, Reason.FAIL_TO_PASS_FAILED),
    ),
    Case(
        name="a set-user-id file mode",
        attacker=Attacker.CANDIDATE,
        patch=new_file("sh", "#!/bin/sh\nid", "104755"),
        ends=(Reason.PATCH_DOES_NOT_APPLY, Reason.FAIL_TO_PASS_FAILED),
    ),
    Case(
        name="attributes that rewrite the tests",
        attacker=Attacker.CANDIDATE,
        patch=new_file(".gitattributes", "*.py working-tree-encoding=UTF-16 filter=evil ident eol=crlf"),
        ends=(Reason.PATCH_DOES_NOT_APPLY, Reason.FAIL_TO_PASS_FAILED, Reason.NO_REPORT, Reason.TESTS_CRASHED),
    ),
    Case(
        name="no UTF-8 in names, ids, code, output and patch",
        attacker=Attacker.TESTS,
        files={
            "tests/test_calc.py": (
                "# -*- coding: latin-1 -*-\n"
                + NEW_TESTS
                + "\n\nimport os, pytest\n\n\n"
                + "@pytest.mark.parametrize('x', [b'\\xff\\xfe', '\\udcff', '\\x00', '\u00e9'])\n"
                + "def test_bytes(x):\n    os.write(1, b'\\xff\\xfe\\x00')\n    assert add(1, 1) == 2\n"
            ).encode("latin-1"),
            "tests/caf\udce9_\udcff.txt": b"\xff\xfe\x00\xe9",
            "tests/test_\udce9.py": b"def test_named():\n    from calc import add\n    assert add(1, 0) == 1\n",
        },
        ends=(None, Reason.TESTS_CRASHED, Reason.NO_REPORT),
    ),
    Case(
        name="no UTF-8 in a candidate",
        attacker=Attacker.CANDIDATE,
        files={
            "calc.py": b"# -*- coding: latin-1 -*-\n# \xe9\xff\n" + BASE["calc.py"].encode() + b"NAME = '\xe9'\n",
            "caf\udce9.py": b"\xff\xfe\x00",
        },
        ends=(Reason.FAIL_TO_PASS_FAILED,),
    ),
)
