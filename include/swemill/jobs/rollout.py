"""Roll policies out on validated instances. A rollout's subject is ``instance@policy#number``."""

import json
import re
from typing import NamedTuple

from sqlalchemy.orm import Session

from swemill.errors import UnknownSubject
from swemill.jobs.install import ensure_image
from swemill.jobs.load import instance_spec, standing_validation_of
from swemill.jobs.perform import Done, Outcome, asked, perform, sandbox_spec
from swemill.models import Rollout
from swemill.reasons import Reason, Stage
from swemill.stages import rollout as stage
from swemill.store.facts import Work, put_policy
from swemill.store.pending import pending_rollouts
from swemill.store.reprocess import as_asked
from swemill.values import InstanceSpec, PolicySpec, RolloutResult
from swemill.wiring import Mill


class Subject(NamedTuple):
    """A rollout's name, taken apart."""

    instance_id: str
    policy: str
    number: int

    @classmethod
    def parse(cls, text: str) -> "Subject":
        """Read ``instance@policy#number``.

        Raises:
            UnknownSubject: the text has another form.
        """
        instance_id, _, rest = text.partition("@")
        policy, _, number = rest.partition("#")
        if not (instance_id and policy and re.fullmatch("[1-9][0-9]{0,8}", number)):
            raise UnknownSubject(f"{text!r} is no rollout; the form is INSTANCE@POLICY#NUMBER, with a number from 1")
        return cls(instance_id, policy, int(number))

    def __str__(self) -> str:
        """The form that ``parse`` reads."""
        return f"{self.instance_id}@{self.policy}#{self.number}"


def pending(mill: Mill, *, policies: list[str] | None = None, attempts: int = 1) -> list[str]:
    """Rollouts that were not made yet, by subject."""
    return [work.subject for work in waiting(mill, policies=policies, attempts=attempts)]


def config_key(policy: PolicySpec, number: int) -> str:
    """The configuration of a policy's ``number``-th rollouts, as a key."""
    return _work(Subject("", policy.name, number), policy, input_key="").config_key


def waiting(mill: Mill, *, policies: list[str] | None = None, attempts: int = 1) -> list[Work]:
    """The work that is pending."""
    found = []
    with mill.store.session() as session:
        for policy in mill.active_policies(policies):
            for number in range(1, attempts + 1):
                key = config_key(policy, number)
                for item in pending_rollouts(session, policy.name, number, key):
                    subject = Subject(item.instance_id, policy.name, number)
                    found.append(_work(subject, policy, input_key=item.input_key))
        return as_asked(session, found)


def rollout(mill: Mill, subject_text: str) -> Done:
    """Make one rollout.

    Raises:
        UnknownSubject: the instance is not validated. UserError: it is quarantined. ProviderUnavailable,
            ProviderRejected, SandboxUnavailable: retry.
    """
    subject = Subject.parse(subject_text)
    policy = mill.active_policies([subject.policy])[0]
    with mill.store.session() as session:
        loaded, validation, effect = standing_validation_of(session, subject.instance_id)
    instance = instance_spec(mill, loaded.instance, loaded.environment)
    work = asked(mill, _work(subject, policy, input_key=effect, repository=instance.repository))

    def do() -> Outcome:
        image = ensure_image(mill, loaded)
        spec = sandbox_spec(mill, work, image, wall_clock=policy.minutes * 60 + 300)
        result = stage.rollout(
            instance,
            image,
            policy,
            agent=mill.agent(policy.agent),
            gateway=mill.gateway,
            engine=mill.engine,
            spec=spec,
        )
        return _outcome(mill, instance, policy, subject, result, validation_id=validation.id)

    return perform(mill, work, do)


def _work(subject: Subject, policy: PolicySpec, *, input_key: str, repository: str | None = None) -> Work:
    return Work(
        stage=Stage.ROLLOUT,
        subject=str(subject),
        instance_id=subject.instance_id,
        repository=repository,
        config={"policy": policy.config(), "number": subject.number},
        code_version=stage.CODE_VERSION,
        input_key=input_key,
    )


def _outcome(
    mill: Mill,
    instance: InstanceSpec,
    policy: PolicySpec,
    subject: Subject,
    result: RolloutResult,
    *,
    validation_id: int,
) -> Outcome:
    agent = result.agent
    trajectory = {
        "instance_id": instance.instance_id,
        "policy": policy.config(),
        "exit_status": agent.exit_status,
        "messages": list(agent.messages),
        "tools": list(agent.tools),
    }
    # Keys stay in their order: that of a tool's schema is part of the prompt that the model saw.
    trajectory_blob = mill.blobs.put(json.dumps(trajectory, ensure_ascii=False).encode(errors="backslashreplace"))
    patch_blob = mill.blobs.put(result.patch)

    def save(session: Session, attempt_id: int) -> None:
        session.add(
            Rollout(
                attempt_id=attempt_id,
                validation_id=validation_id,
                policy_id=put_policy(session, policy),
                instance_id=instance.instance_id,
                number=subject.number,
                exit_status=agent.exit_status,
                trajectory_blob=trajectory_blob,
                patch_blob=patch_blob,
                calls=agent.calls,
                prompt_tokens=agent.prompt_tokens,
                completion_tokens=agent.completion_tokens,
                dollars=agent.dollars,
                seconds=result.seconds,
            )
        )

    # A rollout that left a patch goes on to the judge, even if the agent ran into a limit: its end is in exit_status.
    passed = bool(result.patch)
    return Outcome(
        passed=passed,
        reason=None if passed else agent.reason or Reason.EMPTY_PATCH,
        detail=agent.detail or f"{agent.exit_status} after {agent.calls} calls, {len(result.patch)} bytes of patch",
        save=save,
    )
