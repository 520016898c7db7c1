"""Dropout rate: more than half of the units dropped.

Why it matters
    Above one half most of the network is switched off in every step: it underfits, and trains slowly. Often the number
    was meant as the share to keep.

Statistics
    dropout  of the config, the share of units that is dropped, against the 0.5 of [1]

Limits
    Very wide layers and the last layer of video networks have been trained with 0.8 and more; some frameworks count the
    share that is kept. A note, therefore, and nothing above 1 is interpreted. No dropout at all is no finding.

References
    [1] Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014)
    Lecture notes: "Dropout and its variants: different architectures, different dropouts!".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    dropout: float,
    last_step: float,
    *,
    high: float = 0.5,  # share of the units; the optimum for hidden units over a wide range of networks [1]
) -> Finding | None:
    """Judge one number."""
    if not high < dropout <= 1.0:
        return None
    return of_setting(
        f"Dropout is {dropout:g}: {100.0 * dropout:.3g} % of the units are switched off in every step.",
        "So few units remain that the network may underfit; a share to keep may have been meant.",
        last_step,
        Evidence("dropout", dropout, high),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="dropout-rate",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-dropout",),
    precedence=1,
    measures={
        "high": "the dropout of the config",
    },
    cases=(
        Case("a rate of 0.8", _configured(dropout=0.8), Severity.NOTE),
        Case("a rate of 0.5", _configured(dropout=0.5)),
        Case("no dropout", _configured(dropout=0)),
        Case("a percentage, not interpreted", _configured(dropout=20)),
    ),
)
