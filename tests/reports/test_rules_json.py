"""The rules, their manual pages and comparisons as JSON: they hold to their schemas and say what the words say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from diagnose.cli import SCHEMAS
from diagnose.judging.installed import load_rules
from tests.conftest import typed


def printed(*arguments: str) -> Any:
    done = typed(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def validator(name: str) -> Any:
    schema = printed("schema", name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_printed_and_refuses_what_is_not_in_it(name: str) -> None:
    assert list(validator(name).iter_errors({"novel": 1}))


def test_the_rules_are_listed_with_what_they_need() -> None:
    told = printed("rules", "--format", "json")
    validator("rules").validate(told)
    assert [rule["id"] for rule in told["rules"]] == [rule.id for rule in load_rules()]
    (plateau,) = (rule for rule in told["rules"] if rule["id"] == "plateau")
    assert plateau["finds"]
    assert plateau["needs"] or plateau["optional"]


def test_every_manual_page_holds_to_the_schema() -> None:
    check = validator("rules")
    for rule in load_rules():
        told = printed("explain", rule.id, "--format", "json")
        check.validate(told)
        assert "Why it matters" in told["rule"]["manual"], rule.id


def test_a_manual_page_has_thresholds_causes_fixes_and_trials() -> None:
    told = printed("explain", "overfitting", "--format", "json")["rule"]
    assert {"name": "gl_warning", "default": 5.0} in [
        {name: each[name] for name in ("name", "default")} for each in told["thresholds"]
    ]
    known = {fix["id"] for fix in told["fixes"]}
    assert "early-stopping" in known
    assert all(each["fix"] and each["resolved"] <= each["trials"] for each in told["trials"])
    assert told["confidence"]["measured"]


def test_no_such_rule_is_answered_in_one_line() -> None:
    done = typed("explain", "overfit", "--format", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "diagnose: no rule 'overfit'; did you mean overfitting?\n"


def test_a_comparison_holds_to_the_schema(samples: Path, tmp_path: Path) -> None:
    named = tmp_path / 'odd "\n\x1b[2J.csv'
    named.write_text("epoch,loss,val_loss\n" + "".join(f"{i},{1 / (i + 1)},nan\n" for i in range(12)))
    told = printed("compare", str(samples / "overfitting.csv"), str(samples / "stuck.csv"), str(named), "--format=json")
    validator("comparison").validate(told)
    assert [run["letter"] for run in told["runs"]] == ["A", "B", "C"]
    assert told["runs"][0]["findings"][0]["rule"] == "overfitting"
    best = told["runs"][0]["curves"]["val_loss"]
    assert (round(best["best"], 4), best["best_step"], best["ends_finite"]) == (0.4604, 31, True)
    assert "val_loss" not in told["runs"][2]["curves"]


def test_what_differs_in_the_configuration_has_a_value_for_each_run(tmp_path: Path) -> None:
    rows = "".join(f"{i},{1 / (i + 1)}\n" for i in range(12))
    for name, config in {"a": "lr: 0.1\noptimizer: sgd\n", "b": "lr: 0.01\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text("epoch,loss\n" + rows)
        (tmp_path / name / "metrics.yaml").write_text(config)
    told = printed("compare", str(tmp_path), "--format", "json")
    validator("comparison").validate(told)
    assert told["config"] == {"learning_rate": [0.1, 0.01], "optimizer": ["sgd", None]}
