"""Changelog entries in the heading styles that packages really use."""

import pytest

from swemill.adapters.changelog import changelog_files, extract_entry

STYLES = {
    "markdown": "# Changelog\n\n## {new}\n\n{entry}\n\n## {old}\n\nold\n",
    "keep a changelog": "# Log\n## [Unreleased]\n\n## [{new}] - 2020-01-02\n{entry}\n\n## [{old}] - 2019-01-01\nold\n",
    "linked": "## [{new}](http://l/v{new}) (2020-01-02)\n\n{entry}\n\n## [{old}](http://l) (2019)\n\nold\n",
    "v prefix": "### v{new}\n{entry}\n### v{old}\nold\n",
    "version word": "Version {new}\n-----\n\nReleased 2020-01-02\n\n{entry}\n\nVersion {old}\n-----\n\nold\n",
    "release word": "Release {new} (2020-01-02)\n\n{entry}\n\nRelease {old} (2019-01-01)\n\nold\n",
    "dated line": "{new} (2020-01-02)\n{entry}\n\n{old} (2019-01-01)\nold\n",
    "long date": "v{new} - January 2nd, 2020\n\n{entry}\n\nv{old} - 1 Jan 2019\n\nold\n",
    "underlined": "Changes\n=======\n\n{new}\n-----\n\n{entry}\n\n{old}\n-----\n\nold\n",
    "over-lined": "===========\n{new}\n===========\n\n{entry}\n\n===========\n{old}\n===========\n\nold\n",
    "package name": "demo {new}\n==========\n\n{entry}\n\ndemo {old}\n==========\n\nold\n",
    "anchors": ".. _v{new}:\n\n{new}\n=====\n\n{entry}\n\n.. _v{old}:\n\n{old}\n=====\n\nold\n",
    "bold": "**{new}**\n\n{entry}\n\n**{old}**\n\nold\n",
    "carriage returns": "## {new}\r\n\r\n{entry}\r\n\r\n## {old}\r\n\r\nold\r\n",
    "last": "## 9.9\n\nnewer\n\n## {new}\n\n{entry}\n",
    "code name": '## {new} "Fluffy"\n\n{entry}\n\n## {old} "Bunny"\n\nold\n',
}


@pytest.mark.parametrize("style", STYLES)
def test_entry_of_a_style(style: str) -> None:
    entry = "- Fix the thing with 3.1.4 inside\n- Another"
    text = STYLES[style].format(new="1.2.3", old="1.2.2", entry=entry)
    found = extract_entry(text, "1.2.3")
    assert found.removeprefix("Released 2020-01-02\n\n") == entry


def test_a_flat_list_of_versions() -> None:
    text = "- 0.8.9: Bug fix. Revert it.\n- 0.8.8: Python 3.9 support.\n  New formats.\n  More.\n- 0.8.7: old\n"
    assert extract_entry(text, "0.8.9") == "Bug fix. Revert it."
    assert extract_entry(text, "0.8.8") == "Python 3.9 support.\nNew formats.\nMore."


def test_a_heading_inside_of_an_entry_does_not_end_it() -> None:
    text = "## 2.0\n\n### Python 3.9\n\nnow works\n\n### Requires demo 1.1\n\nyes\n\n## 1.9\n\nold\n"
    assert "yes" in extract_entry(text, "2.0")
    assert "old" not in extract_entry(text, "2.0")


def test_numbers_alike_are_not_mistaken() -> None:
    text = "## 11.2.3\n\neleven\n\n## 1.2.30\n\nthirty\n\n## 1.2.3rc1\n\ncandidate\n\n## 1.2.3.4\n\nfour\n"
    assert extract_entry(text, "1.2.3") == ""
    assert extract_entry(text, "1.2.3rc1") == "candidate"


def test_trailing_zeros_do_not_matter() -> None:
    assert extract_entry("## 1.2\n\nyes\n", "1.2.0") == "yes"
    assert extract_entry("## 1.2.0\n\nyes\n", "1.2") == "yes"


def test_a_table_of_contents_is_not_the_entry() -> None:
    assert extract_entry("Version 1.2\nVersion 1.1\n\nVersion 1.2\n===========\n\nreal\n", "1.2") == "real"


def test_prose_and_bullets_are_no_headings() -> None:
    text = "## 2.0\n\n- 1.5\n* 1.4 is gone\nSupports\n1.3 and more\n  1.2\n\n## 1.0\nold\n"
    assert extract_entry(text, "2.0").endswith("1.2")
    assert extract_entry(text, "1.3") == ""


def test_hostile_text_takes_no_time() -> None:
    assert extract_entry(("a " * 60 + "1.1" + "(" * 50 + "\n") * 2000 + "release version " * 100000, "1.1") == ""


def test_changelogs_before_readmes_and_the_nearest_first() -> None:
    paths = [
        "README.md",
        "docs/changelog.rst",
        "src/a.py",
        "CHANGES",
        "tests/CHANGES.md",
        "docs/changes/2.0.rst",
        "a/news.py",
    ]
    assert changelog_files(paths) == ["CHANGES", "docs/changelog.rst", "docs/changes/2.0.rst", "README.md"]
