"""What each fix proposes in a run's own numbers: the changes as data, and the sentence that is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_fixes
from diagnose.names.hyperparameters import HYPERPARAMETERS
from diagnose.names.kinds import kind_of
from diagnose.rule import Action, Change, Changes, Context, Finding, Fix, Proposal, Recommendation, Severity

FIXES = load_fixes()


def context(
    config: Mapping[str, Any] | None = None,
    *,
    curves: Mapping[str, list[float]] | None = None,
    axis: str = "epoch",
    marks: tuple[float, ...] = (),
    length: int = 30,
) -> Context:
    """A run of `length` points, with a finding that marks some of its steps."""
    steps = np.arange(1.0, length + 1)
    drawn = {"val_loss": [1.0] * length, **(curves or {})}
    series = {name: Series(name, steps[: len(values)], np.array(values)) for name, values in drawn.items()}
    run = Run("r", series, {name: name for name in series}, config or {}, axis=axis)
    return Context(run, Finding(Severity.ERROR, 0.9, "", "", (1.0, 30.0), ("val_loss",), marks=marks))


class Said(NamedTuple):
    """What a fix is to say of a run, and what it is to carry."""

    fix: str
    given: Context
    title: str
    changes: Changes


SAID = (
    Said(
        "early-stopping",
        context(marks=(12.0, 20.0)),
        "stop at epoch 12 and keep that checkpoint",
        (Action("stop", (("axis", "epoch"), ("at", 12))),),
    ),
    Said(
        "early-stopping",
        context(marks=(1234567.0,), axis="step"),
        "stop at step 1.23457e+06 and keep that checkpoint",
        (Action("stop", (("axis", "step"), ("at", 1234567))),),
    ),
    Said(
        "early-stopping",
        context(marks=(1.0 / 3.0,)),
        "stop at epoch 0.333333 and keep that checkpoint",
        (Action("stop", (("axis", "epoch"), ("at", 0.333333))),),
    ),
    Said(
        "train-shorter",
        context(marks=(1201.0,), axis="step"),
        "stop near step 1.32e+03",
        (Action("stop", (("axis", "step"), ("at", 1320.0))),),
    ),
    Said(
        "weight-decay",
        context({"optimizer": "torch.optim.Adam", "weight_decay": 0}),
        "use decoupled weight decay (AdamW): weight_decay 0 -> 0.01",
        (Change("optimizer", "AdamW", "torch.optim.Adam"), Change("weight_decay", 0.01, 0)),
    ),
    Said(
        "weight-decay",
        context({"optimizer": "RMSprop", "weight_decay": 0.05}),
        "use decoupled weight decay (AdamW): weight_decay 0.05 -> 0.1",
        (Change("weight_decay", 0.1, 0.05),),
    ),
    Said(
        "weight-decay",
        context({"optimizer": "SGD", "weight_decay": 0.0}),
        "use weight decay: weight_decay 0 -> 0.0001",
        (Change("weight_decay", 1e-4, 0.0),),
    ),
    Said("dropout", context({"dropout": 0.1}), "raise dropout: dropout 0.1 -> 0.3", (Change("dropout", 0.3, 0.1),)),
    Said(
        "usual-dropout", context({"dropout": 0.9}), "lower dropout: dropout 0.9 -> 0.5", (Change("dropout", 0.5, 0.9),)
    ),
    Said(
        "lower-learning-rate",
        context({"optimizer": "Adam", "learning_rate": 0.01}),
        "lower the learning rate by an order of magnitude: learning_rate 0.01 -> 0.001",
        (Change("learning_rate", 0.001, 0.01),),
    ),
    Said(
        "lower-learning-rate",
        context({"optimizer": "Adam (betas={0.9, 0.999})", "learning_rate": 0.5}),
        "lower the learning rate far below the usual 0.001 of Adam: learning_rate 0.5 -> 0.0001",
        (Change("learning_rate", 1e-4, 0.5),),
    ),
    Said(
        "raise-learning-rate",
        context({"learning_rate": 2e-5}),
        "raise the learning rate by an order of magnitude: learning_rate 2e-05 -> 0.0002",
        (Change("learning_rate", 2e-4, 2e-5),),
    ),
    Said(
        "raise-learning-rate",
        context({"learning_rate": 0.04, "optimizer": "SGD"}),
        "raise the learning rate to the usual one: learning_rate 0.04 -> 0.1",
        (Change("learning_rate", 0.1, 0.04),),
    ),
    Said(
        "raise-learning-rate",
        context({"learning_rate": 0.0, "num_leaves": 31}),
        "set a learning rate above 0: 0.1 to 0.3 is usual for trees",
        (),
    ),
    Said(
        "overfit-one-batch",
        context({"optimizer": "SGD", "learning_rate": 1e-5}),
        "overfit one batch of ten examples, at this learning rate and at a hundred times it",
        (),
    ),
    Said("more-data", context({"num_leaves": 31}), "collect more training data", ()),
    Said(
        "data-augmentation",
        context(),
        "augment the data, if it is images: flips and shifts first, then Mixup, CutOut or CutMix",
        (),
    ),
    Said(
        "check-metric",
        context(curves={"reward": [1.0] * 30}),
        "compute the metric by hand for ten examples, and hold it against what the log has",
        (),
    ),
    Said(
        "raise-learning-rate",
        context({"optimizer": "AdamW", "learning_rate": 0.0}),
        "set a learning rate above 0: 1e-3 for Adam, 0.1 for SGD with momentum, then search by powers of ten",
        (Change("learning_rate", 1e-3, 0.0),),
    ),
    Said(
        "raise-learning-rate",
        context({"optimizer": "adagrad", "learning_rate": 0.0}),
        "set a learning rate above 0: 1e-3 for Adam, 0.1 for SGD with momentum, then search by powers of ten",
        (),
    ),
    Said(
        "typical-learning-rate",
        context({"optimizer": "Adam{W}", "learning_rate": 3}),
        "start from the usual learning rate of Adam{W}: learning_rate 3 -> 0.001",
        (Change("learning_rate", 1e-3, 3),),
    ),
    Said(
        "scale-learning-rate",
        context({"learning_rate": 0.1, "batch_size": 300, "gradient_accumulation_steps": 4}),
        "scale the learning rate with the batch size, after a warmup: learning_rate 0.1 -> 0.47",
        (Change("learning_rate", 0.47, 0.1), Action("warm-up")),
    ),
    Said(
        "warmup",
        context(axis="step", length=500),
        "warm the learning rate up over the first 25 steps (5 % of the run)",
        (Action("warm-up", (("axis", "step"), ("over", 25))),),
    ),
    Said(
        "warmup",
        context(curves={"learning_rate": [0.0, 0.05, 0.1, 0.1, 0.1]}),
        "warm up longer than the present 3 epochs",
        (Action("warm-up", (("axis", "epoch"), ("longer_than", 3))),),
    ),
    Said(
        "shorter-warmup",
        context(),
        "warm up over at most 3 epochs (10 % of the run)",
        (Action("warm-up", (("axis", "epoch"), ("at_most", 3))),),
    ),
    Said(
        "clip-gradients",
        context(curves={"grad_norm": [1234.5] * 30}),
        "clip the gradient norm at 1.23e+03, the 90th percentile of this run",
        (Change("gradient_clip", 1230.0),),
    ),
    Said(
        "clip-gradients",
        context({"gradient_clip": 1}),
        "clip the gradient norm harder: gradient_clip 1 -> 0.5",
        (Change("gradient_clip", 0.5, 1),),
    ),
    Said(
        "usual-momentum",
        context({"momentum": 0.0}),
        "set the usual momentum: momentum 0 -> 0.9",
        (Change("momentum", 0.9, 0.0),),
    ),
    Said(
        "decouple-weight-decay",
        context({"optimizer": "Adam", "weight_decay": 5e-4}),
        "decouple the weight decay: optimizer Adam -> AdamW, weight_decay 0.0005 -> 0.01",
        (Change("optimizer", "AdamW", "Adam"), Change("weight_decay", 0.01, 5e-4)),
    ),
    Said(
        "larger-batch",
        context({"batch_size": 100}),
        "double the batch size, the learning rate kept: batch_size 100 -> 256",
        (Change("batch_size", 256, 100),),
    ),
    Said(
        "power-of-two-batch",
        context({"batch_size": 100}),
        "use a power of two: batch_size 100 -> 128",
        (Change("batch_size", 128, 100),),
    ),
    Said(
        "initialize-weights",
        context({"activation": "ReLU", "initialization": "zeros"}),
        "initialize with Kaiming, which fits relu; biases at zero",
        (Change("initialization", "Kaiming", "zeros"),),
    ),
    Said(
        "stable-precision",
        context({"precision": "16-mixed"}),
        "train in bfloat16, or in float32, instead of float16",
        (Change("precision", "bfloat16", "16-mixed"),),
    ),
    Said("train-longer", context({"epochs": 25}), "train longer: epochs 25 -> 38", (Change("epochs", 38, 25),)),
    Said(
        "train-longer",
        context(),
        "train longer: 30 -> 45 epochs",
        (Action("train-until", (("axis", "epoch"), ("at", 45))),),
    ),
    Said(
        "fewer-epochs",
        context({"epochs": 20}),
        "train for fewer epochs: epochs 20 -> 1 to 3",
        (Change("epochs", 3, 20),),
    ),
    Said(
        "inspect-batch",
        context(axis="step", marks=(7.0, 9.5, 11.0, 13.0, 15.0, 17.0)),
        "look at the batches at step 7, 9.5, 11, 13, 15",
        (Action("inspect", (("axis", "step"), ("at", (7, 9.5, 11, 13, 15)))),),
    ),
    Said(
        "inspect-examples",
        context(axis="mosaic", marks=(6.0,)),
        "look at the images of mosaics 6, where Focus is lowest (diagnose bias --plot)",
        (Action("inspect", (("axis", "mosaic"), ("at", (6,)))),),
    ),
)


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said.fix}: {said.title}")
def test_a_fix_says_what_it_carries(said: Said) -> None:
    offered = FIXES[said.fix].offered(said.given)
    assert (offered.id, offered.title) == (said.fix, said.title)
    assert repr(offered.changes) == repr(said.changes)  # 1 and 1.0 are equal, and no two are told apart in a config
    assert hash(offered) == hash(FIXES[said.fix].offered(said.given))


def test_every_fix_that_proposes_is_tested() -> None:
    assert {fix.id for fix in FIXES.values() if fix.propose is not None} == {said.fix for said in SAID}


@pytest.mark.parametrize(
    ("fix", "given"),
    [
        ("weight-decay", context({"optimizer": "AdamW", "weight_decay": 0.1})),  # as much as is usual
        ("weight-decay", context({"optimizer": "SGD", "weight_decay": 1e-3})),
        ("dropout", context({"dropout": 0.5})),
        ("usual-dropout", context({"dropout": 0.3})),
        ("lower-learning-rate", context({"optimizer": "Adam", "learning_rate": 1e-6})),
        ("lower-learning-rate", context({"learning_rate": 0.0})),
        ("raise-learning-rate", context({"learning_rate": 0.488})),
        ("raise-learning-rate", context({"optimizer": "Adam", "learning_rate": 1e-3})),
        ("raise-learning-rate", context(curves={"train_loss": [1.0, 0.5, 7.0]})),  # it has thrown the weights off
        ("raise-learning-rate", context(curves={"train_loss": [1.0, math.nan]})),
        ("raise-learning-rate", context(curves={"learning_rate": [1e-4, 5e-5, 1e-5]})),  # lowered on purpose
        ("decay-learning-rate", context(curves={"learning_rate": [1e-4, 5e-5, 1e-5]})),
        ("decay-learning-rate", context({"scheduler": "cosine"})),
        ("typical-learning-rate", context({"optimizer": "Adam", "learning_rate": 1e-3})),
        ("stable-precision", context()),
        ("stable-precision", context({"precision": "32-true"})),
        ("initialize-weights", context({"activation": "relu", "initialization": "kaiming_normal_"})),
        ("fewer-epochs", context({"epochs": 2})),
        ("data-augmentation", context({"dataset": "imdb"})),
        ("data-augmentation", context({"num_leaves": 31})),
        ("warmup", context(curves={"learning_rate": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]})),
        ("overfit-one-batch", context({"num_leaves": 31})),
        ("shallower-trees", context({"model": "resnet18"})),
    ],
    ids=str,
)
def test_a_fix_that_means_nothing_to_a_run_is_not_offered(fix: str, given: Context) -> None:
    assert not FIXES[fix].means_something(given, kind_of(given.run).name)


def test_half_precision_is_spoken_of_where_anything_speaks_for_it() -> None:
    scaled = context(curves={"train/loss_scale": [65536.0] * 30})
    for said in (scaled, context({"precision": "fp16"})):
        assert FIXES["stable-precision"].means_something(said, "classification")


def test_changes_go_by_canonical_names() -> None:
    changed = {change.name for said in SAID for change in said.changes if isinstance(change, Change)}
    assert changed <= HYPERPARAMETERS


@pytest.mark.parametrize("fix", FIXES)
def test_without_numbers_the_title_is_said(fix: str) -> None:
    offered = FIXES[fix].offered(context({"model": "resnet18"}, length=1))
    assert (offered.title, offered.changes) == (FIXES[fix].title, ())


@given(st.sampled_from([fix for fix in FIXES if FIXES[fix].propose]), st.floats(1e-6, 1e4))
def test_a_number_that_is_carried_has_the_digits_that_are_said(fix: str, number: float) -> None:
    names = ("learning_rate", "weight_decay", "dropout", "momentum", "gradient_clip", "batch_size", "epochs")
    given = context({"optimizer": "sgd", **dict.fromkeys(names, number)}, marks=(number,))
    for change in FIXES[fix].offered(given).changes:
        values = [change.new] if isinstance(change, Change) else [value for _, value in change.arguments]
        numbers = [value for value in values if isinstance(value, float)]
        assert [float(f"{value:.6g}") for value in numbers] == numbers


def test_a_fix_of_a_third_party_needs_no_more_than_a_title() -> None:
    fix = Fix("wait", "wait {a day}", "it may pass", "a proverb")
    assert fix.offered(context()) == Recommendation("wait", "wait {a day}", "it may pass", "a proverb")


def test_a_sentence_names_changes_arguments_and_facts() -> None:
    changes = (Change("shuffle", True), Change("model", "cnn", "mlp"), Action("look", (("at", (1, 2.5)), ("by", 3))))
    words = "{shuffle}; {model} ({model.new}); {at} by {by:g}, {who}"
    said = Proposal(words, changes, {"who": "{you}"}).sentence
    assert said == "shuffle True; model mlp -> cnn (cnn); 1, 2.5 by 3, {you}"


def test_a_finding_carries_the_changes_of_its_advice() -> None:
    found = next(found for found in judge(synthetic.diverging()).findings if found.rule == "divergence")
    carried = {advice.id: advice.changes for advice in found.recommendations}
    assert carried["lower-learning-rate"] == (Change("learning_rate", 0.05, 0.5),)
    assert carried["normalize-inputs"] == ()
