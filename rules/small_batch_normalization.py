"""Small-batch normalization: batch normalization over so few examples that its mean and variance are mostly noise.

Why it matters
    Batch normalization standardises by the mean and variance of the batch. Of few examples these are far from those of
    the data, by which it standardises when the network is used: what was trained is not what is evaluated.

Statistics
    batch_size  of the config, examples per step, where normalization is a batch normalization. The error of a ResNet-50
                on ImageNet is 23.6 % with 32 and 23.7 % with 16 per device, 24.8 % with 8, 27.3 % with 4, 34.7 % with 2
                [1]

Limits
    Statistics that are frozen, or taken over several devices (SyncBN), do not depend on the batch of one; maps with
    many pixels have more values than examples. A config that names no normalization is not judged, whatever its model
    has. A note, therefore.

References
    [1] Wu and He, Group Normalization (2018), table 2
    [2] Ioffe, Batch Renormalization (2017)
    Lecture notes: "Incomplete Hyperparameter list: normalization layer + hyperparameters".
"""

from __future__ import annotations

import re
from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting

_BATCH = re.compile(r"(torch\.nn\.)?(bn|batch_?norm(alization)?(_?[123]d)?|batch)", re.IGNORECASE)


def check(
    normalization: str,
    batch_size: int,
    last_step: float,
    *,
    least: int = 8,  # examples; below, the error grows by several points [1]
) -> Finding | None:
    """Judge a name and a number."""
    if not _BATCH.fullmatch(normalization.strip()) or not 0 < batch_size < least:
        return None
    return of_setting(
        f"Batch normalization ({normalization}) takes its mean and variance over {batch_size} examples.",
        (
            "They are mostly noise; group or layer normalization, which take theirs over one example, do not depend on "
            "the size of the batch."
        ),
        last_step,
        Evidence("batch_size", batch_size, least),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="small-batch-normalization",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("larger-batch", "normalization-layers"),
    measures={
        "least": "the batch size of the config",
    },
    cases=(
        Case("batches of 2", _configured(normalization="BatchNorm2d", batch_size=2), Severity.NOTE),
        Case("batches of 32", _configured(normalization="batch", batch_size=32)),
        Case("group normalization of 2", _configured(normalization="group", batch_size=2)),
        Case("no batch size", _configured(normalization="batch")),
    ),
)
