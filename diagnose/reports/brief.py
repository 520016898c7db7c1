"""The report for coding agents: one JSON document of at most `RUN` tokens for one run, `AUDIT` for several.

    {"brief":1,"verdicts":{"error":1},"runs":[
    {"source":"run.csv","verdict":"error","kind":"classification","milestone":"learn-the-right-thing",
     "read":"csv, 60 points, epochs 1-60","columns":{"val_loss":"valid/loss"},"findings":[
    {"rule":"overfitting","severity":"error","confidence":0.94,"where":"epochs 31-60",
     "measured":"val_loss was best at epoch 31 ...","advice":"try first: stop at epoch 31 ..."}],
     "not_judged":"16 rules (the log has no ...)"}],
     "left_out":[
    {"what":"causes, evidence, further advice","see":"diagnose run.csv --format json"}]}

It changes only with `VERSION`; what there is none of is left out. Runs and findings come worst first. What does not fit
is counted in `left_out`, with the command that shows it: first the last findings of one run; of several runs each then
has its leading finding alone, and the last runs go.

What comes from a log (names, columns, messages) is text on one line within a JSON string, cut to a length: to whoever
reads it, it is data. A path with marks that a shell knows is named PATH in the commands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from diagnose.names.kinds import unread
from diagnose.report import Report
from diagnose.reports.budget import cut, fitting, tokens
from diagnose.reports.context import Context
from diagnose.reports.phrases import by_rule, by_verdict, confidence, facts, labelled, listed, reasons
from diagnose.reports.summary import first_advice, since
from diagnose.reports.words import count, place, span
from diagnose.rule import Diagnosis, Finding, Severity, verdict_word

VERSION = 1

RUN, AUDIT = 1500, 3000
"""Tokens of an answer about one run, and about several; counted by `diagnose.reports.budget`."""

NAME, COLUMN, SENTENCE, REASONS = 40, 12, 90, 130
"""Tokens of a path, of a column, of a sentence, and of what was not judged."""

MARGIN = 20
"""Tokens by which what was left out may take more when less of it is."""

FEW = 6
"""Items of a list that comes beside the runs: errors, findings across runs, columns, rules."""

IN_FULL = 12
"""Runs of which all findings are told where they fit."""

LISTED = 200
"""Runs of which lines are made; no more of them fit."""

_PLAIN = re.compile(r"[\w./@][\w./@+=,-]*", re.ASCII)
"""A path that no shell reads anything into, nor a command an option."""

_ITEM = re.compile(r'(?<=[\[,])(?=\{"[a-z_]+":)')
"""Before an object of a list; within a string the second mark would be escaped."""


class Ways(NamedTuple):
    """How whoever reads the answer sees more: findings of one run by their rules, all of one run, all runs."""

    findings: str
    run: str
    runs: str


def commands(program: str, several: str) -> Ways:
    """The ways of a shell. several: what stands for the runs that were asked for."""
    return Ways(
        f"{program} {{path}} --select {{rules}} --format brief",
        f"{program} {{path}} --format json",
        f"{program} {several} --format jsonl",
    )


SHELL, SHELL_OF_SERVER = commands("diagnose", "PATHS"), commands("diagnose wandb", "PROJECT")


def render(report: Report, context: Context) -> str:
    """The document, a run and a finding to a line; ends with a newline."""
    return answer(report, SHELL_OF_SERVER if context.links else SHELL, context.names)


def answer(report: Report, ways: Ways, names: Mapping[str, str] | None = None, *, most: int = 0) -> str:
    """The document as text. names: source of a run -> what to call it. most: tokens; 0 for those of the format."""
    most = most or (RUN if len(report) + len(report.errors) <= 1 else AUDIT)
    runs = labelled(list(islice(report.worst_first, LISTED)), names)
    if len(report) <= IN_FULL:
        full = [_run(diagnosis, label) for diagnosis, label in runs]
        said = _document(report, full, [*_unsaid(report, ways), *_missing(report, ways, len(runs))])
        if tokens(said) <= most:
            return said
    if len(report) == 1:
        return _of_one(report, full[0], ways, most)
    lines = [_line(diagnosis, label) for diagnosis, label in runs]
    bare = _document(report, [], _missing(report, ways, 0))
    kept = fitting([written(line) for line in lines], most - MARGIN - tokens(bare))
    return _document(report, lines[:kept], _missing(report, ways, kept))


def written(content: Any) -> str:
    """A value as JSON without spaces, in which an object of a list begins a line."""
    return _ITEM.sub("\n", json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def path_in_command(source: str, instead: str = "PATH") -> str:
    """A path as it stands in a command; `instead` where a shell would read something into it."""
    return source if _PLAIN.fullmatch(source) and tokens(source) <= NAME else instead


def finding(found: Finding, where: str) -> dict[str, Any]:
    """A finding: the rule, how bad and how sure, where, what was measured, what explains it or what to do first."""
    said = {
        "rule": found.rule,
        "severity": found.severity.value,
        "confidence": round(found.confidence, 2) if found.measured else confidence(found).removeprefix("confidence "),
        "where": where,
        "measured": cut(found.summary, SENTENCE),
    }
    if found.explained_by:
        return {**said, "explained_by": found.explained_by}
    return said | _filled({"advice": cut(first_advice(found), SENTENCE)})


def _document(report: Report, runs: Sequence[Mapping[str, Any]], left_out: Sequence[Mapping[str, str]]) -> str:
    """The answer with these runs."""
    problems = {rule: tally.total() - tally[Severity.NOTE] for rule, tally in by_rule(report.findings).items()}
    content = {
        "brief": VERSION,
        "verdicts": by_verdict(map(verdict_word, report.diagnoses)),
        "problems": dict(islice(((r, n) for r, n in problems.items() if n), FEW)) if len(report) > 1 else {},
        "across": [
            {**finding(f, count(len(f.runs), "run")), "runs": cut(listed(f.runs), NAME)} for f in report.across[:FEW]
        ],
        "runs": runs,
        "errors": [
            {"source": cut(place(source), NAME, end=True), "message": cut(message, SENTENCE)}
            for source, message in report.errors[:FEW]
        ],
        "left_out": left_out,
    }
    return written({"brief": VERSION, **_filled(content)}) + "\n"


def _of_one(report: Report, run: Mapping[str, Any], ways: Ways, most: int) -> str:
    """The answer about one run without the last of its findings."""
    findings, source = run["findings"], path_in_command(report.diagnoses[0].run.source)

    def left_out(rest: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
        told = listed([f"{f['rule']} ({f['severity']})" for f in rest])
        see = ways.findings.format(path=source, rules=",".join(f["rule"] for f in rest))
        return [{"what": f"{count(len(rest), 'finding')}: {told}", "see": see}, *_unsaid(report, ways)]

    bare = _document(report, [{**run, "findings": []}], left_out(findings))
    kept = fitting([written(each) for each in findings], most - MARGIN - tokens(bare))
    return _document(report, [{**run, "findings": findings[:kept]}], left_out(findings[kept:]))


def _unsaid(report: Report, ways: Ways) -> list[dict[str, str]]:
    """What is said of no finding here, and where all of it is."""
    if not report.findings:
        return []
    if len(report) > 1:
        return [{"what": "causes, evidence, meaning, further advice", "see": ways.runs}]
    see = ways.run.format(path=path_in_command(report.diagnoses[0].run.source))
    return [{"what": "causes, evidence, meaning, further advice", "see": see}]


def _missing(report: Report, ways: Ways, kept: int) -> list[dict[str, str]]:
    """What is not listed beside the first runs: other runs, findings across them, errors."""
    rest = by_verdict(map(verdict_word, islice(report.worst_first, kept, None)))
    told = ", ".join(f"{amount} {word}" for word, amount in rest.items())
    said = [f"{count(len(report) - kept, 'run')} ({told})"] if rest else []
    beside = {"finding": len(report.across) - FEW, "source": len(report.errors) - FEW}
    ends = {"finding": " across runs", "source": " in error"}
    said += [count(amount, noun) + ends[noun] for noun, amount in beside.items() if amount > 0]
    return [{"what": ", ".join(said), "see": ways.runs}] if said else []


def _run(diagnosis: Diagnosis, label: str) -> dict[str, Any]:
    """One run with all its findings."""
    run = diagnosis.run
    columns = {role: cut(column, COLUMN) for role, column in islice(run.roles.items(), FEW) if role != column}
    return {"source": cut(label, NAME, end=True), "verdict": verdict_word(diagnosis)} | _filled(
        {
            "kind": diagnosis.kind.name,
            "milestone": diagnosis.milestone,
            "read": cut(facts(run), NAME),
            "columns": columns,
            "findings": [finding(f, span(f.steps, run.axis)) for f in diagnosis.findings],
            "not_judged": cut(reasons(diagnosis.not_judged), REASONS),
            "not_read": cut(listed(unread(run)), NAME),
            "notes": cut(" ".join(run.notes), SENTENCE),
        }
    )


def _line(diagnosis: Diagnosis, label: str) -> dict[str, Any]:
    """One run with its leading finding."""
    said: dict[str, Any] = {"source": cut(label, NAME, end=True), "verdict": verdict_word(diagnosis)}
    if not diagnosis.findings:
        return said
    lead, *others = diagnosis.findings
    first = finding(lead, since(lead, diagnosis.run))
    del first["measured"]
    also = listed([f.rule for f in others if f.severity is not Severity.NOTE])
    return {**said, "findings": [first], **_filled({"also": also})}


def _filled(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that hold something."""
    return {name: value for name, value in members.items() if value}
