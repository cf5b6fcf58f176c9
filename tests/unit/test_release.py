"""The release: what enters, what does not and why, and that its bytes depend on nothing else."""

import base64
import hashlib
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from swemill.reasons import Reason
from swemill.stages.release import ReleaseConfig, ReleaseItem, SecretFound, is_held_out, release

TOOLS = [{"type": "function", "function": {"name": "bash", "description": "d", "parameters": {"type": "object"}}}]
SECRET = 'sk-"quoted"-4f1d2c9b'
CONFIG = ReleaseConfig(name="r1", holdout_percent=0, per_instance=2)


def _messages(thought: str, identity: str = "a") -> list[dict[str, Any]]:
    arguments = json.dumps({"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"})
    function = {"name": "bash", "arguments": arguments}
    return [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "fix é"},
        {
            "role": "assistant",
            "content": thought,
            "tool_calls": [{"id": identity, "type": "function", "function": function}],
        },
    ]


def _item(number: int = 1, *, instance: str = "o__r-1", thought: str | None = None, **changes: Any) -> ReleaseItem:
    item = ReleaseItem(
        instance_id=instance,
        repository=instance.rpartition("-")[0].replace("__", "/"),
        base_commit="c" * 40,
        statement_source="issue",
        image="sha256:1",
        policy="oracle",
        model="oracle",
        rollout_key=hashlib.sha256(f"{instance} {number}".encode()).hexdigest(),
        judgement_key=f"judgement {number}",
        messages=_messages(thought or f"thought {number}", identity=f"call{number}"),
        tools=TOOLS,
        patch=b"diff\n",
    )
    return replace(item, **changes)


def test_the_same_input_in_any_order_makes_the_same_bytes() -> None:
    items = [_item(n, instance=f"o__r{n % 3}-{n % 5}") for n in range(20)]
    first = release(items, CONFIG)
    random.Random(0).shuffle(items)
    again = release(items, CONFIG)
    assert first.files() == again.files()
    assert first.rows == len(first.included) > 5


def test_the_manifest_vouches_for_the_dataset_and_names_its_lineage() -> None:
    package = release([_item(1), _item(2, instance="o__s-1", model="gpt")], CONFIG)
    manifest = json.loads(package.manifest)
    rows = [json.loads(line) for line in package.dataset.splitlines()]
    assert manifest["files"]["dataset.jsonl"] == {
        "sha256": hashlib.sha256(package.dataset).hexdigest(),
        "rows": 2,
        "bytes": len(package.dataset),
    }
    assert [row["rollout"] for row in rows] == [line["rollout"] for line in manifest["lineage"]]
    assert manifest["rows_by_repository"] == {"o/r": 1, "o/s": 1}
    assert manifest["rows_by_model"] == {"oracle": 1, "gpt": 1}
    assert rows[0]["messages"] == _messages("thought 1", identity="call1")
    assert "é".encode() in package.dataset
    assert list(rows[0]["tools"][0]["function"]) == ["name", "description", "parameters"]


def test_held_out_repositories_never_enter_and_the_split_is_stable() -> None:
    split = {name: is_held_out(name, 20) for name in ("pallets/flask", "psf/requests", "Pallets/Flask")}
    assert split["pallets/flask"] == split["Pallets/Flask"]
    names = [f"owner/repository-{n}" for n in range(2000)]
    held = {name for name in names if is_held_out(name, 20)}
    assert 0.17 < len(held) / len(names) < 0.23
    assert held <= {name for name in names if is_held_out(name, 30)}
    assert not any(is_held_out(name, 0) for name in names)
    assert all(is_held_out(name, 100) for name in names)
    item = _item(1, repository=min(held))
    package = release([item, _item(2)], replace(CONFIG, holdout_percent=20))
    assert package.dropped[item.rollout_key].reason is Reason.HELD_OUT


def test_duplicates_cap_and_unfit_trajectories_are_dropped_and_counted() -> None:
    same = [_item(n, thought="same") for n in range(3)]
    others = [_item(n) for n in range(10, 14)]
    broken = _item(20, instance="o__s-1", messages=_messages("x")[:2])
    package = release([*same, *others, broken], CONFIG)
    reasons = [drop.reason for drop in package.dropped.values()]
    assert package.rows == 2
    assert len(reasons) == 6
    assert package.dropped[broken.rollout_key].reason is Reason.MALFORMED_ANSWERS
    assert "no_turn" in package.dropped[broken.rollout_key].detail
    assert set(reasons) <= {Reason.DUPLICATE, Reason.CAP_REACHED, Reason.MALFORMED_ANSWERS}
    assert sum(json.loads(package.manifest)["dropped"].values()) == 6
    only_same = release(same, CONFIG)
    assert [drop.reason for drop in only_same.dropped.values()] == [Reason.DUPLICATE] * 2


def test_the_same_rollout_given_twice_is_one_row_and_no_loss() -> None:
    package = release([_item(1), _item(1)], CONFIG)
    assert (package.rows, package.dropped) == (1, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": _messages(f"the key is {SECRET}!")},
        {"messages": _messages(base64.b64encode(SECRET.encode()).decode())},
        {"patch": SECRET.encode()},
        {"patch": b"\xff" + SECRET.encode()},
    ],
    ids=["thought", "base64", "patch", "binary-patch"],
)
def test_a_secret_anywhere_refuses_the_release_without_showing_it(changes: dict[str, Any]) -> None:
    with pytest.raises(SecretFound, match="OPENAI_API_KEY") as refusal:
        release([_item(1), _item(2, instance="o__s-2", **changes)], CONFIG, secrets={"OPENAI_API_KEY": SECRET})
    assert SECRET not in str(refusal.value)
    assert "o__s-2" in str(refusal.value)


def test_a_secret_escaped_in_a_calls_arguments_is_found() -> None:
    messages = _messages("x")
    arguments = json.dumps({"command": f"echo {SECRET}; echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"})
    messages[2]["tool_calls"][0]["function"]["arguments"] = arguments
    assert SECRET not in arguments
    with pytest.raises(SecretFound):
        release([_item(1, messages=messages)], CONFIG, secrets={"K": SECRET})


def test_an_empty_or_tiny_secret_refuses_nothing() -> None:
    assert release([_item(1)], CONFIG, secrets={"A": "", "B": "s"}).rows == 1


def test_a_patch_that_is_no_text_is_kept_whole() -> None:
    row = json.loads(release([_item(1, patch=b"caf\xe9\n")], CONFIG).dataset)
    assert row["patch_encoding"] == "base64"
    assert base64.b64decode(row["patch"]) == b"caf\xe9\n"


def test_nothing_to_release_is_an_empty_dataset_with_a_manifest() -> None:
    package = release([], CONFIG)
    assert (package.dataset, package.rows) == (b"", 0)
    assert json.loads(package.manifest)["counts"]["rows"] == 0
