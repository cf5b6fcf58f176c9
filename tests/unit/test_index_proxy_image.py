"""What goes into the index proxy's image, and which addresses of an index are refused; no engine is asked."""

import ast
import importlib.metadata
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from swemill.adapters.docker import index_image
from swemill.adapters.docker.base_image import BaseImageConfig, BaseImages
from swemill.adapters.docker.build_network import BuildNetwork
from swemill.errors import ConfigurationError
from swemill.settings import CHECKOUT, Settings

PACKAGE = CHECKOUT / "include" / "swemill" / "adapters" / "index_proxy"


def test_the_libraries_are_those_that_the_tests_run_with() -> None:
    pinned = {line.split(";")[0].strip() for line in (CHECKOUT / "requirements.txt").read_text().splitlines()}
    for requirement in index_image.REQUIREMENTS:
        name, version = requirement.split("==")
        assert {requirement, requirement.replace("_", "-")} & pinned, requirement
        assert importlib.metadata.version(name) == version


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_the_proxys_code_needs_nothing_that_is_not_in_its_image(module: Path) -> None:
    allowed = {requirement.split("==")[0] for requirement in index_image.REQUIREMENTS} | sys.stdlib_module_names
    for node in ast.walk(ast.parse(module.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name.split(".")[0] in allowed or name.startswith("swemill.adapters.index_proxy"), name


def test_no_address_of_the_index_is_in_a_message() -> None:
    told = index_image._told("ERROR: could not reach https://me:secret@index.example/simple/ (503)\n  try later\n")
    assert told == "ERROR: could not reach (address) (503) try later"


@pytest.mark.parametrize(
    "changes",
    [
        {"index_url": "http://127.0.0.1:3141/simple"},
        {"index_url": "http://localhost/simple"},
        {"index_url": "http://[::1]/simple"},
        {"index_url": "file:///srv/simple"},
        {"index_url": "https://"},
        {"index_url": "https://index.example/simple\nextra-index-url = x"},
        {"index_url": "https://index.example/simple", "ca_bundle": Path("/no/such/bundle")},
    ],
)
def test_an_index_that_no_container_reaches_is_a_wrong_setting(tmp_path: Path, changes: dict) -> None:
    settings = replace(Settings.load({"SWEMILL_HOME": str(tmp_path)}), **changes)
    images = BaseImages(None, config=BaseImageConfig.of(settings))
    with pytest.raises(ConfigurationError):
        BuildNetwork(None, settings=settings, base_images=images).ensure()
