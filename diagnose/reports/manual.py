"""The manual: the table of rules, and the page of one rule."""

from __future__ import annotations

import inspect
import io
import math
import textwrap
import tokenize
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diagnose import trials
from diagnose.reports.page import PLAIN_PAGE, Page, grid
from diagnose.reports.words import one_line
from diagnose.rule import Fix, Rule
from diagnose.trials import Tally, Trials


def table(rules: Sequence[tuple[Rule, str]], *, page: Page = PLAIN_PAGE) -> str:
    """What there is to find: id, what it finds, what it needs; a sentence per rule on a page without pictures.

    rules: each rule with what it needs, in words.
    """
    rows = [(rule.id, one_line(rule.title), one_line(needs)) for rule, needs in rules]
    if not page.picture:
        return "".join(f"{name}: {finds}; needs {needs}.\n" for name, finds, needs in rows)
    cells = [pair for name, finds, needs in rows for pair in ((name, finds), ("", f"needs {needs}"))]
    width = max(len(row[0]) for row in rows)
    lines = grid(("rule", "finds, and needs"), cells, (width, page.width - width - 2), page)
    return "".join(f"{line}\n" for line in lines)


def manual(
    rule: Rule,
    thresholds: Mapping[str, Any],
    fixes: Sequence[Fix],
    needs: str,
    tried: Sequence[Trials] = (),
    *,
    page: Page = PLAIN_PAGE,
) -> str:
    """The manual page of a rule: its docstring, what it needs, its thresholds, the fixes it recommends, their trials.

    thresholds: name -> default.
    fixes: in the order to try.
    needs: what the rule needs, in words.
    tried: the table of trials.
    """
    lines = [inspect.cleandoc(rule.doc), "", page.paint("Needs", "strong")]
    lines += _paragraph(f"{needs}; at least {rule.min_points} points", page, hang=0)
    if thresholds:
        lines += ["", page.paint(f"Thresholds (set them in [tool.diagnose.rules.{rule.id}])", "strong")]
        remarks = _comments(rule.check)
        for name, default in thresholds.items():
            remark = f"   {remarks[name]}" if name in remarks else ""
            lines += _paragraph(f"{name} = {default}{remark}", page)
    if fixes:
        lines += ["", page.paint("What to try, in this order", "strong")]
        for rank, fix in enumerate(fixes, 1):
            lines += _paragraph(f"{rank}. {fix.title.rstrip('.')} ({fix.id})", page)
            lines += _paragraph(f"{fix.why.rstrip('.')}. [{fix.source}]", page, indent=7, hang=0)
    lines += _trials(tried, rule, fixes, page)
    return "".join(f"{line}\n" for line in lines)


RESOLVED = (
    "Resolved: the finding is gone, no other warning or error has come, and the best validation metric is not worse "
    "than before by more than two trainings of one recipe differ. The share has its 95 % interval (Wilson), so has the "
    "gain, which is in points of that metric. Cost: time of the training after over that before."
)


def _trials(tried: Sequence[Trials], rule: Rule, fixes: Sequence[Fix], page: Page) -> list[str]:
    """What became of the finding in trials of its fixes: for each cause a table of the fixes, all tasks and each."""
    published = [row for row in tried if row.rule == rule.id and row.seeds == "published"]
    if not published:
        return ["", *_paragraph("None of these fixes was tried on the reference trainer.", page, indent=0, hang=0)]
    lines = ["", page.paint("Trials on the reference trainer", "strong")]
    dated = max(published, key=lambda row: row.date)
    lines += _paragraph(f"{RESOLVED} Tried until {dated.date} with {dated.versions}.", page, hang=0)
    for cause in dict.fromkeys(row.cause for row in published):
        rows = [row for row in published if row.cause == cause]
        faults = list(dict.fromkeys(row.fault for row in rows))
        named = ", ".join(faults)
        lines += ["", *_paragraph(f"cause {cause} ({named})" if cause else f"after {named}", page, indent=2)]
        cells = []
        for name in trials.order(tried, rule.id, cause, list(dict.fromkeys(row.fix for row in rows))):
            of_fix = [row for row in rows if row.fix == name]
            cells.append((name, *_fared(trials.pool(of_fix))))
            for row in of_fix:
                where = row.task if len(faults) == 1 else f"{row.fault}: {row.task}"
                cells.append((f"  {where}", *_fared(trials.pool([row]))))
        lines += _table(cells, page)
    missing = [fix.id for fix in fixes if fix.id not in {row.fix for row in published if row.trials}]
    if missing:
        lines += ["", *_paragraph(f"Not tried: {', '.join(missing)}.", page, indent=2)]
    return lines


def _fared(tally: Tally) -> tuple[str, str, str]:
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
        return [line for sentence in said for line in _paragraph(sentence, page, indent=2)]
    head = ("fix, and where", "resolved", "gain", "cost")
    widths = [max(len(row[column]) for row in (head, *cells)) for column in range(4)]
    widths[0] = max(min(widths[0], page.width - sum(widths[1:]) - 8), 12)
    return [f"  {line}" for line in grid(head, cells, widths, page)]


def _paragraph(text: str, page: Page, indent: int = 4, hang: int = 3) -> list[str]:
    return textwrap.wrap(
        text,
        page.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hang),
        break_on_hyphens=False,
    )


def _comments(function: Callable[..., Any]) -> dict[str, str]:
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
