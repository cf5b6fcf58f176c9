"""The documentation speaks of what is there: commands, settings and files are compared with the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer.main

from swemill import settings
from swemill.cli.main import app

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
PAGES = [README, *sorted((CHECKOUT / "docs").glob("*.md")), CHECKOUT / "training" / "README.md"]

_FENCE = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_COMMAND = re.compile(r"(?:^|[\s/(`])swemill +([a-z][a-z-]*)", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def commands() -> set[str]:
    return set(typer.main.get_command(app).commands)


def quoted_commands(page: Path) -> set[str]:
    """Subcommands of ``swemill`` in code, where a word after it can be nothing else."""
    text = page.read_text()
    code = [*_FENCE.findall(text), *_INLINE.findall(_FENCE.sub("", text))]
    return {name for piece in code for name in _COMMAND.findall(piece)}


def variables_read() -> set[str]:
    """Every variable that ``settings.py`` names in its code; docstrings name them inside longer texts."""
    tree = ast.parse(Path(settings.__file__).read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text for text in texts if re.fullmatch(r"SWEMILL_[A-Z_]+", text)}


def section(page: Path, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {title!r}"
    return found[1]


def variables_listed() -> list[str]:
    rows = [line for line in section(README, "Settings").splitlines() if line.startswith("|")]
    return [name for row in rows for name in re.findall(r"`(SWEMILL_[A-Z_]+)`", row.split("|")[1])]


def anchors(page: Path) -> set[str]:
    """Anchors as GitHub makes them of headings."""
    titles = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        text = _INLINE.sub("", _FENCE.sub("", page.read_text()))
        for target in _LINK.findall(text):
            if not re.match(r"[a-z][a-z+.-]*:", target):
                yield page, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_quoted_subcommand_exists(page: Path) -> None:
    assert quoted_commands(page) <= commands()


def test_every_command_is_in_the_readme() -> None:
    assert commands() - quoted_commands(README) == set()


def test_the_settings_table_lists_what_is_read_each_once() -> None:
    listed = variables_listed()
    assert set(listed) == variables_read()
    assert len(listed) == len(set(listed))


def test_every_make_target_quoted_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    quoted = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"run", "test"} <= quoted <= targets


@pytest.mark.parametrize("page, target", list(links()), ids=lambda value: getattr(value, "name", value))
def test_every_relative_link_resolves(page: Path, target: str) -> None:
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.is_relative_to(CHECKOUT)
    assert file.exists(), f"{page.name} links to {target}, which is not there"
    if anchor:
        assert anchor in anchors(file), f"{page.name} links to {target}, and {file.name} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_prose_is_wrapped_at_120(page: Path) -> None:
    lines = _FENCE.sub("", page.read_text()).splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []
