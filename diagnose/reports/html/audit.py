"""Many runs on a page: the totals, what they say together, and a table of which each row opens its run in full.

The runs in full are packed (zlib, base64) in chunks, which a script unpacks when a row is opened; the table is plain.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence

from diagnose.measure.downsample import glance
from diagnose.report import Report
from diagnose.reports.context import Context
from diagnose.reports.html import run
from diagnose.reports.html.parts import chip, evidence, fixes, fold, missing, table
from diagnose.reports.markup import Markup, data, join, path, tag
from diagnose.reports.phrases import (
    WORST_FIRST,
    by_rule,
    by_severity,
    by_verdict,
    confidence,
    labelled,
    shared_folder,
    stage,
)
from diagnose.reports.svg import sparkline
from diagnose.reports.words import count, one_line, place
from diagnose.rule import RANK, Diagnosis, Finding, NotJudged, verdict_word

CHUNK = 16
"""Runs that are packed together."""

LISTED = 24
"""Runs named at a finding about several."""

COLUMNS = ("run", "verdict", "findings", "curve", "milestone", "points")


def title(diagnoses: Sequence[Diagnosis]) -> str:
    """What the page is about."""
    folder = shared_folder([place(d.run.source) for d in diagnoses]) if diagnoses else ""
    return f"{count(len(diagnoses), 'run')}{f' in {folder}' if folder else ''}"


def content(report: Report, context: Context) -> Markup:
    """Everything within `main`."""
    runs = labelled(report.worst_first, context.names)
    rows = {diagnosis.run.name: index for index, (diagnosis, _) in enumerate(runs)}
    parts = [
        tag(
            "header",
            tag("h1", title(report.diagnoses), class_="source"),
            _totals(report),
            *(tag("p", one_line(sentence)) for sentence in context.preface),
        ),
        _across(report.across, report.across_not_judged, rows),
        _rules(report),
        _errors(report.errors),
        _table(runs, context.links) if runs else Markup(""),
    ]
    return join(*filter(None, parts), between=Markup("\n"))


def _totals(report: Report) -> Markup:
    """How many runs have which verdict; each is a button that filters the table."""
    shown = [
        tag("li", tag("button", chip(word, f"{amount} {word.replace('-', ' ')}"), type="button", class_="total",
                      data_verdict=word, aria_pressed="false"))
        for word, amount in by_verdict(map(verdict_word, report)).items()
    ]  # fmt: skip
    if report.errors:
        shown.append(tag("li", tag("a", f"{len(report.errors)} not read", href="#errors")))
    return tag("ul", *shown, class_="totals", aria_label="Runs by verdict")


def _across(findings: Sequence[Finding], not_judged: Sequence[NotJudged], rows: Mapping[str, int]) -> Markup:
    """What the runs say together."""
    if not findings and not not_judged:
        return Markup("")
    parts = []
    for finding in findings:
        names = [
            tag("a", one_line(name), href=f"#run-{rows[name]}") if name in rows else one_line(name)
            for name in finding.runs[:LISTED]
        ]
        more = len(finding.runs) - LISTED
        about = join(join(*names, between=", "), f" and {more} more" if more > 0 else "")
        parts.append(
            tag(
                "section",
                tag("h3", chip(finding.severity.value), " ", finding.rule, " ",
                    tag("small", f"{count(len(finding.runs), 'run')}, {confidence(finding)}")),
                tag("p", tag("b", "Measured: "), one_line(finding.summary)),
                tag("p", tag("b", "Means: "), one_line(finding.meaning)),
                tag("p", tag("b", "Runs: "), about),
                evidence(finding),
                fixes(finding),
                class_=f"finding {finding.severity.value}",
            )
        )  # fmt: skip
    if not_judged:
        parts.append(fold("Not judged over several runs", missing(not_judged)))
    return tag("section", tag("h2", "What the runs say together") if findings else "", *parts)


def _rules(report: Report) -> Markup:
    """Findings by rule, the worst and most frequent first; each is a button that filters the table."""
    tally = by_rule(report.findings)
    if not tally:
        return Markup("")
    rows = [
        (
            tag("button", rule, type="button", class_="by-rule", data_rule=rule, aria_pressed="false"),
            *(str(counts[severity] or "") for severity in WORST_FIRST),
        )
        for rule, counts in tally.items()
    ]
    totals = ("all findings", *(str(sum(counts[s] for counts in tally.values())) for s in WORST_FIRST))
    head = ("rule", *(f"{severity}s" for severity in WORST_FIRST))
    counted = table(head, [*rows, totals], "Findings by rule and severity", class_="numbers tally")
    return tag("section", tag("h2", "Findings by rule"), counted)


def _errors(errors: Sequence[tuple[str, str]]) -> Markup:
    if not errors:
        return Markup("")
    rows = [(place(source), one_line(message)) for source, message in errors]
    shown = table(("source", "why"), rows, "What could not be read or judged")
    return tag("section", tag("h2", "Not read, or not judged"), shown, id="errors")


def _table(runs: Sequence[tuple[Diagnosis, str]], links: Mapping[str, str]) -> Markup:
    """The table over runs, its controls, and the packed runs."""
    folder = shared_folder([place(d.run.source) for d, _ in runs])
    head = tag("tr", *(
        tag("th", name if name == "curve" else tag("button", name, type="button", class_="sort"), scope="col")
        for name in COLUMNS
    ))  # fmt: skip
    rows = [_row(index, d, label.removeprefix(folder)) for index, (d, label) in enumerate(runs)]
    controls = tag(
        "div",
        tag("label", "Search ", tag("input", type="search", id="search", autocomplete="off",
                                    placeholder="name, rule, milestone")),
        tag("button", "Show all", type="button", id="clear"),
        tag("p", count(len(runs), "run"), id="shown", role="status"),
        class_="controls",
    )  # fmt: skip
    grid = tag(
        "table", tag("caption", "Runs, worst first; a name opens its run", class_="unseen"), tag("thead", head),
        tag("tbody", *rows), id="runs", data_chunk=CHUNK,
    )  # fmt: skip
    return tag(
        "section",
        tag("h2", "Runs"),
        controls,
        tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label="Table over runs"),
        tag("noscript", tag("p", "The runs in full open with JavaScript; diagnose a single log for a page without.")),
        *_packed(runs, links),
    )


def _row(index: int, diagnosis: Diagnosis, label: str) -> Markup:
    word = verdict_word(diagnosis)
    grouped = by_severity(diagnosis.findings)
    found = [join(tag("b", f"{severity}:"), " ", ", ".join(rules)) for severity, rules in grouped.items()]
    column = glance(diagnosis.run)
    curve = sparkline(diagnosis.run.series[column]) if column else ""
    return tag(
        "tr",
        tag("th", tag("button", path(label), type="button", class_="open", aria_expanded="false"), scope="row"),
        tag("td", chip(word), data_sort=RANK[word]),
        tag("td", join(*found, between="; ")),
        tag("td", curve),
        tag("td", stage(diagnosis)),
        tag("td", str(diagnosis.run.points)),
        id=f"run-{index}",
        data_verdict=word,
        data_rules=" ".join(f.rule for f in diagnosis.findings),
    )


def _packed(runs: Sequence[tuple[Diagnosis, str]], links: Mapping[str, str]) -> list[Markup]:
    """The runs in full, in chunks."""
    chunks = []
    for start in range(0, len(runs), CHUNK):
        articles = [
            run.article(d, label, level=3, share=len(runs), still=False, links=links)
            for d, label in runs[start : start + CHUNK]
        ]
        packed = zlib.compress(json.dumps(articles).encode("ascii"), 9)
        chunks.append(data(base64.b64encode(packed).decode("ascii"), "packed"))
    return chunks
