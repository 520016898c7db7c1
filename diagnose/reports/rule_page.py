"""The page of a rule in the manual, in Markdown: its docstring, thresholds, trials, and how often it is right.

The terminal has the same in `diagnose.reports.manual`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from diagnose import trials
from diagnose.reports import manual
from diagnose.reports.manual import Need
from diagnose.rule import GROUPS, Fix, Rule
from diagnose.trials import Trials

_SECTION = re.compile(r"^(?=\S)", re.MULTILINE)


def rule_page(
    rule: Rule,
    needs: Sequence[Need],
    thresholds: Mapping[str, Any],
    fixes: Sequence[Fix],
    tried: Sequence[Trials],
    pictures: Mapping[str, str],
) -> str:
    """The page in Markdown. pictures: caption -> file beside the page; the others are as in `manual.manual`."""
    first, *sections = _SECTION.split(inspect.cleandoc(rule.doc))[1:]
    parts = [
        f"# {rule.id}\n\n{rule.title[:1].upper()}{rule.title[1:]}.",
        f"`diagnose explain {rule.id}` prints this page; `--select {rule.id}` asks for this rule alone. Group: "
        f"{rule.group}, {GROUPS[rule.group]}. Needs {_code(manual.needs_in_words(needs))}; at least {rule.min_points} "
        "points.",
        _figures(pictures),
        *(_section(section) for section in sections),
        _thresholds(rule, thresholds),
        _causes(rule),
        _fixes(rule, fixes),
        f"## How sure\n\n{manual.confidence_in_words(rule)}",
        _trials(rule, tried),
    ]
    rest = first.split("\n", 1)[1].strip() if "\n" in first.strip() else ""
    return "\n\n".join(part for part in (parts[0], rest, *parts[1:]) if part) + "\n"


def _code(words: str) -> str:
    """The names of columns among the words as code."""
    return re.sub(r"[a-z]+(?:_[a-z0-9]+)+|--[a-z]+", lambda m: f"`{m[0]}`", words)


def _figures(pictures: Mapping[str, str]) -> str:
    return "\n\n".join(f"![{caption}]({file})\n\n*{caption}*" for caption, file in pictures.items())


def _section(section: str) -> str:
    """A section of the docstring: prose as it is, a table of names and what they are as it stands there."""
    title, _, body = section.partition("\n")
    text = inspect.cleandoc(f"\n{body}").strip()
    tabular = any(re.match(r"\S.*?\s{2,}\S", line) for line in text.splitlines())
    return f"## {title.strip()}\n\n" + (f"```text\n{text}\n```" if tabular else _escaped(text))


def _escaped(text: str) -> str:
    """Prose of a docstring, whose references in brackets are no links and whose stars are no emphasis."""
    return text.replace("[", "\\[").replace("*", "\\*").replace("<", "&lt;").replace("|", "\\|")


def _thresholds(rule: Rule, thresholds: Mapping[str, Any]) -> str:
    if not thresholds:
        return ""
    said = manual.remarks(rule.check)
    rows = "".join(
        f"| `{name}` | `{str(default).replace('|', ' ')}` | {_escaped(said.get(name, ''))} |\n"
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
        f"| {_escaped(suspect.title)} | {', '.join(f'`{fix}`' for fix in suspect.fixes)} |\n" for suspect in rule.causes
    )
    return f"## Causes\n\n| cause | what undoes it |\n|---|---|\n{rows}"


def _fixes(rule: Rule, fixes: Sequence[Fix]) -> str:
    if not fixes:
        return ""
    where = "Where no cause leads:" if rule.causes else "In this order:"
    rows = "\n".join(
        f"{rank}. **{_escaped(fix.title.rstrip('.'))}** (`{fix.id}`): {_escaped(fix.why.rstrip('.'))}. "
        f"*{_escaped(fix.source)}*"
        for rank, fix in enumerate(fixes, 1)
    )
    return f"## What to try\n\n{where}\n\n{rows}"


def _trials(rule: Rule, tried: Sequence[Trials]) -> str:
    published = [row for row in tried if row.rule == rule.id and row.seeds == "published"]
    if not published:
        return "## Trials\n\nNone of these fixes was tried on the reference trainer."
    dated = max(published, key=lambda row: row.date)
    parts = [f"## Trials\n\n{manual.RESOLVED} Tried until {dated.date} with {dated.versions}."]
    for cause in dict.fromkeys(row.cause for row in published):
        rows = [row for row in published if row.cause == cause]
        named = ", ".join(f"`{fault}`" for fault in dict.fromkeys(row.fault for row in rows))
        table = "| fix | resolved | gain | cost |\n|---|---|---|---|\n"
        for name in trials.order(tried, rule.id, cause, list(dict.fromkeys(row.fix for row in rows))):
            cells = manual.fared(trials.pool([row for row in rows if row.fix == name]))
            table += f"| `{name}` | {' | '.join(cells)} |\n"
        parts.append(f"{f'Cause `{cause}`, ' if cause else ''}after the fault {named}:\n\n{table}")
    return "\n\n".join(parts)
