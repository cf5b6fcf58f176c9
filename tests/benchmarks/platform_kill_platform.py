"""The installation that the drill kills: PostgreSQL, Airflow and an engine of its own, started as a user would.

Everything lies below one folder, and every command runs in a process of its own with an environment of its own:
nothing of another installation on this machine is touched. Only the DAG `validate` is there, so that nothing else is
at work. The settings are those of ``swemill up``; none is shortened for the drill.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from swemill.adapters.docker import index_image
from swemill.embedded import airflow_config, airflow_services, postgres, services
from swemill.embedded.airflow_api import AirflowApi
from swemill.embedded.processes import Identity, descendants, identify, recorded
from swemill.errors import OrchestratorUnavailable, SwemillError
from swemill.settings import CHECKOUT, Settings
from swemill.wiring import Mill
from tests.benchmarks.engine_kill_machine import ADDRESS, PORT, SUITE, Machine, running
from tests.benchmarks.engine_kill_work import command_environment, make_wheels

DAG = "validate"
PATIENCE = 180.0
"""Seconds for which a call to Airflow is repeated while it does not answer."""
_COMMAND = [sys.executable, "-c", "from swemill.cli import main; main()"]
_UP = """\
import sys
from pathlib import Path
from swemill.embedded import services
from swemill.errors import SwemillError
from swemill.settings import Settings
try:
    services.up(Settings.load(), print, dags=Path(sys.argv[1]))
except SwemillError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
_UP_TRIES = 3
_PREPARED = "prepared"
_WORKER = re.compile(rb"LocalExecutor: [0-9a-f-]{36}")
_TASK = re.compile(rb"airflow worker -- ([0-9a-f-]{36})")


class Refused(SwemillError):
    """A command of the drill failed before anything was killed: its work cannot be prepared."""


class Stuck(SwemillError):
    """The run does not end, or not without more mending than a person would put up with."""


@dataclass(kw_only=True)
class Platform:
    """One installation, and an engine that it has for itself."""

    root: Path
    environ: dict[str, str]
    machine: Machine
    say: Callable[[str], None]
    up_again: int = field(default=0, init=False)
    """How often ``swemill up`` failed at its first try."""

    @cached_property
    def settings(self) -> Settings:
        """What every command of the installation reads."""
        return Settings.load(self.environ)

    @cached_property
    def _url(self) -> str:
        return postgres.ensure(self.settings).swemill

    def mill(self) -> Mill:
        """A view of the facts, which starts nothing."""
        return Mill.open(Settings.load({**self.environ, "SWEMILL_DATABASE_URL": self._url}))

    def api(self) -> AirflowApi:
        """A client of this Airflow that waits for a long time."""
        home = airflow_config.read(self.settings)
        if home is None:
            raise OrchestratorUnavailable("Airflow was never started")
        name = airflow_config.USERNAME
        return AirflowApi(base_url=home.url, username=name, password=home.password, patience=PATIENCE)

    def command(self, *arguments: str) -> str:
        """Run ``swemill`` and return what it says. Raises Refused."""
        done = self._run([*_COMMAND, *arguments])
        if done.returncode:
            raise Refused(f"swemill {' '.join(arguments)} ended with {done.returncode}: {done.stdout[-3000:]}")
        return done.stdout

    def up(self) -> float:
        """Start what does not run, as ``swemill up`` does; seconds that took. Raises Stuck after several tries."""
        began = time.monotonic()
        for number in range(1, _UP_TRIES + 1):
            done = self._run([sys.executable, "-c", _UP, str(self.root / "dags")])
            if done.returncode == 0:
                return time.monotonic() - began
            self.up_again += 1
            self.say(f"  up failed at try {number}: {done.stdout.strip()[-600:]}")
        raise Stuck(f"`swemill up` does not recover the platform at {_UP_TRIES} tries: {done.stdout[-3000:]}")

    def down(self) -> None:
        """Stop PostgreSQL and Airflow."""
        services.down(self.settings, lambda line: None)

    def keep(self) -> None:
        """Keep the facts as they are now, for ``start_over``."""
        self._databases(f"CREATE DATABASE {_PREPARED} TEMPLATE swemill")

    def start_over(self) -> None:
        """Stop Airflow, and begin again with the facts that were kept."""
        airflow_services.stop(self.settings)
        self._databases(
            "DROP DATABASE swemill WITH (FORCE)",
            f"CREATE DATABASE swemill TEMPLATE {_PREPARED}",
            # A copied sequence takes for logged what only its original has logged, and would go back in a crash.
            "CHECKPOINT",
        )

    # --- victims ---

    def scheduler(self) -> Identity | None:
        """The scheduler, while it lives."""
        return recorded(self.settings.home / "run" / "airflow-scheduler.json")

    def postmaster(self) -> Identity | None:
        """The server's first process, while it lives."""
        try:
            first = (self.settings.postgres_dir / "postmaster.pid").read_text().partition("\n")[0]
        except FileNotFoundError:
            return None
        return identify(int(first)) if first.isdigit() and postgres.running(self.settings) else None

    def tasks(self) -> list[tuple[Identity, Identity]]:
        """Processes of running tasks: the executor's worker that looks after one, and its own, leader of a group."""
        scheduler = self.scheduler()
        found = []
        for worker in descendants(scheduler.pid) if scheduler else ():
            if not _WORKER.search(_title(worker.pid)):
                continue
            found += [(worker, child) for child in descendants(worker.pid) if _TASK.match(_title(child.pid))]
        return found

    def task_name(self, task: Identity) -> str:
        """What a running task works on; Airflow names the process after the row of the task."""
        if not (match := _TASK.match(_title(task.pid))):
            return ""
        engine = create_engine(make_url(self._url).set(database="airflow"))
        row = text("SELECT task_id || ' ' || coalesce(rendered_map_index, '') FROM task_instance WHERE id = :id")
        try:
            with engine.connect() as connection:
                return str(connection.scalar(row, {"id": match[1].decode()}) or match[1].decode()).strip()
        finally:
            engine.dispose()

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        # A file and no pipe: what is started inherits it, and outlives the command.
        with (self.root / "command.log").open("w+") as output:
            done = subprocess.run(
                argv, env=self.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, text=True
            )
            output.seek(0)
            done.stdout = output.read()
        return done

    def _databases(self, *statements: str) -> None:
        server = make_url(postgres.ensure(self.settings).swemill).set(database="postgres")
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                for statement in statements:
                    connection.execute(text(statement))
        finally:
            engine.dispose()


@contextmanager
def platform_in(
    root: Path, data: Path, *, rounds: int, environ: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Platform]:
    """An installation below ``root`` whose engine keeps its data in ``data``; nothing of it is left at the end.

    ``rounds`` are those of a validation.

    Raises:
        ConfigurationError: no such machine can be had here. SandboxUnavailable, ForgeUnavailable: an engine or the
            package index does not answer.
    """
    # Base images are named after the index, and the proxy's image after its base: with another index it is made anew.
    more = index_image.REQUIREMENTS if Settings.load(environ).index_url else ()
    make_wheels(root / "wheels", count=0, more=more)
    (root / "pip.conf").write_text(f"[global]\nindex-url = http://{ADDRESS}:{PORT}/simple\n")
    (root / "dags").mkdir()
    shutil.copy(CHECKOUT / "dags" / f"{DAG}.py", root / "dags")
    own = {
        "SWEMILL_HOME": str(root / "home"),
        "SWEMILL_POSTGRES_DIR": str(root / "postgres"),
        "SWEMILL_UI_PORT": str(_free_port()),
        "SWEMILL_VALIDATION_ROUNDS": str(rounds),
        "SWEMILL_DEBIAN_SUITE": SUITE,
        "SWEMILL_BASE_IMAGE_SOURCE": "registry",  # there is none: what was brought along is all there is
    }
    kept = command_environment(environ, own, pip_config=root / "pip.conf")
    with running(data, root / "wheels", kept) as machine:
        made = Platform(root=root, environ={**kept, "SWEMILL_DOCKER_HOST": machine.host}, machine=machine, say=say)
        try:
            yield made
        finally:
            made.down()


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return b""  # ended meanwhile


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
