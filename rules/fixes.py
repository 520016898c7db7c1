"""The catalogue of fixes: what to change, why it helps, and where the advice comes from.

Written from the practical tips of the project's lecture notes (cited by their headings) and the literature they stand
on. `propose` says what a fix comes down to where the log or its config has the numbers: the changes as data, and one
sentence over them. A number is rounded where the change is made, so that what is said is what is done.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from diagnose.names import optimizers, traits
from diagnose.names.kinds import kind_of
from diagnose.rule import Action, Change, Changes, Context, Fix, Proposal, Value

LOW_RATE = 5e-5
"""A rate that nothing is gained by lowering, where the optimizer is not known: only fine-tuning takes less."""

LEAST_USUAL = 1e-3
"""The lowest of the usual rates that a search starts from; above it one is raised for a known optimizer alone."""

MOST_OF_TRANSFORMERS = 3e-4
"""Rate that transformers and policies are usually trained with at most."""

SMALL_RATES = ("language-model", "preference", "reinforcement")

_PICTURES = re.compile(
    r"cnn|conv|resne|vgg|densenet|efficientnet|mobilenet|inception|alexnet|lenet|unet|yolo|(?<![a-z])(vit|swin|deit)"
    r"|mnist|cifar|imagenet|svhn|celeba|coco|image|digits"
)
_NO_PICTURES = re.compile(
    r"bert|gpt|llama|(?<![a-z])t5|lstm|gru|rnn|text|token|imdb|glue|squad|wiki|tabular|table|csv|diabetes|iris|boost|tree"
    r"|linear|logistic|audio|speech|wav|time.?series"
)
_PICTURE_SIZES = re.compile(r"(image|img|crop)_?(size|sz|height|width)|imgsz")

NOTES = "lecture notes, "
PLAYBOOK = "Godbole et al., Deep Learning Tuning Playbook (2023)"


def _number(context: Context, name: str) -> float | None:
    """The run's value of a hyperparameter where that is a finite number, else None."""
    value = context.run.hyperparameter(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _optimizer(context: Context) -> str | None:
    """The optimizer's name as the config has it, without arguments."""
    name = context.run.hyperparameter("optimizer")
    return name.partition("(")[0].strip() if isinstance(name, str) else None


def _adaptive(context: Context) -> bool:
    """Whether the run's optimizer scales its steps per parameter."""
    name = str(context.run.config.get("optimizer", "")).lower()
    return any(part in name for part in ("adam", "adagrad", "adadelta", "rmsprop", "lion", "lamb"))


def _usual_rate(context: Context) -> float | None:
    """The rate that a search starts from with the run's optimizer; for transformers and policies, which take less, a
    third of Adam's. None where the optimizer is not known.
    """
    name = _optimizer(context)
    usual = optimizers.usual_rate(name) if name else None
    small = kind_of(context.run).name in SMALL_RATES or traits.is_transformer(str(context.run.config.get("model", "")))
    return usual if usual is None or not small else min(usual, MOST_OF_TRANSFORMERS)


def _has_decayed(context: Context) -> bool:
    """Whether the logged rate has come down to half of its peak, or the config names a schedule."""
    curve = context.run.curve("learning_rate")
    rate = None if curve is None else curve.finite().values
    if rate is not None and rate.size >= 3:
        return bool(rate.max() > 0.0 and rate[-1] <= 0.5 * rate.max())
    said = str(context.run.config.get("scheduler") or "none").casefold()
    return not re.search(r"none|constant|false|^no$|^warmup$", said)


def _ends_worse(context: Context) -> bool:
    """Whether the training loss ends above its start, or in nothing finite."""
    loss = context.run.curve("train_loss")
    values = None if loss is None else loss.values
    if values is None or not values.size:
        return False
    return not math.isfinite(values[-1]) or bool(values[-1] > values[0])


def _can_fall(context: Context) -> bool:
    """Whether a rate is not low already: a hundredth of the usual one, or what only fine-tuning takes."""
    rate, usual = _number(context, "learning_rate"), _usual_rate(context)
    return rate is None or rate > (LOW_RATE if usual is None else 0.01 * usual)


def _can_rise(context: Context) -> bool:
    """Whether a rate is below the usual one, has not been lowered on purpose, and has thrown nothing off."""
    rate, usual = _number(context, "learning_rate"), _usual_rate(context)
    low = rate is None or rate < (LEAST_USUAL if usual is None else usual)
    return low and (rate == 0.0 or not (_has_decayed(context) or _ends_worse(context)))


def _leads_away(context: Context) -> bool:
    """Whether the usual rate is another one, and on the side that the cause asks for."""
    rate, usual = _number(context, "learning_rate"), _usual_rate(context)
    if rate is None:
        return True
    usual = LEAST_USUAL if usual is None else usual
    if context.finding.cause == "rate-too-high":
        return usual < rate
    return usual > rate if context.finding.cause == "rate-too-low" else usual != rate


def _of_pictures(context: Context) -> bool | None:
    """Whether the inputs are images; None where nothing says."""
    run = context.run
    said = " ".join(str(run.config.get(name, "")) for name in ("model", "task", "dataset", "data", "architecture"))
    if kind_of(run).name in ("detection", "segmentation") or _PICTURES.search(said.casefold()):
        return True
    if any(_PICTURE_SIZES.fullmatch(name.rpartition("/")[2].casefold()) for name in run.config):
        return True
    return False if _NO_PICTURES.search(said.casefold()) else None


def _half(context: Context) -> bool:
    """Whether anything says that the training computes in float16."""
    return traits.half_precision(context.run.config) or traits.loss_scaler(context.run.series) is not None


def _warms_up_long(context: Context) -> bool:
    """Whether the logged rate rises over a tenth of the run already."""
    rate = context.run.curve("learning_rate")
    if rate is None or len(rate) < 5 or not rate.values[0] < 0.5 * rate.values.max():
        return False
    span = float(rate.steps[-1] - rate.steps[0])
    return bool(rate.steps[rate.values.argmax()] - rate.steps[0] >= 0.1 * span)


def _decay_most(context: Context) -> float:
    """The most weight decay that is usual."""
    return 0.1 if _adaptive(context) else 1e-3


def _below(name: str, most: float) -> Callable[[Context], bool]:
    """Whether a hyperparameter is unknown, or below what is the most of it."""
    return lambda context: (value := _number(context, name)) is None or value < most


def _above(name: str, least: float) -> Callable[[Context], bool]:
    """Whether a hyperparameter is unknown, or above what is enough of it."""
    return lambda context: (value := _number(context, name)) is None or value > least


def _change(context: Context, name: str, new: Value) -> Change:
    """A new value of a hyperparameter, beside that of the run."""
    old = context.run.hyperparameter(name)
    return Change(name, new, old if isinstance(old, Value) else None)


def _action(context: Context, id: str, **arguments: float | tuple[float, ...]) -> Action:
    """An action with its arguments, in the unit of the run's axis."""
    return Action(id, (("axis", context.run.axis), *arguments.items()))


def _rounded(value: float, digits: int = 6) -> float:
    """The value to as many significant digits as are said of it."""
    return float(f"{value:.{digits}g}")


def _step(value: float) -> float:
    """A step of the run's axis: a whole one exactly, another to six digits."""
    return int(value) if float(value).is_integer() else _rounded(value)


def _rate_times(context: Context, factor: float, words: str, *, most: float = math.inf) -> Proposal | None:
    """The learning rate times `factor`, `most` at most."""
    old = _number(context, "learning_rate")
    if old is None or old <= 0.0:
        return None
    new = min(old * factor, most)
    return Proposal(words, (_change(context, "learning_rate", _rounded(new)),)) if new != old else None


def _lower_rate(context: Context) -> Proposal | None:
    """A tenth; where that is still above the optimizer's usual rate, a tenth of the usual one."""
    old, name, usual = _number(context, "learning_rate"), _optimizer(context), _usual_rate(context)
    if old is None or not name or usual is None or old <= 10.0 * usual:
        return _rate_times(context, 0.1, "lower the learning rate by an order of magnitude: {learning_rate}")
    return Proposal(
        "lower the learning rate far below the usual {usual:g} of {name}: {learning_rate}",
        (_change(context, "learning_rate", _rounded(usual / 10.0)),),
        {"usual": usual, "name": name},
    )


def _raise_rate(context: Context) -> Proposal | None:
    """Ten times the rate, the usual one at most; from 0, the usual one of an optimizer that the sentence names."""
    old, usual = _number(context, "learning_rate"), _usual_rate(context)
    if old != 0.0:
        most = LEAST_USUAL if usual is None else usual
        if old is None or 10.0 * old <= most * (1.0 + 1e-9):
            words = "raise the learning rate by an order of magnitude: {learning_rate}"
            return _rate_times(context, 10.0, words)
        return _rate_times(context, 10.0, "raise the learning rate to the usual one: {learning_rate}", most=most)
    if kind_of(context.run).name == "boosting":
        return Proposal("set a learning rate above 0: 0.1 to 0.3 is usual for trees")
    kind = optimizers.known(_optimizer(context) or "")
    named = kind is not None and kind.family in ("adaptive", "sgd")
    return Proposal(
        "set a learning rate above 0: 1e-3 for Adam, 0.1 for SGD with momentum, then search by powers of ten",
        (_change(context, "learning_rate", usual),) if usual is not None and named else (),
    )


def _typical_rate(context: Context) -> Proposal | None:
    name, usual = _optimizer(context), _usual_rate(context)
    if not name or usual is None or _number(context, "learning_rate") is None:
        return None
    rate = _change(context, "learning_rate", usual)
    return Proposal("start from the usual learning rate of {name}: {learning_rate}", (rate,), {"name": name})


def _scale_rate(context: Context) -> Proposal | None:
    """A rate of 0.1 for 256 examples, in proportion."""
    batch = _number(context, "batch_size")
    if not batch or not _number(context, "learning_rate"):
        return None
    batch *= _number(context, "gradient_accumulation_steps") or 1.0
    return Proposal(
        "scale the learning rate with the batch size, after a warmup: "
        "learning_rate {learning_rate.old:g} -> {learning_rate.new:.2g}",
        (_change(context, "learning_rate", _rounded(batch / 2560, 2)), Action("warm-up")),
    )


def _warm_up(context: Context) -> Proposal | None:
    """A twentieth of the steps; where the log shows a warmup, a longer one."""
    rate, total = context.run.curve("learning_rate"), context.run.last_step
    if rate is not None and len(rate) >= 5 and rate.values[0] < 0.5 * rate.values.max():
        peak = float(rate.steps[rate.values.argmax()])
        longer = _action(context, "warm-up", longer_than=_step(peak))
        return Proposal("warm up longer than the present {longer_than:g} {axis}s", (longer,)) if peak > 0.0 else None
    if context.run.axis != "step" or not total >= 100:
        return None
    rise = _action(context, "warm-up", over=round(0.05 * total))
    return Proposal("warm the learning rate up over the first {over:g} steps (5 % of the run)", (rise,))


def _shorter_warmup(context: Context) -> Proposal | None:
    total = context.run.last_step
    if not total >= 20:
        return None
    rise = _action(context, "warm-up", at_most=round(0.1 * total))
    return Proposal("warm up over at most {at_most:g} {axis}s (10 % of the run)", (rise,))


def _momentum(context: Context) -> Proposal | None:
    if _number(context, "momentum") is None:
        return None
    return Proposal("set the usual momentum: {momentum}", (_change(context, "momentum", 0.9),))


def _decay(context: Context) -> Proposal | None:
    """Three times the decay, the usual one at least and the most that is usual at most."""
    old = _number(context, "weight_decay")
    if old is None or old >= _decay_most(context):
        return None
    adaptive = _adaptive(context)
    more = min(max(3.0 * old, 0.01 if adaptive else 1e-4), _decay_most(context))
    decay = _change(context, "weight_decay", _rounded(more))
    if not adaptive:
        return Proposal("use weight decay: {weight_decay}", (decay,))
    return Proposal("use decoupled weight decay (AdamW): {weight_decay}", (*_adam_decoupled(context), decay))


def _adam_decoupled(context: Context) -> Changes:
    """AdamW instead of Adam, of which it is the decoupled form; no change of another optimizer."""
    name = _optimizer(context) or ""
    return (Change("optimizer", "AdamW", name),) if name.casefold().rpartition(".")[2] == "adam" else ()


def _decouple(context: Context) -> Proposal | None:
    name, old = _optimizer(context), _number(context, "weight_decay")
    if not name or old is None:
        return None
    decay = _change(context, "weight_decay", _rounded(max(old, 0.01)))
    return Proposal(
        "decouple the weight decay: {optimizer}, {weight_decay}", (Change("optimizer", "AdamW", name), decay)
    )


def _dropout(context: Context) -> Proposal | None:
    """A fifth of the units more, half of them at most."""
    old = _number(context, "dropout")
    if old is None or not 0.0 <= old < 0.5:
        return None
    return Proposal("raise dropout: {dropout}", (_change(context, "dropout", _rounded(min(old + 0.2, 0.5))),))


def _less_dropout(context: Context) -> Proposal | None:
    old = _number(context, "dropout")
    if old is None or old <= 0.5:
        return None
    return Proposal("lower dropout: {dropout}", (_change(context, "dropout", 0.5),))


def _clip(context: Context) -> Proposal | None:
    """The 90th percentile of the logged norms of the calm part, that before the finding where it is long enough, else
    half of the present limit.
    """
    norm = context.run.curve("grad_norm")
    if norm is not None and len(finite := norm.finite()) >= 10:
        before = finite.values[finite.steps < context.finding.steps[0]]
        calm = before.size >= 10
        ordered = sorted((before if calm else finite.values).tolist())
        limit = ordered[int(0.9 * (len(ordered) - 1))]
        if limit > 0.0:
            part = "before it grew" if calm else "of this run"
            words = f"clip the gradient norm at {{gradient_clip.new:.3g}}, the 90th percentile {part}"
            return Proposal(words, (_change(context, "gradient_clip", _rounded(limit, 3)),))
    old = _number(context, "gradient_clip")
    if not old:
        return None
    return Proposal(
        "clip the gradient norm harder: {gradient_clip}", (_change(context, "gradient_clip", _rounded(old / 2)),)
    )


def _batch(context: Context) -> Proposal | None:
    """Twice the size, or the power of two above."""
    old = _number(context, "batch_size")
    if old is None or old < 1:
        return None
    double = _change(context, "batch_size", 2 ** math.ceil(math.log2(2 * old)))
    return Proposal("double the batch size, the learning rate kept: {batch_size}", (double,))


def _power_of_two(context: Context) -> Proposal | None:
    old = _number(context, "batch_size")
    if old is None or old < 2:
        return None
    return Proposal("use a power of two: {batch_size}", (_change(context, "batch_size", 2 ** round(math.log2(old))),))


def _weights(context: Context) -> Proposal | None:
    activation = str(context.run.config.get("activation", "")).lower()
    if not activation:
        return None
    return Proposal(
        "initialize with {initialization.new}, which fits {activation}; biases at zero",
        (_change(context, "initialization", "Kaiming" if "relu" in activation else "Glorot"),),
        {"activation": activation},
    )


def _one_batch(context: Context) -> Proposal | None:
    """With a higher rate beside it where the present one is low."""
    if _can_fall(context):
        return None
    return Proposal("overfit one batch of ten examples, at this learning rate and at a hundred times it")


def _more_examples(context: Context) -> Proposal | None:
    """Without the weights, which trees have not."""
    return Proposal("collect more training data") if kind_of(context.run).name == "boosting" else None


def _augment(context: Context) -> Proposal | None:
    """With the condition that a log may leave open."""
    if _of_pictures(context):
        return None
    words = "augment the data, if it is images: flips and shifts first, then Mixup, CutOut or CutMix"
    return Proposal(words, conditional=True)


def _metric_by_hand(context: Context) -> Proposal | None:
    """Where there are no classes, the metric itself."""
    if kind_of(context.run).name not in ("regression", "reinforcement", "language-model", "preference", "detection"):
        return None
    return Proposal("compute the metric by hand for ten examples, and hold it against what the log has")


def _unfitting_weights(context: Context) -> bool:
    """Whether the weights do not start already as fits the activation."""
    start, activation = (str(context.run.config.get(name, "")).casefold() for name in ("initialization", "activation"))
    fits = r"kaiming|(?<![a-z])he(?![a-z])" if "relu" in activation else r"glorot|xavier"
    return not (activation and re.search(fits, start))


def _precision(context: Context) -> Proposal | None:
    if not traits.half_precision(context.run.config):
        return None
    words = "train in {precision.new}, or in float32, instead of float16"
    return Proposal(words, (_change(context, "precision", "bfloat16"),))


def _stop(context: Context) -> Proposal | None:
    if not context.finding.marks:
        return None
    stop = _action(context, "stop", at=_step(context.finding.marks[0]))
    return Proposal("stop at {axis} {at:g} and keep that checkpoint", (stop,))


def _shorter(context: Context) -> Proposal | None:
    """A tenth longer than what was enough."""
    if not context.finding.marks:
        return None
    stop = _action(context, "stop", at=_rounded(1.1 * context.finding.marks[0], 3))
    return Proposal("stop near {axis} {at:.3g}", (stop,))


def _longer(context: Context) -> Proposal | None:
    """Half as long again."""
    epochs, last = _number(context, "epochs"), context.run.last_step
    if epochs:
        return Proposal("train longer: {epochs}", (_change(context, "epochs", math.ceil(1.5 * epochs)),))
    if not last >= 2:
        return None
    until = _action(context, "train-until", at=math.ceil(1.5 * last))
    return Proposal("train longer: {last:g} -> {at:g} {axis}s", (until,), {"last": last})


def _fewer_epochs(context: Context) -> Proposal | None:
    """Three, which is the most that is usual."""
    epochs = _number(context, "epochs")
    if not epochs or epochs <= 3:
        return None
    words = "train for fewer epochs: epochs {epochs.old:g} -> 1 to {epochs.new:g}"
    return Proposal(words, (_change(context, "epochs", 3),))


def _look(context: Context, words: str) -> Proposal | None:
    """The first five marks of the finding, to look at."""
    at = tuple(_step(mark) for mark in context.finding.marks[:5])
    return Proposal(words, (_action(context, "inspect", at=at),)) if at else None


def _inspect(context: Context) -> Proposal | None:
    return _look(context, "look at the batches at {axis} {at}")


def _mosaics(context: Context) -> Proposal | None:
    if context.run.axis != "mosaic":
        return None
    return _look(context, "look at the images of mosaics {at}, where Focus is lowest (diagnose bias --plot)")


CATALOGUE: tuple[Fix, ...] = (
    Fix(
        "early-stopping",
        "stop at the best validation loss and keep that checkpoint",
        "everything after it fits the training sample",
        NOTES + "Regularization: Early Stopping",
        _stop,
    ),
    Fix(
        "data-augmentation",
        "augment the data: flips and shifts first, then Mixup, CutOut or CutMix",
        "more variants of each example are harder to memorise",
        NOTES + "Data Augmentation",
        _augment,
        not_for=("boosting", "language-model", "regression", "preference", "reinforcement"),
        suits=lambda context: _of_pictures(context) is not False,
    ),
    Fix(
        "weight-decay",
        "use weight decay, decoupled (AdamW) with an adaptive optimizer",
        "smaller weights fit less noise; an L2 term in the loss is uneven under adaptive optimizers",
        NOTES + "Parameter Norm Penalty Method",
        _decay,
        not_for=("boosting",),
        suits=lambda context: _below("weight_decay", _decay_most(context))(context),
    ),
    Fix(
        "dropout",
        "add dropout (0.2 to 0.5; spatial dropout in convolutions), with a max-norm of 3 to 4",
        "no unit can rely on a single other one",
        NOTES + "Dropout and its variants",
        _dropout,
        not_for=("boosting",),
        suits=_below("dropout", 0.5),
    ),
    Fix(
        "smaller-network",
        "make the network smaller: fewer layers or filters",
        "less capacity memorises less",
        NOTES + "Training milestone: learn the right thing",
        not_for=("boosting", "preference"),
    ),
    Fix(
        "shallower-trees",
        "grow smaller trees: a lower max_depth or num_leaves, a higher min_child_weight",
        "a leaf of few examples fits their noise",
        "Chen and Guestrin, XGBoost: A Scalable Tree Boosting System (2016)",
        only_for=("boosting",),
    ),
    Fix(
        "sample-rows",
        "grow each tree on a sample of rows and columns (subsample and colsample_bytree of 0.5 to 0.8)",
        "trees that see different examples do not share their mistakes",
        "Friedman, Stochastic Gradient Boosting (2002)",
        only_for=("boosting",),
    ),
    Fix(
        "more-data",
        "collect more training data, or start from weights trained on more",
        "the gap between training and validation closes with the size of the sample",
        PLAYBOOK,
        _more_examples,
    ),
    Fix(
        "lower-learning-rate",
        "lower the learning rate by an order of magnitude",
        "steps that are too long jump out of the valley; in case of doubt, go small",
        NOTES + "Learning Rate",
        _lower_rate,
        suits=_can_fall,
    ),
    Fix(
        "raise-learning-rate",
        "raise the learning rate by an order of magnitude",
        "steps that are too short leave the loss where it starts; search by orders of magnitude, below 1",
        NOTES + "Learning Rate",
        _raise_rate,
        suits=_can_rise,
    ),
    Fix(
        "warmup",
        "warm the learning rate up over the first 1 to 10 % of the steps",
        "the first gradients are large and the optimizer's averages are not filled yet",
        PLAYBOOK,
        _warm_up,
        suits=lambda context: not _warms_up_long(context),
        not_for=("boosting",),
    ),
    Fix(
        "clip-gradients",
        "clip the gradient norm at its 90th percentile (1.0 where it is not logged)",
        "one exploding gradient can no longer move the weights far",
        NOTES + "Diagnosing the model: exploding gradients; percentile from the " + PLAYBOOK,
        _clip,
        not_for=("boosting",),
    ),
    Fix(
        "inspect-batch",
        "look at the batches at these steps for corrupted or extreme examples",
        "a single problematic instance is enough for a spike",
        NOTES + "Diagnosing the model: problematic data instance",
        _inspect,
        not_for=("boosting",),
    ),
    Fix(
        "larger-batch",
        "double the batch size, the learning rate kept",
        "the mean over more examples is less at the mercy of one",
        NOTES + "Batch Size",
        _batch,
        not_for=("boosting",),
    ),
    Fix(
        "normalize-inputs",
        "normalize the inputs to mean 0 and standard deviation 1",
        "inputs of very different scale make the loss steep in some directions and flat in others",
        NOTES + "Diagnosing the model: preprocessing",
        not_for=("boosting", "language-model", "preference"),
    ),
    Fix(
        "stable-precision",
        "train in bfloat16 or float32, with loss scaling where float16 must stay",
        "float16 overflows above 65504",
        "Micikevicius et al., Mixed Precision Training (2018)",
        _precision,
        suits=_half,
        not_for=("boosting",),
    ),
    Fix(
        "overfit-one-batch",
        "overfit one batch of ten examples, at this learning rate and at a hundredth of it",
        "if neither loss falls, the bug is in the loss, the gradients or the loop; if one rate alone learns, it "
        "was the rate; if both do, it is the labels or the data",
        NOTES + "Training milestone: learn anything",
        _one_batch,
        test=True,
        not_for=("boosting", "reinforcement"),
    ),
    Fix(
        "initialize-weights",
        "initialize with Kaiming for ReLU, with Glorot otherwise; biases at zero",
        "weights that are too small or too large let the signal vanish or explode from layer to layer",
        NOTES + "Weight Initialization",
        _weights,
        suits=_unfitting_weights,
        not_for=("boosting",),
    ),
    Fix(
        "inspect-data",
        "check that inputs and labels belong together: show twenty training examples with their labels",
        "shuffled or corrupted labels leave nothing to learn",
        NOTES + "Diagnosing the model: data corrupted?",
    ),
    Fix(
        "simplify",
        "make it simpler: fewer classes, a smaller network without regularization, an easier sample of the data",
        "little capacity and an easy problem make it easier to learn anything at all",
        NOTES + "Training milestone: learn anything",
        not_for=("boosting",),
    ),
    Fix(
        "check-frozen-weights",
        "check that the optimizer holds the parameters, that they require gradients, and that step() is called",
        "frozen or unregistered weights cannot move",
        PLAYBOOK,
        not_for=("boosting",),
    ),
    Fix(
        "check-metric",
        "print the confusion matrix at two epochs",
        "it shows at once whether one class is predicted for everything, or the metric is computed wrongly",
        NOTES + "Diagnosing the model: threshold metric is not met",
        _metric_by_hand,
        test=True,
    ),
    Fix(
        "check-loss",
        "give the loss the outputs that it expects: logits, probabilities or log-probabilities",
        "a loss of the wrong ones falls without teaching anything",
        NOTES + "Incomplete hyperparameter list: loss function",
    ),
    Fix(
        "class-weights",
        "weight the classes in the loss by the inverse of their share",
        "rare classes then count as much as the majority",
        NOTES + "Diagnosing the model: imbalance?",
        not_for=("regression", "reinforcement", "language-model", "preference"),
    ),
    Fix(
        "balanced-metric",
        "judge with balanced accuracy or macro F1 instead of accuracy",
        "accuracy rewards answering with the majority class",
        NOTES + "Diagnosing the model: imbalance?",
        not_for=("regression", "reinforcement", "language-model", "preference"),
    ),
    Fix(
        "balance-data",
        "sample the rare classes more often, or collect more of them",
        "every batch then shows every class",
        NOTES + "Diagnosing the model: imbalance?",
        not_for=("regression", "reinforcement", "language-model", "preference"),
    ),
    Fix(
        "label-smoothing",
        "smooth the labels (0.1)",
        "the loss then stops rewarding certainty beyond what the labels carry",
        "Szegedy et al., Rethinking the Inception Architecture (2016)",
        not_for=("regression", "reinforcement", "boosting"),
    ),
    Fix(
        "profile-input",
        "time the data loader and the step apart, and watch memory and clock rate of the device",
        "a loader that falls behind, a leak and a throttled device are mended in different places",
        PLAYBOOK,
    ),
    Fix(
        "temperature-scaling",
        "scale the logits by one temperature fitted on the validation set",
        "it repairs the probabilities without changing a single decision",
        "Guo et al., On Calibration of Modern Neural Networks (2017)",
    ),
    Fix(
        "larger-network",
        "give the network more capacity: more filters or layers",
        "the training set has to be fitted before it can be fitted well",
        NOTES + "Training milestone: learn everything",
        not_for=("boosting",),
    ),
    Fix(
        "less-regularization",
        "take regularization away until the training set is fitted: dropout, weight decay, augmentation",
        "what holds a network back from its training set cannot help it on new data",
        NOTES + "Training milestone: learn everything",
    ),
    Fix(
        "evaluate-training-set",
        "compute the training loss once more in evaluation mode, at the same weights as the validation",
        "it takes dropout, augmentation and the average over the epoch out of the comparison",
        PLAYBOOK,
        not_for=("boosting",),
        test=True,
    ),
    Fix(
        "check-split",
        "look for examples, patients, users or days that stand in both sets, and split by group",
        "what the network has seen in training it only needs to remember",
        "Kaufman et al., Leakage in Data Mining (2012)",
    ),
    Fix(
        "larger-validation-set",
        "validate on more examples, or average several validations",
        "the swings of a mean over n examples shrink with the square root of n",
        PLAYBOOK,
    ),
    Fix(
        "average-weights",
        "keep an exponential moving average of the weights and validate that",
        "averaged weights lie between the walls the last step jumps between",
        "Polyak and Juditsky (1992); Izmailov et al., Averaging Weights Leads to Wider Optima (2018)",
        not_for=("boosting",),
    ),
    Fix(
        "decay-learning-rate",
        "let the learning rate decay: cosine, or divide it by ten where the loss gets stuck",
        "when stuck, reduce it",
        NOTES + "Learning Rate",
        suits=lambda context: not _has_decayed(context),
    ),
    Fix(
        "train-longer",
        "train longer",
        "for better convergence, more epochs",
        NOTES + "Factors for defining the number of epochs",
        _longer,
    ),
    Fix(
        "train-shorter",
        "train shorter",
        "for less footprint, less epochs",
        NOTES + "Factors for defining the number of epochs",
        _shorter,
    ),
    Fix(
        "typical-learning-rate",
        "start from the usual learning rate of the optimizer: 1e-3 for Adam, 0.1 for SGD with momentum",
        "from there the right one is found in a few runs, searching by orders of magnitude",
        NOTES + "Learning Rate",
        _typical_rate,
        suits=_leads_away,
        not_for=("boosting",),
    ),
    Fix(
        "scale-learning-rate",
        "scale the learning rate with the batch size, after a warmup",
        "fewer updates per epoch go as far when each is longer by as much",
        "Goyal et al., Accurate, Large Minibatch SGD (2017)",
        _scale_rate,
        not_for=("boosting",),
    ),
    Fix(
        "usual-momentum",
        "set the momentum to 0.9",
        "each update then keeps nine tenths of the one before: enough inertia, and it fades",
        NOTES + "Optimizer: SGD + Momentum",
        _momentum,
        not_for=("boosting",),
    ),
    Fix(
        "decouple-weight-decay",
        "use AdamW (decoupled weight decay) instead of an L2 penalty",
        "it decays all weights alike; an L2 term is scaled away where gradients are large",
        NOTES + "Parameter Norm Penalty Method; Loshchilov and Hutter (2019)",
        _decouple,
        not_for=("boosting",),
    ),
    Fix(
        "power-of-two-batch",
        "use a batch size that is a power of two",
        "it fills memory and compute units evenly",
        NOTES + "Batch Size",
        _power_of_two,
        not_for=("boosting",),
    ),
    Fix(
        "usual-max-norm",
        "keep the max-norm between 3 and 4, with dropout, and drop the weight decay beside it",
        "one constraint on the weights is enough, and one hyperparameter less to tune",
        NOTES + "Parameter Norm Penalty Method: Max Norm",
    ),
    Fix(
        "usual-dropout",
        "lower dropout to between 0.2 and 0.5",
        "half of the units is the most that hidden layers usually bear",
        NOTES + "Dropout and its variants; Srivastava et al. (2014)",
        _less_dropout,
        suits=_above("dropout", 0.5),
    ),
    Fix(
        "plain-augmentation",
        "choose the augmentation by hand (flips, shifts, CutOut, Mixup), or draw it at random (RandAugment)",
        "what keeps the label is known to you and was not known to the policy",
        NOTES + "Data Augmentation: Auto/DeepAugment, danger",
    ),
    Fix(
        "usual-kernel",
        "use kernels of 3 x 3 (5 x 5 or 7 x 7 in the first layer) with a stride of 1 or 2",
        "small odd kernels in several layers see as much as a large one, with fewer weights",
        NOTES + "Convolution",
    ),
    Fix(
        "usual-pooling",
        "pool 2 x 2, with a stride of 1 or 2",
        "it is the least invasive window, with a stride of 1 above all; several layers of it reach the same size",
        NOTES + "Pooling",
    ),
    Fix(
        "shuffle-data",
        "shuffle the training data anew in every epoch",
        "batches in a fixed or sorted order give correlated gradients, and the order itself is learned",
        "Bottou, Stochastic Gradient Descent Tricks (2012)",
        not_for=("boosting",),
    ),
    Fix(
        "log-plain-loss",
        "log the loss of the step, or its mean since the last log line, and not a mean that starts anew with the epoch",
        "such a mean hides spikes and makes steps of its own at every epoch",
        PLAYBOOK,
    ),
    Fix(
        "fewer-epochs",
        "train for fewer epochs over the same examples; one to three are usual in fine-tuning",
        "a network that recognises its examples learns no more from them",
        "Howard and Whitaker, Can LLMs learn from a single example? (2023)",
        _fewer_epochs,
        suits=_above("epochs", 3),
        not_for=("boosting",),
    ),
    Fix(
        "restore-state",
        "resume with everything saved: optimizer, scheduler, loss scaler, position of the sampler and random state",
        "without its averages the optimizer takes wrong steps, and a sampler that starts over repeats examples",
        "PyTorch documentation, Saving and Loading a General Checkpoint",
        not_for=("boosting",),
    ),
    Fix(
        "residual-connections",
        "add skip connections around the layers or blocks, so that each learns what to add to its input",
        "the gradient then has a way that no layer can make smaller",
        "He et al., Deep Residual Learning for Image Recognition (2016)",
        not_for=("boosting",),
    ),
    Fix(
        "normalization-layers",
        "normalize after each layer: batch normalization, or layer or group normalization where batches are small",
        "units that are standardised neither saturate nor die all at once, and no layer scales the gradient down",
        "Ioffe and Szegedy, Batch Normalization (2015); Wu and He, Group Normalization (2018)",
        not_for=("boosting",),
    ),
    Fix(
        "relu-activation",
        "use ReLU, or one of its kin that never dies (leaky ReLU, ELU), in the hidden layers",
        "saturated units and long products of small slopes let no gradient through",
        NOTES + "Activation Function",
        not_for=("boosting",),
    ),
    Fix(
        "stabilize-logits",
        "normalize queries and keys (QK-norm) and add a z-loss on the output logits",
        "logits that grow make the gradient grow with them",
        "Wortsman et al., Small-scale proxies for large-scale Transformer training instabilities (2023)",
        not_for=("boosting",),
    ),
    Fix(
        "shorter-warmup",
        "warm up over at most 10 % of the steps",
        "the steps of a warmup that goes on for longer are mostly lost",
        PLAYBOOK,
        _shorter_warmup,
    ),
    Fix(
        "fit-schedule",
        "give the schedule the number of steps that the run really takes",
        "a schedule that ends early leaves steps at a rate of zero, one that ends late never arrives",
        PLAYBOOK,
    ),
    Fix(
        "end-of-cycle",
        "take checkpoints, and compare runs, at the end of a cycle, where the learning rate is lowest",
        "the loss is high after every restart, and lowest just before the next",
        "Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017)",
    ),
    Fix(
        "search-by-magnitude",
        "try learning rates by orders of magnitude first (1e-1, 1e-2, 1e-3, 1e-4), and refine around the best",
        "steps of a factor of ten show where learning begins and where it breaks; an even grid spends most runs alike",
        NOTES + "Learning Rate",
    ),
    Fix(
        "random-search",
        "draw the hyperparameters at random, on logarithmic scales, for as many runs as the grid had",
        "few of them matter, and every random run tries a new value of each of those, where a grid repeats a few",
        "Bergstra and Bengio, Random Search for Hyper-Parameter Optimization (2012)",
    ),
    Fix(
        "widen-search",
        "go on beyond that end of the range, by a factor of three to ten, until the result gets worse again",
        "the optimum is known to be inside only when there are worse values on both sides",
        PLAYBOOK,
    ),
    Fix(
        "compare-configs",
        "compare configs and versions of code and libraries, and change the differences back one by one",
        "what differs from the runs that went well is what to blame first",
        PLAYBOOK,
    ),
    Fix(
        "check-labels",
        "compare the data with the earlier ones: number of examples, share of each class, and a sample of the labels",
        "wrong labels raise the level at which a loss settles and leave no other trace in the curves",
        "Northcutt et al., Confident Learning: Estimating Uncertainty in Dataset Labels (2021)",
    ),
    Fix(
        "repeat-seeds",
        "run the same configuration with other seeds, three to five times, before drawing a conclusion",
        "the spread between seeds says which differences mean anything",
        "Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks (2021)",
    ),
    Fix(
        "inspect-examples",
        "look at images of the class with the relevance over them, and say what the model looks at",
        "whether a place shows the thing or a mark beside it, a person sees at once and no score does",
        "Lapuschkin et al., Unmasking Clever Hans Predictors and Assessing What Machines Really Learn (2019)",
        _mosaics,
    ),
    Fix(
        "mask-artefact",
        "crop or mask the mark in the training images of every class, and train again",
        "what is not there cannot be learned",
        "Rieger et al., Interpretations Are Useful: Penalizing Explanations (2020)",
    ),
    Fix(
        "collect-counter-examples",
        "collect images of the class without the mark, and of other classes with it",
        "a mark that goes with every class tells none of them",
        "Sagawa et al., Distributionally Robust Neural Networks for Group Shifts (2020)",
    ),
    Fix(
        "cutout",
        "augment with CutOut, or CutMix, so that no single place is always there",
        "a network that often has to do without one place learns the others, too",
        NOTES + "Data Augmentation: CutOut",
    ),
    Fix(
        "print-gradient-norms",
        "print the norm of the gradient of each layer, and how far a step moves its weights, for ten steps",
        "0 or None is a layer cut off or frozen, a norm that grows is a missing zero_grad() or an explosion, and a "
        "weight that moves by less than a millionth of itself is a rate too low",
        "Karpathy, A Recipe for Training Neural Networks (2019)",
        not_for=("boosting",),
        test=True,
    ),
    Fix(
        "count-classes",
        "count the examples of each class in the training and the validation set, and the answers of each class",
        "an accuracy that is the share of the largest class is imbalance; if the answers differ, the metric is wrong",
        NOTES + "Diagnosing the model: imbalance?",
        not_for=("regression", "reinforcement", "language-model", "preference"),
        test=True,
    ),
    Fix(
        "locate-non-finite",
        "find the first value that is not finite: stop at the first NaN of the inputs, the outputs, the loss and the "
        "gradients in turn (torch.autograd.set_detect_anomaly, tf.debugging.enable_check_numerics)",
        "inputs point at the data, outputs at the weights and so at the rate, the loss alone at a logarithm or "
        "division of 0, the gradients at an explosion",
        "PyTorch documentation, Anomaly detection",
        not_for=("boosting",),
        test=True,
    ),
    Fix(
        "check-inputs",
        "check the inputs and labels for NaN, infinite and extreme values, first in the batches where it broke",
        "one value that is not finite makes every weight so in a single step",
        NOTES + "Diagnosing the model: problematic data instance",
    ),
    Fix(
        "check-training-loop",
        "check the order of the loop: zero_grad(), forward, backward(), step(), once per batch",
        "gradients that are never set to zero add up, and the steps grow with them",
        "PyTorch documentation, Optimizing Model Parameters",
        not_for=("boosting",),
    ),
    Fix(
        "check-reward",
        "print the return of random actions, the entropy of the policy, and the reward of each step of one episode",
        "a return no better than that of random actions with an entropy of 0 has stopped exploring; a reward that "
        "never comes cannot be learned from",
        "Henderson et al., Deep Reinforcement Learning that Matters (2018)",
        only_for=("reinforcement", "preference"),
        test=True,
    ),
    Fix(
        "deeper-trees",
        "grow larger trees: a higher max_depth or num_leaves, and more of them",
        "the training set has to be fitted before it can be fitted well",
        "Chen and Guestrin, XGBoost: A Scalable Tree Boosting System (2016)",
        only_for=("boosting",),
    ),
    Fix(
        "replay-old-data",
        "mix examples of the old task into every batch, a tenth or more of it",
        "what is rehearsed is not overwritten, and few examples are enough",
        "Robins, Catastrophic Forgetting, Rehearsal and Pseudorehearsal (1995)",
        not_for=("boosting",),
    ),
    Fix(
        "train-fewer-weights",
        "keep most weights as they were: freeze the lower layers, or train an adapter such as LoRA",
        "what is not changed is not forgotten",
        "Biderman et al., LoRA Learns Less and Forgets Less (2024)",
        not_for=("boosting",),
    ),
    Fix(
        "compute-metric-anew",
        "compute the metric once over the whole set, from sums of numerators and denominators, and compare",
        "means of batches, and sums without their number, are other quantities under the same name",
        "torchmetrics documentation, Implementing a Metric: states are summed, and divided at the end",
    ),
    Fix(
        "weigh-loss-terms",
        "weigh the terms so that their gradients are of one size, and log each with its weight",
        "a term that is a thousandth of the sum is a thousandth of the gradient",
        "Chen et al., GradNorm: Gradient Normalization for Adaptive Loss Balancing (2018)",
    ),
    Fix(
        "find-the-stall",
        "look at the logs of the machine, the scheduler and the disk for that time, and save checkpoints often",
        "a job that was suspended or waited for a disk says so there, and one that resumes loses little",
        "Jeon et al., Analysis of Large-Scale Multi-Tenant GPU Clusters (2019)",
    ),
    Fix(
        "unmask-labels",
        "print the labels of one batch as the loss receives them, and count those that are not masked",
        "a template that is not found, or a context that the prompt fills, masks every label",
        "Hugging Face, TRL documentation, SFT Trainer",
    ),
    Fix(
        "undo-rate-jump",
        "set the learning rate back to what it was, and look for what changed it there",
        "a resume with another config, a scheduler that is stepped twice and a warmup that begins anew all do",
        PLAYBOOK,
    ),
    Fix(
        "save-more-often",
        "save checkpoints by time, every 15 to 30 minutes, and cut the log back to the checkpoint on resuming",
        "what is lost at a break is what was trained since the last checkpoint",
        "Eisenman et al., Check-N-Run (2022)",
    ),
)
"""All fixes, in no particular order; the rules name them by id in the order to try."""
