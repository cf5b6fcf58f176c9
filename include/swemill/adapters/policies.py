"""Reads ``config/policies.toml`` and says which policies can act with the keys at hand."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from swemill.adapters.gateway import SCRIPTED
from swemill.errors import ConfigurationError
from swemill.settings import PROVIDER_KEYS
from swemill.values import PolicySpec

_FIELDS = {field.name: field for field in fields(PolicySpec)}
_LIMITS = ("turns", "minutes", "dollars", "max_output_tokens")


def load(path: Path) -> list[PolicySpec]:
    """The policies of a file, in its order.

    Raises:
        ConfigurationError: the file is missing, no TOML, or a policy has an unknown, missing or wrong field; the
            message names file and policy.
    """
    try:
        document = tomllib.loads(path.read_text())
    except OSError as cause:
        raise ConfigurationError(f"the policies file {path} cannot be read: {cause.strerror}") from cause
    except ValueError as cause:
        raise ConfigurationError(f"the policies file {path} is no TOML: {cause}") from cause
    tables = document.pop("policy", [])
    if document or not isinstance(tables, list) or not tables:
        stray = f"; unknown: {', '.join(sorted(document))}" if document else ""
        raise ConfigurationError(f"{path} must hold [[policy]] tables and nothing else{stray}")
    policies = [_policy(table, f"{path}, policy {number}", path.parent) for number, table in enumerate(tables, start=1)]
    names = [policy.name for policy in policies]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigurationError(f"{path} names a policy twice: {', '.join(doubled)}")
    return policies


def active(policies: Iterable[PolicySpec], provider_keys: Mapping[str, str]) -> list[PolicySpec]:
    """The policies whose key is set; where there is none, the scripted ones."""
    policies = list(policies)
    ready = [policy for policy in policies if provider_keys.get(policy.provider)]
    return ready or [policy for policy in policies if policy.provider == SCRIPTED]


def _policy(table: Any, where: str, folder: Path) -> PolicySpec:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where} is no table")
    where = f"{where} ({table['name']})" if isinstance(table.get("name"), str) else where
    unknown = sorted(table.keys() - _FIELDS.keys())
    if unknown:
        raise ConfigurationError(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(_FIELDS)}")
    missing = sorted(name for name, field in _FIELDS.items() if field.default is MISSING and name not in table)
    if missing:
        raise ConfigurationError(f"{where}: field {', '.join(missing)} is missing")
    values: dict[str, Any] = {name: _value(name, value, where) for name, value in table.items()}
    if "prompt" in values:
        # The text itself is the policy's: an edited prompt makes another policy, and the store can show it.
        values["prompt"] = _prompt(folder / values["prompt"], where)
    policy = PolicySpec(**values)
    if policy.provider != SCRIPTED and policy.provider not in PROVIDER_KEYS:
        known = ", ".join((SCRIPTED, *PROVIDER_KEYS))
        raise ConfigurationError(f"{where}: provider is {policy.provider!r}; use one of {known}")
    return policy


def _prompt(path: Path, where: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigurationError(f"{where}: the prompt file {path} cannot be read: {cause}") from cause


def _value(name: str, value: Any, where: str) -> str | int | float:
    wanted = _FIELDS[name].type
    if wanted is str:
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"{where}: {name} is {value!r}; it must be a text")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or (wanted is int and not isinstance(value, int)):
        kind = "a whole number" if wanted is int else "a number"
        raise ConfigurationError(f"{where}: {name} is {value!r}; it must be {kind}")
    if value < 0 or (name in _LIMITS and value == 0):
        raise ConfigurationError(f"{where}: {name} is {value}; it must be {'positive' if name in _LIMITS else '>= 0'}")
    # 30 and 30.0 mean the same and must hash the same.
    return float(value) if wanted is float else value
