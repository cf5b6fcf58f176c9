"""Exported images: one build context an image, each on the one before, with nothing of this machine."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from swemill.adapters.docker.base_export import base_context
from swemill.cli.main import app
from swemill.environment.exported_images import exported_images, readme
from swemill.errors import UserError
from swemill.values import BuildPlan, ImageLevel, ImagePlans

BASE = "swemill/base:bookworm-0123456789ab"
ENVIRONMENT = BuildPlan(
    base=BASE,
    files={"install.sh": b"pip install\n", "lock.txt": b"six==1.16.0\n"},
    tag="swemill/environment:e",
    timeout=9,
    env={"A": "b c"},
)
INSTANCE = BuildPlan(
    base=ENVIRONMENT.tag, files={"install.sh": b"pip install -e .\n"}, tag="swemill/instance:i", timeout=9
)
PLANS = ImagePlans(python="3.11", packages=(), environment=ENVIRONMENT, instance=INSTANCE)
ONE_STEP = replace(PLANS, environment=None, instance=replace(INSTANCE, base=BASE))


def exported(plans: ImagePlans = PLANS) -> dict[str, dict[str, bytes]]:
    return {image.level.value: dict(image.files) for image in exported_images(plans, b"tar", base_context(BASE))}


def test_every_level_is_a_build_context_on_the_one_before() -> None:
    images = exported()
    assert list(images) == ["base", "environment", "instance"]
    assert images["environment"].pop("Dockerfile").decode() == (
        f'FROM {BASE}\nENV A="b c"\nCOPY --chown=1000:1000 install.sh lock.txt /opt/build/\n'
        "RUN sh /opt/build/install.sh\n"
    )
    assert images["environment"] == ENVIRONMENT.files
    assert images["instance"].pop("Dockerfile").decode() == (
        "FROM swemill/environment:e\nCOPY --chown=1000:1000 install.sh snapshot.tar /opt/build/\n"
        "RUN sh /opt/build/install.sh\n"
    )
    assert images["instance"] == {**INSTANCE.files, "snapshot.tar": b"tar"}


def test_a_strategy_of_one_step_has_no_environment() -> None:
    images = exported(ONE_STEP)
    assert list(images) == ["base", "instance"]
    assert images["instance"]["Dockerfile"].startswith(f"FROM {BASE}\n".encode())


@pytest.mark.parametrize(
    "plans, folders", [(PLANS, ["base", "environment", "instance"]), (ONE_STEP, ["base", "instance"])]
)
def test_the_readme_builds_every_folder_in_order(plans: ImagePlans, folders: list[str]) -> None:
    text = readme("o__n-1", plans, exported_images(plans, b"tar", {}))
    commands = re.findall(r"^docker build -t (\S+) (\S+)$", text, re.MULTILINE)
    assert [folder for _, folder in commands] == folders
    assert commands[0][0] == BASE
    assert commands[-1] == ("swemill/instance:i", "instance")
    assert ("lock.txt" in text) == (plans is PLANS), "what is pinned is called so"


@pytest.mark.parametrize("name", ["Dockerfile", "../x", ".."])
def test_a_file_that_would_be_another_is_refused(name: str) -> None:
    wrong = replace(PLANS, instance=replace(INSTANCE, files={name: b""}))
    with pytest.raises(ValueError, match="cannot be called"):
        exported_images(wrong, b"tar", {})


@pytest.mark.parametrize(
    "kind, raw, debian_python",
    [("bookworm", "debian:bookworm-slim", True), ("python3.10", "python:3.10-slim", False)],
)
def test_the_base_starts_from_the_public_image_of_its_kind(kind: str, raw: str, debian_python: bool) -> None:
    files = base_context(f"swemill/base:{kind}-0123456789ab")
    assert files["Dockerfile"].startswith(f"ARG RAW={raw}\nFROM ${{RAW}}\nARG SOURCE=registry\n".encode())
    assert (b"python3-venv" in files["packages"]) == debian_python
    assert files["build.env"] == files["ca.crt"] == b""


def test_the_base_has_its_further_packages_as_a_layer_of_their_own(tmp_path: Path) -> None:
    files = base_context("swemill/base:bookworm-with-0123456789ab", ["libpq-dev", "graphviz"])
    steps = files["Dockerfile"].decode().splitlines()
    at = steps.index("COPY more-packages/setup.sh more-packages/names /tmp/setup/")
    assert steps[at - 1] == "USER root"
    assert steps[-1] == "USER mill"
    assert files["more-packages/names"] == b"libpq-dev\ngraphviz\n"
    copied = {name for step in steps if step.startswith("COPY") for name in step.split()[1:-1]}
    assert copied == set(files) - {"Dockerfile"}
    for name in ("setup.sh", "more-packages/setup.sh"):
        checked = subprocess.run(["sh", "-n"], input=files[name], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("tag", ["base", "swemill/base:bookworm", "swemill/base:python3.1-0123456789ab", BASE + "x"])
def test_another_image_is_no_base(tag: str) -> None:
    with pytest.raises(ValueError, match="not the tag of a base image"):
        base_context(tag)


def test_folders_have_the_names_of_the_levels() -> None:
    images = exported_images(PLANS, b"tar", {})
    assert [image.level for image in images] == [ImageLevel.BASE, ImageLevel.ENVIRONMENT, ImageLevel.INSTANCE]
    assert images[1].command == "docker build -t swemill/environment:e environment"


@pytest.mark.parametrize("option", [["--json"], ["--collect"], ["--budget", "0"], ["--level", "base"]])
def test_options_of_the_list_are_no_options_of_the_export(option: list[str], tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["images", *option, "export", "o__n-1", str(tmp_path / "exported")])
    assert isinstance(ended.exception, UserError)
    assert not (tmp_path / "exported").exists()
