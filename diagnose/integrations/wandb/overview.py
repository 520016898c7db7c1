"""The report over a project's runs: how many are ill of what, what changed since the last audit, and the runs, worst
first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from diagnose.reports.page import TABLE_WIDTH, Page, grid, shorten, wrapped
from diagnose.reports.phrases import VERDICTS, WORST_FIRST, by_rule, counted, short_verdict, stage
from diagnose.reports.text import together
from diagnose.reports.words import count, one_line
from diagnose.rule import RANK, Diagnosis, Finding

NAMED = 8
"""Runs named in a sentence; the others are counted."""

SHOWN = 40
"""Runs in the table, unless more are asked for."""


@dataclass(frozen=True)
class Line:
    """One run: what the server says of it, and what was found.

    diagnosis: None where it could not be judged; `error` says why. remembered: the audit before had judged it.
    """

    id: str
    name: str
    state: str
    sweep: str
    url: str
    verdict: str
    diagnosis: Diagnosis | None = None
    error: str = ""
    remembered: bool = False

    @property
    def ill(self) -> bool:
        """Whether there is a warning or an error."""
        return self.verdict in ("error", "warning")


@dataclass(frozen=True)
class Overview:
    """All runs of a project.

    sweeps: sweep -> what its runs say together; "" for the runs of none. at, verdicts: when the audit before was
    (seconds since 1970, None: there was none), and what it said of each run by its id. left: runs not reached.
    """

    project: str
    url: str
    lines: Sequence[Line]
    sweeps: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    at: float | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True)
class Changes:
    """What is otherwise than in the audit before: runs by name."""

    new: tuple[str, ...]
    new_ill: tuple[str, ...]
    fallen_ill: tuple[str, ...]
    recovered: tuple[str, ...]
    gone: int


def changes(overview: Overview) -> Changes:
    """Compare with the audit before."""
    known = overview.verdicts
    new = [line for line in overview.lines if line.id not in known]
    old = [line for line in overview.lines if line.id in known]
    was_ill = {name for name, verdict in known.items() if verdict in ("error", "warning")}
    judged = [line for line in old if line.verdict != "failed"]
    return Changes(
        new=tuple(line.name for line in new),
        new_ill=tuple(line.name for line in new if line.ill),
        fallen_ill=tuple(line.name for line in judged if line.ill and line.id not in was_ill),
        recovered=tuple(line.name for line in judged if not line.ill and line.id in was_ill),
        gone=len(set(known) - {line.id for line in overview.lines}),
    )


def table(overview: Overview, page: Page, most: int | None = SHOWN) -> str:
    """The report for a terminal, ending with a newline. most: runs in the table; None for all."""
    lines = _head(overview, page)
    lines += _by_finding(overview.lines, page)
    lines += _since(overview, page)
    lines += _together(overview, page)
    lines += _runs(overview, page, most)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def sentences(overview: Overview) -> list[str]:
    """What is to be said of all runs: how many are ill, what changed, the sweeps, and why some were not judged."""
    sweeps: dict[str, list[Line]] = defaultdict(list)
    for line in overview.lines:
        if line.sweep:
            sweeps[line.sweep].append(line)
    return [
        _counts(overview),
        *_stand(overview),
        *([_changed(overview)] if overview.at is not None else []),
        *(_of_sweep(sweep, lines) for sweep, lines in sorted(sweeps.items())),
        *(f"{line.name} ({line.id}): {_said(line)}" for line in overview.lines if line.diagnosis is None),
    ]


def _head(overview: Overview, page: Page) -> list[str]:
    return [*wrapped(_counts(overview), page, hang=0), *_stand(overview), page.paint(one_line(overview.url), "faint")]


def _counts(overview: Overview) -> str:
    counts = counted(line.verdict for line in overview.lines)
    return f"{one_line(overview.project)}: {count(len(overview.lines), 'run')}{': ' if counts else ''}{counts}"


def _stand(overview: Overview) -> list[str]:
    """Which of the runs were read this time."""
    lines = []
    remembered = sum(line.remembered for line in overview.lines)
    if remembered:
        lines.append(f"{remembered} of them are unchanged since they were judged; --no-cache reads all again")
    if overview.left:
        lines.append(f"interrupted: {count(overview.left, 'run')} not reached; the next audit goes on with them")
    return lines


def _of_sweep(sweep: str, lines: Sequence[Line]) -> str:
    return f"sweep {one_line(sweep)}: {count(len(lines), 'run')}, {sum(line.ill for line in lines)} ill"


def _by_finding(runs: Sequence[Line], page: Page) -> list[str]:
    """The table over findings: how many runs have each, by severity."""
    tally = by_rule(finding for line in runs if line.diagnosis for finding in line.diagnosis.findings)
    if not tally:
        return []
    if not page.picture or page.width < TABLE_WIDTH:
        told = {rule: ", ".join(f"{n[s]} {s}" for s in WORST_FIRST if n[s]) for rule, n in tally.items()}
        return ["", *(f"{rule}: {counts}" for rule, counts in told.items())]
    rows = [(rule, *(str(counts[s]) for s in WORST_FIRST)) for rule, counts in tally.items()]
    return ["", *grid(("finding", *WORST_FIRST), rows, (max(map(len, tally)), 5, 7, 4), page)]


def _since(overview: Overview, page: Page) -> list[str]:
    """What changed since the audit before."""
    if overview.at is None:
        return []
    return ["", *wrapped(_changed(overview), page)]


def _changed(overview: Overview) -> str:
    found = changes(overview)
    when = datetime.fromtimestamp(overview.at or 0.0).strftime("%Y-%m-%d %H:%M")
    parts = []
    if found.new:
        ill = f", {len(found.new_ill)} of them ill ({_named(found.new_ill)})" if found.new_ill else ", none of them ill"
        parts.append(f"{count(len(found.new), 'new run')}{ill}")
    if found.fallen_ill:
        parts.append(f"newly ill: {_named(found.fallen_ill)}")
    if found.recovered:
        parts.append(f"no longer ill: {_named(found.recovered)}")
    if found.gone:
        parts.append(f"{count(found.gone, 'run')} no longer there")
    return f"since the audit of {when}: {'; '.join(parts) or 'nothing changed'}"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(map(one_line, names[:NAMED]))
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _together(overview: Overview, page: Page) -> list[str]:
    """What the runs of each sweep say together, and the runs of none."""
    lines: list[str] = []
    for sweep, findings in overview.sweeps.items():
        of_sweep = [line for line in overview.lines if line.sweep == sweep]
        if sweep:
            lines += ["", page.paint(_of_sweep(sweep, of_sweep), "strong")]
        lines += together(findings, (), {}, page)
    return lines


def _runs(overview: Overview, page: Page, most: int | None) -> list[str]:
    """The runs, worst first."""
    order = sorted(overview.lines, key=lambda line: (RANK[line.verdict], -_findings(line)))
    shown = order if most is None else order[:most]
    lines = [""]
    if page.picture and page.width >= TABLE_WIDTH:
        rows = [(shorten(one_line(line.name), 28), _said(line), _stage(line), line.id) for line in shown]
        widths = [max(map(len, column)) for column in zip(("run", "", "milestone", "id"), *rows, strict=True)]
        name, _, milestone, identity = widths
        room = max(page.width - name - milestone - identity - 6, 16)
        colors = [line.verdict for line in shown]
        lines += grid(("run", "verdict", "milestone", "id"), rows, (name, room, milestone, identity), page, colors)
    else:
        for line in shown:
            text = f"{one_line(line.name)} ({line.id}): {_said(line)}; milestone {_stage(line)}"
            lines += wrapped(text, page)
    if len(shown) < len(order):
        lines += [f"... and {count(len(order) - len(shown), 'run')} more: --all lists every run"]
    worst = next((line for line in order if line.ill), None)
    if worst is not None:
        lines += ["", f"one run in full: diagnose wandb {one_line(overview.project)}/{worst.id}"]
    return lines


def _findings(line: Line) -> int:
    return len(line.diagnosis.findings) if line.diagnosis else 0


def _said(line: Line) -> str:
    if line.diagnosis is None:
        return f"{VERDICTS[line.verdict]}: {one_line(line.error)}"
    state = "" if line.state == "finished" else f" ({one_line(line.state)})"
    return short_verdict(line.diagnosis) + state


def _stage(line: Line) -> str:
    return stage(line.diagnosis) if line.diagnosis else "-"


def document(overview: Overview) -> dict[str, Any]:
    """What the JSON report adds to that of the runs: an object of plain values."""
    found = changes(overview) if overview.at is not None else None
    return {
        "project": overview.project,
        "url": overview.url,
        "left": overview.left,
        "runs": [
            {
                "id": line.id,
                "name": line.name,
                "state": line.state,
                "sweep": line.sweep or None,
                "url": line.url,
                "verdict": line.verdict,
                "error": line.error or None,
                "remembered": line.remembered,
            }
            for line in overview.lines
        ],
        "since": None
        if found is None or overview.at is None
        else {
            "at": datetime.fromtimestamp(overview.at).astimezone().isoformat(timespec="seconds"),
            "new": list(found.new),
            "fallen_ill": list(found.fallen_ill),
            "recovered": list(found.recovered),
            "gone": found.gone,
        },
    }
