"""One run at a glance: what is wrong and since when, what to do first, and the curve; then what else there is to read.

    run.csv: overfitting since epoch 31
      try first: stop at epoch 31 and keep that checkpoint
      ERROR, confidence 0.97: val_loss was best at epoch 31 (0.4604) and ends at
        0.7515, 63 % above its best level.
      (the picture)
      read: csv, 60 points, epochs 1-60; train_loss = loss, val_loss
      1 tip: generalization-gap; learn the right thing; 35 of 60 rules not judged; all: --verbose

At most 16 lines for a run with one finding, 6 without its picture, and 5 for a run without, on 80 columns.
"""

from __future__ import annotations

import math
from dataclasses import replace

from diagnose.curves import Run
from diagnose.names.kinds import unread
from diagnose.reports import full
from diagnose.reports.page import Page, cut, shorten
from diagnose.reports.phrases import AIMS, confidence, listed, stage
from diagnose.reports.summary import first_advice, since, what
from diagnose.reports.words import count, one_line
from diagnose.rule import Diagnosis, Finding, Severity, verdict_word

HEIGHT = 5
"""Rows of a curve."""

WORDS = 5
"""Lines of what it is, of what to do first, and of what was measured."""

IN_FULL = "; all: --verbose"
"""What ends the last line."""


def told(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    """The run in as few lines as hold its verdict, its first advice and its curve."""
    problems = _problems(diagnosis)
    words = _room(WORDS, page)
    said = cut(
        f"{shorten(label, page.width - 2)}: {what(diagnosis)}", page, lines=_room(2 if problems else WORDS - 2, page)
    )
    lines = [page.paint(line, verdict_word(diagnosis)) for line in said]
    if not problems:
        return [*lines, *_source(diagnosis, page, words - 1 - len(lines)), *_rest(diagnosis, page)]
    lead, *others = problems
    lines += _advice(lead, page, indent=2)
    lines += _measured(lead, f", {confidence(lead)}", page, lines=words - len(lines))
    lines += full.drawing(lead, diagnosis.run, page, HEIGHT)
    drawn = {_curve(lead)}
    for finding in others:
        lines += brief(finding, diagnosis.run, page)
        if _curve(finding) not in drawn:
            lines += full.drawing(finding, diagnosis.run, page, HEIGHT)
            drawn.add(_curve(finding))
    return [*lines, *_source(diagnosis, page, 1 if page.picture else 0), *_rest(diagnosis, page)]


def in_short(finding: Finding, run: Run, page: Page) -> list[str]:
    """A finding by itself, with its curve."""
    return [*brief(finding, run, page), *full.drawing(finding, run, page, HEIGHT)]


def brief(finding: Finding, run: Run, page: Page) -> list[str]:
    """What it is and since when, what was measured, and what to do first."""
    said = _measured(finding, f" {finding.rule} {since(finding, run)}", page, lines=_room(3, page))
    return [*said, *_advice(finding, page, indent=4)]


def across(finding: Finding, page: Page) -> list[str]:
    """A finding about several runs."""
    said = _measured(finding, f" {finding.rule}, {count(len(finding.runs), 'run')}", page, lines=_room(3, page))
    return [*said, *_advice(finding, page, indent=4)]


def _measured(finding: Finding, title: str, page: Page, *, lines: int) -> list[str]:
    """The severity in its colour, and the sentence of what was measured."""
    severity = finding.severity.upper()
    said = cut(f"{severity}{title}: {one_line(finding.summary)}", page, indent=2, lines=lines)
    return [said[0].replace(severity, page.paint(severity, finding.severity.value), 1), *said[1:]]


def _advice(finding: Finding, page: Page, *, indent: int) -> list[str]:
    """What to do first, in two lines at most."""
    return cut(first_advice(finding), page, indent=indent, lines=_room(2, page))


def _room(lines: int, page: Page) -> int:
    """The lines of this page that hold as much as so many of 80 columns."""
    return math.ceil(lines * max(80 / page.width, 1.0))


def _problems(diagnosis: Diagnosis) -> list[Finding]:
    """The warnings and errors that no other finding explains."""
    return [f for f in diagnosis.findings if f.severity is not Severity.NOTE and not f.explained_by]


def _curve(finding: Finding) -> str:
    """The curve that it was seen in."""
    return finding.series[0] if finding.series else ""


def _source(diagnosis: Diagnosis, page: Page, lines: int) -> list[str]:
    """What was out of order when it was read, and what was read as what, in so many lines."""
    first, *others = map(one_line, diagnosis.run.notes or ("",))
    more = f" (and {len(others)} more)" if others else ""
    noted = cut(f"note{more}: {first}", page, indent=2)[:lines] if first else []
    room = lines - len(noted)
    return noted + (cut(f"read: {full.read(diagnosis.run)}", page, indent=2, lines=room) if room else [])


def _rest(diagnosis: Diagnosis, page: Page) -> list[str]:
    """What is left for --verbose: tips, the milestone, columns that nobody read, rules that could not judge."""
    tips = [finding.rule for finding in diagnosis.findings if finding.severity is Severity.NOTE]
    columns = unread(diagnosis.run)
    looked, missing = len(diagnosis.judged), len(diagnosis.not_judged)
    parts = (
        f"{count(len(tips), 'tip')}: {listed(tips)}" if tips and verdict_word(diagnosis) != "note" else "",
        stage(diagnosis) if diagnosis.milestone in AIMS else "",
        f"not read: {one_line(listed(columns))}" if columns else "",
        f"{missing} of {looked + missing} rules not judged" if missing else f"{count(looked, 'rule')} judged",
    )
    said = "; ".join(filter(None, parts))
    return [f"{line}{IN_FULL}" for line in cut(said, replace(page, width=page.width - len(IN_FULL)), indent=2)]
