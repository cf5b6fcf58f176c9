"""Opens a model endpoint for one rollout: the policy's own provider, or the scripted one.

Keys come in as a mapping (settings read them) and leave only inside the endpoint, which stays in the process that calls
the provider. There is no fallback from one model to another: data of one model never comes from a second in silence.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from swemill.adapters.scripted_answers import Script
from swemill.adapters.scripted_provider import scripted_provider
from swemill.errors import ConfigurationError
from swemill.values import InstanceSpec, ModelEndpoint, PolicySpec

SCRIPTED = "scripted"
"""The provider that needs no key."""


class LiteLlmGateway:
    """The port ``Gateway`` over LiteLLM's providers and the scripted one."""

    def __init__(self, *, provider_keys: Mapping[str, str]) -> None:
        """Take the provider keys, by the name of their variable (``OPENAI_API_KEY``)."""
        self._keys = dict(provider_keys)

    @contextmanager
    def open(self, policy: PolicySpec, instance: InstanceSpec) -> Iterator[ModelEndpoint]:
        """An endpoint that lives as long as the context.

        Raises:
            ConfigurationError: the policy's key is not set, or there is no script of that name.
        """
        if policy.provider == SCRIPTED:
            if policy.model not in tuple(Script):
                raise ConfigurationError(
                    f"policy {policy.name}: no script is called {policy.model!r}; there are {', '.join(Script)}"
                )
            # The gold patch goes to the server and nowhere else: the agent sees what a model would say, no more.
            with scripted_provider(patch=instance.patch) as server:
                yield ModelEndpoint(model=f"openai/{policy.model}", base_url=server.base_url, api_key=server.api_key)
            return
        key = self._keys.get(policy.provider)
        if not key:
            raise ConfigurationError(
                f"policy {policy.name} needs the variable {policy.provider}, which is not set; "
                "set it to a key of that provider, or choose another policy"
            )
        yield ModelEndpoint(model=policy.model, base_url=None, api_key=key)
