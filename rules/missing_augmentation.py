"""Missing augmentation: no data augmentation although the validation loss stays above the training loss.

Why it matters
    The training set is fitted better than new data. Variants of the examples are the cheapest new data there are.

Statistics
    gap  level of val_loss over level of train_loss at the end of the run

Limits
    Only a config that says that nothing is augmented is judged. Augmented examples must keep their label, which only a
    person can tell; text and tables have few such variants. Fewer than 8 validations and losses that are not positive
    are not judged.

References
    [1] Shorten and Khoshgoftaar, A survey on Image Data Augmentation for Deep Learning (2019)
    Lecture notes: "Regularization: Data Augmentation: think it thoroughly when doing preprocessing".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    train_loss: Array,
    val_loss: Array,
    augmentation: bool | str,
    mixup: float | bool | None = None,
    cutmix: float | bool | None = None,
    mosaic: float | bool | None = None,
    fliplr: float | bool | None = None,
    auto_augment: str | bool | None = None,
    *,
    gap_least: float = 1.5,  # val_loss over train_loss, from which on the eye calls it a gap (corpus definition)
) -> Finding | None:
    """Judge aligned losses of shape (n,) of a run that augments nothing."""
    if augmentation is not False or mixup or cutmix or mosaic or fliplr or auto_augment:
        return None  # in Ultralytics, which has the others, `augment` is about prediction
    if min(train_loss.min(), val_loss.min()) <= 0.0:
        raise CannotJudge("a loss is not positive: its gap has no scale")
    count = statistics.ends(val_loss.size)
    train, val = (statistics.level(curve, curve.size - count, curve.size) for curve in (train_loss, val_loss))
    if val < gap_least * train:
        return None
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=f"val_loss ends at {val:.4g}, {val / train:.3g} times train_loss ({train:.4g}); nothing is augmented.",
        meaning="The network knows the training examples better than their kind; variants of them narrow the gap.",
        steps=(float(step[-count]), float(step[-1])),
        series=("val_loss", "train_loss"),
        evidence=(Evidence("gap", val / train, gap_least),),
    )


RULE = Rule(
    id="missing-augmentation",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("data-augmentation", "more-data"),
    explained_by=("overfitting", "generalization-gap"),
    precedence=1,
    cases=(
        Case(
            "overfitting without augmentation",
            lambda: synthetic.configured(synthetic.overfit(), augmentation=False),
            Severity.NOTE,
        ),
        Case("overfitting with augmentation", lambda: synthetic.configured(synthetic.overfit(), augmentation=True)),
        Case(
            "Ultralytics, whose `augment` is about prediction",
            lambda: synthetic.configured(synthetic.overfit(), augmentation=False, mosaic=1.0, fliplr=0.5),
        ),
        Case("no gap", partial(synthetic.configured, augmentation=False)),
    ),
)
