"""Why a rule has a finding on a run, or none, in words or as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from diagnose.reports.page import Page, wrapped
from diagnose.reports.words import number, one_line
from diagnose.rule import Condition, Finding, Why

NEEDED = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}

OUTCOMES = {
    "fired": ("found", "found"),
    "silent": ("found nothing", "nothing"),
    "not-judged": ("could not judge", "unjudged"),
    "silenced": ("found, but not told", "silenced"),
    "left-out": ("left out", "left out"),
}
"""`Why.outcome` -> how it is said, in a sentence and in a column."""

_SHARE_MOST = 10.0  # times the limit, beyond which a share is told as a multiple


def in_words(whys: Sequence[Why], label: str, page: Page) -> str:
    """All that is known of each rule on a run."""
    return "\n".join("\n".join(_in_full(why, label, page)) + "\n" for why in whys)


def in_lines(whys: Sequence[Why], label: str, page: Page) -> str:
    """A line for each rule, those with a finding first."""
    order = list(OUTCOMES)
    width = max((len(why.rule) for why in whys), default=0)
    lines = wrapped(f"{label}: {len(whys)} rules; name one to see all that it compared", page)
    for why in sorted(whys, key=lambda why: order.index(why.outcome)):
        line = f"{why.rule:{width}}  {OUTCOMES[why.outcome][1]:8}  {_because(why)}".rstrip()
        lines.append(line if len(line) <= page.width else f"{line[: page.width - 3].rstrip()}...")
    return "\n".join(lines) + "\n"


def in_json(whys: Sequence[Why], source: str) -> str:
    """The same as data; numbers that are none are null."""
    return json.dumps({"source": source, "rules": [_record(why) for why in whys]}, indent=2) + "\n"


def _because(why: Why) -> str:
    if why.reason:
        return one_line(why.reason)
    if why.finding is not None:
        return f"{why.finding.severity.value}: {one_line(why.finding.summary)}"
    failed = [c for c in why.conditions if c.ended and _is_amount(c)]
    decisive = [c for c in failed if c.decisive] or failed[-1:]
    if not decisive:
        return next((c.words for c in why.conditions if c.decisive and c.words), "")
    return f"{_value(decisive[0])}, needs {_limit(decisive[0])}: {_measured(decisive[0])}"


def _in_full(why: Why, label: str, page: Page) -> list[str]:
    severity = f" ({why.finding.severity.value})" if why.finding is not None and why.outcome == "fired" else ""
    lines = wrapped(f"{why.rule}: {OUTCOMES[why.outcome][0]}{severity} in {label}", page)
    if why.reason:
        lines += wrapped(one_line(why.reason), page, indent=2, hang=0)
    if why.finding is not None:
        lines += wrapped(one_line(why.finding.summary), page, indent=2, hang=0)
    for hint in why.hints:
        lines += wrapped(one_line(hint), page, indent=2)
    told = [c for c in why.conditions if _is_amount(c) or c.ended]
    if told:
        lines += ["", *wrapped(_heading(why), page, indent=2, hang=0)]
    for condition in told:
        lines += _condition(condition, page)
    if not why.recorded:
        lines += wrapped("the source of the rule is not at hand, so what it compared is not known", page, indent=2)
    elif not told and not why.hints and why.outcome not in ("not-judged", "left-out"):
        lines += wrapped("it compared no amounts: `diagnose explain` says what it looks for", page, indent=2)
    return lines


def _heading(why: Why) -> str:
    if why.outcome == "fired":
        return "what it compared, in order (- need not hold: another way did; . decides no finding):"
    return "what it compared, in order (NO ended it; - need not hold: another way did; . decides no finding):"


def _is_amount(condition: Condition) -> bool:
    return math.isfinite(condition.value) and math.isfinite(condition.limit)


def _mark(condition: Condition) -> str:
    if condition.held is None:
        return " . "
    return "yes" if condition.held else "NO " if condition.decisive else "no " if condition.ended else " - "


def _condition(condition: Condition, page: Page) -> list[str]:
    """One condition: what was measured, and below it the amounts."""
    head = f"{_mark(condition)} {_measured(condition)}"
    last = f" (of {condition.among} points the nearest to it)" if condition.among > 1 else ""
    last += f" (the last of {condition.times} times)" if condition.times > 1 else ""
    if not _is_amount(condition):
        held = "" if condition.words else " is so" if condition.result else " is not so"
        return wrapped(f"{head}{held}{last}", page, indent=2, hang=4)
    return [*wrapped(head, page, indent=2, hang=4), *wrapped(_amounts(condition) + last, page, indent=6, hang=0)]


def _measured(condition: Condition) -> str:
    """What was measured, in plain words where the rule has them, and its name."""
    return condition.words or f"`{one_line(condition.measured)}`"


def _value(condition: Condition) -> str:
    return f"{number(condition.value)} {condition.unit}".rstrip()


def _limit(condition: Condition) -> str:
    return f"{NEEDED[condition.needed]} {number(condition.limit)}"


def _amounts(condition: Condition) -> str:
    """`3.2 %, at least 5 needed (gl_warning): 1.8 (36 %) off`."""
    name = f" ({condition.threshold})" if condition.threshold else ""
    if not condition.needed:
        relation = "equals" if condition.value == condition.limit else "above" if _above(condition) else "below"
        return f"{_value(condition)}, {relation} {number(condition.limit)}{name}: {_distance(condition)} away"
    off = "to spare" if condition.held else "off"
    return f"{_value(condition)}, {_limit(condition)} needed{name}: {_distance(condition)} {off}"


def _above(condition: Condition) -> bool:
    return condition.value > condition.limit


def _distance(condition: Condition) -> str:
    """How far the value is from the limit, in the unit and as a share of the limit."""
    apart = abs(condition.value - condition.limit)
    if not condition.limit:
        return number(apart, 3)
    share = apart / abs(condition.limit)
    said = f"{100 * share:.3g} %" if share < _SHARE_MOST else f"{share:.3g} times the limit"
    return f"{number(apart, 3)} ({said})"


def _record(why: Why) -> dict[str, Any]:
    return {
        "rule": why.rule,
        "outcome": why.outcome,
        "reason": why.reason,
        "hints": list(why.hints),
        "recorded": why.recorded,
        "finding": None if why.finding is None else _finding(why.finding),
        "conditions": [_plain(condition) for condition in why.conditions],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity.value,
        "summary": finding.summary,
        "explained_by": finding.explained_by,
    }


def _plain(condition: Condition) -> dict[str, Any]:
    said = asdict(condition)
    said |= {key: said[key] if math.isfinite(said[key]) else None for key in ("value", "limit")}
    amount = _is_amount(condition)
    apart = abs(condition.value - condition.limit) if amount else None
    share = apart / abs(condition.limit) if apart is not None and condition.limit else None
    return {**said, "off": apart, "off_share": share}
