"""One hardened container an item: the mapped task behind install, validate, revalidate, rollout and judge.

A task has one item, or a **shard** of many, one after the other: starting a task costs seconds, and 100,000 items days.

Airflow's ``DockerOperator`` brings the life cycle of a task and Airflow's connections to an engine; its own way of
creating a container lacks the sandbox's policy (capabilities, pids, memory and swap, read-only root, tmpfs) and
unpickles what hostile code wrote. So the container is created, fed and read by ``swemill``'s one policy, and the task
writes the facts itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.docker.operators.docker import DockerOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from docker import APIClient

    from swemill.jobs.perform import Done


class SandboxOperator(DockerOperator):
    """Runs ``swemill``'s job ``job`` on every one of ``subjects``, in containers of this operator's Docker engine.

    The engine is that of ``docker_conn_id`` or ``docker_url`` where one is given, else that of the settings.

    Args:
        job: ``install``, ``validate``, ``revalidate``, ``rollout`` or ``judge``.
        subjects: instance ids (install, validate, revalidate) or rollouts (rollout, judge).
        job_arguments: further arguments of the job.
        execution_timeout: of one item; the task has as much for each.
    """

    template_fields: Sequence[str] = ("subjects", "job_arguments")
    template_ext: Sequence[str] = ()  # DockerOperator would read a value that ends with .sh from a file
    ui_color = "#d7e3f4"

    def __init__(
        self,
        *,
        job: str,
        subjects: Sequence[str],
        job_arguments: dict[str, Any] | None = None,
        execution_timeout: timedelta,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("timeout", 120)  # creating a container on a busy disk takes tens of seconds
        super().__init__(
            image="chosen-by-the-instance",
            mount_tmp_dir=False,
            network_mode="none",
            auto_remove="force",
            do_xcom_push=True,
            execution_timeout=execution_timeout * len(subjects),
            **kwargs,
        )
        self._own_engine = bool(kwargs.get("docker_url") or kwargs.get("docker_conn_id"))
        self._client: APIClient | None = None
        self.job = job
        self.subjects = subjects
        self.job_arguments = job_arguments or {}

    @property
    def named(self) -> str:
        """What the task is called in the grid."""
        return self.subjects[0] if len(self.subjects) == 1 else f"{self.subjects[0]} and {len(self.subjects) - 1} more"

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Do the work; returns ids and the outcomes for XCom, never data."""
        from swemill.jobs.perform import noting_incidents
        from swemill.jobs.shard import all_of
        from swemill.reasons import Stage
        from swemill.wiring import Mill
        from swemill_airflow.failing import failing_fast

        with failing_fast():
            mill = Mill.open()
            with noting_incidents(mill, Stage(self.job), self.subjects[0]):
                mill = replace(mill, docker_client=self._connect(mill.settings.docker_host))
            job = _job(self.job)
            done = all_of(self.subjects, lambda subject: job(mill, subject, **self.job_arguments))
        return [{"subject": one.subject, "passed": one.passed, "reason": one.reason} for one in done]

    def _connect(self, docker_host: str | None) -> APIClient:
        """The client of the engine that this operator was given, else of the settings' one.

        Raises:
            SandboxUnavailable: nothing answers there.
        """
        from airflow.sdk.exceptions import AirflowException

        from swemill.adapters.docker.client import connect
        from swemill.errors import SandboxUnavailable, boundary

        if self._own_engine:
            with boundary(SandboxUnavailable, f"connecting to the Docker engine {self.docker_url}", AirflowException):
                self._client = self.hook.api_client
        else:  # not the hook: it knows nothing of the variables that secure a remote engine (DOCKER_CERT_PATH ...)
            self._client = connect(docker_host)
        return self._client

    def on_kill(self) -> None:
        """Remove this task's container when the task is stopped from the UI or has run out of time."""
        from swemill.adapters.docker.engine import remove_own

        if self._client is not None:
            remove_own(self._client)


def _job(name: str) -> Callable[..., Done]:
    if name == "install":
        from swemill.jobs.install import install

        return install
    if name == "validate":
        from swemill.jobs.validate import validate

        return validate
    if name == "revalidate":
        from swemill.jobs.revalidate import revalidate

        return revalidate
    if name == "rollout":
        from swemill.jobs.rollout import rollout

        return rollout
    if name == "judge":
        from swemill.jobs.judge import judge

        return judge
    raise ValueError(f"no job is called {name!r}")
