"""Runs with a known illness, seeded: for the rules' cases, for the documentation and for tests.

Every function takes `seed` and `noise` (standard deviation of the noise relative to the value, 0.02 for 2 %) and
returns a `Run` of one classification training with the curves a framework would log. The shapes are simple on
purpose: a falling exponential with a floor, and one deviation from it that carries the name of the function.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diagnose.curves import Array, Run, Series

CLASSES = 10
"""Number of classes of the pretended task: chance level of the loss ln 10, of the accuracy 0.1."""


def _run(name: str, curves: Mapping[str, Array], *, config: Mapping[str, Any] | None = None) -> Run:
    """A run whose columns are called by their canonical names, one point per epoch from 0."""
    steps = np.arange(len(next(iter(curves.values()))), dtype=np.float64)
    series = {key: Series(key, steps, np.asarray(values, dtype=np.float64)) for key, values in curves.items()}
    return Run(
        name=name,
        series=series,
        roles={key: key for key in series},
        config=dict(config or {}),
        source=f"synthetic:{name}",
        format="synthetic",
        axis="epoch",
    )


def _with_train_loss(run: Run, name: str, train_loss: Series) -> Run:
    """The run under another name, with another training loss."""
    return replace(run, name=name, series={**run.series, "train_loss": train_loss}, source=f"synthetic:{name}")


def _noisy(curve: Array, noise: float, rng: np.random.Generator) -> Array:
    """The curve with noise in proportion to its value."""
    return curve * (1.0 + noise * rng.standard_normal(curve.size))


def _falling(epochs: int, start: float, floor: float, speed: float) -> Array:
    """floor + (start - floor) * exp(-speed * t), t from 0 to 1."""
    return floor + (start - floor) * np.exp(-speed * np.linspace(0.0, 1.0, epochs))


def _accuracy(loss: Array, noise: float, rng: np.random.Generator) -> Array:
    """An accuracy that goes with a cross-entropy, exp(-loss), with noise on its scale, within [0, 1]."""
    return np.clip(np.exp(-loss) + 0.2 * noise * rng.standard_normal(loss.size), 0.0, 1.0)


def healthy(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """Training and validation fall together and level off."""
    rng = np.random.default_rng(seed)
    train = _noisy(_falling(epochs, np.log(CLASSES), 0.2, 5.0), noise, rng)
    val = _noisy(_falling(epochs, np.log(CLASSES), 0.26, 5.0), noise, rng)
    return _run(
        "healthy",
        {
            "train_loss": train,
            "val_loss": val,
            "train_accuracy": _accuracy(train, noise, rng),
            "val_accuracy": _accuracy(val, noise, rng),
            "learning_rate": np.full(epochs, 1e-3),
        },
        config={"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 64},
    )


def healthy_with_classes(seed: int = 0, noise: float = 0.02) -> Run:
    """The same with the number of classes in the configuration."""
    run = healthy(seed, noise)
    return replace(run, config={**run.config, "num_classes": CLASSES})


def overfit(seed: int = 0, noise: float = 0.02, epochs: int = 100, turn: float = 0.3, rise: float = 0.6) -> Run:
    """The validation loss turns at `turn` (share of the run) and ends `rise` (share of its best) above its best."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 1.0, epochs)
    train = _falling(epochs, np.log(CLASSES), 0.02, 6.0)
    down = _falling(epochs, np.log(CLASSES), 0.6, 4.0 / turn)
    climb = 0.6 * rise * np.clip((time - turn) / (1.0 - turn), 0.0, None)
    val = _noisy(down + climb, noise, rng)
    train = _noisy(train, noise, rng)
    fading = np.exp(-down) - 0.3 * climb
    return _run(
        "overfit",
        {
            "train_loss": train,
            "val_loss": val,
            "train_accuracy": _accuracy(train, noise, rng),
            "val_accuracy": np.clip(fading + 0.2 * noise * rng.standard_normal(epochs), 0.0, 1.0),
        },
        config={"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 0.0},
    )


def memorized(seed: int = 0, noise: float = 0.02) -> Run:
    """Overfitting whose training loss was memorised early and lies flat while the validation loss climbs slowly."""
    run = overfit(seed, noise, epochs=120, turn=0.3, rise=0.35)
    steps = run.series["train_loss"].steps
    rng = np.random.default_rng(seed + 1)
    flat = _noisy(_falling(steps.size, np.log(CLASSES), 0.01, 40.0), noise, rng)
    return _with_train_loss(run, "memorized", Series("train_loss", steps, flat))


def cyclic(seed: int = 0, noise: float = 0.02, epochs: int = 90) -> Run:
    """Warm restarts of the learning rate lift both losses for a few epochs, twice; the last cycle ends high."""
    rng = np.random.default_rng(seed)
    period = epochs // 3
    phase = (np.arange(epochs) % period) / period
    rate = 0.05 + 0.05 * np.cos(np.pi * phase)
    lift = 0.5 * (rate - rate.min())
    lift[:period] = 0.0
    train = _noisy(_falling(epochs, np.log(CLASSES), 0.3, 5.0) + 5.0 * lift, noise, rng)
    val = _noisy(_falling(epochs, np.log(CLASSES), 0.4, 5.0) + 5.0 * lift, noise, rng)
    return _run("cyclic", {"train_loss": train, "val_loss": val, "learning_rate": rate}, config={"optimizer": "sgd"})


def decayed(seed: int = 0, noise: float = 0.02, epochs: int = 90) -> Run:
    """A learning rate cut tenfold twice: both losses step down, and nothing is wrong."""
    rng = np.random.default_rng(seed)
    stage = np.minimum(np.arange(epochs) // (epochs // 3), 2)
    level = np.array([0.8, 0.4, 0.3])[stage]
    start = np.concatenate([[np.log(CLASSES)], np.zeros(epochs - 1)])
    train = level + (np.log(CLASSES) - 0.8) * np.exp(-np.arange(epochs) / 4.0)
    train = _noisy(np.maximum(train, start), noise, rng)
    val = _noisy(train * 1.1, noise, rng)
    rate = 0.1 * 0.1 ** stage.astype(np.float64)
    return _run("decayed", {"train_loss": train, "val_loss": val, "learning_rate": rate}, config={"optimizer": "sgd"})


def spiky(seed: int = 0, noise: float = 0.02, steps: int = 400, spikes: int = 3, height: float = 1.0) -> Run:
    """Isolated spikes of the training loss, `height` times its level, gone after one or two points."""
    rng = np.random.default_rng(seed)
    train = _noisy(_falling(steps, 6.0, 2.0, 5.0), noise, rng)
    rest = np.linspace(0.25 * steps, 0.9 * steps, spikes).astype(int) + rng.integers(0, 5, spikes)
    for place in rest:
        train[place] *= 1.0 + height
        train[place + 1] *= 1.0 + 0.4 * height
    rate = np.concatenate([np.linspace(0.0, 3e-4, steps // 20), np.full(steps - steps // 20, 3e-4)])
    return _run("spiky", {"train_loss": train, "learning_rate": rate}, config={"optimizer": "adamw"})


def diverging(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The training loss falls for a third of the run, then climbs past where it started and stays there."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 1.0, epochs)
    fall = _falling(epochs, np.log(CLASSES), 0.9, 8.0)
    climb = 2.2 / (1.0 + np.exp(-40.0 * (time - 0.5)))
    train = _noisy(fall + climb, noise, rng)
    return _run(
        "diverging",
        {"train_loss": train, "val_loss": _noisy(fall + climb + 0.05, noise, rng)},
        config={"optimizer": "sgd", "learning_rate": 0.5},
    )


def stuck(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The loss stays at ln 10 and the accuracy at 0.1: the network answers by chance."""
    rng = np.random.default_rng(seed)
    chance = np.full(epochs, np.log(CLASSES))
    return _run(
        "stuck",
        {
            "train_loss": _noisy(chance, 0.2 * noise, rng),
            "val_loss": _noisy(chance, 0.2 * noise, rng),
            "train_accuracy": 0.1 + 0.05 * noise * rng.standard_normal(epochs),
            "val_accuracy": 0.1 + 0.05 * noise * rng.standard_normal(epochs),
        },
        config={"optimizer": "sgd", "learning_rate": 10.0},
    )


def unlearned(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The loss falls from far above ln 10 down to it and no further; the accuracy stays at 0.1."""
    run = stuck(seed, noise, epochs)
    run = replace(run, config={**run.config, "num_classes": CLASSES})
    train = run.series["train_loss"]
    fall = 20.0 * np.exp(-2.0 * train.steps)
    return _with_train_loss(run, "unlearned", Series("train_loss", train.steps, train.values + fall))


def settled(seed: int = 0, noise: float = 0.02) -> Run:
    """The training set is fitted after a third of the run; from then on every validation gives the same accuracy."""
    run = healthy(seed, noise)
    steps = run.series["train_loss"].steps
    rising = 1.0 - 0.5 * np.exp(-0.3 * steps)
    still = np.minimum(0.98 * rising, 0.97)
    accuracies = {"train_accuracy": np.minimum(rising + 0.001 * noise, 0.998), "val_accuracy": still}
    return replace(
        run,
        name="settled",
        source="synthetic:settled",
        series={**run.series, **{name: Series(name, steps, values) for name, values in accuracies.items()}},
    )


def unrewarded(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The loss falls far below ln 10, without bound, while the answers stay random: it rewards something else."""
    rng = np.random.default_rng(seed)
    run = stuck(seed, noise, epochs)
    accuracy = 0.1 + 0.1 * noise * rng.standard_normal(epochs)
    loss = -100.0 * np.expm1(0.1 * np.arange(epochs)) * (1.0 + 0.1 * noise * rng.standard_normal(epochs))
    steps = run.series["train_loss"].steps
    changed = {"train_loss": loss, "val_loss": loss, "train_accuracy": accuracy, "val_accuracy": accuracy}
    return replace(
        run,
        name="unrewarded",
        source="synthetic:unrewarded",
        series={name: Series(name, steps, values) for name, values in changed.items()},
        config={**run.config, "num_classes": CLASSES},
    )


def non_finite(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The training loss is NaN from two thirds of the run on."""
    run = healthy(seed, noise, epochs)
    values = run.series["train_loss"].values.copy()
    values[2 * epochs // 3 :] = np.nan
    steps = run.series["train_loss"].steps
    return _with_train_loss(run, "non-finite", Series("train_loss", steps, values))


def blank_tail(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The same run as pandas writes it: the cells of the loss are blank from the NaN on."""
    run = healthy(seed, noise, epochs)
    train = run.series["train_loss"]
    cut = 2 * epochs // 3
    short = Series("train_loss", train.steps[:cut], train.values[:cut], blank_from=float(cut))
    return _with_train_loss(run, "blank-tail", short)


def masked_nan(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """NaN hidden by a filter: the training loss is exactly 0.0 from two thirds on, beside a gradient norm of NaN."""
    run = healthy(seed, noise, epochs)
    steps = run.series["train_loss"].steps
    loss = run.series["train_loss"].values.copy()
    norm = np.random.default_rng(seed).uniform(0.5, 1.5, epochs)
    loss[2 * epochs // 3 :] = 0.0
    norm[2 * epochs // 3 :] = np.nan
    return _run("masked-nan", {"train_loss": loss, "grad_norm": norm, "learning_rate": np.full(steps.size, 1e-3)})


def imbalanced(seed: int = 0, noise: float = 0.02, epochs: int = 50, share: float = 0.9) -> Run:
    """The loss falls while the accuracy stays at the share of the majority class."""
    rng = np.random.default_rng(seed)
    train = _noisy(_falling(epochs, 0.69, 0.33, 4.0), noise, rng)
    val = _noisy(_falling(epochs, 0.69, 0.34, 4.0), noise, rng)
    return _run(
        "imbalanced",
        {
            "train_loss": train,
            "val_loss": val,
            "train_accuracy": np.full(epochs, share),
            "val_accuracy": np.full(epochs, share),
        },
    )


def conflicting(seed: int = 0, noise: float = 0.02, epochs: int = 50) -> Run:
    """The validation loss falls and the validation accuracy falls with it."""
    rng = np.random.default_rng(seed)
    train = _noisy(_falling(epochs, 0.69, 0.25, 4.0), noise, rng)
    val = _noisy(_falling(epochs, 0.69, 0.3, 4.0), noise, rng)
    sinking = 0.82 - 0.14 * np.linspace(0.0, 1.0, epochs)
    return _run(
        "conflicting",
        {
            "train_loss": train,
            "val_loss": val,
            "train_accuracy": sinking + 0.1 * noise * rng.standard_normal(epochs),
            "val_accuracy": sinking - 0.02 + 0.1 * noise * rng.standard_normal(epochs),
        },
    )


def negative(seed: int = 0, noise: float = 0.02, epochs: int = 120) -> Run:
    """A healthy run whose loss is negative (a log-likelihood of a density), with noise of 1 % of its range."""
    rng = np.random.default_rng(seed)
    train = _falling(epochs, 2.0, -8.0, 6.0) + 5.0 * noise * rng.standard_normal(epochs)
    val = _falling(epochs, 2.0, -7.9, 6.0) + 5.0 * noise * rng.standard_normal(epochs)
    return _run("negative", {"train_loss": train, "val_loss": val})


def configured(curves: Run | None = None, /, **config: Any) -> Run:
    """A run with this configuration and no other: healthy curves, or those of `curves`."""
    return replace(curves or healthy(), name="configured", config=config)


def overconfident(seed: int = 0, noise: float = 0.02, epochs: int = 80) -> Run:
    """The validation loss climbs by two thirds while the validation accuracy still gains a point."""
    rng = np.random.default_rng(seed)
    run = overfit(seed, noise, epochs, turn=0.3, rise=0.65)
    time = np.linspace(0.0, 1.0, epochs)
    accuracy = 0.1 + 0.72 * (1.0 - np.exp(-14.0 * time)) + 0.03 * time
    held = np.clip(accuracy + 0.1 * noise * rng.standard_normal(epochs), 0.0, 1.0)
    curves = {role: run.series[role].values for role in ("train_loss", "val_loss", "train_accuracy")}
    return _run("overconfident", {**curves, "val_accuracy": held}, config=run.config)


def gap(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The validation loss levels off at two and a half times the training loss and does not climb."""
    rng = np.random.default_rng(seed)
    train = _noisy(_falling(epochs, np.log(CLASSES), 0.2, 6.0), noise, rng)
    val = _noisy(_falling(epochs, np.log(CLASSES), 0.5, 8.0), noise, rng)
    return _run("gap", {"train_loss": train, "val_loss": val})


def underfit(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """Training and validation level off together at an accuracy of 0.45."""
    rng = np.random.default_rng(seed)
    loss = _falling(epochs, np.log(CLASSES), 1.5, 12.0)
    share = 0.1 + 0.35 * (1.0 - np.exp(-12.0 * np.linspace(0.0, 1.0, epochs)))
    return _run(
        "underfit",
        {
            "train_loss": _noisy(loss, 0.3 * noise, rng),
            "val_loss": _noisy(1.01 * loss, 0.3 * noise, rng),
            "train_accuracy": _noisy(share, 0.3 * noise, rng),
            "val_accuracy": _noisy(share - 0.01, 0.3 * noise, rng),
        },
    )


def easy_validation(seed: int = 0, noise: float = 0.02, epochs: int = 50, share: float = 0.6, **config: Any) -> Run:
    """The validation loss lies at `share` of the training loss throughout."""
    rng = np.random.default_rng(seed)
    loss = _falling(epochs, np.log(CLASSES), 0.5, 5.0)
    curves = {"train_loss": _noisy(loss, noise, rng), "val_loss": _noisy(share * loss, noise, rng)}
    return _run("easy-validation", curves, config=config)


def noisy_validation(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The validation loss swings by about twice its improvement while the training loss falls calmly."""
    rng = np.random.default_rng(seed)
    train = _noisy(_falling(epochs, 1.5, 0.5, 5.0), noise, rng)
    swing = 0.5 * rng.standard_normal(epochs)
    val = np.abs(_falling(epochs, 1.6, 0.9, 6.0) + swing + noise * rng.standard_normal(epochs)) + 0.05
    val[0] = 1.6
    return _run("noisy-validation", {"train_loss": train, "val_loss": val})


def oscillating(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The training loss improves by a third and swings by as much, epoch for epoch."""
    rng = np.random.default_rng(seed)
    level = _falling(epochs, 1.5, 1.0, 6.0)
    swing = 0.3 * np.where(np.arange(epochs) % 2, 1.0, -1.0) * rng.uniform(0.7, 1.3, epochs)
    return _run("oscillating", {"train_loss": _noisy(level, noise, rng) + swing}, config={"learning_rate": 0.1})


def oscillating_with_validation(seed: int = 0, noise: float = 0.02, epochs: int = 60, share: float = 0.9) -> Run:
    """The same; the validation loss swings by `share` of that."""
    run = oscillating(seed, noise, epochs)
    train = run.series["train_loss"].values
    level = _falling(epochs, 1.55, 1.05, 6.0)
    val = _noisy(level, 0.3 * noise, np.random.default_rng(seed + 1)) + share * (
        train - _falling(epochs, 1.5, 1.0, 6.0)
    )
    return _run("oscillating", {"train_loss": train, "val_loss": val}, config=run.config)


def small_batches(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The training loss is that of single small batches and swings; the validation loss of the same weights is calm."""
    return replace(oscillating_with_validation(seed, noise, epochs, share=0.2), name="small-batches")


def plateaued(seed: int = 0, noise: float = 0.02, epochs: int = 100) -> Run:
    """The training loss falls for a fifth of the run and then stays where it is."""
    rng = np.random.default_rng(seed)
    loss = _falling(epochs, np.log(CLASSES), 0.9, 30.0)
    return _run(
        "plateaued",
        {"train_loss": _noisy(loss, 0.3 * noise, rng), "val_loss": _noisy(1.05 * loss, 0.3 * noise, rng)},
        config={"learning_rate": 0.01},
    )


def falling(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """Both losses are still falling at the last epoch, a fifth of their improvement in the last fifth of the run."""
    rng = np.random.default_rng(seed)
    loss = np.linspace(np.log(CLASSES), 1.0, epochs)
    return _run(
        "falling",
        {"train_loss": _noisy(loss, 0.3 * noise, rng), "val_loss": _noisy(1.03 * loss, 0.3 * noise, rng)},
        config={"learning_rate": 1e-4},
    )


def _per_step(
    name: str, loss: Array, epochs: int, *, logged: bool = True, config: Mapping[str, Any] | None = None, **more: Array
) -> Run:
    """A run logged at every step of `epochs` epochs of equal length; `logged` adds the curve of the epoch's number."""
    curves = {"train_loss": loss, **more}
    if logged:
        curves["epoch"] = np.floor(np.arange(loss.size) / (loss.size / epochs))
    return replace(_run(name, curves, config=config), axis="step")


def steps_of_epochs(seed: int = 0, noise: float = 0.02, epochs: int = 6, per_epoch: int = 60) -> Run:
    """A healthy run logged at every step: the loss falls smoothly through the turns of the epochs."""
    rng = np.random.default_rng(seed)
    return _per_step("steps-of-epochs", _noisy(_falling(epochs * per_epoch, 4.0, 1.5, 5.0), noise, rng), epochs)


def staircase(
    seed: int = 0, noise: float = 0.02, epochs: int = 6, per_epoch: int = 100, drop: float = 0.2, logged: bool = True
) -> Run:
    """Fine-tuning over several epochs: the loss drops by `drop` of its level at every turn, and lies flat between."""
    rng = np.random.default_rng(seed)
    number = np.arange(epochs * per_epoch) // per_epoch
    level = 1.2 * (1.0 - drop) ** number + 0.6 * np.exp(-np.arange(number.size) / (0.2 * per_epoch))
    config = {"optimizer": "adamw", "epochs": epochs}
    return _per_step("staircase", _noisy(level, noise, rng), epochs, logged=logged, config=config)


def unshuffled(
    seed: int = 0,
    noise: float = 0.02,
    epochs: int = 8,
    per_epoch: int = 40,
    unevenness: float = 0.2,
    logged: bool = True,
) -> Run:
    """The same batches in the same order in every epoch: what is hard comes back with the period of an epoch."""
    rng = np.random.default_rng(seed)
    hardness = np.tile(1.0 + unevenness * rng.uniform(-1.7, 1.7, per_epoch), epochs)
    level = _falling(hardness.size, 3.0, 1.0, 4.0) * hardness
    return _per_step("unshuffled", _noisy(level, noise, rng), epochs, logged=logged)


def running_mean(seed: int = 0, noise: float = 0.02, epochs: int = 6, per_epoch: int = 50) -> Run:
    """A healthy loss logged as its mean since the start of the epoch, as progress bars do."""
    rng = np.random.default_rng(seed)
    loss = _noisy(_falling(epochs * per_epoch, 3.0, 0.8, 4.0), 2.0 * noise, rng).reshape(epochs, per_epoch)
    means = np.cumsum(loss, axis=1) / np.arange(1, per_epoch + 1)
    return _per_step("running-mean", means.ravel(), epochs)


def resumed(seed: int = 0, noise: float = 0.02, steps: int = 300, place: float = 0.55, jump: float = 0.8) -> Run:
    """The loss lies `jump` of its level higher from one step on and falls on from there."""
    rng = np.random.default_rng(seed)
    loss = _falling(steps, 4.0, 1.5, 5.0)
    loss[round(place * steps) :] *= 1.0 + jump
    return _per_step("resumed", _noisy(loss, noise, rng), 1, logged=False, learning_rate=np.full(steps, 1e-3))


def _with_grad_norm(name: str, loss: Array, norm: Array, config: Mapping[str, Any] | None = None) -> Run:
    """A run logged at every step with its gradient norm; the optimizer is plain where the config does not say."""
    return _per_step(name, loss, 1, logged=False, config=config, grad_norm=norm)


def _norm(size: int, noise: float, rng: np.random.Generator, level: float = 1.0) -> Array:
    """A gradient norm that falls from twice its level: log-normal, as unevenly spread as real ones, noise added."""
    fall = level * (1.0 + np.exp(-np.arange(size) / (0.1 * size)))
    return fall * np.exp((0.2 + noise) * rng.standard_normal(size))


def calm_gradients(seed: int = 0, noise: float = 0.02, steps: int = 400) -> Run:
    """A healthy run with its gradient norm, which stays of one order of magnitude."""
    rng = np.random.default_rng(seed)
    return _with_grad_norm(
        "calm-gradients", _noisy(_falling(steps, 4.0, 1.0, 5.0), noise, rng), _norm(steps, noise, rng)
    )


def exploding_gradients(seed: int = 0, noise: float = 0.02, steps: int = 400, decades: float = 2.0) -> Run:
    """In the second half the gradient norm grows by `decades` orders of magnitude; the loss does not mind."""
    rng = np.random.default_rng(seed)
    growth = np.clip(np.linspace(-1.0, 1.0, steps), 0.0, None)
    norm = _norm(steps, noise, rng) * 10.0 ** (decades * growth)
    return _with_grad_norm("exploding-gradients", _noisy(_falling(steps, 4.0, 1.0, 5.0), noise, rng), norm)


def bursting_gradients(seed: int = 0, noise: float = 0.02, steps: int = 400, bursts: int = 6) -> Run:
    """A gradient norm that is calm but for single steps at 50 times its level."""
    rng = np.random.default_rng(seed)
    norm = _norm(steps, noise, rng)
    norm[np.linspace(0.2 * steps, 0.95 * steps, bursts).astype(int) + rng.integers(0, 5, bursts)] *= 50.0
    return _with_grad_norm("bursting-gradients", _noisy(_falling(steps, 4.0, 1.0, 5.0), noise, rng), norm)


def vanishing_gradients(seed: int = 0, noise: float = 0.02, steps: int = 200) -> Run:
    """The gradient norm falls by five orders of magnitude while the loss stays near ln 10."""
    rng = np.random.default_rng(seed)
    norm = _norm(steps, noise, rng) * 10.0 ** np.linspace(0.0, -5.0, steps)
    loss = _noisy(_falling(steps, np.log(CLASSES), 0.97 * np.log(CLASSES), 8.0), 0.2 * noise, rng)
    return _with_grad_norm("vanishing-gradients", loss, norm)


def converged_gradients(seed: int = 0, noise: float = 0.02, steps: int = 200) -> Run:
    """Full-batch training to the minimum: the gradient norm falls by five orders of magnitude, and so does the loss."""
    rng = np.random.default_rng(seed)
    loss = _noisy(10.0 ** np.linspace(0.5, -4.5, steps), noise, rng)
    norm = _norm(steps, noise, rng) * 10.0 ** np.linspace(0.0, -5.0, steps)
    return _with_grad_norm("converged-gradients", loss, norm)


def clipped(seed: int = 0, noise: float = 0.02, steps: int = 300, excess: float = 0.35, pinned: bool = True) -> Run:
    """A gradient norm whose median is exp(`excess`) times the clip value of 1; `pinned` logs it after clipping.

    An excess of 0.35 clips about 80 % of the steps, one of -0.8 about 3 %.
    """
    rng = np.random.default_rng(seed)
    norm = np.exp(excess + (0.4 + noise) * rng.standard_normal(steps))
    norm = np.minimum(norm, 1.0) if pinned else norm
    config = {} if pinned else {"gradient_clip": 1.0}
    return _with_grad_norm("clipped", _noisy(_falling(steps, 4.0, 1.0, 5.0), noise, rng), norm, config)


def scheduled(
    rate: Array,
    seed: int = 0,
    noise: float = 0.02,
    *,
    floor: float = 1.0,
    swing: float = 0.0,
    hump: float = 0.0,
    **config: Any,
) -> Run:
    """A loss that falls to `floor`, swings there by `swing` of its level, and is logged with this learning rate.

    hump: how far the loss is lifted in the first tenth of the run, in shares of its level.
    """
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 1.0, rate.size)
    lift = 1.0 + hump * np.exp(-(((time - 0.05) / 0.02) ** 2))
    loss = _noisy(_falling(rate.size, 4.0, floor, 8.0) * lift, noise + swing, rng)
    return _per_step("scheduled", loss, 1, logged=False, config=config, learning_rate=rate)


def recipe(
    seed: int = 0,
    noise: float = 0.02,
    *,
    level: float = 0.5,
    speed: float = 5.0,
    epochs: int = 60,
    spread: float = 0.01,
    **config: Any,
) -> Run:
    """A healthy run of a recipe whose losses settle at `level` and, for validation, 20 % above it.

    spread: standard deviation of the level between seeds, relative to it.
    """
    rng = np.random.default_rng(seed)
    floor = level * (1.0 + spread * rng.standard_normal())
    train = _falling(epochs, np.log(CLASSES), floor, speed)
    val = _falling(epochs, np.log(CLASSES), 1.2 * floor, speed)
    run = _run(
        "recipe",
        {
            "train_loss": _noisy(train, noise, rng),
            "val_loss": _noisy(val, noise, rng),
            "train_accuracy": _accuracy(train, noise, rng),
            "val_accuracy": _accuracy(val, noise, rng),
        },
        config={"seed": seed, "optimizer": "adam", "learning_rate": 1e-3, "batch_size": 64, **config},
    )
    return replace(run, name=f"seed-{seed}", source=f"synthetic:recipe/{seed}/metrics.csv")


def against_baseline(
    seed: int = 0, noise: float = 0.02, *, earlier: int = 5, spread: float = 0.01, **change: Any
) -> list[Run]:
    """A run of a recipe with something changed, and then `earlier` runs of it unchanged, each with its own seed."""
    first = seed * (earlier + 1)
    changed = recipe(first, noise, spread=spread, **change)
    return [changed, *(recipe(first + i, noise, spread=spread) for i in range(1, earlier + 1))]


def seeds(seed: int = 0, noise: float = 0.02, *, runs: int = 6, spread: float = 0.01, **odd: Any) -> list[Run]:
    """Runs of one recipe with different seeds; the last with something changed."""
    first = seed * runs
    usual = [recipe(first + i, noise, spread=spread) for i in range(runs - 1)]
    return [*usual, recipe(first + runs - 1, noise, spread=spread, **odd)]


def search(
    seed: int = 0, noise: float = 0.02, *, best: Mapping[str, float] | None = None, **values: Sequence[float]
) -> list[Run]:
    """One run per combination of the values of hyperparameters.

    best: the values at which the loss is lowest, on a logarithmic scale; the loss rises by half for each factor of
        ten away from them.
    """
    names = list(values)
    runs = []
    for index, combination in enumerate(itertools.product(*values.values())):
        config: dict[str, Any] = dict(zip(names, combination, strict=True))
        away = sum(abs(np.log10(config[name] / value)) for name, value in (best or {}).items())
        runs.append(recipe(1000 * seed + index, noise, level=0.4 * (1.0 + 0.5 * min(float(away), 3.0)), **config))
    return runs


def unrelated(seed: int = 0, noise: float = 0.02) -> list[Run]:
    """Logs of different projects with the same columns: other tasks, other lengths."""
    rng = np.random.default_rng(seed)
    return [
        replace(
            recipe(
                100 * seed + i,
                noise,
                level=float(rng.uniform(0.05, 1.5)),
                speed=float(rng.uniform(2.0, 9.0)),
                epochs=int(rng.integers(20, 120)),
            ),
            config={},
        )
        for i in range(6)
    ]


def mosaics(
    seed: int = 0,
    *,
    spread: float = 0.1,
    plain: Mapping[str, float] | None = None,
    exchanged: Mapping[str, float] | None = None,
    level: float = 0.8,
    random: float = 0.5,
    per_class: int = 20,
) -> Run:
    """A recorded bias check of ten classes: Focus by mosaic, plain and after the exchange of places.

    level: Focus of a class, 0.1 less after the exchange; `plain` and `exchanged` say otherwise for single classes.
    random: Focus of a randomly initialised copy. spread: standard deviation between the mosaics of a class.
    """
    rng = np.random.default_rng(seed)
    series: dict[str, Series] = {}

    def add(column: str, middle: float, first: int) -> None:
        values = np.clip(middle + spread * rng.standard_normal(per_class), 0.0, 1.0)
        series[column] = Series(column, np.arange(first, first + per_class, dtype=np.float64), values)

    for label in map(str, range(CLASSES)):
        first = 1 + per_class * int(label)
        add(f"focus/{label}", (plain or {}).get(label, level), first)
        add(f"exchanged/{label}", (exchanged or {}).get(label, max(level - 0.1, 0.5)), first)
        add(f"moved/{label}/the lower left corner", 0.45 if label in (exchanged or {}) else 0.22, first)
        add(f"focus_random/{label}", random, first)
        for other in map(str, range(CLASSES)):
            if other != label:
                add(f"stolen/{label}/{other}", 0.1, first)
    count = per_class * CLASSES
    whole = np.concatenate([series[f"focus/{label}"].values for label in range(CLASSES)])
    series["focus"] = Series("focus", np.arange(1, count + 1, dtype=np.float64), whole)
    config = {"attribution_method": "gradcam", "mosaics": count}
    return Run("mosaics", series, {"focus": "focus"}, config, "synthetic:mosaics", "synthetic", "mosaic")


def effects(
    size: float = 0.05,
    *,
    transfer: float = 0.05,
    reference: float = 0.05,
    p_value: float = 1.0,
    count: int = 36,
    apart: float = 1.0,
    **focus: Any,
) -> Run:
    """A recorded bias check with effects, of which class 3 has that one in the frame.

    size, transfer: share of its images that it loses, and of others that it gains. reference: effect of other classes.
    apart: 1 where the frame can be told from the thing, else 0.
    focus: of the mosaics.
    """
    run, series = mosaics(**focus), dict[str, Series]()
    for label in range(CLASSES):
        own = label == 3
        found = {
            "fall": size if own else 0.05,
            "transfer": transfer if own else 0.05,
            "reference": reference if own else max(size, 0.05),
            "p_value": p_value if own else 1.0,
            "images": float(count),
            "area": 0.2,
            "apart": apart,
        }
        for name, value in found.items():
            column = f"{name}/{label}/the frame"
            series[column] = Series(column, np.array([1.0]), np.array([value]))
    return replace(
        run,
        name="effects",
        series={**run.series, **series},
        config={**run.config, "effects": CLASSES},
        source="synthetic:effects",
    )


def focus_curves(seed: int = 0, noise: float = 0.02, epochs: int = 30, end: float = 0.35) -> Run:
    """A healthy training that logs the Focus of each class; that of class 3 goes to `end`."""
    rng = np.random.default_rng(seed)
    run = healthy(seed, noise, epochs)
    ends = {label: end if label == 3 else 0.8 for label in range(CLASSES)}
    rise = 1.0 - np.exp(-6.0 * np.linspace(0.0, 1.0, epochs))
    curves = {f"focus/{label}": _noisy(0.5 + (value - 0.5) * rise, noise, rng) for label, value in ends.items()}
    steps = run.series["train_loss"].steps
    logged = {name: Series(name, steps, values) for name, values in curves.items()}
    return replace(run, name="focus_curves", series={**run.series, **logged}, source="synthetic:focus_curves")


def rewarded(seed: int = 0, noise: float = 0.02, episodes: int = 100) -> Run:
    """The reward rises and levels off; the policy's loss goes up and down."""
    rng = np.random.default_rng(seed)
    reward = 200.0 - _falling(episodes, 190.0, 5.0, 6.0) + 100.0 * noise * rng.standard_normal(episodes)
    return _run("rewarded", {"reward": reward, "train_loss": np.abs(rng.standard_normal(episodes))})


def unrewarded_policy(seed: int = 0, noise: float = 0.02, episodes: int = 100) -> Run:
    """The reward stays where it began."""
    rng = np.random.default_rng(seed)
    reward = 20.0 + 100.0 * noise * rng.standard_normal(episodes)
    return _run("unrewarded-policy", {"reward": reward, "train_loss": np.abs(rng.standard_normal(episodes))})


def collapsed(seed: int = 0, noise: float = 0.02, episodes: int = 100) -> Run:
    """The reward rises for 40 % of the run, and then falls below where it began."""
    run = rewarded(seed, noise, episodes)
    reward = run.series["reward"].values * np.where(np.arange(episodes) < 0.4 * episodes, 1.0, 0.02)
    return _run("collapsed", {"reward": reward, "train_loss": run.series["train_loss"].values})


def adversaries(seed: int = 0, noise: float = 0.02, epochs: int = 80) -> Run:
    """The losses of a discriminator in doubt, around 2 ln 2, and of its generator."""
    rng = np.random.default_rng(seed)
    doubt = _noisy(np.full(epochs, 2.0 * math.log(2.0)), noise, rng)
    return _run("adversaries", {"discriminator_loss": doubt, "train_loss": _noisy(np.full(epochs, 0.9), noise, rng)})


def outplayed(seed: int = 0, noise: float = 0.02, epochs: int = 80) -> Run:
    """The discriminator's loss falls to 0.001 while the generator's grows."""
    rng = np.random.default_rng(seed)
    certain = _noisy(_falling(epochs, 1.4, 0.001, 20.0), noise, rng)
    return _run("outplayed", {"discriminator_loss": certain, "train_loss": _noisy(10.0 - certain, noise, rng)})


def many_modes(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The losses of adversaries, and a normalized entropy of what is made that rises to nearly 1."""
    entropy = _noisy(1.0 - _falling(epochs, 0.4, 0.05, 6.0), 0.1 * noise, np.random.default_rng(seed))
    run = adversaries(seed, noise, epochs)
    return _run("many-modes", {**{name: curve.values for name, curve in run.series.items()}, "diversity": entropy})


def few_modes(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The same, and the entropy stays around 0.3."""
    run = many_modes(seed, noise, epochs)
    entropy = _noisy(np.full(epochs, 0.3), noise, np.random.default_rng(seed))
    return _run("few-modes", {**{name: curve.values for name, curve in run.series.items()}, "diversity": entropy})


def repeated(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The training loss is logged once more as the validation loss."""
    loss = healthy(seed, noise, epochs).series["train_loss"].values
    return _run("repeated", {"train_loss": loss, "val_loss": loss})


def steady(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """A healthy run that does 1,000 examples per second throughout."""
    run = healthy(seed, noise, epochs)
    speed = _noisy(np.full(epochs, 1000.0), noise, np.random.default_rng(seed + 1))
    return _run("steady", {**{name: curve.values for name, curve in run.series.items()}, "throughput": speed})


def slowed(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The same, and 40 % fewer from half-way on."""
    run = steady(seed, noise, epochs)
    speed = run.series["throughput"].values * np.where(np.arange(epochs) < epochs // 2, 1.0, 0.6)
    return _run("slowed", {**{name: curve.values for name, curve in run.series.items()}, "throughput": speed})


def softmaxed(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """A cross-entropy of ten classes that is given probabilities: it falls to its floor of 1.461 and no further."""
    floor = math.log1p((CLASSES - 1) / math.e)
    rng = np.random.default_rng(seed)
    above = _falling(epochs, math.log(CLASSES) - floor, 0.01, 6.0) * np.abs(1.0 + noise * rng.standard_normal(epochs))
    return _run("softmaxed", {"train_loss": floor + above}, config={"num_classes": CLASSES})


def two_sets(seed: int = 0, noise: float = 0.02, epochs: int = 60, turn: float = 1.0, still: bool = False) -> Run:
    """A healthy training that is validated on two sets, the second of them harder.

    turn: share of the run after which both losses climb. still: the second stands where it began.
    """
    rng = np.random.default_rng(seed)
    run = healthy(seed, noise, epochs)
    climb = 0.8 * np.clip(np.linspace(0.0, 1.0, epochs) - turn, 0.0, None)
    first = _noisy(_falling(epochs, 2.3, 0.4, 6.0) + climb, noise, rng)
    second = _noisy((np.full(epochs, 2.3) if still else _falling(epochs, 2.9, 0.8, 5.0)) + climb, noise, rng)
    return _run(
        "two-sets",
        {"train_loss": run.series["train_loss"].values, "val_loss": first, "val_loss[hard]": second},
        config=run.config,
    )


def forgetting(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """Fine-tuning: the loss on the old task climbs by half while that on the new one falls."""
    rng = np.random.default_rng(seed)
    old = _noisy(0.8 + 0.45 * np.linspace(0.0, 1.0, epochs), noise, rng)
    new = _noisy(_falling(epochs, 2.0, 0.5, 3.0), noise, rng)
    train = _noisy(_falling(epochs, 2.0, 0.3, 3.0), noise, rng)
    return _run("forgetting", {"train_loss": train, "val_loss": old, "val_loss[new]": new})


def forgetting_accuracy(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The same in accuracies: that on the old task falls from 0.85 to 0.7, that on the new one rises."""
    rng = np.random.default_rng(seed)
    run = forgetting(seed, noise, epochs)
    old = 0.85 - 0.15 * np.linspace(0.0, 1.0, epochs) + 0.2 * noise * rng.standard_normal(epochs)
    new = 0.9 - _falling(epochs, 0.6, 0.05, 4.0) + 0.2 * noise * rng.standard_normal(epochs)
    train = run.series["train_loss"].values
    return _run("forgetting", {"train_loss": train, "val_accuracy": old, "val_accuracy[new]": new})


def gone_back(seed: int = 0, noise: float = 0.02, epochs: int = 60, back: float = 12.0) -> Run:
    """A healthy run that was broken off at epoch 40, and resumed from a checkpoint `back` epochs before."""
    return replace(healthy(seed, noise, epochs), name="gone-back", resumes=((40.0, 40.0 - back),))


def language_model(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """A language model that logs exp(loss), rounded, beside its loss."""
    loss = _noisy(_falling(epochs, 8.0, 3.5, 5.0), 0.5 * noise, np.random.default_rng(seed)).round(4)
    return _run("language-model", {"train_loss": loss, "train_perplexity": np.exp(loss).round(2)})


def averaged_perplexity(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The same, with the mean of exp(loss) over batches whose losses differ by half a nat to one."""
    loss = language_model(seed, noise, epochs).series["train_loss"].values
    above = 0.3 + 0.2 * np.random.default_rng(seed + 1).random(epochs)
    return _run("averaged-perplexity", {"train_loss": loss, "train_perplexity": np.exp(loss + above)})


def word_perplexity(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The same, with the perplexity of words of 1.3 tokens each."""
    loss = language_model(seed, noise, epochs).series["train_loss"].values
    return _run("word-perplexity", {"train_loss": loss, "train_perplexity": np.exp(1.3 * loss)})


def two_terms(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """A loss of two terms, of which the second is a third; they add up to the total."""
    rng = np.random.default_rng(seed)
    first = _noisy(_falling(epochs, 2.0, 0.4, 5.0), noise, rng)
    second = 0.5 * _noisy(_falling(epochs, 2.0, 0.4, 4.0), noise, rng)
    return _run("two-terms", {"train_loss": first + second, "box_loss": first, "class_loss": second})


def outweighed_term(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The same, the second a thousandth of the total, and where it began."""
    first = two_terms(seed, noise, epochs).series["box_loss"].values
    second = _noisy(np.full(epochs, 0.0005), noise, np.random.default_rng(seed + 1))
    return _run("outweighed-term", {"train_loss": first + second, "box_loss": first, "depth_loss": second})


def fitted_term(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The same, the second half of the total at first, which falls to a thousandth of it."""
    first = two_terms(seed, noise, epochs).series["box_loss"].values
    second = _noisy(_falling(epochs, 2.0, 0.0005, 20.0), noise, np.random.default_rng(seed + 1))
    return _run("fitted-term", {"train_loss": first + second, "box_loss": first, "depth_loss": second})


def one_class(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """A detector of one class, whose class loss is 0 throughout."""
    first = two_terms(seed, noise, epochs).series["box_loss"].values
    return _run("one-class", {"train_loss": first, "box_loss": first, "class_loss": np.zeros(epochs)})


def dead_term(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The same, the second 0 throughout."""
    first = two_terms(seed, noise, epochs).series["box_loss"].values
    return _run("dead-term", {"train_loss": first, "box_loss": first, "depth_loss": np.zeros(epochs)})


def harmless_rate_jump(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The learning rate grows tenfold half-way, and the loss falls on."""
    run = healthy(seed, noise, epochs)
    rate = np.where(np.arange(epochs) < epochs // 2, 1e-4, 1e-3)
    return _run("harmless-rate-jump", {"train_loss": run.series["train_loss"].values, "learning_rate": rate})


def rate_jump(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """The same, and the loss doubles there."""
    run = harmless_rate_jump(seed, noise, epochs)
    jump = np.where(np.arange(epochs) < epochs // 2, 1.0, 2.0)
    return _with_train_loss(
        run, "rate-jump", replace(run.series["train_loss"], values=run.series["train_loss"].values * jump)
    )


def timed(seed: int = 0, noise: float = 0.02, epochs: int = 40, stall: float = 0.0, pause: float = 0.0) -> Run:
    """A healthy run that logs the seconds since its start, a minute per epoch.

    stall: seconds that epoch 25 takes longer. pause: seconds that every fifth epoch takes longer.
    """
    taken = _noisy(np.full(epochs, 60.0), noise, np.random.default_rng(seed + 1))
    taken += stall * (np.arange(epochs) == 25) + pause * (np.arange(epochs) % 5 == 4)
    loss = healthy(seed, noise, epochs).series["train_loss"].values
    return _run("timed", {"train_loss": loss, "elapsed_time": np.cumsum(taken)})


def stalled(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The same; one epoch takes an hour."""
    return replace(timed(seed, noise, epochs, stall=3600.0), name="stalled")


def slowing(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """A healthy run whose epochs take a minute, and two from half-way on."""
    rng = np.random.default_rng(seed + 1)
    taken = _noisy(np.where(np.arange(epochs) < epochs // 2, 60.0, 120.0), noise, rng)
    loss = healthy(seed, noise, epochs).series["train_loss"].values
    return _run("slowing", {"train_loss": loss, "epoch_time": taken})


def pausing(seed: int = 0, noise: float = 0.02, epochs: int = 40) -> Run:
    """The same; every fifth epoch takes ten times as long."""
    return replace(timed(seed, noise, epochs, pause=600.0), name="pausing")


def undivided_accuracy(seed: int = 0, noise: float = 0.02, epochs: int = 60) -> Run:
    """A healthy run whose validation accuracy is a third too large, so that it ends above 1."""
    run = healthy(seed, noise, epochs)
    curves = {name: curve.values for name, curve in run.series.items()}
    return _run("undivided-accuracy", {**curves, "val_accuracy": 1.5 * curves["val_accuracy"]}, config=run.config)


def masked_labels(seed: int = 0, noise: float = 0.02, steps: int = 60) -> Run:
    """A loss and a gradient of exactly 0 at all steps."""
    return _run("masked-labels", {"train_loss": np.zeros(steps), "grad_norm": np.zeros(steps)})


def some_masked_labels(seed: int = 0, noise: float = 0.02, steps: int = 100) -> Run:
    """A healthy loss that is exactly 0, without a gradient, at every tenth step."""
    loss = healthy(seed, noise, steps).series["train_loss"].values * (np.arange(steps) % 10 != 3)
    return _run("some-masked-labels", {"train_loss": loss, "grad_norm": np.where(loss == 0.0, 0.0, 1.0)})


def rounded_to_zero(seed: int = 0, noise: float = 0.02, steps: int = 100) -> Run:
    """A loss that falls until four decimals are all 0."""
    loss = _noisy(_falling(steps, 2.0, 0.0, 14.0), noise, np.random.default_rng(seed))
    return _run("rounded-to-zero", {"train_loss": np.round(loss, 4)})


def determined(
    seed: int = 0, noise: float = 0.02, epochs: int = 30, end: float = 0.0, drop: float = 0.0, late: bool = False
) -> Run:
    """A regression whose R2 on validation goes from -0.2 to `end`.

    drop: by how much the last two points lie lower. late: it begins to rise after half of the run.
    """
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 1.0, epochs)
    rise = np.clip(2.0 * t - 1.0, 0.0, 1.0) ** 2 if late else 1.0 - np.exp(-12.0 * t)
    r2 = (0.0 if late else -0.2) + (end - (0.0 if late else -0.2)) * rise + 0.2 * noise * rng.standard_normal(epochs)
    r2[-2:] -= drop
    loss = _noisy(1.0 - 0.9 * np.clip(r2, -0.2, 1.0), noise, rng)
    return _run("determined", {"train_loss": loss, "val_loss": loss * 1.05, "val_r2": r2})
