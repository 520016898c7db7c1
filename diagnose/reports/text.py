"""The report for a person at a terminal: verdict, milestone, findings with their curve, and what was not judged.

    run.csv: overfitting since epoch 31; try first: stop at epoch 31
      verdict:   1 problem: overfitting (error)
      keras-csv, 100 points, epochs 1-100; train_loss = loss, val_loss = val_loss
      milestone: learn everything (2 of 3). The training loss fell by 95 %.

    ERROR overfitting, epochs 31-100, confidence 0.97
      measured:  val_loss is 38.2 percent above its best (threshold 5).
      means:     ...
      try first: Stop at epoch 31. ...
      then:      ...

The words carry everything; colour and picture only repeat it, so that a pipe and a screen reader lose nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from diagnose.report import MOST_COMPARED, Report
from diagnose.reports import full
from diagnose.reports.context import Context
from diagnose.reports.page import TABLE_WIDTH, Page, grid, item, shorten, wrapped
from diagnose.reports.phrases import (
    counted,
    evidence_in_words,
    labelled,
    listed,
    reasons,
    shared_folder,
    short_verdict,
    stage,
    verdict,
)
from diagnose.reports.words import count, one_line, place
from diagnose.rule import Diagnosis, Finding, NotJudged, verdict_word

MOST_SHOWN = 1000
"""Runs in the table, and in full where something was found; of more, the worst."""


def render(report: Report, context: Context) -> str:
    """One run in full; of several a table, worst first, what they say together, and the ones with findings in full.

    What could not be read or judged is left out: it is told apart from the report. Ends with a newline unless there is
    no run.
    """
    page = context.page
    runs = labelled(report.worst_first[:MOST_SHOWN])
    if len(report) == 1:
        return "".join(f"{line}\n" for line in full.told(*runs[0], page))
    lines = _overview(report, runs, page) if runs else []
    short = {diagnosis.run.name: label for diagnosis, label in runs}
    lines += together(report.across, report.across_not_judged, short, page)
    for diagnosis, label in runs:
        if diagnosis.findings:
            lines += ["", _rule_off(page), *full.told(diagnosis, label, page)]
    return "".join(f"{line}\n" for line in lines)


def together(
    findings: Sequence[Finding], not_judged: Sequence[NotJudged], labels: Mapping[str, str], page: Page
) -> list[str]:
    """What several runs say together, each finding with the runs it is about; nothing where there is none.

    labels: name of a run -> what the report calls it.
    """
    if not findings:
        return []
    lines = []
    for finding in findings:
        lines += ["", *full.title(finding, count(len(finding.runs), "run"), page)]
        lines += item("runs:", listed([labels.get(name, one_line(name)) for name in finding.runs]), page)
        lines += item("measured:", one_line(finding.summary), page)
        lines += item("means:", one_line(finding.meaning), page)
        lines += full.best(finding, page)
        lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    missing = reasons(not_judged)
    if missing:
        lines += ["", *item("not judged:", missing, page)]
    return ["", page.paint("across runs", "strong"), *lines]


def headlines(report: Report, page: Page) -> list[str]:
    """The verdict of each run."""
    return [line for diagnosis, label in labelled(report.diagnoses) for line in _headline(diagnosis, label, page)]


def _headline(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    word = verdict_word(diagnosis)
    return [page.paint(line, word) for line in wrapped(f"{label}: {verdict(diagnosis)}", page)]


def _overview(report: Report, runs: Sequence[tuple[Diagnosis, str]], page: Page) -> list[str]:
    """One line that counts the verdicts, and the table over runs; one sentence per run on a page without pictures.

    runs: the worst of the report, each with what to call it.
    """
    amount, counts = count(len(report), "run"), counted(map(verdict_word, report))
    if page.picture and page.width >= TABLE_WIDTH:
        folder = shared_folder([place(diagnosis.run.source) for diagnosis, _ in runs])
        where = f" in {folder}" if folder else ""
        short = [(diagnosis, label.removeprefix(folder)) for diagnosis, label in runs]
        table = ["", *_table(short, page), *_left_out(report, len(runs), page)]
        return [*textwrap.wrap(f"{amount}{where}: {counts}", page.width), *table]
    lines = textwrap.wrap(f"{amount}: {counts}", page.width)
    for diagnosis, label in runs:
        points = count(diagnosis.run.points, "point")
        lines += wrapped(f"{label}: {verdict(diagnosis)}; milestone {stage(diagnosis)}; {points}", page)
    return lines + _left_out(report, len(runs), page)


def _left_out(report: Report, shown: int, page: Page) -> list[str]:
    """That there are more runs than shown, and where they all are; nothing where all are shown."""
    if len(report) <= shown:
        return []
    said = f"The worst {shown:,} of {len(report):,} runs are shown; all are in --format csv, json and jsonl."
    if len(report) > MOST_COMPARED:
        said += f" Held against each other are {MOST_COMPARED:,} of them, evenly drawn."
    return ["", *textwrap.wrap(said, page.width)]


def _table(runs: Sequence[tuple[Diagnosis, str]], page: Page) -> list[str]:
    """The table over runs: name, verdict, milestone, points."""
    head = ("run", "verdict", "milestone", "points")
    rows = [(label, short_verdict(d), stage(d), str(d.run.points)) for d, label in runs]
    longest = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    room = page.width - longest[2] - longest[3] - 6
    name = min(longest[0], max(12, room // 2))
    cells = [(shorten(label, name), *rest) for label, *rest in rows]
    colors = [verdict_word(diagnosis) for diagnosis, _ in runs]
    return grid(head, cells, (name, room - name, *longest[2:]), page, colors)


def _rule_off(page: Page) -> str:
    return page.paint("-" * page.width, "faint") if page.picture else ""
