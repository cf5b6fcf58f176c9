"""An installation of old, turned into one that uses the checkout."""

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

SCRIPT = resources.files("swemill.environment").joinpath("in_place.py").read_text()


def run(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.defpath, "PYTHONPATH": str(site)}
    command = [sys.executable, "-S", "-c", SCRIPT, str(project)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def installed(site: Path, project: Path, files: dict[str, str]) -> None:
    record = "".join(f"{name},,\n" for name in (*files, "demo-1.dist-info/RECORD", "../../bin/demo"))
    about = {
        "demo-1.dist-info/METADATA": "Name: demo\nVersion: 1\n",
        "demo-1.dist-info/RECORD": record,
        "demo-1.dist-info/direct_url.json": json.dumps({"url": f"file://{project}", "dir_info": {}}),
    }
    put(site, {**files, **about})


def test_the_checkout_takes_the_place_of_the_copy(tmp_path: Path) -> None:
    project, site = tmp_path / "project", tmp_path / "site"
    put(project, {"src/demo/__init__.py": "VALUE = 2\n", "one.py": "VALUE = 2\n"})
    copy = {"demo/__init__.py": "VALUE = 1\n", "demo/fast.so": "compiled", "one.py": "VALUE = 1\n", "made.py": ""}
    installed(site, project, copy)
    done = run(project, site)
    assert done.returncode == 0, done.stderr
    assert not (site / "demo").exists()
    assert not (site / "one.py").exists()
    assert (site / "made.py").exists(), "what the checkout lacks stays"
    assert (project / "src" / "demo" / "fast.so").read_text() == "compiled"
    assert (site / "checkout.pth").read_text().splitlines() == [str(project), str(project / "src")]


def test_an_installation_of_something_else_is_left_alone(tmp_path: Path) -> None:
    project, site = tmp_path / "project", tmp_path / "site"
    put(project, {"demo/__init__.py": ""})
    installed(site, tmp_path / "other", {"demo/__init__.py": ""})
    done = run(project, site)
    assert done.returncode == 1
    assert "nothing of the installation" in done.stdout
    assert (site / "demo" / "__init__.py").exists()
