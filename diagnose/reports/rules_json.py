"""The rules, and the manual page of one, for other programs: JSON that `diagnose schema rules` describes."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from diagnose import trials
from diagnose.reports.context import Context
from diagnose.reports.json import SCHEMA_VERSION, compact, fared, tool
from diagnose.reports.manual import Manual, Need, needed, remarks
from diagnose.rule import Rule
from diagnose.trials import Trials

_HEADING = re.compile(r"^(\S[^\n]*)\n(?=    )", re.MULTILINE)
"""A line of the manual page above an indented block."""


def table(rules: Sequence[tuple[Rule, Sequence[Need]]], context: Context) -> dict[str, Any]:
    """What there is to find: each rule in short."""
    listed = [_in_short(rule, needs) for rule, needs in rules]
    return {"schema_version": SCHEMA_VERSION, "tool": tool(context), "rules": listed}


def manual(found: Manual, context: Context) -> dict[str, Any]:
    """The manual page of a rule."""
    rule, needs, thresholds, fixes, tried = found
    known, said = rule.calibration, remarks(rule.check)
    page = {
        **_in_short(rule, needs),
        "manual": _sections(rule.doc),
        "not_for": dict(rule.not_for),
        "thresholds": [
            {"name": name, "default": default, "remark": said.get(name, "")} for name, default in thresholds.items()
        ],
        "causes": [{"id": cause.id, "title": cause.title, "fixes": list(cause.fixes)} for cause in rule.causes],
        "fixes": [{"id": fix.id, "title": fix.title, "why": fix.why, "source": fix.source} for fix in fixes],
        "confidence": None
        if known is None
        else {"labelled": compact(known.labelled), "right": compact(known.right), "measured": known.measured},
        "trials": _trials(rule, tried),
    }
    return {"schema_version": SCHEMA_VERSION, "tool": tool(context), "rule": page}


def _in_short(rule: Rule, needs: Sequence[Need]) -> dict[str, Any]:
    asked = needed(needs)
    return {
        "id": rule.id,
        "group": rule.group,
        "finds": rule.title,
        "needs": [need.name for need in asked if not need.optional],
        "optional": [need.name for need in asked if need.optional],
        "min_points": rule.min_points,
    }


def _sections(doc: str) -> dict[str, str]:
    """The page by its headings; what stands before the first is the rule's title."""
    _, *parts = _HEADING.split(inspect.cleandoc(doc))
    return {name: textwrap.dedent(text).strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def _trials(rule: Rule, tried: Sequence[Trials]) -> list[dict[str, Any]]:
    """How each fix fared after each cause, on all tasks together."""
    return [
        {"cause": cause or None, "fix": fix, **fared(trials.pool([row for row in rows if row.fix == fix]))}
        for cause, rows in trials.published(tried, rule.id).items()
        for fix in dict.fromkeys(row.fix for row in rows)
    ]
