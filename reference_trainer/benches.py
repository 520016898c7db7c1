"""Where each fault is tried: three tasks, models or kinds of training in which it gives its finding.

Without the fault each is sound, since what is ill by itself no fix of the fault can heal: tests/benchmarks/benches.py
counts it, on the seeds that rank the fixes.

BENCHES["dead-relus"]["digits, cnn"]                    # {"model": "cnn", ...}: fields over those of the fault's base

`diagnose reference trials` counts in how many runs the finding comes. Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Bench = Mapping[str, Any]

_CNN: Bench = {"task": "digits", "model": "cnn", "depth": 1, "width": 8, "head": "flatten"}
_TWO_STAGES: Bench = {"task": "digits", "model": "cnn", "depth": 2, "width": 8}
_LINEAR: Bench = {"task": "digits", "model": "linear"}
_MLP: Bench = {"task": "digits", "model": "mlp"}
_TANH: Bench = {**_MLP, "activation": "tanh"}
_WIDE: Bench = {**_MLP, "width": 128}
_FEW: Bench = {"task": "digits-few", "model": "mlp"}
_ROWS: Bench = {"task": "digits-rows", "model": "rnn"}
_LSTM: Bench = {"task": "digits-rows", "model": "lstm", "epochs": 15}
_TABLE: Bench = {"task": "diabetes", "model": "mlp"}

BENCHES: Mapping[str, Mapping[str, Bench]] = {
    "learning-rate-too-high": {
        "digits, mlp with decay": {**_MLP, "weight_decay": 1e-3},
        "digits, mlp of tanh": {**_TANH, "dropout": 0.3},
        "digits, mlp with dropout": {**_MLP, "dropout": 0.2},
    },
    "learning-rate-far-too-high": {
        "digits, mlp": _MLP,
        "few digits, mlp": _FEW,
        "digits, cnn": _TWO_STAGES,
    },
    "learning-rate-too-low": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "rows of digits, lstm": _LSTM},
    "learning-rate-zero": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "few digits, mlp": _FEW},
    "learning-rate-never-decayed": {
        "diabetes, linear": {"learning_rate": 2e-3},
        "diabetes, linear, SGD": {"optimizer": "sgd", "learning_rate": 0.01},
        "diabetes, mlp": {**_TABLE, "width": 8, "learning_rate": 1e-3, "epochs": 25},
    },
    "no-warmup": {
        "rows of digits, transformer": {"examples": 800, "learning_rate": 7e-3},
        "rows of digits, narrow transformer": {"examples": 800, "width": 24},
        "rows of digits, deep transformer": {"examples": 800, "depth": 10, "width": 16, "learning_rate": 7e-3},
    },
    "initialization-zeros": {"digits, mlp": _MLP, "digits, cnn": _CNN, "diabetes, mlp": _TABLE},
    "initialization-too-large": {
        "digits, mlp": _MLP,
        "200 digits, mlp": {**_FEW, "examples": 200},
        "rows of digits, rnn": {**_ROWS, "epochs": 12},
    },
    "vanishing-gradients": {
        "digits, mlp": _MLP,
        "digits, wide mlp": _WIDE,
        "digits, mlp of 96 units": {**_MLP, "width": 96},
    },
    "dead-relus": {"digits, mlp": _MLP, "digits, cnn": _CNN, "digits, wide mlp": _WIDE},
    "inputs-not-normalized": {"digits, mlp": _MLP, "few digits, mlp": _FEW, "digits, wide mlp": _WIDE},
    "corrupted-batches": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "digits, cnn": _CNN},
    "corrupted-every-n-steps": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "digits, mlp of tanh": _TANH},
    "exploding-gradients": {
        "rows of digits, rnn": {"epochs": 12},
        "digits, linear": _LINEAR,
        "digits, cnn": {**_CNN, "width": 16},
    },
    "too-few-samples": {
        "digits, mlp": {**_MLP, "epochs": 8},
        "digits, narrower mlp": {**_WIDE, "epochs": 8},
        "digits, mlp of tanh": {**_TANH, "epochs": 8},
    },
    "no-regularization": {
        "diabetes, mlp": {"learning_rate": 5e-4, "epochs": 90},
        "diabetes, wide mlp": {"learning_rate": 5e-4, "epochs": 90, "width": 256},
        "diabetes, mlp of tanh": {"learning_rate": 5e-4, "epochs": 150, "activation": "tanh"},
    },
    "too-little-capacity": {
        "digits, cnn": {},
        "digits, mlp": {**_MLP, "head": "adaptive"},
        "digits, mlp of tanh": {**_TANH, "head": "adaptive"},
    },
    "too-much-regularization": {
        "digits, mlp": _MLP,
        "digits, mlp of 48 units": {**_MLP, "width": 48},
        "digits, mlp of ELU": {**_MLP, "activation": "elu"},
    },
    "label-noise": {
        "digits, mlp": {**_MLP, "epochs": 10},
        "digits, mlp of tanh": {**_TANH, "epochs": 10},
        "200 digits, mlp": {**_FEW, "examples": 200},
    },
    "class-imbalance": {
        "digits, linear": {},
        "digits, cnn": _CNN,
        "digits, cnn of two stages": {**_TWO_STAGES, "optimizer": "momentum"},
    },
    "shuffling-off": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "digits, cnn": _CNN},
    "leaking-validation-set": {
        "digits, mlp": {**_MLP, "epochs": 20},
        "digits, linear": _LINEAR,
        "few digits, mlp": _FEW,
    },
    "validation-set-too-small": {
        "diabetes, linear": {"learning_rate": 1.5e-3},
        "diabetes, linear, SGD": {"optimizer": "sgd", "learning_rate": 0.015},
        "diabetes, linear, Nesterov": {"optimizer": "nesterov", "learning_rate": 1.5e-3},
    },
    "resume-without-optimizer-state": {"digits, mlp": _MLP, "few digits, mlp": _FEW, "digits, cnn": _CNN},
    "float16-overflow": {"digits, mlp": {**_MLP, "epochs": 15}, "digits, linear": _LINEAR, "few digits, mlp": _FEW},
    "frozen-layers": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "digits, cnn": _CNN},
    "wrong-loss": {
        "digits, mlp": _MLP,
        "digits, wide mlp": _WIDE,
        "rows of digits, rnn": {**_ROWS, "epochs": 12},
    },
    "metric-that-cannot-move": {"digits, mlp": _MLP, "digits, linear": _LINEAR, "few digits, mlp": _FEW},
}
"""Fault -> name of the bench -> fields of the recipe."""
