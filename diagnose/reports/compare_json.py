"""The comparison of runs for other programs: one JSON document, described by `diagnose schema comparison`.

A run goes by its letter; what differs in the configurations is a list with a value for each run, in their order.
"""

from __future__ import annotations

from typing import Any

from diagnose.names import differences
from diagnose.reports.comparison import LETTERS, Comparison, levels
from diagnose.reports.context import Context
from diagnose.reports.json import SCHEMA_VERSION, compact, plain_text, tool, written
from diagnose.rule import Diagnosis, verdict_word


def render(compared: Comparison, context: Context) -> str:
    """The document as text of ASCII characters, ending with a newline."""
    return written(document(compared, context))


def document(compared: Comparison, context: Context) -> dict[str, Any]:
    """The document as plain dicts, lists, strings, numbers, booleans and None."""
    runs = [d.run for d in compared.diagnoses]
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": tool(context),
        "axis": compared.axis,
        "note": plain_text(compared.note),
        "runs": [_run(letter, d) for letter, d in zip(LETTERS, compared.diagnoses, strict=False)],
        "config": {
            plain_text(name): [plain_text(value) if isinstance(value, str) else _number(value) for value in values]
            for name, values in differences.differing(runs).items()
        },
    }


def _run(letter: str, diagnosis: Diagnosis) -> dict[str, Any]:
    run = diagnosis.run
    return {
        "letter": letter,
        "source": plain_text(run.source),
        "name": plain_text(run.name),
        "axis": run.axis,
        "points": run.points,
        "verdict": verdict_word(diagnosis),
        "milestone": diagnosis.milestone,
        "findings": [
            {"rule": f.rule, "severity": f.severity.value, "confidence": compact(f.confidence)}
            for f in diagnosis.findings
        ],
        "curves": {
            role: {
                "best": compact(level.best),
                "best_step": compact(level.step),
                "last": compact(level.last),
                "ends_finite": level.ended,
            }
            for role, level in levels(run).items()
        },
    }


def _number(value: float | bool | None) -> float | bool | None:
    return value if value is None or isinstance(value, bool) else compact(value)
