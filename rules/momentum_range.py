"""Momentum range: SGD without momentum, or with a momentum that never forgets.

Why it matters
    Momentum is the fraction of the past updates that each update keeps. At 0 SGD zigzags across a narrow valley; at 1
    or above nothing of the past ever fades, and the updates grow without bound.

Statistics
    momentum  of the config, against [0.5, 1): 0.9 is the usual value, 0.99 the largest that [1] reports

Limits
    Only SGD is judged. A run without momentum may be meant, as a baseline or to save memory: a note. Configs use the
    same word for batch normalization, where small values are normal; values between 0 and 1 are therefore left alone.

References
    [1] Sutskever et al., On the importance of initialization and momentum in deep learning (2013)
    Lecture notes: "Momentum: adding a fraction of the previous gradients. Inertia"; "SGD + Momentum: great if LR
    decayed properly".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.names import optimizers
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    optimizer: str,
    momentum: float,
    last_step: float,
    *,
    unbounded: float = 1.0,  # the sum of a geometric series of this ratio is infinite
) -> Finding | None:
    """Judge one number."""
    kind = optimizers.known(optimizer)
    if kind is None or kind.family != "sgd":
        raise CannotJudge("momentum is a hyperparameter of SGD")
    if 0.0 < momentum < unbounded or not 0.0 <= momentum <= 10.0:
        return None
    without = momentum == 0.0
    return Finding(
        severity=Severity.NOTE if without else Severity.WARNING,
        confidence=0.9 if without else 0.95,
        summary=f"Momentum is {momentum:g} with {optimizer}; 0.9 is usual.",
        meaning=(
            "Plain SGD has no inertia: it is slow along narrow valleys and noisy in small batches."
            if without
            else "Past updates never fade at this momentum, so that the steps grow without bound."
        ),
        steps=(0.0, last_step),
        series=(),
        evidence=(Evidence("momentum", momentum, 0.0 if without else unbounded),),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="momentum-range",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-momentum",),
    precedence=1,
    measures={
        "unbounded": "the momentum of the config",
    },
    cases=(
        Case("SGD without momentum", _configured(optimizer="sgd", momentum=0.0), Severity.NOTE),
        Case("SGD with momentum 1", _configured(optimizer="torch.optim.SGD", momentum=1.0), Severity.WARNING),
        Case("SGD with momentum 0.9", _configured(optimizer="sgd", momentum=0.9)),
        Case("Adam in a config that also names a momentum", _configured(optimizer="adam", momentum=0.0)),
    ),
)
