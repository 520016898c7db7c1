"""What is particular to the rules about schedules and resumes: which steps, which severity, and what is no fault."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.errors import ReadError
from diagnose.judging.engine import judge
from diagnose.readers import expand, read
from diagnose.rule import Finding, Rule, Severity
from rules import (
    clipping_saturated,
    exploding_gradient,
    learning_rate_never_decayed,
    learning_rate_restart,
    learning_rate_zero,
    long_warmup,
    missing_warmup,
    periodic_loss,
    resume_jump,
    staircase_loss,
    vanishing_gradient,
)

ZERO = learning_rate_zero.RULE
LONG = long_warmup.RULE
MISSING = missing_warmup.RULE
RESTART = learning_rate_restart.RULE
CONSTANT = learning_rate_never_decayed.RULE
SCHEDULE = (ZERO, LONG, MISSING, RESTART, CONSTANT)
RESUME = resume_jump.RULE
COSINE = 5e-4 * (1.0 + np.cos(np.linspace(0.0, np.pi, 200)))


def finding(rule: Rule, run: Run) -> Finding | None:
    return next(iter(judge(run, [rule]).findings), None)


def said(run: Run) -> list[str]:
    """What the rules about the schedule find."""
    return sorted(found.rule for found in judge(run, SCHEDULE).findings)


def transformed(run: Run, **values: np.ndarray) -> Run:
    series = {k: Series(k, s.steps, values.get(k, s.values)) for k, s in run.series.items()}
    return replace(run, series=series)


# --- the learning rate's schedule -------------------------------------------------------------------------------------


def test_a_rate_logged_as_zero_while_the_loss_falls_is_a_note() -> None:
    found = finding(ZERO, synthetic.scheduled(np.zeros(200)))
    assert found is not None
    assert found.severity is Severity.NOTE
    assert "round" in found.meaning


def test_a_rate_rounded_to_zero_is_not_taken_for_zero() -> None:
    rate = np.repeat([1e-3, 1e-4, 1e-5, 0.0], 50)  # the last is 1e-6, logged with five decimals
    assert said(synthetic.scheduled(rate)) == []


def test_the_zero_tail_is_placed() -> None:
    rate = np.append(1e-3 * np.linspace(1.0, 0.01, 120) ** 1.5, np.zeros(80))
    found = finding(ZERO, synthetic.scheduled(rate))
    assert found is not None
    assert found.cause == "schedule-ends-early"
    assert found.steps == (120.0, 199.0)


def test_a_schedule_that_ends_at_zero_is_fine() -> None:
    assert said(synthetic.scheduled(COSINE)) == []


def test_one_cycle_is_meant_to_rise_for_long() -> None:
    up = 0.5 * (1.0 - np.cos(np.linspace(0.0, np.pi, 60)))
    cycle = 1e-3 * np.append(0.04 + 0.96 * up, 0.5 * (1.0 + np.cos(np.linspace(0.0, np.pi, 140))))
    assert said(synthetic.scheduled(cycle)) == []
    straight = 1e-3 * np.append(np.linspace(0.04, 1.0, 60), np.linspace(1.0, 0.0, 140))
    assert said(synthetic.scheduled(straight)) == ["long-warmup"]
    assert said(synthetic.scheduled(straight, scheduler="OneCycleLR")) == []


def test_a_run_that_was_stopped_in_its_warmup_is_not_blamed() -> None:
    assert said(synthetic.scheduled(np.linspace(1e-5, 1e-3, 100))) == []
    short = np.append(np.linspace(1e-5, 1e-3, 50), np.linspace(1e-3, 9e-4, 50))
    assert said(synthetic.scheduled(short)) == []


def test_restarts_are_placed() -> None:
    found = finding(RESTART, synthetic.scheduled(np.tile(COSINE[::4] + 1e-5, 4)))
    assert found is not None
    assert found.marks == (49.0, 99.0, 149.0)
    assert found.severity is Severity.NOTE


def test_a_decay_in_steps_is_no_restart() -> None:
    assert said(synthetic.scheduled(np.repeat([0.1, 0.01, 0.001], 60))) == []


@pytest.mark.parametrize(
    "config",
    [{}, {"optimizer": "sgd", "model": "gpt2"}, {"optimizer": "adamw", "model": "resnet50"}, {"model": "gpt2"}],
    ids=["nothing known", "no Adam", "no transformer", "optimizer unknown"],
)
def test_a_missing_warmup_is_named_only_for_a_transformer_under_adam(config: dict[str, str]) -> None:
    assert said(hump(optimizer="adamw", model="gpt2")) == ["missing-warmup"]
    assert said(hump(**config)) == []


def test_a_warmup_before_the_first_logged_rate_is_allowed_for() -> None:
    run = hump(optimizer="adamw", model="gpt2")
    series = {k: Series(k, s.steps + 10.0, s.values) for k, s in run.series.items()}
    assert said(replace(run, series=series)) == []


def hump(**config: str) -> Run:
    return synthetic.scheduled(COSINE, hump=1.0, **config)


def test_a_calm_end_needs_no_decay() -> None:
    assert said(synthetic.scheduled(np.full(200, 1e-3))) == []
    assert said(synthetic.scheduled(np.full(200, 1e-3), swing=0.4)) == ["learning-rate-never-decayed"]


def test_a_rate_that_is_zero_is_not_called_constant() -> None:
    assert said(synthetic.scheduled(np.zeros(200), swing=0.4)) == ["learning-rate-zero"]


def test_what_a_schedule_has_wrong_is_all_told() -> None:
    rate = np.concatenate([np.linspace(1e-5, 1e-3, 60), np.linspace(1e-3, 0.0, 60)[1:], np.zeros(80)])
    assert said(synthetic.scheduled(rate)) == ["learning-rate-zero", "long-warmup"]


# --- resume-jump ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.1])
def test_the_jump_is_placed(noise: float) -> None:
    places = [
        found.marks[0] for seed in range(50) if (found := finding(RESUME, synthetic.resumed(seed=seed, noise=noise)))
    ]
    assert len(places) >= 45
    assert np.mean(np.abs(np.array(places) - 165.0) <= 1.0) >= 0.9


@pytest.mark.parametrize("factor", [1e-9, 1e6])
def test_the_unit_of_the_loss_does_not_matter(factor: float) -> None:
    run = synthetic.resumed()
    plain = finding(RESUME, run)
    other = finding(RESUME, transformed(run, train_loss=factor * run.series["train_loss"].values))
    assert plain is not None
    assert other is not None
    assert other.marks == plain.marks
    assert [e.value for e in other.evidence] == pytest.approx([e.value for e in plain.evidence])


def test_a_rise_with_the_learning_rate_is_a_restart() -> None:
    run = synthetic.resumed()
    rate = np.where(np.arange(300) < 165, 1e-4, 1e-3)
    assert finding(RESUME, transformed(run, learning_rate=rate)) is None


@pytest.mark.parametrize("recovery", [3, 10, 25])
def test_a_spike_that_recovers_is_no_jump(recovery: int) -> None:
    run = synthetic.resumed(jump=0.0)
    lift = np.zeros(300)
    lift[165:] = 1.5 * np.exp(-np.arange(135) / recovery)
    assert finding(RESUME, transformed(run, train_loss=run.series["train_loss"].values * (1.0 + lift))) is None


@pytest.mark.parametrize("size", [50, 300])
def test_wild_swings_that_calm_down_are_no_jump(size: int) -> None:
    loss = np.random.default_rng(0).standard_normal(size) * np.where(np.arange(size) < size // 5, 0.1, 1e-4)
    steps = np.arange(size, dtype=np.float64)
    run = Run("run", {"train_loss": Series("train_loss", steps, loss)}, {"train_loss": "train_loss"})
    assert finding(RESUME, run) is None


def test_a_slope_is_no_jump() -> None:
    run = synthetic.resumed(jump=0.0)
    lift = np.clip((np.arange(300) - 130.0) / 60.0, 0.0, 1.0)
    assert finding(RESUME, transformed(run, train_loss=run.series["train_loss"].values * (1.0 + lift))) is None


@pytest.mark.parametrize("build", [synthetic.staircase, synthetic.decayed, partial(synthetic.resumed, jump=-0.5)])
def test_a_drop_is_no_jump(build: partial[Run]) -> None:
    assert finding(RESUME, build()) is None


# --- real runs --------------------------------------------------------------------------------------------------------


def test_real_runs_get_hardly_a_warning_from_these_rules(corpus: Path) -> None:
    """At most 1 % of the corpus: no run in it is known to jump, or to have a broken schedule or gradient."""
    modules = (
        exploding_gradient,
        vanishing_gradient,
        clipping_saturated,
        learning_rate_zero,
        long_warmup,
        missing_warmup,
        learning_rate_restart,
        learning_rate_never_decayed,
        resume_jump,
        staircase_loss,
        periodic_loss,
    )
    rules = [module.RULE for module in modules]
    warned = []
    for source in expand([str(corpus / "runs")]):
        try:
            runs = read(source)
        except ReadError:
            continue
        for run in runs:
            diagnosis = judge(run, rules)
            warned += [f"{run.source}: {f.rule}" for f in diagnosis.findings if f.severity is not Severity.NOTE]
            assert not [n for n in diagnosis.not_judged if "failed" in n.reason], run.source
    assert len(warned) <= 2, warned
