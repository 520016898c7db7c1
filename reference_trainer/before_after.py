"""A rehearsal on the page: before and after side by side, for the terminal and as a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diagnose.curves import Run, Series
from diagnose.errors import SettingsError
from diagnose.reports import curve
from diagnose.reports.page import Page
from diagnose.reports.phrases import outcome
from diagnose.reports.words import one_line, place
from diagnose.rule import Diagnosis, Severity
from reference_trainer.faults import FAULTS
from reference_trainer.rehearsal import Rehearsal, Training, Try, evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 4
"""Columns between the two pictures."""

LEAST_WIDTH = 30
"""Columns of a picture below which two side by side show nothing."""

METRICS = {"accuracy": "accuracy", "r2": "R2"}

PNG_WIDTH, PNG_ROW = 9.0, 2.9
"""Inches of the picture, and of each pair in it."""


def render(rehearsal: Rehearsal, source: str, page: Page) -> str:
    """The rehearsal as text: what was rehearsed, on what, and for each advice the curves before and after."""
    finding, bench = rehearsal.finding, rehearsal.bench
    title = f"{place(source)}: {finding.rule} ({finding.severity}), rehearsed"
    lines = [page.paint(line, "strong") for line in textwrap.wrap(title, page.width)]
    lines += _wrapped(
        f"This is the reference task and not yours: {bench.name}, with the fault {bench.fault}. What helps here is "
        "likely, and not certain, to help there.",
        page,
    )
    lines += _wrapped(f"fault: {FAULTS[bench.fault].line}", page)
    if finding.cause and finding.cause != rehearsal.seen.cause:
        lines += _wrapped(
            f"Your log names the cause {finding.cause}, which no fault here has: this is {finding.rule} from another "
            "cause, and its advice may not carry over.",
            page,
        )
    if bench.like:
        lines += _wrapped(f"like yours: {one_line(', '.join(bench.like))}", page)
    if bench.unlike:
        lines += _wrapped(f"unlike yours: {one_line(', '.join(bench.unlike))}", page)
    if not bench.like and not bench.unlike:
        lines += _wrapped("The log says nothing of its model and optimizer, so no recipe is nearer than another.", page)
    lines += _wrapped(f"before: {_summary(rehearsal.before)}", page)
    for rank, tried in enumerate(rehearsal.tries, 1):
        lines += ["", *_one(rank, tried, rehearsal, page)]
    return "".join(f"{line}\n" for line in lines)


def _one(rank: int, tried: Try, rehearsal: Rehearsal, page: Page) -> list[str]:
    """One advice: the words, the curves before and after, and what came of it."""
    head = f"{rank}. {one_line(tried.advice.title)}"
    lines = textwrap.wrap(head, page.width, subsequent_indent="   ", break_on_hyphens=False)
    lines[0] = page.paint(lines[0], "strong")
    if tried.training is not None:
        lines += _pictures(rehearsal.before, tried.training, rehearsal, page)
        lines += _wrapped(f"after: {_summary(tried.training)}", page)
    word = "resolved" if tried.resolved else "not resolved"
    why = f": {tried.why_not}" if tried.why_not else ""
    said = f"{word}{why}. In trials on runs like yours: {outcome(evidence(rehearsal, tried.advice.id))}."
    wrapped = _wrapped(said, page)
    color = Severity.WARNING.value if not tried.resolved else "healthy"
    return [*lines, wrapped[0].replace(word, page.paint(word, color), 1), *wrapped[1:]]


def _summary(training: Training) -> str:
    """The findings, and the best of the validation metric."""
    named = ", ".join(f"{found.rule} ({found.severity})" for found in training.diagnosis.findings)
    score = METRICS.get(training.metric, training.metric)
    return f"{named or 'healthy'}; best validation {score} {training.best:.3g}"


def _pictures(before: Training, after: Training, rehearsal: Rehearsal, page: Page) -> list[str]:
    """The two curves beside each other, or below where the page is narrow; none on a page without pictures."""
    if not page.picture:
        return []
    width = (page.width - 2 - GAP) // 2
    if width < LEAST_WIDTH:
        width = page.width - 2
    sides = []
    for word, training in (("before", before), ("after", after)):
        drawn = _drawn(training.diagnosis, rehearsal, word, width, page)
        if drawn is None:
            return []
        sides.append(drawn)
    if width == page.width - 2:
        return [f"  {line}" for side in sides for line in ("", *side)] + [""]
    height = max(map(len, sides))
    left, right = ([*side, *[""] * (height - len(side))] for side in sides)
    return ["", *(f"  {a:{width}}{'':{GAP}}{b}".rstrip() for a, b in zip(left, right, strict=True)), ""]


def _drawn(diagnosis: Diagnosis, rehearsal: Rehearsal, word: str, width: int, page: Page) -> list[str] | None:
    """A title and a picture of the telling curves of a reference run."""
    shown = telling(diagnosis.run, rehearsal)
    if not shown:
        return None
    picture = curve.draw(
        shown[0][1],
        shown[1][1] if len(shown) > 1 else None,
        labels=(shown[0][0], shown[-1][0]),
        marks=_marks(diagnosis, rehearsal),
        axis=diagnosis.run.axis,
        width=width,
        glyphs=curve.ASCII if page.ascii else curve.BRAILLE,
    )
    if picture is None:
        return None
    legend = textwrap.wrap(picture.legend, width)[:2]
    return [f"{word}:", *legend, *([""] * (2 - len(legend))), *(row[:width] for row in picture.rows)]


def telling(run: Run, rehearsal: Rehearsal) -> list[tuple[str, Series]]:
    """The losses, and the accuracies where the finding is about those; those that the run has."""
    names = ("train_loss", "val_loss")
    if rehearsal.seen.series and rehearsal.seen.series[0].endswith("accuracy"):
        names = ("train_accuracy", "val_accuracy")
    elif rehearsal.seen.series and rehearsal.seen.series[0].startswith("val_"):
        names = ("val_loss", "train_loss")
    return [(name, series) for name in names if (series := run.curve(name)) is not None and len(series) >= 3]


def _marks(diagnosis: Diagnosis, rehearsal: Rehearsal) -> Sequence[float]:
    """The steps that the finding marks, where it is there."""
    seen = next((found for found in diagnosis.findings if found.rule == rehearsal.seen.rule), None)
    return () if seen is None else seen.marks[:5]


def _wrapped(text: str, page: Page) -> list[str]:
    return textwrap.wrap(
        text, page.width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )


def draw(rehearsal: Rehearsal, path: Path) -> None:
    """The same as a picture: one row per advice that was trained, before at the left and after at the right.

    path: .png, .svg or .pdf. Raises SettingsError where it cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    trained = [tried for tried in rehearsal.tries if tried.training is not None]
    rows = max(len(trained), 1)
    figure, axes = plt.subplots(
        rows, 2, figsize=(PNG_WIDTH, PNG_ROW * rows + 0.9), squeeze=False, sharey="row", layout="constrained"
    )
    figure.suptitle(
        f"{rehearsal.finding.rule}: reference task, not yours ({rehearsal.bench.name}; {rehearsal.bench.fault})",
        fontsize=11,
    )
    for row in range(rows):
        _panel(axes[row][0], rehearsal.before, rehearsal, "before")
        if trained:
            tried = trained[row]
            verdict = "resolved" if tried.resolved else f"not resolved: {tried.why_not}"
            title = textwrap.fill(f"after: {tried.advice.title} - {verdict}", 60)
            assert tried.training is not None
            _panel(axes[row][1], tried.training, rehearsal, title)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be drawn ({error}); name a .png, .svg or .pdf with --out") from error
    finally:
        plt.close(figure)


def _panel(axes: Axes, training: Training, rehearsal: Rehearsal, title: str) -> None:
    """One plot: the telling curves, with the marks of the finding."""
    run = training.diagnosis.run
    for (name, series), style in zip(telling(run, rehearsal), (("#0072b2", "-"), ("#d55e00", "--")), strict=False):
        axes.plot(series.steps, series.values, style[1], color=style[0], label=name, linewidth=1.4)
    for mark in _marks(training.diagnosis, rehearsal):
        axes.axvline(mark, color="0.5", linewidth=0.9, linestyle=":")
    found = ", ".join(f"{found.rule}" for found in training.diagnosis.findings if found.severity != Severity.NOTE)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(f"{run.axis}\n{found or 'no warning, no error'}", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, frameon=False)
