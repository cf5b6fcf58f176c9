"""The table in docs/hostile.md has a row for every case, and no other."""

import re
from pathlib import Path

from tests.hostile import cheats, exhaustion, patches, ways_out

TABLE = Path(__file__).resolve().parents[2] / "docs" / "hostile.md"


def test_every_case_has_its_row() -> None:
    rows = re.findall(r"^\| (.+?) \|", TABLE.read_text(), re.MULTILINE)
    cases = [case.name for module in (exhaustion, patches, ways_out, cheats) for case in module.CASES]
    assert len(cases) == len(set(cases))
    assert sorted(row for row in rows if row != "case") == sorted(cases)


def test_what_is_open_is_said() -> None:
    opened = [case.name for module in (exhaustion, patches, ways_out, cheats) for case in module.CASES if case.open]
    lines = TABLE.read_text().splitlines()
    assert all(any(name in line and "**Open**" in line for line in lines) for name in opened)
