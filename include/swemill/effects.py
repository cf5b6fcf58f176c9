"""Effect keys: the identity of a piece of work, by which nothing is ever done twice.

``effect_key = sha256(subject, stage, configuration, input)``. The configuration is everything that could change the
result: the stage's parameters and its code version, a number in the stage's module that is raised when its meaning
changes. The input is the effect key (or content hash) of the fact it starts from, so that a new environment makes a
new validation by itself. Work that somebody asked to be done again has a key for each time.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from swemill.reasons import Stage


def content_hash(data: bytes) -> str:
    """Hex sha256 of ``data``: the name of a blob."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """Canonical JSON (sorted keys, no spaces, UTF-8), so that equal values have equal hashes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    # A half of a surrogate pair, which foreign text may hold, has no UTF-8: it becomes JSON's own escape.
    return text.encode(errors="backslashreplace")


def config_key(stage: Stage, code_version: int, config: Mapping[str, Any]) -> str:
    """Hash of a stage's configuration and code version."""
    return content_hash(canonical({"stage": stage, "code_version": code_version, "config": dict(config)}))


def effect_key(*, subject: str, stage: Stage, config: str, input_key: str, again: int = 0) -> str:
    """The natural key of one attempt (see the module's text); ``again``: how often it was asked to be made again."""
    times = [again] if again else []  # what was done once keeps the key that it had before one could ask
    return content_hash(canonical([subject, stage, config, input_key, *times]))
