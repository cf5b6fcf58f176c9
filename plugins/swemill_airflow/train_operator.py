"""Hands a fine-tuning job to a GPU node and waits for its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class TrainOperator(BaseOperator):
    """Trains on the newest release with a configuration of ``training/configs``; skips what was trained before.

    The job outlives this task: when the task is retried it finds the running or finished job again. Stopping the task
    from the UI cancels the job.
    """

    template_fields: Sequence[str] = ("config", "overrides", "nproc")
    ui_color = "#f4e3d7"

    def __init__(self, *, config: str, overrides: dict[str, Any] | str, nproc: int | str = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.overrides = overrides
        self.nproc = nproc

    def execute(self, context: Context) -> dict[str, Any]:
        """Submit, wait, record the checkpoint."""
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        from swemill.jobs.train import train
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        with failing_fast():
            done = train(Mill.open(), **self._arguments(), say=self.log.info)
        if not done.passed:
            # A recorded fact: trying again would only find it there.
            raise AirflowFailException(f"training failed ({done.reason}): {done.detail}")
        if done.repeated:
            raise AirflowSkipException(done.line())
        self.log.info("%s", done.line())
        return {"subject": done.subject, "detail": done.detail}

    def on_kill(self) -> None:
        """Cancel the job."""
        from swemill.jobs.train import cancel
        from swemill.wiring import Mill

        cancel(Mill.open(), **self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {"config": self.config, "overrides": dict(self.overrides), "nproc": int(self.nproc)}
