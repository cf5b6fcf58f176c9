"""Reads dataset.jsonl: foreign bytes in, typed conversations out, and an error that names the line for
anything else.

The training data decides what the model becomes, so nothing is guessed here: a row that does not say exactly
what happened stops the job instead of being repaired or skipped.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from training.failures import JobFailure, Reason


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Message:
    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trajectory. `tools` are OpenAI tool schemas, kept as they came: their key order is part of the prompt."""

    instance_id: str
    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()


class _Malformed(Exception):
    """What is wrong inside a row; `read_rows` adds where."""


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file in order; blank lines are not rows.

    Raises:
        JobFailure: `row_malformed`, naming the line, at the first row that is not a complete conversation.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield parse_row(line)
            except _Malformed as error:
                raise JobFailure(
                    Reason.ROW_MALFORMED,
                    f"{path.name} line {number}: {error}. Correct or leave out that row where the dataset is made, "
                    "then write the manifest anew.",
                ) from error


def parse_row(line: bytes) -> Row:
    """One JSON line as a Row; raises `_Malformed` with the field at fault."""
    try:
        raw = json.loads(line)
        # A lone surrogate (a "\ud800" escape) is a legal JSON string and no legal text: no tokenizer can encode it.
        json.dumps(raw, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise _Malformed(f"is not valid Unicode text ({error.reason})") from error
    except ValueError as error:
        raise _Malformed(f"is not JSON ({error})") from error
    row = _mapping(raw, "the row")
    messages = _sequence(row.get("messages"), "messages")
    if not messages:
        raise _Malformed("messages is empty")
    return Row(
        instance_id=_string(row.get("instance_id"), "instance_id"),
        messages=tuple(_message(item, f"messages[{i}]") for i, item in enumerate(messages)),
        tools=tuple(_mapping(t, f"tools[{i}]") for i, t in enumerate(_sequence(row.get("tools") or [], "tools"))),
    )


def _message(raw: object, where: str) -> Message:
    item = _mapping(raw, where)
    try:
        role = Role(item.get("role", ""))
    except ValueError as error:
        roles = ", ".join(Role)
        raise _Malformed(f"{where}.role is {item.get('role')!r}, not one of {roles}") from error
    calls = _sequence(item.get("tool_calls") or [], f"{where}.tool_calls")
    if calls and role is not Role.ASSISTANT:
        raise _Malformed(f"{where} has tool_calls but role {role}")
    return Message(
        role=role,
        content=_content(item.get("content"), where, may_be_null=role is Role.ASSISTANT),
        tool_calls=tuple(_tool_call(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(calls)),
    )


def _content(raw: object, where: str, *, may_be_null: bool) -> str:
    if raw is None and may_be_null:
        return ""
    if isinstance(raw, str):
        return raw
    # Content in parts is flattened with newlines, as vLLM does before it fills the same template at inference time.
    texts = []
    for i, part in enumerate(_sequence(raw, f"{where}.content")):
        fields = _mapping(part, f"{where}.content[{i}]")
        if fields.get("type") != "text":
            raise _Malformed(f"{where}.content[{i}] is of type {fields.get('type')!r}; only text can be trained on")
        if not isinstance(text := fields.get("text"), str):
            raise _Malformed(f"{where}.content[{i}].text should be a string, not {_kind(text)}")
        texts.append(text)
    return "\n".join(texts)


def _tool_call(raw: object, where: str) -> ToolCall:
    function = _mapping(_mapping(raw, where).get("function"), f"{where}.function")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            # A call without arguments is "" from some providers and "{}" from others; both mean the same.
            arguments = json.loads(arguments or "{}")
        except ValueError as error:
            raise _Malformed(f"{where}.function.arguments is not JSON ({error})") from error
    return ToolCall(
        name=_string(function.get("name"), f"{where}.function.name"),
        arguments=_mapping(arguments, f"{where}.function.arguments"),
    )


def _mapping(raw: object, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise _Malformed(f"{where} should be an object, not {_kind(raw)}")
    return raw


def _sequence(raw: object, where: str) -> Sequence[Any]:
    if not isinstance(raw, list):
        raise _Malformed(f"{where} should be an array, not {_kind(raw)}")
    return raw


def _string(raw: object, where: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise _Malformed(f"{where} should be a non-empty string, not {_kind(raw)}")
    return raw


def _kind(raw: object) -> str:
    return "missing or null" if raw is None else "empty" if raw == "" else type(raw).__name__
