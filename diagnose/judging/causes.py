"""The rival causes of a finding, weighed by what the log says of each, and the advice in the order that follows.

A cause *leads* where the rule names it and nothing speaks against it; else where something speaks for it, nothing
against it, and more for it than for any other. Its fixes come first. Where none leads, the cheapest test that tells
them apart comes first; of a rule without such a test, what undoes each of them. The other fixes follow in the order of
the trials. What only undoes a cause that the log speaks against is not advised.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from diagnose.rule import Cause, Context, Finding, Rule, Severity
from diagnose.trials import Trials, failures_last, order


def weighed(rule: Rule, context: Context) -> tuple[Cause, ...]:
    """The causes of a finding of `rule`, the likeliest first; equals as the rule names them."""
    found = []
    for suspect in rule.causes:
        signs = suspect.signs(context)
        found.append(Cause(suspect.id, suspect.title, signs.speaks_for, signs.against, signs.not_logged))
    return tuple(sorted(found, key=lambda cause: -cause.weight))


def leading(causes: Sequence[Cause], named: str = "") -> Cause | None:
    """The cause that leads; None where none does. causes: the likeliest first; named: what the rule says it is."""
    if told := next((cause for cause in causes if cause.id == named and not cause.against), None):
        return told
    if not causes or not causes[0].speaks_for or causes[0].against:
        return None
    return None if len(causes) > 1 and causes[1].weight >= causes[0].weight else causes[0]


def advised(rule: Rule, finding: Finding, lead: Cause | None, rows: Sequence[Trials]) -> list[str]:
    """Ids of the fixes to offer for a finding, in the order to try.

    finding: with its causes. rows: the trials on runs like the finding's.
    """
    fixes = {suspect.id: suspect.fixes for suspect in rule.causes}
    refuted = {cause.id for cause in finding.causes if cause.against and cause.weight < 0}
    first = _first(rule, finding, lead, refuted)
    likely = [fix for cause in _told(finding) if cause.id not in refuted for fix in fixes[cause.id]]
    spared = {fix for cause in finding.causes if cause.id not in refuted for fix in fixes[cause.id]}
    idle = {fix for cause in refuted for fix in fixes[cause]} - {*spared, *first}
    first = failures_last(rows, rule.id, finding.cause, first)
    rest = order(rows, rule.id, finding.cause, list(dict.fromkeys((*(finding.fixes or rule.fixes), *likely))))
    test = [rule.test] if rule.test else []
    return [fix for fix in dict.fromkeys((*first, *rest, *test)) if fix not in idle]


def of_cause(rule: Rule, cause: str, rows: Sequence[Trials]) -> list[str]:
    """Ids of the fixes of a finding whose log tells this cause and speaks of no other, in the order to try; `cause` is
    "" where it tells none.
    """
    told = (Cause(suspect.id, suspect.title, (suspect.title,) * (suspect.id == cause)) for suspect in rule.causes)
    causes = tuple(sorted(told, key=lambda known: -known.weight))
    finding = Finding(Severity.NOTE, 1.0, "", "", (0.0, 0.0), (), cause=cause, causes=causes)
    return advised(rule, finding, leading(causes, cause), rows)


def _told(finding: Finding) -> list[Cause]:
    """The causes of which the log says anything, if only that it lacks what would tell."""
    return [cause for cause in finding.causes if cause.speaks_for or cause.against or cause.not_logged]


def _first(rule: Rule, finding: Finding, lead: Cause | None, refuted: Collection[str]) -> list[str]:
    """What undoes the cause that leads; else the test; else what undoes each cause of which the log says anything."""
    fixes = {suspect.id: suspect.fixes for suspect in rule.causes}
    if lead is not None:
        return list(fixes[lead.id])
    if rule.test:
        return [rule.test]
    in_play = [fixes[cause.id] for cause in _told(finding) if cause.id not in refuted]
    if len(in_play) + len(refuted) < 2:
        return []
    return [fix for fix in in_play[0] if all(fix in others for others in in_play)] if in_play else []
