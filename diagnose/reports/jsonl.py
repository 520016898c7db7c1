"""The report as JSON Lines: a line per run, then what the runs say together, then what could not be read or judged.

Each line is an object of its own with `schema_version` and `kind`; its other keys are those of the JSON document:

    {"schema_version": 1, "kind": "run", "source": "run.csv", "findings": [...], ...}
    {"schema_version": 1, "kind": "across", "rule": "outlier-run", "runs": [...], ...}
    {"schema_version": 1, "kind": "across_not_judged", "rule": "grid-search", "reason": "..."}
    {"schema_version": 1, "kind": "error", "source": "notes.txt", "message": "..."}
"""

from __future__ import annotations

import json

from diagnose.report import Report
from diagnose.reports.context import Context
from diagnose.reports.json import SCHEMA_VERSION, document

_KINDS = {"runs": "run", "across": "across", "across_not_judged": "across_not_judged", "errors": "error"}


def render(report: Report, context: Context) -> str:
    """The lines as text of ASCII characters."""
    content = document(report, context)
    kinds = ((kind, item) for key, kind in _KINDS.items() for item in content[key])
    lines = ({"schema_version": SCHEMA_VERSION, "kind": kind, **item} for kind, item in kinds)
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
