"""YAML of strangers: what people write comes through, bombs do not."""

import pytest

from swemill.environment.inference.bounded_yaml import parse_yaml


def test_scalars_stay_as_they_were_written() -> None:
    assert parse_yaml("python: [3.10, '3.9', 3]\non: push\nempty:\n") == {
        "python": ["3.10", "3.9", "3"],
        "on": "push",
        "empty": "",
    }


def test_anchors_and_merges_work() -> None:
    text = "base: &b {a: 1, b: 2}\nother:\n  <<: *b\n  b: 3\nlist: [*b]\nboth:\n  <<: [{c: 4}, *b]\n"
    assert parse_yaml(text) == {
        "base": {"a": "1", "b": "2"},
        "other": {"a": "1", "b": "3"},
        "list": [{"a": "1", "b": "2"}],
        "both": {"a": "1", "b": "2", "c": "4"},
    }


def test_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ValueError, match="more than"):
        parse_yaml("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "- " * 5_000 + "x",
        "{a: " * 5_000,
        "a: &x [*x]",
        "a: *nothing",
        "a: [1",
        "\x00",
        "a:\n\t- b",
        "!!python/object/apply:os.system ['true'",
        "x" * 300_000,
    ],
)
def test_nonsense_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_yaml(text)


def test_tags_construct_nothing() -> None:
    assert parse_yaml("!!python/object/apply:os.system ['true']") == ["true"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_document_is_nothing(text: str) -> None:
    assert not parse_yaml(text)
