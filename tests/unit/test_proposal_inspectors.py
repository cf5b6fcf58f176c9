"""The scripts that look at an image from outside: what a faithful build leaves is let pass, each pretence is found.

Real repositories, made by the very shell that builds check out with; a real virtual environment of uv, filled with the
files of distributions that are installed here, by their RECORD.
"""

import base64
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swemill.environment import proposal_checkout_inspector, proposal_venv_inspector
from swemill.environment.scripts import CHECKOUT
from tests.unit.git_work_tree import commit_files, git

FILES = {
    "calc.py": "def mean(xs):\n    return sum(xs) / len(xs)\n",
    "tests/test_calc.py": "def test_mean():\n    assert True\n",
    "tests/conftest.py": "import pytest\n",
    "dos.txt": "a\r\nb\r\n",
    ".gitattributes": "dos.txt text\n*.bat text eol=crlf\n",
    "run.bat": "echo\n",
    ".gitignore": "*.log\ngenerated.py\n",
}
UV = Path(sys.executable).with_name("uv")


def inspect(script: Any, order: dict[str, Any], folder: Path, **environ: str) -> dict[str, Any]:
    place = folder / "order.json"
    place.write_text(json.dumps(order))
    command = [sys.executable, "-I", "-S", script.__file__, str(place)]
    done = subprocess.run(command, capture_output=True, env={"PATH": os.defpath, **environ}, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- the checkout ---


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A checkout as a build makes it, with the files of a submodule."""
    root = tmp_path_factory.mktemp("made")
    commit = commit_files(root / "source", FILES)
    git(root / "source", "update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/sub")
    git(root / "source", "commit", "-q", "-m", "a submodule")
    commit = git(root / "source", "rev-parse", "HEAD").decode().strip()
    build = root / "build"
    (build / "submodules" / "vendor" / "sub").mkdir(parents=True)
    (build / "submodules" / "vendor" / "sub" / "lib.py").write_text("x = 1\n")
    (root / "testbed").mkdir()
    git(root, "clone", "-q", "--bare", "--depth=1", f"file://{root}/source", str(root / "repo.git"))
    subprocess.run(["tar", "-cf", build / "snapshot.tar", "-C", root, "repo.git"], check=True)
    head = f"set -eu\nsay() {{ :; }}\nBASE_COMMIT={commit}\n"
    script = head + CHECKOUT.replace("/opt/build", str(build)).replace("/testbed", str(root / "testbed"))
    subprocess.run(["sh", "-c", script.replace("/tmp/refs", str(root / "refs"))], check=True)
    return root / "testbed", commit


@pytest.fixture
def testbed(pristine: tuple[Path, str], tmp_path: Path) -> Path:
    shutil.copytree(pristine[0], tmp_path / "testbed", symlinks=True)
    return tmp_path / "testbed"


@pytest.fixture
def look(pristine: tuple[Path, str], testbed: Path, tmp_path: Path) -> Callable[[], list[str]]:
    def inspected() -> list[str]:
        digest = hashlib.sha256(b"x = 1\n").hexdigest()
        order = {"testbed": str(testbed), "commit": pristine[1], "submodules": {"vendor/sub/lib.py": digest}}
        return inspect(proposal_checkout_inspector, order, tmp_path)["suspicions"]

    return inspected


def test_the_base_commit_and_what_a_build_leaves_are_let_pass(testbed: Path, look: Callable[[], list[str]]) -> None:
    assert look() == []
    scm = (
        "from __future__ import annotations\n__all__ = ['version']\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n"
        "    from typing import Tuple, Union\n    VERSION = Tuple[Union[int, str], ...]\nelse:\n    VERSION = object\n"
        "version: str\n__version__ = version = '1.0'\nversion_tuple: VERSION = (1, 0)\n"
    )
    for name, text in {
        "calc.egg-info/SOURCES.txt": "calc.py\n",
        "build/lib/calc.py": FILES["calc.py"] + "# built\n",
        "build/lib/tests/test_calc.py": FILES["tests/test_calc.py"],
        "build/lib/tests/conftest.py": FILES["tests/conftest.py"],
        "fast.cpython-39-x86_64-linux-gnu.so": "\x7fELF",
        "src/fast.c": "int x;\n",
        "_version.py": scm,
        "some.log": "made\n",
        "generated.py": "x = 1\n",
        "vendor/sub/fast.so": "\x7fELF",
        ".eggs/README.txt": "eggs\n",
    }.items():
        (testbed / name).parent.mkdir(parents=True, exist_ok=True)
        (testbed / name).write_text(text)
    (testbed / ".git" / "info").mkdir(exist_ok=True)
    (testbed / ".git" / "info" / "exclude").write_text("/_version.py\n")
    assert look() == []


GREEN = "def pytest_runtest_makereport(item, call):\n    call.excinfo = None\n"


@pytest.mark.parametrize(
    "script, said",
    [
        (f"printf '{GREEN}' > conftest.py", "the file conftest.py is not of the base commit"),
        ("printf '[pytest]\\naddopts=-k nothing\\n' > pytest.ini", "the file pytest.ini is not"),
        ("mkdir -p build; echo x=1 > build/conftest.py", "the file build/conftest.py is not"),
        ("echo x=1 > sitecustomize.py", "the file sitecustomize.py is not"),
        ("echo 'def test_x(): pass' > tests/test_green.py", "the file tests/test_green.py is not"),
        ("rm tests/test_calc.py", "the tracked file tests/test_calc.py is gone"),
        ("echo >> tests/test_calc.py", "the tracked file tests/test_calc.py was changed"),
        ("git update-index --assume-unchanged calc.py; echo >> calc.py", "the tracked file calc.py was changed"),
        ("git update-index --assume-unchanged calc.py", "the git index hides files"),
        ("git update-index --skip-worktree calc.py", "the git index hides files"),
        ("ln -sf /etc/passwd calc.py", "the tracked file calc.py was changed"),
        ("echo '*' > .git/info/exclude; echo x > tests/helper.py", "the file tests/helper.py is not"),
        ("echo '*' > tests/.gitignore; echo x > tests/helper.py", "the file tests/.gitignore is not"),
        ("echo '*.py text eol=crlf' > tests/.gitattributes", "the file tests/.gitattributes is not"),
        ("echo 'evil = open(1)' > _version.py", "the file _version.py is not"),
        ("echo 'import os' > _version.py", "the file _version.py is not"),
        ("ln -s /opt/venv link.so", "the file link.so is not"),
        ("mkdir tests/__pycache__; echo > tests/__pycache__/test_calc.cpython-39.pyc", ".pyc is not"),
        ("echo x > calc.pyc", "the file calc.pyc is not"),
        ("mkdir x; cd x; git init -q", "a repository of its own in"),
        ("echo y >> vendor/sub/lib.py", "the file vendor/sub/lib.py of a submodule was changed"),
        ("echo y > vendor/sub/conftest.py", "the file vendor/sub/conftest.py of a submodule was changed or added"),
        ("git config core.fsmonitor 'touch /tmp/x'", "the git setting core.fsmonitor"),
        ("git config core.worktree /tmp", "the git setting core.worktree"),
        ("git config filter.x.clean 'sed s/a/b/'", "the git setting filter.x.clean"),
        ("echo '* filter=x' > .git/info/attributes", ".git/info/attributes does not belong there"),
        ("mkdir -p .git/hooks; echo > .git/hooks/post-checkout", "a git hook"),
        ("git commit -q --allow-empty -m more", "other references than main"),
        ("git tag v1", "other references than main"),
        ("git checkout -q --detach; git checkout -q -b other", "HEAD is not the branch main"),
        ("echo new > new.log; git add -f new.log", "the git index is not that of the base commit"),
        ("rm -rf .git", "no git repository"),
        ("rm -rf .git/objects/??/*", "does not hold the base commit"),
        ("echo /tmp > .git/objects/info/alternates", "borrows objects from elsewhere"),
    ],
)
def test_each_pretence_in_the_checkout_is_found(
    testbed: Path, look: Callable[[], list[str]], script: str, said: str
) -> None:
    if "objects/??" in script:
        unpack(testbed)
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=testbed,
        env={"PATH": os.defpath, "HOME": str(testbed.parent), "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    found = look()
    assert any(said in sentence for sentence in found), found


def unpack(testbed: Path) -> None:
    """Turn the packs of a repository into loose objects, which are files that anyone can exchange."""
    packs = testbed / ".git" / "objects" / "pack"
    for pack in packs.glob("*.pack"):
        data = pack.read_bytes()
        for leftover in packs.glob(f"{pack.stem}.*"):
            leftover.unlink()
        git(testbed, "unpack-objects", "-q", stdin=data)


def test_an_object_with_anothers_content_is_found(
    testbed: Path, pristine: tuple[Path, str], look: Callable[[], list[str]]
) -> None:
    """Git itself believes the name of a loose object: file and object can be changed together."""
    unpack(testbed)
    objects = testbed / ".git" / "objects"
    name = git(testbed, "rev-parse", "HEAD:tests/test_calc.py").decode().strip()
    (testbed / "tests" / "test_calc.py").write_text("def test_mean():\n    pass\n")
    forged = git(testbed, "hash-object", "-w", "tests/test_calc.py").decode().strip()
    place = objects / name[:2] / name[2:]
    place.chmod(0o644)
    place.write_bytes((objects / forged[:2] / forged[2:]).read_bytes())
    assert any("1 objects of the repository are not what their names say" in sentence for sentence in look())


# --- the environment ---


@pytest.fixture(scope="module")
def made_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``venv`` and ``reference``, made by uv; ``venv`` with pytest's distributions in it."""
    root = tmp_path_factory.mktemp("environments")
    for name in ("venv", "reference"):
        command = [UV, "venv", "-q", "--offline", "--no-config", "--python", sys.executable, str(root / name)]
        subprocess.run(command, check=True)
    (site,) = (root / "venv").glob("lib/python3*/site-packages")
    for name in ("pytest", "pluggy", "iniconfig", "packaging", "setuptools"):
        for file in importlib.metadata.distribution(name).files or ():
            source = Path(str(file.locate()))
            if not source.is_file() or source.suffix == ".pyc" or ".." in file.parts:
                continue
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, site / file)
    return root


class Venv:
    """One copy of the environment, to do mischief in."""

    def __init__(self, root: Path, order_folder: Path) -> None:
        self.root = root / "venv"
        self._folder = order_folder
        (self.site,) = self.root.glob("lib/python3*/site-packages")

    def look(self, **environ: str) -> dict[str, Any]:
        order = {
            "venv": str(self.root),
            "work_folder": "/testbed",
            "reference": str(self.root.with_name("reference")),
        }
        return inspect(proposal_venv_inspector, order, self._folder, **environ)

    def install(self, name: str, files: dict[str, str], *, editable: str = "", points: str = "") -> None:
        """A distribution with a RECORD that fits its files: what a forger with pip and patience can do."""
        info = f"{name}-1.dist-info"
        files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"}
        if points:
            files[f"{info}/entry_points.txt"] = points
        if editable:
            files[f"{info}/direct_url.json"] = json.dumps({"url": editable, "dir_info": {"editable": True}})
        rows = []
        for path, text in files.items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            (self.site / path).write_text(text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}")
        (self.site / info / "RECORD").write_text("\n".join([*rows, f"{info}/RECORD,,"]) + "\n")


@pytest.fixture
def venv(made_venv: Path, tmp_path: Path) -> Venv:
    shutil.copytree(made_venv, tmp_path / "made", symlinks=True)
    return Venv(tmp_path / "made", tmp_path)


FINDER = """\
from __future__ import annotations
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from itertools import chain
from pathlib import Path

MAPPING: dict[str, str] = {'calc': '/testbed/calc'}


class _EditableFinder:
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            return spec_from_file_location(fullname, Path(MAPPING[fullname]) / "__init__.py")
        return None


def install():
    if not any(finder == _EditableFinder for finder in sys.meta_path):
        sys.meta_path.append(_EditableFinder)
"""


def test_a_faithful_environment_is_let_pass_and_names_who_decides(venv: Venv) -> None:
    found = venv.look()
    assert found["suspicions"] == []
    hands = {hand["name"]: hand for hand in found["hands"]}
    assert set(hands) == {"pytest", "pluggy", "setuptools"}, "setuptools runs code at the start of Python"
    assert hands["pytest"]["version"] == importlib.metadata.version("pytest")
    source = importlib.metadata.distribution("pytest").locate_file("_pytest/runner.py")
    digest = base64.urlsafe_b64encode(hashlib.sha256(Path(str(source)).read_bytes()).digest()).rstrip(b"=").decode()
    assert hands["pytest"]["files"]["_pytest/runner.py"] == digest


@pytest.mark.parametrize(
    "files",
    [
        {"__editable__.calc-1.pth": "/testbed/src\n"},
        {"_calc.pth": "/testbed"},
        {
            "__editable___calc_1_finder.py": FINDER,
            "__editable__.calc-1.pth": "import __editable___calc_1_finder; __editable___calc_1_finder.install()\n",
        },
        {
            "_editable_impl_calc.py": "from editables.redirector import RedirectingFinder as F\nF.install()\n",
            "_calc.pth": "import _editable_impl_calc",
        },
    ],
    ids=["path", "hatch", "finder", "editables"],
)
def test_editable_installs_of_the_checkout_are_let_pass(venv: Venv, files: dict[str, str]) -> None:
    points = "[pytest11]\ncalc = calc.plugin\n"  # a plugin that is the project itself is the base commit's own
    venv.install("calc", files, editable="file:///testbed", points=points)
    found = venv.look()
    assert found["suspicions"] == []
    assert "calc" not in {hand["name"] for hand in found["hands"]}


def patch(venv: Venv) -> None:
    with (venv.site / "_pytest" / "runner.py").open("a") as file:
        file.write("\nimport os\n")


def replace_interpreter(venv: Venv) -> None:
    (venv.root / "bin" / "python").unlink()
    (venv.root / "bin" / "python").write_text("#!/bin/sh\nexit 0\n")


def open_to_the_system(venv: Venv) -> None:
    place = venv.root / "pyvenv.cfg"
    place.write_text(place.read_text().replace("= false", "= true"))


def other_home(venv: Venv) -> None:
    (venv.root / "pyvenv.cfg").write_text("home = /tmp\ninclude-system-site-packages = false\n")


def steal_pytest(venv: Venv) -> None:
    """Another distribution that claims pytest's module, with a RECORD that fits."""
    shutil.rmtree(next(venv.site.glob("pytest-*.dist-info")))
    text = (venv.site / "_pytest" / "runner.py").read_text()
    shutil.rmtree(venv.site / "_pytest")
    venv.install("evil", {"_pytest/runner.py": text})


def put(path: str, text: str = "x = 1\n") -> Callable[[Venv], None]:
    def act(venv: Venv) -> None:
        (venv.root / path.replace("SITE", str(venv.site.relative_to(venv.root)))).parent.mkdir(exist_ok=True)
        (venv.root / path.replace("SITE", str(venv.site.relative_to(venv.root)))).write_text(text)

    return act


def forge(files: dict[str, str], *, editable: str = "") -> Callable[[Venv], None]:
    return lambda venv: venv.install("calc", files, editable=editable)


@pytest.mark.parametrize(
    "act, said",
    [
        (patch, "_pytest/runner.py is not as pytest recorded it"),
        (put("SITE/sitecustomize.py"), "sitecustomize.py is run at every start"),
        (forge({"sitecustomize.py": "x\n"}), "sitecustomize.py is run at every start"),
        (forge({"usercustomize/__init__.py": "x\n"}), "is run at every start"),
        (put("SITE/evil.pth", "import evil\n"), "evil.pth belongs to no installed distribution"),
        (put("SITE/_pytest/evil.py"), "_pytest/evil.py belongs to no installed distribution"),
        (put("SITE/_virtualenv.py"), "_virtualenv.py is not what uv writes"),
        (put("SITE/easy-install.pth", "/testbed\n/home/mill/x\n"), "easy-install.pth leads out of the checkout"),
        (put("SITE/_pytest/__pycache__/runner.cpython-311.pyc"), "is a compiled module"),
        (put("bin/tar", "#!/bin/sh\n"), "bin/tar belongs to no installed distribution"),
        (forge({"../../../bin/tar": "#!/bin/sh\n"}), "bin/tar would be run in the place of the system's own"),
        (forge({"calc.pth": "/home/mill/evil\n"}), "calc.pth leads out of the checkout"),
        (forge({"calc.pth": "../../../../evil\n"}), "calc.pth leads out of the checkout"),
        (forge({"calc/__init__.py": "x\n"}, editable="file:///testbed"), "is a copy of editable calc"),
        (forge({"__editable___calc_finder.py": "import os\n"}, editable="file:///testbed"), "does more than to find"),
        (
            forge({"__editable___calc_finder.py": "import sys\nsys.modules['x']\n"}, editable="file:///testbed"),
            "does more than to find",
        ),
        (forge({"calc.pth": "/home/mill/src"}, editable="file:///home/mill/src"), "is installed from file:///home"),
        (steal_pytest, "_pytest/runner.py is not of pytest"),
        (replace_interpreter, "bin/python is not the system's"),
        (open_to_the_system, "opens the system's packages"),
        (other_home, "another home of Python"),
        (lambda venv: (venv.site / "x.py").symlink_to("/etc/passwd"), "x.py is no regular file"),
        (lambda venv: shutil.copytree(venv.site, venv.root / "lib/python3.99/site-packages"), "or more than one"),
    ],
)
def test_each_pretence_in_the_environment_is_found(venv: Venv, act: Callable[[Venv], Any], said: str) -> None:
    act(venv)
    found = venv.look()["suspicions"]
    assert any(said in sentence for sentence in found), found


def test_a_forged_plugin_and_code_at_the_start_are_left_to_the_index_to_judge(venv: Venv) -> None:
    venv.install("evil", {"evil.py": "x\n"}, points="[pytest11]\nevil = evil\n")
    venv.install("start", {"start.pth": "import start\n", "start.py": "x\n"})
    found = venv.look()
    assert found["suspicions"] == []
    hands = {hand["name"]: hand for hand in found["hands"]}
    assert {"evil", "start"} <= set(hands)
    assert set(hands["evil"]["files"]) == {"evil.py", "evil-1.dist-info/entry_points.txt"}


def test_variables_that_reach_into_python_are_found(venv: Venv) -> None:
    found = venv.look(PYTHONPATH="/testbed", PYTEST_ADDOPTS="-k x")["suspicions"]
    assert found == [f"the variable {name} is set in the image" for name in ("PYTEST_ADDOPTS", "PYTHONPATH")]
