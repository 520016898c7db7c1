"""Several trainings in one file, resumes, and lines written more than once: which rows are judged, and what is said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.names.roles import FEW_POINTS

Mask = npt.NDArray[np.bool_]

_STUB = 0.1  # of the points of the longest training: a shorter one was broken off and is not what the file is about
_SHALLOW = 3.0  # logging intervals; writers that take turns go back by one or two, a resume goes back to a checkpoint
_AT_START = 0.02  # of the length so far: a step below this is a new beginning


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The rows of the training that is judged.

    rows: a slice of rows.
    keep: shape (rows in the slice,), False for rows that a resume replaced; None where all are kept.
    resumes: the step that was reached before each resume, and the one to which it went back.
    notes: what had to be decided, in sentences for the user.
    """

    rows: slice
    keep: Mask | None = None
    resumes: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()


def select(steps: Array, logged: Mask, axis: str = "step") -> Selection:
    """Select the training that a practitioner means: the last one that is no stub.

    steps: shape (rows,), the step of every row.
    logged: shape (rows,), the rows in which the main curve has a point.
    Trainings appended to one file are usually tries at the same thing: the last is the one to judge, and the notes say
    how many there are. A resume goes back to a checkpoint and replaces what followed it.
    """
    rows = np.flatnonzero(logged)
    there = steps[rows]
    back = np.flatnonzero(there[1:] < there[:-1]) + 1
    if not back.size:
        return Selection(slice(0, steps.size))
    gaps = np.diff(there)
    interval = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else 1.0
    starts, resumes = _classify(there, back, interval)
    first, last = _judged(starts, there.size)
    begin = _with_rows_before(int(rows[first]), steps, logged) if first else 0
    end = _with_rows_before(int(rows[last]), steps, logged) if last < there.size else steps.size
    notes: list[str] = []
    if len(starts) > 1:
        where = f"from the last restart, row {begin + 1}" if last == there.size else f"on rows {begin + 1} to {end}"
        notes.append(
            f"{axis} goes back to its start at row {rows[starts[-1]] + 1}: "
            f"{len(starts)} trainings in one file, judged {where}"
        )
    resumed = [(int(rows[i]), float(there[i])) for i in resumes if first < i < last]
    if resumed:
        row, step = resumed[-1]
        notes.append(
            f"{axis} goes back at row {row + 1} to {step:g}, as after a resume"
            + (f" ({len(resumed)} times in all)" if len(resumed) > 1 else "")
            + ": the later values replace the earlier ones"
        )
    keep = _replaced(steps[begin:end], [(row - begin, step) for row, step in resumed])
    overlaps = tuple((float(there[first:i].max()), float(there[i])) for i in resumes if first < i < last)
    return Selection(slice(begin, end), keep, overlaps, tuple(notes))


def _classify(there: Array, back: npt.NDArray[np.intp], interval: float) -> tuple[list[int], list[int]]:
    """Points at which a training starts, and at which one is resumed; the others only go back a little."""
    starts: list[int] = [0]
    resumes: list[int] = []
    highest = -np.inf
    before = 0
    for i in map(int, back):
        highest = max(highest, float(there[before:i].max()))
        before = i
        start, step = float(there[starts[-1]]), float(there[i])
        if highest - step <= _SHALLOW * interval:
            continue
        long = highest - start > 10 * interval
        at_start = step <= start + max(_AT_START * (highest - start), interval if long else 0.0)
        (starts if at_start else resumes).append(i)
        highest = step
    return starts, resumes


def _judged(starts: list[int], points: int) -> tuple[int, int]:
    """First point of the training to judge and of the one after it."""
    lengths = np.diff([*starts, points])
    enough = np.flatnonzero(lengths >= max(FEW_POINTS, _STUB * lengths.max()))
    which = int(enough[-1]) if enough.size else int(np.argmax(lengths))
    return starts[which], starts[which] + int(lengths[which])


def _with_rows_before(row: int, steps: Array, logged: Mask) -> int:
    """The first row of a training: an evaluation before its first training step belongs to it."""
    while row > 0 and not logged[row - 1] and steps[row - 1] <= steps[row]:
        row -= 1
    return row


def _replaced(steps: Array, resumes: list[tuple[int, float]]) -> Mask | None:
    """Rows to keep when every resume (row, step) replaces the earlier rows from its step on."""
    if not resumes:
        return None
    below = np.full(steps.size, np.inf)
    for row, step in resumes:
        below[row - 1] = min(below[row - 1], step)
    return steps < np.minimum.accumulate(below[::-1])[::-1]  # of all resumes further down the lowest step
