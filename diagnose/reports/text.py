"""The report for a person at a terminal: verdict, milestone, findings with their curve, and what was not judged.

    run.csv: 1 problem: overfitting (error)
      keras-csv, 100 points, epochs 1-100; train_loss = loss, val_loss = val_loss
      milestone: learn everything (2 of 3). The training loss fell by 95 %.

    ERROR overfitting, epochs 31-100, confidence 0.97
      measured:  val_loss is 38.2 percent above its best (threshold 5).
      means:     ...
      try first: Stop at epoch 31. ...
      then:      ...

The words carry everything; colour and picture only repeat it, so that a pipe and a screen reader lose nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from diagnose.curves import Run
from diagnose.milestone import TITLES
from diagnose.reports.page import PLAIN_PAGE, TABLE_WIDTH, Page, grid, item, shorten
from diagnose.reports.phrases import (
    AIMS,
    FIXES_SHOWN,
    _listed,
    advice,
    evidence_in_words,
    first_label,
    labels_of,
    reasons,
    shared_folder,
    short_verdict,
    totals,
    verdict,
)
from diagnose.reports.words import count, one_line, place, span
from diagnose.rule import RANK, Diagnosis, Finding, NotJudged, Severity, verdict_word


def render(
    diagnoses: Sequence[Diagnosis],
    across: Sequence[Finding] = (),
    across_not_judged: Sequence[NotJudged] = (),
    *,
    page: Page = PLAIN_PAGE,
) -> str:
    """The report over all runs: one run in full; of several a table, worst first, what they say together, and the ones
    with findings in full.

    across, across_not_judged: the findings about several runs, and the rules that could say nothing of them.
    Ends with a newline unless there is no run.
    """
    labels = labels_of([d.run for d in diagnoses])
    if len(diagnoses) == 1:
        return "\n".join(_run(diagnoses[0], labels[0], page)) + "\n"
    order = sorted(range(len(diagnoses)), key=lambda i: RANK[verdict_word(diagnoses[i])])
    lines = _overview([diagnoses[i] for i in order], [labels[i] for i in order], page) if diagnoses else []
    short = {d.run.name: label for d, label in zip(diagnoses, labels, strict=True)}
    lines += together(across, across_not_judged, short, page)
    for i in order:
        if diagnoses[i].findings:
            lines += ["", _rule_off(page), *_run(diagnoses[i], labels[i], page)]
    return "".join(f"{line}\n" for line in lines)


def together(
    findings: Sequence[Finding], not_judged: Sequence[NotJudged], labels: Mapping[str, str], page: Page
) -> list[str]:
    """What several runs say together, each finding with the runs it is about; nothing where there is none.

    labels: name of a run -> what the report calls it.
    """
    if not findings:
        return []
    lines = []
    for finding in findings:
        title = f"{finding.severity.upper()} {finding.rule}"
        head = f"{title}, {count(len(finding.runs), 'run')}, confidence {finding.confidence:.2f}"
        lines += ["", *textwrap.wrap(head, page.width, subsequent_indent="  ", break_on_hyphens=False)]
        lines[-1] = lines[-1].replace(title, page.paint(title, finding.severity.value), 1)
        lines += item("runs:", _listed([labels.get(name, one_line(name)) for name in finding.runs]), page)
        lines += item("measured:", one_line(finding.summary), page)
        lines += item("means:", one_line(finding.meaning), page)
        lines += [line for fix in finding.recommendations[:1] for line in item(first_label(fix), advice(fix), page)]
        lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    missing = reasons(not_judged)
    if missing:
        lines += ["", *item("not judged:", missing, page)]
    return ["", page.paint("across runs", "strong"), *lines]


def findings(diagnosis: Diagnosis, page: Page) -> list[str]:
    """The findings of one run in full, without the head of the report."""
    lines: list[str] = []
    for finding in diagnosis.findings:
        lines += (
            ["", *finding_in_full(finding, diagnosis.run, page)]
            if lines
            else finding_in_full(finding, diagnosis.run, page)
        )
    return lines


def _run(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    """One run in full."""
    lines = _headline(diagnosis, label, page)
    lines += item("", _facts(diagnosis.run), page)
    lines += _milestone(diagnosis, page)
    for finding in diagnosis.findings:
        lines += ["", *finding_in_full(finding, diagnosis.run, page)]
    if diagnosis.findings:
        lines.append("")
    elif diagnosis.judged:
        lines += item("checked:", ", ".join(diagnosis.judged), page)
    lines += item("not judged:", reasons(diagnosis.not_judged), page)
    for note in diagnosis.run.notes:
        lines += item("note:", one_line(note), page)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def headlines(diagnoses: Sequence[Diagnosis], page: Page) -> list[str]:
    """The verdict of each run."""
    labels = labels_of([d.run for d in diagnoses])
    return [line for d, label in zip(diagnoses, labels, strict=True) for line in _headline(d, label, page)]


def _headline(diagnosis: Diagnosis, label: str, page: Page) -> list[str]:
    lines = textwrap.wrap(f"{label}: {verdict(diagnosis)}", page.width, subsequent_indent="  ", break_on_hyphens=False)
    return [page.paint(line, verdict_word(diagnosis)) for line in lines]


def _facts(run: Run) -> str:
    """Format, length and the roles that were recognised."""
    steps = [s.steps for s in run.series.values() if len(s)]
    extent = span((min(float(s[0]) for s in steps), max(float(s[-1]) for s in steps)), run.axis) if steps else ""
    known = ((role, column) for role, column in run.roles.items() if column in run.series)
    roles = ", ".join(role if role == column else f"{role} = {column}" for role, column in known)
    facts = ", ".join(filter(None, (run.format, count(run.points, "point"), extent)))
    return one_line(f"{facts}; {roles or 'no column has a known role'}")


def _milestone(diagnosis: Diagnosis, page: Page) -> list[str]:
    """Where the run stands among the three training milestones, and what to aim at."""
    stage = diagnosis.milestone
    place = f" ({list(AIMS).index(stage) + 1} of {len(AIMS)})" if stage in AIMS else ""
    reason = f"; {diagnosis.milestone_reason}" if diagnosis.milestone_reason else ""
    words = one_line(f"{TITLES.get(stage, 'unknown')}{place}{reason}")
    return item("milestone:", words, page) + item("aim:", AIMS.get(stage, ""), page)


def finding_in_full(finding: Finding, run: Run, page: Page) -> list[str]:
    """One finding in three steps: what was measured, what it means, what to try; then the curve and the evidence.

    A note, and what another finding explains, is said briefly: what was measured, and what to try first.
    """
    title = f"{finding.severity.upper()} {finding.rule}"
    where = f"{span(finding.steps, run.axis)}, confidence {finding.confidence:.2f}"
    cause = f", explained by {finding.explained_by}" if finding.explained_by else ""
    lines = textwrap.wrap(f"{title}, {where}{cause}", page.width, subsequent_indent="  ", break_on_hyphens=False)
    lines[0] = lines[0].replace(title, page.paint(title, finding.severity.value), 1)
    lines += item("measured:", one_line(finding.summary), page)
    if finding.explained_by or finding.severity is Severity.NOTE:
        best = finding.recommendations[:1] if not finding.explained_by else ()
        return lines + [line for fix in best for line in item(first_label(fix), advice(fix), page)]
    lines += item("means:", one_line(finding.meaning), page)
    for rank, fix in enumerate(finding.recommendations[:FIXES_SHOWN]):
        label = "rarely:" if fix.tally.rare else "then:" if rank else "try first:"
        lines += item(label, advice(fix, brief=rank > 0), page)
    rest = ", ".join(fix.id for fix in finding.recommendations[FIXES_SHOWN:])
    if rest:
        lines += item("also:", f"{rest} (diagnose explain {finding.rule})", page)
    lines += _curve(finding, run, page)
    lines += item("evidence:", "; ".join(evidence_in_words(e) for e in finding.evidence), page)
    return lines


def _curve(finding: Finding, run: Run, page: Page) -> list[str]:
    """The telling curve as a picture, or in words where the page has no pictures."""
    from diagnose.reports import curve, panels  # NumPy's work, needed only where something was found

    shown = panels.telling(finding, run)
    if not shown:
        return []

    names = [one_line(name) for name, _ in shown]
    if page.picture:
        picture = curve.draw(
            shown[0][1],
            shown[1][1] if len(shown) > 1 else None,
            labels=(names[0], names[-1]),
            marks=finding.marks,
            steps=finding.steps,
            axis=run.axis,
            shared_scale=panels.quantity(shown[0][0]) == panels.quantity(shown[-1][0]),
            width=min(page.width, 80) - 2,
            glyphs=curve.ASCII if page.ascii else curve.BRAILLE,
        )
        if picture is not None:
            return ["", *(f"  {line}" for line in (picture.legend, *picture.rows)), ""]
    lines = []
    for name, (_, series) in zip(names, shown, strict=True):
        lines += item("curve:", f"{name} {curve.describe(series, run.axis)}", page)
    return lines


def _overview(diagnoses: Sequence[Diagnosis], labels: Sequence[str], page: Page) -> list[str]:
    """One line that counts the verdicts, and the table over runs; one sentence per run on a page without pictures."""
    runs, _, counts = totals(diagnoses).partition(": ")
    if page.picture and page.width >= TABLE_WIDTH:
        folder = shared_folder([place(d.run.source) for d in diagnoses])
        where = f" in {folder}" if folder else ""
        short = [label.removeprefix(folder) for label in labels]
        return [*textwrap.wrap(f"{runs}{where}: {counts}", page.width), "", *_table(diagnoses, short, page)]
    lines = textwrap.wrap(f"{runs}: {counts}", page.width)
    for diagnosis, label in zip(diagnoses, labels, strict=True):
        stage = TITLES.get(diagnosis.milestone, "unknown")
        sentence = f"{label}: {verdict(diagnosis)}; milestone {stage}; {count(diagnosis.run.points, 'point')}"
        lines += textwrap.wrap(sentence, page.width, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def _table(diagnoses: Sequence[Diagnosis], labels: Sequence[str], page: Page) -> list[str]:
    """The table over runs: name, verdict, milestone, points."""
    rows: list[tuple[str, ...]] = [
        (label, short_verdict(d), TITLES.get(d.milestone, "unknown"), str(d.run.points))
        for d, label in zip(diagnoses, labels, strict=True)
    ]
    stage, points = (max(len(cell) for cell in column) for column in list(zip(*rows, strict=True))[2:])
    stage, points = max(stage, len("milestone")), max(points, len("points"))
    room = page.width - stage - points - 6
    name = min(max(len("run"), *map(len, labels)), max(12, room // 2))
    rows = [(shorten(label, name), *rest) for label, *rest in rows]
    colors = [verdict_word(d) for d in diagnoses]
    return grid(("run", "verdict", "milestone", "points"), rows, (name, room - name, stage, points), page, colors)


def _rule_off(page: Page) -> str:
    return page.paint("-" * page.width, "faint") if page.picture else ""
