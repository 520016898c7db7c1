"""The report as SARIF 2.1.0, which GitHub code scanning and editors show: a result per finding.

Levels are the severities. A result keeps its fingerprint while its log grows: the rule, the file and the run make it,
not a number or a line. A result whose line is not known points at line 1, because code scanning takes none without.
What could not be read or judged is a notification of the invocation. Source: OASIS, Static Analysis Results Interchange
Format (SARIF) Version 2.1.0 Plus Errata 01; GitHub Docs, "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from diagnose.report import Report
from diagnose.reports import places
from diagnose.reports.context import Context
from diagnose.reports.json import compact, written
from diagnose.reports.phrases import in_sentences, labelled, reasons
from diagnose.reports.words import count, one_line
from diagnose.rule import Finding, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

FINGERPRINT = "primaryLocationLineHash"
"""The only partial fingerprint that code scanning reads; it would compute one of the line if we gave none."""

_PARAGRAPHS = ("Why it matters", "Limits")
"""Sections of a manual page that are prose; the others are tables."""


def render(report: Report, context: Context) -> str:
    """The log as text of ASCII characters; the rules that found something are described as `context.rules` do."""
    results = [*_results(report), *_across(report)]
    named = list(dict.fromkeys(result["ruleId"] for result in results))
    known = {rule.id: rule for rule in context.rules}
    for result in results:
        result["ruleIndex"] = named.index(result["ruleId"])
    driver = {
        "name": "diagnose",
        "version": context.version,
        "rules": [_rule(known[name]) if name in known else {"id": name} for name in named],
    }
    invocation = {
        "executionSuccessful": not report.errors,
        "toolExecutionNotifications": [*_notifications(report)],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _results(report: Report) -> Iterator[dict[str, Any]]:
    per_source = Counter(diagnosis.run.source for diagnosis in report)
    for diagnosis in report:
        run = diagnosis.run
        name = run.name if per_source[run.source] > 1 else ""
        for finding in diagnosis.findings:
            first, last = places.lines(run, finding) or (1, 1)
            result = _result(finding, [_location(run.source, first, last)], (places.relative(run.source), name))
            said = {"run": one_line(run.name), "axis": run.axis, "steps": [compact(step) for step in finding.steps]}
            result["properties"] |= said
            yield result


def _across(report: Report) -> Iterator[dict[str, Any]]:
    """The findings about several runs: at the first of them, the others related."""
    runs = {diagnosis.run.name: diagnosis.run for diagnosis in report}
    for finding in report.across:
        sources = [runs[name].source for name in finding.runs if name in runs]
        places_of = [_location(source, 1, 1) for source in dict.fromkeys(sources)]
        result = _result(finding, places_of[:1], finding.runs)
        result["relatedLocations"] = places_of[1:]
        result["properties"]["runs"] = [one_line(name) for name in finding.runs]
        yield result


def _result(finding: Finding, locations: list[dict[str, Any]], of: Sequence[str]) -> dict[str, Any]:
    """of: what tells the result from others of its rule, whatever is logged next."""
    digest = hashlib.sha256("\0".join((finding.rule, *of)).encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "ruleId": finding.rule,
        "level": finding.severity.value,
        "rank": compact(round(100.0 * finding.confidence, 2)),
        "message": {"text": _plain(" ".join(in_sentences(finding)))},
        "locations": locations,
        "partialFingerprints": {FINGERPRINT: f"{digest[:16]}:1"},
        "properties": {
            "confidence": compact(finding.confidence),
            **({"explainedBy": finding.explained_by} if finding.explained_by else {}),
        },
    }


def _location(source: str, first: int, last: int) -> dict[str, Any]:
    region = {"startLine": first, "endLine": last} if last > first else {"startLine": first}
    return {"physicalLocation": {"artifactLocation": {"uri": places.uri(source)}, "region": region}}


def _plain(text: str) -> str:
    """The text as a message in which nothing is a link or a placeholder (sections 3.11.5 and 3.11.6)."""
    return one_line(text).replace("](", "] (").replace("{", "{{").replace("}", "}}")


def _notifications(report: Report) -> Iterator[dict[str, Any]]:
    """What could not be read or judged, and why; one per run."""
    for source, message in report.errors:
        yield _notification("error", message, source)
    for diagnosis, label in labelled(report.diagnoses):
        if diagnosis.not_judged:
            rules = count(len(diagnosis.not_judged), "rule")
            said = f"{label}: {rules} could not judge: {reasons(diagnosis.not_judged)}"
            yield _notification("note", said, diagnosis.run.source)
    if report.across_not_judged:
        yield _notification("note", f"across runs not judged: {reasons(report.across_not_judged)}")


def _notification(level: str, message: str, source: str = "") -> dict[str, Any]:
    where = {"physicalLocation": {"artifactLocation": {"uri": places.uri(source)}}}
    return {"level": level, "message": {"text": _plain(message)}, **({"locations": [where]} if source else {})}


def _rule(rule: Rule) -> dict[str, Any]:
    """A rule with its manual page as its help."""
    sections = _sections(rule)
    more = f"The thresholds and the trials of the fixes: diagnose explain {rule.id}"
    short = f"{rule.title[0].upper()}{rule.title[1:]}."
    markdown = [f"**{short}**"]
    for title, body in sections.items():
        prose = title in _PARAGRAPHS
        markdown += [f"### {title}", body if prose else f"```text\n{body}\n```"]
    return {
        "id": rule.id,
        "shortDescription": {"text": short},
        "fullDescription": {"text": " ".join(sections.get("Why it matters", rule.title).split())},
        "help": {
            "text": f"{inspect.cleandoc(rule.doc)}\n\n{more}\n",
            "markdown": "\n\n".join([*markdown, f"{more.partition(': ')[0]}: `diagnose explain {rule.id}`"]) + "\n",
        },
        "properties": {"tags": ["training"]},
    }


def _sections(rule: Rule) -> dict[str, str]:
    """The sections of the manual page: the line of a title, then what is indented under it."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in inspect.cleandoc(rule.doc).splitlines()[1:]:
        if line and not line[0].isspace():
            title = line.strip()
        elif title:
            found.setdefault(title, []).append(line)
    return {name: inspect.cleandoc("\n" + "\n".join(lines)) for name, lines in found.items()}
