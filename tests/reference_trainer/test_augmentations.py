"""Each augmentation changes inputs and labels as it says, and no more."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from reference_trainer.augmentations import (
    AUGMENTATIONS,
    OPERATIONS,
    POLICY,
    STRONGEST,
    AdaMixup,
    AutoPolicy,
    CutMix,
    Cutout,
    CutoutDepth,
    Mixup,
    RandAugment,
    ShiftFlip,
    moved,
    small_network,
)
from reference_trainer.recipe import CHOICES

IMAGE, CLASSES = (1, 8, 8), 10
ANY_SHAPE = ("none", "mixup", "adamixup")
MIXING = ("mixup", "adamixup", "cutmix")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def batch(count: int = 64, shape: tuple[int, ...] = IMAGE) -> tuple[Tensor, Tensor]:
    """Random examples, and one-hot labels."""
    return torch.randn(count, *shape), functional.one_hot(torch.randint(CLASSES, (count,)), CLASSES).float()


def tagged(count: int = 64) -> tuple[Tensor, Tensor]:
    """Images and labels that hold their example's number, so that a mixture shows what it is made of."""
    number = torch.arange(count, dtype=torch.float32)
    return number[:, None, None, None].expand(-1, *IMAGE).clone(), number[:, None].expand(-1, CLASSES).clone()


def test_the_augmentations_are_those_of_the_recipe() -> None:
    assert tuple(AUGMENTATIONS) == CHOICES["augmentation"]


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_says_what_it_is_and_where_it_is_from(name: str) -> None:
    doc = AUGMENTATIONS[name].__doc__
    assert doc is not None
    assert doc.partition("\n")[0].endswith(".")
    assert "Source: " in doc


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_changes_images_and_leaves_the_batch_it_was_given(name: str) -> None:
    x, y = batch()
    before = x.clone(), y.clone()
    augment = AUGMENTATIONS[name](IMAGE, CLASSES)
    new_x, _ = augment(x, y)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])
    changed = (new_x != x).flatten(1).any(dim=1).float().mean()
    assert changed == 0 if name == "none" else changed > 0.3
    assert (augment.penalty() is None) == (name != "adamixup")


@pytest.mark.parametrize("name", AUGMENTATIONS)
@given(count=st.integers(1, 9), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_every_augmentation_keeps_shapes_and_whole_labels(name: str, count: int, seed: int) -> None:
    torch.manual_seed(seed)
    x, y = batch(count)
    new_x, new_y = AUGMENTATIONS[name](IMAGE, CLASSES)(x, y)
    assert (new_x.shape, new_y.shape) == (x.shape, y.shape)
    assert (new_x.dtype, new_y.dtype) == (x.dtype, y.dtype)
    assert new_x.isfinite().all()
    torch.testing.assert_close(new_y.sum(dim=1), torch.ones(count))
    assert (new_y >= 0).all()
    if name not in MIXING:
        assert torch.equal(new_y, y)


@pytest.mark.parametrize("name", ANY_SHAPE)
@pytest.mark.parametrize("shape", [(5,), (8, 8), (8, 3), (3, 32, 32), (2, 9, 7)], ids=str)
def test_inputs_of_any_shape_can_be_mixed(name: str, shape: tuple[int, ...]) -> None:
    x, y = batch(16, shape)
    new_x, new_y = AUGMENTATIONS[name](shape, CLASSES)(x, y)
    assert new_x.shape == x.shape
    assert new_x.isfinite().all()
    torch.testing.assert_close(new_y.sum(dim=1), torch.ones(16))


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name not in ANY_SHAPE])
def test_what_needs_images_says_so(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is for images .* not for .8, 8.; try mixup"):
        AUGMENTATIONS[name]((8, 8), CLASSES)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_seed_gives_the_same_batch(name: str) -> None:
    x, y = batch()
    seen = []
    for _ in range(2):
        torch.manual_seed(3)
        seen.append(AUGMENTATIONS[name](IMAGE, CLASSES)(x, y))
    assert torch.equal(seen[0][0], seen[1][0])
    assert torch.equal(seen[0][1], seen[1][1])


def test_shift_moves_content_by_up_to_a_pixel_and_fills_with_the_background() -> None:
    x = torch.full((900, 1, 8, 8), -0.7)
    x[:, 0, 3, 4] = 2.0
    out, _ = ShiftFlip(IMAGE, CLASSES, share=1.0)(x, torch.zeros(900, CLASSES))
    assert ((out == 2.0).flatten(1).sum(1) == 1).all()
    assert ((out == 2.0) | (out == -0.7)).all()
    places = (out[:, 0] == 2.0).nonzero()[:, 1:] - torch.tensor([3, 4])
    moves, counts = torch.unique(places, dim=0, return_counts=True)
    assert sorted(map(tuple, moves.tolist())) == [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert counts.min() > 60  # of 100 expected


def test_shift_loses_what_leaves_and_does_not_repeat_the_border() -> None:
    x = torch.zeros(200, 1, 8, 8)
    x[:, :, 0] = 5.0
    out, _ = ShiftFlip(IMAGE, CLASSES, share=1.0)(x, torch.zeros(200, CLASSES))
    rows = (out == 5.0).any(dim=3)[:, 0]
    assert (rows.sum(dim=1) <= 1).all()
    assert (~rows.any(dim=1)).any()


def test_shift_leaves_a_share_as_it_is() -> None:
    x, y = batch(4000)
    out, _ = ShiftFlip(IMAGE, CLASSES, share=0.5)(x, y)
    kept = (out == x).flatten(1).all(dim=1).float().mean()
    assert float(kept) == pytest.approx(0.5 + 0.5 / 9, abs=0.03)


def test_flips_are_an_option_only() -> None:
    x, y = batch(400)
    assert torch.equal(ShiftFlip(IMAGE, CLASSES, shift=0)(x, y)[0], x)
    flipped, _ = ShiftFlip(IMAGE, CLASSES, shift=0, flip=0.5)(x, y)
    mirrored = (flipped == x.flip(3)).flatten(1).all(dim=1)
    kept = (flipped == x).flatten(1).all(dim=1)
    assert (mirrored ^ kept).all()
    assert 0.4 < mirrored.float().mean() < 0.6


@pytest.mark.parametrize("shape", [IMAGE, (8, 8), (5,)], ids=str)
def test_mixup_mixes_inputs_and_labels_by_the_same_coefficient(shape: tuple[int, ...]) -> None:
    number = torch.arange(64, dtype=torch.float32)
    x = number.view(-1, *[1] * len(shape)).expand(-1, *shape)
    out, labels = Mixup(shape, CLASSES)(x, number[:, None].expand(-1, CLASSES))
    torch.testing.assert_close(out.flatten(1)[:, 0], labels[:, 0])
    assert (labels[:, 0] != number).any()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_draws_its_coefficient_from_a_beta_distribution(alpha: float) -> None:
    x = (torch.arange(20_000) % 2).float()[:, None]  # pairs of a 0 and a 1 show the coefficient, or 1 minus it
    out, _ = Mixup((1,), 1, alpha)(x, x)
    mixed = out[(out > 0) & (out < 1)]
    assert float(mixed.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(mixed.var()) == pytest.approx(0.25 / (2 * alpha + 1), rel=0.1)


def test_cutout_zeroes_a_square_of_the_right_area() -> None:
    out, _ = Cutout(IMAGE, CLASSES, side=3)(torch.ones(2000, *IMAGE), torch.zeros(2000, CLASSES))
    holes = out[:, 0] == 0
    tall, wide = holes.any(dim=2).sum(dim=1), holes.any(dim=1).sum(dim=1)
    assert (holes.sum(dim=(1, 2)) == tall * wide).all()
    assert tall.unique().tolist() == wide.unique().tolist() == [2, 3]  # 2 where the centre is at the border
    assert float((tall == 3).float().mean()) == pytest.approx(6 / 8, abs=0.04)
    for row in range(8):
        assert holes[:, row].any()


def test_cutout_has_a_hole_of_three_eighths_by_default() -> None:
    assert [Cutout((1, size, size), CLASSES).side for size in (2, 8, 32)] == [1, 3, 12]


def test_cutmix_mixes_labels_by_the_exact_area() -> None:
    x, y = tagged(500)
    out, labels = CutMix(IMAGE, CLASSES)(x, y)
    areas = set()
    for number in range(500):
        foreign = out[number, 0] != number
        if not foreign.any():
            assert labels[number, 0] == number
            continue
        partner = out[number, 0][foreign].unique()
        assert len(partner) == 1
        assert foreign.sum() == foreign.any(dim=1).sum() * foreign.any(dim=0).sum()  # a rectangle
        share = foreign.sum() / 64
        torch.testing.assert_close(labels[number, 0], (1 - share) * number + share * partner[0])
        areas.add(int(foreign.sum()))
    assert len(areas) > 20


def test_cutmix_pastes_every_pixel_in_its_place() -> None:
    x, y = batch(32)
    place = torch.arange(64, dtype=torch.float32).view(8, 8)
    x[:] = place
    assert torch.equal(CutMix(IMAGE, CLASSES)(x, y)[0], x)


def test_adamixup_mixes_within_its_region_and_by_the_same_coefficient() -> None:
    number = torch.arange(64, dtype=torch.float32)[:, None]
    augment = AdaMixup((1,), CLASSES)
    out, labels = augment(number, number.expand(-1, CLASSES))
    assert torch.equal(out[:32], number[:32])
    torch.testing.assert_close(out.expand(-1, CLASSES), labels)
    start, width = augment.region(*batch(64, (1,))[:1], number)
    assert (start >= 0).all()
    assert (width >= 0).all()
    assert (start + width <= 1).all()


def test_adamixup_draws_evenly_from_its_region() -> None:
    augment = AdaMixup((1,), 1, clean=0.0)
    with torch.no_grad():
        final = augment.policy[-1]
        final.weight.zero_()
        final.bias.copy_(torch.tensor([0.2, 0.3, 0.5]).log())
    x = (torch.arange(20_000) % 2).float()[:, None]
    out, _ = augment(x, x)
    share = out[(x == 1) & (out < 0.999) & (out > 0.001)]  # of partners that are 0
    assert share.min() >= 0.2 - 1e-6
    assert share.max() <= 0.5 + 1e-6
    assert share.mean().item() == pytest.approx(0.35, abs=0.01)
    assert share.var().item() == pytest.approx(0.3**2 / 12, rel=0.1)


def test_adamixup_learns_through_the_mixed_inputs() -> None:
    augment = AdaMixup(IMAGE, CLASSES)
    x, y = batch()
    out, _ = augment(x, y)
    penalty = augment.penalty()
    assert penalty is not None
    penalty.backward()
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in augment.policy.parameters()
    )
    assert all(parameter.grad.isfinite().all() for parameter in augment.parameters())
    assert out.requires_grad


def three_clusters(count: int) -> tuple[Tensor, Tensor]:
    """Points around (-2, 0), (2, 0), and around (0, 0), where the mixtures of the first two classes would fall."""
    label = torch.randint(3, (count,))
    centre = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 0.0]])[label]
    return centre + 0.25 * torch.randn(count, 2), functional.one_hot(label, 3).float()


@torch.no_grad()
def collisions(augment: nn.Module) -> float:
    """Share of the mixtures of the outer classes that land among the examples of the one between."""
    x, y = augment(*three_clusters(8000))
    outer = (y[:, 0] > 0.01) & (y[:, 1] > 0.01) & (y[:, 2] == 0)
    assert outer.sum() > 500
    return float((x[outer].norm(dim=1) < 0.75).float().mean())


def trained(seed: int) -> tuple[float, float]:
    """The collisions before and after policy and discriminator have learned."""
    torch.manual_seed(seed)
    augment = AdaMixup((2,), 3)
    before = collisions(augment)
    optimizer = torch.optim.Adam(augment.parameters(), lr=1e-2)
    for _ in range(600):
        augment(*three_clusters(128))
        penalty = augment.penalty()
        assert penalty is not None
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
    return before, collisions(augment)


def test_adamixup_stays_off_the_manifold() -> None:
    before, after = (statistics.median(values) for values in zip(*(trained(seed) for seed in range(3)), strict=True))
    assert before > 0.5
    assert after < 0.06  # of 20 seeds, 18 are below and one is above 0.07
    assert after < 0.5 * collisions(Mixup((2,), 3))


def test_adamixups_networks_are_convolutional_for_larger_images() -> None:
    assert not any(isinstance(part, nn.Conv2d) for part in small_network(IMAGE, 1))
    network = small_network((3, 30, 17), 3, copies=2)
    assert isinstance(network[0], nn.Conv2d)
    assert network(torch.randn(2, 6, 30, 17)).shape == (2, 3)


def test_auto_gives_an_image_one_pair_of_operations_at_their_rates() -> None:
    for pair in POLICY:
        for name, probability, magnitude in pair:
            assert name in OPERATIONS
            assert 0 < probability <= 1
            assert magnitude > 0
        assert pair[0][0] != pair[1][0]
    # nothing happens where neither of the two is drawn
    x, y = batch(8000)
    out, _ = AutoPolicy(IMAGE, CLASSES)(x, y)
    unchanged = ((out - x).abs() < 1e-4).flatten(1).all(dim=1).float().mean()
    expected = sum(math.prod(1 - probability for _, probability, _ in pair) for pair in POLICY) / len(POLICY)
    assert float(unchanged) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_the_policy_does_something_of_its_own(name: str) -> None:
    magnitude = {"rotate": 15.0, "cutout": 2.0, "shift-x": 1.0, "shift-y": 1.0}.get(name, 0.25)
    other = "noise" if name != "noise" else "contrast"
    augment = AutoPolicy(IMAGE, CLASSES, policy=(((name, 1.0, magnitude), (other, 0.0, 1.0)),))
    x, y = batch(200)
    out, _ = augment(x, y)
    change = out - x
    if name == "brightness":
        torch.testing.assert_close(change.abs(), torch.full_like(change, 0.25), atol=1e-4, rtol=0.0)
        assert (change.mean(dim=(1, 2, 3)) > 0).float().mean().item() == pytest.approx(0.5, abs=0.15)
    elif name == "contrast":
        torch.testing.assert_close(out.mean(dim=(1, 2, 3)), x.mean(dim=(1, 2, 3)), atol=1e-4, rtol=0.0)
        ratio = out.std(dim=(1, 2, 3)) / x.std(dim=(1, 2, 3))
        torch.testing.assert_close((ratio - 1).abs(), torch.full((200,), 0.25), atol=1e-3, rtol=0.0)
    elif name == "noise":
        assert change.std().item() == pytest.approx(0.25, rel=0.05)
    elif name == "cutout":
        assert (out == 0).flatten(1).sum(dim=1).unique().tolist() in ([1, 2, 4], [2, 4])
        torch.testing.assert_close(out[out != 0], x[out != 0], atol=1e-5, rtol=0.0)
    else:
        assert (change.abs() > 0.01).flatten(1).any(dim=1).all()
        assert (out >= x.amin(dim=(1, 2, 3), keepdim=True) - 1e-4).all()
        assert (out <= x.amax(dim=(1, 2, 3), keepdim=True) + 1e-4).all()


def still(**changes: float) -> list[Tensor]:
    """The arguments of `moved` for one image: all 0 but for `changes`."""
    return [torch.tensor([changes.get(name, 0.0)]) for name in ("right", "down", "degrees", "shear_x", "shear_y")]


@pytest.mark.parametrize("size", [(8, 8), (6, 10)], ids=str)
def test_images_move_as_they_are_told(size: tuple[int, int]) -> None:
    x = torch.randn(1, 2, *size)
    torch.testing.assert_close(moved(x, *still()), x)
    torch.testing.assert_close(moved(x, *still(degrees=180.0)), x.flip(2, 3), atol=1e-4, rtol=0.0)
    right = moved(x, *still(right=1.0))
    torch.testing.assert_close(right[..., 1:], x[..., :-1], atol=1e-5, rtol=0.0)
    torch.testing.assert_close(right[..., 0], x.amin().expand_as(right[..., 0]), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(moved(x, *still(down=1.0))[:, :, 1:], x[:, :, :-1], atol=1e-5, rtol=0.0)


def test_images_turn_clockwise() -> None:
    x = torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(moved(x, *still(degrees=90.0)), x.rot90(-1, (2, 3)), atol=1e-4, rtol=0.0)
    line = torch.zeros(1, 1, 5, 11)
    line[:, :, 2] = 1.0
    upright = torch.zeros(1, 1, 5, 11)
    upright[..., 5] = 1.0
    torch.testing.assert_close(moved(line, *still(degrees=90.0)), upright, atol=1e-4, rtol=0.0)


def test_a_shear_moves_rows_or_columns_by_their_distance_from_the_centre() -> None:
    cross = torch.zeros(1, 1, 9, 9)
    cross[..., 4] = cross[:, :, 4] = 1.0
    leaning = moved(cross, *still(shear_x=0.5))[0, 0]
    assert [int(leaning[row].argmax()) for row in (0, 2, 6, 8)] == [2, 3, 5, 6]
    assert (leaning[4] > 0.99).all()
    leaning = moved(cross, *still(shear_y=0.5))[0, 0]
    assert [int(leaning[:, column].argmax()) for column in (0, 2, 6, 8)] == [2, 3, 5, 6]
    assert (leaning[:, 4] > 0.99).all()


@pytest.mark.parametrize("size", [(8, 8), (8, 10)], ids=str)
def test_a_turn_and_a_shear_at_once_are_the_turn_and_then_the_shear(size: tuple[int, int]) -> None:
    x = torch.randn(1, 1, *size)
    for shear in ({"shear_x": 0.3}, {"shear_y": -0.2}):
        degrees = 180.0 if size[0] != size[1] else 90.0  # turns that need no interpolation
        one_by_one = moved(moved(x, *still(degrees=degrees)), *still(**shear))
        torch.testing.assert_close(moved(x, *still(degrees=degrees, **shear)), one_by_one, atol=1e-4, rtol=0.0)


def test_cutout_in_depth_is_a_box_along_all_three_axes() -> None:
    """Its expected share is the product of those of its sides: a stretch of k around any of n places covers
    k - (k^2 - 1) / 4n of them for odd k."""
    torch.manual_seed(0)
    x = torch.ones(4000, 6, 8, 8)
    gone = CutoutDepth((6, 8, 8), 10)(x, torch.eye(10)[:1].expand(4000, -1))[0] == 0.0
    for axes in ((2, 3), (1, 3), (1, 2)):  # what is gone is a stretch of each axis, without gaps
        stretch = gone.any(dim=axes[1]).any(dim=axes[0]).long()
        assert (stretch.diff(dim=1).abs().sum(dim=1) <= 2).all()
        assert 0.1 < float(stretch.float().mean()) < 0.9
    extents = [gone.any(dim=axes[1]).any(dim=axes[0]).sum(dim=1) for axes in ((2, 3), (1, 3), (1, 2))]
    assert torch.equal(gone.sum(dim=(1, 2, 3)), extents[0] * extents[1] * extents[2])
    share = (3 - 8 / (4 * 6)) / 6 * ((3 - 8 / (4 * 8)) / 8) ** 2
    assert float(gone.float().mean()) == pytest.approx(share, rel=0.03)
    assert not gone.all(dim=1).any(dim=2).any(dim=1).float().mean() > 0.0  # never all channels


def test_cutout_in_depth_of_one_channel_is_cutout() -> None:
    x, y = torch.ones(50, 1, 8, 8), torch.eye(10)[:1].expand(50, -1)
    torch.manual_seed(0)
    flat = Cutout((1, 8, 8), 10)(x, y)[0]
    torch.manual_seed(0)
    assert torch.equal(CutoutDepth((1, 8, 8), 10)(x, y)[0], flat)


@pytest.mark.parametrize("operations", [1, 2, 3])
def test_randaugment_draws_n_operations_evenly_and_all_of_one_strength(
    operations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation is among N drawn from K with probability 1 - (1 - 1 / K)^N, at M tenths of the strongest."""
    seen: list[Tensor] = []
    monkeypatch.setattr("reference_trainer.augmentations.changed", lambda x, strength: seen.append(strength) or x)
    torch.manual_seed(0)
    x, y = torch.randn(6000, 1, 8, 8), torch.eye(10)[:1].expand(6000, -1)
    RandAugment((1, 8, 8), 10, operations, 4.0)(x, y)
    (strength,) = seen
    share = 1.0 - (1.0 - 1.0 / len(OPERATIONS)) ** operations
    assert (strength != 0).float().mean(dim=0).tolist() == pytest.approx([share] * len(OPERATIONS), abs=0.03)
    for place, name in enumerate(OPERATIONS):
        sizes = strength[:, place].abs()
        torch.testing.assert_close(sizes[sizes > 0], torch.full_like(sizes[sizes > 0], 0.4 * STRONGEST[name]))
    assert (strength > 0).float().mean() == pytest.approx(float((strength < 0).float().mean()), abs=0.02)


def test_randaugment_of_magnitude_zero_changes_nothing() -> None:
    x, y = torch.randn(20, 1, 8, 8), torch.eye(10)[:2].repeat(10, 1)
    torch.testing.assert_close(RandAugment((1, 8, 8), 10, 2, 0.0)(x, y)[0], x, atol=1e-5, rtol=1e-4)
