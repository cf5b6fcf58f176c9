"""A build plan as a Dockerfile: what a person reads, and what anyone can build again without the mill."""

import shlex

from swemill.values import BuildPlan

DIRECTORY = "/opt/build"


def dockerfile(plan: BuildPlan) -> str:
    """The Dockerfile of ``plan``; the files of its context are those of the plan, by their names."""
    env = "".join(f"ENV {name}={_value(value)}\n" for name, value in sorted(plan.env.items()))
    return (
        f"FROM {plan.base}\n"
        f"{env}"
        f"COPY --chown=1000:1000 {' '.join(sorted(plan.files))} {DIRECTORY}/\n"
        f"RUN sh {DIRECTORY}/{plan.script}\n"
    )


def describe(plan: BuildPlan) -> str:
    """The Dockerfile with the text files of its context as comments: all that a person needs to see what was done."""
    parts = [dockerfile(plan)]
    for name, data in sorted(plan.files.items()):
        if not name.endswith(".tar"):
            lines = data.decode(errors="replace").splitlines()
            parts.append("".join(f"# {line}".rstrip() + "\n" for line in (f"--- {name} ---", *lines)))
    return "\n".join(parts)


def _value(value: str) -> str:
    """As the Dockerfile's ENV takes it: quoted, with nothing expanded."""
    if "\n" in value:
        raise ValueError("an environment variable of an image holds no line break")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"' if shlex.quote(value) != value else value
