"""Settings: a wrong value names its variable; no secret is shown; the installation's mark is whole."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from swemill.errors import ConfigurationError, DiskFull
from swemill.settings import CHECKOUT, Settings


@pytest.fixture
def load(tmp_path):
    return lambda **environ: Settings.load({"SWEMILL_HOME": str(tmp_path / "home"), **environ})


def test_defaults(load, tmp_path):
    settings = load()
    assert settings.home == tmp_path / "home"
    assert settings.blobs_url == str(tmp_path / "home" / "blobs")
    assert settings.releases_list == CHECKOUT / "config" / "releases.toml"
    assert (settings.database_url, settings.archive_dir, settings.docker_host) == (None, None, None)
    assert (settings.sandbox_cpus, settings.sandbox_memory, settings.test_timeout) == (1.0, 4 << 30, 600)
    assert settings.provider_keys == {}


def test_an_empty_variable_is_as_good_as_none(load):
    names = [
        "DATABASE_URL",
        "ARCHIVE_DIR",
        "BLOBS_URL",
        "TEST_TIMEOUT",
        "SANDBOX_CPUS",
        "BASE_IMAGE_SOURCE",
        "DEBIAN_SUITE",
        "SANDBOX_RUNTIME",
    ]
    assert load(**{f"SWEMILL_{name}": "" for name in names}, OPENAI_API_KEY="") == load()


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("SWEMILL_TEST_TIMEOUT", "soon", "whole number"),
        ("SWEMILL_TEST_TIMEOUT", "1.5", "whole number"),
        ("SWEMILL_TEST_TIMEOUT", "-1", "at least 1"),
        # To the container engine 0 means "without limit".
        ("SWEMILL_SANDBOX_MEMORY", "0", "at least 1"),
        ("SWEMILL_SANDBOX_PIDS", "0", "at least 1"),
        ("SWEMILL_SANDBOX_DISK", "0", "at least 1"),
        ("SWEMILL_SANDBOX_CPUS", "0", "0.01"),
        ("SWEMILL_SANDBOX_CPUS", "nan", "0.01"),
        ("SWEMILL_SANDBOX_CPUS", "many", "cores"),
        ("SWEMILL_HOLDOUT_PERCENT", "101", "at most 100"),
        ("SWEMILL_REVALIDATION_SHARE", "10", "from 0 to 1"),
        ("SWEMILL_REVALIDATION_SHARE", "nan", "from 0 to 1"),
        ("SWEMILL_REVALIDATION_SHARE", "all", "share"),
        ("SWEMILL_UI_PORT", "0", "at least 1"),
        ("SWEMILL_BASE_IMAGE_SOURCE", "moon", "debootstrap"),
        ("SWEMILL_DATABASE_URL", "somewhere", "postgresql"),
        ("SWEMILL_DATABASE_URL", "mysql://u:hunter2@h/d", "postgresql"),
        ("SWEMILL_DATABASE_URL", "postgresql://u:hunter2@h:port/d", "postgresql"),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_is_right(load, name, value, words):
    with pytest.raises(ConfigurationError, match=words) as raised:
        load(**{name: value})
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_numbers_are_read_in_their_units(load):
    settings = load(SWEMILL_SANDBOX_CPUS="2.5", SWEMILL_HOLDOUT_PERCENT="0", SWEMILL_SANDBOX_MEMORY="1000")
    assert (settings.sandbox_cpus, settings.holdout_percent, settings.sandbox_memory) == (2.5, 0, 1000)


def test_an_index_with_credentials_is_refused(load):
    with pytest.raises(ConfigurationError, match="SWEMILL_INDEX_URL") as raised:
        load(PIP_INDEX_URL="https://me:hunter2@index.local/simple")
    assert "hunter2" not in str(raised.value)
    assert load(PIP_INDEX_URL="https://a/simple", SWEMILL_INDEX_URL="https://b/simple").index_url == "https://b/simple"


def test_nothing_secret_is_shown(load):
    secrets = {
        "OPENAI_API_KEY": "sk-hunter2",
        "GITHUB_TOKEN": "gh-hunter2",
        "SWEMILL_DATABASE_URL": "postgresql://u:hunter2@h/d",
    }
    settings = load(**secrets)
    assert settings.provider_keys == {"OPENAI_API_KEY": "sk-hunter2"}
    assert "hunter2" not in repr(settings)
    assert "OPENAI_API_KEY" in repr(settings)


def test_the_first_ca_bundle_that_is_set_wins(load):
    found = load(CURL_CA_BUNDLE="/c", SSL_CERT_FILE="/s").ca_bundle
    assert str(found) == "/s"


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root the database lies outside the home")
def test_two_that_are_first_at_once_agree_on_the_database_folder(load, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: load().postgres_dir, range(32)))
    assert len(folders) == 1
    mark = (tmp_path / "home" / "installation").read_text()
    assert len(mark) == 12
    assert folders.pop().parent.name == mark
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["installation"]


def test_a_home_that_cannot_be_used_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="set SWEMILL_HOME to a folder of yours") as raised:
        Settings.load({"SWEMILL_HOME": str(tmp_path / "file" / "home"), "SWEMILL_POSTGRES_DIR": ""})
    assert "\n" not in str(raised.value)


def test_a_home_on_a_full_disk_is_infrastructure(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(DiskFull, match="free some disk space"):
        Settings.load({"SWEMILL_HOME": str(tmp_path / "home")})
    assert list((tmp_path / "home").iterdir()) == []


def test_a_database_url_without_a_driver_gets_ours(load):
    assert load(SWEMILL_DATABASE_URL="postgresql://u:p@h/d").database_url == "postgresql+psycopg2://u:p@h/d"
