"""What is particular to the rules about gradient norms: units, places, and what must not be mistaken for an illness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.rule import Finding, Rule, Severity
from rules import clipping_saturated, exploding_gradient, vanishing_gradient

RULES = {
    "exploding": exploding_gradient.RULE,
    "vanishing": vanishing_gradient.RULE,
    "clipping": clipping_saturated.RULE,
}


def finding(rule: Rule, run: Run) -> Finding | None:
    return next(iter(judge(run, [rule]).findings), None)


def scaled(run: Run, factor: float) -> Run:
    """The run with another unit of the loss: loss and gradient times `factor`."""
    series = {
        k: Series(k, s.steps, s.values * (factor if k != "learning_rate" else 1.0)) for k, s in run.series.items()
    }
    return replace(run, series=series)


def with_curve(run: Run, role: str, values: np.ndarray) -> Run:
    steps = np.arange(values.size, dtype=np.float64)
    return replace(run, series={**run.series, role: Series(role, steps, values)}, roles={**run.roles, role: role})


@pytest.mark.parametrize("factor", [1e-6, 1e4])
@pytest.mark.parametrize(
    ("rule", "build"),
    [
        (exploding_gradient.RULE, synthetic.exploding_gradients),
        (exploding_gradient.RULE, synthetic.bursting_gradients),
        (vanishing_gradient.RULE, synthetic.vanishing_gradients),
        (clipping_saturated.RULE, synthetic.clipped),
    ],
    ids=["exploding", "bursting", "vanishing", "clipped"],
)
def test_the_unit_of_the_loss_does_not_matter(rule: Rule, build: Callable[[], Run], factor: float) -> None:
    plain, other = finding(rule, build()), finding(rule, scaled(build(), factor))
    assert plain is not None
    assert other is not None
    assert (other.severity, other.marks) == (plain.severity, plain.marks)
    assert other.confidence == pytest.approx(plain.confidence)


def test_growth_is_placed_where_the_norm_is_high() -> None:
    found = finding(exploding_gradient.RULE, synthetic.exploding_gradients())
    assert found is not None
    assert found.marks[0] > 350  # the highest level lies at the end of the 400 steps


@pytest.mark.parametrize("seed", range(5))
def test_all_bursts_are_marked(seed: int) -> None:
    run = synthetic.bursting_gradients(seed=seed)
    found = finding(exploding_gradient.RULE, run)
    norm = run.series["grad_norm"].values
    assert found is not None
    assert found.marks == tuple(float(place) for place in np.flatnonzero(norm > 15.0))


def test_a_norm_that_comes_back_to_its_start_is_no_growth() -> None:
    run = synthetic.calm_gradients()
    norm = run.series["grad_norm"].values * 10.0 ** (1.5 * np.cos(np.linspace(0.0, 2.0 * np.pi, 400)))
    assert finding(exploding_gradient.RULE, with_curve(run, "grad_norm", norm)) is None


def test_long_tails_are_no_bursts() -> None:
    norm = np.exp(1.2 * np.random.default_rng(0).standard_normal(2000))
    run = with_curve(synthetic.calm_gradients(steps=2000), "grad_norm", norm)
    assert finding(exploding_gradient.RULE, run) is None


def test_non_finite_and_zero_norms_are_passed_over() -> None:
    run = synthetic.exploding_gradients()
    norm = run.series["grad_norm"].values.copy()
    norm[[0, 1, 50]] = np.inf, np.nan, 0.0
    assert finding(exploding_gradient.RULE, with_curve(run, "grad_norm", norm)) is not None


@pytest.mark.parametrize("rule", [exploding_gradient.RULE, vanishing_gradient.RULE], ids=["exploding", "vanishing"])
def test_a_policy_is_not_judged(rule: Rule) -> None:
    run = with_curve(synthetic.vanishing_gradients(), "reward", np.linspace(0.0, 1.0, 200))
    diagnosis = judge(run, [rule])
    assert not diagnosis.findings
    assert "policy" in diagnosis.not_judged[0].reason


def test_a_gradient_of_exactly_zero_asks_for_the_frozen_weights_first() -> None:
    run = synthetic.vanishing_gradients()
    norm = run.series["grad_norm"].values.copy()
    norm[80:] = 0.0
    found = finding(vanishing_gradient.RULE, with_curve(run, "grad_norm", norm))
    assert found is not None
    assert found.recommendations[0].id == "check-frozen-weights"


def test_a_gradient_that_was_nothing_from_the_start_is_seen_against_the_loss() -> None:
    run = synthetic.vanishing_gradients()
    found = finding(vanishing_gradient.RULE, with_curve(run, "grad_norm", np.full(200, 1e-8)))
    assert found is not None
    assert found.severity is Severity.WARNING


def test_a_loss_that_is_not_positive_is_not_judged() -> None:
    run = synthetic.vanishing_gradients()
    lowered = with_curve(run, "train_loss", run.series["train_loss"].values - 3.0)
    diagnosis = judge(lowered, [vanishing_gradient.RULE])
    assert not diagnosis.findings
    assert "not positive" in diagnosis.not_judged[0].reason


@pytest.mark.parametrize("clip", [0.0, -1.0, None])
def test_clipping_that_is_off_is_not_taken_for_a_limit(clip: float | None) -> None:
    run = replace(synthetic.calm_gradients(), config={"gradient_clip": clip})
    assert finding(clipping_saturated.RULE, run) is None


def test_a_rounded_norm_is_no_ceiling() -> None:
    norm = np.round(np.random.default_rng(0).uniform(0.05, 0.24, 300), 1)
    assert np.mean(norm == norm.max()) > 0.4
    norm[norm.size // 2 :] = norm.max()
    assert finding(clipping_saturated.RULE, with_curve(synthetic.calm_gradients(), "grad_norm", norm)) is None


def test_the_share_of_clipped_steps_is_told() -> None:
    run = synthetic.clipped(pinned=False)
    found = finding(clipping_saturated.RULE, run)
    norm = run.series["grad_norm"].values[15:]  # without the first twentieth
    assert found is not None
    assert found.evidence[0].value == pytest.approx(100.0 * np.mean(norm > 1.0), abs=0.5)
