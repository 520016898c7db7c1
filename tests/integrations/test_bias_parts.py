"""What the bias check is made of: answers of every form, layers, LRP, regions, the search, slices and groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from diagnose.errors import SettingsError
from diagnose.integrations.captum import (
    METHODS,
    MethodError,
    counterfactual,
    focus,
    groups,
    page,
    regions,
    segments,
    soundness,
)
from diagnose.integrations.captum.heads import scores_of
from diagnose.integrations.captum.layers import find_layer, grid_of
from diagnose.integrations.captum.methods import layer_for
from diagnose.integrations.captum.pixels import Pixels
from diagnose.integrations.captum.unfolded import unfolded
from tests.integrations.blobs import CLASSES, images, network


class Block(nn.Module):
    """A residual block as torchvision writes it: one ReLU for all, and a sum in place."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, images: Tensor) -> Tensor:
        found = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(images)))))
        found += self.downsample(images)
        return self.relu(found)


class Tokens(nn.Module):
    """A small vision transformer that answers by its class token."""

    def __init__(self, classes: int = 3, patch: int = 4, width: int = 24) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)
        normed = self.first(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        tokens = tokens + self.mlp(self.second(tokens))
        return self.head(self.norm(tokens)[:, 0])


def resnet() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), Block(8, 8, 1), Block(8, 16, 2)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
    for _ in range(5):
        model(torch.randn(32, 3, 16, 16))
    return model.eval()


# --- answers ----------------------------------------------------------------------------------------------------------


class Wrapped(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        self.inner, self.form = network(), form

    def forward(self, images: Tensor) -> object:
        scores = self.inner(images)
        two = scores[:, 2] - scores[:, 0]
        forms = {"dict": {"logits": scores}, "tuple": (scores, None), "one": two[:, None], "flat": two}
        return forms.get(self.form, torch.sigmoid(two / 10.0)[:, None])


@pytest.mark.parametrize("form", ["dict", "tuple"])
def test_scores_are_found_in_what_a_model_answers(form: str) -> None:
    pixels, labels = images()
    scores = focus(Wrapped(form), (pixels, labels), mosaics=30, sanity=False, effects=False)
    assert (scores.predicted == labels.numpy()).all()
    assert scores.medians() == focus(network(), (pixels, labels), mosaics=30, sanity=False, effects=False).medians()
    assert scores.layer == "inner.0"


@pytest.mark.parametrize("form", ["one", "flat", "probability"])
def test_one_number_tells_two_classes_apart(form: str) -> None:
    pixels, labels = images(marked=2)
    kept = labels != 1
    two = (pixels[kept], (labels[kept] == 2).long())
    scores = focus(Wrapped(form), two, classes=("red", "blue"), mosaics=20, sanity=False)
    assert (scores.predicted == two[1].numpy()).all()
    assert "the lower left corner" in scores.effects[0].region.name
    assert scores.effects[0].corrected < 0.05


def test_an_answer_without_scores_is_told_in_one_line() -> None:
    class Maps(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images

    class Words(nn.Module):
        def forward(self, images: Tensor) -> str:
            return "cat"

    for model, said in ((Maps(), "of shape 42 x 3 x 16 x 16, not with one row"), (Words(), "answers with a str, not")):
        with pytest.raises(SettingsError, match=said):
            scores_of(model, Pixels(images()[0]))


# --- layers and methods -----------------------------------------------------------------------------------------------


def test_tokens_are_laid_out_as_a_grid() -> None:
    torch.manual_seed(0)
    model, pixels = Tokens().eval(), torch.randn(4, 3, 16, 24)
    assert find_layer(model, None, pixels[:1])[0] == "first"  # after the attention, the class token alone is used
    maps = METHODS["gradcam"](model, "first")(pixels, torch.tensor([0, 1, 2, 0]))
    assert maps.shape == (4, 16, 24)
    assert maps.std() > 0.0
    assert grid_of(torch.zeros(2, 25), (16, 24)).shape == (2, 1, 4, 6)
    assert grid_of(torch.zeros(2, 3), (16, 24)) is None


def test_a_model_without_maps_is_checked_by_a_method_that_needs_none() -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(768, 3)).eval()
    image = torch.zeros(1, 3, 16, 16)
    assert layer_for(dense, ("saliency", "lrp"), None, image) == ""
    with pytest.raises(MethodError, match="a --method that needs none: lrp, saliency, occlusion"):
        layer_for(dense, ("saliency", "gradcam"), None, image)


def test_lrp_keeps_relevance_in_a_residual_network() -> None:
    model = resnet()
    pixels, targets = torch.randn(6, 3, 16, 16), torch.tensor([0, 1, 2, 0, 1, 2])
    assert torch.allclose(unfolded(resnet())(pixels), model(pixels), atol=1e-5)
    sums = METHODS["lrp"](model, "")(pixels, targets).flatten(1).sum(dim=1)
    assert (sums.abs() <= 2.0 * model(pixels).abs().amax(dim=1)).all()


def test_lrp_is_refused_where_it_makes_relevance() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.relu, self.last = nn.ReLU(), nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            found = self.relu(self.first(images))
            for _ in range(int(images.shape[0] > 0) * 8):  # a loop that fx cannot follow
                found = found + self.relu(self.second(found))
            return self.last(found.mean(dim=(2, 3)))

    torch.manual_seed(0)
    with pytest.raises(MethodError, match=r"lrp does not (keep relevance in|work with) this model"):
        METHODS["lrp"](Twice().eval(), "")(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))


# --- regions ----------------------------------------------------------------------------------------------------------


def test_regions_exchange_what_they_say() -> None:
    own, donors = torch.zeros(2, 3, 16, 16), torch.ones(2, 3, 16, 16)
    number = torch.arange(2)
    for region in regions.fixed(16, 16):
        mixed = region.mix(own, donors, number, number)
        assert mixed.shape == own.shape, region.name
        assert torch.isfinite(mixed).all(), region.name
        if region.mask is not None:
            assert torch.equal(mixed, region.mask.float().expand_as(own)), region.name
            assert 0.0 < region.area < 1.0


def test_aspects_leave_everything_else() -> None:
    torch.manual_seed(0)
    own, donors = torch.rand(4, 3, 32, 32), 0.5 * torch.rand(4, 3, 32, 32) + 0.2
    number = torch.arange(4)
    known = {region.kind: region for region in regions.aspects()}
    lit = known["brightness"].mix(own, donors, number, number)
    assert torch.allclose(lit.mean(dim=(1, 2, 3)), donors.mean(dim=(1, 2, 3)), atol=1e-5)
    tinted = donors * torch.tensor([1.0, 0.5, 0.2])[:, None, None]
    coloured = known["colour"].mix(own, tinted, number, number)
    assert torch.allclose(coloured.mean(dim=1).mean(dim=(1, 2)), own.mean(dim=(1, 2, 3)), atol=1e-4)
    assert (coloured[:, 0].mean(dim=(1, 2)) > coloured[:, 2].mean(dim=(1, 2))).all()
    fine = known["fine frequencies"].mix(own, donors, number, number)
    blurred, before = (functional.avg_pool2d(some, 8) for some in (fine, own))
    assert torch.allclose(blurred, before, atol=0.05)
    same = known["coarse frequencies"].mix(own, own, number, number)
    assert torch.allclose(same, own, atol=1e-4)


def test_what_is_missing_is_filled_from_around_it() -> None:
    ramp = torch.linspace(0.0, 1.0, 32).expand(1, 3, 32, 32).contiguous()
    missing = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    missing[..., 12:18, 12:18] = True
    broken = torch.where(missing, 9.0, ramp)
    filled = regions.inpainted(broken, missing)
    assert torch.equal(filled[~missing.expand_as(filled)], ramp[~missing.expand_as(ramp)])
    assert (filled - ramp).abs().max() < 0.2


def test_a_thing_on_a_plain_ground_is_segmented() -> None:
    pixels = torch.full((2, 3, 40, 60), 0.3)
    pixels[0, 0, 10:25, 20:40] = 0.9
    masks = segments.things(Pixels(pixels))
    assert masks[0, 12:23, 22:38].all()
    assert masks[0].float().mean() < 0.25
    assert 0.4 < masks[1].float().mean() < 0.6  # nothing stands out: the oval in the middle


# --- the search -------------------------------------------------------------------------------------------------------


def test_donors_are_of_other_classes_that_take_turns() -> None:
    labels = np.repeat(np.arange(4), 6).astype(np.int64)
    own = np.arange(24, dtype=np.int64)
    donors = counterfactual.balanced(labels, own, np.random.default_rng(0))
    assert (labels[donors] != labels[own]).all()
    for label in range(4):
        assert np.bincount(labels[donors[labels == label]], minlength=4).max() == 2


def test_a_mark_that_wanders_is_found_where_relevance_points() -> None:
    pixels, labels = images()
    random = np.random.default_rng(0)
    for number in np.flatnonzero(labels.numpy() == 2):  # as the blobs of other classes, and twice as bright
        pixels[number] = torch.rand(3, 16, 16) * 0.02
        row, column = random.integers(0, 13, 2)
        pixels[number, 2, row : row + 3, column : column + 3] = 1.6
        pixels[number, :, 0:2, 0:2] = 0.3
    scores = focus(network(), (pixels, labels), classes=CLASSES, mosaics=30, sanity=False)
    best = {effect.target: effect for effect in reversed(scores.effects)}[2]
    assert "wherever" in best.region.name
    assert best.fall > 0.5


def test_all_classes_by_their_background_are_found_though_none_stands_out() -> None:
    torch.manual_seed(0)
    labels = torch.arange(3).repeat_interleave(14)
    pixels = 0.02 * torch.rand(42, 3, 16, 16)
    masks = torch.zeros(42, 16, 16, dtype=torch.bool)
    masks[:, 5:11, 5:11] = True
    for number, label in enumerate(labels.tolist()):
        pixels[number, label] += 0.5
        pixels[number, :, 5:11, 5:11] = 0.4
    scores = focus(network(), (pixels, labels), classes=CLASSES, mosaics=30, sanity=False, things=masks)
    found = [effect for effect in scores.effects if effect.region.kind == regions.BACKGROUND]
    assert len(found) == 3
    assert all(effect.size - effect.reference > 0.5 for effect in found)


PLACES = ((1, 1), (1, 10), (10, 1), (10, 10))
"""Upper left pixels of where the things of the first four classes lie."""


class ByPlace(nn.Module):
    """Four classes by the light at their places; the fifth by how blue the image is, or by a dot beside the first."""

    def __init__(self, fifth: str) -> None:
        super().__init__()
        self.fifth = fifth

    def forward(self, images: Tensor) -> Tensor:
        light = [10.0 * images[:, 0, y : y + 5, x : x + 5].mean(dim=(1, 2)) for y, x in PLACES]
        blue = 400.0 * (images[:, 2] - images[:, 0]).mean(dim=(1, 2))
        dotted = light[0] - 1.0 + 4.0 * images[:, 0, 7:9, 7:9].mean(dim=(1, 2))
        return torch.stack([*light, blue if self.fifth == "blue" else dotted], dim=1)


def placed(fifth: str) -> tuple[Tensor, Tensor]:
    """Things at the places of five classes. fifth: `thing` or `ground` of it is blue, or it is the first with a dot."""
    torch.manual_seed(0)
    labels = torch.arange(5).repeat_interleave(20)
    pixels = 0.02 * torch.rand(100, 1, 16, 16).repeat(1, 3, 1, 1)
    for number, label in enumerate(labels.tolist()):
        y, x = PLACES[label if label < 4 else 0 if fifth == "dot" else number % 4]
        if label == 4 and fifth == "ground":
            pixels[number, 2] += 0.2
        pixels[number, :, y : y + 5, x : x + 5] = 0.8
        if label == 4 and fifth == "thing":
            pixels[number, :2, y : y + 5, x : x + 5] = 0.5
        if label == 4 and fifth == "dot":
            pixels[number, :, 7:9, 7:9] = 0.8
    return pixels, labels


@pytest.mark.parametrize("blue", ["thing", "ground"])
def test_a_colour_is_no_fault_unless_it_does_as_much_around_the_thing(blue: str) -> None:
    scores = focus(ByPlace("blue").eval(), placed(blue), methods=("saliency",), mosaics=50, sanity=False)
    [colour] = [effect for effect in scores.effects if effect.target == 4 and effect.region.kind == "colour"]
    assert colour.excess > 0.5
    assert colour.apart == (blue == "ground")
    asked = [effect.target for effect in page.questions(scores)]
    assert (4 in asked) == (blue == "thing")


def test_a_part_of_the_thing_that_makes_look_alikes_this_class_is_no_mark() -> None:
    scores = focus(ByPlace("dot").eval(), placed("dot"), methods=("saliency",), mosaics=50, sanity=False)
    assert (scores.predicted == scores.labels).all()
    assert page.found_effects(scores) == []


def test_what_is_around_a_thing_is_not_known_of_textures() -> None:
    torch.manual_seed(0)
    labels = torch.arange(5).repeat_interleave(20)
    pixels = 0.3 + 0.2 * torch.rand(100, 3, 16, 16)
    pixels[labels == 4, 2] += 0.2
    pixels[labels < 4, 0] += 0.05 * labels[labels < 4, None, None]
    masks = torch.zeros(100, 16, 16, dtype=torch.bool)
    masks[:, 4:12, 4:12] = True

    class Tone(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            means = images.mean(dim=(2, 3))
            wanted = torch.tensor([0.4, 0.45, 0.5, 0.55])
            return torch.cat([-((means[:, :1] - wanted).abs()), 2.0 * (means[:, 2:] - 0.5)], dim=1)

    tried = counterfactual.search(
        Tone().eval(),
        Pixels(pixels),
        labels.numpy(),
        np.arange(100),
        [regions.background(masks), regions.thing(masks)],
    )
    ground = [effect for effect in tried if effect.region.kind == regions.BACKGROUND and effect.excess > 0.08]
    assert ground
    assert not any(effect.apart for effect in ground)


# --- whether it fits, and groups --------------------------------------------------------------------------------------


def test_the_order_of_the_classes_is_doubted_where_another_fits() -> None:
    labels = np.repeat(np.arange(10), 10)
    names = tuple("abcdefghij")
    soundness.check(labels, labels, names)
    swapped = np.select([labels == 3, labels == 4], [4, 3], labels)
    with pytest.raises(
        SettingsError, match=r"80 of 100 images are classified correctly, and 100 would be .* answered e"
    ):
        soundness.check(swapped, labels, names)
    poor = np.where(np.arange(100) % 3 == 0, (labels + 1) % 10, labels)
    soundness.check(poor, labels, names)


def test_groups_are_held_against_the_rest_of_their_class(tmp_path: Path) -> None:
    paths = [tmp_path / "cat" / f"{number}.png" for number in range(40)]
    labels, predicted = np.zeros(40, dtype=np.int64), np.zeros(40, dtype=np.int64)
    predicted[:10] = 1
    lines = [f"cat/{number}.png,{'snow' if number < 12 else 'grass'}" for number in range(40)]
    (tmp_path / "groups.csv").write_text("\n".join(["path,ground", *lines, "cat/unknown.png,snow"]))
    worst, other = groups.groups(groups.read(tmp_path / "groups.csv", tmp_path, paths), labels, predicted)
    assert (worst.value, worst.right, worst.of, worst.rest) == ("snow", 2, 12, 1.0)
    assert worst.worse
    assert not other.worse
    (tmp_path / "groups.csv").write_text("path,ground\ndog/1.png,sea\n")
    with pytest.raises(SettingsError, match="names none of the images"):
        groups.read(tmp_path / "groups.csv", tmp_path, paths)
