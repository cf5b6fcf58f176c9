"""Renders a conversation as Qwen2.5's chat template does, keeping apart what the model said and what it was
told.

The template (training/data/qwen2.5_chat_template.jinja) yields one flat string, in which the assistant's
words can no longer be told from the rest, and in which a literal `<|im_end|>` quoted from a repository is a
real end of turn. So the rendering is done here in pieces, and proved equal to the template by
tests/training/test_chat.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from training.rows import Message, Role, Row, ToolCall

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
PADDING = "<|endoftext|>"

DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

_TOOLS_HEAD = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_TOOLS_TAIL = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """`<|im_start|>` head body `<|im_end|>` newline. When `trained`, the loss is on the body and on `<|im_end|>`."""

    head: str
    body: str
    trained: bool = False

    @property
    def text(self) -> str:
        return f"{TURN_START}{self.head}{self.body}{TURN_END}\n"


def render(row: Row) -> tuple[Turn, ...]:
    """The conversation as turns; joining their `text` gives what the chat template gives for it."""
    first, *rest = row.messages
    system, others = (first.content, rest) if first.role is Role.SYSTEM else (DEFAULT_SYSTEM, row.messages)
    return (Turn(head="system\n", body=system + _tool_list(row.tools)), *_turns(others))


def _turns(messages: Sequence[Message]) -> Iterator[Turn]:
    for role, group in groupby(messages, key=lambda message: message.role):
        if role is Role.TOOL:
            # Neighbouring tool results share one user turn.
            responses = (f"<tool_response>\n{message.content}\n</tool_response>" for message in group)
            yield Turn(head="user\n", body="\n".join(responses))
        elif role is Role.ASSISTANT:
            for message in group:
                yield Turn(head="assistant\n", body=_assistant_body(message), trained=True)
        else:
            for message in group:
                yield Turn(head=f"{role}\n", body=message.content)


def _assistant_body(message: Message) -> str:
    thought = [message.content] if message.content else []
    return "\n".join([*thought, *map(_call_text, message.tool_calls)])


def _call_text(call: ToolCall) -> str:
    return f'<tool_call>\n{{"name": "{call.name}", "arguments": {_to_json(call.arguments)}}}\n</tool_call>'


def _tool_list(tools: Sequence[Mapping[str, Any]]) -> str:
    return _TOOLS_HEAD + "".join(f"\n{_to_json(tool)}" for tool in tools) + _TOOLS_TAIL if tools else ""


def _to_json(value: Mapping[str, Any]) -> str:
    """As the `tojson` filter of transformers' template environment, which unlike Jinja's own does not escape HTML."""
    return json.dumps(value, ensure_ascii=False)
