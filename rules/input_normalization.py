"""Input normalization: the config switches it off.

Why it matters
    Inputs of different scale make the loss steep along some weights and flat along others: one learning rate cannot
    suit both, and the initialization assumes inputs of unit variance.

Statistics
    normalize_inputs  of the config: 1 where it is on, 0 where it is off

Limits
    Only a config that says so is judged. Inputs may be normalized elsewhere: when the data were prepared, or by a
    normalization layer that comes first. A note.

References
    [1] LeCun et al., Efficient BackProp (1998), section 4.3
    Lecture notes: "Diagnosing the model: fail to converge? Preprocessing?"; "Incomplete hyperparameter list: input
    normalization".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting


def check(normalize_inputs: bool | str, last_step: float, axis: str) -> Finding | None:
    """Judge one switch; a string names a method."""
    if normalize_inputs is not False:
        return None
    return of_setting(
        f"The config switches input normalization off, up to {axis} {last_step:g}.",
        "Unless the data were normalized beforehand, the scales of the inputs decide what is learned first.",
        last_step,
        Evidence("normalize_inputs", 0.0, 1.0),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="input-normalization",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("normalize-inputs",),
    cases=(
        Case("switched off", _configured(normalize_inputs=False), Severity.NOTE),
        Case("switched on", _configured(normalize_inputs=True)),
        Case("a method", _configured(normalize_inputs="z-score")),
        Case("not said", synthetic.healthy),
    ),
)
