"""What every rule must have: its cases right, its manual complete, its fixes known, its signature in the contract."""

from __future__ import annotations

import inspect
import re

import pytest

from diagnose.curves import Run
from diagnose.judging.cases import judged
from diagnose.judging.installed import load_fixes, load_rules
from diagnose.judging.needs import needs, thresholds_of
from diagnose.names.hyperparameters import HYPERPARAMETERS
from diagnose.rule import GROUPS, Case, Change, Rule

RULES = load_rules()
SECTIONS = ("Why it matters", "Statistics", "Limits", "References")


def case_id(value: object) -> str:
    return value.id if isinstance(value, Rule) else value.title if isinstance(value, Case) else str(value)


@pytest.mark.parametrize(("rule", "case"), [(r, c) for r in RULES for c in r.cases], ids=case_id)
def test_case(rule: Rule, case: Case) -> None:
    findings, not_judged = judged(rule, case.build())
    assert [f.severity for f in findings] == ([case.expect] if case.expect else [])
    if case.expect is None:
        assert all("failed" not in n.reason for n in not_judged)


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_has_a_firing_and_a_silent_case(rule: Rule) -> None:
    expected = {case.expect for case in rule.cases}
    assert None in expected
    assert len(expected) > 1


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_manual_is_complete(rule: Rule) -> None:
    positions = [rule.doc.find(f"\n{section}\n") for section in SECTIONS]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert rule.doc.splitlines()[0].endswith(".")
    assert rule.title
    assert all(len(line) <= 120 for line in rule.doc.splitlines())


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_belongs_to_a_group(rule: Rule) -> None:
    assert rule.group in GROUPS


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_id_is_the_modules_name(rule: Rule) -> None:
    module = inspect.getmodule(rule.check)
    assert module is not None
    assert module.__name__.rpartition(".")[2].replace("_", "-") == rule.id


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_fixes_are_in_the_catalogue(rule: Rule) -> None:
    assert rule.fixes
    assert set(rule.fixes) <= set(load_fixes())


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_signature_is_within_the_contract(rule: Rule) -> None:
    assert needs(rule)
    for name, default in thresholds_of(rule).items():
        assert default is not inspect.Parameter.empty, name


@pytest.mark.parametrize("rule", RULES, ids=case_id)
def test_every_threshold_has_its_unit_or_origin_beside_it(rule: Rule) -> None:
    source = inspect.getsource(rule.check).partition("*,\n")[2].partition(") ->")[0]
    without = [line.strip() for line in source.splitlines() if re.match(r"\s+\w+: ", line) and "#" not in line]
    assert without == []


@pytest.mark.parametrize(("rule", "case"), [(r, c) for r in RULES for c in r.cases if c.expect], ids=case_id)
def test_finding_reads_in_three_steps(rule: Rule, case: Case) -> None:
    built = case.build()
    run = built if isinstance(built, Run) else built[0]
    finding = judged(rule, built)[0][0]
    assert finding.rule == rule.id
    assert finding.summary.endswith(".")
    assert any(char.isdigit() for char in finding.summary)
    assert finding.meaning.endswith(".")
    assert finding.recommendations
    assert finding.evidence
    assert 0.5 <= finding.confidence <= 1.0
    assert finding.steps[0] <= finding.steps[1]
    assert set(finding.series) <= set(run.roles)
    changes = [change for advice in finding.recommendations for change in advice.changes]
    assert {change.name for change in changes if isinstance(change, Change)} <= HYPERPARAMETERS


def test_explanations_name_known_rules() -> None:
    named = {name for rule in RULES for name in (*rule.explained_by, *rule.silences)}
    assert named <= {rule.id for rule in RULES}


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
