"""Calls to a model through LiteLLM, with the one decision that matters: who is at fault when a call fails.

What the provider does wrong (429, 5xx, silence, nonsense) is retried within bounds and then raised, never held against
the model; the time it cost is given back to the policy's clock. What the model does (outgrow its context window, use up
its time) ends the rollout by name. No message that leaves this module carries the key.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from swemill.errors import ProviderRejected, ProviderUnavailable, SwemillError
from swemill.values import ModelEndpoint, PolicySpec

_MAX_DETAIL = 1000
_SPENT = ("insufficient_quota", "exceeded your current quota", "Insufficient Balance", "credit balance is too low")


class ContextOverflow(Exception):
    """The conversation does not fit into the model's context window."""


class OutOfTime(Exception):
    """The policy's wall clock ran out."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to bear with a provider."""

    pauses: tuple[float, ...] = (2, 5, 15, 45)
    """Seconds to wait before each further try; their number bounds the tries."""
    longest_pause: float = 120
    """A provider that asks (Retry-After) for more seconds than this is given up at once."""
    call_seconds: float = 600
    """Seconds one call may take."""
    total_seconds: float = 240
    """Seconds of a provider's trouble that one whole rollout bears: its sandbox does not live for ever."""


class Clock:
    """The policy's wall clock, which stands still while the provider is at fault."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left. Raises OutOfTime when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left

    def give_back(self, seconds: float) -> None:
        """Move the end by ``seconds``."""
        self._deadline += seconds


def redact(text: str, secret: str) -> str:
    """``text`` without ``secret``."""
    return text.replace(secret, "[key]") if secret else text


class ModelCalls:
    """All calls of one rollout, counted."""

    def __init__(self, *, endpoint: ModelEndpoint, policy: PolicySpec, clock: Clock, patience: Patience) -> None:
        self._endpoint = endpoint
        self._policy = policy
        self._clock = clock
        self._patience = patience
        self._lost = 0.0
        self._wished: float | None = None
        """Seconds that the provider asked us to wait when the last call failed."""
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def complete(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any], **options: Any) -> Any:
        """The next turn, as LiteLLM's response object.

        Raises:
            ProviderRejected: the credentials or the request are refused; no try was repeated.
            ProviderUnavailable: the provider failed to the end of our patience.
            ContextOverflow: the model's context window is full.
            OutOfTime: the policy's time ran out before or during the call.
        """
        started = time.monotonic()
        for pause in (*self._patience.pauses, None):
            self._wished = None
            try:
                return self._try(messages, tools, options)
            except ProviderUnavailable:
                if pause is None:
                    raise
                wait = self._wished or pause
                lost = time.monotonic() - started + wait
                if wait > self._patience.longest_pause or self._lost + lost > self._patience.total_seconds:
                    raise
                time.sleep(wait)
                lost = time.monotonic() - started
                self._lost += lost
                self._clock.give_back(lost)
                started = time.monotonic()
        raise AssertionError("unreachable: the last try returns or raises")

    def _try(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any], options: Mapping[str, Any]) -> Any:
        litellm = import_litellm()
        left = self._clock.left()
        limit = min(left, self._patience.call_seconds)
        try:
            response = litellm.completion(
                model=self._endpoint.model,
                messages=messages,
                tools=tools,
                api_key=self._endpoint.api_key,
                base_url=self._endpoint.base_url,
                temperature=self._policy.temperature,
                max_tokens=self._policy.max_output_tokens,
                timeout=limit,
                max_retries=0,  # ours are the only retries: bounded, and off the policy's clock
                num_retries=0,
                **options,
            )
            if not response.choices:
                raise ValueError("the answer holds no turn at all")
            if response.choices[0].message.role != "assistant":
                raise ValueError("the answer is no turn of an assistant")
            usage = getattr(response, "usage", None)
            self.prompt_tokens += getattr(usage, "prompt_tokens", 0) or 0
            self.completion_tokens += getattr(usage, "completion_tokens", 0) or 0
        except litellm.exceptions.Timeout:
            if limit == left:
                raise OutOfTime from None
            self._fault(f"no answer within {limit:.0f} s")
        except Exception as cause:  # noqa: BLE001 - LiteLLM lets any error of a nonsensical answer through
            # `from None`: the foreign error, which may quote the key, must not be printed as this one's cause.
            raise self._verdict(cause, litellm.exceptions) from None
        return response

    def _verdict(self, cause: Exception, kinds: Any) -> Exception:
        """Who is at fault, in our words."""
        if isinstance(cause, kinds.ContextWindowExceededError):
            return ContextOverflow(self._say(cause))
        status = getattr(cause, "status_code", None)
        refused = status in (400, 401, 402, 403, 404, 422) and isinstance(
            cause,
            kinds.AuthenticationError
            | kinds.PermissionDeniedError
            | kinds.NotFoundError
            | kinds.BadRequestError
            | kinds.UnprocessableEntityError
            | kinds.PaymentRequiredError,
        )
        if refused or any(mark in str(cause) for mark in _SPENT):
            return ProviderRejected(
                f"{self._endpoint.model}: the provider refuses the request (HTTP {status}): {self._say(cause)} "
                f"(see that {self._policy.provider} holds a valid key with credit, and that the model's name is right)"
            )
        self._wished = _retry_after(cause)
        return self._unavailable(self._say(cause))

    def _fault(self, what: str) -> NoReturn:
        raise self._unavailable(what) from None

    def _unavailable(self, what: str) -> SwemillError:
        return ProviderUnavailable(
            f"{self._endpoint.model}: the provider fails: {what} (run it again later; if it lasts, see the provider's "
            "status page and your rate limits)"
        )

    def _say(self, cause: Exception) -> str:
        return redact(f"{type(cause).__name__}: {cause}", self._endpoint.api_key)[:_MAX_DETAIL]


def import_litellm() -> Any:
    """LiteLLM, told to fetch nothing and print nothing."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    # Two lines a call otherwise, wherever somebody (Airflow, for one) has turned the root logger up.
    logging.getLogger("LiteLLM").setLevel(logging.WARNING)
    return litellm


def _retry_after(cause: Exception) -> float | None:
    """The provider's wish, in seconds, where it states one."""
    headers = getattr(cause, "litellm_response_headers", None) or {}  # its `response` is made up, without headers
    value = str(headers.get("retry-after", ""))
    return float(value) if value.replace(".", "", 1).isdigit() else None
