"""One rollout: an agent works in a fresh sandbox, and the diff is taken from outside, whatever the agent says.

The diff is as hostile as the agent: it may contain anything, and is judged in a fresh container later. What this module
guards against is a *wrong* diff: git settings, hooks, attributes, an index with hidden files or commits that the agent
left in the repository must not change what is read off the work folder. So git runs with a repository folder of its
own, which borrows only the objects of the agent's.
"""

import time
from dataclasses import replace

from swemill.errors import SandboxUnavailable
from swemill.ports import Agent, Gateway, RunningSandbox, SandboxEngine
from swemill.reasons import Reason
from swemill.values import AgentResult, InstanceSpec, PolicySpec, RolloutResult, SandboxSpec

CODE_VERSION = 1
"""Raise it when the meaning of a rollout changes."""

MAX_PATCH_BYTES = 4 << 20
"""A larger diff is no fix; it is a build product or an attempt to fill the disk."""

_GIT_SECONDS = 300
_BYPRODUCTS = (
    "*.pyc",
    "__pycache__/",
    ".pytest_cache/",
    ".hypothesis/",
    "*.egg-info/",
    "/patch.txt",  # where mini-swe-agent's prompt has the model put its submission
)

_SETUP = """
set -eu
umask 077
fresh=$(mktemp -d)
exec 3>&1 1>"$fresh/log" 2>&1
trap 'status=$?; [ "$status" = 0 ] || cat "$fresh/log" >&3; rm -rf "$fresh"' EXIT
export HOME="$fresh" XDG_CONFIG_HOME="$fresh" GIT_CONFIG_NOSYSTEM=1 GIT_ATTR_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 LC_ALL=C
unset GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_EXTERNAL_DIFF GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS GIT_DIR GIT_WORK_TREE
git init --quiet --bare --template= "$fresh/git"
mkdir -p "$fresh/git/info" "$fresh/git/objects/info"
printf '%s/.git/objects\\n' "$PWD" > "$fresh/git/objects/info/alternates"
cat > "$fresh/git/info/exclude"
export GIT_DIR="$fresh/git" GIT_WORK_TREE="$PWD"
git config core.bare false
git read-tree "$1"
"""

_UNTRACKED = _SETUP + "git ls-files --others --exclude-standard -z >&3\n"

# Plumbing, so that no setting of a user's taste applies.
_DIFF = (
    _SETUP
    + """
git -c core.safecrlf=false add --all .
git diff-index --cached --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv --unified=3 \\
  --src-prefix=a/ --dst-prefix=b/ --patch "$1" >&3
"""
)


def rollout(
    instance: InstanceSpec,
    image: str,
    policy: PolicySpec,
    *,
    agent: Agent,
    gateway: Gateway,
    engine: SandboxEngine,
    spec: SandboxSpec,
) -> RolloutResult:
    """Let ``policy`` work on ``instance`` in a sandbox of ``image``; every end of the agent is a result.

    An agent that ends well without a change, or with more change than any fix has, is given that as its reason. When it
    ended badly its own reason stands, and the diff is kept as it was found.

    Raises:
        ConfigurationError: the policy's key is not set.
        Infrastructure: provider, engine or container failed; nothing is said about the instance.
    """
    started = time.monotonic()
    with gateway.open(policy, instance) as endpoint, engine.start(replace(spec, image=image)) as sandbox:
        # What lies in the image beside the commit (generated files of an installation) is not the agent's work.
        already_there = _untracked(sandbox, instance.base_commit)
        result = agent.run(instance, policy, endpoint, sandbox)
        patch, loss = _diff(sandbox, instance.base_commit, already_there)
    if result.reason is None and loss is not None:
        result = _lost(result, *loss)
    return RolloutResult(agent=result, patch=patch, seconds=time.monotonic() - started)


def _untracked(sandbox: RunningSandbox, base_commit: str) -> list[bytes]:
    """Files of the image that its base commit does not have.

    Raises:
        SandboxUnavailable: the image holds no readable repository, which is no fault of an agent that has not begun.
    """
    exclude = "\n".join(_BYPRODUCTS).encode() + b"\n"
    done = sandbox.run(["sh", "-c", _UNTRACKED, "sh", base_commit], timeout=_GIT_SECONDS, stdin=exclude)
    if done.exit_code != 0 or done.truncated:
        log = done.output[-1000:].decode(errors="replace")
        raise SandboxUnavailable(f"the image's repository cannot be read before the rollout: {log} (build it anew)")
    return [name for name in done.output.split(b"\0") if name]


def _diff(
    sandbox: RunningSandbox, base_commit: str, already_there: list[bytes]
) -> tuple[bytes, tuple[Reason, str] | None]:
    """The work folder's difference from the base commit, and the loss when there is none to use."""
    patterns = [pattern.encode() for pattern in _BYPRODUCTS] + [_literal(name) for name in already_there]
    done = sandbox.run(
        ["sh", "-c", _DIFF, "sh", base_commit],
        timeout=_GIT_SECONDS,
        stdin=b"\n".join(patterns) + b"\n",
        output_limit=MAX_PATCH_BYTES,
    )
    if done.truncated:
        return b"", (Reason.PATCH_TOO_LARGE, f"the diff is larger than {MAX_PATCH_BYTES} bytes")
    if done.exit_code != 0 or done.timed_out:
        # Before the agent the same commands worked, so it is the agent that broke the repository.
        log = done.output[-1000:].decode(errors="replace")
        return b"", (Reason.EMPTY_PATCH, f"the agent left no readable repository: {log}")
    if not done.output:
        return b"", (Reason.EMPTY_PATCH, "no file differs from the base commit")
    return done.output, None


def _literal(name: bytes) -> bytes:
    """A pattern of git's exclude files that matches exactly this path."""
    special = b"\\*?[ #!"
    escaped = b"".join(b"\\" + bytes([byte]) if byte in special else bytes([byte]) for byte in name)
    return b"/" + escaped.replace(b"\n", b"?")  # a pattern is one line


def _lost(result: AgentResult, reason: Reason, detail: str) -> AgentResult:
    return replace(result, reason=reason, detail=detail)
