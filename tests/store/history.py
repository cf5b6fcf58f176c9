"""Writes histories of facts as the jobs would, without doing the work: for tests of what is pending and shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from swemill.flakiness import flaky_tests
from swemill.models import (
    Attempt,
    Environment,
    Evaluation,
    Flake,
    Instance,
    Judgement,
    Release,
    ReleaseItem,
    Rollout,
    TestExecution,
    TrainingRun,
    Validation,
)
from swemill.reasons import Reason, Stage
from swemill.store import Store
from swemill.store.facts import Ending, Work, insert_attempt, put_policy, put_pull_request, put_repository
from swemill.testreports.reader import report_to_json
from swemill.values import Arm, PolicySpec, PullRequestRecord, RepositoryRecord, TestOutcome, TestReport, TestRun
from swemill.wiring import Mill

AT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
POLICY = PolicySpec(name="oracle", agent="mini-swe-agent", model="oracle", provider="scripted")
INSTALLING = {"strategy": "unified"}


def work(stage: Stage, subject: str, input_key: str, config: Mapping[str, Any] | None = None, **more: Any) -> Work:
    """A piece of work of configuration ``config``."""
    return Work(stage=stage, subject=subject, config=config or {}, code_version=1, input_key=input_key, **more)


class History:
    """Facts about instances of the repository ``o/n``, written one after the other."""

    def __init__(self, mill: Mill) -> None:
        self.mill = mill
        self.store: Store = mill.store

    def lose(self, item: Work, reason: Reason, *, detail: str = "", log: str = "") -> str:
        """A lost attempt; returns its effect key."""
        blob = self.mill.blobs.put(log.encode()) if log else None
        with self.store.session() as session:
            ending = Ending(passed=False, started_at=AT, reason=reason, detail=detail, log_blob=blob)
            assert insert_attempt(session, item, ending)
        return item.effect_key

    def harvest(self, number: int = 1, *, title: str = "Fix", repository: str = "o/n", patch: bytes = b"diff\n") -> str:
        """An instance; returns the effect key of its newest fact."""
        instance_id = f"{repository.replace('/', '__')}-{number}"
        item = work(Stage.HARVEST, instance_id, title, instance_id=instance_id, repository=repository)
        record = PullRequestRecord(number=number, title=title, body="", merged_at=AT, base_ref_name="main")
        forge = RepositoryRecord(forge="archive", name=repository, location="/nowhere")
        with self.store.session() as session:
            attempt = self._attempt(session, item)
            session.add(
                Instance(
                    attempt_id=attempt,
                    pull_request_id=put_pull_request(session, put_repository(session, forge), record).id,
                    instance_id=instance_id,
                    repository=repository,
                    forge="archive",
                    number=number,
                    base_commit="c" * 40,
                    base_committed_at=AT - timedelta(days=1),
                    base_inference="merge",
                    patch_blob=self.mill.blobs.put(patch),
                    test_patch_blob=self.mill.blobs.put(b"tests\n"),
                    problem_statement=f"statement of {title}",
                    hints_text="hints",
                    statement_source="issue",
                    version="1.0",
                    issue_numbers=[],
                    licence_path="",
                    licence_blob=None,
                    created_at=AT,
                )
            )
        return item.effect_key

    def install(
        self, instance_id: str, instance: str, *, config: Mapping[str, Any] = INSTALLING, shared: str = ""
    ) -> str:
        """An environment made from the instance fact with that effect key."""
        item = work(Stage.INSTALL, instance_id, instance, config, instance_id=instance_id, repository="o/n")
        with self.store.session() as session:
            session.add(
                Environment(
                    attempt_id=self._attempt(session, item),
                    instance_id=instance_id,
                    strategy=config["strategy"],
                    image=f"image:{item.effect_key[:8]}",
                    image_digest="sha256:0",
                    base_image="base",
                    python="3.9",
                    dockerfile_blob="",
                    lock_blob="",
                    collected=2,
                    seconds=1.0,
                    bytes=1,
                    environment_image=shared,
                )
            )
        return item.effect_key

    def validate(self, instance_id: str, environment: str, *, config: Mapping[str, Any] | None = None) -> str:
        """A validation made in the environment with that effect key."""
        item = work(Stage.VALIDATE, instance_id, environment, config, instance_id=instance_id, repository="o/n")
        with self.store.session() as session:
            session.add(
                Validation(
                    attempt_id=self._attempt(session, item),
                    environment_id=_row(session, Environment, environment).id,
                    instance_id=instance_id,
                    fail_to_pass=["t::fails"],
                    pass_to_pass=["t::passes"],
                )
            )
        return item.effect_key

    def ran(self, validation: str, environment: str, *, before: Sequence[str] = (), after: Sequence[str] = ()) -> None:
        """The runs of a validation, passed or lost, as words of tests that passed; ``-x`` is one that failed."""
        runs = [
            TestRun(arm=arm, round=number, order_seed="", report=_report(words))
            for arm, of_arm in ((Arm.BEFORE, before), (Arm.AFTER, after))
            for number, words in enumerate(of_arm, 1)
        ]
        with self.store.session() as session:
            attempt = session.query(Attempt).filter_by(effect_key=validation).one()
            row = _row(session, Environment, environment)
            for run in runs:
                session.add(
                    TestExecution(
                        attempt_id=attempt.id,
                        environment_id=row.id,
                        arm=run.arm.value,
                        round=run.round,
                        order_seed=run.order_seed,
                        passed=len(run.report.passing()),
                        failed=len(run.report.failing()),
                        report_blob=self.mill.blobs.put(report_to_json(run.report)),
                        seconds=1.0,
                    )
                )
            for one in flaky_tests(runs):
                session.add(
                    Flake(
                        attempt_id=attempt.id,
                        environment_id=row.id,
                        instance_id=row.instance_id,
                        arm=one.arm.value,
                        test=one.test,
                        passes=one.passes,
                        runs=one.runs,
                    )
                )

    def revalidate(
        self, instance_id: str, validation: str, *, week: str = "2024-W01", reason: Reason | None = None
    ) -> str:
        """A re-validation of a validation: held, or lost for a reason."""
        item = work(
            Stage.REVALIDATE, instance_id, validation, {"week": week}, instance_id=instance_id, repository="o/n"
        )
        with self.store.session() as session:
            self._attempt(session, item, reason)
        return item.effect_key

    def validated(self, number: int = 1, **instance: Any) -> tuple[str, str]:
        """A validated instance; returns its id and the validation's effect key."""
        found = self.harvest(number, **instance)
        instance_id = f"{instance.get('repository', 'o/n').replace('/', '__')}-{number}"
        return instance_id, self.validate(instance_id, self.install(instance_id, found))

    def rollout(
        self, instance_id: str, validation: str, *, policy: PolicySpec = POLICY, reason: Reason | None = None
    ) -> str:
        """A policy's first rollout on a validation, with a patch unless it ended for a reason."""
        subject, config = f"{instance_id}@{policy.name}#1", {"policy": policy.config(), "number": 1}
        item = work(Stage.ROLLOUT, subject, validation, config, instance_id=instance_id, repository="o/n")
        with self.store.session() as session:
            session.add(
                Rollout(
                    attempt_id=self._attempt(session, item, reason),
                    validation_id=_row(session, Validation, validation).id,
                    policy_id=put_policy(session, policy),
                    instance_id=instance_id,
                    number=1,
                    exit_status="Submitted",
                    trajectory_blob="",
                    patch_blob=self.mill.blobs.put(b"diff\n"),
                    calls=1,
                    prompt_tokens=1,
                    completion_tokens=1,
                    dollars=0.0,
                    seconds=1.0,
                )
            )
        return item.effect_key

    def judge(self, subject: str, rollout: str, *, reason: Reason | None = None) -> str:
        """The judgement of a rollout: resolved, or lost for a reason."""
        instance_id = subject.partition("@")[0]
        item = work(Stage.JUDGE, subject, rollout, instance_id=instance_id, repository="o/n")
        with self.store.session() as session:
            session.add(
                Judgement(
                    attempt_id=self._attempt(session, item, reason),
                    rollout_id=_row(session, Rollout, rollout).id,
                    instance_id=instance_id,
                    resolved=reason is None,
                    fail_to_pass_passed=1,
                    fail_to_pass_total=1,
                    pass_to_pass_passed=1,
                    pass_to_pass_total=1,
                    patch_blob="",
                )
            )
        return item.effect_key

    def release(self, name: str, *rollouts: str, rows: int | None = None) -> None:
        """A release of these rollouts."""
        with self.store.session() as session:
            attempt = self._attempt(session, work(Stage.RELEASE, "sft", name))
            row = Release(
                attempt_id=attempt, name=name, dataset_blob="", manifest_blob="", rows=len(rollouts), manifest={}
            )
            session.add(row)
            session.flush()
            for key in rollouts:
                rollout = _row(session, Rollout, key)
                session.add(ReleaseItem(release_id=row.id, rollout_id=rollout.id, instance_id=rollout.instance_id))

    def train(self, release: str, *, losses: tuple[float, float]) -> None:
        """A training run on a release."""
        with self.store.session() as session:
            session.add(
                TrainingRun(
                    attempt_id=self._attempt(session, work(Stage.TRAIN, release, str(losses))),
                    release_id=session.query(Release).filter_by(name=release).one().id,
                    node="local",
                    job_id="j",
                    config_name="tiny",
                    steps=10,
                    first_loss=losses[0],
                    final_loss=losses[1],
                    result={},
                    checkpoint=f"/checkpoints/{release}",
                    checkpoint_sha256="",
                )
            )

    def evaluate(self, subject: str, *, detail: str) -> None:
        """An evaluation ``policy/split`` with the words that are shown of it."""
        with self.store.session() as session:
            item = work(Stage.EVALUATE, subject, detail)
            attempt = insert_attempt(session, item, Ending(passed=True, started_at=AT, detail=detail))
            assert attempt
            session.add(
                Evaluation(
                    attempt_id=attempt,
                    policy_id=put_policy(session, POLICY),
                    split="all",
                    instances=1,
                    resolved=1,
                    rate=1.0,
                    low=0.2,
                    high=1.0,
                    outcomes={},
                )
            )

    def _attempt(self, session: Any, item: Work, reason: Reason | None = None) -> int:
        attempt = insert_attempt(session, item, Ending(passed=reason is None, started_at=AT, reason=reason))
        assert attempt, "this fact is there already"
        return attempt


def _report(words: str) -> TestReport:
    outcomes = {
        word.removeprefix("-"): TestOutcome.FAILED if word.startswith("-") else TestOutcome.PASSED
        for word in words.split()
    }
    return TestReport(outcomes=outcomes, collected=len(outcomes), finished=True)


def _row(session: Any, model: Any, effect: str) -> Any:
    return session.query(model).join(Attempt, Attempt.id == model.attempt_id).filter(Attempt.effect_key == effect).one()
