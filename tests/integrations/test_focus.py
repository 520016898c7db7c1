"""The Focus score: mosaics, methods, and what is told of a network whose evidence is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import diagnose
from diagnose.errors import SettingsError
from diagnose.integrations.captum import METHODS, FocusCurve, MethodError, Scores, focus, page
from diagnose.integrations.captum.layers import find_layer
from diagnose.integrations.captum.mosaics import Mosaic, compose, draw, takes_double_size
from diagnose.integrations.captum.scores import of_maps as focus_of
from diagnose.integrations.captum.scores import random_copy
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.readers import read
from tests.integrations.blobs import CLASSES, images, network

CLASS_AWARE = ("gradcam", "lrp", "guided-gradcam", "occlusion")
"""Methods whose relevance on the coloured blobs depends on the class."""


def score(marked: int | None = None, **options: object) -> Scores:
    return focus(network(), images(marked), **{"classes": CLASSES, "mosaics": 60, "sanity": False, **options})


# --- mosaics ----------------------------------------------------------------------------------------------------------


@given(st.integers(2, 6), st.integers(4, 9), st.integers(1, 30), st.integers(0, 99))
def test_mosaics_hold_two_images_of_the_target_and_two_of_others(
    classes: int, images: int, per_class: int, seed: int
) -> None:
    labels = np.repeat(np.arange(classes), images)
    mosaics = draw(labels, per_class=per_class, seed=seed)
    assert mosaics == draw(labels, per_class=per_class, seed=seed)
    assert [mosaic.target for mosaic in mosaics] == np.repeat(np.arange(classes), per_class).tolist()
    for mosaic in mosaics:
        assert len(set(mosaic.images)) == 4
        assert [bool(labels[image] == mosaic.target) for image in mosaic.images] == list(mosaic.inside)
        assert sum(mosaic.inside) == 2


def test_every_pair_of_classes_is_seen_and_every_place_used() -> None:
    labels = np.repeat(np.arange(5), 8)
    mosaics = draw(labels, per_class=20)
    pairs = {(mosaic.target, int(labels[mosaic.images[place]])) for mosaic in mosaics for place in mosaic.other}
    assert len(pairs) == 5 * 4
    assert len({mosaic.inside for mosaic in mosaics}) == 6


def test_a_mosaic_is_put_together_from_left_to_right_and_from_top_to_bottom() -> None:
    quarters = torch.arange(4.0)[:, None, None, None].expand(4, 1, 2, 2)
    [square] = compose(quarters, [Mosaic(0, (3, 1, 0, 2), (True, False, True, False))])
    assert square[0, ::2, ::2].tolist() == [[3.0, 1.0], [0.0, 2.0]]
    assert compose(quarters, [Mosaic(0, (3, 1, 0, 2), (True, False, True, False))], own_size=True).shape == (1, 1, 2, 2)


def test_focus_is_the_share_of_the_positive_relevance_on_the_targets_images() -> None:
    maps = torch.zeros(3, 4, 4)
    maps[0, 0, 0], maps[0, 0, 3], maps[0, 3, 3] = 3.0, 1.0, -9.0
    maps[1, 0, 0] = -1.0
    maps[2, 3, 0] = 2.0
    mosaics = [Mosaic(0, (0, 1, 2, 3), (True, False, False, True))] * 3
    values, shares = focus_of(maps, mosaics)
    assert values[0] == 0.75
    assert shares[0].tolist() == [0.75, 0.25, 0.0, 0.0]
    assert np.isnan(values[1])
    assert values[2] == 0.0


def test_focus_is_that_of_quantus_on_the_same_attributions() -> None:
    import quantus

    random = np.random.default_rng(0)
    maps = random.normal(size=(50, 1, 32, 32)).astype(np.float32)
    inside = [tuple(bool(v) for v in random.permutation([True, True, False, False])) for _ in range(50)]
    ours, _ = focus_of(torch.from_numpy(maps[:, 0]), [Mosaic(0, (0, 1, 2, 3), places) for places in inside])
    theirs = quantus.Focus(mosaic_shape=maps[0].shape, disable_warnings=True)(
        model=nn.Identity(),
        x_batch=maps,
        y_batch=np.zeros(50, dtype=int),
        a_batch=maps,
        custom_batch=[tuple(map(int, places)) for places in inside],
        channel_first=True,
        softmax=False,
    )
    assert np.abs(ours - np.array(theirs)).max() <= 1e-6


# --- methods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_one_number_per_pixel(method: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(20, 3),
    ).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pixels = torch.randn(5, 3, 16, 16)
    explain = METHODS[method](model, find_layer(model)[0])
    first, again = (explain(pixels, torch.tensor([0, 1, 2, 0, 1])) for _ in range(2))
    assert first.shape == (5, 16, 16)
    assert torch.isfinite(first).all()
    assert (first > 0.0).any()
    assert torch.equal(first, again)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[2].inplace


@pytest.mark.parametrize("method", CLASS_AWARE)
def test_sound_evidence_gives_a_focus_near_1(method: str) -> None:
    assert min(score(methods=(method,), effects=False).medians().values()) > 0.9


def test_the_last_convolution_is_found_and_another_can_be_named() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 2, 1)), nn.ReLU())
    assert find_layer(model)[0] == "1.0"
    assert find_layer(model, "0") == ("0", model[0])
    with pytest.raises(MethodError, match=r"did you mean 1\.0"):
        find_layer(model, "1.00")
    with pytest.raises(MethodError, match="no 2-d convolution"):
        find_layer(nn.Linear(2, 2))


def test_a_path_of_a_residual_block_gives_way_to_the_block() -> None:
    from reference_trainer.models import build
    from reference_trainer.recipe import Recipe

    image = torch.randn(1, 3, 16, 16)
    for model, layer in (("resnet", "stages.1"), ("inception", "stages.1"), ("cnn", "stages.1.convolution")):
        made = build(Recipe(model=model, task="digits-colour"), (3, 16, 16), 3).eval()
        assert find_layer(made, None, image)[0] == layer
        assert METHODS["gradcam"](made, layer)(image, torch.tensor([1])).shape == (1, 16, 16)


def test_a_model_that_lrp_cannot_take_is_told_in_one_line() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(
        MethodError, match=r"^lrp does not work with this model \(.*SiLU.*\); leave it out of --method$"
    ):
        METHODS["lrp"](model, "0")(torch.randn(2, 3, 4, 4), torch.tensor([0, 1]))


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marked", range(3))
def test_a_mark_in_one_place_is_found_and_its_class_and_place_named(marked: int, tmp_path: Path) -> None:
    scores = score(marked)
    scores.write(tmp_path / "focus.csv")
    [finding] = diagnose.diagnose(tmp_path / "focus.csv").findings
    assert finding.rule == "attribution-bias"
    assert finding.severity == "error"
    assert finding.summary.startswith(f"Class {CLASSES[marked]}: of 14 images that it gets right, the model loses ")
    assert "when the lower left corner, " in finding.summary
    assert "comes from other images, and takes 100 % of other images for" in finding.summary
    assert scores.effects[0].region.area < 0.1
    assert min(scores.medians().values()) > 0.9  # which plain Focus does not see


def test_a_network_that_looks_at_the_thing_is_left_in_peace(tmp_path: Path) -> None:
    score().write(tmp_path / "focus.csv")
    report = diagnose.diagnose(tmp_path / "focus.csv")
    assert report.findings == ()
    assert "attribution-bias" in report.diagnoses[0].judged


def test_a_background_that_other_classes_share_is_found_by_plain_focus(tmp_path: Path) -> None:
    pixels, labels = images()
    pixels[labels == 1, 2] += 0.5  # green images on a blue ground, which the network takes for evidence of blue
    pixels[labels == 1, 1] *= 2.0
    scores = focus(
        network(), (pixels, labels), classes=CLASSES, mosaics=60, all_images=True, effects=False, sanity=False
    )
    scores.write(tmp_path / "focus.csv")
    [finding] = diagnose.diagnose(tmp_path / "focus.csv").findings
    assert finding.summary.startswith("Class blue: Focus is 0.")
    assert "images of green (8" in finding.summary


@pytest.mark.parametrize(
    "options",
    [{"marked": 2, "sanity": True}, {"marked": 0, "methods": ("gradcam", "saliency")}, {"effects": False}, {}],
    ids=["marked", "two-methods", "plain", "sound"],
)
def test_scores_are_judged_as_the_file_that_they_are_written_to(tmp_path: Path, options: dict[str, object]) -> None:
    scores = score(classes=("red, dark", "1", 'blu"e'), **options)
    scores.write(tmp_path / "focus.csv")
    direct = page.judged(scores)
    of_file = [
        judge(run, [rule for rule in load_rules() if rule.id == page.RULE]) for run in read(tmp_path / "focus.csv")
    ]
    assert len(direct) == len(of_file) == len(scores.methods)
    for one, two in zip(direct, of_file, strict=True):
        assert (one.findings, one.not_judged, one.judged) == (two.findings, two.not_judged, two.judged)
        for name in ("name", "format", "axis", "roles", "config", "notes"):
            assert getattr(one.run, name) == getattr(two.run, name), name
        assert list(one.run.series) == list(two.run.series)
        for series, other in zip(one.run.series.values(), two.run.series.values(), strict=True):
            assert np.array_equal(series.steps, other.steps)
            assert np.array_equal(series.values, other.values)
    assert any(one.findings for one in direct) == ("marked" in options)


def test_only_images_that_are_classified_correctly_are_drawn_by_default() -> None:
    pixels, labels = images()
    wrong = torch.arange(0, len(labels), 7)
    labels[wrong] = (labels[wrong] + 1) % 3
    scores = focus(network(), (pixels, labels), mosaics=30, effects=False, sanity=False)
    assert int((scores.predicted == scores.labels).sum()) == len(labels) - len(wrong)
    assert not {image for mosaic in scores.mosaics for image in mosaic.images} & set(wrong.tolist())
    everything = focus(network(), (pixels, labels), mosaics=90, effects=False, sanity=False, all_images=True)
    assert {image for mosaic in everything.mosaics for image in mosaic.images} & set(wrong.tolist())


def test_a_dataset_of_pairs_is_taken_and_the_model_left_as_it_was() -> None:
    pixels, labels = images()
    model = network().train()
    pairs: list[tuple[Tensor, int]] = [(image, int(label)) for image, label in zip(pixels, labels, strict=True)]
    scores = focus(model, pairs, mosaics=30, effects=False, sanity=False)
    assert scores.medians() == focus(network(), (pixels, labels), mosaics=30, effects=False, sanity=False).medians()
    assert model.training


def test_a_model_of_one_size_gets_mosaics_of_that_size() -> None:
    fixed = nn.Sequential(*network()[:2], nn.Flatten(), nn.Linear(3 * 256, 3)).eval()
    with torch.no_grad():
        fixed[3].weight.copy_(network()[4].weight.repeat_interleave(256, dim=1) / 256)
        fixed[3].bias.zero_()
    assert not takes_double_size(fixed, torch.zeros(3, 16, 16))
    assert takes_double_size(network(), torch.zeros(3, 16, 16))
    scores = focus(fixed, images(), mosaics=30, all_images=True, effects=False, sanity=False)
    assert scores.own_size
    assert len(scores.of()) == 30


def test_a_copy_with_random_weights_is_near_chance_and_the_model_is_not_touched() -> None:
    model = network()
    copied = random_copy(model, seed=1)
    assert not torch.equal(model[0].weight, copied[0].weight)
    assert torch.equal(model[0].weight, network()[0].weight)
    assert abs(score(sanity=True).sanity() - 0.5) < 0.25


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mosaics": 20}, "20 mosaics are fewer than 10 for each of 3 classes; ask for --mosaics 30"),
        ({"methods": ("gradcma",)}, "no method 'gradcma'; did you mean gradcam?"),
        ({"classes": ("a", "b")}, "the model answers 3 classes, and there are 3 of images; name the model's"),
    ],
    ids=["mosaics", "method", "classes"],
)
def test_a_wrong_call_is_told_in_one_line(options: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        score(**options)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


# --- during a training ------------------------------------------------------------------------------------------------


def test_focus_is_logged_beside_the_loss_and_judged(tmp_path: Path) -> None:
    logged: list[dict[str, float]] = []
    watch = FocusCurve(images(marked=2), every=2, log=logged.append, classes=CLASSES, mosaics=30)
    model = network().train()
    rows = [{"epoch": epoch, "train_loss": 1.0 / epoch} | watch(model, epoch) for epoch in range(1, 21)]
    assert model.training
    assert len(logged) == 10
    names = list(rows[1])
    assert {"focus/blue", "fall/blue", "transfer/blue"} < set(names)
    lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
    (tmp_path / "run.csv").write_text("\n".join(lines) + "\n")
    report = diagnose.diagnose(tmp_path / "run.csv", select=["attribution-bias"])
    [finding] = report.findings
    assert finding.summary.startswith("Class blue: ")
    assert finding.severity == "error"


def test_a_model_that_has_not_learned_yet_has_no_score() -> None:
    blank = network(blank=True)
    nn.init.zeros_(blank[4].weight)
    assert FocusCurve(images(), mosaics=30)(blank, 0) == {}
    with pytest.raises(SettingsError, match="no method 'gradcan'"):
        FocusCurve(images(), mosaics=30, methods=("gradcan",))(blank, 0)
