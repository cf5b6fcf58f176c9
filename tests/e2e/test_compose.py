"""``docker-compose.yaml`` is accepted by the real Compose, and keeps the promises that its comments make."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "init")
LONGEST_TASK = 3 * 24 * 3600


def compose_in_path() -> list[str] | None:
    command = ["docker", "compose"]
    if (
        shutil.which("docker")
        and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
    ):
        return command
    return None


def compose_from_debian(folder: Path) -> list[str] | None:
    """Debian 13's package, unpacked beside the system: its program runs on Debian 12 as it is."""
    if shutil.which("apt-get") is None:
        return None
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=False
    )
    sites = [site for site in listed.stdout.split() if site.endswith("/debian")]
    if not sites:
        return None
    for part in ("lists/partial", "archives/partial", "sources", "unpacked"):
        (folder / part).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb {sites[0]} trixie main\n")
    apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={folder}/sources.list"]
    apt += ["-o", f"Dir::Etc::sourceparts={folder}/sources", "-o", f"Dir::State::lists={folder}/lists"]
    apt += ["-o", f"Dir::Cache={folder}", "-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root"]
    for arguments in (["update"], ["download", "docker-compose"]):
        if subprocess.run([*apt, *arguments], cwd=folder, capture_output=True, check=False, timeout=240).returncode:
            return None
    (package,) = folder.glob("docker-compose_*.deb")
    subprocess.run(["dpkg", "-x", package, folder / "unpacked"], check=True)
    (program,) = folder.glob("unpacked/usr/**/cli-plugins/docker-compose")
    return [str(program)]


@pytest.fixture(scope="module")
def compose(tmp_path_factory) -> list[str]:
    command = compose_in_path() or compose_from_debian(tmp_path_factory.mktemp("compose"))
    if command is None:
        pytest.skip("no Compose here, and none to be had from Debian")
    return command


def secrets_file(tmp_path: Path, *, without: str = "") -> Path:
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    names = [line.removesuffix("=") for line in lines if line.endswith("=") and not line.startswith("#")]
    file = tmp_path / "env"
    file.write_text("".join(f"{name}=0123456789\n" for name in names if name != without))
    return file


def config(compose: list[str], env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [*compose, "--project-directory", str(CHECKOUT), "-f", str(CHECKOUT / "docker-compose.yaml")]
    command += ["--env-file", str(env_file), "config", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def resolved(compose, tmp_path_factory) -> dict:
    result = config(compose, secrets_file(tmp_path_factory.mktemp("env")), "--format", "json")
    assert result.returncode == 0, result.stderr
    assert "variable is not set" not in result.stderr
    return json.loads(result.stdout)


def test_compose_accepts_the_file_with_the_example_filled_in(resolved):
    assert set(resolved["services"]) == {"postgres", "redis", *AIRFLOW}


@pytest.mark.parametrize("secret", ["POSTGRES_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "REDIS_PASSWORD"])
def test_no_secret_has_a_default(compose, tmp_path, secret):
    result = config(compose, secrets_file(tmp_path, without=secret), "--quiet")
    assert result.returncode != 0
    assert secret in result.stderr


def test_every_airflow_service_runs_the_one_image_on_the_celery_executor(resolved):
    services = [resolved["services"][name] for name in AIRFLOW]
    assert {service["image"] for service in services} == {"swemill:latest"}
    assert {service["environment"]["AIRFLOW__CORE__EXECUTOR"] for service in services} == {"CeleryExecutor"}
    assert len({service["environment"]["AIRFLOW__CELERY__RESULT_BACKEND"] for service in services}) == 1
    assert "BASE_IMAGE" in resolved["services"]["init"]["build"]["args"]


def test_a_message_is_not_handed_out_twice_while_its_task_runs(resolved):
    for name in AIRFLOW:
        environment = resolved["services"][name]["environment"]
        timeout = int(environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"])
        assert timeout > LONGEST_TASK


def test_workers_hold_neither_the_metadata_database_nor_the_signing_key(resolved):
    names = set(resolved["services"]["worker"]["environment"])
    assert not names & {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__API_AUTH__JWT_SECRET"}


def test_all_long_lived_services_are_checked_and_the_ui_stays_on_this_machine(resolved):
    assert all("healthcheck" in service for name, service in resolved["services"].items() if name != "init")
    ports = [port for service in resolved["services"].values() for port in service.get("ports", ())]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_what_the_services_copy_and_mount_exists(resolved):
    binds = [
        volume["source"]
        for service in resolved["services"].values()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind" and str(CHECKOUT) in volume["source"]
    ]
    assert binds
    assert all(Path(source).exists() for source in binds)
