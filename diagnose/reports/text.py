"""The report for a person at a terminal: one run, or several in a table with what was found in the worst of them.

How much is said of a run is the page's `Detail`: a line, a glance (see `glance`), or all of it (see `full`). The words
carry everything; colour and picture only repeat it, so that a pipe and a screen reader lose nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from shlex import quote

from diagnose.report import MOST_COMPARED, Report
from diagnose.reports import full, glance
from diagnose.reports.context import Context
from diagnose.reports.page import TABLE_WIDTH, Detail, Page, cut, distinct, grid, item, shorten, wrapped
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
from diagnose.reports.summary import PROBLEMS, in_a_line, summary
from diagnose.reports.words import count, one_line, place
from diagnose.rule import Diagnosis, Finding, NotJudged, verdict_word

FEW = 5
"""Runs up to which those with a problem are told one by one, and not only in the table."""

MOST_SHOWN = 1000
"""Runs in the table, and in full where something was found; of more, the worst."""


def render(report: Report, context: Context) -> str:
    """As much as the page has detail for: a line for each run; one run, or a table over several, worst first, what they
    say together, and the few that something was found in.

    What could not be read or judged is left out: it is told apart from the report. Ends with a newline unless there is
    no run.
    """
    page = context.page
    runs = labelled(report.worst_first[:MOST_SHOWN])
    if page.detail is Detail.LINE:
        lines = [line for each in runs for line in _in_a_line(*each, page)] + _left_out(report, len(runs), page)
    elif len(report) == 1:
        lines = _told(*runs[0], page)
    else:
        lines = _overview(report, runs, page) if runs else []
        short = {diagnosis.run.name: label for diagnosis, label in runs}
        lines += together(report.across, report.across_not_judged, short, page)
        lines += _details(runs, page)
    return "".join(f"{line}\n" for line in lines)


def _told(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    """One run in the page's detail."""
    told = full.told if page.detail is Detail.FULL else glance.told
    return told(diagnosis, label, page)


def _in_a_line(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    """One run in a line."""
    return [
        page.paint(line, verdict_word(diagnosis))
        for line in cut(f"{shorten(label, page.width // 2)}: {in_a_line(diagnosis)}", page)
    ]


def _details(runs: Sequence[tuple[Diagnosis, str]], page: Page) -> list[str]:
    """The runs that something was found in, in full; at a glance those with a problem, if they are few."""
    if page.detail is Detail.FULL:
        chosen = [each for each in runs if each[0].findings]
    else:
        chosen = [each for each in runs if verdict_word(each[0]) in PROBLEMS]
        if len(runs) > FEW:
            return ["", f"one run: diagnose {quote(chosen[0][0].run.source)}; all of them: --verbose"] if chosen else []
    return [line for each in chosen for line in ("", _rule_off(page), *_told(*each, page))]


def together(
    findings: Sequence[Finding], not_judged: Sequence[NotJudged], labels: Mapping[str, str], page: Page
) -> list[str]:
    """What several runs say together, each finding with the runs it is about; nothing where there is none.

    labels: name of a run -> what the report calls it.
    """
    if not findings:
        return []
    lines: list[str] = []
    for finding in findings:
        if page.detail is not Detail.FULL:
            lines += glance.across(finding, page)
            continue
        lines += ["", *full.title(finding, count(len(finding.runs), "run"), page)]
        lines += item("runs:", listed([labels.get(name, one_line(name)) for name in finding.runs]), page)
        lines += item("measured:", one_line(finding.summary), page)
        lines += item("means:", one_line(finding.meaning), page)
        lines += full.best(finding, page)
        lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    missing = reasons(not_judged)
    if missing and page.detail is Detail.FULL:
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
        lined = _table(short, page) if page.detail is Detail.FULL else _lines(short, page)
        table = ["", *lined, *_left_out(report, len(runs), page)]
        return [*textwrap.wrap(f"{amount}{where}: {counts}", page.width), *table]
    lines = textwrap.wrap(f"{amount}: {counts}", page.width)
    for diagnosis, label in runs:
        if page.detail is not Detail.FULL:
            lines += wrapped(f"{label}: {summary(diagnosis)}", page)
            continue
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


def _lines(runs: Sequence[tuple[Diagnosis, str]], page: Page) -> list[str]:
    """A line for each run: its name, as short as tells it from the others, and what a practitioner would say of it."""
    names = distinct([label for _, label in runs], page.width // 3)
    said = max(map(len, names)) + 2  # the column where it begins
    lines = []
    for (diagnosis, _), name in zip(runs, names, strict=True):
        line, *_ = cut(f"{name:{said}}{in_a_line(diagnosis)}", page)
        lines.append(line[:said] + page.paint(line[said:], verdict_word(diagnosis)))
    return lines


def _rule_off(page: Page) -> str:
    return page.paint("-" * page.width, "faint") if page.picture else ""
