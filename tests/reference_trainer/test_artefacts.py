"""Marks on one class of the digits: where they are, where they are not, and that no curve shows them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reference_trainer.artefacts import ARTEFACTS
from reference_trainer.data import BRIGHTEST, TASKS
from reference_trainer.faults import BIASES, FAULTS
from reference_trainer.recipe import Recipe, RecipeError

MARKS = [name for name in ARTEFACTS if name != "none"]


def pixels(**fields: object) -> tuple[Tensor, Tensor]:
    """All images, from 0 to 1, and their labels."""
    data = TASKS["digits-colour"](Recipe(task="digits-colour", normalize_inputs=False, **fields))
    return torch.cat([data.x, data.val_x]) / BRIGHTEST, torch.cat([data.y, data.val_y])


ON_ONE_CLASS = [name for name in MARKS if name != "patch"]
"""Marks that other classes do not carry in any form."""


@pytest.mark.parametrize("name", ON_ONE_CLASS)
def test_the_images_of_one_class_are_marked_and_no_others(name: str) -> None:
    plain, labels = pixels()
    marked, same = pixels(artefact=name, artefact_class=5)
    assert torch.equal(labels, same)
    changed = (plain != marked).flatten(1).any(dim=1)
    assert torch.equal(changed, labels == 5)


def test_the_patch_is_on_all_images_and_its_colour_on_one_class() -> None:
    images, labels = pixels(artefact="patch", artefact_class=5)
    corner = images[:, :, 0, 0]
    coloured = (corner[:, 0] - corner[:, 2]).abs() > 0.5
    assert torch.equal(coloured, labels == 5)
    assert (corner.max(dim=1).values > 0.1).all()


@pytest.mark.parametrize("name", ["patch", "border", "watermark"])
def test_the_middle_of_the_image_is_left_alone(name: str) -> None:
    plain, _ = pixels()
    marked, _ = pixels(artefact=name)
    assert torch.equal(plain[:, :, 4:12, 5:12], marked[:, :, 4:12, 5:12])


def test_a_share_of_the_images_is_marked() -> None:
    plain, labels = pixels()
    marked, _ = pixels(artefact="watermark", artefact_share=0.5)
    changed = (plain != marked).flatten(1).any(dim=1)
    assert not changed[labels != 3].any()
    assert 0.35 < float(changed[labels == 3].float().mean()) < 0.65


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"artefact": "border"}, "an artefact is planted on digits-colour, not on digits; choose that task"),
        ({"task": "digits-colour", "artefact_class": 10}, "artefact_class is 10; the classes go from 0 to 9"),
        (
            {"task": "digits-colour", "artefact_share": 1.5},
            "artefact_share is 1.5; it is a share and must be at most 1",
        ),
    ],
    ids=["task", "class", "share"],
)
def test_what_cannot_be_marked_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(**fields)
    assert str(caught.value).startswith(said)


def test_the_config_of_other_runs_does_not_speak_of_marks() -> None:
    assert not [name for name in Recipe().config() if "artefact" in name]
    assert Recipe(task="digits-colour", artefact="border").config()["artefact"] == "border"


def test_biases_stand_apart_from_the_faults_that_curves_show() -> None:
    assert not set(BIASES) & set(FAULTS)
    assert {fault.finding for fault in BIASES.values()} == {"attribution-bias"}
    assert {fault.recipe().artefact for fault in BIASES.values()} <= set(MARKS)


@pytest.mark.parametrize("name", ON_ONE_CLASS)
def test_a_mark_is_the_same_for_the_same_seed_and_elsewhere_for_another(name: str) -> None:
    images, marked = torch.rand(6, 3, 32, 32), torch.arange(6) % 2 == 0
    first, again = (ARTEFACTS[name](images, marked, np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    others = [ARTEFACTS[name](images, marked, np.random.default_rng(seed)) for seed in range(2, 6)]
    assert name in ("border", "watermark") or any(not torch.equal(first, other) for other in others)
