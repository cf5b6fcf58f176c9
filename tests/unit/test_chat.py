"""Conversations: what is kept of a transcript and what makes it unfit to learn from."""

import json
from typing import Any

import pytest

from swemill.chat import Problem, conversation, estimate_tokens, findings

TOOLS = [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}]
SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


def call(identity: str, command: str = "ls", *, name: str = "bash", raw: str | None = None) -> dict[str, Any]:
    arguments = raw if raw is not None else json.dumps({"command": command})
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def turn(*calls: dict[str, Any], text: str = "thought") -> dict[str, Any]:
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {})}


def result(identity: str) -> dict[str, Any]:
    return {"role": "tool", "content": "ok", "tool_call_id": identity}


HEAD = [{"role": "system", "content": "s"}, {"role": "user", "content": "fix"}]
END = turn(call("z", SUBMIT))


def problems(messages: list[dict[str, Any]]) -> list[Problem]:
    return [finding.problem for finding in findings(messages, TOOLS)]


@pytest.mark.parametrize(
    "middle",
    [
        [],
        [turn(call("a")), result("a")],
        [turn(call("a"), call("b")), result("b"), result("a")],
        [turn(text="Shall I?"), {"role": "user", "content": "yes"}],
        [turn(call("a"), text=""), result("a")],
    ],
)
def test_sound_conversations_have_no_findings(middle: list[dict[str, Any]]) -> None:
    assert problems([*HEAD, *middle, END]) == []


@pytest.mark.parametrize(
    "middle, problem",
    [
        ([turn(call("a"))], Problem.CALL_WITHOUT_RESULT),
        ([turn(call("a"), call("b")), result("a")], Problem.CALL_WITHOUT_RESULT),
        ([turn(call("a")), result("x"), result("a")], Problem.RESULT_WITHOUT_CALL),
        ([{"role": "user", "content": "again"}], Problem.WRONG_ORDER),
        ([turn(), turn()], Problem.WRONG_ORDER),
        ([{"role": "exit", "content": ""}], Problem.WRONG_ORDER),
        ([turn(text=" "), {"role": "user", "content": "?"}], Problem.EMPTY_TURN),
        ([turn(call("a", raw='{"command": "ls')), result("a")], Problem.TRUNCATED_TURN),
        ([turn(call("a", raw='{"command":')), result("a")], Problem.TRUNCATED_TURN),
        ([turn(call("a", raw="ls -la")), result("a")], Problem.MALFORMED_CALL),
        ([turn(call("a", raw="[1]")), result("a")], Problem.MALFORMED_CALL),
        ([turn(call("a", name="python")), result("a")], Problem.UNKNOWN_TOOL),
        ([turn(call("a", "\ud800")), result("a")], Problem.NOT_TEXT),
        ([turn(text="\udfff"), {"role": "user", "content": "?"}], Problem.NOT_TEXT),
        ([{"role": "assistant", "content": None}, {"role": "user", "content": "?"}], Problem.NOT_TEXT),
    ],
)
def test_each_fault_has_its_name(middle: list[dict[str, Any]], problem: Problem) -> None:
    assert problem in problems([*HEAD, *middle, END])


def test_a_conversation_must_have_turns_and_end_in_the_submission() -> None:
    assert problems(HEAD) == [Problem.NO_TURN]
    assert problems([*HEAD, turn(call("a")), result("a")]) == [Problem.NOT_SUBMITTED]
    assert problems([*HEAD, turn(text="I am done.")]) == [Problem.NOT_SUBMITTED]


def test_only_openai_fields_are_kept_and_types_are_stable() -> None:
    raw = [
        *HEAD,
        {
            "role": "assistant",
            "content": None,
            "function_call": None,
            "reasoning_content": "hm",
            "tool_calls": [{"index": 0, **call("a"), "x": 1}],
            "extra": {"cost": 1},
        },
        {"role": "tool", "content": [{"type": "text", "text": "one"}], "tool_call_id": "a", "extra": {}},
        {
            "role": "assistant",
            "content": "hi",
            "tool_calls": [{"id": "b", "function": {"name": "bash", "arguments": {}}}],
        },
        {"role": "exit", "content": "bye"},
    ]
    kept = conversation(raw, TOOLS)
    assert list(kept.messages[2:]) == [
        {"role": "assistant", "content": "", "tool_calls": [call("a")]},
        {"role": "tool", "content": "one", "tool_call_id": "a"},
        {"role": "assistant", "content": "hi", "tool_calls": [call("b", raw="{}")]},
    ]


def test_the_estimate_grows_with_every_part() -> None:
    bare = estimate_tokens(HEAD, [])
    assert estimate_tokens(HEAD, TOOLS) > bare
    assert estimate_tokens([*HEAD, turn(call("a", "x" * 3500))], []) == pytest.approx(bare + 1000, rel=0.1)
