"""Effect keys are stored for ever: they must come out the same on any machine, and differ whenever anything differs."""

import pytest

from swemill.effects import canonical, config_key, content_hash, effect_key
from swemill.reasons import Stage

CONFIG = {"test_timeout": 600, "memory": 4 << 30, "name": "ß"}
CONFIG_KEY = "c93ee6d87e380f1d748f9188ca3ff5842c65a22089905c59a5001d1be91b44a9"
PARTS = {"subject": "o__n-1", "stage": Stage.VALIDATE, "config": CONFIG_KEY, "input_key": "e" * 64}


def test_golden_values():
    assert content_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert config_key(Stage.VALIDATE, 1, CONFIG) == CONFIG_KEY
    assert effect_key(**PARTS) == "e3927a160cdcd6278e105d7e305ee5a840766d165f47cd3180e2fb0226d2cd4f"


@pytest.mark.parametrize(
    "part, value", [("subject", "o__n-2"), ("stage", Stage.JUDGE), ("config", "0" * 64), ("input_key", "d" * 64)]
)
def test_every_part_counts(part, value):
    assert effect_key(**{**PARTS, part: value}) != effect_key(**PARTS)


def test_each_time_that_it_is_done_again_is_another_effect():
    assert effect_key(**PARTS, again=0) == effect_key(**PARTS)
    assert len({effect_key(**PARTS, again=times) for times in range(4)}) == 4


def test_parts_do_not_run_into_each_other():
    ab = effect_key(subject="ab", stage=Stage.HARVEST, config="c", input_key="")
    assert ab != effect_key(subject="a", stage=Stage.HARVEST, config="bc", input_key="")


@pytest.mark.parametrize(
    "other",
    [
        (Stage.JUDGE, 1, CONFIG),
        (Stage.VALIDATE, 2, CONFIG),
        (Stage.VALIDATE, 1, {**CONFIG, "test_timeout": 601}),
        (Stage.VALIDATE, 1, {**CONFIG, "more": None}),
    ],
)
def test_everything_that_could_change_the_result_is_in_the_configuration_key(other):
    assert config_key(*other) != config_key(Stage.VALIDATE, 1, CONFIG)


def test_order_does_not_count():
    assert config_key(Stage.VALIDATE, 1, dict(reversed(CONFIG.items()))) == config_key(Stage.VALIDATE, 1, CONFIG)
    assert canonical({"b": 1, "a": [True, None]}) == b'{"a":[true,null],"b":1}'


def test_half_a_surrogate_pair_has_a_hash_too():
    assert canonical("\ud800") == b'"\\ud800"'
