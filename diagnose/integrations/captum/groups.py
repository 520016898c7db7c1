"""Groups that the user knows: accuracy by class and attribute, and the worst of them.

table = read(Path("groups.csv"), data, paths)            # {"background": ("land", "water", ...)}, one per image
found = groups(table, labels, predicted)                 # the worst first

Source: Sagawa et al., Distributionally Robust Neural Networks for Group Shifts (2020), on the worst group.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diagnose.errors import SettingsError
from diagnose.integrations.captum.models import short

Labels = npt.NDArray[np.int64]

FEWEST = 5
"""Images of a group below which nothing is said of it."""

P_MOST = 0.05
"""Of Fisher's exact test that a group is no worse than the rest of its class, times all groups."""


@dataclass(frozen=True, slots=True)
class Group:
    """The images of one class with one value of an attribute.

    right, of: images that are classified correctly, and all. rest: recall of the others of the class, NaN for none.
    p: corrected.
    """

    target: int
    attribute: str
    value: str
    right: int
    of: int
    rest: float
    p: float

    @property
    def recall(self) -> float:
        """From 0 to 1."""
        return self.right / self.of

    @property
    def worse(self) -> bool:
        """Whether it is worse than the rest of its class, beyond chance."""
        return self.p <= P_MOST and self.recall < self.rest


def read(path: Path, data: Path, paths: Sequence[Path]) -> dict[str, list[str]]:
    """The values of each attribute, one per image, "" where the file has none.

    The file is a CSV with a header; its first column holds the images' paths, under `data` or from here, or their
    names alone. Raises SettingsError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise SettingsError(f"--groups {path}: cannot be read ({short(error)})") from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise SettingsError(
            f"--groups {path}: needs a header, and a row per image: its path, and an attribute a column"
        )
    known = {row[0].strip().replace("\\", "/"): row for row in rows[1:]}
    chosen = [_row(known, path, data) for path in paths]
    if not any(chosen):
        raise SettingsError(
            f"--groups {path}: names none of the images of {data}; its first column holds paths such as "
            f"{paths[0].relative_to(data)}"
        )
    header = rows[0]
    return {
        name: [row[column].strip() if row is not None and column < len(row) else "" for row in chosen]
        for column, name in enumerate(header)
        if column
    }


def _row(known: Mapping[str, list[str]], path: Path, data: Path) -> list[str] | None:
    names = (path.relative_to(data).as_posix(), path.as_posix(), path.name)
    return next((known[name] for name in names if name in known), None)


def groups(table: Mapping[str, Sequence[str]], labels: Labels, predicted: Labels) -> list[Group]:
    """All groups with images enough, the lowest recall first."""
    from scipy.stats import fisher_exact

    found, right = [], predicted == labels
    for attribute, values in table.items():
        here = np.array(values)
        for value in dict.fromkeys(value for value in values if value):
            for target in np.unique(labels[here == value]):
                inside = (here == value) & (labels == target)
                outside = (here != value) & (here != "") & (labels == target)
                if inside.sum() < FEWEST:
                    continue
                counts = np.array([[part.sum(), (~part).sum()] for part in (right[inside], right[outside])])
                p = float(fisher_exact(counts, alternative="less").pvalue) if outside.any() else 1.0
                rest = float(right[outside].mean()) if outside.any() else float("nan")
                found.append(Group(int(target), attribute, value, int(counts[0, 0]), int(inside.sum()), rest, p))
    corrected = [
        Group(one.target, one.attribute, one.value, one.right, one.of, one.rest, min(1.0, one.p * len(found)))
        for one in found
    ]
    return sorted(corrected, key=lambda one: one.recall)
