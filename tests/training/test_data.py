"""Rows become arrays and batches; what cannot be trained on is dropped and counted."""

import json
from pathlib import Path
from typing import Any

import torch

from tests.training.shapes import tool
from training.dataset import encoded_trajectories
from training.encoding import ChatTokenizer, Counts, encode_rows, read_encoded
from training.loss import collate
from training.rows import parse_row


def test_untrainable_rows_are_dropped_and_counted(
    tmp_path: Path, tiny_model: Path, trajectories: list[dict[str, Any]]
) -> None:
    long = {**trajectories[0], "messages": [*trajectories[0]["messages"], tool("word " * 2000)]}
    silent = {**trajectories[0], "messages": [{"role": "user", "content": "Anybody there?"}]}
    rows = [parse_row(json.dumps(row).encode()) for row in (long, trajectories[0], silent, trajectories[1])]
    tokenizer = ChatTokenizer(tiny_model / "tokenizer.json")
    counts = encode_rows(rows, tokenizer, max_seq_len=1500, directory=tmp_path / "encoded")

    first, second = read_encoded(tmp_path / "encoded")
    assert counts == Counts(
        kept=2,
        overlong=1,
        no_labels=1,
        tokens=len(first.tokens) + len(second.tokens),
        trained_tokens=int(sum(first.trained) + sum(second.trained)),
    )
    assert 0 < counts.trained_tokens < counts.tokens

    dataset = encoded_trajectories(tokenizer, directory=str(tmp_path / "encoded"))
    assert len(dataset) == 2
    batch = collate([dataset[0], dataset[1]], padding_idx=tokenizer.pad_id, ignore_idx=-100)
    assert batch["tokens"].shape == batch["labels"].shape == batch["targets"].shape
    assert torch.equal(batch["targets"][:, :-1], batch["labels"][:, 1:])
    assert (batch["targets"][:, -1] == -100).all()
    labelled = batch["labels"] != -100
    assert torch.equal(batch["labels"][labelled], batch["tokens"][labelled])
    assert int(labelled.sum()) == counts.trained_tokens


def test_a_row_of_exactly_the_allowed_length_is_kept(
    tmp_path: Path, tiny_model: Path, trajectories: list[dict[str, Any]]
) -> None:
    row = parse_row(json.dumps(trajectories[0]).encode())
    tokenizer = ChatTokenizer(tiny_model / "tokenizer.json")
    length = encode_rows([row], tokenizer, max_seq_len=4096, directory=tmp_path / "a").tokens
    assert encode_rows([row], tokenizer, max_seq_len=length, directory=tmp_path / "b").kept == 1
    assert encode_rows([row], tokenizer, max_seq_len=length - 1, directory=tmp_path / "c").overlong == 1
