"""What a configuration says of a training beyond single numbers, in the spellings that people use.

resumed({"resume_from_checkpoint": "last.ckpt"})       # True
half_precision({"precision": "16-mixed"})              # True
is_transformer("facebook/opt-125m")                    # True
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from diagnose.names.hyperparameters import hyperparameter

_TRANSFORMERS = re.compile(
    r"bert|gpt|llama|mistral|qwen|gemma|bloom|transformer|(?<![a-z])(m?t5|bart|vit|deit|swin|detr|opt-\d|phi)"
)
_DECODERS = re.compile(r"gpt|llama|mistral|qwen|gemma|bloom|(?<![a-z])(opt-\d|phi|pythia|falcon|olmo)")
_HALF = re.compile(r"(?<![0-9a-z])(16|16-mixed|16-true|fp16|float16|half)(?![0-9a-z])")
_SCALER = re.compile(r"loss_?scale|grad_?scale|(?<![a-z])scaler")
_RESUME = re.compile(r"resume(d|_.*)?|(load|from|init|restore|continue)_?(from_?)?(checkpoint|ckpt)(_path)?|ckpt_path")
_NOT = ("", "none", "null", "false", "no", "never", "0")
_SCALING = re.compile(r"(rescale|scale)(_(inputs?|data|images?|x|features))?")
"""Of pixels; no hyperparameter by itself, since an augmentation may be called so."""

_EXAMPLES = re.compile(
    r"(num_|n_|number_of_|max_)?(train|training)_?(set_)?(size|examples|samples)|(num_|n_)?(examples|samples)"
    r"|(train_)?dataset_size"
)

FEW_EXAMPLES = 1000
"""Training examples below which more of them is the first thing to want: a class wants 5,000 to be learned acceptably
(Goodfellow, Bengio and Courville, Deep Learning, section 1.2.2), and no data set that networks are usually trained on
from the start has fewer."""

STRONG_PENALTY = 0.01
"""Factor of an L1 or L2 term in the loss, or coupled weight decay, from which on it can outweigh a cross-entropy: the
usual ones are 1e-5 to 1e-3 (Goodfellow, Bengio and Courville, Deep Learning, section 7.1)."""

STRONG_DECAY = 0.3
"""Decoupled weight decay above the usual 0.01 to 0.1."""

STRONG_DROPOUT = 0.5
"""Share of dropped units above which hidden layers seldom learn (Srivastava et al., 2014)."""


def is_transformer(model: str) -> bool:
    """Whether a model's name is that of a transformer."""
    return _TRANSFORMERS.search(model.casefold()) is not None


def is_decoder(model: str) -> bool:
    """Whether a model's name is that of a transformer that predicts the next token."""
    return _DECODERS.search(model.casefold()) is not None


def half_precision(config: Mapping[str, Any]) -> bool:
    """Whether the training computes in float16."""
    if config.get("fp16") is True:
        return True
    return _HALF.search(str(config.get("precision", "")).casefold()) is not None


def loss_scaler(columns: Iterable[str]) -> str | None:
    """The column that holds the scale of a loss scaler, which float16 alone needs; None where there is none."""
    return next((name for name in columns if _SCALER.search(name.casefold())), None)


def resumed(config: Mapping[str, Any]) -> bool:
    """Whether the training went on from a checkpoint."""
    return any(
        _RESUME.fullmatch(key.rpartition("/")[2].rpartition(".")[2].casefold())
        and str(value).strip().casefold() not in _NOT
        for key, value in config.items()
    )


def raw_inputs(config: Mapping[str, Any]) -> bool:
    """Whether the configuration says that inputs are not normalized."""
    return any(
        (value is False or str(value).casefold() in ("false", "none", "no"))
        and (hyperparameter(key) == "normalize_inputs" or _SCALING.fullmatch(re.split(r"[./]", key)[-1].casefold()))
        for key, value in config.items()
    )


def odd_initialization(config: Mapping[str, Any]) -> bool:
    """Whether the weights start at zero or at one constant, so that the units of a layer stay alike."""
    return re.search(r"zero|constant|ones", str(config.get("initialization", "")).casefold()) is not None


def few_examples(config: Mapping[str, Any]) -> bool:
    """Whether the configuration names a number of training examples below `FEW_EXAMPLES`."""
    return any(
        _EXAMPLES.fullmatch(key.rpartition("/")[2].rpartition(".")[2].casefold())
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 2 <= value < FEW_EXAMPLES
        and value == int(value)
        for key, value in config.items()
    )


def held_back(config: Mapping[str, Any]) -> bool:
    """Whether the regularization is stronger than a network usually bears."""
    decay = "adamw" in str(config.get("optimizer", "")).casefold()
    limits = {
        **dict.fromkeys(("l1", "l2", "l1_penalty", "l2_penalty"), STRONG_PENALTY),
        "weight_decay": STRONG_DECAY if decay else STRONG_PENALTY,
        "dropout": STRONG_DROPOUT,
    }
    return any(isinstance(value := config.get(name), (int, float)) and value > limit for name, limit in limits.items())
