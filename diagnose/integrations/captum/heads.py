"""What a model answers, brought to one form: a score for each class.

scored = scores_of(model, images)                        # the model itself where it answers that way already
inner(scored)                                            # the user's own model, whose layers have the names they know

Taken are scores of shape (n, classes); an object or a dict with `logits`, as of transformers; the first of a tuple, as
of networks with auxiliary heads; and one number per image, which tells the second of two classes from the first: a
logit, or a probability where all of them lie between 0 and 1. Of a head with several labels the highest one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError
from diagnose.integrations.captum.pixels import Pixels

PROBED = 64
"""Images whose answers tell a probability from a logit."""


class Scores2d(nn.Module):
    """A model whose answers are brought to shape (n, classes).

    probability: whether its single number is the probability of the second class.
    """

    def __init__(self, model: nn.Module, *, probability: bool) -> None:
        super().__init__()
        self.model, self.probability = model, probability

    def forward(self, images: Tensor) -> Tensor:
        """Scores, shape (n, classes)."""
        found = _tensor(self.model(images))
        if found.dim() == 2 and found.shape[1] > 1:
            return found
        one = found.flatten()
        if self.probability:
            one = torch.logit(one, eps=1e-6)
        return torch.stack([-0.5 * one, 0.5 * one], dim=1)


@torch.no_grad()
def scores_of(model: nn.Module, images: Pixels) -> nn.Module:
    """The model, wrapped where its answers have another form. Raises SettingsError where they have none of those."""
    first = images[: min(PROBED, len(images))]
    try:
        answer = model(first)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        shape = " x ".join(map(str, images.shape))
        reason = str(error).partition("\n")[0][:160]
        raise SettingsError(f"the model cannot take images of {shape} ({reason}); choose another --size") from error
    if isinstance(answer, Tensor) and answer.dim() == 2 and answer.shape[1] > 1:
        return model
    found = _tensor(answer)
    if found.shape[0] != len(first) or found.dim() > 2 or not found.numel():
        said = " x ".join(map(str, found.shape))
        raise SettingsError(
            f"the model answers with numbers of shape {said}, not with one row of class scores per image; wrap it in "
            "one that does"
        )
    single = found.dim() == 1 or found.shape[1] == 1
    return Scores2d(model, probability=single and bool(((found >= 0.0) & (found <= 1.0)).all()))


def inner(model: nn.Module) -> nn.Module:
    """The user's own model."""
    return model.model if isinstance(model, Scores2d) else model


def _tensor(answer: Any) -> Tensor:
    """The scores in an answer. Raises SettingsError where there are none."""
    if isinstance(answer, Tensor):
        return answer
    if isinstance(answer, Mapping) and "logits" in answer:
        return _tensor(answer["logits"])
    if hasattr(answer, "logits"):
        return _tensor(answer.logits)
    if isinstance(answer, tuple | list) and answer:
        return _tensor(answer[0])
    raise SettingsError(
        f"the model answers with a {type(answer).__name__}, not with one row of class scores per image; wrap it in one "
        "that does"
    )
