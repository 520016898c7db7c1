"""Every fault gives its finding and every healthy recipe none, through the file and the report, with one seed each.

`diagnose reference check` takes twenty; its latest figures are those of `reference_check.csv` beside this file.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from diagnose.judging.installed import load_rules
from reference_trainer import check
from reference_trainer.faults import CURVES, FAULTS
from reference_trainer.healthy import HEALTHY, healthy
from tests.conftest import ROOT

SEED = 400
"""The first of those in `reference_check.csv`: this slice of the record must come again."""

RECORD = ROOT / "tests" / "reference_trainer" / "reference_check.csv"

BELOW = ["mode-collapse", "mlp, Adagrad", "mlp, Adadelta", "mlp, early stopping", "lstm, clipped"]
"""Those below their bars: samples of a collapsed generator that are no digits look like several to the classifier; and
a validation loss that ends 7 to 17 % above its best, early stopping among the reasons, is a warning in 5 of 540 healthy
runs."""

FEWER = {"mode-collapse": 7}
"""Recorded over fewer seeds than twenty; `diagnose reference check --only NAME` goes on where the record ends."""

RECORDED = {outcome.trial: outcome for outcome in check.read(RECORD)}


@pytest.mark.parametrize("name", CURVES)
def test_the_finding_comes_with_the_fault_and_not_without(name: str) -> None:
    fault = CURVES[name]
    assert fault.recipe() != fault.sound()
    assert check.run(check.Trial("fault", name, SEED)).passed


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_recipes_give_no_warning(name: str) -> None:
    outcome = check.run(check.Trial("healthy", name, SEED))
    assert outcome.passed, outcome.findings


@pytest.mark.parametrize("name", ["learning-rate-zero", "class-imbalance", "linear regression", "wrong-loss"])
def test_the_recorded_findings_come_again(name: str) -> None:
    trial = next(trial for trial in RECORDED if trial.name == name)
    again = check.run(trial)
    assert again.digest == RECORDED[trial].digest
    assert again.passed == RECORDED[trial].passed


def test_the_record_is_that_of_these_recipes() -> None:
    found = check.rates(RECORDED.values())
    assert [name for kind, name in found if kind == "fault"] == list(CURVES)
    assert [name for kind, name in found if kind == "healthy"] == list(HEALTHY)
    assert {name: count for (_, name), (_, count) in found.items() if count != 20} == FEWER
    assert [trial.name for trial, outcome in RECORDED.items() if outcome.digest != trial.digest] == []


def test_no_other_rate_is_below_its_bar() -> None:
    assert check.missed(RECORDED.values()) == BELOW


@pytest.mark.parametrize("name", CURVES)
def test_a_fault_says_what_it_does_and_names_a_rule(name: str) -> None:
    assert CURVES[name].line.endswith(".")
    assert CURVES[name].finding in {rule.id for rule in load_rules()}


def test_a_fault_applies_to_other_recipes() -> None:
    recipe = FAULTS["learning-rate-zero"].recipe(model="resnet", optimizer="nesterov", seed=3)
    assert (recipe.model, recipe.optimizer, recipe.learning_rate, recipe.seed) == ("resnet", "nesterov", 0.0, 3)
    assert healthy("cnn", seed=4).seed == 4


def test_faults_and_recipes_are_free_of_torch() -> None:
    code = "import sys, reference_trainer.faults, reference_trainer.healthy; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
