"""Validation better than training: val_loss lies below train_loss through most of the run.

Why it matters
    Mostly it is harmless: dropout, augmentation and label smoothing handicap training, and the training loss is the
    mean over an epoch while the network improves. It can also mean that the validation set is easier, or leaks into the
    training set, and then every later choice made on it is wrong.

Statistics
    share   share of validations with val_loss below train_loss
    margin  median of (train_loss - val_loss) in percent of train_loss
    shift   the margin left after the training loss is moved by half an epoch, which undoes the averaging [1]

Limits
    The log cannot tell a leak from dropout, and dropout is the more common: this is a note. Losses that are not
    positive are judged on their difference over the range.

References
    [1] Rosebrock, Why is my validation loss lower than my training loss? (2019), with the half-epoch shift
    Kaufman et al., Leakage in Data Mining (2012)
    Lecture notes: "Data corrupted? Preprocessing?"
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import statistics
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

HANDICAPS = ("dropout", "drop_path", "augmentation", "mixup", "cutmix", "auto_augment", "label_smoothing", "l1", "l2")
"""Hyperparameters of what makes training harder, or its loss larger, and is off in validation."""


def check(
    step: Array,
    train_loss: Array,
    val_loss: Array,
    axis: str,
    config: Mapping[str, Any],
    *,
    share_note: float = 0.8,  # of the validations
    margin_note: float = 0.10,  # of train_loss, after the half-epoch shift
) -> Finding | None:
    """Judge aligned losses of shape (n,)."""
    scale = np.abs(train_loss) if train_loss.min() > 0.0 and val_loss.min() > 0.0 else np.ptp(train_loss)
    shifted = np.append((train_loss[1:] + train_loss[:-1]) / 2.0, train_loss[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.nan_to_num((shifted - val_loss) / scale)
    share = float((relative > 0.0).mean())
    margin = statistics.median(relative)
    late = statistics.median(relative[relative.size // 2 :])
    level = float(np.median(scale))
    noise = statistics.jitter(val_loss) / level if level > 0.0 else 0.0
    if share < share_note or min(margin, late) < max(margin_note, noise):
        return None
    handicaps = [name.replace("_", " ") for name in HANDICAPS if config.get(name) not in (None, False, 0)]
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.5 + 4.0 * (min(margin, late) - margin_note)),
        summary=(
            f"val_loss lies below train_loss at {100 * share:.0f} % of the validations, in the middle by "
            f"{100 * margin:.3g} %, also after a shift by half an epoch."
        ),
        meaning=(
            f"The config has {' and '.join(handicaps)}, active in training alone: most likely that is why."
            if handicaps
            else "Mostly harmless: dropout, augmentation, label smoothing or a penalty is in the training loss alone. "
            "If there is none, the validation set is easier than the training set, or shares examples with it."
        ),
        steps=(float(step[0]), float(step[-1])),
        series=("val_loss", "train_loss"),
        evidence=(
            Evidence("share", 100.0 * share, 100.0 * share_note, "percent"),
            Evidence("margin", 100.0 * margin, 100.0 * margin_note, "percent"),
        ),
    )


RULE = Rule(
    id="validation-better-than-training",
    doc=__doc__,
    check=check,
    min_points=6,
    fixes=("evaluate-training-set", "check-split"),
    precedence=1,
    measures={
        "share_note": "the share of validations that are better (share)",
        "margin_note": "by how much they are better (margin)",
    },
    cases=(
        Case("val_loss at 60 % of train_loss", synthetic.easy_validation, Severity.NOTE),
        Case("val_loss at 40 %", partial(synthetic.easy_validation, share=0.4), Severity.NOTE),
        Case("the same with Mixup", partial(synthetic.easy_validation, share=0.4, augmentation="mixup"), Severity.NOTE),
        Case("healthy run", synthetic.healthy),
        Case("overfitting", synthetic.overfit),
    ),
)
