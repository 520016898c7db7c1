"""Weight norm constraint: a max-norm outside 3 to 4, or beside a weight decay that does the same.

Why it matters
    A max-norm projects the weights of each unit back into a ball. A ball that is too large never touches them, one that
    is too small takes away capacity; and with a weight decay two regularizers pull at one thing.

Statistics
    max_norm_constraint  of the config, against the 3 to 4 of [1], and the weight decay beside it

Limits
    The right radius depends on the number of inputs of a unit; 3 to 4 is what is usual with dropout. A limit on the
    norm of the gradient (`max_norm`, `max_grad_norm`) is something else and not looked at. A note, no more.

References
    [1] Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014), appendix A.3
    Lecture notes: "Max Norm: typically around 3 or 4; goes well with dropout; maybe redundant with L2-norm/weight
    decay".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    max_norm_constraint: float,
    last_step: float,
    weight_decay: float | None = None,
    *,
    low: float = 3.0,  # Euclidean norm of a unit's incoming weights [1]
    high: float = 4.0,  # the same
) -> Finding | None:
    """Judge one number, and what stands beside it."""
    if max_norm_constraint <= 0.0:
        return None
    outside = not low <= max_norm_constraint <= high
    redundant = weight_decay is not None and weight_decay > 0.0
    if not outside and not redundant:
        return None
    said = f", outside the usual {low:g} to {high:g}" if outside else ""
    beside = f" beside a weight decay of {weight_decay:g}" if redundant else ""
    return of_setting(
        f"The max-norm of the weights is {max_norm_constraint:g}{beside}{said}.",
        (
            "Both keep the weights small; one of them can go, and its hyperparameter with it."
            if redundant
            else "A smaller ball takes away capacity."
            if max_norm_constraint < low
            else "A ball this large may never touch the weights."
        ),
        last_step,
        Evidence("max_norm_constraint", max_norm_constraint, high if max_norm_constraint > high else low),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="weight-norm-constraint",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-max-norm",),
    precedence=1,
    cases=(
        Case("a radius of 20", _configured(max_norm_constraint=20.0), Severity.NOTE),
        Case("beside weight decay", _configured(max_norm_constraint=3.0, weight_decay=1e-4), Severity.NOTE),
        Case("a radius of 3", _configured(max_norm_constraint=3, weight_decay=0.0)),
        Case("a limit on the gradient", _configured(gradient_clip=20.0, weight_decay=1e-4)),
    ),
)
