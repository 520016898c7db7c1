"""`diagnose why`: what a rule compared on a run, told through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diagnose import synthetic
from diagnose.judging.conditions import witness_of
from diagnose.judging.inputs import handed
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import arguments, compares_runs, needs_baseline
from diagnose.rule import CannotJudge, Case, Finding, Rule
from tests.test_cli import run
from tests.written import write_csv

CASES = [pytest.param(rule, case, id=f"{rule.id}: {case.title}") for rule in load_rules() for case in rule.cases]


def given(rule: Rule, case: Case) -> dict[str, Any]:
    built: Any = case.build()
    if compares_runs(rule):
        return {"runs": built}
    return arguments(rule, handed(built[0], built[1:]) if needs_baseline(rule) else handed(built, []))


def checked(rule: Rule, asked: dict[str, Any]) -> Any:
    try:
        return rule.check(**asked)
    except CannotJudge as outcome:
        return outcome


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_a_witness_finds_what_the_rule_finds_and_no_condition_denies_it(rule: Rule, case: Case) -> None:
    try:
        asked = given(rule, case)
    except CannotJudge:
        pytest.skip("the run lacks what the rule needs")
    witness = witness_of(rule)
    assert witness is not None
    found, conditions = witness.judge(asked, {})
    assert repr(found) == repr(checked(rule, asked))
    assert not (isinstance(found, Finding) and any(condition.decisive for condition in conditions))


def told(*arguments: Any) -> dict[str, Any]:
    result = run("why", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    rules: list[dict[str, Any]] = json.loads(result.stdout)["rules"]
    return rules[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_finding_is_told_with_each_condition_its_value_and_how_far_off(folder: Path) -> None:
    write_csv(synthetic.overfit(), folder / "ill.csv")
    result = run("why", "ill.csv", "overfitting", "--width", "80")
    assert result.exit_code == 0
    assert result.stdout.startswith("overfitting: found (error) in ill.csv")
    assert "yes how far val_loss ends above its best level (generalization loss, GL)" in result.stdout
    assert "at least 5 needed (gl_warning)" in result.stdout
    assert "to spare" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_silence_names_the_condition_that_ended_it_in_unit_and_share(folder: Path) -> None:
    (folder / "run.csv").write_text(
        "epoch,train_loss,val_loss\n"
        + "".join(f"{e},{2 / (e + 1)},{1 + 1 / (e + 1) + max(0, e - 20) * 0.001}\n" for e in range(40)),
        encoding="utf-8",
    )
    why = told("run.csv", "overfitting")
    assert why["outcome"] == "silent"
    ended = [condition for condition in why["conditions"] if condition["decisive"]]
    assert ended
    for condition in ended:
        assert condition["held"] is False
        assert condition["off"] == pytest.approx(abs(condition["value"] - condition["limit"]))
        assert condition["off_share"] == pytest.approx(condition["off"] / condition["limit"])


def test_a_threshold_of_the_settings_is_the_one_that_is_told(folder: Path) -> None:
    write_csv(synthetic.overfit(), folder / "ill.csv")
    (folder / "diagnose.toml").write_text("[rules.overfitting]\ngl_warning = 500.0\n", encoding="utf-8")
    why = told("ill.csv", "overfitting")
    assert why["outcome"] == "silent"
    assert {c["limit"] for c in why["conditions"] if c["threshold"] == "gl_warning"} >= {500.0}


def test_what_is_missing_is_told_with_the_nearest_column_that_plays_no_role(folder: Path) -> None:
    (folder / "run.csv").write_text(
        "epoch,train_loss,grad_nrm\n" + "".join(f"{e},{1 / (e + 1)},{e % 3 + 1}\n" for e in range(20)), encoding="utf-8"
    )
    result = run("why", "run.csv", "exploding-gradient")
    assert "the log has no grad norm" in " ".join(result.stdout.split())
    assert "--map grad_norm=grad_nrm" in " ".join(result.stdout.split())
    assert "--set learning_rate=VALUE" in " ".join(run("why", "run.csv", "learning-rate-range").stdout.split())


def test_what_is_left_out_explained_or_of_several_runs_says_so(folder: Path) -> None:
    write_csv(synthetic.overfit(), folder / "ill.csv")
    assert told("ill.csv", "grid-search")["outcome"] == "not-judged"
    assert "baseline" in told("ill.csv", "baseline-regression")["reason"]
    (folder / "diagnose.toml").write_text('ignore = ["overfitting"]\n', encoding="utf-8")
    why = told("ill.csv", "overfitting")
    assert (why["outcome"], why["finding"]["severity"]) == ("left-out", "error")


def test_without_a_rule_each_has_one_line_within_the_width(folder: Path) -> None:
    write_csv(synthetic.healthy(), folder / "fine.csv")
    lines = run("why", "fine.csv", "--width", "80").stdout.splitlines()
    assert len(lines) == 1 + len(load_rules())
    assert max(map(len, lines)) <= 80


def test_wrong_calls_are_one_line_and_exit_code_2(folder: Path) -> None:
    write_csv(synthetic.healthy(), folder / "fine.csv")
    for call in (("fine.csv", "overfit"), ("absent.csv", "overfitting")):
        result = run("why", *call)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "Example: diagnose why run.csv overfitting" in run("why", "--help").stdout
