"""Whether a model and its images fit each other at all, before anything is said of bias.

check(answers, labels, names)                            # raises NothingToScoreError where they do not
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diagnose.integrations.captum.mosaics import NothingToScoreError

Labels = npt.NDArray[np.int64]

GAIN = 0.1
"""Share of all images that must become right by another order of the classes before the order is doubted."""

NEVER = 0.5
"""Share of the classes with images that are never answered from which on the answers are doubted."""

FEWEST = 20
"""Images below which no order of classes can be told."""


def check(predicted: Labels, labels: Labels, names: tuple[str, ...]) -> None:
    """Raises NothingToScoreError where another order of the classes fits far better, or where many are never answered.

    predicted, labels: class numbers, shape (n,).
    """
    if len(labels) < FEWEST:
        return
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    right = int(np.trace(confusion))
    _check_order(confusion, right, names)
    with_images = np.flatnonzero(confusion.sum(axis=1))
    never = [names[label] for label in with_images if confusion[:, label].sum() == 0]
    if len(with_images) > 2 and len(never) > NEVER * len(with_images):
        raise NothingToScoreError(
            f"{len(never)} of {len(with_images)} classes are never answered ({', '.join(never[:4])} ...), and {right} "
            f"of {len(labels)} images are classified correctly; do the outputs fit the folders, and "
            "the normalization that of the training?"
        )


def _check_order(confusion: npt.NDArray[np.int64], right: int, names: tuple[str, ...]) -> None:
    """Raises NothingToScoreError where the classes in another order would be right far more often.

    The best order is the assignment of outputs to folders with most images right [Kuhn, The Hungarian Method (1955)].
    Each folder that changes its output must have most of its images there, so that chance makes no order.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-confusion)
    of_folder = np.maximum(confusion.sum(axis=1), 1)
    moved = [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if row != column and 2 * confusion[row, column] > of_folder[row]
    ]
    gain = sum(int(confusion[row, column] - confusion[row, row]) for row, column in moved)
    if len(moved) < 2 or gain <= GAIN * confusion.sum():
        return
    said = ", ".join(f"images of {names[row]} are answered {names[column]}" for row, column in moved[:3])
    raise NothingToScoreError(
        f"{right} of {confusion.sum()} images are classified correctly, and {right + gain} would be with the classes "
        f"in another order ({said}); do the outputs fit the folders? name the model's classes in its own order with "
        "--classes"
    )
