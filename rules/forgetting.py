"""Forgetting: one validation set gets worse while another gets better.

Why it matters
    Fine-tuning on a new task, language or domain overwrites what the network knew of the old one. The mean over the
    sets hides it, and the best checkpoint of one set is not that of the other.

Statistics
    rise   how far the loss of the one set ends above its best level, in percent; of an accuracy, the points lost
    fall   how far the loss of the other falls from there on, in percent; of an accuracy, the points gained
    sure   probability that the rise is more than what is minded, under the noise of the curve, and of a
           falling Mann-Kendall trend of the other [1]

Limits
    Sets that get worse together are `overfitting`. A set that is no better at the end than it was, and one of another
    distribution from which the training moves away without ever having learned it, look alike. Fewer than 6 points
    are not judged.

References
    [1] Mann, Nonparametric Tests Against Trend (1945)
    McCloskey and Cohen, Catastrophic Interference in Connectionist Networks (1989)
    French, Catastrophic Forgetting in Connectionist Networks (1999)
    Lecture notes: "Transfer learning".
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from diagnose import synthetic
from diagnose.measure import statistics
from diagnose.measure.curve import Curve
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


class Opposite(NamedTuple):
    """Two sets that part: the roles of the one that gets worse and of the one that gets better.

    since: step of the best level of the former. lost, gained: as shares of the levels there, or points of an accuracy.
    certain: probability of both.
    """

    worse: str
    better: str
    since: float
    lost: float
    gained: float
    certain: float


def check(
    axis: str,
    validation_losses: Mapping[str, Curve] | None = None,
    validation_accuracies: Mapping[str, Curve] | None = None,
    *,
    rise_warning: float = 0.05,  # of the best level; what `overfitting` minds
    rise_error: float = 0.2,  # of the best level; what was known is lost
    points_warning: float = 0.02,  # of an accuracy, two points; smaller losses are within what seeds do
    points_error: float = 0.1,  # of an accuracy, ten points
    sure: float = 0.98,  # probability of the rise, and of the falling trend of the other set
) -> Finding | None:
    """Judge the losses of all validation sets, or their accuracies where there are no losses."""
    if validation_losses is None and validation_accuracies is None:
        raise CannotJudge("the log has one validation set at most")
    losses = validation_losses is not None
    curves = validation_losses or {name: curve.flipped for name, curve in (validation_accuracies or {}).items()}
    if all(len(curve) < 6 for curve in curves.values()):
        raise CannotJudge("fewer than 6 points of any validation set")
    warning, error = (rise_warning, rise_error) if losses else (points_warning, points_error)
    pairs = itertools.permutations(curves, 2)
    found = [o for worse, better in pairs if (o := _opposite(worse, better, curves, losses, warning, sure))]
    if not found:
        return None
    worst = max(found, key=lambda opposite: opposite.lost)
    unit, word = ("percent", "%") if losses else ("points", "points")
    verbs = ("rises", "falls") if losses else ("falls", "rises")
    names = (curves[worst.worse].series.name, curves[worst.better].series.name)
    return Finding(
        severity=Severity.ERROR if worst.lost >= error else Severity.WARNING,
        confidence=min(worst.certain, 0.99),
        summary=(
            f"{names[0]} {verbs[0]} by {100 * worst.lost:.3g} {word} from {axis} {worst.since:g} on, while {names[1]} "
            f"{verbs[1]} by {100 * worst.gained:.3g} {word}."
        ),
        meaning="What is learned for the one set overwrites what was known of the other; their mean hides it.",
        steps=(worst.since, float(curves[worst.worse].steps[-1])),
        marks=(worst.since,),
        series=(worst.worse, worst.better),
        evidence=(
            Evidence("rise" if losses else "lost", 100.0 * worst.lost, 100.0 * warning, unit),
            Evidence("fall" if losses else "gained", 100.0 * worst.gained, 100.0 * warning, unit),
            Evidence("probability", min(worst.certain, 0.9999), sure),
        ),
    )


def _opposite(
    worse: str, better: str, curves: Mapping[str, Curve], relative: bool, least: float, sure: float
) -> Opposite | None:
    """The two sets where the first rises from its best level on, and the second falls meanwhile; else None.

    relative: whether rises are shares of the levels, as those of a positive loss.
    """
    one, other = curves[worse], curves[better]
    rise = one.rise
    if rise is None or len(one) < 6:
        return None
    since = float(one.steps[rise.best])
    lost = _share(one, rise.end - one.at(float(one.smooth[rise.turn])), since, relative)
    gained = _share(other, -other.moved(since), since, relative)
    if min(lost, gained) < least:
        return None
    falling = 1.0 - statistics.mann_kendall(other.values[other.steps >= since]).p_falling
    certain = min(rise.estimate.exceeds(least), falling)
    return Opposite(worse, better, since, lost, gained, certain) if certain >= sure else None


def _share(curve: Curve, moved: float, since: float, relative: bool) -> float:
    """A movement as a share of the level from which it began, or as it is."""
    if not relative:
        return moved
    level = curve.values[max(0, int((curve.steps <= since).sum()) - 1)]
    return float(moved / max(abs(float(level)), 1e-300))


RULE = Rule(
    id="forgetting",
    doc=__doc__,
    check=check,
    min_points=6,
    fixes=("replay-old-data", "lower-learning-rate", "train-fewer-weights", "early-stopping", "shallower-trees"),
    silences=("overfitting", "overconfidence", "loss-accuracy-conflict"),
    precedence=-1,
    cases=(
        Case("the old task's loss climbs by half, the new one's falls", synthetic.forgetting, Severity.ERROR),
        Case("accuracies: 15 points lost on the old task", synthetic.forgetting_accuracy, Severity.ERROR),
        Case("two sets, both fall", synthetic.two_sets),
        Case("two sets of which both turn", partial(synthetic.two_sets, turn=0.4)),
        Case("one falls, one stands still", partial(synthetic.two_sets, still=True)),
    ),
)
