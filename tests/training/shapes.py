"""The messages that the training tests are made of, in OpenAI's form."""

import json
import random
from typing import Any

BASH = {
    "type": "function",
    "function": {
        "name": "execute_bash",
        "description": "Run a command <in> a 'shell' & wait — Größe egal.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}


def call(command: str, *, thought: str | None = None, name: str = "execute_bash") -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps({"command": command}, ensure_ascii=False)}
    return {
        "role": "assistant",
        "content": thought,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }


def tool(content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "call_1", "content": content}


def trajectory(number: int) -> dict[str, Any]:
    """An agent at work: about ten messages, regular enough to be learnt, no two alike."""
    chance = random.Random(number)
    module, value = chance.choice(["core", "models", "views", "cli"]), chance.randint(1, 99)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a software engineer. Fix the issue."},
        {"role": "user", "content": f"{module}.py returns {value} where it should return {value + 1}."},
    ]
    commands = ["ls src", f"cat src/{module}.py", f"sed -i s/{value}/{value + 1}/ src/{module}.py", "pytest -q"]
    for step, command in enumerate(commands):
        messages.append(call(command, thought=f"Next I look at {module}.py." if step % 2 else None))
        messages.append(tool(f"def {module}():\n    return {value}\n\n\n1 passed in 0.1{step}s\n"))
    messages.append({"role": "assistant", "content": f"{module}.py now returns {value + 1}."})
    return {"instance_id": f"acme__{module}-{number}", "messages": messages, "tools": [BASH], "extra": "ignored"}
