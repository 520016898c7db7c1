"""Recipes that have nothing wrong with them, over tasks, models and optimizers: the rules must leave them alone.

Free of torch, as `faults`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference_trainer.recipe import Recipe

HEALTHY: Mapping[str, Mapping[str, Any]] = {
    "linear": {"model": "linear"},
    "linear regression": {"model": "linear", "task": "diabetes", "learning_rate": 0.01, "patience": 3},
    "mlp, SGD": {"model": "mlp", "optimizer": "sgd", "epochs": 20},
    "mlp, momentum, cut twice": {
        "model": "mlp",
        "optimizer": "momentum",
        "learning_rate": 0.02,
        "weight_decay": 1e-3,
        "scheduler": "step",
        "epochs": 15,
    },
    "mlp, Nesterov, one cycle": {"model": "mlp", "optimizer": "nesterov", "scheduler": "one-cycle", "epochs": 15},
    "mlp, Adagrad": {"model": "mlp", "optimizer": "adagrad", "epochs": 20},
    "mlp, Adadelta": {"model": "mlp", "optimizer": "adadelta", "epochs": 15},
    "mlp, RMSprop, ELU": {"model": "mlp", "optimizer": "rmsprop", "activation": "elu", "epochs": 20},
    "mlp, tanh, batch descent": {
        "model": "mlp",
        "activation": "tanh",
        "descent": "batch",
        "optimizer": "momentum",
        "epochs": 100,
    },
    "mlp, dropout, max-norm": {"model": "mlp", "dropout": 0.2, "max_norm_constraint": 3.0, "epochs": 20},
    "mlp, early stopping": {"model": "mlp", "patience": 5, "scheduler": "constant"},
    "mlp, few digits, AdamW": {
        "model": "mlp",
        "task": "digits-few",
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "batch_size": 16,
        "label_smoothing": 0.1,
    },
    "cnn": {"model": "cnn"},
    "cnn, AdamW, warmup": {"model": "cnn", "optimizer": "adamw", "weight_decay": 0.01, "scheduler": "warmup-cosine"},
    "cnn, plateau schedule": {"model": "cnn", "optimizer": "momentum", "scheduler": "plateau"},
    "cnn, warm restarts": {"model": "cnn", "scheduler": "warm-restarts", "decay_every": 10},
    "cnn, shifts, spatial dropout": {
        "model": "cnn",
        "augmentation": "shift-flip",
        "dropout": 0.1,
        "dropout_kind": "spatial",
    },
    "cnn, Mixup": {"model": "cnn", "augmentation": "mixup"},
    "cnn, imbalanced": {"model": "cnn", "task": "digits-imbalanced", "imbalance": 3.0},
    "cnn, logged every 15 steps": {"model": "cnn", "log_every": 15},
    "resnet": {"model": "resnet", "epochs": 15},
    "gru": {"model": "gru"},
    "lstm, clipped": {"model": "lstm", "gradient_clip": 5.0},
    "transformer": {"model": "transformer", "scheduler": "warmup-cosine", "epochs": 20},
    "unet": {"model": "unet"},
    "super-resolution": {"model": "upscaler", "epochs": 15},
    "gan": {"model": "gan", "epochs": 15},
}
"""Name -> the fields of a recipe."""


def healthy(name: str, **fields: Any) -> Recipe:
    """The healthy recipe of that name; `fields` over its own."""
    return Recipe(**{**HEALTHY[name], **fields})
