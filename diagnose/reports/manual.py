"""The manual: the table of rules, and the page of one rule."""

from __future__ import annotations

import inspect
import io
import math
import textwrap
import tokenize
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from diagnose import calibration, trials
from diagnose.reports.page import Page, grid, wrapped
from diagnose.reports.words import one_line
from diagnose.rule import GROUPS, Fix, Rule
from diagnose.trials import Tally, Trials

RESOLVED = (
    "Resolved: the finding is gone, no other warning or error has come, and the best validation metric is not worse "
    "than before by more than two trainings of one recipe differ. The share has its 95 % interval (Wilson), so has the "
    "gain, which is in points of that metric. Cost: time of the training after over that before."
)
"""What the columns of the table of trials mean."""

CONFIDENCE = (
    "The probability that a practitioner who looks at the run agrees with the finding, on a log that no threshold was "
    "fitted to. It is fitted to findings held against labels of curves, with the rules' own thresholds."
)
"""What the confidence of a finding means."""

_ALWAYS = ("step", "axis", "last_step", "config")
"""Names of needs that every log meets."""

_OTHERS = {"runs": "several runs", "baseline": "--baseline"}
"""Names of needs that no log meets by itself -> what a reader of the manual knows them as."""


class Need(Protocol):
    """What a rule asks for, as `diagnose.judging` reads it from the signature of its check."""

    @property
    def name(self) -> str:
        """Canonical name of a curve or hyperparameter, or what else the signature may ask for."""

    @property
    def optional(self) -> bool:
        """Whether the rule can judge without."""


class Manual(NamedTuple):
    """All that the manual says of a rule.

    needs: what it asks for. thresholds: name -> default. fixes: in the order to try. tried: the trials of all rules.
    """

    rule: Rule
    needs: Sequence[Need]
    thresholds: Mapping[str, Any]
    fixes: Sequence[Fix]
    tried: Sequence[Trials]


def table(rules: Sequence[tuple[Rule, Sequence[Need]]], page: Page) -> str:
    """What there is to find, by group: id, what it finds, what it needs; a sentence per rule without pictures."""
    width = max(len(rule.id) for rule, _ in rules)
    lines: list[str] = []
    for group, about in GROUPS.items():
        rows = [(r.id, one_line(r.title), one_line(needs_in_words(needs))) for r, needs in rules if r.group == group]
        if rows and page.picture:
            cells = [pair for name, finds, needs in rows for pair in ((name, finds), ("", f"needs {needs}"))]
            lines += ["", *grid((group, about), cells, (width, page.width - width - 2), page)]
        elif rows:
            lines.append(f"{group}, {about}:")
            lines += [f"{name}: {finds}; needs {needs}." for name, finds, needs in rows]
    return "".join(f"{line}\n" for line in lines).removeprefix("\n")


def manual(found: Manual, page: Page) -> str:
    """The manual page of a rule: docstring, needs, thresholds, causes, fixes and their trials."""
    rule, needs, thresholds, fixes, tried = found
    lines = [inspect.cleandoc(rule.doc), "", page.paint("Needs", "strong")]
    words = f"{needs_in_words(needs)}; at least {rule.min_points} points"
    lines += wrapped(words, page, indent=4, hang=0)
    if thresholds:
        lines += ["", page.paint(f"Thresholds (set them in [tool.diagnose.rules.{rule.id}])", "strong")]
        said = remarks(rule.check)
        for name, default in thresholds.items():
            remark = f"   {said[name]}" if name in said else ""
            lines += wrapped(f"{name} = {default}{remark}", page, indent=4, hang=3)
    if rule.causes:
        lines += ["", page.paint("Causes, and what undoes them", "strong")]
        for suspect in rule.causes:
            lines += wrapped(f"{suspect.title} ({suspect.id}): {', '.join(suspect.fixes)}", page, indent=4, hang=3)
    if fixes:
        where = "where no cause leads" if rule.causes else "in this order"
        lines += ["", page.paint(f"What to try, {where}", "strong")]
        for rank, fix in enumerate(fixes, 1):
            lines += wrapped(f"{rank}. {fix.title.rstrip('.')} ({fix.id})", page, indent=4, hang=3)
            lines += wrapped(f"{fix.why.rstrip('.')}. [{fix.source}]", page, indent=7, hang=0)
    lines += _confidence(rule, page)
    lines += _trials(tried, rule, fixes, page)
    return "".join(f"{line}\n" for line in lines)


def needs_in_words(needs: Sequence[Need]) -> str:
    """`train_loss, val_loss; optional: learning_rate`."""
    named = needed(needs)
    required = ", ".join(_OTHERS.get(need.name, need.name) for need in named if not need.optional)
    optional = ", ".join(need.name for need in named if need.optional)
    if not required:
        return f"any of {optional}"
    return f"{required}; optional: {optional}" if optional else required


def needed(needs: Sequence[Need]) -> list[Need]:
    """The needs that not every log meets."""
    return [need for need in needs if need.name not in _ALWAYS]


def _confidence(rule: Rule, page: Page) -> list[str]:
    """What the confidence of a finding of the rule is, and how many labelled findings it rests on."""
    return ["", page.paint("Confidence", "strong"), *wrapped(confidence_in_words(rule), page, indent=4, hang=0)]


def confidence_in_words(rule: Rule) -> str:
    """What the confidence of a finding of the rule is, and how many labelled findings it rests on."""
    known = rule.calibration
    if known is None:
        return f"{CONFIDENCE} Of this rule nobody has measured it: a word tells it."
    labelled = f"{known.labelled:.0f} findings of this rule were labelled"
    share = f", of which {100.0 * known.right:.0f} % were right on the logs at hand" if known.labelled else ""
    told = "a number tells it" if known.measured else f"fewer than {calibration.ENOUGH}: a word tells it"
    return f"{CONFIDENCE} {labelled}{share}; {told}."


def _trials(tried: Sequence[Trials], rule: Rule, fixes: Sequence[Fix], page: Page) -> list[str]:
    """What became of the finding in trials of its fixes: for each cause a table of the fixes, all tasks and each."""
    published = trials.published(tried, rule.id)
    if not published:
        return ["", *wrapped("None of these fixes was tried on the reference trainer.", page, hang=0)]
    lines = ["", page.paint("Trials on the reference trainer", "strong")]
    dated = max(chain(*published.values()), key=lambda row: row.date)
    lines += wrapped(f"{RESOLVED} Tried until {dated.date} with {dated.versions}.", page, indent=4, hang=0)
    for cause, rows in published.items():
        faults = list(dict.fromkeys(row.fault for row in rows))
        named = ", ".join(faults)
        lines += ["", *wrapped(f"cause {cause} ({named})" if cause else f"after {named}", page, indent=2, hang=3)]
        cells = []
        for name in trials.order(tried, rule.id, cause, list(dict.fromkeys(row.fix for row in rows))):
            of_fix = [row for row in rows if row.fix == name]
            cells.append((name, *fared(trials.pool(of_fix))))
            for row in of_fix:
                where = row.task if len(faults) == 1 else f"{row.fault}: {row.task}"
                cells.append((f"  {where}", *fared(trials.pool([row]))))
        lines += _table(cells, page)
    missing = [fix.id for fix in fixes if fix.id not in {row.fix for row in chain(*published.values()) if row.trials}]
    if missing:
        lines += ["", *wrapped(f"Not tried: {', '.join(missing)}.", page, indent=2, hang=3)]
    return lines


def fared(tally: Tally) -> tuple[str, str, str]:
    """Resolved, gain and cost, as cells of a table."""
    if not tally.trials:
        return "cannot be tried", "", ""
    low, high = (100.0 * end for end in tally.interval)
    cost = f"{tally.cost:.1f}x" if math.isfinite(tally.cost) else ""
    return f"{tally.resolved}/{tally.trials} ({low:.0f}-{high:.0f} %)", gain(tally), cost


def gain(tally: Tally) -> str:
    """The gain in points with its interval: `+2.1 (+1.0 to +3.2)`; empty where it is not known."""
    if not math.isfinite(tally.gain):
        return ""
    return f"{tally.gain:+.1f} ({tally.gain_low:+.1f} to {tally.gain_high:+.1f})"


def _table(cells: Sequence[tuple[str, str, str, str]], page: Page) -> list[str]:
    """The table, or a sentence per row on a page without pictures."""
    if not page.picture:
        said = (
            f"{name.strip()}: resolved {resolved}{f', gain {gain}' if gain else ''}{f', cost {cost}' if cost else ''}"
            for name, resolved, gain, cost in cells
        )
        return [line for sentence in said for line in wrapped(sentence, page, indent=2, hang=3)]
    head = ("fix, and where", "resolved", "gain", "cost")
    widths = [max(len(row[column]) for row in (head, *cells)) for column in range(4)]
    widths[0] = max(min(widths[0], page.width - sum(widths[1:]) - 8), 12)
    return [f"  {line}" for line in grid(head, cells, widths, page)]


def remarks(function: Callable[..., Any]) -> dict[str, str]:
    """The comment beside each parameter in the source, which gives a threshold's unit and origin; empty without it."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):  # made in a console, or compiled
        return {}
    found: dict[str, str] = {}
    names: dict[int, str] = {}
    parameters = inspect.signature(function).parameters
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.NEWLINE:  # the end of the signature
            break
        if token.type == tokenize.NAME and token.string in parameters:
            names.setdefault(line, token.string)
        elif token.type == tokenize.COMMENT and line in names:
            found.setdefault(names[line], token.string.lstrip("# "))
    return found
