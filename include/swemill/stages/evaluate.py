"""Evaluation: the share of a fixed set of instances that a policy resolves, with an honest interval.

A rate without its uncertainty and without the exact set it was measured on cannot be compared with another, so both are
part of the result, and a set that shares a repository with the training data is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swemill.effects import canonical, content_hash
from swemill.errors import UserError
from swemill.statistics import wilson
from swemill.values import PolicySpec

CODE_VERSION = 1
"""Raise it when the meaning of an evaluation changes."""


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What a policy achieved on a set."""

    policy: str
    split: str
    instances: int
    resolved: int
    rate: float
    """Resolved share, 0 to 1."""
    low: float
    """Lower end of the 95% Wilson interval."""
    high: float
    """Upper end of the 95% Wilson interval."""
    instance_set: str
    """Hash of the sorted instance ids: two results compare only when it is the same."""
    outcomes: Mapping[str, bool]
    """Resolved or not, by instance id, sorted."""


def evaluate(policy: PolicySpec, outcomes: Mapping[str, bool], *, split: str) -> EvaluationResult:
    """The resolved rate of ``policy`` over ``outcomes``, one verdict an instance.

    Raises:
        UserError: the set is empty, so there is no rate.
    """
    if not outcomes:
        raise UserError(f"nothing to evaluate {policy.name} on: the split {split!r} holds no judged instance")
    ordered = dict(sorted(outcomes.items()))
    resolved = sum(ordered.values())
    low, high = wilson(resolved, len(ordered))
    return EvaluationResult(
        policy=policy.name,
        split=split,
        instances=len(ordered),
        resolved=resolved,
        rate=resolved / len(ordered),
        low=low,
        high=high,
        instance_set=instance_set(ordered),
        outcomes=ordered,
    )


def instance_set(instance_ids: Iterable[str]) -> str:
    """The identity of a set of instances, whatever their order."""
    return content_hash(canonical(sorted(set(instance_ids))))


def require_disjoint(*, trained: Iterable[str], evaluated: Iterable[str]) -> None:
    """Refuse an evaluation whose repositories (``owner/name``) were trained on.

    Raises:
        UserError: naming the repositories in both.
    """
    shared = sorted({name.lower() for name in trained} & {name.lower() for name in evaluated})
    if shared:
        raise UserError(
            f"training and evaluation share {', '.join(shared)}: the rate would measure memory; "
            "evaluate on held-out repositories, or release again without these"
        )
