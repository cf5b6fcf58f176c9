"""The TorchTune component for the model: any Qwen2.5 checkpoint, sized by its own config.json.

TorchTune has a builder per published size, with the sizes written out; the checkpoint states them too, and a
builder that reads them there cannot disagree with the weights.
"""

import json
from pathlib import Path

from torchtune.models.qwen2 import qwen2

from training.loss import TrajectoryDecoder


def qwen2_from_checkpoint(*, checkpoint_dir: str, max_seq_len: int) -> TrajectoryDecoder:
    hf = json.loads((Path(checkpoint_dir) / "config.json").read_text())
    if hf["model_type"] != "qwen2":
        raise ValueError(f"{checkpoint_dir} is a {hf['model_type']} model; only the Qwen2.5 family can be trained")
    stock = qwen2(
        vocab_size=hf["vocab_size"],
        num_layers=hf["num_hidden_layers"],
        num_heads=hf["num_attention_heads"],
        num_kv_heads=hf["num_key_value_heads"],
        embed_dim=hf["hidden_size"],
        intermediate_dim=hf["intermediate_size"],
        max_seq_len=max_seq_len,
        norm_eps=hf["rms_norm_eps"],
        # transformers 5 writes rope_theta inside rope_parameters; the published checkpoints have it at the top.
        rope_base=hf["rope_theta"] if "rope_theta" in hf else hf["rope_parameters"]["rope_theta"],
        tie_word_embeddings=hf["tie_word_embeddings"],
    )
    return TrajectoryDecoder(
        tok_embeddings=stock.tok_embeddings,
        layers=stock.layers,
        max_seq_len=stock.max_seq_len,
        num_heads=stock.num_heads,
        head_dim=stock.head_dim,
        norm=stock.norm,
        output=stock.output,
    )
