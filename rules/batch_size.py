"""Batch size: examples per step in a number that fills no hardware evenly.

Why it matters
    Memory and compute units come in powers of two; a batch of another size pads the last tile, or leaves a part idle.

Statistics
    batch_size  of the config, against the powers of two and the multiples of 8, which fill tensor cores as well [1]

Limits
    It costs a few percent of speed, never accuracy, and a number that was chosen to fit the data or the memory exactly
    is right: a note. Batches below 8 and multiples of 8 are left alone. Whether a batch is too large for its instances
    the memory decides, which a log does not show; small batches of 2 to 32 generalize best [2], larger ones compute
    faster.

References
    [1] NVIDIA, Deep Learning Performance: Matrix Multiplication Background (2020)
    [2] Masters and Luschi, Revisiting Small Batch Training for Deep Neural Networks (2018)
    Lecture notes: "Batch Size: use batch sizes in the power of 2; for large instance size, lower batch sizes".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    batch_size: int,
    last_step: float,
    *,
    tile: int = 8,  # examples; multiples of it fill the tensor cores in half precision [1]
) -> Finding | None:
    """Judge one number."""
    if batch_size <= tile or batch_size % tile == 0:
        return None
    below = 1 << (batch_size.bit_length() - 1)
    return of_setting(
        f"The batch size is {batch_size}, no power of two; {below} and {2 * below} are its neighbours.",
        "The last tile of every matrix product is padded: the step costs as much as that of a larger batch.",
        last_step,
        Evidence("batch_size beyond a multiple of the tile", batch_size % tile, 0.0, "examples"),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="batch-size",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("power-of-two-batch",),
    precedence=1,
    measures={
        "tile": "the batch size of the config",
    },
    cases=(
        Case("a batch of 100", _configured(batch_size=100), Severity.NOTE),
        Case("a batch of 64", _configured(batch_size=64)),
        Case("a batch of 96", _configured(batch_size=96)),
        Case("a batch of 6", _configured(batch_size=6)),
        Case("a batch size chosen by the framework", _configured(batch_size=-1)),
    ),
)
