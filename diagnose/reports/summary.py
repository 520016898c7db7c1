"""The one line that a practitioner would say of a run: what, since when, and what to do first."""

from __future__ import annotations

from diagnose.curves import Run
from diagnose.reports.phrases import VERDICTS, listed, when
from diagnose.reports.words import count, number, one_line, span
from diagnose.rule import Diagnosis, Finding, Severity, verdict_word


def summary(diagnosis: Diagnosis) -> str:
    """What, since when, what to do first: `overfitting since epoch 31; try first: stop at epoch 31`."""
    if not diagnosis.findings:
        return one_line(_without_findings(diagnosis))
    lead, *others = diagnosis.findings
    if lead.severity is Severity.NOTE:
        noted = listed([finding.rule for finding in diagnosis.findings])
        return one_line(f"no problem; {count(len(diagnosis.findings), 'tip')}: {noted}")
    said = f"{lead.rule} {_since(lead, diagnosis.run)}"
    effects = [f.rule for f in others if f.explained_by == lead.rule and f.severity is not Severity.NOTE]
    if effects:
        said += f", and with it {listed(effects)}"
    fix = next(iter(lead.recommendations), None)
    return one_line(said if fix is None else f"{said}; {when(fix)}: {fix.title.rstrip('.')}")


def _since(finding: Finding, run: Run) -> str:
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
    lacking = next((lack for lack in diagnosis.not_judged if lack.rule in diagnosis.rests_on), None)
    found = f"nothing found by {count(len(diagnosis.judged), 'rule')}, and not known to be healthy"
    return found if lacking is None else f"{found}: {lacking.reason}"
