"""Turns conversations into token ids and a mask of what is trained, once, before any process trains.

The arrays go to flat files that every rank maps into memory: eight ranks do not tokenise the same gigabyte
eight times, a malformed row fails in seconds instead of after a model has been loaded, and the number of
steps is known beforehand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.chat import PADDING, TURN_END, TURN_START, Turn, render
from training.failures import JobFailure, Reason
from training.rows import Row

TOKENS, TRAINED, BOUNDS = "tokens.int32", "trained.bool", "bounds.npy"


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One conversation: `trained[i]` says whether token i is a target of the loss."""

    tokens: NDArray[np.int32]
    trained: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the rows: every row is kept or dropped for one named reason."""

    kept: int = 0
    overlong: int = 0
    no_labels: int = 0
    tokens: int = 0
    trained_tokens: int = 0


class ChatTokenizer:
    """A checkpoint's own tokenizer.json, with the control tokens inserted by us and never found in text."""

    def __init__(self, path: Path | str) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        # Repository text that quotes "<|im_end|>" must not end a turn: control tokens in text are ordinary characters.
        self._tokenizer.encode_special_tokens = True
        self.pad_id = self._control(PADDING, path)
        self._start = self._control(TURN_START, path)
        self._end = self._control(TURN_END, path)
        self._newline = self._tokenizer.encode("\n", add_special_tokens=False).ids

    def encode(self, turns: Sequence[Turn]) -> Encoded:
        tokens: list[int] = []
        trained: list[bool] = []
        # Head and body are encoded as one piece, as a reader of the template does: apart, "assistant\n" + "\nYes" has
        # other ids. A token that straddles the two is no target: the head is given to the model at inference.
        pieces = self._tokenizer.encode_batch([t.head + t.body for t in turns], add_special_tokens=False)
        for turn, piece in zip(turns, pieces, strict=True):
            tokens += [self._start, *piece.ids, self._end, *self._newline]
            body = (turn.trained and start >= len(turn.head) for start, _ in piece.offsets)
            trained += [False, *body, turn.trained, *(False for _ in self._newline)]
        return Encoded(tokens=np.asarray(tokens, dtype=np.int32), trained=np.asarray(trained, dtype=np.bool_))

    def _control(self, token: str, path: Path | str) -> int:
        token_id = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise JobFailure(
                Reason.BASE_MODEL_INVALID,
                f"{path} has no token {token}: the base model must be of the Qwen2.5 family.",
            )
        return int(token_id)


def encode_rows(rows: Iterable[Row], tokenizer: ChatTokenizer, *, max_seq_len: int, directory: Path) -> Counts:
    """Write the rows that can be trained on to `directory`, and count the others.

    An over-long row is dropped whole: cut, it would lose its end, which is the fix and the only proof that it worked.
    A row without one trained token is dropped too: its loss is 0/0.
    """
    kept = overlong = no_labels = trained_tokens = 0
    bounds = [0]
    directory.mkdir(parents=True)
    with (directory / TOKENS).open("wb") as tokens, (directory / TRAINED).open("wb") as trained:
        for row in rows:
            encoded = tokenizer.encode(render(row))
            if len(encoded.tokens) > max_seq_len:
                overlong += 1
            elif not encoded.trained.any():
                no_labels += 1
            else:
                kept += 1
                trained_tokens += int(encoded.trained.sum())
                bounds.append(bounds[-1] + len(encoded.tokens))
                tokens.write(encoded.tokens.tobytes())
                trained.write(encoded.trained.tobytes())
    np.save(directory / BOUNDS, np.asarray(bounds, dtype=np.int64))
    return Counts(kept=kept, overlong=overlong, no_labels=no_labels, tokens=bounds[-1], trained_tokens=trained_tokens)


def read_encoded(directory: Path) -> Iterator[Encoded]:
    """The rows again, in order, as views of files mapped into memory."""
    bounds = np.load(directory / BOUNDS)
    tokens = np.memmap(directory / TOKENS, dtype=np.int32, mode="r")
    trained = np.memmap(directory / TRAINED, dtype=np.bool_, mode="r")
    for begin, end in pairwise(bounds):
        yield Encoded(tokens=tokens[begin:end], trained=trained[begin:end])
