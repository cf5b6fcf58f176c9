"""The policies file: read strictly, and never run in half."""

from pathlib import Path

import pytest

from swemill.adapters.policies import active, load
from swemill.errors import ConfigurationError
from swemill.settings import CHECKOUT, PROVIDER_KEYS

GOOD = '[[policy]]\nname = "a"\nagent = "mini-swe-agent"\nmodel = "oracle"\nprovider = "scripted"\n'


def _load(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "policies.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [policy.name for policy in load(path)]


def test_the_checked_in_policies_are_valid_and_start_with_the_scripted_ones() -> None:
    policies = load(CHECKOUT / "config" / "policies.toml")
    assert [policy.name for policy in policies[:2]] == ["oracle", "idle"]
    assert {policy.provider for policy in policies} <= {"scripted", *PROVIDER_KEYS}


def test_without_any_key_the_scripted_act_and_with_a_key_only_those_it_opens() -> None:
    policies = load(CHECKOUT / "config" / "policies.toml")
    assert [policy.name for policy in active(policies, {})] == ["oracle", "idle"]
    assert [policy.name for policy in active(policies, {"OPENAI_API_KEY": ""})] == ["oracle", "idle"]
    assert [policy.name for policy in active(policies, {"OPENAI_API_KEY": "k"})] == ["gpt-4.1"]


def test_a_key_that_opens_no_policy_leaves_the_scripted_ones() -> None:
    policies = load(CHECKOUT / "config" / "policies.toml")
    assert [policy.name for policy in active(policies, {"OPENROUTER_API_KEY": "k"})] == ["oracle", "idle"]


def test_a_prompt_is_the_text_of_its_file_so_an_edited_one_makes_another_policy(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD + 'prompt = "mine.yaml"\n')
    with pytest.raises(ConfigurationError, match=r"prompt file .*mine.yaml cannot be read"):
        load(path)
    (tmp_path / "mine.yaml").write_text("system_template: be brief\n")
    first = load(path)[0]
    assert first.prompt == "system_template: be brief\n"
    (tmp_path / "mine.yaml").write_text("system_template: be long\n")
    assert load(path)[0].config() != first.config()


def test_numbers_that_mean_the_same_hash_the_same(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD + "minutes = 5\n")
    whole = load(path)[0].config()
    path.write_text(GOOD + "minutes = 5.0\n")
    assert repr(load(path)[0].config()) == repr(whole)


@pytest.mark.parametrize(
    "text, message",
    [
        ("[[policy", "no TOML"),
        (b"\xff\xfe", "no TOML"),
        ("", r"must hold \[\[policy\]\] tables"),
        ("policy = 3", r"must hold \[\[policy\]\] tables"),
        ("policy = [3]", "policy 1 is no table"),
        (GOOD + "[other]\nx = 1", "unknown: other"),
        (GOOD + "color = 1", r"policy 1 \(a\): unknown field color"),
        ('[[policy]]\nname = "a"', "field agent, model, provider is missing"),
        (GOOD + GOOD, "names a policy twice: a"),
        (GOOD.replace("scripted", "OPENAI_KEY"), "provider is 'OPENAI_KEY'; use one of scripted, OPENAI_API_KEY"),
        (GOOD + "turns = 1.5", "turns is 1.5; it must be a whole number"),
        (GOOD + "turns = true", "turns is True; it must be a whole number"),
        (GOOD + "turns = 0", "turns is 0; it must be positive"),
        (GOOD + "minutes = nan", "it must be a number"),
        (GOOD + "temperature = -1", "it must be >= 0"),
        (GOOD.replace('"oracle"', '" "'), "model is ' '; it must be a text"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml cannot be read: No such file"):
        load(tmp_path / "nowhere.toml")
