"""Quality labels, read from small patches."""

import pytest

from swemill.patches import BadPatch
from swemill.quality import LONGEST, Difficulty, quality

LONG = (
    "The parser drops the last record when the file has no newline at its end. I would expect that every record is "
    "read, whatever stands at the end of the file, as the documentation of the format says."
)


def diff(path: str, *lines: str, new: bool = False) -> bytes:
    added = sum(line[0] != "-" for line in lines)
    removed = sum(line[0] != "+" for line in lines)
    body = "".join(f"{line}\n" for line in lines)
    old = "/dev/null" if new else f"a/{path}"
    mode = "new file mode 100644\n" if new else ""
    head = f"diff --git a/{path} b/{path}\n{mode}--- {old}\n+++ b/{path}\n"
    return (head + f"@@ -{0 if new else 1},{removed} +1,{added} @@\n" + body).encode()


GOLD = diff(
    "reader.py",
    " def records(text):",
    "-    return text.split('\\n')[:-1]",
    "+    rows = text.split('\\n')",
    "+    return rows if rows[-1] else rows[:-1]",
    "+",
    "+def strict_records(text, *, on_error='raise'):",
    "+    return records(text)",
)
TESTS = diff(
    "tests/test_reader.py", "+def test_last():", "+    assert strict_records('a', on_error='x') == ['a']", new=True
)


def test_size_and_difficulty_count_code_alone() -> None:
    found = quality(LONG, GOLD + diff("docs/index.rst", "+Reads all.", new=True), TESTS)
    assert (found.files, found.hunks, found.lines) == (1, 1, 6)
    assert found.difficulty is Difficulty.MINUTES
    many = b"".join(diff(f"part{number}.py", "+x = 1", new=True) for number in range(9))
    assert quality(LONG, many, TESTS).difficulty is Difficulty.DAY
    assert (
        quality(LONG, diff("a.py", *(f"+x{n} = {n}" for n in range(60)), new=True), b"").difficulty is Difficulty.HOURS
    )


def test_names_that_tests_use_and_nobody_told() -> None:
    assert quality(LONG, GOLD, TESTS).unmentioned == ("on_error", "strict_records")
    told = f"{LONG} There should be `strict_records` with a parameter on_error."
    assert quality(told, GOLD, TESTS).unmentioned == ()
    assert quality(told, GOLD, TESTS).labels() == ()


def test_a_name_that_was_there_before_need_not_be_told() -> None:
    moved = diff("a.py", "-def load(path):", "+def load(path, encoding=None):")
    tests = diff("tests/test_a.py", "+load('x', encoding='y')", new=True)
    assert quality(LONG, moved, tests).unmentioned == ("encoding",)


def test_a_statement_with_the_solution_in_it() -> None:
    leaking = f"{LONG} Fix:\n```python\nrows = text.split('\\n')\n  return rows if   rows[-1] else rows[:-1]\n```\n"
    found = quality(leaking, GOLD, TESTS)
    assert found.leaked_share > 0.3
    whole = leaking + "\ndef strict_records(text, *, on_error='raise'):"
    assert "statement_leaks_solution" in quality(whole, GOLD, TESTS).labels()
    assert quality(LONG, GOLD, TESTS).leaked_share == 0


@pytest.mark.parametrize(
    ("statement", "thin"),
    [
        (LONG, False),
        ("It crashes.", True),
        (f"    x = 1\n{LONG}", False),
        ("", True),
        ("See https://example.org/a/long/address/with/many/words/in/it/that/say/nothing/at/all/to/anybody/here", True),
        ("Crash:\n```\n" + "Traceback word word word\n" * 20 + "```\n", True),
    ],
)
def test_a_thin_statement(statement: str, thin: bool) -> None:
    assert quality(statement, GOLD, TESTS).thin is thin


def test_foreign_text_of_any_size_costs_little() -> None:
    found = quality("```" * LONGEST + "a" * LONGEST, GOLD, TESTS)
    assert found.thin
    odd = diff("a.py", "+" + "(a=" * 5000, "+" + "x" * 100_000, new=True)
    assert quality("\x00\ud800 " * 1000, odd, odd).lines == 2


def test_what_is_no_diff_is_refused() -> None:
    with pytest.raises(BadPatch):
        quality(LONG, b"nonsense", TESTS)
