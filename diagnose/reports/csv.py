"""The report as CSV for spreadsheets: a row per finding, and one for each run or source without any.

Columns: source, run, verdict, rule, severity, confidence, axis, first_step, last_step, summary, fix. The verdict is the
run's; `unreadable` stands for a source that could not be read, with the reason as its summary. A finding across runs
has `across` as its verdict and the runs as its source. A text that a spreadsheet would take for a formula begins with
an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from diagnose.report import Report
from diagnose.reports.context import Context
from diagnose.reports.words import number, one_line, place
from diagnose.rule import Diagnosis, Finding, verdict_word

COLUMNS = (
    "source",
    "run",
    "verdict",
    "rule",
    "severity",
    "confidence",
    "axis",
    "first_step",
    "last_step",
    "summary",
    "fix",
)

_FORMULA = ("=", "+", "-", "@")
"""First characters of a cell that a spreadsheet computes; control characters are escaped anyway."""


def render(report: Report, context: Context) -> str:
    """The rows under their header, lines ended by a line feed.

    What the runs together could not be judged of has no place in a table over findings.
    """
    reasons = dict(report.errors)
    out = io.StringIO()
    rows = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    rows.writeheader()
    for diagnosis in report.diagnoses:
        rows.writerows(_of_run(diagnosis, reasons.pop(diagnosis.run.source, "")))
    for finding in report.across:
        rows.writerow({"source": _text(" ".join(finding.runs)), "verdict": "across", **_finding(finding)})
    for source, message in reasons.items():
        rows.writerow({"source": _text(place(source)), "verdict": "unreadable", "summary": _text(message)})
    return out.getvalue()


def _of_run(diagnosis: Diagnosis, reason: str) -> Iterator[dict[str, str]]:
    """The rows of one run. reason: why it could not be judged at all; "" where it could."""
    run = diagnosis.run
    head = {
        "source": _text(place(run.source)),
        "run": _text(run.name),
        "verdict": verdict_word(diagnosis),
        "axis": run.axis,
    }
    for finding in diagnosis.findings:
        first, last = (number(step, 17) for step in finding.steps)
        yield head | _finding(finding) | {"first_step": first, "last_step": last}
    if not diagnosis.findings:
        yield head | {"summary": _text(reason)}


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": number(finding.confidence),
        "summary": _text(finding.summary),
        "fix": _text(finding.recommendations[0].title) if finding.recommendations else "",
    }


def _text(text: str) -> str:
    """The text on one line, and no formula."""
    line = one_line(text)
    return f"'{line}" if line.startswith(_FORMULA) else line
