"""Build plans: deterministic, dated where asked, and safe against what an instance says about itself."""

import subprocess
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from swemill.environment import plan
from swemill.environment.dockerfile import known_version
from swemill.values import BaseImage, InstanceSpec, Strategy
from tests.instances import INSTANCE

BASE = BaseImage(reference="swemill/base:test", digest="sha256:0", python="3.9", source="debootstrap")
DATED = replace(
    INSTANCE,
    base_commit="a" * 40,
    base_committed_at=datetime(2021, 4, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=2))),
    version="1.2.3",
)


def planned(strategy: Strategy, instance: InstanceSpec = DATED):
    return plan(instance, b"tar", strategy=strategy, base=BASE, tag="swemill/instance:x", timeout=60)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_equal_arguments_give_equal_plans_from_the_base_image(strategy: Strategy) -> None:
    assert planned(strategy) == planned(strategy)
    assert planned(strategy).dockerfile.startswith("FROM swemill/base:test\n")
    assert planned(strategy).context["snapshot.tar"] == b"tar"


def test_one_step_does_everything_as_the_unprivileged_user() -> None:
    dockerfile = planned(Strategy.UNIFIED).dockerfile
    assert dockerfile.count("RUN ") == 1
    assert "USER" not in dockerfile, "the base image's user stays"


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_script_is_valid_shell(strategy: Strategy) -> None:
    checked = subprocess.run(
        ["sh", "-n"], input=planned(strategy).context["install.sh"], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_unified_pins_nothing() -> None:
    assert planned(Strategy.UNIFIED).context["uv.toml"] == b""


def test_dated_pins_resolution_to_the_base_commit_in_utc() -> None:
    config = tomllib.loads(planned(Strategy.DATED).context["uv.toml"].decode())
    assert config["exclude-newer"] == "2021-04-05T04:07:08Z"
    assert config["exclude-newer-package"]["setuptools"] == "2022-12-01T00:00:00Z"


def test_dated_leaves_back_ends_alone_once_they_can_install_editable() -> None:
    late = replace(DATED, base_committed_at=datetime(2024, 1, 1, tzinfo=UTC))
    assert "exclude-newer-package" not in tomllib.loads(planned(Strategy.DATED, late).context["uv.toml"].decode())


@pytest.mark.parametrize(
    "given, known",
    [
        ("1.2.3", "1.2.3"),
        ("v2.0", "2.0"),
        ("1!2.0+local", "1!2.0+local"),
        ("", "0.0.0"),
        ("1'; rm -rf /; '", "0.0.0"),
        ("1\n2", "0.0.0"),
    ],
)
def test_a_version_is_used_only_when_it_is_safe(given: str, known: str) -> None:
    assert known_version(given) == known
    options = planned(Strategy.UNIFIED, replace(DATED, version=given)).context["options.sh"].decode()
    assert options == f"BASE_COMMIT='{'a' * 40}'\nVERSION='{known}'\n"


def test_a_base_commit_that_is_no_object_id_is_refused() -> None:
    with pytest.raises(ValueError, match="no object id"):
        planned(Strategy.UNIFIED, replace(DATED, base_commit="main'; evil"))
