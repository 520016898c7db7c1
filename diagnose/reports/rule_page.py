"""The page of a rule in the manual, in Markdown: its docstring, thresholds, trials, and how often it is right.

The terminal has the same in `diagnose.reports.manual`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from diagnose import rates, trials
from diagnose.reports import manual
from diagnose.reports.manual import Manual
from diagnose.reports.rule_cases import Shown, blocks, escaped
from diagnose.reports.words import number
from diagnose.rule import GROUPS, Fix, Rule
from diagnose.trials import Trials

_ITEM = re.compile(r"(\S.*?)\s{2,}(\S.*)")
_SECTION = re.compile(r"^(?=\S)", re.MULTILINE)


def rule_page(found: Manual, cases: Sequence[Shown]) -> str:
    """The page in Markdown. cases: those to show."""
    rule, needs, thresholds, fixes, tried = found
    first, *sections = _SECTION.split(inspect.cleandoc(rule.doc))[1:]
    least = f"; at least {rule.min_points} points" if rule.min_points else ""
    parts = [
        f"# {rule.id}\n\n{rule.title[:1].upper()}{rule.title[1:]}.",
        f"`diagnose explain {rule.id}` prints this page; `--select {rule.id}` asks for this rule alone. Group: "
        f"{rule.group}, {GROUPS[rule.group]}. Needs {_code(manual.needs_in_words(needs))}{least}.",
        *(block for case in cases for block in blocks(case)),
        *(_section(section) for section in sections),
        _thresholds(rule, thresholds),
        _causes(rule),
        _fixes(rule, fixes),
        f"## How sure\n\n{manual.confidence_in_words(rule)}",
        _rates(rule),
        _trials(rule, tried),
    ]
    rest = first.split("\n", 1)[1].strip() if "\n" in first.strip() else ""
    return "\n\n".join(part for part in (parts[0], rest, *parts[1:]) if part) + "\n"


def _code(words: str) -> str:
    """The names of columns among the words as code."""
    return re.sub(r"[a-z]+(?:_[a-z0-9]+)+|--[a-z]+", lambda m: f"`{m[0]}`", words)


def _section(section: str) -> str:
    """A section of the docstring: prose, or a table where it stands as `name  what it is` with lines that go on."""
    title, _, body = section.partition("\n")
    parts = []
    for block in inspect.cleandoc(f"\n{body}").strip().split("\n\n"):
        items = [_ITEM.fullmatch(item) for item in re.sub(r"\n +", " ", block).splitlines()]
        if all(items):
            rows = "".join(f"| {escaped(item[1])} | {escaped(item[2])} |\n" for item in items if item)
            parts.append(f"| name | what it is |\n|---|---|\n{rows}")
        else:
            parts.append(escaped(re.sub(r"(?m)^(?=\[\d)", "- ", block)) if title == "References" else escaped(block))
    return "\n\n".join([f"## {title.strip()}", *parts])


def _thresholds(rule: Rule, thresholds: Mapping[str, Any]) -> str:
    if not thresholds:
        return ""
    said = manual.remarks(rule.check)
    rows = "".join(
        f"| `{name}` | `{str(default).replace('|', ' ')}` | {escaped(said.get(name, ''))} |\n"
        for name, default in thresholds.items()
    )
    return (
        f"## Thresholds\n\nSet them in `[tool.diagnose.rules.{rule.id}]`.\n\n"
        f"| threshold | default | unit and origin |\n|---|---|---|\n{rows}"
    )


def _causes(rule: Rule) -> str:
    if not rule.causes:
        return ""
    rows = "".join(
        f"| {escaped(suspect.title)} | {', '.join(f'`{fix}`' for fix in suspect.fixes)} |\n" for suspect in rule.causes
    )
    return f"## Causes\n\n| cause | what undoes it |\n|---|---|\n{rows}"


def _fixes(rule: Rule, fixes: Sequence[Fix]) -> str:
    if not fixes:
        return ""
    where = "Where no cause leads:" if rule.causes else "In this order:"
    rows = "\n".join(
        f"{rank}. **{escaped(fix.title.rstrip('.'))}** (`{fix.id}`): {escaped(fix.why.rstrip('.'))}. "
        f"*{escaped(fix.source)}*"
        for rank, fix in enumerate(fixes, 1)
    )
    return f"## What to try\n\n{where}\n\n{rows}"


def _rates(rule: Rule) -> str:
    """How often it spoke of synthetic runs that should make it, and of those that should not."""
    rows = "".join(
        f"| {100 * row.noise:g} % | {_percent(row.hits)} | {_percent(row.false_alarms)} |\n"
        for row in rates.of_rule(rule.check)
    )
    if not rows:
        return ""
    seeds = rates.of_rule(rule.check)[0].seeds
    return (
        f"On synthetic runs with noise, {seeds} of each case (`python tests/benchmarks/seeded_rates.py`):\n\n"
        f"| noise | found, of runs that have it | found, of runs that have not |\n|---|---|---|\n{rows}"
    )


def _percent(share: float) -> str:
    return "no such case" if math.isnan(share) else f"{number(100.0 * share, 3)} %"


def _trials(rule: Rule, tried: Sequence[Trials]) -> str:
    published = trials.published(tried, rule.id)
    if not published:
        return "## Trials\n\nNone of these fixes was tried on the reference trainer."
    dated = max(chain(*published.values()), key=lambda row: row.date)
    parts = [f"## Trials\n\n{manual.RESOLVED} Tried until {dated.date} with {dated.versions}."]
    for cause, rows in published.items():
        named = ", ".join(f"`{fault}`" for fault in dict.fromkeys(row.fault for row in rows))
        table = "| fix | resolved | gain | cost |\n|---|---|---|---|\n"
        for name in trials.order(tried, rule.id, cause, list(dict.fromkeys(row.fix for row in rows))):
            cells = manual.fared(trials.pool([row for row in rows if row.fix == name]))
            table += f"| `{name}` | {' | '.join(cells)} |\n"
        parts.append(f"{f'Cause `{cause}`, ' if cause else ''}after the fault {named}:\n\n{table}")
    return "\n\n".join(parts)
