"""L2 with an adaptive optimizer: a weight penalty that Adam scales away where it is needed most.

Why it matters
    In Adam and RMSprop the gradient of an L2 penalty is divided, like any gradient, by its running size: weights whose
    gradients are large are hardly decayed at all. Decoupled weight decay acts on all weights alike and generalizes
    better at equal cost [1].

Statistics
    weight_decay  of the config (or its L2 factor), with an optimizer whose implementation couples it to the gradient

Limits
    Judged by the optimizer's name: PyTorch's Adam, NAdam, RAdam, Adamax and RMSprop couple their `weight_decay`, and so
    do Keras' `l2` regularizers; Keras' own argument `weight_decay` is decoupled already, and some people write Adam
    where AdamW runs. The harm is a worse optimum, nothing that a curve shows: a note.

References
    [1] Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019)
    Lecture notes: "L2/L1 norm: safe for SGD, not so for adaptive learning optimizers (e.g., Adam)"; "weight decay:
    theoretically safe for all (if implemented!)".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.names import optimizers
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    optimizer: str,
    weight_decay: float,
    last_step: float,
    decoupled_weight_decay: bool | None = None,
    *,
    negligible: float = 1e-6,  # up to this factor the penalty changes nothing: 0.01 % over 100 steps at a rate of 1
) -> Finding | None:
    """Judge the optimizer's name and one number."""
    kind = optimizers.known(optimizer)
    if kind is None:
        raise CannotJudge(f"the optimizer {optimizer[:40]!r} is unknown")
    coupled = kind.family in ("adaptive", "adagrad") and not kind.decoupled and not decoupled_weight_decay
    if not coupled or not negligible < weight_decay < 1.0:
        return None
    name = optimizer.partition("(")[0].strip()
    return of_setting(
        f"weight_decay is {weight_decay:g} with {name}, which applies it as an L2 penalty.",
        (
            "The penalty passes through the adaptive scaling: weights with large gradients are regularized less than "
            "the others. AdamW decays all of them alike."
        ),
        last_step,
        Evidence("weight_decay", weight_decay, negligible),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="l2-with-adaptive-optimizer",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("decouple-weight-decay",),
    precedence=1,
    measures={
        "negligible": "the weight decay of the config",
    },
    cases=(
        Case("Adam with weight decay", _configured(optimizer="Adam", weight_decay=5e-4), Severity.NOTE),
        Case("AdamW with weight decay", _configured(optimizer="adamw_torch", weight_decay=0.01)),
        Case("SGD with weight decay", _configured(optimizer="sgd", weight_decay=5e-4)),
        Case("Adam without", _configured(optimizer="adam", weight_decay=0)),
        Case(
            "Adam that decouples",
            _configured(optimizer="radam", weight_decay=0.01, decoupled_weight_decay=True),
        ),
        Case("an optimizer left to the framework", _configured(optimizer="auto", weight_decay=5e-4)),
    ),
)
