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

from diagnose.curves import Run
from diagnose.names.kinds import unread
from diagnose.report import MOST_COMPARED, Report
from diagnose.reports.context import Context
from diagnose.reports.page import TABLE_WIDTH, Page, grid, item, shorten, wrapped
from diagnose.reports.phrases import (
    AIMS,
    FIXES_SHOWN,
    advice,
    cause_in_words,
    cause_label,
    causes_told,
    confidence,
    counted,
    evidence_in_words,
    facts,
    is_brief,
    kind,
    labelled,
    listed,
    reasons,
    shared_folder,
    short_verdict,
    stage,
    verdict,
    when,
)
from diagnose.reports.summary import summary
from diagnose.reports.words import count, one_line, place, span
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
        return "".join(f"{line}\n" for line in _run(*runs[0], page))
    lines = _overview(report, runs, page) if runs else []
    short = {diagnosis.run.name: label for diagnosis, label in runs}
    lines += together(report.across, report.across_not_judged, short, page)
    for diagnosis, label in runs:
        if diagnosis.findings:
            lines += ["", _rule_off(page), *_run(diagnosis, label, page)]
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
        lines += ["", *_title(finding, count(len(finding.runs), "run"), page)]
        lines += item("runs:", listed([labels.get(name, one_line(name)) for name in finding.runs]), page)
        lines += item("measured:", one_line(finding.summary), page)
        lines += item("means:", one_line(finding.meaning), page)
        lines += _best(finding, page)
        lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    missing = reasons(not_judged)
    if missing:
        lines += ["", *item("not judged:", missing, page)]
    return ["", page.paint("across runs", "strong"), *lines]


def findings(diagnosis: Diagnosis, page: Page) -> list[str]:
    """The findings of one run in full, without the head of the report."""
    apart = [line for finding in diagnosis.findings for line in ("", *finding_in_full(finding, diagnosis.run, page))]
    return apart[1:]


def _run(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    """One run in full."""
    lines = [page.paint(line, verdict_word(diagnosis)) for line in wrapped(f"{label}: {summary(diagnosis)}", page)]
    whole = verdict(diagnosis)
    lines += item("verdict:", whole if whole not in summary(diagnosis) else "", page)
    lines += item("", _read(diagnosis.run), page)
    lines += item("kind:", kind(diagnosis), page)
    lines += _milestone(diagnosis, page)
    if diagnosis.findings:
        lines += ["", *findings(diagnosis, page), ""]
    elif diagnosis.judged:
        lines += item("checked:", ", ".join(diagnosis.judged), page)
    lines += item("not judged:", reasons(diagnosis.not_judged), page)
    lines += item("not read:", one_line(listed(unread(diagnosis.run))), page)
    for note in diagnosis.run.notes:
        lines += item("note:", one_line(note), page)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def headlines(report: Report, page: Page) -> list[str]:
    """The verdict of each run."""
    return [line for diagnosis, label in labelled(report.diagnoses) for line in _headline(diagnosis, label, page)]


def _headline(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    word = verdict_word(diagnosis)
    return [page.paint(line, word) for line in wrapped(f"{label}: {verdict(diagnosis)}", page)]


def _read(run: Run) -> str:
    """What was read, and the roles that were recognised."""
    known = ((role, column) for role, column in run.roles.items() if column in run.series)
    roles = ", ".join(role if role == column else f"{role} = {column}" for role, column in known)
    return one_line(f"{facts(run)}; {roles or 'no column has a known role'}")


def _milestone(diagnosis: Diagnosis, page: Page) -> list[str]:
    """Where the run stands among the three training milestones, and what to aim at."""
    at = f" ({list(AIMS).index(diagnosis.milestone) + 1} of {len(AIMS)})" if diagnosis.milestone in AIMS else ""
    reason = f"; {diagnosis.milestone_reason}" if diagnosis.milestone_reason else ""
    words = one_line(f"{stage(diagnosis)}{at}{reason}")
    return item("milestone:", words, page) + item("aim:", AIMS.get(diagnosis.milestone, ""), page)


def finding_in_full(finding: Finding, run: Run, page: Page) -> list[str]:
    """One finding in three steps: what was measured, what it means, what to try; then the curve and the evidence.

    A note, and what another finding explains, is said briefly: what was measured, and what to try first.
    """
    lines = _title(finding, span(finding.steps, run.axis), page)
    lines += item("measured:", one_line(finding.summary), page)
    if is_brief(finding):
        return lines if finding.explained_by else lines + _best(finding, page)
    lines += item("means:", one_line(finding.meaning), page)
    for cause in causes_told(finding):
        lines += item(f"{cause_label(finding, cause)}:", cause_in_words(cause), page)
    for rank, fix in enumerate(finding.recommendations[:FIXES_SHOWN]):
        lines += item(f"{when(fix, rank)}:", advice(fix, brief=rank > 0), page)
    rest = ", ".join(fix.id for fix in finding.recommendations[FIXES_SHOWN:])
    if rest:
        lines += item("also:", f"{rest} (diagnose explain {finding.rule})", page)
    lines += _curve(finding, run, page)
    lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    return lines


def _title(finding: Finding, where: str, page: Page) -> list[str]:
    """The severity and the rule, where it was found, how sure that is, and what explains it."""
    title = f"{finding.severity.upper()} {finding.rule}"
    cause = f", explained by {finding.explained_by}" if finding.explained_by else ""
    first, *rest = wrapped(f"{title}, {where}, {confidence(finding)}{cause}", page)
    return [first.replace(title, page.paint(title, finding.severity.value), 1), *rest]


def _best(finding: Finding, page: Page) -> list[str]:
    """What to try first."""
    return [line for fix in finding.recommendations[:1] for line in item(f"{when(fix)}:", advice(fix), page)]


def _curve(finding: Finding, run: Run, page: Page) -> list[str]:
    """The telling curve as a picture, or in words where the page has no pictures."""
    from diagnose.reports import curve, panels  # NumPy's work, needed only where something was found

    shown = panels.telling(finding, run)
    if not shown:
        return []

    names = [one_line(name) for name, _ in shown]
    if page.picture:
        picture = curve.draw(
            shown[0][1],
            shown[1][1] if len(shown) > 1 else None,
            labels=(names[0], names[-1]),
            marks=finding.marks,
            steps=finding.steps,
            axis=run.axis,
            shared_scale=panels.quantity(shown[0][0]) == panels.quantity(shown[-1][0]),
            width=min(page.width, 80) - 2,
            glyphs=curve.ASCII if page.ascii else curve.BRAILLE,
        )
        if picture is not None:
            return ["", *(f"  {line}" for line in (picture.legend, *picture.rows)), ""]
    lines = []
    for name, (_, series) in zip(names, shown, strict=True):
        lines += item("curve:", f"{name} {curve.describe(series, run.axis)}", page)
    return lines


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
