"""The report as SARIF 2.1.0, which GitHub code scanning and editors show: a result per finding.

Levels are the severities. A result keeps its fingerprint while its log grows: the rule, the file and the run make it,
not a number or a line. A result whose line is not known points at line 1, because code scanning takes none without.
What could not be read or judged is a notification of the invocation. Source: OASIS, Static Analysis Results Interchange
Format (SARIF) Version 2.1.0 Plus Errata 01; GitHub Docs, "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diagnose.curves import Run
from diagnose.reports import places
from diagnose.reports.phrases import advice, labels_of, reasons
from diagnose.reports.words import count, one_line
from diagnose.rule import Diagnosis, Finding, NotJudged, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

FINGERPRINT = "primaryLocationLineHash"
"""The only partial fingerprint that code scanning reads; it would compute one of the line if we gave none."""

_PARAGRAPHS = ("Why it matters", "Limits")
"""Sections of a manual page that are prose; the others are tables."""


def render(
    diagnoses: Sequence[Diagnosis],
    errors: Sequence[tuple[str, str]] = (),
    across: Sequence[Finding] = (),
    across_not_judged: Sequence[NotJudged] = (),
    *,
    version: str,
    rules: Sequence[Rule],
) -> str:
    """The log as text of ASCII characters.

    errors: (source, message) of what could not be read or judged.
    across, across_not_judged: what the runs say together, and what could not be said.
    version: that of the program.
    rules: those that are installed; the ones that found something are described.
    """
    results = [*_results(diagnoses), *_across(across, {d.run.name: d.run for d in diagnoses})]
    named = list(dict.fromkeys(result["ruleId"] for result in results))
    known = {rule.id: rule for rule in rules}
    for result in results:
        result["ruleIndex"] = named.index(result["ruleId"])
    driver = {
        "name": "diagnose",
        "version": version,
        "rules": [_rule(known[name]) if name in known else {"id": name} for name in named],
    }
    invocation = {
        "executionSuccessful": not errors,
        "toolExecutionNotifications": [*_notifications(diagnoses, errors, across_not_judged)],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"


def _results(diagnoses: Sequence[Diagnosis]) -> Iterator[dict[str, Any]]:
    per_source = Counter(diagnosis.run.source for diagnosis in diagnoses)
    for diagnosis in diagnoses:
        run = diagnosis.run
        name = run.name if per_source[run.source] > 1 else ""
        for finding in diagnosis.findings:
            first, last = places.lines(run, finding) or (1, 1)
            result = _result(finding, [_location(run.source, first, last)], (places.relative(run.source), name))
            said = {"run": one_line(run.name), "axis": run.axis, "steps": [_number(step) for step in finding.steps]}
            result["properties"] |= said
            yield result


def _across(findings: Sequence[Finding], runs: Mapping[str, Run]) -> Iterator[dict[str, Any]]:
    """The findings about several runs: at the first of them, the others related."""
    for finding in findings:
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
        "rank": _number(round(100.0 * finding.confidence, 2)),
        "message": {"text": _message(finding)},
        "locations": locations,
        "partialFingerprints": {FINGERPRINT: f"{digest[:16]}:1"},
        "properties": {
            "confidence": _number(finding.confidence),
            **({"explainedBy": finding.explained_by} if finding.explained_by else {}),
        },
    }


def _location(source: str, first: int, last: int) -> dict[str, Any]:
    region = {"startLine": first, "endLine": last} if last > first else {"startLine": first}
    return {"physicalLocation": {"artifactLocation": {"uri": places.uri(source)}, "region": region}}


def _message(finding: Finding) -> str:
    said = [finding.summary, finding.meaning]
    if finding.explained_by:
        said.append(f"Explained by {finding.explained_by}.")
    elif finding.recommendations:
        said.append(f"Try first: {advice(finding.recommendations[0])}")
    return _plain(" ".join(said))


def _plain(text: str) -> str:
    """The text as a message in which nothing is a link or a placeholder (sections 3.11.5 and 3.11.6)."""
    return one_line(text).replace("](", "] (").replace("{", "{{").replace("}", "}}")


def _number(value: float) -> float | int | None:
    value = float(value)
    if value - value != 0:  # NaN or infinite
        return None
    return int(value) if value.is_integer() else value


def _notifications(
    diagnoses: Sequence[Diagnosis], errors: Sequence[tuple[str, str]], across_not_judged: Sequence[NotJudged]
) -> Iterator[dict[str, Any]]:
    """What could not be read or judged, and why; one per run."""
    for source, message in errors:
        yield _notification("error", message, source)
    for diagnosis, label in zip(diagnoses, labels_of([d.run for d in diagnoses]), strict=True):
        if diagnosis.not_judged:
            rules = count(len(diagnosis.not_judged), "rule")
            said = f"{label}: {rules} could not judge: {reasons(diagnosis.not_judged)}"
            yield _notification("note", said, diagnosis.run.source)
    if across_not_judged:
        yield _notification("note", f"across runs not judged: {reasons(across_not_judged)}")


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
