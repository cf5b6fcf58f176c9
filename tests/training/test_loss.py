"""The loss on trained tokens is the ordinary one, in value and in gradient, whatever the chunks and the padding."""

import pytest
import torch
from torch.nn import functional
from torchtune.models.qwen2 import qwen2

import training.loss
from training.loss import TrainedTokensLoss, TrajectoryDecoder, collate


def decoder(*, tied: bool) -> TrajectoryDecoder:
    torch.manual_seed(0)
    stock = qwen2(
        vocab_size=97,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        embed_dim=32,
        intermediate_dim=48,
        max_seq_len=64,
        tie_word_embeddings=tied,
    )
    parts = ("tok_embeddings", "layers", "max_seq_len", "num_heads", "head_dim", "norm", "output")
    return TrajectoryDecoder(**{name: getattr(stock, name) for name in parts})


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 1024])
def test_it_is_cross_entropy(tied: bool, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.loss, "_CHUNK", chunk)
    model = decoder(tied=tied)
    tokens = [torch.randint(1, 97, (length,)).tolist() for length in (40, 23)]
    rows = [{"tokens": row, "labels": [t if i % 3 else -100 for i, t in enumerate(row)]} for row in tokens]
    batch = collate(rows, padding_idx=0, ignore_idx=-100)

    logits = model(batch["tokens"])
    expected = functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    outputs = model(batch["tokens"], targets=batch["targets"])
    loss = TrainedTokensLoss()(outputs, batch["labels"])
    loss.backward()
    torch.testing.assert_close(loss, expected)
    assert gradients.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], msg=name)
