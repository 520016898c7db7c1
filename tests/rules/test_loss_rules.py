"""What is particular to the rules about the losses: invariance to the unit, and evidence at the right steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.rule import Finding, Severity

RULES = {rule.id: rule for rule in load_rules()}


def found(rule: str, run: Run) -> Finding | None:
    return next(iter(judge(run, [RULES[rule]]).findings), None)


def scaled(run: Run, factor: float) -> Run:
    """The run with its losses in another unit."""
    series = {
        name: replace(s, values=s.values * factor) if name.endswith("loss") else s for name, s in run.series.items()
    }
    return replace(run, series=series)


def with_curve(run: Run, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Run:
    changed = replace(run.series[name], values=change(run.series[name].values.copy()))
    return replace(run, series={**run.series, name: changed})


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize(
    ("rule", "build"),
    [
        ("overfitting", synthetic.overfit),
        ("divergence", synthetic.diverging),
        ("loss-spike", synthetic.spiky),
        ("non-convergence", synthetic.stuck),
        ("loss-accuracy-conflict", synthetic.conflicting),
    ],
)
def test_the_unit_of_the_loss_changes_nothing(rule: str, build: Callable[[], Run], factor: float) -> None:
    plain, other = found(rule, build()), found(rule, scaled(build(), factor))
    assert plain is not None
    assert other is not None
    assert (plain.severity, plain.steps, plain.marks) == (other.severity, other.steps, other.marks)


@pytest.mark.parametrize("turn", [0.2, 0.5, 0.7])
def test_overfitting_points_at_the_best_epoch(turn: float) -> None:
    finding = found("overfitting", synthetic.overfit(turn=turn, noise=0.005))
    assert finding is not None
    assert abs(finding.marks[0] - 100 * turn) <= 8
    assert finding.recommendations[0].title == f"stop at epoch {finding.marks[0]:g} and keep that checkpoint"


def test_overfitting_is_silent_where_the_training_loss_climbs_as_well() -> None:
    run = synthetic.overfit()
    lifted = with_curve(run, "train_loss", lambda v: v + np.linspace(0.0, 1.0, v.size))
    assert found("overfitting", lifted) is None


@pytest.mark.parametrize("place", [120, 200, 333])
def test_a_spike_is_marked_where_it_is(place: int) -> None:
    run = synthetic.spiky(spikes=0)

    def spike(values: np.ndarray) -> np.ndarray:
        values[place] *= 2.0
        return values

    finding = found("loss-spike", with_curve(run, "train_loss", spike))
    assert finding is not None
    assert finding.marks == (place,)
    assert finding.severity is Severity.WARNING


def test_a_spike_that_settles_higher_is_an_error() -> None:
    def spike(values: np.ndarray) -> np.ndarray:
        values[200] *= 3.0
        values[201:] *= 1.6
        return values

    finding = found("loss-spike", with_curve(synthetic.spiky(spikes=0), "train_loss", spike))
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert "did not come back" in finding.meaning


@pytest.mark.parametrize(
    ("place", "factor", "severity"),
    [
        (40, 1.4, Severity.NOTE),  # 5 % of the fall, near the lowest loss: invisible on the curve
        (40, 2.2, Severity.WARNING),  # more than twice the level
        (15, 1.8, Severity.WARNING),  # a seventh of the fall
    ],
)
def test_a_validation_loss_that_jumps_alone_warns_where_it_is_seen(
    place: int, factor: float, severity: Severity
) -> None:
    def spike(values: np.ndarray) -> np.ndarray:
        values[place] *= factor
        return values

    run = with_curve(synthetic.healthy(), "val_loss", spike)
    finding = found("loss-spike", run)
    assert finding is not None
    assert (finding.severity, finding.cause, finding.marks) == (severity, "validation-alone", (float(place),))
    both = found("loss-spike", with_curve(run, "train_loss", spike))
    assert both is not None
    assert (both.severity, both.cause) == (Severity.WARNING, "bad-batch")


def test_recurring_spikes_name_their_period() -> None:
    def spike(values: np.ndarray) -> np.ndarray:
        values[60::50] *= 2.0
        return values

    finding = found("loss-spike", with_curve(synthetic.spiky(spikes=0), "train_loss", spike))
    assert finding is not None
    assert "multiples of 50 epochs apart" in finding.summary


@pytest.mark.parametrize(("burst", "words"), [(20.0, "gradient norm rose to 20"), (1.0, "gradient norm was calm")])
def test_the_gradient_norm_before_a_spike_is_told(burst: float, words: str) -> None:
    def spike(values: np.ndarray) -> np.ndarray:
        values[200] *= 3.0
        return values

    run = with_curve(synthetic.spiky(spikes=0), "train_loss", spike)
    norm = np.ones(400)
    norm[197:200] = burst
    series = {**run.series, "grad_norm": Series("grad_norm", np.arange(400.0), norm)}
    finding = found("loss-spike", replace(run, series=series, roles={name: name for name in series}))
    assert finding is not None
    assert words in finding.summary


def test_a_step_down_is_no_spike() -> None:
    def drop(values: np.ndarray) -> np.ndarray:
        values[200:] *= 0.5
        return values

    assert found("loss-spike", with_curve(synthetic.spiky(spikes=0), "train_loss", drop)) is None


@pytest.mark.parametrize(
    ("config", "words", "first"),
    [
        ({"learning_rate": 0.0}, "learning rate is 0", "raise-learning-rate"),
        ({"learning_rate": 1e-9}, "too low", "raise-learning-rate"),
        ({"learning_rate": 10.0, "optimizer": "sgd"}, "too high", "typical-learning-rate"),
        ({"learning_rate": 0.3, "optimizer": "adam"}, "too high", "typical-learning-rate"),
        ({"learning_rate": 1.0, "optimizer": "adadelta"}, "ln 10 = 2.303", "overfit-one-batch"),
        ({"learning_rate": 1e-3}, "ln 10 = 2.303", "overfit-one-batch"),
    ],
)
def test_non_convergence_names_what_it_can_tell(config: dict[str, object], words: str, first: str) -> None:
    finding = found("non-convergence", replace(synthetic.stuck(), config=config))
    assert finding is not None
    assert words in finding.summary
    assert (finding.fixes or RULES["non-convergence"].fixes)[0] == first


def test_a_policy_loss_need_not_fall() -> None:
    run = synthetic.stuck()
    series = {**run.series, "reward": Series("reward", np.arange(40.0), np.arange(40.0))}
    diagnosis = judge(replace(run, series=series, roles={n: n for n in series}), [RULES["non-convergence"]])
    assert diagnosis.findings == ()
    assert "reward" in diagnosis.not_judged[0].reason


def test_nan_that_comes_back_in_validation_is_a_warning() -> None:
    def hole(values: np.ndarray) -> np.ndarray:
        values[30] = np.nan
        return values

    finding = found("non-finite", with_curve(synthetic.healthy(), "val_loss", hole))
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert finding.marks == (30.0,)


def test_a_loss_that_rounds_to_zero_is_no_hidden_nan() -> None:
    def fade(values: np.ndarray) -> np.ndarray:
        return np.round(values * np.exp(-np.linspace(0.0, 20.0, values.size)), 4)

    assert found("non-finite", with_curve(synthetic.healthy(), "train_loss", fade)) is None


def test_a_loss_of_zero_beside_a_validation_loss_of_nothing_is_fitted() -> None:
    zero = with_curve(synthetic.healthy(), "train_loss", lambda values: np.where(np.arange(values.size) < 1, values, 0))
    assert found("non-finite", zero) is not None
    assert found("non-finite", with_curve(zero, "val_loss", lambda v: v * np.geomspace(1, 1e-6, v.size))) is None


def test_rows_of_a_test_without_a_training_loss_are_no_blanks() -> None:
    run = synthetic.blank_tail()
    train = replace(run.series["train_loss"], blank_from=20.0)  # rows that stand below, at an earlier step
    assert found("non-finite", run) is not None
    assert found("non-finite", replace(run, series={**run.series, "train_loss": train})) is None


def test_a_precision_is_no_share_of_a_class_at_random() -> None:
    def of_detection(name: str) -> Run:
        run = synthetic.stuck(epochs=70)
        fall = 7.0 + 10.0 * np.exp(-np.arange(70) / 5.0)
        precision = 0.001 * (1.5 + np.sin(np.arange(70)))
        run = with_curve(with_curve(run, "train_loss", lambda _: fall), "train_accuracy", lambda _: precision)
        score = replace(run.series["train_accuracy"], name=name)
        series = {"train_loss": run.series["train_loss"], name: score}
        return replace(run, series=series, roles={"train_loss": "train_loss", "train_accuracy": name}, config={})

    assert found("non-convergence", of_detection("precision")) is None
    assert found("non-convergence", of_detection("accuracy")) is None, "it moves, so it is not that of one class"


def test_near_one_an_accuracy_is_still_where_what_it_lacks_is() -> None:
    rising = with_curve(synthetic.imbalanced(), "val_accuracy", lambda v: np.linspace(0.960, 0.9635, v.size))
    rising = replace(rising, series={name: s for name, s in rising.series.items() if name != "train_accuracy"})
    assert found("loss-accuracy-conflict", rising) is None
    still = with_curve(rising, "val_accuracy", lambda v: np.full(v.size, 0.96))
    assert found("loss-accuracy-conflict", still) is not None


def test_an_initial_loss_is_held_against_the_number_of_classes() -> None:
    finding = found("initial-loss", synthetic.unlearned())
    assert finding is not None
    assert finding.marks == (0.0,)
    first = synthetic.unlearned().series["train_loss"].values[0]
    assert finding.evidence[0].value == pytest.approx(first / np.log(synthetic.CLASSES))
    higher = with_curve(synthetic.unlearned(), "train_loss", lambda values: values * 3.0)
    assert found("initial-loss", higher).severity is Severity.WARNING  # type: ignore[union-attr]


def test_an_initial_loss_that_is_summed_over_the_batch_is_left_alone() -> None:
    run = synthetic.healthy_with_classes()
    summed = with_curve(run, "train_loss", lambda values: values * 64.0)
    assert summed.config["batch_size"] == 64
    assert found("initial-loss", summed) is None
    unknown = replace(summed, config={"num_classes": synthetic.CLASSES})
    assert found("initial-loss", unknown) is not None


@pytest.mark.parametrize("case", ["no accuracy", "another metric", "begins late"])
def test_an_initial_loss_that_says_nothing_is_not_judged(case: str) -> None:
    run = synthetic.unlearned()
    series = dict(run.series)
    if case == "begins late":
        series = {name: replace(s, steps=s.steps + 30.0) for name, s in series.items()}
    else:
        series = {name: s for name, s in series.items() if "accuracy" not in name}
    if case == "another metric":
        series["val_accuracy"] = replace(run.series["val_accuracy"], name="val_miou")
    roles = {name: name for name in series}
    judged = judge(replace(run, series=series, roles=roles), [RULES["initial-loss"]])
    assert not judged.findings
    assert judged.not_judged


def test_an_accuracy_that_fell_to_where_it_stands_has_not_settled() -> None:
    def collapsed(values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(values.size) < 15, np.linspace(0.5, 0.9, values.size), 0.1)

    run = with_curve(synthetic.settled(), "val_accuracy", collapsed)
    run = with_curve(run, "train_accuracy", lambda values: 0.9 * values)
    assert found("frozen-metric", run) is not None
    assert found("frozen-metric", synthetic.settled()) is None


def test_a_loss_that_rewards_something_else_asks_for_a_look_at_the_loss() -> None:
    finding = found("loss-accuracy-conflict", synthetic.unrewarded())
    assert finding is not None
    assert finding.fixes[0] == "check-loss"
    assert "random answers" in finding.summary
    unknown = found("loss-accuracy-conflict", replace(synthetic.unrewarded(), config={}))
    assert unknown is not None
    assert "stays at" in unknown.summary


def test_a_flat_loss_beside_a_score_far_above_chance_has_learned_before() -> None:
    run = replace(synthetic.stuck(), config={"num_classes": 10})
    assert found("non-convergence", run) is not None
    answering = with_curve(run, "train_accuracy", lambda values: values + 0.5)
    assert found("non-convergence", answering) is None


@pytest.mark.parametrize(("handicap", "explained"), [({}, False), ({"dropout": 0.5}, True), ({"dropout": 0.0}, False)])
def test_a_handicap_in_training_explains_a_better_validation(handicap: dict[str, float], explained: bool) -> None:
    finding = found("validation-better-than-training", synthetic.easy_validation(share=0.4, **handicap))
    assert finding is not None
    assert finding.severity is Severity.NOTE
    assert ("dropout, active in training alone" in finding.meaning) == explained
