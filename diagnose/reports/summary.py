"""The one line that a practitioner would say of a run: what, since when, and what to do first."""

from __future__ import annotations

from diagnose.curves import Run
from diagnose.reports.phrases import VERDICTS, listed, when
from diagnose.reports.words import count, number, one_line, span
from diagnose.rule import Diagnosis, Finding, Severity, verdict_word

PROBLEMS = ("error", "warning")
"""Verdicts of runs that something is wrong with."""


def summary(diagnosis: Diagnosis) -> str:
    """What, since when, what to do first: `overfitting since epoch 31; try first: stop at epoch 31`."""
    lead = next(iter(diagnosis.findings), None)
    advice = first_advice(lead) if lead is not None and lead.severity is not Severity.NOTE else ""
    return "; ".join(filter(None, (what(diagnosis), advice)))


def in_a_line(diagnosis: Diagnosis) -> str:
    """The verdict, what it is and since when, and what to do: `error: overfitting since epoch 31: stop at epoch 31`."""
    word = verdict_word(diagnosis)
    if word not in PROBLEMS:
        return what(diagnosis)
    lead = diagnosis.findings[0]
    titles = [one_line(fix.title.rstrip(".")) for fix in lead.recommendations[:1]]
    return ": ".join((word, f"{lead.rule} {since(lead, diagnosis.run)}", *titles))


def first_advice(finding: Finding) -> str:
    """What to do first: `try first: stop at epoch 31`; "" where nothing is known to help."""
    fix = next(iter(finding.recommendations), None)
    return "" if fix is None else one_line(f"{when(fix)}: {fix.title.rstrip('.')}")


def what(diagnosis: Diagnosis) -> str:
    """What it is, and since when: `overfitting since epoch 31, and with it overconfidence`."""
    if not diagnosis.findings:
        return one_line(_without_findings(diagnosis))
    lead, *others = diagnosis.findings
    if lead.severity is Severity.NOTE:
        noted = listed([finding.rule for finding in diagnosis.findings])
        found = "no problem" if diagnosis.whole else f"no problem found by {count(len(diagnosis.judged), 'rule')}"
        return one_line(f"{found}; {count(len(diagnosis.findings), 'tip')}: {noted}")
    said = f"{lead.rule} {since(lead, diagnosis.run)}"
    effects = [f.rule for f in others if f.explained_by == lead.rule and f.severity is not Severity.NOTE]
    if effects:
        said += f", and with it {listed(effects)}"
    return one_line(said)


def since(finding: Finding, run: Run) -> str:
    """Where on the axis a finding stands: `throughout`, `since epoch 31`, `at epochs 5-7`."""
    begin, end = finding.steps
    steps = [series.steps for series in run.series.values() if len(series)]
    first, last = min(float(s[0]) for s in steps), max(float(s[-1]) for s in steps)
    near = 0.02 * (last - first)
    if end < last - near or begin == last:
        return f"at {span(finding.steps, run.axis)}"
    return "throughout" if begin <= first + near else f"since {run.axis} {number(begin, 6)}"


def _without_findings(diagnosis: Diagnosis) -> str:
    """The verdict where nothing was found, and what is lacking for another."""
    word = verdict_word(diagnosis)
    if word != "nothing-found":
        why = f": {diagnosis.not_judged[0].reason}" if word == "not-judged" and diagnosis.not_judged else ""
        return f"{VERDICTS[word]}{why}"
    found = f"nothing found by {count(len(diagnosis.judged), 'rule')}, and not known to be healthy"
    lacking = [lack for lack in diagnosis.not_judged if lack.rule in diagnosis.rests_on]
    if lacking:
        return f"{found}: {lacking[0].reason}"
    left_out = [rule for rule in diagnosis.rests_on if rule not in diagnosis.judged]
    return f"{found}: {listed(left_out)} was not asked" if left_out else found
