"""The report as JUnit XML, which GitLab, Jenkins and others show as tests: a suite per run, a test per rule.

A finding at or above the level that fails is a failure, one below it a passed test with the finding as its output; a
rule that could not judge is skipped, a source that could not be read is an error. No times are given: nothing here was
run. Source of the format: the schema of Jenkins' xUnit plugin, `junit-10.xsd`; beside it a test names its `file`, which
GitLab shows.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.etree import ElementTree as ET

from diagnose.report import Report
from diagnose.reports import places
from diagnose.reports.context import Context
from diagnose.reports.phrases import advice, confidence, evidence_in_words, labelled, when
from diagnose.reports.words import one_line, place, span, visible
from diagnose.rule import Diagnosis, Finding, NotJudged

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, see its production [2] Char."""


def render(report: Report, context: Context) -> str:
    """The document as text of ASCII characters; a finding is a failure where its severity is in `context.failing`."""
    root = ET.Element("testsuites", name="diagnose")
    for diagnosis, label in labelled(report.diagnoses):
        _run(root, diagnosis, label, context.failing)
    if report.across or report.across_not_judged:
        _across(root, report, context.failing)
    if report.errors:
        _errors(root, report)
    _count(root)
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body.decode()}\n'


def _run(root: ET.Element, diagnosis: Diagnosis, label: str, failing: Collection[str]) -> None:
    """The suite of one run: the rules that judged it, then those that could not."""
    suite = ET.SubElement(root, "testsuite", name=_legal(label))
    file = _legal(visible(places.relative(diagnosis.run.source)))
    found = {finding.rule: finding for finding in diagnosis.findings}
    for rule in diagnosis.judged:
        case = _case(suite, label, rule, file)
        if rule in found:
            _outcome(case, found[rule], span(found[rule].steps, diagnosis.run.axis), failing)
    for missing in diagnosis.not_judged:
        _skip(_case(suite, label, missing.rule, file), missing)


def _across(root: ET.Element, report: Report, failing: Collection[str]) -> None:
    """The suite of what the runs say together, and of the rules that could say nothing of them."""
    suite = ET.SubElement(root, "testsuite", name="across runs")
    for finding in report.across:
        _outcome(_case(suite, "across runs", finding.rule), finding, ", ".join(finding.runs), failing)
    for missing in report.across_not_judged:
        _skip(_case(suite, "across runs", missing.rule), missing)


def _errors(root: ET.Element, report: Report) -> None:
    """The suite of the sources that could not be read or judged."""
    suite = ET.SubElement(root, "testsuite", name="sources")
    for source, message in report.errors:
        case = _case(suite, "sources", place(source), _legal(visible(places.relative(source))))
        said = _legal(one_line(message))
        ET.SubElement(case, "error", type="not-judged", message=said).text = said


def _case(suite: ET.Element, classname: str, name: str, file: str = "") -> ET.Element:
    attributes = {"classname": _legal(classname), "name": _legal(name)} | ({"file": file} if file else {})
    return ET.SubElement(suite, "testcase", attributes)


def _outcome(case: ET.Element, finding: Finding, where: str, failing: Collection[str]) -> None:
    """A failure, or the output of a test that passes."""
    said = [f"{finding.severity.upper()} {finding.rule}, {where}, {confidence(finding)}"]
    said += [finding.summary, finding.meaning]
    if finding.explained_by:
        said.append(f"explained by {finding.explained_by}")
    else:
        said += [f"{when(fix)}: {advice(fix)}" for fix in finding.recommendations[:1]]
    said += [f"evidence: {'; '.join(map(evidence_in_words, finding.evidence))}"] if finding.evidence else []
    text = _legal("\n".join(map(one_line, said)))
    if finding.severity in failing:
        summary = _legal(one_line(finding.summary))
        ET.SubElement(case, "failure", type=finding.severity.value, message=summary).text = text
    else:
        ET.SubElement(case, "system-out").text = text


def _skip(case: ET.Element, missing: NotJudged) -> None:
    ET.SubElement(case, "skipped", message=_legal(one_line(missing.reason)))


def _count(root: ET.Element) -> None:
    """Write how many tests, failures, errors and skipped ones there are into each suite; the root has no skipped."""
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in root:
        counts = {"tests": len(suite)}
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            counts[attribute] = sum(case.find(tag) is not None for case in suite)
        for attribute, number in counts.items():
            suite.set(attribute, str(number))
            totals[attribute] += number
    for attribute in ("tests", "failures", "errors"):
        root.set(attribute, str(totals[attribute]))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
