"""One run in full: verdict, milestone, findings with causes, advice, curve and evidence, and what was not judged.

run.csv: overfitting since epoch 31; try first: stop at epoch 31
  verdict:   1 problem: overfitting (error)
  keras-csv, 100 points, epochs 1-100; train_loss = loss, val_loss = val_loss
  milestone: learn everything (2 of 3). The training loss fell by 95 %.

ERROR overfitting, epochs 31-100, confidence 0.97
  measured:  val_loss is 38.2 percent above its best (threshold 5).
  means:     ...
  try first: Stop at epoch 31. ...
  then:      ...
"""

from __future__ import annotations

from diagnose.curves import Run
from diagnose.names.kinds import unread
from diagnose.reports.page import Page, item, wrapped
from diagnose.reports.phrases import (
    AIMS,
    FIXES_SHOWN,
    advice,
    cause_in_words,
    cause_label,
    causes_told,
    confidence,
    evidence_in_words,
    facts,
    is_brief,
    kind,
    listed,
    reasons,
    stage,
    verdict,
    when,
)
from diagnose.reports.summary import summary
from diagnose.reports.words import one_line, span
from diagnose.rule import Diagnosis, Finding, verdict_word


def told(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    """One run in full."""
    lines = [page.paint(line, verdict_word(diagnosis)) for line in wrapped(f"{label}: {summary(diagnosis)}", page)]
    whole = verdict(diagnosis)
    lines += item("verdict:", whole if whole not in summary(diagnosis) else "", page)
    lines += item("", read(diagnosis.run), page)
    lines += item("kind:", kind(diagnosis), page)
    lines += _milestone(diagnosis, page)
    if diagnosis.findings:
        lines += ["", *findings(diagnosis, page), ""]
    elif diagnosis.judged:
        lines += item("checked:", ", ".join(diagnosis.judged), page)
    lines += item("not judged:", reasons(diagnosis.not_judged), page)
    lines += item("not read:", one_line(listed(unread(diagnosis.run))), page)
    for note in diagnosis.run.notes:
        lines += item("note:", one_line(note), page)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def findings(diagnosis: Diagnosis, page: Page) -> list[str]:
    """The findings of one run in full, without the head of the report."""
    apart = [line for finding in diagnosis.findings for line in ("", *finding_in_full(finding, diagnosis.run, page))]
    return apart[1:]


def read(run: Run) -> str:
    """What was read, and the roles that were recognised."""
    known = ((role, column) for role, column in run.roles.items() if column in run.series)
    roles = ", ".join(role if role == column else f"{role} = {column}" for role, column in known)
    return one_line(f"{facts(run)}; {roles or 'no column has a known role'}")


def _milestone(diagnosis: Diagnosis, page: Page) -> list[str]:
    """Where the run stands among the three training milestones, and what to aim at."""
    at = f" ({list(AIMS).index(diagnosis.milestone) + 1} of {len(AIMS)})" if diagnosis.milestone in AIMS else ""
    reason = f"; {diagnosis.milestone_reason}" if diagnosis.milestone_reason else ""
    words = one_line(f"{stage(diagnosis)}{at}{reason}")
    return item("milestone:", words, page) + item("aim:", AIMS.get(diagnosis.milestone, ""), page)


def finding_in_full(finding: Finding, run: Run, page: Page) -> list[str]:
    """One finding in three steps: what was measured, what it means, what to try; then the curve and the evidence.

    A note, and what another finding explains, is said briefly: what was measured, and what to try first.
    """
    lines = title(finding, span(finding.steps, run.axis), page)
    lines += item("measured:", one_line(finding.summary), page)
    if is_brief(finding):
        return lines if finding.explained_by else lines + best(finding, page)
    lines += item("means:", one_line(finding.meaning), page)
    for cause in causes_told(finding):
        lines += item(f"{cause_label(finding, cause)}:", cause_in_words(cause), page)
    for rank, fix in enumerate(finding.recommendations[:FIXES_SHOWN]):
        lines += item(f"{when(fix, rank)}:", advice(fix, brief=rank > 0), page)
    rest = ", ".join(fix.id for fix in finding.recommendations[FIXES_SHOWN:])
    if rest:
        lines += item("also:", f"{rest} (diagnose explain {finding.rule})", page)
    lines += picture(finding, run, page)
    lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    return lines


def title(finding: Finding, where: str, page: Page) -> list[str]:
    """The severity and the rule, where it was found, how sure that is, and what explains it."""
    title = f"{finding.severity.upper()} {finding.rule}"
    cause = f", explained by {finding.explained_by}" if finding.explained_by else ""
    first, *rest = wrapped(f"{title}, {where}, {confidence(finding)}{cause}", page)
    return [first.replace(title, page.paint(title, finding.severity.value), 1), *rest]


def best(finding: Finding, page: Page) -> list[str]:
    """What to try first."""
    return [line for fix in finding.recommendations[:1] for line in item(f"{when(fix)}:", advice(fix), page)]


def picture(finding: Finding, run: Run, page: Page) -> list[str]:
    """The telling curve as a picture, or in words where the page has no pictures."""
    from diagnose.reports import curve, panels  # NumPy's work, needed only where something was found

    drawn = drawing(finding, run, page, curve.HEIGHT)
    if drawn:
        return ["", *drawn, ""]
    lines = []
    for name, series in panels.telling(finding, run):
        lines += item("curve:", f"{one_line(name)} {curve.describe(series, run.axis)}", page)
    return lines


def drawing(finding: Finding, run: Run, page: Page, height: int) -> list[str]:
    """The telling curve in so many rows, with its legend and its axis; nothing where the page has no pictures."""
    from diagnose.reports import curve, panels  # NumPy's work, needed only where something was found

    shown = panels.telling(finding, run) if page.picture else []
    if not shown:
        return []
    drawn = curve.draw(
        shown[0][1],
        shown[1][1] if len(shown) > 1 else None,
        labels=(one_line(shown[0][0]), one_line(shown[-1][0])),
        marks=finding.marks,
        steps=finding.steps,
        axis=run.axis,
        shared_scale=panels.quantity(shown[0][0]) == panels.quantity(shown[-1][0]),
        width=min(page.width, 80) - 2,
        height=height,
        glyphs=curve.ASCII if page.ascii else curve.BRAILLE,
    )
    return [] if drawn is None else [f"  {line}" for line in (drawn.legend, *drawn.rows)]
