"""Each task's data have the shapes, scale, split and flaws that the recipe asks for, and follow its seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reference_trainer.attentions import PADDING
from reference_trainer.data import BRIGHTEST, TASKS, UNTOLD, VALIDATION, Data, _images, _split
from reference_trainer.recipe import CHOICES, Recipe

DIGITS = [task for task in TASKS if task.startswith("digits")]

SHAPES = {
    "digits": ((1, 8, 8), ()),
    "digits-imbalanced": ((1, 8, 8), ()),
    "digits-few": ((1, 8, 8), ()),
    "digits-noisy": ((1, 8, 8), ()),
    "digits-rows": ((8, 8), ()),
    "digits-turned": ((1, 8, 8), ()),
    "digits-colour": ((3, 16, 16), ()),
    "characters": ((32,), (32,)),
    "segmentation": ((1, 16, 16), (1, 16, 16)),
    "super-resolution": ((1, 4, 4), (1, 8, 8)),
    "generation": ((1, 8, 8), ()),
    "diabetes": ((10,), (1,)),
}
"""Task -> shape of an example, shape of its target."""


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def load(task: str = "digits", **chosen: Any) -> Data:
    """The task's data, everything random following the recipe's seed, as `train` has them."""
    recipe = Recipe(task=task, **chosen)
    torch.manual_seed(recipe.seed)
    return TASKS[task](recipe)


def rows(x: Tensor) -> list[bytes]:
    """Examples that can be compared and counted."""
    return [example.numpy().tobytes() for example in x]


def counts(labels: Tensor) -> list[int]:
    """Examples of each class."""
    return torch.bincount(labels, minlength=10).tolist()


def test_the_tasks_are_those_of_the_recipe() -> None:
    assert tuple(TASKS) == CHOICES["task"] == tuple(SHAPES)


# --- every task -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_shapes_and_types(task: str) -> None:
    data, (inputs, target) = load(task), SHAPES[task]
    assert data.inputs == inputs
    assert data.x.shape == (len(data.y), *inputs)
    assert data.val_x.shape == (len(data.val_y), *inputs)
    assert data.y.shape[1:] == data.val_y.shape[1:] == target
    assert data.x.dtype == data.val_x.dtype == torch.float32
    assert data.classes == (10 if task in DIGITS else 0)
    assert data.outputs == (10 if task in DIGITS else 1 + int(data.x.max()) if task == "characters" else 1)
    assert data.y.dtype == data.val_y.dtype == (torch.float32 if target and task != "characters" else torch.long)
    assert all(part.isfinite().all() for part in (data.x, data.y, data.val_x, data.val_y))


def test_the_split_holds_out_a_fifth_and_loses_nothing() -> None:
    whole = torch.arange(1797.0)[:, None]
    x, y, val_x, val_y = _split(whole, whole[:, 0] * 2, Recipe())
    assert len(val_x) == round(VALIDATION * 1797)
    assert torch.equal(torch.cat([x, val_x]).sort(dim=0).values, whole)
    assert torch.equal(torch.cat([x, val_x])[:, 0] * 2, torch.cat([y, val_y]))


@pytest.mark.parametrize("task", TASKS)
def test_no_validation_example_is_trained_on(task: str) -> None:
    data = load(task)
    if task == "super-resolution":  # small images of different digits may be alike
        assert set(rows(data.y)).isdisjoint(rows(data.val_y))
    else:
        assert set(rows(data.x)).isdisjoint(rows(data.val_x))


@pytest.mark.parametrize("task", TASKS)
def test_the_seed_decides(task: str) -> None:
    first, again, other = load(task, seed=4), load(task, seed=4), load(task, seed=5)
    for name in ("x", "y", "val_x", "val_y"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.val_x, other.val_x)
    assert not torch.equal(first.x[:50], other.x[:50])


@pytest.mark.parametrize("task", TASKS)
def test_as_many_examples_as_asked_for(task: str) -> None:
    data = load(task, examples=37, val_examples=11)
    assert len(data.x) == len(data.y) == 37
    assert len(data.val_x) == len(data.val_y) == 11


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("examples", [1, 2, 4])
def test_a_handful_of_examples_has_a_scale(task: str, examples: int) -> None:
    data = load(task, examples=examples, val_examples=1)
    assert all(part.isfinite().all() for part in (data.x, data.y, data.val_x, data.val_y))
    assert data.val_x.abs().max() < 100.0


@pytest.mark.parametrize("task", [task for task in TASKS if task not in ("generation", "characters")])
def test_inputs_have_mean_0_and_deviation_1_by_the_training_examples(task: str) -> None:
    data = load(task)
    scaled = data.y if task == "super-resolution" else data.x
    dims = (0,) if task == "diabetes" else tuple(range(scaled.dim()))
    mean, deviation = scaled.mean(dim=dims), scaled.std(dim=dims)
    assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)
    assert_close(deviation, torch.ones_like(mean), atol=1e-4, rtol=0)
    held_out = data.val_y if task == "super-resolution" else data.val_x
    assert held_out.mean().abs() > 1e-4  # not scaled by itself
    assert held_out.mean().abs() < 0.2


@pytest.mark.parametrize("task", TASKS)
def test_inputs_that_are_not_normalized_are_as_they_came(task: str) -> None:
    plain = load(task, normalize_inputs=False)
    assert (plain.x.mean().abs() > 1e-3) or (plain.x.std() - 1.0).abs() > 1e-3
    if task in (*DIGITS, "generation", "super-resolution"):
        assert float(plain.x.min()) == 0.0
        assert float(plain.x.max()) == BRIGHTEST
    if task == "diabetes":
        assert 40.0 < float(plain.x[:, 0].mean()) < 55.0  # years
        assert set(plain.x[:, 1].tolist()) == {1.0, 2.0}  # sex


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("task", [*DIGITS, "generation", "super-resolution"])
def test_the_peak_is_the_distance_from_black_to_white(task: str, normalized: bool) -> None:
    data = load(task, normalize_inputs=normalized)
    images = data.y if task == "super-resolution" else data.x
    assert float(images.max() - images.min()) == pytest.approx(data.peak)


# --- digits and their flaws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "chosen"), [("digits", {}), ("digits-few", {"examples": 200})], ids=str)
def test_examples_that_were_left_over_are_spare(task: str, chosen: dict[str, int]) -> None:
    data = load(task, **chosen)
    assert data.spare is not None
    assert len(data.x) + len(data.spare) + len(data.val_x) == 1797
    found = torch.cat([data.x, data.spare, data.val_x])
    assert len(set(rows(found))) == 1797  # no two of the digits are alike
    pixels = (found - found.min()) * (BRIGHTEST / data.peak)
    assert_close(pixels.sum(dim=0), _images()[0].sum(dim=0), rtol=1e-4, atol=1e-2)


def test_spare_examples_of_rows_are_rows() -> None:
    spare = load("digits-rows", examples=100).spare
    assert spare is not None
    assert spare.shape == (1438 - 100, 8, 8)


def test_rows_are_the_digits() -> None:
    images, sequences = load("digits"), load("digits-rows")
    assert torch.equal(images.x[:, 0], sequences.x)
    assert torch.equal(images.val_x[:, 0], sequences.val_x)
    assert torch.equal(images.y, sequences.y)


def test_few_are_a_hundred_unless_it_is_said() -> None:
    assert len(load("digits-few").x) == 100
    assert len(load("digits-few", examples=30).x) == 30


@pytest.mark.parametrize(("task", "share"), [("digits", 0.5), ("digits", 0.1), ("digits-noisy", None)], ids=str)
def test_label_noise_draws_a_share_of_the_training_labels_anew(task: str, share: float | None) -> None:
    clean, noisy = load("digits"), load(task, **({} if share is None else {"label_noise": share}))
    assert torch.equal(clean.x, noisy.x)
    assert torch.equal(clean.val_y, noisy.val_y)
    wrong = clean.y != noisy.y
    expected = 0.9 * (0.3 if share is None else share)  # one in ten is drawn right
    deviation = (expected * (1.0 - expected) / 1438) ** 0.5
    assert abs(float(wrong.float().mean()) - expected) < 4.0 * deviation
    assert min(counts(noisy.y[wrong])) > 0


@pytest.mark.parametrize(("task", "ratio"), [("digits", 5.0), ("digits", 40.0), ("digits-imbalanced", None)], ids=str)
def test_imbalance_keeps_one_in_so_many_of_all_classes_but_the_first(task: str, ratio: float | None) -> None:
    whole, data = load("digits"), load(task, **({} if ratio is None else {"imbalance": ratio}))
    for before, after in ((whole.y, data.y), (whole.val_y, data.val_y)):
        first, *others = counts(before)
        assert counts(after) == [first, *(max(round(n / (ratio or 10.0)), 1) for n in others)]
    assert set(rows(data.val_x)).isdisjoint(rows(data.x))
    assert (data.y[:20] != 0).any() or ratio == 40.0  # the order is still a random one


def test_imbalance_leaves_one_of_each_class() -> None:
    assert counts(load("digits", imbalance=1e6).y)[1:] == [1] * 9


@pytest.mark.parametrize("copies", [1, 5])
def test_a_leak_puts_copies_of_every_validation_example_into_the_training(copies: int) -> None:
    clean, leaking = load("digits", val_examples=50), load("digits", val_examples=50, leak=copies)
    assert len(leaking.x) == len(clean.x) + copies * 50
    trained = rows(leaking.x)
    assert [trained.count(example) for example in rows(leaking.val_x)] == [copies] * 50
    for example, label in zip(leaking.val_x[:5], leaking.val_y[:5], strict=True):
        found = (leaking.x == example).flatten(1).all(dim=1)
        assert leaking.y[found].tolist() == [int(label)] * copies


def test_without_shuffling_the_classes_come_one_after_the_other() -> None:
    shuffled, ordered = load("digits"), load("digits", shuffle=False)
    assert ordered.y.tolist() == sorted(shuffled.y.tolist())
    assert shuffled.y.tolist() != ordered.y.tolist()
    for label in range(10):  # within a class as they came
        assert torch.equal(ordered.x[ordered.y == label], shuffled.x[shuffled.y == label])
    assert torch.equal(ordered.val_x, shuffled.val_x)


# --- the other tasks --------------------------------------------------------------------------------------------------


def test_a_mask_is_the_strokes_of_its_digit() -> None:
    recipe = Recipe(task="segmentation")
    data = load("segmentation")
    images = _split(*_images(), recipe)[0].squeeze(1) / BRIGHTEST
    assert set(data.y.unique().tolist()) == {0.0, 1.0}
    corners = set()
    for image, mask in zip(images[:200], data.y[:200].squeeze(1), strict=True):
        strokes = image > 0.4
        top, left = (int(mask.any(dim=1 - axis).nonzero()[0]) for axis in (0, 1))
        top -= int(strokes.any(dim=1).nonzero()[0])
        left -= int(strokes.any(dim=0).nonzero()[0])
        corners.add((top, left))
        assert torch.equal(mask[top : top + 8, left : left + 8] == 1.0, strokes)
        assert mask.sum() == strokes.sum()
    assert len(corners) > 50  # anywhere in the field


def test_strokes_are_brighter_than_the_field() -> None:
    data = load("segmentation", normalize_inputs=False)
    strokes, field = data.x[data.y == 1.0], data.x[data.y == 0.0]
    assert float(strokes.mean() - field.mean()) > 0.4
    assert float((strokes > 0.35).float().mean()) < 0.98  # no threshold finds them all ...
    assert float((field > 0.35).float().mean()) > 0.02  # ... and nothing but them


def test_a_small_image_is_the_mean_of_two_by_two_pixels() -> None:
    data = load("super-resolution", seed=2)
    for small, large in ((data.x, data.y), (data.val_x, data.val_y)):
        assert_close(small, large.reshape(-1, 1, 4, 2, 4, 2).mean(dim=(3, 5)))


def test_generated_digits_lie_where_a_tanh_ends() -> None:
    data = load("generation")
    assert (float(data.x.min()), float(data.x.max())) == (-1.0, 1.0)
    assert data.peak == 2.0
    assert counts(data.y) == counts(load("digits").y)


def test_the_progress_of_diabetes_is_in_standard_deviations() -> None:
    data = load("diabetes")
    assert len(data.x) + len(data.val_x) == 442
    assert float(data.y.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(data.y.std()) == pytest.approx(1.0, abs=1e-5)
    assert (data.classes, data.peak, data.spare) == (0, 0.0, None)


def test_characters_are_told_from_those_before_and_padding_is_not_told() -> None:
    data = load("characters")
    x, y = data.x.long(), data.y
    assert torch.equal(y[:, :-1][x[:, 1:] != PADDING], x[:, 1:][x[:, 1:] != PADDING])  # the target is what comes next
    assert (y[x == PADDING] == UNTOLD).all()
    assert (x[:, 0] != PADDING).all()
    ended = (x != PADDING).long().cumprod(dim=1)
    assert torch.equal(ended.bool(), x != PADDING)  # padding comes last
    assert 0.1 < float((x == PADDING).float().mean()) < 0.5
    assert len(data.x) > 1000


def test_turned_digits_are_the_digits_at_any_angle() -> None:
    upright, turned = load("digits", normalize_inputs=False), load("digits-turned", normalize_inputs=False)
    assert torch.equal(upright.y, turned.y)
    assert not torch.allclose(upright.x, turned.x)
    inner = turned.x.sum(dim=(1, 2, 3)) / upright.x.sum(dim=(1, 2, 3))
    assert 0.8 < float(inner.median()) < 1.1  # what is turned out of the corners is lost
