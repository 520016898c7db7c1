"""What one rule says of several validation sets, as one finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from diagnose.curves import Run
from diagnose.names.sets import HELD_OUT, name_in, said_of
from diagnose.rule import Finding, NotJudged


def over_sets(first: Finding | None, others: Mapping[str, Finding | NotJudged | None], run: Run) -> Finding | None:
    """The worst of what a rule found on the sets of a run, with the names of the others on which it found as much.

    first: what it found on the set that is judged first. others: set -> what it found there, or why it did not judge.
    A finding that leads with no curve of a set is the first one again.
    """
    found = {"": first} if first is not None else {}
    for name, said in others.items():
        if isinstance(said, Finding) and said.series[0] in HELD_OUT:
            found[name] = said
    if not found:
        return None
    worst = max(found, key=lambda name: found[name].severity.rank)
    also = [name for name, said in found.items() if name != worst and said.severity is found[worst].severity]
    finding = _of_set(found[worst], worst, run) if worst else found[worst]
    if not also or finding.series[0].partition("[")[0] not in HELD_OUT:
        return finding
    role = finding.series[0].partition("[")[0]
    columns = [run.roles[name_in(role, name) if name else role] for name in also]
    return replace(finding, summary=f"{finding.summary} The same on {', '.join(columns)}.")


def _of_set(finding: Finding, name: str, run: Run) -> Finding:
    """The finding with its curves by their roles in the run."""
    roles = {role: name_in(role, name) for role in HELD_OUT if name_in(role, name) in run.roles}
    return replace(
        finding,
        series=tuple(roles.get(role, role) for role in finding.series),
        summary=said_of(finding.summary, name),
        meaning=said_of(finding.meaning, name),
    )
