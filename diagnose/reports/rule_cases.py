"""The cases of a rule on its page: what is said of each, with the curves, or the settings where it is about those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diagnose.curves import Run
from diagnose.reports import panels, svg
from diagnose.reports.markup import Markup, tag
from diagnose.reports.panels import Panel
from diagnose.reports.words import number
from diagnose.rule import Diagnosis, Finding

MOST_RUNS = 6
"""Runs shown of a case that is about many."""

MAIN = ("val_loss", "train_loss", "val_accuracy", "train_accuracy", "reward")
"""Curves that are drawn of several runs: the first of these that there is."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A case as it is shown.

    heading: what the rule does with it. title: of the case.
    runs: one, or those that are judged together. findings: what the rule says.
    curves: whether the rule looks at curves; else it is about the settings.
    """

    heading: str
    title: str
    runs: tuple[Run, ...]
    findings: tuple[Finding, ...]
    curves: bool


def blocks(case: Shown) -> Iterator[str]:
    """The case in blocks of Markdown; what is said stands as a quotation."""
    yield f"## {case.heading}"
    begun = case.title if "_" in case.title.partition(" ")[0] else case.title[:1].upper() + case.title[1:]
    yield f"{begun}."
    for finding in case.findings:
        yield f"> **{finding.severity}**: {escaped(finding.summary)} {escaped(finding.meaning)}"
    if not case.curves or len(case.runs) > 1:
        yield from _settings(case.runs)
    shown = _panels(case) if case.curves else []
    if shown:
        yield str(_figure(shown, case.runs[0].axis, case.title))


def escaped(text: str) -> str:
    """Prose whose brackets are no links and whose stars are no emphasis."""
    return text.replace("[", "\\[").replace("*", "\\*").replace("<", "&lt;").replace("|", "\\|")


def _settings(runs: Sequence[Run]) -> Iterator[str]:
    """The configuration of one run; of several a table of what differs."""
    config = runs[0].config
    if len(runs) == 1:
        if config:
            yield "```yaml\n" + "".join(f"{name}: {value}\n" for name, value in config.items()) + "```"
        return
    varied = [name for name in config if len({str(run.config.get(name)) for run in runs}) > 1]
    if varied:
        rows = "".join(
            f"| {place} | {' | '.join(_said(run.config.get(name)) for name in varied)} |\n"
            for place, run in enumerate(runs[:MOST_RUNS], 1)
        )
        head = f"| run | {' | '.join(f'`{name}`' for name in varied)} |\n|{'---|' * (len(varied) + 1)}\n"
        left = len(runs) - MOST_RUNS
        yield head + rows + (f"\nAnd {left} more." if left > 0 else "")


def _said(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _panels(case: Shown) -> list[Panel]:
    first, *others = case.runs
    if others:
        role = next((role for role in MAIN if first.curve(role) is not None), "")
        curves = [
            (f"run {place}", curve)
            for place, run in enumerate(case.runs[:MOST_RUNS], 1)
            if (curve := run.curve(role)) is not None
        ]
        return [panels.over_each_other(curves, role)] if curves else []
    found = [panel for finding in case.findings for panel in panels.of_finding(finding, first)]
    return found or panels.of_run(Diagnosis(first, (), (), ()))


def _figure(shown: Sequence[Panel], axis: str, caption: str) -> Markup:
    """The panels as a part of the page, whose colours follow it; the search leaves their numbers out."""
    drawn = svg.picture(shown, axis, caption)
    return tag("figure", drawn, svg.legend(shown), class_="case", data_search_exclude=True)
