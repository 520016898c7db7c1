"""The report as GitHub Actions annotations, worst first, since GitHub shows ten of each level and step only.

    ::error title=overfitting,file=runs/a.csv,line=32,endLine=61::val_loss was best at epoch 31 ...

A line without `::`, which is only printed, counts the verdicts. Source of the format: GitHub Docs, "Workflow commands
for GitHub Actions"; the escapes are those of actions/toolkit, `packages/core/src/command.ts`.
"""

from __future__ import annotations

from collections.abc import Iterator

from diagnose.report import Report
from diagnose.reports import places
from diagnose.reports.context import Context
from diagnose.reports.phrases import in_sentences, totals
from diagnose.reports.words import count, one_line, visible
from diagnose.rule import Diagnosis, Finding, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report, context: Context) -> str:
    """One annotation per source that could not be read or judged, and one per finding; then the count.

    What runs say together belongs to no file, and what they could not be judged of is no annotation.
    """
    lines = [
        _command("error", {"title": "not judged", **_file(source)}, one_line(message))
        for source, message in report.errors
    ]
    found = [(finding.severity, line) for diagnosis in report.diagnoses for finding, line in _findings(diagnosis)]
    found += [
        (f.severity, _command(_COMMANDS[f.severity], {"title": f"{f.rule}, {count(len(f.runs), 'run')}"}, _message(f)))
        for f in report.across
    ]
    lines += [line for _, line in sorted(found, key=lambda item: -item[0].rank)]
    unread = f"; {count(len(report.errors), 'source')} in error" if report.errors else ""
    return "".join(f"{line}\n" for line in (*lines, f"diagnose: {totals(report.diagnoses)}{unread}"))


def _findings(diagnosis: Diagnosis) -> Iterator[tuple[Finding, str]]:
    for finding in diagnosis.findings:
        where = _file(diagnosis.run.source)
        if (region := places.lines(diagnosis.run, finding)) is not None:
            where |= {"line": str(region[0]), "endLine": str(region[1])}
        yield finding, _command(_COMMANDS[finding.severity], {"title": finding.rule, **where}, _message(finding))


def _file(source: str) -> dict[str, str]:
    return {} if source == "-" else {"file": visible(places.relative(source))}


def _message(finding: Finding) -> str:
    """What was measured, what it means, and what to try first, on a line each."""
    return "\n".join(map(one_line, in_sentences(finding)))


def _command(name: str, properties: dict[str, str], message: str) -> str:
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {listed}::{_data(message)}"


def _data(text: str) -> str:
    """The text as the message of a command, in which a percent sign begins an escape."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The text as the value of a property, which a comma or a colon would end."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
