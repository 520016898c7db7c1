"""The report in a notebook: small, without a script, in the notebook's own font and colours."""

from __future__ import annotations

from collections.abc import Sequence

from diagnose.measure.downsample import glance
from diagnose.report import Report
from diagnose.reports import panels, svg
from diagnose.reports.context import Context
from diagnose.reports.html.parts import SIGNS
from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.phrases import FIXES_SHOWN, confidence, kind, labelled, outcome, stage, verdict, when
from diagnose.reports.summary import summary
from diagnose.reports.words import count, one_line, place, span
from diagnose.rule import Diagnosis, Finding, Severity, verdict_word

MOST_ROWS = 50
"""Runs in the table."""

MOST_OPENED = 10
"""Runs that can be opened below the table."""

SCOPE = "diagnose-report"

# The colours of the curves stand out from white and from black by 3 to 1; everything else is the notebook's own.
_STYLE = """
SCOPE { --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b0669a; --c4: #b07a00; --c5: #3d93c4; --c6: #808080;
  --c7: #8a6d3b; max-width: 56rem; line-height: 1.4; }
SCOPE table { border-collapse: collapse; margin: .5rem 0; } SCOPE th, SCOPE td { text-align: left; padding: .15rem .75rem .15rem 0; }
SCOPE p { margin: .25rem 0; } SCOPE .finding { border-left: 3px solid currentColor; padding-left: .75rem; margin: .75rem 0; }
SCOPE .error { border-color: #d5400b; } SCOPE .warning { border-color: #c98500; } SCOPE .note { border-color: #3d93c4; }
SCOPE small { opacity: .8; } SCOPE svg.curves { width: 100%; max-width: 40rem; display: block; }
SCOPE svg.spark { width: 6rem; height: 1.4rem; } SCOPE .spark path { fill: none; stroke: var(--c0); stroke-width: 1.5; }
SCOPE svg text { fill: currentColor; font-size: 12px; } SCOPE svg .curve { fill: none; stroke-width: 1.8; stroke-linecap: round; }
SCOPE .sign { width: 1.75rem; height: .5rem; margin-right: .35rem; } SCOPE td:nth-child(2) { white-space: nowrap; } SCOPE .key { margin-right: 1rem; }
SCOPE .grid { stroke: currentColor; opacity: .2; } SCOPE .frame { stroke: currentColor; } SCOPE .band { fill: currentColor; opacity: .08; }
SCOPE .lost { fill: #d5400b; opacity: .2; } SCOPE .mark { stroke: currentColor; stroke-dasharray: 2 3; }
SCOPE .ring { fill: none; stroke: currentColor; stroke-width: 1.5; } SCOPE .level { stroke: currentColor; stroke-dasharray: 4 3; }
"""  # noqa: E501


def render(report: Report, context: Context) -> str:
    """The report as a fragment of HTML: one run with its findings and curves, or a table over runs that opens them."""
    runs = labelled(report.worst_first)
    parts: list[Markup] = []
    if len(runs) == 1:
        parts.append(_run(*runs[0]))
    elif runs:
        parts += [_table(runs), *(_across(finding) for finding in report.across)]
        opened = [(d, label) for d, label in runs if d.findings][:MOST_OPENED]
        parts += [tag("details", tag("summary", f"{label}: {verdict(d)}"), _run(d, label)) for d, label in opened]
    parts += [tag("p", tag("b", place(source)), f": {one_line(message)}") for source, message in report.errors]
    curves = svg.STYLE.replace("}.", "} SCOPE .")
    style = f"{_STYLE}SCOPE {curves}".replace("SCOPE", f".{SCOPE}")
    return tag("div", Markup(f"<style>{style}</style>"), *parts, class_=SCOPE)


def _sign(word: str) -> Markup:
    return join(tag("span", SIGNS[word], aria_hidden="true"), f" {word.replace('-', ' ')}")


def _table(runs: Sequence[tuple[Diagnosis, str]]) -> Markup:
    """The runs, worst first."""
    head = tag("tr", *(tag("th", name, scope="col") for name in ("run", "verdict", "findings", "curve", "milestone")))
    rows = []
    for diagnosis, label in runs[:MOST_ROWS]:
        column = glance(diagnosis.run)
        rows.append(
            tag(
                "tr",
                tag("th", label, scope="row"),
                tag("td", _sign(verdict_word(diagnosis))),
                tag("td", ", ".join(f.rule for f in diagnosis.findings)),
                tag("td", svg.sparkline(diagnosis.run.series[column]) if column else ""),
                tag("td", stage(diagnosis)),
            )
        )
    left = len(runs) - MOST_ROWS
    more = tag("p", f"{count(left, 'run')} more; Report.to_frame() has the findings of all") if left > 0 else ""
    return join(tag("table", tag("thead", head), tag("tbody", *rows)), more)


def _across(finding: Finding) -> Markup:
    title = tag("b", _sign(finding.severity.value), " ", finding.rule)
    return tag("div", tag("p", title, f", {count(len(finding.runs), 'run')}"), tag("p", one_line(finding.summary)),
               class_=f"finding {finding.severity.value}")  # fmt: skip


def _run(diagnosis: Diagnosis, label: str) -> Markup:
    """Verdict, milestone, and the findings; the curves of those that nothing explains."""
    reason = f"; {one_line(diagnosis.milestone_reason)}" if diagnosis.milestone_reason else ""
    word = verdict_word(diagnosis)
    head = tag("p", tag("b", label), ": ", tag("span", SIGNS[word], aria_hidden="true"), f" {verdict(diagnosis)}")
    return join(
        head,
        tag("p", one_line(summary(diagnosis))) if diagnosis.findings else "",
        tag("p", tag("small", f"kind: {kind(diagnosis)}")),
        tag("p", tag("small", f"milestone: {stage(diagnosis)}{reason}")),
        *(_finding(finding, diagnosis) for finding in diagnosis.findings),
    )


def _finding(finding: Finding, diagnosis: Diagnosis) -> Markup:
    run = diagnosis.run
    where = f"{span(finding.steps, run.axis)}, {confidence(finding)}"
    because = f", explained by {finding.explained_by}" if finding.explained_by else ""
    parts = [
        tag("p", tag("b", _sign(finding.severity.value), " ", finding.rule), f", {where}{because}"),
        tag("p", one_line(finding.summary)),
    ]
    if not finding.explained_by:
        brief = finding.severity is Severity.NOTE
        if not brief:
            parts.append(tag("p", one_line(finding.meaning)))
        for rank, fix in enumerate(finding.recommendations[: 1 if brief else FIXES_SHOWN]):
            advice = f": {one_line(fix.title).rstrip('.')}. "
            fared = "" if fix.test else tag("small", outcome(fix.tally, brief=rank > 0))
            parts.append(tag("p", tag("b", when(fix, rank).capitalize()), advice, fared))
        shown = panels.of_finding(finding, run)
        if shown and not brief:
            parts += [svg.legend(shown), svg.picture(shown, run.axis, f"{finding.rule}, {where}")]
    return tag("div", *parts, class_=f"finding {finding.severity.value}")
