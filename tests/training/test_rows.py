"""A malformed row stops the job, and the error says which line and which field."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.shapes import call
from training.failures import JobFailure, Reason
from training.rows import read_rows


def row(*messages: Any, **other: Any) -> dict[str, Any]:
    return {"instance_id": "x", "messages": list(messages), **other}


USER = {"role": "user", "content": "Fix it."}


def bad_call(**changes: Any) -> dict[str, Any]:
    message = call("ls")
    message["tool_calls"][0]["function"].update(changes)
    return message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "the row should be an object, not list"),
        ({"messages": [USER]}, "instance_id should be a non-empty string, not missing or null"),
        ({"instance_id": "x"}, "messages should be an array, not missing or null"),
        (row(), "messages is empty"),
        (row("hello"), "messages[0] should be an object, not str"),
        (row({"role": "robot", "content": ""}), "messages[0].role is 'robot'"),
        (row(USER, {"role": "user", "content": None}), "messages[1].content should be an array, not missing or null"),
        (row({"role": "user", "content": [{"type": "image_url"}]}), "messages[0].content[0] is of type 'image_url'"),
        (row({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text should be a string"),
        (row({**call("ls"), "role": "user", "content": ""}), "messages[0] has tool_calls but role user"),
        (row(bad_call(arguments='{"command": "ls')), "messages[0].tool_calls[0].function.arguments is not JSON"),
        (row(bad_call(arguments="[1]")), "function.arguments should be an object, not list"),
        (row(bad_call(name=None)), "function.name should be a non-empty string"),
        (row(USER, tools={"bash": 1}), "tools should be an array, not dict"),
        (row({"role": "user", "content": "\ud800"}), "is not valid Unicode text"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, line: Any, says: str) -> None:
    path = tmp_path / "dataset.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text(f"{json.dumps(row(USER))}\n\n{text}\n")
    with pytest.raises(JobFailure) as caught:
        list(read_rows(path))
    assert caught.value.reason is Reason.ROW_MALFORMED
    assert caught.value.message.startswith("dataset.jsonl line 3: ")
    assert says in caught.value.message


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "dataset.jsonl"
    path.write_bytes(b'{"instance_id": "\xff"}\n')
    with pytest.raises(JobFailure, match="line 1: is not valid Unicode text"):
        list(read_rows(path))
