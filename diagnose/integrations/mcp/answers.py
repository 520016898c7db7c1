"""What the tools say, as JSON within a number of tokens, with what was left out and where it is.

As in `diagnose.reports.brief`, what comes from a file is text on one line within a string, cut to a length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diagnose.curves import Run, Series
from diagnose.measure import downsample
from diagnose.reports.brief import AUDIT, COLUMN, FEW, MARGIN, NAME, RUN, SENTENCE, Ways, path_in_command, written
from diagnose.reports.budget import cut, fitting, tokens
from diagnose.rule import Action, Change, Diagnosis, Finding, Recommendation

CURVE = 64
"""Points of a curve at most."""

DIGITS = 5
"""Significant digits of a number."""

FIXES = 3
"""Fixes of a finding."""

WAYS = Ways(
    "diagnose_run(path={path}, rules=[{rules}])",
    "suggest_fix(path={path}), explain_rule(rule), or in a shell: diagnose {path} --format json",
    "diagnose_run for one of them, or in a shell: diagnose PATHS --format jsonl",
)
"""How an agent sees more than `diagnose_run` and `audit_project` say."""


def fitted(content: Mapping[str, Any], name: str, items: Sequence[Any], see: str, most: int = RUN) -> str:
    """The content with as many of the items as fit, under their name, and how many do not."""
    said = written({**content, name: list(items)})
    if tokens(said) <= most:
        return said
    room = most - MARGIN - tokens(written({**content, name: [], "left_out": [{"what": name, "see": see}]}))
    kept = fitting([written(item) for item in items], room)
    left_out = [{"what": f"{len(items) - kept} of {len(items)} {name}", "see": see}]
    return written({**content, name: list(items[:kept]), "left_out": left_out})


def logs(folder: str, found: Sequence[Mapping[str, Any]]) -> str:
    """The logs below a folder, the newest first."""
    content = {"folder": cut(folder, NAME, end=True), "logs_in_all": len(found)}
    return fitted(content, "logs", found, "find_logs of a folder further down", AUDIT)


def rule(page: Mapping[str, Any]) -> str:
    """The manual page of a rule, as `diagnose.reports.rules_json` has it."""
    sections = {name: cut(text, 2 * SENTENCE) for name, text in page["manual"].items() if name != "References"}
    thresholds = {each["name"]: each["default"] for each in page["thresholds"]}
    causes = [{"cause": each["id"], "is": each["title"], "fixes": each["fixes"][:FIXES]} for each in page["causes"]]
    content = {
        **{name: page[name] for name in ("id", "group", "finds", "needs", "optional", "min_points")},
        "manual": sections,
        "thresholds": dict(list(thresholds.items())[:COLUMN]),
        "causes": causes[:FEW],
    }
    fixes = [{"fix": each["id"], "do": each["title"], "why": each["why"]} for each in page["fixes"]]
    return fitted(content, "fixes", fixes, f"in a shell: diagnose explain {page['id']} --format json")


def comparison(document: Mapping[str, Any]) -> str:
    """Runs beside each other, as `diagnose.reports.compare_json` has them; then what differs in their configurations.

    A curve is given as its best value, the step of that, and its last value.
    """
    settings = [
        {"setting": cut(name, COLUMN), "values": [cut(v, COLUMN) if isinstance(v, str) else short(v) for v in values]}
        for name, values in document["config"].items()
    ]
    content = {
        "axis": document["axis"],
        "note": cut(document["note"], SENTENCE),
        "curves_are": "best value, step of the best value, last value",
        "values_are": "one for each run, A first",
    }
    see = "compare_runs of fewer runs, or in a shell: diagnose compare PATHS --format json"
    return fitted(content, "rows", [*map(_compared, document["runs"]), *settings], see)


def _compared(run: Mapping[str, Any]) -> dict[str, Any]:
    """One run of a comparison."""
    problems = [f["rule"] for f in run["findings"] if f["severity"] != "note"]
    return {
        "run": run["letter"],
        "source": cut(run["source"], NAME, end=True),
        "name": cut(run["name"], COLUMN, end=True),
        "verdict": run["verdict"],
        "problems": problems[:FEW],
        "curves": {
            role: [short(level[key]) for key in ("best", "best_step", "last")] for role, level in run["curves"].items()
        },
    }


def curve(run: Run, role: str, series: Series, most: int) -> str:
    """A curve with at most so many points, both ends and the extremes among them; null where a value is not finite."""
    points = most
    while len(thin := downsample.extremes(series, points)) > most:
        points -= 2
    content = {
        "source": cut(run.source, NAME, end=True),
        "role": role,
        "column": cut(series.name, COLUMN),
        "axis": run.axis,
        "points_in_all": len(series),
        "not_finite": int((~np.isfinite(series.values)).sum()),
    }
    values = [[short(step), short(value)] for step, value in zip(thin.steps, thin.values, strict=True)]
    return written({**content, "points": values})


def advice(diagnosis: Diagnosis, rules: Sequence[str]) -> str:
    """The first fixes of each finding that another one does not explain, in numbers of the run where it has them.

    rules: the findings to speak of; none for all.
    """
    run = diagnosis.run
    named = [f for f in diagnosis.findings if f.rule in rules] if rules else diagnosis.findings
    path = path_in_command(run.source)
    content = {"source": cut(run.source, NAME, end=True), "config_known": bool(run.config)}
    items = [_advised(f) for f in named if rules or not f.explained_by]
    return fitted(content, "findings", items, f"suggest_fix(path={path}, rules=[...])")


def _advised(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        **({"cause": finding.cause} if finding.cause else {}),
        "fixes": [_fix(fix) for fix in finding.recommendations[:FIXES]],
    }


def _fix(fix: Recommendation) -> dict[str, Any]:
    """What to do in words and as data, and in how many trials on the reference trainer it resolved such a finding."""
    tally = fix.tally
    told: dict[str, Any] = {"fix": fix.id, "do": cut(fix.title, SENTENCE), "why": cut(fix.why, SENTENCE)}
    if fix.changes:
        told["changes"] = [_change(change) for change in fix.changes]
    if fix.test:
        told["is_test"] = True
    return {**told, "resolved": f"{tally.resolved} of {tally.trials} trials"} if tally.trials else told


def _change(change: Change | Action) -> dict[str, Any]:
    if isinstance(change, Change):
        return {"set": change.name, "from": _value(change.old), "to": _value(change.new)}
    arguments = {
        name: [short(v) for v in value[:FEW]] if isinstance(value, tuple) else _value(value)
        for name, value in change.arguments
    }
    return {"do": change.id, **arguments}


def _value(value: Any) -> Any:
    return cut(value, COLUMN) if isinstance(value, str) else short(value)


def short(value: Any) -> Any:
    """A number with few digits, null where it is not finite; anything else as it is."""
    if value is None or isinstance(value, bool | str):
        return value
    if not math.isfinite(value):
        return None
    few = float(f"{float(value):.{DIGITS}g}")
    return int(few) if few.is_integer() and abs(few) < 1e15 else few
