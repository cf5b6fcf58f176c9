"""The build plan of a proposal: its commands, between the same checkout and the same closing as all other plans.

Nothing here trusts the commands: they run as the user who owns all that is built, so they could change this very
script. What the image holds in the end is looked at from outside (``proposal_inspector``).
"""

import shlex
from dataclasses import replace

from swemill.environment.image_plans import Recipe, one_step
from swemill.environment.proposal import Proposal
from swemill.environment.scripts import CHECKOUT, CLOSING, NOT_INSTALLED, PRELUDE, TAGGED
from swemill.values import BaseImage, BuildPlan, InstanceSpec, Strategy


def proposal_plan(
    proposal: Proposal, instance: InstanceSpec, snapshot: bytes, *, base: BaseImage, effect_key: str, timeout: int
) -> BuildPlan:
    """The plan of ``proposal`` on ``base``; equal proposals give equal plans and tags."""
    recipe = Recipe(strategy=Strategy.AGENT, script=install_script(proposal))
    made = one_step(recipe, instance, snapshot, base=base, effect_key=effect_key, timeout=timeout)
    return replace(made, env=dict(proposal.env))


def install_script(proposal: Proposal) -> str:
    """``install.sh``: checkout, an empty virtual environment with pip, the commands, the closing.

    The proposal stands in it as a comment: it is what the image was made of, and makes the tag the image's own.
    """
    comment = "".join(f"# | {line}".rstrip() + "\n" for line in proposal.text.splitlines())
    steps = "".join(f"step {shlex.quote(step.folder)} {shlex.quote(step.command)}\n" for step in proposal.steps)
    return f"{PRELUDE}\n# The proposal:\n{comment}{CHECKOUT}{TAGGED}{_STEP}{steps}{_TIDY}{CLOSING}"


_STEP = f"""
say 'virtual environment'
PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
uv venv -q --seed --allow-existing --python "$PYTHON" /opt/venv || {{ index_answers; exit {NOT_INSTALLED}; }}
step() {{ # folder, command
    say "RUN $2"
    if (mkdir -p "$1" && cd "$1" && PATH="/opt/venv/bin:$PATH" exec sh -eu -c "$2" </dev/null); then return 0; fi
    index_answers
    say "failed: RUN $2"
    exit {NOT_INSTALLED}
}}
tag
"""

_TIDY = """
git -C /testbed rev-parse -q --verify "refs/tags/$VERSION" >/dev/null && untag || true
# Compiled modules would be run in the place of the sources that are looked at.
find /testbed /opt/venv -name __pycache__ -type d -prune -exec rm -rf {} +
find /testbed /opt/venv -name '*.py[co]' -type f -exec rm -f {} +
"""
