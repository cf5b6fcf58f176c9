"""The gateway and its scripted provider over real HTTP, spoken to by real clients (openai, LiteLLM)."""

import json
import urllib.error
import urllib.request
from dataclasses import replace

import openai
import pytest

from swemill.adapters.gateway import LiteLlmGateway
from swemill.adapters.model_calls import import_litellm
from swemill.adapters.policies import load
from swemill.adapters.scripted_answers import SUBMIT
from swemill.adapters.scripted_provider import scripted_provider
from swemill.errors import ConfigurationError
from swemill.settings import CHECKOUT
from swemill.values import PolicySpec
from tests.instances import INSTANCE

PATCH = b"--- a/calc.py\n+++ b/calc.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
PATCHED = replace(INSTANCE, patch=PATCH)
TOOL = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object", "properties": {}}}}


def _policy(model: str, provider: str = "scripted") -> PolicySpec:
    return PolicySpec(name=model, agent="mini-swe-agent", model=model, provider=provider)


def test_real_provider_gets_its_own_key_and_no_base_url() -> None:
    gateway = LiteLlmGateway(provider_keys={"OPENAI_API_KEY": "sk-one", "GEMINI_API_KEY": "two"})
    with gateway.open(_policy("gemini/gemini-2.5-pro", "GEMINI_API_KEY"), PATCHED) as endpoint:
        assert (endpoint.model, endpoint.base_url, endpoint.api_key) == ("gemini/gemini-2.5-pro", None, "two")
        assert "two" not in repr(endpoint)


def test_missing_key_names_the_variable() -> None:
    policy = _policy("openai/gpt-4.1", "OPENAI_API_KEY")
    with (
        pytest.raises(ConfigurationError, match="OPENAI_API_KEY"),
        LiteLlmGateway(provider_keys={}).open(policy, PATCHED),
    ):
        pass


def test_unknown_script_names_those_there_are() -> None:
    with (
        pytest.raises(ConfigurationError, match="oracle, idle"),
        LiteLlmGateway(provider_keys={}).open(_policy("x"), PATCHED),
    ):
        pass


def test_oracle_replays_the_patch_turn_by_turn_and_streams_the_same() -> None:
    with LiteLlmGateway(provider_keys={}).open(_policy("oracle"), PATCHED) as endpoint:
        client = openai.OpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0)
        assert {"oracle", "idle"} <= {model.id for model in client.models.list()}
        messages: list[dict[str, object]] = [{"role": "user", "content": "fix it"}]
        commands = []
        for _ in range(4):
            reply = client.chat.completions.create(model="oracle", messages=messages, tools=[TOOL])
            call = reply.choices[0].message.tool_calls[0]
            commands.append(json.loads(call.function.arguments)["command"])
            assert reply.choices[0].finish_reason == "tool_calls"
            assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
            messages += [
                reply.choices[0].message.model_dump(exclude_none=True),
                {"role": "tool", "tool_call_id": call.id, "content": "ok"},
            ]
        assert PATCH.decode() in commands[1]
        assert "git apply" in commands[1]
        assert "git diff --stat" in commands[2]
        assert commands[3].startswith(SUBMIT)
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(client.chat.completions.create(model="oracle", messages=messages[:1], tools=[TOOL], **options))
        delta = chunks[0].choices[0].delta
        assert json.loads(delta.tool_calls[0].function.arguments)["command"] == commands[0]
        assert chunks[-1].usage.completion_tokens > 0


def test_the_server_is_closed_to_strangers_and_gone_after_the_context() -> None:
    with scripted_provider(patch=PATCH) as server:
        body = json.dumps({"model": "oracle", "messages": []}).encode()
        request = urllib.request.Request(f"{server.base_url}/chat/completions", data=body)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=5)
        assert refusal.value.code == 401
        assert b"calc.py" not in refusal.value.read()
        refusal.value.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{server.base_url}/models", timeout=5)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model": "oracle"}', b'{"model": "oracle", "messages": [1]}'])
def test_malformed_requests_are_answered_with_400(body: bytes) -> None:
    with scripted_provider() as server:
        headers = {"Authorization": f"Bearer {server.api_key}"}
        request = urllib.request.Request(f"{server.base_url}/chat/completions", data=body, headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=5)
        assert refusal.value.code == 400
        refusal.value.close()


def test_every_real_policy_names_a_model_with_a_price_and_tools() -> None:
    litellm = import_litellm()
    for policy in load(CHECKOUT / "config" / "policies.toml"):
        if policy.provider != "scripted":
            info = litellm.get_model_info(policy.model)
            assert info["supports_function_calling"], policy.name
            assert info["input_cost_per_token"] > 0, policy.name  # else the limit `dollars` would never hold
            assert info["max_output_tokens"] >= policy.max_output_tokens, policy.name
