"""Initialization mismatch: weights drawn at a scale that does not fit the activation, or all alike.

Why it matters
    The variance of the signal is multiplied at every layer. Where the product is not 1, activations and gradients
    vanish or explode with depth; where all weights are equal, all units of a layer stay equal for ever.

Statistics
    variance per layer  the factor by which one layer multiplies the variance of its input: the gain of the scheme
                        squared times the share that the activation passes (1/2 for ReLU, 1 for tanh near zero) [1, 2]

Limits
    A factor of 2 is invisible in a shallow network or behind normalization layers, whose presence the config rarely
    tells: a note. GELU, SiLU, ELU and their kin work with both schemes, and schemes other than Kaiming, Glorot, LeCun
    and constants are not judged. A config whose `init` speaks of something else than weights is not understood.

References
    [1] He et al., Delving Deep into Rectifiers (2015)
    [2] Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010)
    [3] Klambauer et al., Self-Normalizing Neural Networks (2017): SELU wants LeCun's scale
    Lecture notes: "If using ReLU, Kaiming Initialization. Otherwise Glorot!!"; "small numbers, half positive, half
    negative".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from diagnose import synthetic
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

_SCHEMES = {
    "kaiming": (r"kaiming(normal|uniform)?|he(normal|uniform)?|msra(fill)?", 2.0),
    "glorot": (r"(glorot|xavier)(normal|uniform|fill)?", 1.0),
    "lecun": (r"lecun(normal|uniform)?", 1.0),
    "constant": (r"zeros?|ones?|constant", 0.0),
}
"""Scheme -> the pattern of its names, and fan_in times the variance of its weights."""

_ACTIVATIONS = {
    "relu": (r"relu6?|(leaky|l|p|r)relu", 0.5),
    "saturating": (r"(hard)?(tanh|sigmoid)|logistic|softsign", 1.0),
    "selu": (r"selu", 1.0),
}
"""Kind of activation -> the pattern of its names, and the share of the variance that it passes."""

_FITTING = {"relu": ("kaiming",), "saturating": ("glorot", "lecun"), "selu": ("lecun",)}


def check(initialization: str, last_step: float, activation: str | None = None) -> Finding | None:
    """Judge two names."""
    scheme, gain = _kind(initialization, _SCHEMES)
    if scheme == "constant":
        return _finding(
            Severity.WARNING,
            f"All weights are initialized alike ({initialization}): the variance of the signal is x0 per layer.",
            "Units that start alike get the same gradients and stay alike: each layer learns one feature only.",
            0.0,
            last_step,
        )
    if activation is None:
        raise CannotJudge("the log's config has no activation")
    kind, passed = _kind(activation, _ACTIVATIONS)
    if not scheme or not kind or scheme in _FITTING[kind]:
        return None
    kept = gain * passed
    return _finding(
        Severity.NOTE,
        f"Weights are initialized by {initialization} with {activation}: the signal's variance is x{kept:g} per layer.",
        f"{_FITTING[kind][0].capitalize()} initialization keeps the signal of {activation} at one scale in all layers.",
        kept,
        last_step,
    )


def _kind(name: str, kinds: Mapping[str, tuple[str, float]]) -> tuple[str, float]:
    """The kind that the last part of a name is one of, with its number; ("", 1.0) where it is none."""
    leaf = re.split(r"[.:]", name.partition("(")[0])[-1]
    word = re.sub(r"[^a-z0-9]", "", leaf.casefold())
    return next(((kind, number) for kind, (pattern, number) in kinds.items() if re.fullmatch(pattern, word)), ("", 1.0))


def _finding(severity: Severity, summary: str, meaning: str, kept: float, last_step: float) -> Finding:
    return Finding(
        severity=severity,
        confidence=0.9,
        summary=summary,
        meaning=meaning,
        steps=(0.0, last_step),
        series=(),
        evidence=(Evidence("variance per layer", kept, 1.0),),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="initialization-mismatch",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("initialize-weights",),
    cases=(
        Case("Glorot with ReLU", _configured(activation="relu", initialization="glorot_uniform"), Severity.NOTE),
        Case("Kaiming with tanh", _configured(activation="tanh", initialization="kaiming_normal_"), Severity.NOTE),
        Case("all zeros", _configured(activation="relu", initialization="zeros"), Severity.WARNING),
        Case("Kaiming with ReLU", _configured(activation="ReLU", initialization="he_normal")),
        Case("Glorot with tanh", _configured(activation="tanh", initialization="xavier_uniform")),
        Case("LeCun with tanh", _configured(activation="torch.nn.Tanh", initialization="lecun_normal")),
        Case("GELU with either", _configured(activation="gelu", initialization="xavier_uniform")),
        Case("a scheme of its own", _configured(activation="relu", initialization="orthogonal")),
    ),
)
