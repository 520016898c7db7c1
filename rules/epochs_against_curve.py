"""Epochs against curve: the number of epochs is far from what the validation loss asks for.

Why it matters
    Too few epochs leave the network short of what it can do; too many cost time and energy for nothing.

Statistics
    late gain   mean of val_loss in the middle of the run less that in its last fifth, in percent of the improvement
    final gain  mean of the last fifth but one less that of the last, in percent of the improvement
    z           both are held against their standard error, from the noise around the running median of val_loss

Limits
    Needs the number of epochs from a config; how many more are worth it, `slow-convergence` fits. A learning rate that
    decays to zero ends the gains by itself: repeat the schedule over the new length. A fall under a learning rate that
    was raised again is left alone. A rising val_loss belongs to `overfitting`; a rising val_accuracy (Mann-Kendall [1])
    excuses a flat loss. Fewer than 10 validations are not judged.

References
    [1] Mann, Nonparametric Tests Against Trend (1945)
    [2] Godbole et al., Deep Learning Tuning Playbook (2023), "Deciding the number of steps"
    Lecture notes: "Factors for defining the number of epochs: for better convergence, more epochs; for less footprint,
    less epochs".
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Run, Series
from diagnose.measure import statistics
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    val_loss: Array,
    axis: str,
    epochs: int | float,
    val_accuracy: Series | None = None,
    learning_rate: Series | None = None,
    *,
    late_gain: float = 1.0,  # percent; a second half that gains less is flat to the eye
    final_gain: float = 3.0,  # percent; a last fifth that gains more is still falling to the eye
    z: float = 2.33,  # standard errors; a gain beyond them is real at a nominal 1 %
    trend_p: float = 0.01,  # nominal, of a val_loss or a val_accuracy that rises over the second half
    late_error: float = 5.0,  # percent; a curve whose gain is known less exactly than this is too noisy to call flat
    learned: float = 5.0,  # standard deviations of its noise by which the loss must have fallen at all
    rise: float = 5.0,  # percent above the best at the end, from which on it is overfitting
    completed: float = 0.9,  # of the epochs; a run that ended before was stopped by someone
) -> Finding | None:
    """Judge a validation loss of shape (n,)."""
    if axis == "epoch" and step[-1] < completed * epochs - 1.0:
        return None
    size, half, fifth = val_loss.size, val_loss.size // 2, max(val_loss.size // 5, 2)
    smooth = statistics.rolling_median(val_loss, statistics.ends(size, 0.05, 3) | 1)
    noise = max(statistics.spread((val_loss - smooth)[half:]), statistics.jitter(val_loss[half:]))
    final = float(val_loss[-fifth:].mean())
    improvement = float(smooth[0]) - final
    risen = statistics.end_level(val_loss, fifth) - float(smooth.min())
    if improvement <= learned * noise or risen > max(0.01 * rise * abs(final), z * noise):
        return None

    percent = 100.0 / improvement
    error = percent * noise * math.sqrt(2.0 / fifth)
    gained = percent * (float(val_loss[-2 * fifth : -fifth].mean()) - final)
    if gained > final_gain + z * error:
        if learning_rate is not None and _restarts(learning_rate, float(step[half])):
            return None
        return Finding(
            severity=Severity.NOTE,
            confidence=0.9,
            summary=(
                f"val_loss was still falling when the {epochs:g} epochs ended: {gained:.2g} % of its fall came in the "
                "last fifth."
            ),
            meaning="The run was cut off before it converged; more epochs would still bring a better network.",
            steps=(float(step[-fifth]), float(step[-1])),
            series=("val_loss",),
            evidence=(Evidence("final gain", gained, final_gain + z * error, "percent"),),
            fixes=("train-longer",),
        )

    middle = float(val_loss[half - fifth // 2 : half + (fifth + 1) // 2].mean())
    late = percent * (middle - final)
    reached = int(np.argmax(smooth <= final + max(noise, 0.01 * late_gain * improvement)))
    if reached >= half or late > late_gain + z * error or z * error > late_error:
        return None
    accuracy = None if val_accuracy is None else val_accuracy.finite()
    rising = [val_loss[half:], *([] if accuracy is None else [accuracy.values[accuracy.steps >= step[half]]])]
    if any(statistics.mann_kendall(curve).p_rising < trend_p for curve in rising):
        return None
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"val_loss reached its level at {axis} {step[reached]:g}; the second half of the {epochs:g} epochs brought "
            f"{max(late, 0.0):.2g} % of its fall."
        ),
        meaning="Fewer epochs would have given the same network at a fraction of the cost.",
        steps=(float(step[reached]), float(step[-1])),
        marks=(float(step[reached]),),
        series=("val_loss",),
        evidence=(Evidence("late gain", late, late_gain + z * error, "percent"),),
        fixes=("train-shorter", "early-stopping"),
    )


def _restarts(learning_rate: Series, start: float) -> bool:
    """Whether the learning rate rises anywhere from `start` on: the fall may belong to its cycle."""
    finite = learning_rate.finite()
    rate = finite.values[finite.steps >= start]
    return rate.size > 1 and bool(np.any(rate[1:] > 1.01 * np.minimum.accumulate(rate)[:-1]))


def _cut() -> Run:
    """A healthy run of 100 epochs, cut at 30."""
    run = synthetic.healthy(epochs=100)
    series = {name: Series(name, s.steps[:30], s.values[:30]) for name, s in run.series.items()}
    return synthetic.configured(replace(run, series=series), epochs=30)


RULE = Rule(
    id="epochs-against-curve",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=10,
    fixes=("train-shorter", "train-longer", "early-stopping"),
    explained_by=("slow-convergence", "plateau"),
    precedence=1,
    cases=(
        Case(
            "flat after a third", lambda: synthetic.configured(synthetic.overfit(rise=0.0), epochs=100), Severity.NOTE
        ),
        Case("cut at 30 of 100", _cut, Severity.NOTE),
        Case("the learning rate decays in steps", lambda: synthetic.configured(synthetic.decayed(), epochs=90)),
        Case("stopped by hand", lambda: synthetic.configured(synthetic.healthy(epochs=30), epochs=300)),
        Case("warm restarts", lambda: synthetic.configured(synthetic.cyclic(), epochs=90)),
        Case("overfitting", lambda: synthetic.configured(synthetic.overfit(), epochs=100)),
        Case("healthy", partial(synthetic.configured, epochs=60)),
        Case("no config", synthetic.healthy),
    ),
)
