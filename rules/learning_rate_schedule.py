"""Learning-rate schedule: the learning rate is zero, restarts, warms up too long or not at all, or never decays.

Why it matters
    The schedule decides how far the training gets: nothing is learned at a rate of zero, and a rate that stays high
    keeps the loss jumping around the minimum it cannot reach.

Statistics
    zero       share of the steps, up to the last, in which the learning rate is exactly 0
    warmup     share of the run in which the rate rises in a straight line to its highest value; reported above 10 % [1]
               where the rate has fallen to half of it by the end
    restart    the rate at least doubles after it had fallen to half of its highest value or less
    noise      standard deviation of the loss around its running median over the last third, in percent of the whole
               improvement, beside a rate that stays within 1 % and a level that moves by less than that deviation
    hump       for a transformer under Adam whose rate starts at its highest value: how far the loss rises above its
               first value in the first fifth of the run

Limits
    A rate of zero from the first to the last step is a warning unless the loss falls (then the log has rounded it);
    everything else is a note. The first of the list that applies is reported. A schedule that rises in a curve (one
    cycle) is meant to rise for long. A run that was stopped early has a long warmup by no fault of its own: hence the
    condition on its end.

References
    [1] Godbole et al., Deep Learning Tuning Playbook (2023)
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017)
    Xiong et al., On Layer Normalization in the Transformer Architecture (2020), on why transformers warm up
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.names import optimizers, traits
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

MOST_MARKS = 24  # places named in a finding; more cannot be told apart on a curve


def check(
    axis: str,
    learning_rate: Series,
    train_loss: Series | None = None,
    optimizer: str | None = None,
    model: str | None = None,
    scheduler: str | None = None,
    *,
    zero_tail: float = 0.1,  # of the run at a rate of 0; the last point of a schedule is often 0
    warmup_most: float = 0.1,  # of the run [1]
    restart_least: float = 2.0,  # times the rate before; smaller rises are corrections
    noise_least: float = 0.05,  # of the improvement; calmer curves have little to gain from a decay
    hump_least: float = 0.05,  # of the first loss; a smaller rise is no sign of a missing warmup
) -> Finding | None:
    """Judge the curve of the learning rate; the loss tells whether it matters."""
    rate = learning_rate.finite()
    if len(rate) < 5:
        raise CannotJudge("fewer than 5 points of learning rate")
    loss = None if train_loss is None or len(finite := train_loss.finite()) < 10 else finite
    return (
        _zero(axis, rate, loss, zero_tail)
        or _long_warmup(axis, rate, scheduler, warmup_most)
        or _missing_warmup(axis, rate, loss, optimizer, model, hump_least)
        or _restarts(axis, rate, restart_least)
        or _never_decayed(axis, rate, loss, noise_least)
    )


def _zero(axis: str, rate: Series, loss: Series | None, tail: float) -> Finding | None:
    """A rate of 0 throughout, or for longer at the end than a schedule needs to arrive there."""
    above = np.flatnonzero(rate.values)
    start = float(rate.steps[above[-1] + 1]) if above.size and above[-1] + 1 < len(rate) else float(rate.steps[0])
    whole = max(float(rate.steps[-1] - rate.steps[0]), 1e-300)
    share = 1.0 if not above.size else (float(rate.steps[-1]) - start) / whole if rate.values[-1] == 0.0 else 0.0
    if share < tail or (above.size and _rounded(rate.values[above])):
        return None
    falls = loss is not None and statistics.mann_kendall(loss.values[loss.steps >= start]).p_falling < 0.01
    severity = Severity.NOTE if falls or above.size else Severity.WARNING
    return _finding(
        severity,
        0.9 if falls else 0.95,
        f"The learning rate is 0 {f'from {axis} {start:g} on' if above.size else 'throughout'}, {100 * share:.0f} % of "
        "the run.",
        "The loss falls all the same: the log seems to round the rate."
        if falls
        else "Nothing is learned at a rate of 0: the steps are lost.",
        (start, float(rate.steps[-1])),
        Evidence("zero", 100.0 * share, 100.0 * tail, "percent of the run"),
        fixes=("fit-schedule", "train-shorter") if above.size else ("raise-learning-rate", "check-frozen-weights"),
        cause="schedule-ends-early" if above.size else "rate-zero",
    )


def _rounded(values: Array) -> bool:
    """Whether all values are multiples of the power of ten of the smallest: the log may show the next one as 0."""
    multiples = values / 10.0 ** np.floor(np.log10(values.min()) + 1e-9)
    return bool(np.all(np.abs(multiples - np.rint(multiples)) < 1e-6 * multiples))


def _long_warmup(axis: str, rate: Series, scheduler: str | None, most: float) -> Finding | None:
    """A straight rise to the highest rate that takes more than `most` of a run whose rate has then fallen by half."""
    peak = int(np.argmax(rate.values >= 0.999 * rate.values.max()))
    high = float(rate.values[peak])
    if peak < 2 or rate.values[0] > 0.5 * high or rate.values[-1] > 0.5 * high:
        return None
    if scheduler is not None and "cycl" in scheduler.casefold().replace("-", ""):
        return None
    since = rate.steps[: peak + 1] - rate.steps[0]
    straight = rate.values[0] + (high - rate.values[0]) * since / since[-1]
    whole = float(rate.steps[-1] - rate.steps[0])
    share = float(since[-2]) / whole  # the peak may lie anywhere after the point before it
    if share <= most or float(np.abs(rate.values[: peak + 1] - straight).max()) > 0.05 * high:
        return None
    top = float(rate.steps[peak])
    return _finding(
        Severity.NOTE,
        statistics.confidence(0.7 + 5.0 * (share - most)),
        f"The learning rate warms up until {axis} {top:g}, {100 * float(since[-1]) / whole:.0f} % of the run.",
        "At most a tenth is usual; a warmup that goes on for longer spends steps at a rate that learns little.",
        (float(rate.steps[0]), top),
        Evidence("warmup", 100.0 * share, 100.0 * most, "percent of the run"),
        fixes=("shorter-warmup", "train-longer"),
        cause="long-warmup",
        marks=(top,),
    )


def _missing_warmup(
    axis: str, rate: Series, loss: Series | None, optimizer: str | None, model: str | None, least: float
) -> Finding | None:
    """A transformer under Adam that starts at its highest rate and whose loss rises at first."""
    kind = None if optimizer is None else optimizers.known(optimizer)
    if kind is None or kind.family != "adaptive" or model is None or not traits.is_transformer(model):
        return None
    late = rate.steps[0] > 0.02 * rate.steps[-1]  # a warmup before the first logged rate cannot be seen
    if loss is None or late or rate.values[0] < 0.99 * rate.values.max() or float(loss.values[0]) <= 0.0:
        return None
    first = loss.values[: max(10, len(loss) // 5)]
    early = statistics.rolling_median(first, 3)
    top = int(np.argmax(early))
    rise = float(early[top] - loss.values[0])
    hump = rise / float(loss.values[0])
    if top == 0 or hump < least or rise < 3.0 * statistics.jitter(first):
        return None
    at = float(loss.steps[top])
    return _finding(
        Severity.NOTE,
        statistics.confidence(0.8 + 3.0 * (hump - least)),
        f"The learning rate starts at its highest value, {rate.values[0]:.3g}, and train_loss rises by "
        f"{100 * hump:.3g} % until {axis} {at:g}.",
        "Adam's averages are empty at first and a transformer's first gradients large: a warmup spares it that hump.",
        (float(loss.steps[0]), at),
        Evidence("hump", 100.0 * hump, 100.0 * least, "percent"),
        fixes=("warmup", "lower-learning-rate"),
        cause="no-warmup",
        marks=(at,),
        series=("learning_rate", "train_loss"),
    )


def _restarts(axis: str, rate: Series, least: float) -> Finding | None:
    """Rises of the rate after it had fallen to half of its highest value."""
    values = rate.values
    slope = np.sign(np.diff(values))
    moving = np.flatnonzero(slope)
    turns = moving[1:][slope[moving[1:]] != slope[moving[:-1]]]  # the last points before the direction changes
    ends = np.append(turns, values.size - 1)
    highest = np.maximum.accumulate(values)
    places = [
        int(low)
        for low, high in itertools.pairwise(ends)
        if values[high] >= least * max(float(values[low]), 1e-300) and values[low] <= 0.5 * highest[low]
    ]
    if not places:
        return None
    marks = tuple(float(rate.steps[place]) for place in places[:MOST_MARKS])
    times = "once" if len(places) == 1 else f"{len(places)} times"
    return _finding(
        Severity.NOTE,
        0.9,
        f"The learning rate restarts {times}, at {axis} {', '.join(f'{mark:g}' for mark in marks[:5])}"
        f"{' ...' if len(places) > 5 else ''}.",
        "The loss rises for a while after each restart: that is the schedule, or a resume that began it anew.",
        (marks[0], float(rate.steps[-1])),
        Evidence("restarts", float(len(places)), 1.0),
        fixes=("end-of-cycle", "restore-state"),
        cause="restarts",
        marks=marks,
    )


def _never_decayed(axis: str, rate: Series, loss: Series | None, least: float) -> Finding | None:
    """A constant rate under a loss that is noisy and no longer falls."""
    values = rate.values
    later = values[int(np.argmax(values)) :]
    if loss is None or len(loss) < 30 or later.size < 0.7 * values.size or later.min() < 0.99 * later.max():
        return None
    size = len(loss)
    tail = loss.values[-(size // 3) :]
    noise = statistics.spread(tail - statistics.rolling_median(tail, min(25, tail.size // 2) | 1))
    half = tail.size // 2
    moved = statistics.level(tail, 0, half) - statistics.level(tail, half, tail.size)
    improvement = statistics.level(loss.values, 0, statistics.ends(size, 0.05)) - float(np.median(tail))
    if improvement <= 0.0 or noise < least * improvement or abs(moved) > noise:
        return None
    share = noise / improvement
    return _finding(
        Severity.NOTE,
        statistics.confidence(0.6 + 5.0 * min(share - least, 0.2)),
        f"The learning rate stays at {later.max():.3g} to the end while train_loss swings by {100 * share:.2g} % of "
        "its whole improvement and falls no further.",
        "A constant rate keeps the weights jumping around the minimum; lowered, it lets them settle.",
        (float(loss.steps[-tail.size]), float(loss.steps[-1])),
        Evidence("noise", 100.0 * share, 100.0 * least, "percent of the improvement"),
        fixes=("decay-learning-rate", "average-weights", "larger-batch"),
        cause="never-decayed",
        series=("learning_rate", "train_loss"),
    )


def _finding(
    severity: Severity,
    confidence: float,
    summary: str,
    meaning: str,
    steps: tuple[float, float],
    evidence: Evidence,
    *,
    fixes: tuple[str, ...],
    cause: str,
    marks: tuple[float, ...] = (),
    series: tuple[str, ...] = ("learning_rate",),
) -> Finding:
    return Finding(severity, confidence, summary, meaning, steps, series, (evidence,), marks, fixes, cause)


def _ramp(size: int, up: float, down: float) -> Array:
    """A rate of at most 1e-3 that rises over the share `up` of the points and falls to `down` of it from there."""
    peak = round(up * size)
    return 1e-3 * np.concatenate([np.arange(1, peak + 1) / max(peak, 1), np.linspace(1.0, down, size - peak)])


RULE = Rule(
    id="learning-rate-schedule",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("decay-learning-rate", "warmup", "raise-learning-rate"),
    cases=(
        Case(
            "zero throughout, the loss flat", partial(synthetic.scheduled, np.zeros(200), floor=4.0), Severity.WARNING
        ),
        Case(
            "decayed to zero after two thirds",
            partial(synthetic.scheduled, np.append(_ramp(134, 0.05, 1e-3), np.zeros(66))),
            Severity.NOTE,
        ),
        Case("warmup over a third", partial(synthetic.scheduled, _ramp(200, 0.33, 0.0)), Severity.NOTE),
        Case(
            "transformer without warmup, the loss rises first",
            partial(synthetic.scheduled, _ramp(200, 0.0, 0.0), hump=1.0, optimizer="adamw", model="gpt2"),
            Severity.NOTE,
        ),
        Case(
            "transformer without warmup, and without need of it",
            partial(synthetic.scheduled, _ramp(200, 0.0, 0.0), optimizer="adamw", model="gpt2"),
        ),
        Case("warm restarts", synthetic.cyclic, Severity.NOTE),
        Case(
            "never decayed under a noisy loss",
            partial(synthetic.scheduled, _ramp(200, 0.05, 1.0), swing=0.3),
            Severity.NOTE,
        ),
        Case("warmup over a twentieth, then a decay", partial(synthetic.scheduled, _ramp(200, 0.05, 0.0))),
        Case("learning rate cut twice", synthetic.decayed),
        Case(
            "no learning from a rate that is not zero", partial(synthetic.scheduled, _ramp(200, 0.05, 0.0), floor=4.0)
        ),
    ),
)
