"""What is pending, by the name of a job: for those who speak of jobs by name (DAG steps, the pass, the CLI)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swemill.jobs import (
    evaluate,
    harvest,
    harvest_github,
    install,
    judge,
    release,
    revalidate,
    rollout,
    train,
    validate,
)
from swemill.jobs.windows import window
from swemill.reasons import Stage
from swemill.wiring import Mill


def of(mill: Mill, job: str, params: Mapping[str, Any]) -> list[str]:
    """Subjects pending for ``job``.

    Args:
        params: fields of the job's trigger form that decide what is pending: ``strategies`` (install),
            ``only`` (revalidate), ``policies`` and ``attempts`` (rollout), ``policies`` and ``split`` (evaluate),
            ``source`` and ``archive``, or ``repositories``, ``since`` and ``until`` (harvest), ``config`` and
            ``overrides`` (train).

    Raises:
        ValueError: no job has that name.
        RateLimited: the forge cannot be asked now whether it has anything new.
    """
    match job:
        case Stage.HARVEST if params.get("source") == "github":
            asked = window(params.get("since"), params.get("until"))
            return harvest_github.plan(mill, asked, names=params.get("repositories") or ())
        case Stage.HARVEST:
            return harvest.pending(mill, params.get("source") or "releases", archive=_folder(params))
        case Stage.INSTALL:
            return install.pending(mill, strategies=params.get("strategies") or ())
        case Stage.VALIDATE:
            return validate.pending(mill)
        case Stage.REVALIDATE:
            return revalidate.pending(mill, named=params.get("only") or ())
        case Stage.ROLLOUT:
            return rollout.pending(mill, policies=params.get("policies"), attempts=params.get("attempts") or 1)
        case Stage.JUDGE:
            return judge.pending(mill)
        case Stage.RELEASE:
            return release.pending(mill)
        case Stage.TRAIN:
            return train.pending(
                mill,
                config=params.get("config") or "tiny",
                overrides=params.get("overrides") or {},
                nproc=params.get("nproc") or 1,
            )
        case Stage.EVALUATE:
            return evaluate.pending(mill, policies=params.get("policies"), split=params.get("split") or None)
        case _:
            raise ValueError(f"no job is called {job!r}")


def _folder(params: Mapping[str, Any]) -> Path | None:
    return Path(params["archive"]) if params.get("archive") else None
