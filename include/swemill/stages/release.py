"""The dataset release: judged trajectories in, an immutable dataset and its manifest out. Pure and reproducible.

The same input makes the same bytes, so a release can be checked by anybody who has the facts. What is left out is
counted by reason. Repositories of the evaluation split never enter, and a release that holds a secret is refused as a
whole.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from swemill.chat import conversation, estimate_tokens, findings
from swemill.effects import content_hash
from swemill.errors import UserError
from swemill.reasons import Reason
from swemill.values import Drop

CODE_VERSION = 1
"""Raise it when the meaning of a release changes."""

FORMAT = "swemill-sft-1"
_SHORTEST_SECRET = 8


class SecretFound(UserError):
    """A known secret stands in the dataset. Nothing is written; the message names the variable and the trajectory."""


@dataclass(frozen=True, kw_only=True)
class ReleaseItem:
    """One resolved rollout with what a release needs of it."""

    instance_id: str
    repository: str
    base_commit: str
    statement_source: str
    image: str
    """Content id of the image it was rolled out and judged in."""
    policy: str
    model: str
    rollout_key: str
    """Effect key of the rollout."""
    judgement_key: str
    """Effect key of the judgement that resolved it."""
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    patch: bytes


@dataclass(frozen=True, kw_only=True)
class ReleaseConfig:
    """What shapes a release."""

    name: str
    holdout_percent: int = 20
    per_instance: int = 4
    """At most this many trajectories an instance."""


@dataclass(frozen=True, kw_only=True)
class ReleasePackage:
    """A finished release."""

    dataset: bytes
    """``dataset.jsonl``."""
    manifest: bytes
    """``manifest.json``."""
    rows: int
    included: tuple[str, ...]
    """Rollout keys, in the order of the rows."""
    dropped: Mapping[str, Drop] = field(default_factory=dict)
    """Why, by rollout key."""

    def files(self) -> dict[str, bytes]:
        """The files of the release, by name."""
        return {"dataset.jsonl": self.dataset, "manifest.json": self.manifest}


def is_held_out(repository: str, percent: int) -> bool:
    """Whether ``owner/name`` belongs to the evaluation split: a stable hash, the same today and on any machine."""
    digest = hashlib.sha256(repository.lower().encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < percent


def release(
    items: Sequence[ReleaseItem], config: ReleaseConfig, *, secrets: Mapping[str, str] | None = None
) -> ReleasePackage:
    """Build the dataset of ``items``, in whatever order they come.

    Args:
        items: resolved rollouts.
        config: name and shape of the release.
        secrets: values that must not occur, by the name under which to report them. No part of the configuration.

    Raises:
        SecretFound: a secret occurs in an item that would be released.
    """
    kept, dropped = _select(items, config)
    rows = [_row(item) for item in kept]
    for row in rows:
        _refuse_secrets(row, secrets or {})
    # Keys stay in their order: that of a tool's schema is part of the prompt that the model saw.
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    dataset = "".join(f"{line}\n" for line in lines).encode()
    manifest = _manifest(config, kept, rows, dropped, dataset)
    return ReleasePackage(
        dataset=dataset,
        manifest=json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n",
        rows=len(rows),
        included=tuple(item.rollout_key for item in kept),
        dropped=dropped,
    )


def _select(items: Sequence[ReleaseItem], config: ReleaseConfig) -> tuple[list[ReleaseItem], dict[str, Drop]]:
    """Choose by rollout key within an instance: a hash favours no policy, where a name or a date would."""
    kept: list[ReleaseItem] = []
    dropped: dict[str, Drop] = {}
    seen: dict[str, str] = {}
    per_instance: Counter[str] = Counter()
    for item in sorted(items, key=lambda item: (item.instance_id, item.rollout_key)):
        identity = _identity(item)
        faults = findings(item.messages, item.tools)
        if item.rollout_key in seen.values():
            continue  # the very same rollout given twice is one item, not a loss
        if is_held_out(item.repository, config.holdout_percent):
            dropped[item.rollout_key] = Drop(reason=Reason.HELD_OUT, detail=item.repository)
        elif faults:
            dropped[item.rollout_key] = Drop(reason=Reason.MALFORMED_ANSWERS, detail=str(faults[0]))
        elif identity in seen:
            dropped[item.rollout_key] = Drop(reason=Reason.DUPLICATE, detail=f"same as rollout {seen[identity][:12]}")
        elif per_instance[item.instance_id] >= config.per_instance:
            detail = f"{config.per_instance} an instance"
            dropped[item.rollout_key] = Drop(reason=Reason.CAP_REACHED, detail=detail)
        else:
            kept.append(item)
            seen[identity] = item.rollout_key
            per_instance[item.instance_id] += 1
    return kept, dropped


def _identity(item: ReleaseItem) -> str:
    """Hash of what would be learnt; the ids of calls are noise."""
    chat = conversation(item.messages, item.tools)
    spoken = [
        [message["role"], message["content"], [call["function"] for call in message.get("tool_calls", ())]]
        for message in chat.messages
    ]
    return content_hash(json.dumps([item.instance_id, spoken]).encode())


def _row(item: ReleaseItem) -> dict[str, Any]:
    chat = conversation(item.messages, item.tools)
    return {
        "instance_id": item.instance_id,
        "repository": item.repository,
        "base_commit": item.base_commit,
        "statement_source": item.statement_source,
        "image": item.image,
        "policy": item.policy,
        "model": item.model,
        "rollout": item.rollout_key,
        "messages": list(chat.messages),
        "tools": list(chat.tools),
        **_patch(item.patch),
    }


def _patch(patch: bytes) -> dict[str, str]:
    """The patch as text, or in base64 under another name: a lossy patch would be a wrong one."""
    try:
        return {"patch": patch.decode(), "patch_encoding": "utf-8"}
    except UnicodeDecodeError:
        return {"patch": base64.b64encode(patch).decode(), "patch_encoding": "base64"}


def _refuse_secrets(row: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    texts = list(_texts(row))
    if row["patch_encoding"] == "base64":
        texts.append(base64.b64decode(row["patch"]).decode("latin-1"))
    for name, value in secrets.items():
        if len(value) < _SHORTEST_SECRET:
            continue  # so short a value is found in any text
        forms = (value, json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode().rstrip("="))
        if any(form in text for text in texts for form in forms):
            raise SecretFound(
                f"the value of {name} occurs in the trajectory of {row['instance_id']} by {row['policy']} "
                f"(rollout {row['rollout'][:12]}); nothing was released. Renew that secret and leave the rollout out."
            )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return []


def _manifest(
    config: ReleaseConfig,
    kept: Sequence[ReleaseItem],
    rows: Sequence[Mapping[str, Any]],
    dropped: Mapping[str, Drop],
    dataset: bytes,
) -> dict[str, Any]:
    return {
        "name": config.name,
        "format": FORMAT,
        "code_version": CODE_VERSION,
        "config": asdict(config),
        "files": {"dataset.jsonl": {"sha256": content_hash(dataset), "rows": len(rows), "bytes": len(dataset)}},
        "counts": {
            "rows": len(rows),
            "instances": len({item.instance_id for item in kept}),
            "repositories": len({item.repository for item in kept}),
            "messages": sum(len(row["messages"]) for row in rows),
            "tokens_estimated": sum(estimate_tokens(row["messages"], row["tools"]) for row in rows),
        },
        "rows_by_repository": dict(Counter(item.repository for item in kept)),
        "rows_by_model": dict(Counter(item.model for item in kept)),
        "rows_by_policy": dict(Counter(item.policy for item in kept)),
        "dropped": dict(Counter(drop.reason.value for drop in dropped.values())),
        "lineage": [
            {"instance_id": item.instance_id, "rollout": item.rollout_key, "judgement": item.judgement_key}
            for item in kept
        ],
    }
