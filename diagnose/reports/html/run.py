"""One run on a page: the verdict, each finding beside its curve, all curves, and what was read."""

from __future__ import annotations

from collections.abc import Mapping

from diagnose.curves import Run
from diagnose.milestone import TITLES
from diagnose.reports import panels
from diagnose.reports.html.parts import (
    Curves,
    capital,
    chip,
    config,
    evidence,
    figure,
    fixes,
    fold,
    missing,
    table,
)
from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.phrases import (
    AIMS,
    cause_in_words,
    cause_label,
    causes_told,
    confidence,
    facts,
    is_brief,
    kind,
    verdict,
)
from diagnose.reports.summary import summary
from diagnose.reports.words import number, one_line, span
from diagnose.rule import Diagnosis, Finding, verdict_word

MOST_POINTS = 8192
"""Points of a curve on the page of one run."""

ALL_POINTS = 60_000
"""Points of all curves of a page; more curves have fewer points each."""

FEWEST_POINTS = 24

DIGITS = 5
"""Of the values of a curve, one fewer where many runs share a page."""

MOST_ROWS = 60
"""Columns of a log that are listed."""


def article(
    diagnosis: Diagnosis,
    label: str,
    *,
    level: int = 1,
    share: int = 1,
    still: bool = True,
    links: Mapping[str, str] | None = None,
) -> Markup:
    """The run as an article.

    level: of its heading. share: runs that share the page. still: with pictures for where no script runs. links: source
    of a run -> address of its page elsewhere.
    """
    run = diagnosis.run
    shown = panels.of_run(diagnosis)
    drawn = max(sum(len(panel.curves) for panel in shown), 1) * share
    curves = Curves(max(FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // drawn)), DIGITS if share == 1 else DIGITS - 1)

    def section(title: str, *content: str, name: str = "") -> Markup:
        if not any(content):
            return Markup("")
        return tag("section", tag(f"h{level + 1}", title), *content, class_=name or None)

    body = join(
        _head(diagnosis, label, level, (links or {}).get(run.source, "")),
        section(
            "Findings",
            *(_finding(f, run, curves, level + 2, still=still) for f in diagnosis.findings),
            name="findings",
        ),
        section("Curves", figure(shown, run.axis, curves, "All curves of the run", still=still)),
        section("What was read", _columns(run), *(_notes(run))),
        section("Configuration", config(run.config) if run.config else ""),
        section("Checked and found in order", _checked(diagnosis)),
        section("Not judged", missing(diagnosis.not_judged) if diagnosis.not_judged else ""),
        between=Markup("\n"),
    )
    return tag("article", body, curves.island(), class_="run")


def _head(diagnosis: Diagnosis, label: str, level: int, link: str) -> Markup:
    """What the run is, the verdict, and the milestone. link: address of the run's page elsewhere, or ""."""
    run, word = diagnosis.run, verdict_word(diagnosis)
    return tag(
        "header",
        tag(f"h{level}", label, class_="source"),
        tag("p", facts(run), class_="facts"),
        tag("p", tag("a", link, href=link, rel="noreferrer")) if link.startswith(("https://", "http://")) else "",
        tag("div", chip(word), tag("p", capital(_said(diagnosis))), class_=f"verdict {word}"),
        tag("p", tag("b", "Kind: "), f"{kind(diagnosis)}.", class_="kind"),
        _milestone(diagnosis),
    )


def _said(diagnosis: Diagnosis) -> str:
    """The summary, and the verdict where that says more."""
    first, whole = summary(diagnosis), verdict(diagnosis)
    return first if whole in first else f"{first}. {capital(whole)}"


def _milestone(diagnosis: Diagnosis) -> Markup:
    stage, reason = diagnosis.milestone, one_line(diagnosis.milestone_reason)
    if stage not in AIMS:
        return tag("p", tag("b", "Milestone: "), f"unknown{'; ' if reason else ''}{reason}.", class_="milestone")
    at = list(AIMS).index(stage)
    steps = [
        tag("li", TITLES[name], class_="done" if i < at else "now" if i == at else None,
            aria_current="step" if i == at else None)
        for i, name in enumerate(AIMS)
    ]  # fmt: skip
    return tag(
        "div",
        tag("ol", *steps, class_="steps", aria_label="Milestones of a training"),
        tag("p", f"{capital(reason)}. " if reason else "", tag("b", "Aim: "), f"{AIMS[stage]}."),
        class_="milestone",
    )


def _causes(finding: Finding) -> Markup:
    """The rival causes with what the log says of each; the rule's own word where it knows no rivals."""
    told = causes_told(finding)
    if not told:
        return tag("p", "Likely cause: ", tag("b", one_line(finding.cause)), ".") if finding.cause else Markup("")
    said = ((f"{cause_label(finding, cause).capitalize()}: ", cause_in_words(cause)) for cause in told)
    return join(*(tag("p", tag("b", label), words) for label, words in said))


def _finding(finding: Finding, run: Run, curves: Curves, level: int, *, still: bool) -> Markup:
    """One finding: what was measured and what it means beside the curve, then the fixes."""
    where = f"{span(finding.steps, run.axis)}, {confidence(finding)}"
    because = tag("p", "Explained by ", tag("b", finding.explained_by), ".") if finding.explained_by else ""
    words = tag(
        "div",
        tag("p", tag("b", "Measured: "), one_line(finding.summary)),
        tag("p", tag("b", "Means: "), one_line(finding.meaning)),
        because,
        _causes(finding),
        evidence(finding),
        class_="words",
    )
    advice = fixes(finding)
    if advice:
        heading = tag(f"h{level + 1}", "What to try")
        advice = fold("What to try", advice) if is_brief(finding) else join(heading, advice)
    title = ", ".join(one_line(name) for name in finding.series)
    picture = figure(panels.of_finding(finding, run), run.axis, curves, f"{finding.rule} in {title}", still=still)
    return tag(
        "section",
        tag(f"h{level}", chip(finding.severity.value), " ", finding.rule, " ", tag("small", where)),
        tag("div", words, picture, class_="beside"),
        advice,
        class_=f"finding {finding.severity.value}",
    )


def _columns(run: Run) -> Markup:
    """Which column was taken for which curve, and the columns that play no part."""
    playing = {column: role for role, column in run.roles.items()}
    rows = []
    for name, series in sorted(run.series.items(), key=lambda item: item[0] not in playing):
        finite = series.finite()
        ends = [number(finite.values[i]) for i in (0, -1)] if len(finite) else ["-", "-"]
        points = str(len(series)) if not run.logged else ""
        rows.append((one_line(name), playing.get(name, "no part"), points, *ends))
    head = ("column", "taken for", "points", "first", "last")
    shown = table(head, rows[:MOST_ROWS], "Columns of the log and their roles", class_="numbers")
    left = len(rows) - MOST_ROWS
    return join(shown, tag("p", f"{left} more columns play no part.") if left > 0 else "")


def _notes(run: Run) -> list[Markup]:
    if not run.notes:
        return []
    return [tag("ul", *(tag("li", capital(one_line(note))) for note in run.notes), class_="notes")]


def _checked(diagnosis: Diagnosis) -> str:
    found = {finding.rule for finding in diagnosis.findings}
    fine = [rule for rule in diagnosis.judged if rule not in found]
    return tag("p", ", ".join(fine) + ".") if fine else ""
