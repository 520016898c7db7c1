"""The report as GitHub-flavoured Markdown, for pull requests and notebooks: a table of verdicts, then the details.

What comes from a log stays text: names stand in code spans, and in sentences every mark that Markdown, HTML or a
mention could be made of is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from diagnose.report import Report
from diagnose.reports.context import Context
from diagnose.reports.phrases import (
    advice,
    amount,
    by_severity,
    cause_in_words,
    cause_label,
    causes_told,
    confidence,
    is_brief,
    labelled,
    reasons,
    stage,
    statistic,
    totals,
    verdict,
    when,
)
from diagnose.reports.words import count, number, one_line, place, span
from diagnose.rule import Diagnosis, Finding

_MARKS = re.compile(r"[\\`*{}\[\]<>#|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What begins something in a sentence; an underscore between letters or digits begins nothing."""

_LINKS = re.compile(r"@|#|:(?=//)|(?<=\bwww)(?=\.)")
"""Where GitHub makes a mention, an issue or an address of plain text: a character of no width goes behind it."""

_NO_WIDTH = "&#8203;"
_TICKS = re.compile("`+")


def render(report: Report, context: Context) -> str:
    """The document, worst run first."""
    runs = labelled(report.worst_first)
    blocks = [f"## diagnose: {totals(report.diagnoses)}"]
    if runs:
        blocks.append("\n".join(_table(runs)))
    if report.errors:
        listed = "\n".join(f"- {_code(place(source))}: {_text(message)}" for source, message in report.errors)
        blocks.append(f"**Not read, or not judged**\n\n{listed}")
    for finding in report.across:
        named = ", ".join(map(_code, finding.runs))
        blocks += [f"### Across {count(len(finding.runs), 'run')}", f"Runs: {named}", *_finding(finding, "")]
    if report.across and report.across_not_judged:
        blocks.append(f"Not judged across the runs: {_text(reasons(report.across_not_judged))}")
    for diagnosis, label in runs:
        blocks += _run(diagnosis, label)
    return "\n\n".join(blocks) + "\n"


def _table(runs: Sequence[tuple[Diagnosis, str]]) -> Iterator[str]:
    yield "| run | verdict | milestone | points |"
    yield "|---|---|---|---:|"
    for diagnosis, label in runs:
        points = diagnosis.run.points
        yield f"| {_cell(_code(label))} | {_verdict(diagnosis)} | {_text(stage(diagnosis))} | {points} |"


def _verdict(diagnosis: Diagnosis) -> str:
    """The rules that found something by severity: `**error**: overfitting`; else the verdict's words."""
    grouped = by_severity(diagnosis.findings)
    return "; ".join(f"**{s}**: {', '.join(rules)}" for s, rules in grouped.items()) or verdict(diagnosis)


def _run(diagnosis: Diagnosis, label: str) -> Iterator[str]:
    """The details of a run: its findings, and folded what could not be judged; nothing where there is neither."""
    missing, notes = reasons(diagnosis.not_judged), diagnosis.run.notes
    if diagnosis.findings or not diagnosis.judged:
        yield f"### {_code(label)}"
        for finding in diagnosis.findings:
            yield from _finding(finding, f", {span(finding.steps, diagnosis.run.axis)}")
        if missing or notes:
            items = [f"- not judged: {_text(missing)}"] if missing else []
            items += [f"- note: {_text(note)}" for note in notes]
            yield "<details><summary>Not judged, and notes</summary>"
            yield "\n".join(items)
            yield "</details>"


def _finding(finding: Finding, where: str) -> Iterator[str]:
    """What was measured, what it means, what to try first; the evidence as a table."""
    cause = f", explained by {finding.explained_by}" if finding.explained_by else ""
    yield f"**{finding.severity.upper()} {finding.rule}**{where}, {confidence(finding)}{cause}"
    items = [f"- measured: {_text(finding.summary)}"]
    if not is_brief(finding):
        items.append(f"- means: {_text(finding.meaning)}")
        for told in causes_told(finding):
            items.append(f"- {cause_label(finding, told)}: {_text(cause_in_words(told))}")
    if not finding.explained_by:
        items += [f"- {when(fix)}: {_text(advice(fix))}" for fix in finding.recommendations[:1]]
    yield "\n".join(items)
    if finding.evidence and not is_brief(finding):
        rows = ["| statistic | value | threshold | unit |", "|---|---:|---:|---|"]
        for e in finding.evidence:
            limit = "" if e.threshold is None else number(e.threshold)
            rows.append(f"| {_text(statistic(e))} | {amount(e)} | {limit} | {_text(e.unit)} |")
        yield "\n".join(rows)


def _text(text: str) -> str:
    """The text on one line, every mark escaped, and no mention, no issue and no address made of it."""
    escaped = _MARKS.sub(r"\\\g<0>", one_line(text).replace("&", "&amp;"))
    return _LINKS.sub(rf"\g<0>{_NO_WIDTH}", escaped)


def _code(text: str) -> str:
    """The text as a code span, between more backticks than it holds in a row."""
    line = one_line(text)
    fence = "`" * (max((len(run) for run in _TICKS.findall(line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _cell(text: str) -> str:
    """The text in a cell of a table, which a bar would end."""
    return text.replace("|", "\\|")
