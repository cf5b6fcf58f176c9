"""The TorchTune components for data: what the `dataset` and `tokenizer` sections of the YAML configs name."""

from pathlib import Path

import numpy as np
from torch.utils.data import Dataset
from torchtune.data import CROSS_ENTROPY_IGNORE_IDX

from training.encoding import ChatTokenizer, read_encoded


class EncodedTrajectories(Dataset[dict[str, np.ndarray]]):
    """Rows that training.encoding wrote, as the token and label arrays that TorchTune's collator pads."""

    def __init__(self, directory: Path) -> None:
        self._rows = list(read_encoded(directory))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        row = self._rows[index]
        tokens = np.asarray(row.tokens, dtype=np.int64)
        return {"tokens": tokens, "labels": np.where(row.trained, tokens, CROSS_ENTROPY_IGNORE_IDX)}


def encoded_trajectories(_tokenizer: ChatTokenizer, *, directory: str) -> EncodedTrajectories:
    """The recipe passes its tokenizer to every dataset; ours is encoded already."""
    return EncodedTrajectories(Path(directory))


def chat_tokenizer(*, path: str) -> ChatTokenizer:
    """The recipe itself needs no more of a tokenizer than its `pad_id`."""
    return ChatTokenizer(path)
