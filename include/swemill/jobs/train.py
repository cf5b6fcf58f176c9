"""Fine-tune on the newest release."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from swemill.errors import UserError
from swemill.jobs.perform import Done, Outcome, perform
from swemill.models import Release, TrainingRun
from swemill.reasons import Stage
from swemill.stages import train as stage
from swemill.stages.train import Trained
from swemill.store.facts import Work, has_effect
from swemill.values import JobStatus, Loss
from swemill.wiring import Mill

log = logging.getLogger(__name__)


def pending(
    mill: Mill, *, config: str = "tiny", overrides: Mapping[str, Any] | None = None, nproc: int = 1
) -> list[str]:
    """The newest release that holds any row, when it was not trained on with this configuration."""
    with mill.store.session() as session:
        row = _newest(session)
        if row is None:
            return []
        return [] if has_effect(session, _work(row, config, overrides, nproc).effect_key) else [row.name]


def train(
    mill: Mill,
    *,
    config: str = "tiny",
    overrides: Mapping[str, Any] | None = None,
    nproc: int = 1,
    say: Callable[[str], None] = log.info,
) -> Done:
    """Train on the newest release and record the checkpoint.

    Raises:
        UserError: there is no release. NodeUnavailable: the node or its job is gone; retry.
    """
    row, work = _newest_work(mill, config, overrides, nproc)

    def do() -> Outcome:
        result = stage.train(
            {
                "dataset.jsonl": mill.blobs.get(row.dataset_blob),
                "manifest.json": mill.blobs.get(row.manifest_blob),
            },
            node=mill.node,
            job_id=_job_id(work, config),
            config=config,
            overrides=overrides,
            nproc=nproc,
            on_progress=lambda status: say(_line(status)),
        )
        return Outcome.of_loss(result) if isinstance(result, Loss) else _outcome(row.id, result)

    return perform(mill, work, do)


def cancel(mill: Mill, *, config: str = "tiny", overrides: Mapping[str, Any] | None = None, nproc: int = 1) -> None:
    """Stop the job that ``train`` with the same arguments started."""
    _, work = _newest_work(mill, config, overrides, nproc)
    mill.node.cancel(_job_id(work, config))


def _newest_work(mill: Mill, config: str, overrides: Mapping[str, Any] | None, nproc: int) -> tuple[Release, Work]:
    with mill.store.session() as session:
        row = _newest(session)
    if row is None:
        raise UserError("there is no release with any trajectory to train on; run `swemill release` first")
    return row, _work(row, config, overrides, nproc)


def _newest(session: Session) -> Release | None:
    return session.scalars(select(Release).where(Release.rows > 0).order_by(Release.id.desc()).limit(1)).first()


def _work(row: Release, config: str, overrides: Mapping[str, Any] | None, nproc: int) -> Work:
    return Work(
        stage=Stage.TRAIN,
        subject=row.name,
        config={"config": config, "overrides": dict(overrides or {}), "nproc": nproc},
        code_version=stage.CODE_VERSION,
        input_key=row.dataset_blob,
    )


def _job_id(work: Work, config: str) -> str:
    return f"{config}-{work.effect_key[:16]}"


def _line(status: JobStatus) -> str:
    loss = "" if status.loss is None else f", loss {status.loss:.3f}"
    return f"training {status.state.value}: step {status.step}/{status.total_steps}{loss} {status.message}".rstrip()


def _outcome(release_id: int, trained: Trained) -> Outcome:
    def save(session: Session, attempt_id: int) -> None:
        session.add(
            TrainingRun(
                attempt_id=attempt_id,
                release_id=release_id,
                node=trained.node,
                job_id=trained.job_id,
                config_name=trained.config,
                steps=trained.steps,
                first_loss=trained.first_loss,
                final_loss=trained.final_loss,
                result=dict(trained.result),
                checkpoint=trained.checkpoint,
                checkpoint_sha256=trained.checkpoint_sha256,
            )
        )

    dropped = sum(trained.result["rows_dropped"].values())
    detail = (
        f"{trained.steps} steps on {trained.result['rows_kept']} trajectories ({dropped} dropped), "
        f"loss {trained.first_loss:.3f} -> {trained.final_loss:.3f}, checkpoint {trained.checkpoint}"
    )
    return Outcome(passed=True, detail=detail, log=trained.log, save=save)
