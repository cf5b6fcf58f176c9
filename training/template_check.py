"""Refuses a base model whose own chat template says something else than training/chat.py.

A model trained on one rendering and served with another loses quality without any error. The published
Qwen2.5 templates differ in details between sizes and revisions, so the checkpoint at hand is asked, not
assumed.
"""

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from training.chat import render
from training.failures import JobFailure, Reason
from training.rows import parse_row

_TOOL = {"type": "function", "function": {"name": "bash", "description": "Run <it> & 'see' ümlaut", "parameters": {}}}
_CALL = {"id": "1", "type": "function", "function": {"name": "bash", "arguments": {"command": 'ls <A> && echo "Ü"'}}}
_TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "Fix it."},
    {"role": "assistant", "content": "A thought.", "tool_calls": [_CALL, _CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "one"},
    {"role": "tool", "tool_call_id": "1", "content": "two"},
    {"role": "assistant", "content": "", "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "three"},
    {"role": "assistant", "content": "Done."},
]
_SYSTEM: dict[str, Any] = {"role": "system", "content": "Be brief."}


def check_template(model_dir: Path) -> None:
    """Render probe conversations with the checkpoint's template and with ours, and compare.

    Raises:
        JobFailure: `template_mismatch`, showing the first difference.
    """
    template = _environment().from_string(_read_template(model_dir))
    for messages, tools in ((_TALK, [_TOOL]), ([_SYSTEM, *_TALK], [_TOOL]), ([_SYSTEM, *_TALK], []), (_TALK, [])):
        row = parse_row(json.dumps({"instance_id": "probe", "messages": messages, "tools": tools}).encode())
        ours = "".join(turn.text for turn in render(row))
        try:
            theirs = template.render(messages=messages, tools=tools or None, add_generation_prompt=False)
        except TemplateError as error:
            raise JobFailure(Reason.TEMPLATE_MISMATCH, f"The chat template of {model_dir} fails: {error}") from error
        if ours != theirs:
            at = next(i for i, (a, b) in enumerate(zip_longest(ours, theirs)) if a != b)
            raise JobFailure(
                Reason.TEMPLATE_MISMATCH,
                f"The chat template of {model_dir} renders {theirs[at : at + 40]!r} where training/chat.py renders "
                f"{ours[at : at + 40]!r}. Replace it with training/data/qwen2.5_chat_template.jinja in the base "
                "model (the fine-tuned model is then served with it), or extend training/chat.py.",
            )


def _read_template(model_dir: Path) -> str:
    """Newer transformers keep the template in a file of its own, older ones inside tokenizer_config.json."""
    separate = model_dir / "chat_template.jinja"
    if separate.is_file():
        return separate.read_text()
    template = json.loads((model_dir / "tokenizer_config.json").read_text()).get("chat_template")
    if not isinstance(template, str):
        raise JobFailure(Reason.BASE_MODEL_INVALID, f"{model_dir} has no chat template: is it an Instruct model?")
    return template


def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers sets Jinja up. Templates come with downloaded models, so they are sandboxed."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment
