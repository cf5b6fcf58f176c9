"""The last rung of the ladder: a model explores the repository and proposes a Dockerfile, which is built without it.

The model's word proves nothing. What it hands in is a text of a small grammar (``environment.proposal``); the builder
builds it like any other plan, the image is looked at from outside (``stages.suspicions``), and the suite is probed
offline. What fails goes back to the model, which goes on in the same conversation and budget, up to a number of builds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from swemill.environment.proposal import Proposal, Refusal, parse
from swemill.environment.proposal_prompt import build_feedback, refusal_feedback, task, tree_summary
from swemill.environment.proposal_reference import LISTING, Hand, differences, misnamed, reference_plan
from swemill.environment.proposal_script import proposal_plan
from swemill.ports import Gateway, SetupAgent
from swemill.reasons import Reason
from swemill.stages.install import TAIL, Workshop, build_loss, check_index, in_one_step, probe
from swemill.stages.suspicions import misreported, suspicions
from swemill.values import (
    AgentResult,
    BaseImage,
    BuildResult,
    Failure,
    Installed,
    Loss,
    PolicySpec,
    Strategy,
)

CODE_VERSION = 1

_MOST_TOLD = 5
_ASIDE = 600
"""Seconds beyond the agent's and the builds' own that its sandbox lives."""


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """Who proposes, and how often it is built."""

    agent: SetupAgent
    gateway: Gateway
    policy: PolicySpec
    builds: int = 4
    """Proposals that are built; one that is refused unread costs a turn of the model and no more."""


def propose(
    shop: Workshop, proposer: Proposer, *, failures: Sequence[Failure] = (), python: str = ""
) -> Installed | Loss:
    """An environment by ``proposer``; ``failures`` are those of the strategies before it, the oldest first.

    Args:
        shop: what an installation works with.
        proposer: agent, model and limits.
        failures: what the model is told that failed.
        python: version that the model's sandbox has; empty: the default. Its Dockerfile may name another.

    Raises:
        ConfigurationError: the policy's key is not set.
        ProviderRejected, ProviderUnavailable: trouble of the model's provider.
        SandboxUnavailable, DiskFull, ForgeUnavailable: trouble of the engine or the package index.
    """
    snapshot = shop.snapshot()
    policy, pythons = proposer.policy, shop.builder.pythons()
    told = task(shop.instance, tree_summary(shop.tree()), failures, pythons=pythons)
    hearing = _Hearing(shop=shop, snapshot=snapshot, pythons=pythons, builds=proposer.builds)
    # The agent's clock stands still during builds, but its sandbox's does not.
    config = shop.config
    building = proposer.builds * (2 * config.build_timeout + config.test_timeout)
    limits = replace(shop.spec.limits, wall_clock=int(policy.minutes * 60) + building + _ASIDE)
    image = shop.builder.base(python).reference
    spec = replace(shop.spec, name=f"{shop.spec.name}-agent", image=image, limits=limits, index=True)
    with proposer.gateway.open(policy, shop.instance) as endpoint, shop.engine.start(spec) as sandbox:
        ended = proposer.agent.propose(
            shop.instance, told, policy, endpoint, sandbox, snapshot=snapshot, judge=hearing.judge
        )
    if hearing.installed:
        return replace(hearing.installed, log=f"{hearing.installed.log}\n== proposed by {_spent(policy, ended)}\n")
    return _lost(hearing, policy, ended)


@dataclass(kw_only=True)
class _Hearing:
    """Hears the proposals of one agent, one after the other."""

    shop: Workshop
    snapshot: bytes
    pythons: Sequence[str]
    builds: int
    installed: Installed | None = None
    last: Loss | None = None
    texts: list[str] = field(default_factory=list)

    def judge(self, text: str) -> str | None:
        """Build and probe ``text``: None when it works or nothing more is built, else what the agent should know."""
        self.texts.append(text)
        proposal = parse(text, pythons=self.pythons)
        if isinstance(proposal, Refusal):
            self.last = Loss(reason=Reason.PROPOSAL_REFUSED, detail=str(proposal))
            return refusal_feedback(str(proposal))
        outcome = self._try(proposal)
        if isinstance(outcome, Installed):
            self.installed = outcome
            return None
        self.last = outcome
        self.builds -= 1
        if not self.builds:
            return None
        if outcome.reason is Reason.PROPOSAL_REFUSED:
            return refusal_feedback(outcome.detail)
        return build_feedback(outcome.detail, outcome.log)

    def _try(self, proposal: Proposal) -> Installed | Loss:
        shop = self.shop
        base = shop.builder.base(proposal.python, proposal.packages)
        plan = proposal_plan(
            proposal,
            shop.instance,
            self.snapshot,
            base=base,
            effect_key=shop.spec.effect_key,
            timeout=shop.config.build_timeout,
        )
        built = shop.builder.build(plan)
        if built.image is None:
            return build_loss(built, timeout=shop.config.build_timeout)
        spec = replace(shop.spec, image=built.image)
        found = suspicions(shop.engine, spec, shop.instance, self.snapshot)
        if found.suspicions:
            return _disbelieved(found.suspicions, built)
        probed = probe(shop, built.image)
        if probed.loss:
            return replace(probed.loss, evidence={"build.log": built.log.encode(), **probed.loss.evidence})
        doubts = misreported(shop.engine, spec) or self._foreign(found.hands, base)
        if doubts:
            return _disbelieved(doubts, built)
        return in_one_step(Strategy.AGENT, plan, base=base, built=built, probed=probed)

    def _foreign(self, hands: Sequence[Hand], base: BaseImage) -> list[str]:
        """Distributions that decide over tests and are not the package index's."""
        doubts = [
            f"{hand.name[:60]} {hand.version[:40]} is not on the package index" for hand in hands if misnamed(hand)
        ]
        if doubts or not hands:
            return doubts
        spec, timeout = self.shop.spec, self.shop.config.build_timeout
        plan = reference_plan(
            hands, base=base, effect_key=spec.effect_key, subject=self.shop.instance.instance_id, timeout=timeout
        )
        built: BuildResult = self.shop.builder.build(plan)
        check_index(built)
        return differences(hands, built.outputs.get(LISTING, b"").decode(errors="replace"))


def _disbelieved(doubts: Sequence[str], built: BuildResult) -> Loss:
    evidence = {"build.log": built.log.encode(), "suspicions": "\n".join(doubts).encode()}
    detail = "; ".join(doubts[:_MOST_TOLD])
    return Loss(reason=Reason.PROPOSAL_REFUSED, detail=detail, log=built.log[-TAIL:], evidence=evidence)


def _lost(hearing: _Hearing, policy: PolicySpec, ended: AgentResult) -> Loss:
    """Refused where the last proposal was; else there is none that works."""
    last = hearing.last
    refused = last is not None and last.reason is Reason.PROPOSAL_REFUSED
    end = f"{ended.reason}: {ended.detail}" if ended.reason else f"{len(hearing.texts)} proposals"
    about = f"; the last one: {last.reason}: {last.detail}" if last else ""
    evidence = {"transcript.json": json.dumps({"messages": list(ended.messages)}, ensure_ascii=False).encode()}
    if hearing.texts:
        evidence["Dockerfile"] = hearing.texts[-1].encode(errors="replace")
    return Loss(
        reason=Reason.PROPOSAL_REFUSED if refused and last else Reason.NO_PROPOSAL,
        detail=f"{end}{about}" if not (refused and last) else f"{last.detail} ({end})",
        log=f"{last.log if last else ''}\n== proposed by {_spent(policy, ended)}\n",
        evidence={**(last.evidence if last else {}), **evidence},
    )


def _spent(policy: PolicySpec, ended: AgentResult) -> str:
    tokens = f"{ended.prompt_tokens} + {ended.completion_tokens} tokens"
    return f"{policy.name} ({policy.model}): {ended.calls} turns, {tokens}, {ended.dollars:.4f} dollars"
