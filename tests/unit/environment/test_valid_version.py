"""A setup.py whose version no tool takes, with the module in front of it that gives it another."""

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

SCRIPT = resources.files("swemill.environment").joinpath("valid_version.py").read_text()
DISTUTILS = "def setup(**attrs): print(attrs)"
SETUPTOOLS = "import distutils.core\ndef setup(**attrs): return distutils.core.setup(**attrs)"


def version_of(tmp_path: Path, written: str) -> str:
    # What comes into the sandbox is the project's setuptools; here one that tells what it is given.
    (tmp_path / "distutils").mkdir()
    (tmp_path / "distutils" / "__init__.py").touch()
    (tmp_path / "distutils" / "core.py").write_text(DISTUTILS)
    (tmp_path / "setuptools.py").write_text(SETUPTOOLS)
    (tmp_path / "valid_version.py").write_text(SCRIPT)
    program = f"import valid_version\nfrom {written}"
    environ = {"PYTHONPATH": str(tmp_path), "VALID_VERSION": "1.2"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("version", ["dev", "0.10-dev-r7", "1.0-SNAPSHOT", "", "unknown", "1.0.dev0dev20261123"])
@pytest.mark.parametrize("module", ["setuptools", "distutils.core"])
def test_what_is_no_version_gives_way(tmp_path: Path, module: str, version: str) -> None:
    told = version_of(tmp_path, f"{module} import setup\nsetup(name='x', version={version!r})")
    assert told == "{'name': 'x', 'version': '1.2'}"


@pytest.mark.parametrize("version", ["1", "0.10-dev", "v2.0rc1", "1.0.post2", "1!3.4a0+local.1", " 2.0 ", "1.0-1"])
def test_what_is_a_version_stays(tmp_path: Path, version: str) -> None:
    told = version_of(tmp_path, f"setuptools import setup\nsetup(version={version!r})")
    assert told == str({"version": version})


def test_no_version_stays_none(tmp_path: Path) -> None:
    assert version_of(tmp_path, "setuptools import setup\nsetup(name='x')") == "{'name': 'x'}"
