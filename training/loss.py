"""Cross-entropy on the trained tokens only, computed inside the model so that the other tokens never become
logits.

An agent's trajectory is mostly what it read; a tenth or so is what it said. With Qwen2.5's vocabulary of
152,064, the stock loss makes 20 GB of logits for a 32K trajectory, and throws nine tenths of them away. Here
the hidden states of the trained tokens are picked first, and their logits are made, used and remade in
chunks.

The stock recipe knows nothing of this: it hands the batch to the model (`collate` puts the targets there) and
passes what comes out to the loss (`TrainedTokensLoss`, which takes it as it is).
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from torchtune.data import CROSS_ENTROPY_IGNORE_IDX, padded_collate_sft
from torchtune.modules import TransformerDecoder

_CHUNK = 1024


def collate(batch: list[dict[str, Any]], padding_idx: int, ignore_idx: int) -> dict[str, torch.Tensor]:
    """TorchTune's padding, plus `targets`: the labels, moved to the position that predicts them."""
    padded: dict[str, torch.Tensor] = padded_collate_sft(batch, padding_idx=padding_idx, ignore_idx=ignore_idx)
    padded["targets"] = functional.pad(padded["labels"][:, 1:], (0, 1), value=ignore_idx)
    return padded


class TrajectoryDecoder(TransformerDecoder):
    """A TorchTune decoder that, given targets, returns their mean cross-entropy in place of logits."""

    _targets: torch.Tensor | None = None

    def forward(
        self, tokens: torch.Tensor | None, *, targets: torch.Tensor | None = None, **inputs: Any
    ) -> torch.Tensor | list[torch.Tensor]:
        self._targets = targets
        output: torch.Tensor | list[torch.Tensor] = super().forward(tokens, **inputs)
        return output

    def unembed(self, h: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        if self._targets is None:
            logits: torch.Tensor = super().unembed(h)
            return logits
        wanted = self._targets != CROSS_ENTROPY_IGNORE_IDX
        hidden, targets = self.norm(h)[wanted], self._targets[wanted]
        # Tied embeddings are a TiedLinear, which only points at the module that has the weight.
        output: Any = self.output
        weight = getattr(output, "tied_module", output).weight
        total = hidden.new_zeros((), dtype=torch.float32)
        for some, their_targets in zip(torch.split(hidden, _CHUNK), torch.split(targets, _CHUNK), strict=True):
            # The logits of a chunk are made again for the backward pass instead of being kept.
            total = total + checkpoint(_summed, some, weight, their_targets, use_reentrant=False)
        # A list, because the stock recipe reshapes a bare tensor as if it were logits.
        return [total / targets.numel()]


def _summed(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(functional.linear(hidden, weight).float(), targets, reduction="sum")


class TrainedTokensLoss(nn.Module):
    """The place that the stock recipe has for a loss; TrajectoryDecoder has computed it."""

    ignore_index = CROSS_ENTROPY_IGNORE_IDX

    def forward(self, outputs: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        (loss,) = outputs
        return loss
