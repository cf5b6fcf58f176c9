"""The set-up agent: mini-swe-agent with a shell in a sandbox that reaches the package index, writing a Dockerfile.

Like every agent it runs outside, in this process, with the key; only its commands run in the sandbox. Its word is a
text. Whoever takes it (``judge``) builds and probes it without the agent, and says what became of it; until that is the
end, the agent goes on in the same conversation and the same budget.
"""

from swemill.adapters.miniswe import MiniSweAgent
from swemill.adapters.model_calls import Patience
from swemill.environment.proposal_lines import LARGEST
from swemill.environment.proposal_prompt import EXPLORING_VENV, HAND_IN, INSTANCE, SYSTEM
from swemill.errors import SandboxUnavailable
from swemill.ports import Judge, RunningSandbox
from swemill.values import AgentResult, ExecResult, InstanceSpec, ModelEndpoint, PolicySpec

_SNAPSHOT = "/tmp/snapshot.tar"
_PREPARING = 300.0

# The same checkout as the build's, as far as a sandbox goes: its /opt cannot be written to.
_PREPARE = f"""\
set -eu
tar -xf {_SNAPSHOT} -C /tmp
rm {_SNAPSHOT}
mv /tmp/repo.git /testbed/.git
cd /testbed
git config core.bare false
git config user.name 'SWE-Mill'
git config user.email 'mill@localhost'
git config advice.detachedHead false
git checkout -q -f -B main "$1"
if [ -d /tmp/submodules ]; then cp -a /tmp/submodules/. /testbed/; rm -rf /tmp/submodules; fi
uv venv -q --seed --python python3 {EXPLORING_VENV}
"""


class EnvironmentAgent:
    """The port ``SetupAgent`` over mini-swe-agent."""

    name = "mini-swe-agent"

    def __init__(
        self, *, patience: Patience | None = None, command_seconds: float = 600.0, tokens: int = 3_000_000
    ) -> None:
        """Create the agent.

        Args:
            patience: how long to bear with a provider.
            command_seconds: time limit of one command; installing takes longer than looking.
            tokens: the most that all calls together may use, prompts and answers.
        """
        self._agent = MiniSweAgent(patience=patience, command_seconds=command_seconds)
        self._tokens = tokens

    def propose(
        self,
        instance: InstanceSpec,
        task: str,
        policy: PolicySpec,
        endpoint: ModelEndpoint,
        sandbox: RunningSandbox,
        *,
        snapshot: bytes,
        judge: Judge,
    ) -> AgentResult:
        """Explore and propose until ``judge`` makes an end or a limit is reached.

        Raises:
            ProviderRejected, ProviderUnavailable, SandboxUnavailable: as the names say. What ``judge`` raises.
        """
        _prepare(sandbox, instance, snapshot)

        def hand_in(submission: str) -> str | None:
            return judge(_proposed(sandbox, submission))

        return self._agent.converse(
            task,
            policy,
            endpoint,
            sandbox,
            templates={"system_template": SYSTEM, "instance_template": INSTANCE},
            hand_in=hand_in,
            env={"VIRTUAL_ENV": EXPLORING_VENV, "PATH": f"{EXPLORING_VENV}/bin:/usr/local/bin:/usr/bin:/bin"},
            tokens=self._tokens,
        )


def _prepare(sandbox: RunningSandbox, instance: InstanceSpec, snapshot: bytes) -> None:
    """Check the repository out in the sandbox, where nothing foreign has run yet."""
    sandbox.write({_SNAPSHOT: snapshot})
    environment = {
        "VIRTUAL_ENV": EXPLORING_VENV,
        "UV_LINK_MODE": "copy",
        "UV_CACHE_DIR": "/tmp/uv-cache",
        "UV_NO_PROGRESS": "1",
    }
    command = ["sh", "-c", _PREPARE, "sh", instance.base_commit]
    done: ExecResult = sandbox.run(command, timeout=_PREPARING, env=environment, cwd="/tmp")
    if done.exit_code != 0:
        raise SandboxUnavailable(
            f"the sandbox of the set-up agent could not be prepared: {done.output[-1000:].decode(errors='replace')} "
            "(does the package index answer? A repository larger than the work folder: raise SWEMILL_SANDBOX_DISK)"
        )


def _proposed(sandbox: RunningSandbox, submission: str) -> str:
    """The submission itself where it is a Dockerfile, else the file that the agent left."""
    if "FROM" in submission:
        return submission
    # One byte more than allowed, so that a longer file is refused as such and not cut.
    return (sandbox.read(HAND_IN, limit=LARGEST + 1) or b"").decode(errors="surrogateescape")
