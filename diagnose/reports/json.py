"""The report for other programs: one JSON document, which changes only with `SCHEMA_VERSION`.

Strict JSON: NaN and infinite numbers are `null`. The order of keys, runs, findings and evidence is stable.
"""

from __future__ import annotations

import json
import math
from typing import Any

from diagnose.names.kinds import unread
from diagnose.report import Report
from diagnose.reports.context import Context
from diagnose.rule import Diagnosis, Finding, NotJudged, verdict_word
from diagnose.trials import Tally

SCHEMA_VERSION = 1


def render(report: Report, context: Context) -> str:
    """The document as text of ASCII characters, ending with a newline."""
    return written(document(report, context))


def document(report: Report, context: Context) -> dict[str, Any]:
    """The document as plain dicts, lists, strings, numbers and None."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": tool(context),
        "runs": [_run(d) for d in report.diagnoses],
        "across": [{**_finding(f), "runs": [plain_text(name) for name in f.runs]} for f in report.across],
        "across_not_judged": [_missing(n) for n in report.across_not_judged],
        "errors": [{"source": plain_text(source), "message": plain_text(message)} for source, message in report.errors],
        **context.extra,
    }


def tool(context: Context) -> dict[str, str]:
    """What made the document."""
    return {"name": "diagnose", "version": context.version}


def written(content: dict[str, Any]) -> str:
    """A document as JSON of several lines."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def compact(value: float) -> float | int | None:
    """The value as a JSON number, a whole one without a fraction; None where it is not finite."""
    known = _number(value)
    return int(known) if known is not None and known.is_integer() else known


def _run(diagnosis: Diagnosis) -> dict[str, Any]:
    run = diagnosis.run
    return {
        "source": plain_text(run.source),
        "name": plain_text(run.name),
        "format": run.format,
        "axis": run.axis,
        "roles": {role: plain_text(column) for role, column in run.roles.items()},
        "points": run.points,
        "verdict": verdict_word(diagnosis),
        "run_kind": diagnosis.kind.name,
        "run_kind_reason": plain_text(diagnosis.kind.reason),
        "not_read": [plain_text(column) for column in unread(run)],
        "milestone": diagnosis.milestone,
        "milestone_reason": plain_text(diagnosis.milestone_reason),
        "findings": [_finding(f) for f in diagnosis.findings],
        "judged": list(diagnosis.judged),
        "not_judged": [_missing(n) for n in diagnosis.not_judged],
        "notes": [plain_text(note) for note in run.notes],
    }


def _missing(missing: NotJudged) -> dict[str, Any]:
    return {"rule": missing.rule, "reason": plain_text(missing.reason)}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": _number(finding.confidence),
        "confidence_measured": finding.measured,
        "summary": plain_text(finding.summary),
        "meaning": plain_text(finding.meaning),
        "explained_by": finding.explained_by or None,
        "cause": finding.cause or None,
        "causes": [
            {
                "id": cause.id,
                "title": plain_text(cause.title),
                "speaks_for": [plain_text(sign) for sign in cause.speaks_for],
                "against": [plain_text(sign) for sign in cause.against],
                "not_logged": [plain_text(sign) for sign in cause.not_logged],
            }
            for cause in finding.causes
        ],
        "series": [plain_text(name) for name in finding.series],
        "steps": [compact(step) for step in finding.steps],
        "marks": [compact(mark) for mark in finding.marks],
        "evidence": [
            {
                "statistic": plain_text(e.statistic),
                "value": _number(e.value),
                "threshold": None if e.threshold is None else _number(e.threshold),
                "unit": e.unit,
            }
            for e in finding.evidence
        ],
        "fixes": [
            {
                "id": fix.id,
                "title": plain_text(fix.title),
                "why": plain_text(fix.why),
                "source": plain_text(fix.source),
                "test": fix.test,
                **fared(fix.tally),
            }
            for fix in finding.recommendations
        ],
    }


def fared(tally: Tally) -> dict[str, Any]:
    """How a fix fared in trials; what is not known is null."""
    low, high = tally.interval if tally.trials else (math.nan, math.nan)
    return {
        "trials": tally.trials,
        "faults": tally.faults if tally.trials else 0,
        "resolved": tally.resolved,
        "resolved_interval": [_number(round(low, 4)), _number(round(high, 4))],
        "gain": _number(tally.gain),
        "gain_interval": [_number(tally.gain_low), _number(tally.gain_high)],
        "gain_metric": tally.metric or None,
        "cost": _number(tally.cost),
    }


def _number(value: float) -> float | None:
    """The value as a JSON number; None where it is not finite."""
    value = float(value)  # a NumPy scalar is no JSON number
    return value if math.isfinite(value) else None


def plain_text(text: str) -> str:
    """The text with the undecodable bytes of a file name as visible escapes: a lone surrogate is no strict JSON."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
