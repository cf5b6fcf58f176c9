"""The embedded Airflow's configuration: secrets are kept and private, ports are free, the environment is clean."""

import configparser
import json
import os
import socket

import pytest

from swemill.embedded import airflow_config
from swemill.embedded.postgres import DatabaseUrls
from swemill.errors import ConfigurationError
from swemill.settings import Settings

URLS = DatabaseUrls(
    swemill="postgresql+psycopg2://me:p%40ss@db/swemill", airflow="postgresql+psycopg2://me:p%40ss@db/airflow"
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Settings.load({"SWEMILL_HOME": str(tmp_path), "SWEMILL_UI_PORT": str(port)})


def write(settings: Settings) -> airflow_config.AirflowHome:
    return airflow_config.write(settings, URLS, dags=settings.home / "dags", port_in_use_by_us=False)


def options(settings: Settings) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(settings.home / "airflow" / "airflow.cfg")
    return parser


def test_secrets_password_and_port_outlive_a_second_write(settings):
    first = write(settings)
    before = {section: dict(options(settings)[section]) for section in ("core", "api", "api_auth")}
    assert write(settings) == first == airflow_config.read(settings)
    assert {section: dict(options(settings)[section]) for section in before} == before


def test_only_the_owner_can_read_what_is_secret(settings):
    write(settings)
    for file in (settings.home / "airflow").rglob("*"):
        if file.is_file():
            assert file.stat().st_mode & 0o077 == 0, file
    assert (settings.home / "airflow").stat().st_mode & 0o077 == 0


def test_the_signing_key_has_64_bytes_and_the_password_is_not_guessable(settings):
    home = write(settings)
    assert len(bytes.fromhex(options(settings)["api_auth"]["jwt_secret"])) == 64
    assert len(home.password) >= 16
    assert json.loads((home.folder / "passwords.json").read_text()) == {"admin": home.password}


def test_a_percent_sign_in_a_url_survives_the_file_format(settings):
    write(settings)
    assert options(settings)["database"]["sql_alchemy_conn"] == URLS.airflow


def test_a_port_in_use_is_passed_over(settings):
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.ui_port))
        other.listen()
        assert write(settings).port > settings.ui_port


def test_our_own_server_on_the_port_keeps_it(settings):
    first = write(settings)
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", first.port))
        ours.listen()
        again = airflow_config.write(settings, URLS, dags=settings.home / "dags", port_in_use_by_us=True)
    assert again.port == first.port


def test_no_port_left_is_said(tmp_path):
    settings = Settings.load({"SWEMILL_HOME": str(tmp_path), "SWEMILL_UI_PORT": "70000"})
    with pytest.raises(ConfigurationError, match="SWEMILL_UI_PORT"):
        write(settings)


def test_foreign_airflow_variables_do_not_reach_the_components(settings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    environ = airflow_config.environment(settings, URLS, docker_host="unix:///engine.sock")
    assert [name for name in environ if name.startswith("AIRFLOW")] == ["AIRFLOW_HOME"]
    assert environ["AIRFLOW_HOME"] == str(settings.home / "airflow")
    assert environ["OPENAI_API_KEY"] == "key"
    assert environ["DOCKER_HOST"] == "unix:///engine.sock"
    assert environ["SWEMILL_DATABASE_URL"] == URLS.swemill
    assert "127.0.0.1" in environ["NO_PROXY"].split(",")
    assert environ["PATH"].split(os.pathsep)[0].endswith("bin")
