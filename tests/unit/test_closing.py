"""Closing keywords: what GitHub's documentation counts, and what is only shown, hidden or meant for others."""

import time

import pytest

from swemill.closing import MAX_ISSUES, closing_numbers, visible_text


def closes(body: str, title: str = "") -> tuple[int, ...]:
    return closing_numbers(title, body, "Octo-Org/octo.repo")


@pytest.mark.parametrize(
    "word", ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"]
)
def test_every_keyword_counts_in_any_case_with_and_without_a_colon(word: str) -> None:
    assert closes(f"{word} #10") == (10,)
    assert closes(f"{word.upper()}: #10") == (10,)
    assert closes(f"{word.title()} : #11") == (11,)


def test_all_spellings_of_a_reference_count_once_and_in_order() -> None:
    body = (
        "Fixes #3, closes octo-org/octo.repo#2 and resolves https://github.com/octo-org/octo.repo/issues/1\r\n"
        "fixes #3. Closes\nhttps://www.github.com/Octo-Org/octo.repo/issues/7#issuecomment-1"
    )
    assert closes(body, title="Fix #9 (#10)") == (9, 3, 2, 1, 7)


@pytest.mark.parametrize(
    "text",
    [
        "see #1",
        "fixes 1",
        "fixing #1",
        "prefix #1",
        "hotfixes #1",
        "fixes issue #1",
        "fixes #1a",
        "fixes #0",
        "fixes #01",
        f"fixes #{'9' * 19}",
        "fixes #١",
        "fixes other/repo#1",
        "fixes octo-org/octo.repo.fork#1",
        "fixes https://github.com/other/repo/issues/1",
        "fixes https://gitlab.com/octo-org/octo.repo/issues/1",
        "fixes https://github.com/octo-org/octo.repo/pull/1",
        "`fixes #1`",
        "``fixes ` #1``",
        "```\nfixes #1\n```",
        "```python\nfixes #1\n``\n",
        "~~~ x\nfixes #1\n```\n~~~~",
        "  ````\n```\nfixes #1\n  ````",
        "<!-- fixes #1 -->",
        "<!--\nfixes #1\n\n--> and fixes <!-- fixes #1",
    ],
)
def test_what_closes_nothing(text: str) -> None:
    assert closes(text) == ()


def test_text_around_code_and_comments_still_counts() -> None:
    body = "A lone ` here.\n\n`x` fixes #1\n```\ncode\n```\nfixes #2 <!-- no --> fixes #3\n~~~\n~~~\nfixes #4 `end\n"
    assert closes(body) == (1, 2, 3, 4)
    assert closes(r"\`fixes #1\`") == (1,)
    assert closes("fixes <!-- number of the issue --> #1") == (1,)
    assert closes("fixes `code` #1") == ()
    assert visible_text("a `b` c <!-- d --> e") == "a ` c  e"


def test_another_host_is_asked_for_by_name() -> None:
    body = "fixes https://git.example.com/o/n/issues/4 and fixes https://github.com/o/n/issues/5"
    assert closing_numbers("", body, "o/n", host="git.example.com") == (4,)


def test_the_number_of_issues_is_bounded() -> None:
    assert closes(" ".join(f"fixes #{number}" for number in range(1, 500))) == tuple(range(1, MAX_ISSUES + 1))


@pytest.mark.parametrize(
    "piece",
    [
        "fix" + " " * 65_000,
        "fix ",
        "fix \n",
        "fix: a/",
        "fix " + "a" * 30_000 + "/" + "a" * 30_000,
        "`",
        "` ``",
        "<!--",
        "```\n",
        "\n ```x`\n",
        "\n \t",
        "fixes https://",
        "\\`",
    ],
)
def test_hostile_text_takes_no_time(piece: str) -> None:
    body = (piece * (262_144 // len(piece) + 1))[:262_144]
    started = time.process_time()
    closes(body)
    assert time.process_time() - started < 20  # minutes, where a pattern is not linear
    many = "".join("`" * length + " " for length in range(700))
    started = time.process_time()
    closes(many)
    assert time.process_time() - started < 20  # minutes, where a pattern is not linear
