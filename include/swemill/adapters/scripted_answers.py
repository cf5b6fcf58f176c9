"""What the scripted provider answers: honest stand-ins for a model, and the faults that a provider can show.

``oracle`` replays the gold patch and ``idle`` changes nothing: between them they prove that the whole chain works
without any key, and bound every evaluation from above and below. The step is the number of assistant messages already
in the request, so an answer depends on the request alone and a retried or restarted rollout gets the same one.
"""

import base64
import hashlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""The command by which mini-swe-agent's prompt asks for the end."""


class Script(StrEnum):
    """Names that a policy may use as its ``model`` with the provider ``scripted``."""

    ORACLE = "oracle"
    IDLE = "idle"
    # Faults, for tests of whoever talks to a provider.
    UNAUTHORIZED = "fault-401"
    RATE_LIMIT = "fault-429"
    RATE_LIMIT_ONCE = "fault-429-once"
    SERVER_ERROR = "fault-500"
    HTML = "fault-html"
    NONSENSE = "fault-nonsense"
    CONTEXT_OVERFLOW = "fault-context"
    BAD_ARGUMENTS = "fault-arguments"
    CHATTER = "fault-chatter"
    LOOP = "fault-loop"
    SLOW = "fault-slow"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One assistant turn: a thought and the commands to run (raw argument strings for malformed calls)."""

    text: str
    commands: tuple[str, ...] = ()
    raw_arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer that is no completion."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(script: Script, step: int, *, patch: bytes) -> Turn | Fault:
    """The answer of ``script`` when ``step`` assistant messages came before; ``patch`` is what ``oracle`` replays."""
    match script:
        case Script.ORACLE:
            turns = _oracle(patch)
            return turns[min(step, len(turns) - 1)]
        case Script.BAD_ARGUMENTS:
            return Turn(text="These arguments are cut off.", raw_arguments=('{"command": "ls',))
        case Script.CHATTER:
            return Turn(text="I would rather talk than call a tool.")
        case Script.LOOP:
            return Turn(text=f"Step {step}.", commands=(f"echo step {step}",))
    return _FAULTS.get(script) or Turn(text="There is nothing I want to change.", commands=(SUBMIT,))


def completion(turn: Turn, *, model: str, messages: Sequence[Any], created: int) -> dict[str, Any]:
    """``turn`` as a chat completion object, with ids and usage that depend on the request alone."""
    history = json.dumps(messages)
    seed = hashlib.sha256(history.encode()).hexdigest()
    arguments = [json.dumps({"command": command}) for command in turn.commands] + list(turn.raw_arguments)
    calls = [
        {"id": f"call_{seed[:20]}{number:02}", "type": "function", "function": {"name": "bash", "arguments": text}}
        for number, text in enumerate(arguments)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if calls:
        message["tool_calls"] = calls
    # Four characters a token: what matters is that the numbers grow as a real provider's do.
    used = {"prompt_tokens": len(history) // 4 + 1, "completion_tokens": len(json.dumps(message)) // 4 + 1}
    return {
        "id": f"chatcmpl-{seed[:24]}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {**used, "total_tokens": sum(used.values())},
    }


def error(status: int, message: str, *, code: str, kind: str = "invalid_request_error", **headers: str) -> Fault:
    """An error in the form that OpenAI-compatible providers use."""
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})
    return Fault(status=status, body=body.encode(), headers={k.replace("_", "-"): v for k, v in headers.items()})


def _oracle(patch: bytes) -> list[Turn]:
    return [
        Turn(text="I look at the repository first.", commands=("git log --oneline -n 3 && git status --short && ls",)),
        Turn(
            text="I know the change that is wanted. I write it to patch.txt and apply it.",
            commands=(f"{_write_patch(patch)}\ngit apply --whitespace=nowarn patch.txt",),
        ),
        Turn(text="I check what has changed.", commands=("git diff --stat && git status --short",)),
        Turn(text="The change is in place. I submit it.", commands=(f"{SUBMIT} && cat patch.txt",)),
    ]


def _write_patch(patch: bytes) -> str:
    """A shell command that writes ``patch`` to patch.txt, byte for byte."""
    try:
        text = patch.decode()
    except UnicodeDecodeError:
        text = ""
    # A heredoc cannot carry NUL, and always ends in a newline.
    if not text.endswith("\n") or "\0" in text:
        encoded = "\n".join(textwrap.wrap(base64.b64encode(patch).decode(), 76))
        return f"base64 -d > patch.txt <<'END_OF_PATCH'\n{encoded}\nEND_OF_PATCH"
    end = "END_OF_PATCH"
    while end in text:
        end += "_"
    return f"cat > patch.txt <<'{end}'\n{text}{end}"


_FAULTS: dict[Script, Fault] = {
    Script.UNAUTHORIZED: error(401, "Incorrect API key provided.", code="invalid_api_key"),
    Script.RATE_LIMIT: error(
        429, "Rate limit reached.", code="rate_limit_exceeded", kind="rate_limit_error", retry_after="1"
    ),
    Script.SERVER_ERROR: error(500, "The server had an error.", code="internal_error", kind="server_error"),
    Script.CONTEXT_OVERFLOW: error(
        400,
        "This model's maximum context length is 1000 tokens. However, your messages resulted in 9999 tokens.",
        code="context_length_exceeded",
    ),
    Script.HTML: Fault(status=200, body=b"<html><body>Welcome to the proxy</body></html>", content_type="text/html"),
    Script.NONSENSE: Fault(status=200, body=b'{"object": "chat.completion", "choices": ['),
}
