"""Image plans as JSON: how an environment's fact says in what way its images are made again."""

import base64
import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from swemill.values import BuildPlan, Candidate, ImagePlans


def plans_to_json(plans: ImagePlans) -> bytes:
    """The plans, with files as text where they are text."""
    told = {
        "python": plans.python,
        "packages": list(plans.packages),
        "environment": _plan(plans.environment) if plans.environment else None,
        "instance": _plan(plans.instance),
        "candidate": _candidate(plans.candidate) if plans.candidate else None,
    }
    return json.dumps(told, indent=1, sort_keys=True).encode()


def plans_from_json(data: bytes) -> ImagePlans:
    """The plans as they were. Raises ValueError, KeyError or TypeError on what was not written by ``plans_to_json``."""
    told = json.loads(data)
    return ImagePlans(
        python=told["python"],
        packages=tuple(told["packages"]),
        environment=_read_plan(told["environment"]) if told["environment"] else None,
        instance=_read_plan(told["instance"]),
        candidate=_read_candidate(told["candidate"]) if told["candidate"] else None,
    )


def _plan(plan: BuildPlan) -> dict[str, Any]:
    return {
        "base": plan.base,
        "script": plan.script,
        "tag": plan.tag,
        "timeout": plan.timeout,
        "env": dict(plan.env),
        "files": {name: _content(data) for name, data in plan.files.items()},
    }


def _read_plan(told: dict[str, Any]) -> BuildPlan:
    return BuildPlan(
        base=told["base"],
        script=told["script"],
        tag=told["tag"],
        timeout=told["timeout"],
        env=told["env"],
        files={name: _read_content(content) for name, content in told["files"].items()},
    )


def _content(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _read_content(told: dict[str, str]) -> bytes:
    return told["text"].encode("utf-8") if "text" in told else base64.b64decode(told["base64"], validate=True)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    told = asdict(candidate)
    told["as_of"] = candidate.as_of.isoformat()
    told["lifted"] = {name: date.isoformat() for name, date in candidate.lifted.items()}
    return told


def _read_candidate(told: dict[str, Any]) -> Candidate:
    lists = {field.name for field in fields(Candidate) if field.type == tuple[str, ...]}
    values: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in told.items()}
    values["as_of"] = datetime.fromisoformat(told["as_of"])
    values["lifted"] = {name: datetime.fromisoformat(date) for name, date in told["lifted"].items()}
    return Candidate(**values)
