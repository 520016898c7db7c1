"""Losses and metrics by hand-made numbers; metrics add up over batches; the faults among them fail as documented."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, jaccard_score, r2_score
from torch import Tensor
from torch.testing import assert_close

from reference_trainer.losses import (
    DEFAULT_LOSSES,
    LOSSES,
    METRICS,
    R2,
    Accuracy,
    ArgmaxOfOneOutput,
    Iou,
    Metric,
    Perplexity,
    Psnr,
    class_weights,
    loss_of,
    metric_of,
    probabilities,
)
from reference_trainer.recipe import CHOICES, KINDS, LOSSES_OF_KIND, Recipe

CLASSIFYING = ("cross-entropy", "cross-entropy-of-softmax", "nll-of-logits", "mse")

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
LABELS = torch.tensor([0, 2])


def softmax(row: list[float]) -> list[float]:
    """By hand."""
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


BY_HAND: dict[str, float] = {
    "cross-entropy": sum(-math.log(softmax(LOGITS[n].tolist())[LABELS[n]]) for n in (0, 1)) / 2,
    "cross-entropy-of-softmax": sum(-math.log(softmax(softmax(LOGITS[n].tolist()))[LABELS[n]]) for n in (0, 1)) / 2,
    "nll-of-logits": -(2.0 + 0.5) / 2,
    "mse": ((2.0 - 1.0) ** 2 + 0.0 + 1.0 + 0.25 + 0.25 + 0.25) / 6,
}


# --- losses -----------------------------------------------------------------------------------------------------------


def test_the_losses_are_those_of_the_recipe_and_of_the_tasks() -> None:
    assert set(LOSSES) == set(CHOICES["loss_function"][1:]) | set(DEFAULT_LOSSES.values())
    assert set(METRICS) == {"accuracy", "perplexity", "iou", "psnr", "r2", *CHOICES["metric"][1:]}
    for kind, valid in LOSSES_OF_KIND.items():
        assert set(valid) <= set(LOSSES)
        assert kind in DEFAULT_LOSSES or kind == "generation"


@pytest.mark.parametrize("name", CLASSIFYING)
def test_a_loss_of_classes_by_hand(name: str) -> None:
    assert float(LOSSES[name](LOGITS, LABELS)) == pytest.approx(BY_HAND[name], rel=1e-6)


@pytest.mark.parametrize("name", CLASSIFYING)
def test_class_numbers_and_probabilities_agree(name: str) -> None:
    torch.manual_seed(0)
    outputs, labels = torch.randn(16, 10), torch.randint(0, 10, (16,))
    loss = LOSSES[name]
    assert_close(loss(outputs, labels), loss(outputs, probabilities(labels, 10)))


@pytest.mark.parametrize("name", ["cross-entropy", "nll-of-logits"])
def test_a_mixed_label_costs_the_mixture(name: str) -> None:
    """True of losses that are linear in the target, such as Mixup counts on."""
    torch.manual_seed(0)
    outputs, labels, others = torch.randn(8, 10), torch.randint(0, 10, (8,)), torch.randint(0, 10, (8,))
    mixed = 0.7 * probabilities(labels, 10) + 0.3 * probabilities(others, 10)
    loss = LOSSES[name]
    assert_close(loss(outputs, mixed), 0.7 * loss(outputs, labels) + 0.3 * loss(outputs, others))


def test_squared_error_of_numbers_and_images() -> None:
    found, sought = torch.tensor([[1.0], [4.0]]), torch.tensor([[0.0], [2.0]])
    assert float(LOSSES["mse"](found, sought)) == 2.5
    assert float(LOSSES["mse"](torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4))) == 1.0


def test_binary_cross_entropy_by_hand() -> None:
    outputs, targets = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    expected = (math.log(2.0) + math.log(1.0 + math.exp(2.0))) / 2
    assert float(LOSSES["binary-cross-entropy"](outputs, targets)) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_passes_a_gradient(name: str) -> None:
    outputs = torch.randn(4, 3, requires_grad=True)
    LOSSES[name](outputs, probabilities(torch.tensor([0, 1, 2, 0]), 3)).backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert outputs.grad.abs().sum() > 0.0


@pytest.mark.parametrize("name", ["cross-entropy", "cross-entropy-of-softmax", "mse"])
def test_right_and_sure_is_better_than_wrong_and_sure(name: str) -> None:
    right = 5.0 * probabilities(LABELS, 3)
    wrong = right.roll(1, dims=1)
    assert float(LOSSES[name](right, LABELS)) < float(LOSSES[name](wrong, LABELS))


# --- losses that are faults -------------------------------------------------------------------------------------------


def test_the_cross_entropy_of_softmax_never_comes_near_zero() -> None:
    perfect = 1e4 * probabilities(torch.arange(10), 10)
    floor = math.log(math.e + 9.0) - 1.0  # 1.46: as sure as a softmax can be
    assert float(LOSSES["cross-entropy"](perfect, torch.arange(10))) == 0.0
    assert float(LOSSES["cross-entropy-of-softmax"](perfect, torch.arange(10))) == pytest.approx(floor)


def test_the_nll_of_logits_falls_for_ever_and_decides_nothing() -> None:
    outputs = LOGITS.clone()
    losses = []
    for _ in range(3):
        losses.append(float(LOSSES["nll-of-logits"](outputs, LABELS)))
        outputs = outputs + 100.0  # every class alike, the wrong ones too
        assert torch.equal(outputs.argmax(dim=1), LOGITS.argmax(dim=1))
    assert [b - a for a, b in pairwise(losses)] == pytest.approx([-100.0, -100.0])


# --- smoothing --------------------------------------------------------------------------------------------------------


def test_smoothing_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    outputs, labels = torch.randn(16, 10), torch.randint(0, 10, (16,))
    smoothed = loss_of(Recipe(label_smoothing=0.2))
    assert_close(smoothed(outputs, labels), torch.nn.functional.cross_entropy(outputs, labels, label_smoothing=0.2))
    assert_close(smoothed(outputs, probabilities(labels, 10)), smoothed(outputs, labels))


@pytest.mark.parametrize("name", CLASSIFYING)
def test_every_loss_of_classes_is_smoothed(name: str) -> None:
    labels = torch.tensor([0, 2])
    plain = loss_of(Recipe(loss_function=name))(LOGITS, 0.7 * probabilities(labels, 3) + 0.1)
    assert_close(loss_of(Recipe(loss_function=name, label_smoothing=0.3))(LOGITS, labels), plain)


# --- weights and small logits -----------------------------------------------------------------------------------------


def test_classes_are_weighted_by_the_inverse_of_their_share() -> None:
    targets = torch.tensor([0, 0, 0, 1])
    weights = class_weights(targets, 2)
    assert_close(weights, torch.tensor([2 / 3, 2.0]))
    assert_close(weights[targets].mean(), torch.tensor(1.0))
    assert_close(class_weights(probabilities(targets, 3), 3)[:2], weights)  # a class that never comes counts for none
    loss = loss_of(Recipe(class_weights=True), targets)
    outputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    known = torch.nn.functional.cross_entropy(outputs, torch.tensor([0, 0]), weight=weights)
    assert_close(loss(outputs, torch.tensor([0, 0])), known)


def test_the_z_loss_keeps_logits_small() -> None:
    plain, small = loss_of(Recipe()), loss_of(Recipe(stable_logits=True))
    labels = torch.tensor([0, 2])
    assert_close(small(LOGITS, labels) - plain(LOGITS, labels), 1e-4 * LOGITS.logsumexp(dim=1).square().mean())
    assert_close(plain(LOGITS + 50.0, labels), plain(LOGITS, labels))  # which the plain loss does not see
    assert small(LOGITS + 50.0, labels) > small(LOGITS, labels) + 0.1


@pytest.mark.parametrize("task", [task for task in KINDS if KINDS[task] in DEFAULT_LOSSES])
def test_the_default_loss_goes_with_the_task(task: str) -> None:
    assert loss_of(Recipe(task=task)) is LOSSES[DEFAULT_LOSSES[KINDS[task]]]
    for name in LOSSES_OF_KIND[KINDS[task]]:
        assert loss_of(Recipe(task=task, loss_function=name)) is LOSSES[name]


# --- metrics ----------------------------------------------------------------------------------------------------------


def classes(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 10), torch.randint(0, 10, (count,))


def masks(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 1, 4, 4), (torch.rand(count, 1, 4, 4) > 0.6).float()


def numbers(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 1), 3.0 * torch.randn(count, 1) + 50.0


def lines(count: int) -> tuple[Tensor, Tensor]:
    """Logits of seven characters, and the characters, a third of which are not told."""
    outputs, targets = torch.randn(count, 7, 12), torch.randint(0, 7, (count, 12))
    return outputs, targets.masked_fill(torch.rand(count, 12) < 0.3, -100)


CASES: dict[str, tuple[Callable[[], Metric], Callable[[int], tuple[Tensor, Tensor]]]] = {
    "accuracy": (Accuracy, classes),
    "argmax-of-one-output": (ArgmaxOfOneOutput, classes),
    "perplexity": (Perplexity, lines),
    "iou": (Iou, masks),
    "psnr": (lambda: Psnr(2.0), masks),
    "r2": (R2, numbers),
}


def whole(metric: Metric, outputs: Tensor, targets: Tensor) -> float:
    """The metric of one batch."""
    return metric.finish(metric.measure(outputs, targets))


@given(st.sampled_from(tuple(METRICS)), st.integers(0, 2**31), st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_a_metric_adds_up_over_batches(name: str, seed: int, sizes: list[int]) -> None:
    make, draw = CASES[name]
    torch.manual_seed(seed)
    metric, (outputs, targets) = make(), draw(sum(sizes))
    sums = torch.zeros((), dtype=torch.float64)
    for found, sought in zip(outputs.split(sizes), targets.split(sizes), strict=True):
        sums = sums + metric.measure(found, sought)
    assert metric.finish(sums) == pytest.approx(whole(metric, outputs, targets), rel=1e-6, abs=1e-6)  # in float32


def test_every_metric_is_tested() -> None:
    assert tuple(CASES) == tuple(METRICS)
    for name, (make, _) in CASES.items():
        assert isinstance(make(), METRICS[name])


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_metrics_are_those_of_scikit_learn(seed: int, count: int) -> None:
    torch.manual_seed(seed)
    outputs, labels = classes(count)
    assert whole(Accuracy(), outputs, labels) == accuracy_score(labels, outputs.argmax(dim=1))
    assert whole(Accuracy(), outputs, probabilities(labels, 10)) == accuracy_score(labels, outputs.argmax(dim=1))
    outputs, targets = masks(count)
    assert whole(Iou(), outputs, targets) == jaccard_score(
        targets.flatten().numpy(), (outputs > 0.0).float().flatten().numpy(), zero_division=1.0
    )
    outputs, targets = numbers(count + 1)
    assert whole(R2(), outputs, targets) == pytest.approx(r2_score(targets, outputs), rel=1e-6)


def test_an_accuracy_is_a_share_to_the_last_digit() -> None:
    outputs, labels = torch.eye(3), torch.tensor([0, 1, 0])
    assert whole(Accuracy(), outputs, labels) == 2 / 3


def test_nothing_found_where_nothing_was_sought_is_right() -> None:
    assert whole(Iou(), -torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)) == 1.0
    assert whole(Iou(), torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)) == 0.0


def test_the_peak_signal_to_noise_ratio_by_hand() -> None:
    black, gray, white = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.2), torch.full((1, 1, 2, 2), 2.0)
    assert whole(Psnr(2.0), gray, black) == pytest.approx(20.0)  # an error of a tenth of the peak
    assert whole(Psnr(2.0), white, black) == 0.0
    assert whole(Psnr(2.0), black, black) == math.inf
    assert math.isnan(whole(Psnr(2.0), black * math.nan, black))
    assert whole(Psnr(20.0), 10.0 * gray, black) == pytest.approx(20.0)  # whatever the unit


def test_the_mean_explains_nothing() -> None:
    targets = torch.tensor([[1.0], [2.0], [3.0]])
    assert whole(R2(), torch.full((3, 1), 2.0), targets) == pytest.approx(0.0)
    assert whole(R2(), targets, targets) == pytest.approx(1.0)
    assert whole(R2(), -targets, targets) < 0.0


def test_the_argmax_of_one_output_is_the_share_of_the_first_class() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 3, 1, 9])
    for _ in range(5):  # whatever is answered
        assert whole(ArgmaxOfOneOutput(), torch.randn(5, 10), labels) == 2 / 5
    assert whole(ArgmaxOfOneOutput(), 9.0 * probabilities(labels, 10), labels) == 2 / 5


@pytest.mark.parametrize(
    ("task", "name"),
    [("digits", "accuracy"), ("digits-rows", "accuracy"), ("segmentation", "iou"), ("diabetes", "r2")],
)
def test_the_metric_goes_with_the_task(task: str, name: str) -> None:
    metric = metric_of(Recipe(task=task), peak=1.0)
    assert (type(metric), metric.name) == (METRICS[name], name)


def test_the_peak_is_that_of_the_data() -> None:
    metric = metric_of(Recipe(task="super-resolution"), peak=3.0)
    assert isinstance(metric, Psnr)
    assert metric.peak == 3.0
    assert metric_of(Recipe(metric="argmax-of-one-output"), 0.0).name == "accuracy"  # the log does not tell


def test_perplexity_is_that_of_what_is_told() -> None:
    outputs, targets = torch.zeros(2, 8, 5), torch.tensor([[1, 2, 3, -100, -100], [4, -100, -100, -100, -100]])
    assert whole(Perplexity(), outputs, targets) == pytest.approx(8.0)  # hesitates between all eight
    outputs[:, 1] = 50.0
    assert whole(Perplexity(), outputs[:, :, :1], targets[:, :1]) == pytest.approx(math.exp(25.0), rel=1e-4)
