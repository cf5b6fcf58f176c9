"""One hardened container an item: the mapped task behind install, validate, rollout and judge.

Airflow's ``DockerOperator`` brings the connection to the engine and the task's life cycle; its own way of creating a
container lacks the sandbox's policy (capabilities, pids, memory and swap, read-only root, tmpfs) and unpickles what
hostile code wrote. So the container is created, fed and read by ``swemill``'s one policy over this operator's client,
and the task writes the fact itself: an item costs one task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.docker.operators.docker import DockerOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from swemill.jobs.perform import Done


class SandboxOperator(DockerOperator):
    """Runs ``swemill``'s job ``job`` on ``subject`` in a container of this operator's Docker engine.

    Args:
        job: ``install``, ``validate``, ``rollout`` or ``judge``.
        subject: instance id (install, validate) or rollout (rollout, judge).
        job_arguments: further arguments of the job.
    """

    template_fields: Sequence[str] = ("subject", "job_arguments")
    ui_color = "#d7e3f4"

    def __init__(self, *, job: str, subject: str, job_arguments: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(
            image="chosen-by-the-instance",
            mount_tmp_dir=False,
            network_mode="none",
            auto_remove="force",
            do_xcom_push=True,
            **kwargs,
        )
        self.job = job
        self.subject = subject
        self.job_arguments = job_arguments or {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Do the work; returns ids and the outcome for XCom, never data."""
        from swemill.settings import Settings
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        settings = Settings.load()
        if settings.docker_host and not self.docker_conn_id:
            self.docker_url = [settings.docker_host]
        with failing_fast():
            mill = Mill.open(settings, docker_client=self.hook.api_client)
            done = _job(self.job)(mill, self.subject, **self.job_arguments)
        self.log.info("%s", done.line())
        return {"subject": done.subject, "passed": done.passed, "reason": done.reason}

    def on_kill(self) -> None:
        """Remove this task's container when the task is stopped from the UI."""
        from swemill.adapters.docker.sandbox import remove_own

        if self.hook.client_created:
            remove_own(self.hook.api_client)


def _job(name: str) -> Callable[..., Done]:
    if name == "install":
        from swemill.jobs.install import install

        return install
    if name == "validate":
        from swemill.jobs.validate import validate

        return validate
    if name == "rollout":
        from swemill.jobs.rollout import rollout

        return rollout
    if name == "judge":
        from swemill.jobs.judge import judge

        return judge
    raise ValueError(f"no job is called {name!r}")
