"""The manual: the table of rules, and the page of one rule."""

from __future__ import annotations

import inspect
import io
import textwrap
import tokenize
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diagnose.reports.text import PLAIN_PAGE, Page, grid
from diagnose.reports.words import one_line
from diagnose.rule import Fix, Rule


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
    rule: Rule, thresholds: Mapping[str, Any], fixes: Sequence[Fix], needs: str, *, page: Page = PLAIN_PAGE
) -> str:
    """The manual page of a rule: its docstring, what it needs, its thresholds, and the fixes it recommends.

    thresholds: name -> default.
    fixes: in the order to try.
    needs: what the rule needs, in words.
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
    return "".join(f"{line}\n" for line in lines)


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
