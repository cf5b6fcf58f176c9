"""The embedded PostgreSQL survives what happens to machines, and is private."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from swemill.embedded import postgres
from swemill.errors import StoreUnavailable
from swemill.settings import Settings

pytestmark = pytest.mark.postgres


@pytest.fixture
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("pg")
    # As root the server's own user must be able to enter the parents of its folder.
    base = Path("/var/lib/swemill-tests") / home.name if os.geteuid() == 0 else home
    found = Settings.load({"SWEMILL_HOME": str(home), "SWEMILL_POSTGRES_DIR": str(base / "postgres")})
    yield found
    postgres.stop(found)
    if os.geteuid() == 0:
        subprocess.run(["rm", "-rf", str(base)], check=True)


def ask(url: str, query: str) -> object:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            return (
                connection.execute(text(query)).scalar()
                if query.startswith("SELECT")
                else connection.execute(text(query))
            )
    finally:
        engine.dispose()


def postmaster(settings: Settings) -> int:
    return int((settings.postgres_dir / "postmaster.pid").read_text().splitlines()[0])


def test_two_databases_and_a_second_call_changes_nothing(settings):
    urls = postgres.ensure(settings)
    first = postmaster(settings)
    assert ask(urls.swemill, "SELECT current_database()") == "swemill"
    assert ask(urls.airflow, "SELECT current_database()") == "airflow"
    assert int(ask(urls.swemill, "SELECT current_setting('max_connections')")) >= 200
    began = time.monotonic()
    assert postgres.ensure(settings) == urls
    assert time.monotonic() - began < 1
    assert postmaster(settings) == first


def test_nothing_listens_on_the_network_and_others_cannot_enter(settings):
    urls = postgres.ensure(settings)
    assert ask(urls.swemill, "SELECT current_setting('listen_addresses')") == ""
    sockets = Path(str(ask(urls.swemill, "SELECT current_setting('unix_socket_directories')")))
    assert sockets.stat().st_mode & 0o077 == 0
    assert settings.postgres_dir.stat().st_mode & 0o077 == 0


def test_data_survive_a_stop_and_a_kill(settings):
    urls = postgres.ensure(settings)
    ask(urls.swemill, "CREATE TABLE fact (n int)")
    ask(urls.swemill, "INSERT INTO fact VALUES (1)")
    assert postgres.stop(settings)
    assert not postgres.running(settings)
    assert not postgres.stop(settings)
    assert postgres.ensure(settings) == urls
    ask(urls.swemill, "INSERT INTO fact VALUES (2)")
    killed = postmaster(settings)
    os.kill(killed, signal.SIGKILL)
    assert postgres.ensure(settings) == urls
    assert postmaster(settings) != killed
    assert ask(urls.swemill, "SELECT sum(n) FROM fact") == 3


def test_after_a_reboot_the_recorded_number_may_belong_to_another_program(settings):
    urls = postgres.ensure(settings)
    lines = (settings.postgres_dir / "postmaster.pid").read_text().splitlines()
    postgres.stop(settings)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        lines[0] = str(bystander.pid)
        (settings.postgres_dir / "postmaster.pid").write_text("\n".join(lines) + "\n")
        assert not postgres.running(settings)
        assert not postgres.stop(settings)
        assert postgres.ensure(settings) == urls
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_first_start_that_was_cut_short_is_begun_again(settings):
    draft = settings.postgres_dir.with_name("postgres.new")
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    settings.postgres_dir.mkdir()
    urls = postgres.ensure(settings)
    assert ask(urls.swemill, "SELECT 1") == 1
    assert not draft.exists()


def test_a_folder_with_foreign_files_is_not_touched(settings):
    settings.postgres_dir.mkdir(parents=True)
    (settings.postgres_dir / "thesis.txt").write_text("mine")
    with pytest.raises((OSError, StoreUnavailable)):
        postgres.ensure(settings)
    assert (settings.postgres_dir / "thesis.txt").read_text() == "mine"


def test_a_server_of_ones_own_gets_the_databases(settings):
    urls = postgres.ensure(settings)
    given = Settings.load({"SWEMILL_DATABASE_URL": urls.swemill.replace("/swemill?", "/mill_of_mine?")})
    own = postgres.ensure(given)
    assert ask(own.swemill, "SELECT current_database()") == "mill_of_mine"
    assert ask(own.airflow, "SELECT current_database()") == "airflow"
    assert not postgres.stop(given)
    assert ask(own.swemill, "SELECT 1") == 1


def test_a_server_that_is_not_there_is_named_without_its_password():
    given = Settings.load({"SWEMILL_DATABASE_URL": "postgresql+psycopg2://me:hunter2@127.0.0.1:1/swemill"})
    with pytest.raises(StoreUnavailable, match="cannot be reached") as raised:
        postgres.ensure(given)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(postgres.DatabaseUrls(swemill=given.database_url, airflow=given.database_url))


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path):
    deep = tmp_path / ("d" * 100) / "postgres"
    server = postgres._Server(Settings.load({"SWEMILL_HOME": str(tmp_path), "SWEMILL_POSTGRES_DIR": str(deep)}))
    assert len(str(server.sockets / ".s.PGSQL.5432.lock")) <= 107
