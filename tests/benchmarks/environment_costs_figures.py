"""The figures of ``environment_costs``: bytes and seconds of both ways, and how many times more the plain way takes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from tests.benchmarks.environment_costs_values import Ours, Plain

_MB = 1_000_000


def of_ours(ours: Sequence[Ours]) -> dict[str, Any]:
    """Bytes and seconds, each layer once; of an instance, its own layer and its shares of those it has with others."""
    users = Counter(layer.id for one in ours for layer in one.layers)
    layers = {layer.id: layer for one in ours for layer in one.layers}.values()
    return {
        "bytes": sum(layer.bytes for layer in layers),
        "bytes_median": round(median(sum(layer.bytes / users[layer.id] for layer in one.layers) for one in ours)),
        "build_seconds": sum(layer.seconds for layer in layers),
        "build_seconds_median": median(sum(layer.seconds / users[layer.id] for layer in one.layers) for one in ours),
        "stage_seconds": sum(one.seconds for one in ours),
        "stage_seconds_median": median(one.seconds for one in ours),
        "levels": {
            level: {
                "images": sum(layer.level == level for layer in layers),
                "bytes": sum(layer.bytes for layer in layers if layer.level == level),
                "seconds": sum(layer.seconds for layer in layers if layer.level == level),
            }
            for level in ("system", "base", "environment", "instance")
        },
    }


def of_plain(plain: Sequence[Plain]) -> dict[str, Any]:
    """Bytes and seconds of every image by itself."""
    return {
        "bytes": sum(one.bytes for one in plain),
        "history_bytes": sum(one.history for one in plain),
        "bytes_above_system": sum(one.bytes - one.system for one in plain),
        "bytes_median": round(median(one.bytes for one in plain)),
        "build_seconds": sum(one.seconds for one in plain),
        "build_seconds_median": median(one.seconds for one in plain),
    }


def ratios(ours: dict[str, Any], plain: dict[str, Any]) -> dict[str, float]:
    """How many times more the plain way takes."""
    system = ours["levels"]["system"]["bytes"]
    return {
        "bytes": (plain["bytes"] + plain["history_bytes"]) / ours["bytes"],
        "bytes_without_history": plain["bytes"] / ours["bytes"],
        "bytes_on_one_engine": (plain["bytes_above_system"] + plain["history_bytes"] + system) / ours["bytes"],
        "build_seconds": plain["build_seconds"] / ours["build_seconds"],
        "build_seconds_to_stage": plain["build_seconds"] / ours["stage_seconds"],
    }


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The figures for a person, each with what it counts."""
    yield f"{told['instances']} instances"
    if ours := told.get("ours"):
        yield f"ours, every layer once: {mb(ours['bytes'])}, median of an instance with its shares"
        yield f"  {mb(ours['bytes_median'])}"
        for level, of in ours["levels"].items():
            yield f"  {level}: {of['images']} images, {mb(of['bytes'])}, {of['seconds']:.0f} s"
        yield f"ours, builds (base images made anew once): {ours['build_seconds']:.0f} s, median of an instance with"
        yield f"  its shares {ours['build_seconds_median']:.1f} s"
        yield f"ours, the whole stage (resolving, failed tries, builds, probe): {ours['stage_seconds']:.0f} s,"
        yield f"  median {ours['stage_seconds_median']:.1f} s"
    if plain := told.get("plain"):
        yield f"plain, every image by itself: {mb(plain['bytes'])}, median {mb(plain['bytes_median'])}"
        yield f"plain, the history that a clone brings along: {mb(plain['history_bytes'])}"
        yield f"plain, above the minimal system: {mb(plain['bytes_above_system'])}"
        yield f"plain, builds, lock given: {plain['build_seconds']:.0f} s,"
        yield f"  median {plain['build_seconds_median']:.1f} s"
    if ratio := told.get("plain_to_ours"):
        yield f"disk, plain (a clone) to ours (the base commit alone): {ratio['bytes']:.2f}"
        yield f"disk, plain to ours, both with the base commit alone: {ratio['bytes_without_history']:.2f}"
        yield f"disk, plain to ours, both on one engine, each minimal system once: {ratio['bytes_on_one_engine']:.2f}"
        yield f"build seconds, plain to ours: {ratio['build_seconds']:.2f}"
        yield f"build seconds, plain (lock given) to ours' whole stage: {ratio['build_seconds_to_stage']:.2f}"
        yield "What a plain Dockerfile copies in for its scripts is not counted."


def mb(count: float) -> str:
    """Bytes as megabytes of a million."""
    return f"{count / _MB:.1f} MB"
