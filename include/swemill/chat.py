"""Trajectories as training conversations: OpenAI messages and tools, and whether they are fit to learn from.

The model becomes what it is trained on. A transcript whose calls have no results, or which breaks off, teaches exactly
that, so each is checked here, by name, before it is released. Nothing is repaired: what the model saw is what is kept.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SUBMIT_MARK = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
_FINISH_TOOLS = frozenset({"finish", "submit"})
_CHARACTERS_PER_TOKEN = 3.5  # code tokenizes more densely than prose


class Problem(StrEnum):
    """What can be wrong with a conversation."""

    NO_TURN = "no_turn"
    WRONG_ORDER = "wrong_order"
    NOT_TEXT = "not_text"
    EMPTY_TURN = "empty_turn"
    TRUNCATED_TURN = "truncated_turn"
    MALFORMED_CALL = "malformed_call"
    UNKNOWN_TOOL = "unknown_tool"
    CALL_WITHOUT_RESULT = "call_without_result"
    RESULT_WITHOUT_CALL = "result_without_call"
    NOT_SUBMITTED = "not_submitted"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A problem and the message (by index) where it shows."""

    problem: Problem
    message: int
    detail: str = ""

    def __str__(self) -> str:
        """One line for a log or a detail column."""
        return f"{self.problem} at message {self.message}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One training example in OpenAI's chat format."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...]


def conversation(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Conversation:
    """A transcript as a training example: chat roles only, and of their fields those that OpenAI's format knows."""
    kept = tuple(openai_message(message) for message in messages if message.get("role") in _FOLLOWS)
    return Conversation(messages=kept, tools=tuple(dict(tool) for tool in tools))


def openai_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """``message`` with OpenAI's fields alone; content is always text, a call's arguments always a JSON string."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    plain: dict[str, Any] = {"role": message["role"], "content": "" if content is None else str(content)}
    if message["role"] == "tool":
        plain["tool_call_id"] = str(message.get("tool_call_id", ""))
    if message["role"] == "assistant" and message.get("tool_calls"):
        plain["tool_calls"] = [_openai_call(call) for call in message["tool_calls"]]
    return plain


def _openai_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": str(call["id"]), "type": "function", "function": {"name": str(function["name"]), "arguments": text}}


def findings(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Everything that makes a conversation unfit for training, in order; empty when it is fit.

    The last turn must be the submission; its calls have no result, because there is nobody left to read one.
    """
    found: list[Finding] = []
    names = {tool["function"]["name"] for tool in tools}
    previous: str | None = None
    awaited: list[str] = []
    for number, message in enumerate(messages):
        role = message.get("role")
        if role not in _FOLLOWS or previous not in _FOLLOWS[role] or (role != "tool" and awaited):
            problem = Problem.CALL_WITHOUT_RESULT if awaited else Problem.WRONG_ORDER
            detail = ", ".join(awaited) or f"{role} after {previous}"
            found.append(Finding(problem=problem, message=number, detail=detail))
            awaited = []
        if not _is_text(message):
            found.append(Finding(problem=Problem.NOT_TEXT, message=number))
        if role == "tool":
            answered = message.get("tool_call_id")
            if answered in awaited:
                awaited.remove(answered)
            else:
                found.append(Finding(problem=Problem.RESULT_WITHOUT_CALL, message=number, detail=str(answered)))
        elif role == "assistant":
            found += _turn(message, number, names)
            awaited = [call["id"] for call in message.get("tool_calls") or ()]
        previous = role
    return found + _ending(messages)


def estimate_tokens(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
    """About how many tokens the conversation takes, within some 20%; no tokenizer is needed."""
    characters = len(json.dumps(list(tools), ensure_ascii=False)) if tools else 0
    for message in messages:
        calls = message.get("tool_calls") or ()
        characters += len(message.get("content") or "") + 16  # the role and its marks
        characters += sum(len(call["function"]["name"]) + len(call["function"]["arguments"]) + 40 for call in calls)
    return round(characters / _CHARACTERS_PER_TOKEN)


_FOLLOWS: dict[str | None, tuple[str | None, ...]] = {
    "system": (None,),
    "user": (None, "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}
"""Roles that may stand before each role."""


def _turn(message: Mapping[str, Any], number: int, names: set[str]) -> list[Finding]:
    """What is wrong inside one assistant turn."""
    calls = message.get("tool_calls") or ()
    if not calls and not str(message.get("content") or "").strip():
        return [Finding(problem=Problem.EMPTY_TURN, message=number)]
    found = []
    for call in calls:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        if name not in names:
            found.append(Finding(problem=Problem.UNKNOWN_TOOL, message=number, detail=name))
        try:
            parsed = json.loads(arguments)
        except ValueError as cause:
            # JSON that breaks off was cut by the output limit; other faults are the model's grammar.
            cut = isinstance(cause, json.JSONDecodeError) and (
                cause.pos >= len(arguments.rstrip()) or cause.msg.startswith("Unterminated")
            )
            problem = Problem.TRUNCATED_TURN if cut else Problem.MALFORMED_CALL
            found.append(Finding(problem=problem, message=number, detail=str(cause)))
        else:
            if not isinstance(parsed, dict):
                found.append(Finding(problem=Problem.MALFORMED_CALL, message=number, detail="arguments are no object"))
    return found


def _ending(messages: Sequence[Mapping[str, Any]]) -> list[Finding]:
    if not any(message.get("role") == "assistant" for message in messages):
        return [Finding(problem=Problem.NO_TURN, message=len(messages))]
    last = messages[-1]
    calls = (last.get("tool_calls") or ()) if last.get("role") == "assistant" else ()
    if any(call["function"]["name"] in _FINISH_TOOLS or SUBMIT_MARK in call["function"]["arguments"] for call in calls):
        return []
    return [Finding(problem=Problem.NOT_SUBMITTED, message=len(messages) - 1)]


def _is_text(message: Mapping[str, Any]) -> bool:
    """False for what no tokenizer can encode: no string, or a lone surrogate (also one escaped in arguments)."""
    texts = [message.get("content")]
    for call in message.get("tool_calls") or ():
        texts.append(call["function"]["arguments"])
        try:
            texts.append(json.dumps(json.loads(call["function"]["arguments"]), ensure_ascii=False))
        except ValueError:
            continue  # reported as a malformed call
    return all(isinstance(text, str) and not any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts)
