"""The report as one page for a browser: opens without a network, prints, and is read aloud.

One run in full; of several a table over runs that sorts, filters and opens each. Everything that the page needs is in
it; its one script only makes the pictures move and the table sort, and a policy in the page forbids any other script
and every request.
"""

from __future__ import annotations

from diagnose.report import Report
from diagnose.reports.context import Context
from diagnose.reports.html import audit, run
from diagnose.reports.html.frame import framed
from diagnose.reports.markup import tag
from diagnose.reports.phrases import labelled


def render(report: Report, context: Context) -> str:
    """The page as text, ending with a newline."""
    if len(report) == 1 and not report.errors:
        [(diagnosis, label)] = labelled(report.diagnoses, context.names)
        body = tag("main", run.article(diagnosis, label, links=context.links), id="content")
        return framed(label, body, ("chart.js",), context.version)
    body = tag("main", audit.content(report, context), id="content")
    return framed(audit.title(report.diagnoses), body, ("chart.js", "table.js"), context.version)
