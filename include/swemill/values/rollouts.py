"""Who acts (policy, model endpoint) and what came of it: an agent's end and the diff it left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swemill.reasons import Reason


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """What acts: agent, model, prompt and limits. Its hash identifies it."""

    name: str
    agent: str
    """Agent adapter, such as ``mini-swe-agent``."""
    model: str
    """LiteLLM model name (``openai/gpt-4.1``), or the script's name of the scripted provider."""
    provider: str
    """``scripted``, or the variable that holds the provider's key."""
    prompt: str = ""
    """The agent's prompt templates (its own YAML form); empty: the agent's stock SWE-bench prompt."""
    temperature: float = 0.0
    turns: int = 100
    minutes: float = 30.0
    dollars: float = 3.0
    max_output_tokens: int = 8192

    def config(self) -> dict[str, Any]:
        """All that could change a rollout, for the effect key."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True)
class ModelEndpoint:
    """An OpenAI-compatible endpoint for one rollout. ``api_key`` never leaves the process that calls it."""

    model: str
    base_url: str | None
    api_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """How an agent ended. The patch is not its word: it is taken from the sandbox afterwards."""

    exit_status: str
    """The agent's own word for its end (``Submitted``, ``LimitsExceeded`` ...)."""
    messages: Sequence[Mapping[str, Any]]
    """The transcript as OpenAI chat messages: system, user, assistant with tool_calls, tool."""
    tools: Sequence[Mapping[str, Any]]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    reason: Reason | None = None
    """Set when the end is a loss in itself (a limit, malformed answers)."""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class RolloutResult:
    """One rollout: the agent's end and the diff found in its sandbox."""

    agent: AgentResult
    patch: bytes
    seconds: float
