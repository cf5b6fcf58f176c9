"""Build plans: deterministic, dated where asked, and safe against what an instance says about itself."""

import subprocess
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from swemill.environment import image_plans
from swemill.environment.dated import dated
from swemill.environment.dockerfile import describe, dockerfile
from swemill.environment.image_plans import known_version, one_step
from swemill.environment.unified import unified
from swemill.values import BaseImage, Candidate, InstanceSpec, Strategy
from tests.instances import INSTANCE

BASE = BaseImage(reference="swemill/base:test", digest="sha256:0", python="3.9", source="debootstrap")
DATED = replace(
    INSTANCE,
    base_commit="a" * 40,
    base_committed_at=datetime(2021, 4, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=2))),
    version="1.2.3",
)


def planned(strategy: Strategy, instance: InstanceSpec = DATED):
    recipe = {Strategy.UNIFIED: unified, Strategy.DATED: dated}[strategy](instance, python=BASE.python)
    return one_step(recipe, instance, b"tar", base=BASE, effect_key="e" * 64, timeout=60)


@pytest.mark.parametrize("strategy", [Strategy.UNIFIED, Strategy.DATED])
def test_equal_arguments_give_equal_plans_from_the_base_image(strategy: Strategy) -> None:
    assert planned(strategy) == planned(strategy)
    assert dockerfile(planned(strategy)).startswith("FROM swemill/base:test\n")
    assert planned(strategy).files["snapshot.tar"] == b"tar"


def test_one_step_does_everything_as_the_unprivileged_user() -> None:
    text = dockerfile(planned(Strategy.UNIFIED))
    assert text.count("RUN ") == 1
    assert "USER" not in text, "the base image's user stays"


@pytest.mark.parametrize("strategy", [Strategy.UNIFIED, Strategy.DATED])
def test_the_script_is_valid_shell(strategy: Strategy) -> None:
    checked = subprocess.run(
        ["sh", "-n"], input=planned(strategy).files["install.sh"], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_unified_pins_nothing() -> None:
    assert planned(Strategy.UNIFIED).files["uv.toml"] == b""


def test_dated_pins_resolution_to_the_base_commit_in_utc() -> None:
    config = tomllib.loads(planned(Strategy.DATED).files["uv.toml"].decode())
    assert config["exclude-newer"] == "2021-04-05T04:07:08Z"
    assert config["exclude-newer-package"]["setuptools"] == "2022-12-01T00:00:00Z"


def test_dated_leaves_back_ends_alone_once_they_can_install_editable() -> None:
    late = replace(DATED, base_committed_at=datetime(2024, 1, 1, tzinfo=UTC))
    assert "exclude-newer-package" not in tomllib.loads(planned(Strategy.DATED, late).files["uv.toml"].decode())


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
    options = planned(Strategy.UNIFIED, replace(DATED, version=given)).files["options.sh"].decode()
    assert options == f"BASE_COMMIT='{'a' * 40}'\nVERSION='{known}'\nPYTHON='3.9'\n"


def test_a_base_commit_that_is_no_object_id_is_refused() -> None:
    with pytest.raises(ValueError, match="no object id"):
        planned(Strategy.UNIFIED, replace(DATED, base_commit="main'; evil"))


CANDIDATE = Candidate(
    python="3.9",
    as_of=datetime(2021, 4, 1, tzinfo=UTC),
    lifted={"pytest": datetime(2021, 10, 5, tzinfo=UTC)},
    extras=("test",),
    requirements=("pytest", "mock>=2"),
    constraints=("setuptools<58",),
    only_binary=("numpy",),
    environment={"DJANGO_SETTINGS_MODULE": "tests.settings"},
)


def resolved(candidate: Candidate = CANDIDATE):
    return image_plans.resolution(candidate, DATED, b"tar", base=BASE, effect_key="e", timeout=60)


def shared(lock: str, candidate: Candidate = CANDIDATE, *, wheels: bool = True, subject: str = "s", key: str = "e"):
    return image_plans.environment(
        candidate, lock, wheels=wheels, base=BASE, effect_key=key, subject=subject, timeout=60
    )


def on_top(candidate: Candidate = CANDIDATE, *, key: str = "e"):
    return image_plans.instance_on("swemill/environment:x", candidate, DATED, b"tar", effect_key=key, timeout=60)


@pytest.mark.parametrize("plan", [resolved(), shared("six==1.0\n"), on_top()], ids=["resolve", "lock", "instance"])
def test_the_scripts_of_the_levels_are_valid_shell(plan) -> None:
    for name in (plan.script, "options.sh"):
        checked = subprocess.run(["sh", "-n"], input=plan.files[name], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_a_resolution_is_told_everything_that_the_candidate_says() -> None:
    files = resolved().files
    config = tomllib.loads(files["uv.toml"].decode())
    assert config["exclude-newer"] == "2021-04-01T00:00:00Z"
    assert config["exclude-newer-package"] == {"pytest": "2021-10-05T00:00:00Z"}
    assert config["no-build-package"] == ["numpy"]
    assert files["requirements.in"] == b"pytest\nmock>=2\n"
    assert files["constraints.txt"] == b"setuptools<58\n"
    assert b"EXTRAS='test'\n" in files["options.sh"]
    assert resolved().tag == ""
    assert resolved().outputs == ("/opt/lock.txt",)


def test_one_lock_is_one_environment_whoever_wants_it() -> None:
    later = replace(CANDIDATE, as_of=datetime(2021, 7, 1, tzinfo=UTC), extras=())
    same = shared("six==1.0\n", later, subject="other", key="f")
    assert shared("six==1.0\n").tag == same.tag
    assert shared("six==1.1\n").tag != same.tag


def test_where_source_distributions_are_built_the_date_counts() -> None:
    later = replace(CANDIDATE, as_of=datetime(2021, 7, 1, tzinfo=UTC))
    assert shared("six==1.0\n", wheels=False).tag != shared("six==1.0\n", later, wheels=False).tag


def test_equal_instances_have_equal_tags_and_others_do_not() -> None:
    assert on_top().tag == on_top(key="f").tag
    assert on_top().tag != on_top(replace(CANDIDATE, environment={})).tag
    assert on_top().tag.startswith("swemill/instance:")


@pytest.mark.parametrize("folder", ["a'b", "$(evil)", "a;b", "a`b`"])
def test_nothing_of_a_repository_becomes_shell(folder: str) -> None:
    with pytest.raises(ValueError, match="cannot be given to a shell"):
        resolved(replace(CANDIDATE, project_dir=folder))


def test_the_description_shows_every_text_of_the_build_and_stays_a_dockerfile() -> None:
    text = describe(replace(on_top(), env={"A": 'x "$HOME"'}))
    shown = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert shown[0] == "FROM swemill/environment:x"
    assert shown[1] == 'ENV A="x \\"\\$HOME\\""'
    assert shown[2].startswith("COPY --chown=1000:1000 ")
    assert shown[3:] == ["RUN sh /opt/build/install.sh"]
    assert "# setuptools<58" in text
