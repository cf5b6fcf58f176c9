"""What a job refuses to start from."""

import json
import shutil
from pathlib import Path

import pytest

from training.base_model import check_context, weight_files
from training.encoding import ChatTokenizer
from training.failures import JobFailure, Reason
from training.template_check import check_template


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "base")


def test_a_whole_checkpoint_is_accepted(base: Path) -> None:
    check_template(base)
    check_context(base, max_seq_len=32768)
    assert weight_files(base) == ["model.safetensors"]


def test_shards_are_read_from_the_index(base: Path) -> None:
    (base / "model.safetensors").rename(base / "model-00002-of-00002.safetensors")
    shutil.copy(base / "model-00002-of-00002.safetensors", base / "model-00001-of-00002.safetensors")
    shards = {"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"}
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert weight_files(base) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_an_incomplete_checkpoint_is_refused(base: Path, name: str) -> None:
    (base / name).unlink()
    with pytest.raises(JobFailure, match=f"base_model_invalid.*{name}"):
        weight_files(base)


def test_rows_longer_than_the_context_are_refused(base: Path) -> None:
    with pytest.raises(JobFailure, match="base_model_invalid: max_seq_len 32769 exceeds the 32768 positions"):
        check_context(base, max_seq_len=32769)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("You are Qwen, created by Alibaba Cloud. ", ""),
        ("<tool_response>\\n", "<tool_response>"),
        ("{{- tool_call.arguments | tojson }}", "{{- tool_call.arguments | tojson | lower }}"),
    ],
)
@pytest.mark.parametrize("separate", [False, True], ids=["inside tokenizer_config.json", "a file of its own"])
def test_another_template_is_refused(base: Path, before: str, after: str, separate: bool) -> None:
    path = base / "tokenizer_config.json"
    config = json.loads(path.read_text())
    assert before in config["chat_template"]
    changed = config["chat_template"].replace(before, after)
    if separate:
        (base / "chat_template.jinja").write_text(changed)
    else:
        path.write_text(json.dumps({**config, "chat_template": changed}))
    with pytest.raises(JobFailure) as caught:
        check_template(base)
    assert caught.value.reason is Reason.TEMPLATE_MISMATCH


def test_a_tokenizer_without_qwens_control_tokens_is_refused(base: Path) -> None:
    path = base / "tokenizer.json"
    path.write_text(path.read_text().replace("<|im_start|>", "<|turn|>"))
    with pytest.raises(JobFailure, match=r"base_model_invalid.*no token"):
        ChatTokenizer(path)
