"""The agent mini-swe-agent: its own loop, prompt and tool-call format, around our sandbox and our model calls.

The agent runs outside, in this process, with the key; only its commands run in the sandbox, which has no network. So
the sandbox holds no secret, and what the agent says of its own success counts for nothing here.
"""

import functools
import os
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from swemill.adapters.model_calls import (
    Clock,
    ContextOverflow,
    ModelCalls,
    OutOfTime,
    Patience,
    import_litellm,
    redact,
)
from swemill.chat import SUBMIT_MARK, conversation
from swemill.errors import ConfigurationError, SwemillError
from swemill.ports import RunningSandbox
from swemill.reasons import Reason
from swemill.values import AgentResult, ExecResult, InstanceSpec, ModelEndpoint, PolicySpec

_INLINE_COMMAND = 100_000  # bytes; the kernel takes at most 128 KiB in one argument
_OUTPUT_LIMIT = 8 << 20  # the mark of a submission stands in the FIRST line, so the output must be whole
_TEMPLATES = {"system_template", "instance_template"}

HandIn = Callable[[str], str | None]
"""Takes what the agent submits; None ends the conversation, a text goes back to the agent, which goes on."""
_import_lock = threading.Lock()


class _SandboxEnded(Exception):
    """A command ended its own sandbox (memory, wall clock); every further command would be in vain, and cost money."""


class MiniSweAgent:
    """The port ``Agent`` over mini-swe-agent with native tool calls."""

    name = "mini-swe-agent"

    def __init__(self, *, patience: Patience | None = None, command_seconds: float | None = None) -> None:
        """Create the agent.

        Args:
            patience: how long to bear with a provider.
            command_seconds: time limit of one command; None: that of the agent's own configuration (60).
        """
        self._patience = patience or Patience()
        self._command_seconds = command_seconds

    def run(
        self, instance: InstanceSpec, policy: PolicySpec, endpoint: ModelEndpoint, sandbox: RunningSandbox
    ) -> AgentResult:
        """Work on the instance until done or a limit is reached.

        Raises:
            ProviderRejected, ProviderUnavailable, SandboxUnavailable: as the names say.
        """
        return self.converse(instance.problem_statement, policy, endpoint, sandbox)

    def converse(
        self,
        task: str,
        policy: PolicySpec,
        endpoint: ModelEndpoint,
        sandbox: RunningSandbox,
        *,
        templates: Mapping[str, str] | None = None,
        hand_in: HandIn | None = None,
        env: Mapping[str, str] | None = None,
        tokens: int = 0,
    ) -> AgentResult:
        """Work on ``task``, with other ``templates`` than the stock ones where the policy has none of its own.

        ``hand_in`` judges each submission (its time is not the policy's); ``env`` is the environment of commands;
        ``tokens`` of prompts and answers together are the most that may be used (0: no limit but the policy's).

        Raises:
            ProviderRejected, ProviderUnavailable, SandboxUnavailable: as the names say. What ``hand_in`` raises.
        """
        parts = _parts()
        config = parts.config(policy.prompt, templates or {})
        clock = Clock(policy.minutes * 60)
        calls = ModelCalls(endpoint=endpoint, policy=policy, clock=clock, patience=self._patience)
        caching = "default_end" if "claude" in endpoint.model else None  # as the agent does when it picks the model
        model = parts.model(calls, tokens, model_name=endpoint.model, set_cache_control=caching, **config["model"])
        environment = _SandboxEnvironment(
            sandbox=sandbox,
            clock=clock,
            seconds=self._command_seconds or config["environment"]["timeout"],
            env={**config["environment"]["env"], **(env or {})},
            submitted=parts.submitted,
            hand_in=hand_in,
        )
        limits = {"step_limit": policy.turns, "cost_limit": policy.dollars, "wall_time_limit_seconds": 0}
        agent = parts.agent(model, environment, **{**config["agent"], **limits})
        status, reason, detail = self._drive(agent, task, policy)
        transcript = conversation(agent.messages, [parts.tool])
        return AgentResult(
            exit_status=status,
            messages=[_redacted(message, endpoint.api_key) for message in transcript.messages],
            tools=transcript.tools,
            calls=agent.n_calls,
            prompt_tokens=calls.prompt_tokens,
            completion_tokens=calls.completion_tokens,
            dollars=agent.cost,
            reason=reason,
            detail=redact(detail, endpoint.api_key),
        )

    def _drive(self, agent: Any, task: str, policy: PolicySpec) -> tuple[str, Reason | None, str]:
        """Run the agent's loop; returns its status, our reason for it and the detail."""
        try:
            status = str(agent.run(task).get("exit_status", ""))
        except OutOfTime:
            return "TimeExceeded", Reason.TIME_LIMIT, f"{policy.minutes:g} minutes"
        except ContextOverflow as overflow:
            return "ContextWindowExceeded", Reason.CONTEXT_OVERFLOW, str(overflow)
        except _SandboxEnded as end:
            return "SandboxEnded", Reason.AGENT_CRASHED, f"a command ended the sandbox: {end}"
        except SwemillError:
            raise
        except Exception as crash:  # noqa: BLE001 - a fault of the agent's own code is an outcome of the rollout
            where = traceback.extract_tb(crash.__traceback__)[-1]
            detail = f"{type(crash).__name__}: {crash} ({where.name}, line {where.lineno})"
            return type(crash).__name__, Reason.AGENT_CRASHED, detail
        if status == "Submitted":
            return status, None, ""
        if status == "RepeatedFormatError":
            return status, Reason.MALFORMED_ANSWERS, f"{agent.n_consecutive_format_errors} malformed answers in a row"
        if status == "TokensExceeded":
            return status, Reason.COST_LIMIT, "the budget of tokens is used up"
        if status == "LimitsExceeded" and agent.n_calls >= policy.turns:
            return status, Reason.TURN_LIMIT, f"{policy.turns} turns"
        if status == "LimitsExceeded":
            return status, Reason.COST_LIMIT, f"{agent.cost:.4f} of {policy.dollars:g} dollars"
        return status, Reason.AGENT_CRASHED, f"unknown exit status {status!r}"


class _SandboxEnvironment:
    """mini-swe-agent's protocol ``Environment`` over a running sandbox."""

    def __init__(
        self,
        *,
        sandbox: RunningSandbox,
        clock: Clock,
        seconds: float,
        env: Mapping[str, str],
        submitted: Any,
        hand_in: HandIn | None,
    ) -> None:
        self.config = {"timeout": seconds}
        self._sandbox = sandbox
        self._clock = clock
        self._seconds = seconds
        # The stock BASH_ENV activates conda in images that are not ours.
        self._env = {name: str(value) for name, value in env.items() if name != "BASH_ENV"}
        self._submitted = submitted
        self._hand_in = hand_in

    def execute(self, action: Mapping[str, Any], cwd: str = "") -> dict[str, Any]:
        """Run one command; the time limit is the command's or what is left of the policy's, whichever is less."""
        command = str(action.get("command", "")).encode(errors="replace")
        # A long command goes in by standard input: an argument that large the kernel refuses.
        inline = len(command) <= _INLINE_COMMAND and b"\0" not in command
        result = self._sandbox.run(
            ["bash", "-c", command.decode() if inline else 'eval "$(cat)"'],
            timeout=min(self._seconds, self._clock.left()),
            stdin=b"" if inline else command,
            env=self._env,
            cwd=cwd or "/testbed",
            output_limit=_OUTPUT_LIMIT,
        )
        if result.timed_out or result.out_of_memory:
            self._clock.left()  # where the policy's time is up, that is the end's name
            self._check_alive()
        output = self._observation(result)
        lines = output["output"].lstrip().splitlines(keepends=True)
        if output["returncode"] == 0 and lines and lines[0].strip() == SUBMIT_MARK:
            answer = self._answer("".join(lines[1:]))
            if answer is not None:
                return {"output": answer, "returncode": 1, "exception_info": ""}
            extra = {"exit_status": "Submitted", "submission": "".join(lines[1:])}
            raise self._submitted({"role": "exit", "content": "", "extra": extra})
        return output

    def _answer(self, submission: str) -> str | None:
        """What whoever takes submissions says to this one; None: it is the end."""
        if self._hand_in is None:
            return None
        started = time.monotonic()
        try:
            return self._hand_in(submission)
        finally:
            self._clock.give_back(time.monotonic() - started)

    def _check_alive(self) -> None:
        probe = self._sandbox.run(["true"], timeout=30)
        if probe.exit_code != 0:
            raise _SandboxEnded(probe.output.decode(errors="replace").strip())

    def _observation(self, result: ExecResult) -> dict[str, Any]:
        trouble = ""
        if result.timed_out:
            trouble = f"The command was killed: it took longer than {self._seconds:g} seconds"
        elif result.out_of_memory:
            trouble = "The command was killed: it needed more memory than there is"
        text = result.output.decode(errors="replace")
        return {"output": text, "returncode": -1 if trouble else result.exit_code, "exception_info": trouble}

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        return dict(kwargs)

    def serialize(self) -> dict[str, Any]:
        return {}


class _Parts:
    """What is taken from mini-swe-agent, imported once and without its side effects."""

    def __init__(self) -> None:
        import_litellm()
        with tempfile.TemporaryDirectory() as folder:
            # On import it prints a banner, makes its configuration folder and reads an .env file from there into the
            # environment: it gets an empty folder that is gone a moment later.
            os.environ["MSWEA_SILENT_STARTUP"] = "1"
            os.environ["MSWEA_GLOBAL_CONFIG_DIR"] = folder
            from minisweagent import package_dir
            from minisweagent.agents.default import DefaultAgent
            from minisweagent.exceptions import LimitsExceeded, Submitted
            from minisweagent.models.litellm_model import LitellmModel
            from minisweagent.models.utils.actions_toolcall import BASH_TOOL

        class CountedModel(LitellmModel):
            """LiteLLM's model with our calls; nothing is retried a second time on top of them."""

            abort_exceptions = [BaseException]  # type: ignore[list-item] # theirs is a list of Exception; this is wider

            def __init__(self, calls: ModelCalls, tokens: int, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self._calls = calls
                self._tokens = tokens

            def query(self, messages: list[dict[str, str]], **kwargs: Any) -> dict[str, Any]:
                if 0 < self._tokens <= self._calls.prompt_tokens + self._calls.completion_tokens:
                    extra = {"exit_status": "TokensExceeded", "submission": ""}
                    raise LimitsExceeded({"role": "exit", "content": "TokensExceeded", "extra": extra})
                answer: dict[str, Any] = super().query(messages, **kwargs)
                return answer

            def _query(self, messages: list[dict[str, str]], **kwargs: Any) -> Any:
                return self._calls.complete(messages, [BASH_TOOL], **(self.config.model_kwargs | kwargs))

        self.agent = DefaultAgent
        self.model = CountedModel
        self.submitted = Submitted
        self.tool = BASH_TOOL
        self._stock = (package_dir / "config" / "benchmarks" / "swebench.yaml").read_text()

    def config(self, prompt: str, templates: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A fresh copy of the agent's stock SWE-bench configuration, with the templates of ``prompt`` if there are any.

        ``templates`` stand in for the stock ones.

        Costs of unknown models count as nothing.

        Raises:
            ConfigurationError: ``prompt`` is no YAML with known templates.
        """
        import yaml  # type: ignore[import-untyped]

        config: dict[str, Any] = yaml.safe_load(self._stock)
        config["model"] = {**config["model"], "cost_tracking": "ignore_errors"}
        del config["model"]["model_name"]
        config["agent"] |= dict(templates or {})
        if prompt:
            config["agent"] |= _templates(prompt)
        return config


def _templates(prompt: str) -> dict[str, str]:
    import yaml

    try:
        templates = yaml.safe_load(prompt)
    except yaml.YAMLError as cause:
        raise ConfigurationError(f"a policy's prompt is no YAML: {cause}") from cause
    if not isinstance(templates, dict) or not templates or not templates.keys() <= _TEMPLATES:
        raise ConfigurationError(f"a policy's prompt must hold {' or '.join(sorted(_TEMPLATES))}, and nothing else")
    return {name: str(text) for name, text in templates.items()}


def _parts() -> _Parts:
    # Airflow's workers and the sharded runner use threads, and the environment is changed during the import.
    with _import_lock:
        return _load_parts()


@functools.cache
def _load_parts() -> _Parts:
    return _Parts()


def _redacted(message: dict[str, Any], secret: str) -> dict[str, Any]:
    """A model or server that echoes the key must not bring it into the dataset."""
    clean = {**message, "content": redact(message["content"], secret)}
    if "tool_calls" in message:
        clean["tool_calls"] = [
            {**call, "function": {key: redact(text, secret) for key, text in call["function"].items()}}
            for call in message["tool_calls"]
        ]
    return clean
