"""The rival causes of each rule's findings, and what in a log or its config tells them apart.

What is looked at is what any log may have: the curves, and the settings that came with them. A sign is one observation,
which speaks for a cause, against it, or is missing. `all_rules` hands them to the rules; `diagnose.judging.causes`
weighs them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from diagnose.curves import Array, Run, Series
from diagnose.measure import statistics
from diagnose.names import optimizers, roles, traits
from diagnose.names.kinds import kind_of
from diagnose.rule import Context, Signs, Suspect

HIGH = 3.0
"""Times the usual rate of an optimizer that are high: half an order of magnitude is within what is tuned."""

LOW = 0.01
"""Times the usual rate that are low: fine-tuning takes a hundredth."""

STILL = 1e-5
"""Share of its level within which a loss stands still: float32 rounds a mean of many losses in the seventh digit, and
logs print four decimals."""

GROWN = 5.0
"""Times its level by which a gradient norm has grown before something breaks."""

JUMP = 3.0
"""Times its level at the end that a loss has reached: more than a start from random weights explains."""

HELD = 3
"""Points before its best level from which on a loss had learned something to be thrown from."""

ENDED = 0.01
"""Of its peak, a learning rate below which next to nothing moves."""

APART = 1.2
"""Times the training loss from which on the validation loss is not that of the same answers."""

CRAWL = 0.05
"""Share of the loss of random answers by which a loss has come down that crawls."""

NEAR = 0.15
"""Relative distance of a loss from the entropy of a single answer that is still at it."""


Side = Literal["for", "against", "missing"]


class Sign(NamedTuple):
    """One observation, in words."""

    side: Side
    words: str


class Suspects(NamedTuple):
    """The causes of one rule's findings, the most common first, and the test that tells them apart."""

    causes: tuple[Suspect, ...]
    test: str = ""


Look = Callable[[Context], Iterator[Sign]]


def _suspect(id: str, title: str, fixes: Sequence[str], *looks: Look) -> Suspect:
    """A suspect that is told by these looks, and by its id where the rule names it as the cause."""

    def signs(context: Context) -> Signs:
        found = [sign for look in (_named(id), *looks) for sign in look(context)]
        sides = [tuple(s.words for s in found if s.side == side) for side in ("for", "against", "missing")]
        return Signs(*sides)

    return Suspect(id, title, signs, tuple(fixes))


def _named(id: str) -> Look:
    """The rule itself tells the cause."""

    def look(context: Context) -> Iterator[Sign]:
        if context.finding.cause == id:
            yield Sign("for", "what the finding measured")

    return look


def _not(look: Look) -> Look:
    """What speaks for one cause speaks against this one; what is missing there is not asked for here."""

    def turned(context: Context) -> Iterator[Sign]:
        yield from (Sign("against", sign.words) for sign in look(context) if sign.side == "for")

    return turned


# --- the learning rate ------------------------------------------------------------------------------------------------


def _number(run: Run, name: str) -> float | None:
    value = run.hyperparameter(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _against_usual(run: Run) -> tuple[float, float, str] | None:
    """Rate, usual rate and name of the optimizer; None where one of them is not known."""
    rate, name = _number(run, "learning_rate"), run.hyperparameter("optimizer")
    usual = optimizers.usual_rate(name) if isinstance(name, str) else None
    return None if rate is None or usual is None else (rate, usual, str(name).partition("(")[0].strip())


def _rate(context: Context, side: Callable[[float, float], Side | None]) -> Iterator[Sign]:
    """What `side` says of the rate and the optimizer's usual one; what is missing where one of them is."""
    known = _against_usual(context.run)
    if known is None:
        rate = _number(context.run, "learning_rate")
        yield Sign("missing", "learning rate" if rate is None else "optimizer")
        return
    rate, usual, name = known
    if (told := side(rate, usual)) is not None:
        yield Sign(told, f"learning rate {rate:g}, usual for {name} {usual:g}")


def _high_rate(context: Context) -> Iterator[Sign]:
    def side(rate: float, usual: float) -> Side | None:
        return "for" if rate >= HIGH * usual else "against" if rate <= LOW * usual else None

    yield from _rate(context, side)


def _low_rate(context: Context) -> Iterator[Sign]:
    tuned = traits.is_transformer(str(context.run.config.get("model", "")))  # mostly fine-tuned, at 1e-5

    def side(rate: float, usual: float) -> Side | None:
        if 0.0 < rate < LOW * usual or (rate == LOW * usual and not tuned):
            return "for"
        return "against" if rate >= usual else None

    yield from _rate(context, side)


def _zero_rate(context: Context) -> Iterator[Sign]:
    if _number(context.run, "learning_rate") == 0.0:
        yield Sign("for", "learning rate 0")


def _rates(run: Run) -> Array:
    curve = run.curve("learning_rate")
    return np.empty(0) if curve is None else curve.finite().values


def _decayed(context: Context) -> Iterator[Sign]:
    """A rate that has come down to half of its peak is no longer what it was."""
    rate = _rates(context.run)
    if rate.size >= 3 and rate.max() > 0.0 and rate[-1] <= 0.5 * rate.max():
        yield Sign("for", f"the learning rate has come down from {rate.max():g} to {rate[-1]:g}")


def _ends_early(context: Context) -> Iterator[Sign]:
    rate = _rates(context.run)
    if rate.size < 6:
        yield Sign("missing", "learning rate over time")
        return
    gone = np.flatnonzero(rate > ENDED * rate.max())
    if rate.max() > 0.0 and gone[-1] + 1 <= rate.size / 2:
        yield Sign(
            "for", f"the learning rate is below a hundredth of its peak for {1 - (gone[-1] + 1) / rate.size:.0%}"
        )


def _full_from_start(context: Context) -> Iterator[Sign]:
    rate = _rates(context.run)
    if rate.size >= 5 and rate[0] >= 0.5 * rate.max() > 0.0:
        yield Sign("for", "the learning rate has no warmup")
    elif rate.size >= 5 and rate.argmax() > 0:
        yield Sign("against", "the learning rate warms up")


# --- the loss ---------------------------------------------------------------------------------------------------------


def _loss(run: Run) -> Series | None:
    curve = run.curve("train_loss")
    return curve if curve is not None else run.curve("val_loss")


def _values(run: Run, role: str) -> Array:
    curve = run.curve(role)
    return np.empty(0) if curve is None else curve.finite().values


def _is_still(values: Array) -> bool:
    return values.size >= 5 and float(np.ptp(values)) <= STILL * max(abs(statistics.median(values)), 1e-12)


def _still_loss(context: Context) -> Iterator[Sign]:
    """A loss over the same examples at the same weights is the same to the last digit."""
    if next(_overshot(context), None) is not None:
        return
    still = [role for role in ("train_loss", "val_loss") if _is_still(_values(context.run, role))]
    if still:
        yield Sign("for", f"{' and '.join(still)} {'is' if len(still) == 1 else 'are'} the same to the last digit")
        return
    moves = next((role for role in ("val_loss", "train_loss") if _values(context.run, role).size >= 5), "")
    if moves == "val_loss" or (moves and not _noisy(_values(context.run, moves))):
        yield Sign("against", f"{moves} moves")


def _overshot(context: Context) -> Iterator[Sign]:
    """Trees that answer every example alike have one loss in both sets; where the losses lie apart and stand still, the
    first trees went so far that no later one finds a way on.
    """
    train, val = _values(context.run, "train_loss"), _values(context.run, "val_loss")
    if kind_of(context.run).name != "boosting" or not (_is_still(train) and _is_still(val)):
        return
    if float(val[-1]) > APART * float(train[-1]) > 0.0:
        yield Sign(
            "for", f"the losses stand still far apart ({train[-1]:.3g} and {val[-1]:.3g}), as after too long a step"
        )


def _noisy(values: Array) -> bool:
    """Whether the batches alone move a loss: a frozen network's training loss may."""
    return statistics.jitter(values) > 1e-4 * max(abs(statistics.median(values)), 1e-12)


def _still_accuracy(context: Context) -> Iterator[Sign]:
    for role in ("train_accuracy", "val_accuracy"):
        values = _values(context.run, role)
        if values.size >= 5 and float(np.ptp(values)) == 0.0:
            yield Sign("for", f"{role} never changes")
            return


def _loud_start(context: Context) -> Iterator[Sign]:
    """A loss that was far above its end, or is far above random answers, was thrown there by long steps."""
    loss = _values(context.run, "train_loss")
    if loss.size < 4 or float(loss.min()) <= 0.0:
        return
    end = statistics.level(loss, loss.size - statistics.ends(loss.size), loss.size)
    if float(loss.max()) >= JUMP * end:
        yield Sign("for", f"train_loss reached {loss.max():.3g}, {loss.max() / end:.3g} times where it ends")
    classes = _classes(context.run)
    if classes is not None and end > 1.05 * math.log(classes):
        yield Sign("for", f"train_loss ends at {end:.3g}, above the {math.log(classes):.3g} of random answers")


def _classes(run: Run) -> int | None:
    """The number of classes: as configured, or the one that the lowest accuracy is the chance of."""
    said = _number(run, "num_classes")
    if said is not None and said >= 2:
        return int(said)
    scores = [_values(run, role) for role in ("val_accuracy", "train_accuracy")]
    levels = [statistics.median(values) for values in scores if values.size >= 4]
    levels = [level for level in levels if 0.0 < level <= 0.55]
    return max(round(1.0 / levels[0]), 2) if levels else None


def _rising(context: Context) -> Iterator[Sign]:
    loss = _values(context.run, "train_loss")
    if loss.size < 4:
        return
    count = statistics.ends(loss.size)
    start, end = statistics.level(loss, 0, count), statistics.level(loss, loss.size - count, loss.size)
    if end > start + max(0.02 * abs(start), 2.0 * statistics.jitter(loss) / math.sqrt(count)):
        yield Sign("for", f"train_loss ends above its start ({start:.3g} -> {end:.3g})")


def _crawls(context: Context) -> Iterator[Sign]:
    """From where random answers put it, steadily, and hardly at all."""
    loss, classes = _values(context.run, "train_loss"), _classes(context.run)
    if classes is None or loss.size < 8 or not _score_end(context.run) <= 3.0 / classes:
        return
    chance, fall = math.log(classes), float(loss[0] - loss[-1])
    if abs(float(loss[0]) - chance) <= 0.2 * chance and 0.0 < fall <= CRAWL * chance:
        yield Sign("for", f"train_loss has come down by {fall / chance:.2%} of the {chance:.3g} of random answers")


def _at_chance(context: Context) -> Iterator[Sign]:
    """The loss of random answers, from the start on: the outputs do not depend on the inputs."""
    loss, classes = _values(context.run, "train_loss"), _classes(context.run)
    if classes is None or loss.size < 4:
        return
    chance = math.log(classes)
    if float(np.abs(loss - chance).max()) <= 0.02 * chance:
        yield Sign("for", f"train_loss is ln {classes} = {chance:.3g} from the first point on")


def _below_zero(context: Context) -> Iterator[Sign]:
    loss = _values(context.run, "train_loss")
    if loss.size and float(loss.min()) < 0.0 < _score_end(context.run):
        yield Sign("for", f"train_loss falls below 0, to {loss.min():.3g}")
    elif loss.size:
        yield Sign("against", "train_loss stays above 0")


def _score_end(run: Run) -> float:
    """Level of an accuracy at its end; NaN where there is none."""
    for role in ("val_accuracy", "train_accuracy"):
        values = _values(run, role)
        if values.size >= 4:
            return statistics.level(values, values.size - statistics.ends(values.size), values.size)
    return math.nan


# --- gradients --------------------------------------------------------------------------------------------------------


def _no_gradient(context: Context) -> Iterator[Sign]:
    norm = _values(context.run, "grad_norm")
    if norm.size == 0:
        yield Sign("missing", "gradient norm")
    elif statistics.median(norm) == 0.0:
        yield Sign("for", "the gradient norm is 0")
    else:
        yield Sign("against", f"the gradient norm is {statistics.median(norm):.3g}")


def _growing_gradient(context: Context) -> Iterator[Sign]:
    """A norm that has grown before the first mark of the finding."""
    curve = context.run.curve("grad_norm")
    norm = None if curve is None else curve.finite()
    if norm is None or len(norm) < 5:
        yield Sign("missing", "gradient norm")
        return
    until = context.finding.marks[0] if context.finding.marks else math.inf
    before = norm.values[norm.steps < until]
    if before.size < 5:
        return
    late, level = float(before[-max(3, before.size // 20) :].max()), statistics.median(before)
    if late >= GROWN * level > 0.0:
        yield Sign("for", f"the gradient norm grew from {level:.3g} to {late:.3g} before")
    else:
        yield Sign("against", "the gradient norm did not grow before")


# --- what is not finite -----------------------------------------------------------------------------------------------


def _before(context: Context) -> Array:
    """The finite values of the loss before the first that is not."""
    loss, first = _loss(context.run), context.finding.steps[0]
    if loss is None:
        return np.empty(0)
    finite = loss.finite()
    return finite.values[finite.steps < first]


def _half_precision(context: Context) -> Iterator[Sign]:
    config = context.run.config
    if traits.half_precision(config):
        yield Sign("for", "the config computes in float16")
    elif scaler := traits.loss_scaler(context.run.series):
        yield Sign("for", f"the log has the scale of a loss scaler ({scaler})")
    elif (said := config.get("precision")) is not None:
        yield Sign("against", f"precision {said}")
    else:
        yield Sign("missing", "precision")


def _breaks_at_once(context: Context) -> Iterator[Sign]:
    """Nothing announces it: the loss was calm, or falling, until the point before."""
    before = _before(context)
    if before.size < 3:
        return
    recent = before[-min(before.size, 10) :]
    if before[-1] <= statistics.median(recent) + max(3.0 * statistics.jitter(recent), 0.05 * abs(recent[0])):
        yield Sign("for", f"the loss was calm until the point before ({before[-1]:.3g})")


def _from_the_start(context: Context) -> Iterator[Sign]:
    if _before(context).size == 0:
        yield Sign("for", "nothing finite was logged")


def _breaks_early(context: Context) -> Iterator[Sign]:
    if 1 <= _before(context).size <= 3:
        yield Sign("for", "it breaks within the first points")


def _grew_before(context: Context) -> Iterator[Sign]:
    before = _before(context)
    if before.size < 2:
        return
    lowest = float(before.min())
    if before[-1] > lowest + max(4.0 * statistics.jitter(before), 0.5 * abs(lowest)):
        yield Sign("for", f"the loss had climbed from {lowest:.3g} to {before[-1]:.3g} before")
    elif before.size >= 3 and before[-1] <= lowest * 1.05:
        yield Sign("against", "the loss was at its lowest just before")


def _vanishing_loss(context: Context) -> Iterator[Sign]:
    before = _before(context)
    if before.size and 0.0 <= before[-1] < 1e-3 * float(before.max()):
        yield Sign("for", f"the loss was next to 0 just before ({before[-1]:.3g})")


# --- validation and data ----------------------------------------------------------------------------------------------


def _few_examples(context: Context) -> Iterator[Sign]:
    if traits.few_examples(context.run.config):
        yield Sign("for", f"the config names fewer than {traits.FEW_EXAMPLES} examples")
    elif not any(re.search(r"examples|samples|train_size|dataset_size", key) for key in context.run.config):
        yield Sign("missing", "number of examples")


def _unregularized(context: Context) -> Iterator[Sign]:
    config = context.run.config
    if kind_of(context.run).name == "boosting":
        return
    off = [name for name in ("dropout", "weight_decay", "augmentation") if config.get(name) in (0, "none", False)]
    on = [
        name for name in ("dropout", "weight_decay", "augmentation") if config.get(name) not in (None, 0, "none", False)
    ]
    if len(off) >= 2:
        yield Sign("for", f"the config has no {' and no '.join(name.replace('_', ' ') for name in off)}")
    elif len(on) >= 2:
        yield Sign("against", f"the config has {' and '.join(name.replace('_', ' ') for name in on)}")
    elif not on and not off:
        yield Sign("missing", "dropout and weight decay")


def _worse_from_the_start(context: Context) -> Iterator[Sign]:
    """The validation never came near the training: it is of other data than what is learned."""
    train, val = context.run.curve("train_loss"), context.run.curve("val_loss")
    if train is None or val is None or len(val.finite()) < 5 or len(train.finite()) < 5:
        return
    held = val.finite()
    alike = np.interp(held.steps, train.finite().steps, train.finite().values)
    gained = float(held.values[0] - held.values.min())
    fell = float(alike[0] - alike.min())
    if alike[0] > 0.0 and held.values[0] > 1.5 * alike[0] and gained < 0.1 * fell:
        yield Sign("for", "val_loss is far above train_loss from the first point on and hardly ever falls")


HANDICAPS = ("dropout", "augmentation", "mixup", "cutmix", "auto_augment", "label_smoothing")
"""Settings that make training harder and are off in validation."""


def _handicaps(context: Context) -> Iterator[Sign]:
    config = context.run.config
    on = [name.replace("_", " ") for name in HANDICAPS if config.get(name) not in (None, False, 0, "none")]
    if on:
        yield Sign("for", f"the config has {' and '.join(on)}")
    elif any(name in config for name in HANDICAPS):
        yield Sign("against", "the config has neither dropout nor augmentation")
    else:
        yield Sign("missing", "dropout and augmentation")


def _early_gap(context: Context) -> Iterator[Sign]:
    """The mean over an epoch lags behind where the loss falls fast, and no longer where it has levelled off."""
    train, val = context.run.curve("train_loss"), context.run.curve("val_loss")
    if train is None or val is None or len(val.finite()) < 8 or len(train.finite()) < 8:
        return
    held, own = val.finite(), train.finite()
    gap = np.interp(held.steps, own.steps, own.values) - held.values
    count = statistics.ends(gap.size, 0.2)
    early, late = statistics.level(gap, 0, count), statistics.level(gap, gap.size - count, gap.size)
    if early > 0.0 and late <= 0.3 * early:
        yield Sign("for", "the distance shrinks as the loss levels off")
    elif early > 0.0 and late >= early:
        yield Sign("against", "the distance grows over the run")


def _nothing_left_to_learn(context: Context) -> Iterator[Sign]:
    """A validation that is all but perfect beside a training that is not."""
    train, val = _values(context.run, "train_accuracy"), _values(context.run, "val_accuracy")
    if train.size >= 5 and val.size >= 5 and statistics.median(val[-3:]) >= 0.99 > 0.97 > statistics.median(train[-3:]):
        yield Sign("for", "val_accuracy is all but perfect and train_accuracy is not")


# --- one answer for everything ----------------------------------------------------------------------------------------


def _entropy_of_one_answer(share: float, classes: int) -> float:
    """Loss in nats of answering with the shares of the classes: one has `share`, the others the rest evenly."""
    rest = 1.0 - share
    return -share * math.log(share) - rest * math.log(rest / (classes - 1))


def _against_entropy(context: Context) -> tuple[float, float, float] | None:
    """Accuracy, its loss without looking at the inputs, and the lowest level of the loss; None where unknown."""
    accuracy = next((name for name in context.finding.series if name.endswith("accuracy")), "")
    values, loss = _values(context.run, accuracy), _values(context.run, accuracy.replace("accuracy", "loss"))
    loss = loss if loss.size else _values(context.run, "train_loss")
    if values.size < 3 or loss.size < 3 or float(loss.min()) < 0.0:
        return None
    share = statistics.median(values[values.size // 2 :])
    if not 0.3 < share < 1.0:
        return None
    # Of more classes the rest is spread wider; two give the lowest loss that one answer can have.
    end = statistics.level(loss, loss.size - statistics.ends(loss.size), loss.size)
    return share, _entropy_of_one_answer(share, 2), end


def _loss_of_one_answer(context: Context) -> Iterator[Sign]:
    known = _against_entropy(context)
    if known is None:
        return
    share, entropy, end = known
    if end >= (1.0 - NEAR) * entropy:
        yield Sign(
            "for", f"the loss ends at {end:.3g}; always the answer of share {share:.1%} costs {entropy:.3g} at least"
        )


def _loss_of_many_answers(context: Context) -> Iterator[Sign]:
    known = _against_entropy(context)
    if known is None:
        return
    share, entropy, end = known
    if end < 0.5 * entropy:
        yield Sign(
            "for",
            f"the loss ends at {end:.3g}; always the answer of share {share:.1%} would cost {entropy:.3g} at least",
        )


def _majority(context: Context) -> Iterator[Sign]:
    """An accuracy that stands far above chance is the share of one class."""
    accuracy = next((name for name in context.finding.series if name.endswith("accuracy")), "")
    values = _values(context.run, accuracy)
    if values.size >= 3 and statistics.median(values) >= 0.6:
        yield Sign("for", f"{accuracy} stays at {statistics.median(values):.3g}, as the share of a largest class would")


def _no_accuracy_at_all(context: Context) -> Iterator[Sign]:
    accuracy = next((name for name in context.finding.series if name.endswith("accuracy")), "")
    values = _values(context.run, accuracy)
    if values.size >= 3 and statistics.median(values) in (0.0, 1.0):
        yield Sign("for", f"{accuracy} is exactly {statistics.median(values):g}, which no class has as its share")


def _still_decisions(context: Context) -> Iterator[Sign]:
    """A share of right or wrong answers that never changes while the loss does: every example gets one answer."""
    for column, series in context.run.series.items():
        kind, values = roles.parse(column).kind, series.finite().values
        if kind in ("accuracy", "error") and values.size >= 8 and 0.0 < values[0] < 1.0 and not np.ptp(values):
            yield Sign("for", f"{column} is {values[0]:.4g} at every point, whatever the loss does")
            return


# --- spikes -----------------------------------------------------------------------------------------------------------


def _single(context: Context) -> Iterator[Sign]:
    """One or two spikes are single batches; many are the rule of the run."""
    count = len(context.finding.marks)
    if 1 <= count <= 2:
        yield Sign("for", f"{'one spike' if count == 1 else 'two spikes'} in the whole run")
    elif count >= 5:
        yield Sign("against", f"{count} spikes")


def _many(context: Context) -> Iterator[Sign]:
    if len(context.finding.marks) >= 5:
        yield Sign("for", f"{len(context.finding.marks)} spikes")


def _comes_back(context: Context) -> Iterator[Sign]:
    loss, marks = _loss(context.run), context.finding.marks
    if loss is None or not marks:
        return
    finite = loss.finite()
    before, after = finite.values[finite.steps < marks[0]], finite.values[finite.steps > marks[-1]]
    if before.size < 3 or after.size < 3:
        return
    soon = after[: max(5, after.size // 10)]
    if float(soon.min()) <= statistics.median(before[-5:]) + 2.0 * statistics.jitter(before):
        yield Sign("for", "the loss is soon back where it was")


def _early_marks(context: Context) -> Iterator[Sign]:
    marks, loss = context.finding.marks, _loss(context.run)
    if not marks or loss is None or not len(loss):
        return
    if marks[-1] <= loss.steps[0] + 0.1 * np.ptp(loss.steps):
        yield Sign("for", "all of it in the first tenth of the run")
        yield from _full_from_start(context)
    else:
        yield Sign("against", "it is not confined to the start")


def _jumps_up(context: Context) -> Iterator[Sign]:
    """The climb is a single step away from a level that was held; one from the start on is that of the first steps."""
    loss = context.run.curve("train_loss")
    if loss is None or not context.finding.marks:
        return
    finite = loss.finite()
    if (finite.steps < context.finding.marks[0]).sum() < HELD:
        return
    since = finite.values[finite.steps >= context.finding.marks[0]]
    if since.size < 4:
        return
    steps = np.diff(since)
    if float(steps.max()) >= 0.7 * float(since.max() - since.min()) and float(steps.max()) > 0.0:
        yield Sign("for", "the loss climbs in a single step")


def _raw_inputs(context: Context) -> Iterator[Sign]:
    if traits.raw_inputs(context.run.config):
        yield Sign("for", "the config says that inputs are not normalized")


def _short(context: Context) -> Iterator[Sign]:
    last = context.run.last_step
    if context.run.axis == "epoch" and last <= 15:
        yield Sign("for", f"it was trained for {last:g} epochs")


def _held_back(context: Context) -> Iterator[Sign]:
    if traits.held_back(context.run.config):
        yield Sign("for", "the config regularizes more strongly than usual")


# --- the rules --------------------------------------------------------------------------------------------------------

_RATE_TOO_HIGH = ("lower-learning-rate", "typical-learning-rate", "warmup", "clip-gradients")
_THAW = ("check-frozen-weights", "print-gradient-norms")
_REGULARIZE = ("weight-decay", "dropout", "data-augmentation", "smaller-network")

SUSPECTS: Mapping[str, Suspects] = {
    "non-convergence": Suspects(
        (
            _suspect(
                "rate-too-high",
                "the learning rate is too high",
                _RATE_TOO_HIGH,
                _high_rate,
                _loud_start,
                _rising,
                _overshot,
                _not(_still_loss),
                _not(_ends_early),
            ),
            _suspect("not-moving", "nothing moves the weights", _THAW, _still_loss, _still_accuracy, _no_gradient),
            _suspect(
                "rate-too-low",
                "the learning rate is too low, or 0",
                ("raise-learning-rate", "check-frozen-weights"),
                _low_rate,
                _zero_rate,
                _not(_rising),
                _not(_loud_start),
            ),
            _suspect("schedule-ends-early", "the schedule ends too early", ("fit-schedule",), _ends_early),
            _suspect(
                "raw-inputs", "the inputs are not normalized", ("normalize-inputs", "initialize-weights"), _raw_inputs
            ),
            _suspect(
                "initialization",
                "all units start alike",
                ("initialize-weights", "residual-connections"),
                _not(_loud_start),
                _not(_still_loss),
            ),
            _suspect(
                "dead-units",
                "most units answer nothing",
                ("initialize-weights", "normalization-layers", "residual-connections"),
            ),
            _suspect(
                "no-warmup",
                "the learning rate starts at its full height",
                ("warmup", "lower-learning-rate", "stabilize-logits", "clip-gradients"),
                _not(_still_loss),
            ),
            _suspect(
                "labels",
                "labels do not belong to their inputs",
                ("inspect-data",),
                _at_chance,
                _not(_low_rate),
                _not(_loud_start),
                _not(_still_loss),
            ),
        ),
        "overfit-one-batch",
    ),
    "divergence": Suspects(
        (
            _suspect(
                "rate-too-high",
                "the learning rate is too high",
                _RATE_TOO_HIGH,
                _high_rate,
                _not(_decayed),
                _not(_jumps_up),
            ),
            _suspect(
                "growing-gradients",
                "the gradients grow from step to step",
                ("clip-gradients", "check-training-loop", "lower-learning-rate"),
                _growing_gradient,
            ),
            _suspect(
                "bad-batch",
                "one batch threw the weights off",
                ("inspect-batch", "clip-gradients", "lower-learning-rate"),
                _jumps_up,
            ),
        ),
    ),
    "loss-spike": Suspects(
        (
            _suspect(
                "bad-batch",
                "a corrupted or extreme batch",
                ("inspect-batch", "clip-gradients", "larger-batch"),
                _single,
                _comes_back,
                _not(_high_rate),
            ),
            _suspect(
                "rate-too-high",
                "the learning rate is too high",
                ("lower-learning-rate", "clip-gradients", "warmup"),
                _high_rate,
                _many,
                _not(_decayed),
            ),
            _suspect(
                "no-warmup", "the start is too fast", ("warmup", "clip-gradients"), _early_marks, _full_from_start
            ),
            _suspect(
                "growing-gradients", "the gradients grow", ("clip-gradients", "stabilize-logits"), _growing_gradient
            ),
            _suspect("resume", "the run was resumed without its optimizer's state", ("restore-state", "warmup")),
            _suspect("validation-alone", "the validation alone jumps", ("larger-validation-set", "average-weights")),
        ),
    ),
    "non-finite": Suspects(
        (
            _suspect(
                "rate-too-high",
                "the learning rate is too high",
                ("lower-learning-rate", "clip-gradients", "warmup"),
                _high_rate,
                _breaks_early,
                _grew_before,
                _growing_gradient,
            ),
            _suspect(
                "bad-input",
                "an input or label is NaN or infinite",
                ("check-inputs", "inspect-batch", "locate-non-finite"),
                _from_the_start,
                _breaks_at_once,
                _not(_grew_before),
                _not(_half_precision),
            ),
            _suspect("half-precision", "float16 overflows", ("stable-precision", "clip-gradients"), _half_precision),
            _suspect(
                "undefined",
                "a logarithm, root or division of 0 in the loss",
                ("locate-non-finite", "check-loss"),
                _vanishing_loss,
            ),
        ),
        "locate-non-finite",
    ),
    "loss-accuracy-conflict": Suspects(
        (
            _suspect(
                "class-imbalance",
                "one class outweighs the others",
                ("count-classes", "class-weights", "balance-data", "balanced-metric"),
                _majority,
                _loss_of_one_answer,
                _not(_loss_of_many_answers),
                _not(_no_accuracy_at_all),
            ),
            _suspect(
                "metric",
                "the metric is computed wrongly",
                ("check-metric", "count-classes"),
                _loss_of_many_answers,
                _no_accuracy_at_all,
                _not(_loss_of_one_answer),
            ),
            _suspect(
                "loss",
                "the loss does not fit the outputs",
                ("check-loss", "check-metric", "check-labels"),
                _named("chance"),
                _below_zero,
            ),
            _suspect(
                "labels",
                "the labels of the validation are wrong",
                ("check-labels", "inspect-data"),
                _named("both-fall"),
            ),
        ),
        "count-classes",
    ),
    "frozen-metric": Suspects(
        (
            _suspect(
                "class-imbalance",
                "one class outweighs the others",
                ("count-classes", "class-weights", "balance-data", "balanced-metric"),
                _majority,
                _loss_of_one_answer,
                _not(_loss_of_many_answers),
                _not(_no_accuracy_at_all),
                _not(_still_loss),
            ),
            _suspect(
                "metric",
                "the metric is computed wrongly",
                ("check-metric", "count-classes"),
                _loss_of_many_answers,
                _no_accuracy_at_all,
                _not(_still_loss),
            ),
            _suspect("not-moving", "nothing moves the weights", _THAW, _still_loss, _no_gradient),
        ),
        "count-classes",
    ),
    "overfitting": Suspects(
        (
            _suspect(
                "few-examples",
                "too few examples for the network",
                ("early-stopping", "more-data", *_REGULARIZE, "shallower-trees", "sample-rows"),
                _few_examples,
            ),
            _suspect(
                "no-regularization",
                "too little holds the network back",
                ("early-stopping", *_REGULARIZE, "shallower-trees", "sample-rows"),
                _unregularized,
            ),
            _suspect(
                "other-data",
                "the validation set is of other data",
                ("check-split", "inspect-data", "early-stopping"),
                _worse_from_the_start,
            ),
            _suspect(
                "class-imbalance",
                "one class outweighs the others, and gets every answer",
                ("count-classes", "class-weights", "balance-data", "balanced-metric", "early-stopping"),
                _still_decisions,
            ),
        ),
    ),
    "generalization-gap": Suspects(
        (
            _suspect("few-examples", "too few examples for the network", ("more-data", *_REGULARIZE), _few_examples),
            _suspect("no-regularization", "too little holds the network back", _REGULARIZE, _unregularized),
            _suspect(
                "other-data",
                "the validation set is of other data",
                ("check-split", "inspect-data", "early-stopping"),
                _worse_from_the_start,
            ),
        ),
    ),
    "vanishing-gradient": Suspects(
        (
            _suspect("no-gradient", "the weights are cut off from the loss", _THAW, _no_gradient, _still_loss),
            _suspect(
                "saturated",
                "the signal dies from layer to layer",
                ("initialize-weights", "residual-connections", "normalize-inputs"),
                _not(_still_loss),
            ),
        ),
    ),
    "validation-better-than-training": Suspects(
        (
            _suspect("handicap", "training is made harder than validation", ("evaluate-training-set",), _handicaps),
            _suspect(
                "averaged", "train_loss is the mean of an epoch of improvement", ("evaluate-training-set",), _early_gap
            ),
            _suspect(
                "leak",
                "the validation set is easier, or shares examples with the training set",
                ("check-split", "evaluate-training-set"),
                _nothing_left_to_learn,
                _not(_handicaps),
                _not(_early_gap),
            ),
        ),
        "evaluate-training-set",
    ),
    "slow-convergence": Suspects(
        (
            _suspect("few-epochs", "it was stopped early", ("train-longer",), _short, _decayed),
            _suspect(
                "rate-too-low",
                "the learning rate is too low",
                ("raise-learning-rate", "train-longer"),
                _low_rate,
                _crawls,
                _not(_decayed),
            ),
        ),
    ),
    "periodic-loss": Suspects(
        (
            _suspect("epoch", "the batches come in one order, epoch by epoch", ("shuffle-data", "inspect-data")),
            _suspect("rare-batch", "one spoiled batch comes round", ("inspect-batch", "shuffle-data")),
            _suspect(
                "running-mean", "what is logged is a mean since the epoch began", ("log-plain-loss", "shuffle-data")
            ),
        ),
    ),
    "reward-flat": Suspects(
        (_suspect("rate-too-high", "the learning rate is too high", ("lower-learning-rate",), _high_rate),),
        "check-reward",
    ),
    "underfitting": Suspects(
        (
            _suspect("capacity", "the network is too small", ("larger-network", "deeper-trees"), _not(_held_back)),
            _suspect("regularization", "it is held back", ("less-regularization",), _held_back),
            _suspect(
                "rate-too-low", "the learning rate is too low", ("raise-learning-rate",), _low_rate, _not(_decayed)
            ),
        ),
    ),
}
"""Rule -> the rival causes of its findings; of a rule that is not here, the finding names its cause by itself."""
