"""The checkpoint that training starts from: a real Qwen2.5 folder, or a tiny one that the job makes itself.

The tiny one exists so that every part of the pipeline - this one included - runs end to end on two CPU cores
and without a download: Qwen2.5's architecture, random weights, and a tokenizer of Qwen2.5's construction
trained on the dataset.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from training.chat import PADDING, TURN_END, TURN_START, render
from training.failures import JobFailure, Reason
from training.rows import Row

TEMPLATE = Path(__file__).parent / "data" / "qwen2.5_chat_template.jinja"

# Qwen2.5's own rule for where a token may not cross: contractions, words, single digits, punctuation, blanks.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CONTROL = (PADDING, TURN_START, TURN_END)
# One token each in Qwen2.5 too, but ordinary ones: they are part of what the model says.
_MARKS = ("<tool_call>", "</tool_call>")


def weight_files(model_dir: Path) -> list[str]:
    """The names of a Hugging Face folder's weight shards, in order.

    Raises:
        JobFailure: `base_model_invalid`, when the folder lacks something that training needs.
    """
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (model_dir / name).is_file():
            raise JobFailure(
                Reason.BASE_MODEL_INVALID,
                f"{model_dir} has no {name}: model_dir must be a Hugging Face checkpoint.",
            )
    index = model_dir / "model.safetensors.index.json"
    sharded = json.loads(index.read_text())["weight_map"].values() if index.is_file() else ()
    names = sorted(set(sharded)) or ["model.safetensors"]
    absent = [name for name in names if not (model_dir / name).is_file()]
    if absent:
        raise JobFailure(Reason.BASE_MODEL_INVALID, f"{model_dir} lacks {', '.join(absent)}: is its download complete?")
    return names


def check_context(model_dir: Path, *, max_seq_len: int) -> None:
    """Positions past the checkpoint's own context need YaRN, which TorchTune 0.6.1 does not have.

    Raises:
        JobFailure: `base_model_invalid`, when rows would be longer than the model can read.
    """
    limit = json.loads((model_dir / "config.json").read_text())["max_position_embeddings"]
    if max_seq_len > limit:
        raise JobFailure(
            Reason.BASE_MODEL_INVALID, f"max_seq_len {max_seq_len} exceeds the {limit} positions of {model_dir}."
        )


def make_tiny(model_dir: Path, *, rows: Iterable[Row], size: DictConfig, seed: int) -> None:
    """Write a complete Hugging Face checkpoint of Qwen2.5's architecture with random weights."""
    model_dir.mkdir(parents=True)
    tokenizer = _train_tokenizer(rows, vocab_size=size.vocab_size)
    tokenizer.save(str(model_dir / "tokenizer.json"))
    control = {token.content: number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    # A multiple of 64, as every published size has: the embedding can then be sharded evenly.
    config = _model_config(size, vocab_size=-(-tokenizer.get_vocab_size() // 64) * 64, control=control)
    _write_json(model_dir / "config.json", config)
    ids = ("bos_token_id", "eos_token_id", "pad_token_id")
    _write_json(model_dir / "generation_config.json", {name: config[name] for name in ids})
    limit = size.max_position_embeddings
    _write_json(model_dir / "tokenizer_config.json", _tokenizer_config(tokenizer, max_length=limit))
    save_file(_random_weights(config, seed=seed), model_dir / "model.safetensors", metadata={"format": "pt"})


def _train_tokenizer(rows: Iterable[Row], *, vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(_MARKS),
        special_tokens=list(_CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),  # every byte: no text is ever unknown
        show_progress=False,
    )
    tokenizer.train_from_iterator((turn.head + turn.body for row in rows for turn in render(row)), trainer)
    tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in _MARKS])
    return tokenizer


def _model_config(size: DictConfig, *, vocab_size: int, control: dict[str, int]) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "torch_dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": size.hidden_size,
        "intermediate_size": size.intermediate_size,
        "num_hidden_layers": size.num_hidden_layers,
        "num_attention_heads": size.num_attention_heads,
        "num_key_value_heads": size.num_key_value_heads,
        "max_position_embeddings": size.max_position_embeddings,
        "vocab_size": vocab_size,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "use_cache": True,
        "bos_token_id": control[PADDING],
        "eos_token_id": control[TURN_END],
        "pad_token_id": control[PADDING],
    }


def _tokenizer_config(tokenizer: Tokenizer, *, max_length: int) -> dict[str, Any]:
    # transformers 5 sees a Qwen2 model, rebuilds its tokenizer from vocabulary and merges, and keeps of the added
    # tokens only those that are listed here: leave one out and it is a different tokenizer.
    added = {
        str(number): {
            "content": token.content,
            "lstrip": token.lstrip,
            "rstrip": token.rstrip,
            "normalized": token.normalized,
            "single_word": token.single_word,
            "special": token.special,
        }
        for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": added,
        "additional_special_tokens": [TURN_START, TURN_END],
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": PADDING,
        "unk_token": None,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
        "chat_template": TEMPLATE.read_text(),
    }


def _random_weights(config: dict[str, Any], *, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.normal(0.0, config["initializer_range"], (rows, columns)).astype(np.float32)

    weights = {
        "model.embed_tokens.weight": matrix(config["vocab_size"], hidden),
        "model.norm.weight": np.ones(hidden, np.float32),
        "lm_head.weight": matrix(config["vocab_size"], hidden),
    }
    for n in range(config["num_hidden_layers"]):
        layer = f"model.layers.{n}"
        for name, width in (("q", hidden), ("k", kv), ("v", kv)):
            weights[f"{layer}.self_attn.{name}_proj.weight"] = matrix(width, hidden)
            weights[f"{layer}.self_attn.{name}_proj.bias"] = np.zeros(width, np.float32)
        weights[f"{layer}.self_attn.o_proj.weight"] = matrix(hidden, hidden)
        weights[f"{layer}.mlp.gate_proj.weight"] = matrix(inner, hidden)
        weights[f"{layer}.mlp.up_proj.weight"] = matrix(inner, hidden)
        weights[f"{layer}.mlp.down_proj.weight"] = matrix(hidden, inner)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{layer}.{norm}.weight"] = np.ones(hidden, np.float32)
    return weights


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
