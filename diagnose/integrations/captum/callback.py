"""Focus and effects as curves beside the loss: the scores of each class, logged while a model is trained.

watch = FocusCurve(validation_set, every=5, log=wandb.log)
for epoch in range(epochs):
    ...
    row |= watch(model, epoch)                           # {"focus/cat": 0.91, "fall/cat": 0.04, ...}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from diagnose.integrations.captum.mosaics import NothingToScoreError
from diagnose.integrations.captum.page import found_effects
from diagnose.integrations.captum.scores import focus


class FocusCurve:
    """Scores a model every few epochs; the rule `attribution-bias` reads what it logs.

    dataset: validation images, as `focus` takes them.
    every: epochs between two scores.
    log: called with the scores by name, as `wandb.log` is; None where the caller writes what is returned.
    options: of `focus`, such as `mosaics`, `layer` or `classes`.
    """

    def __init__(
        self,
        dataset: Iterable[tuple[Tensor, int]] | tuple[Tensor, Tensor],
        *,
        every: int = 1,
        log: Callable[[Mapping[str, float]], Any] | None = None,
        **options: Any,
    ) -> None:
        self.dataset = dataset if isinstance(dataset, tuple) else list(dataset)
        self.every, self.log = every, log
        self.options = {"sanity": False, **options}

    def __call__(self, model: nn.Module, epoch: int) -> dict[str, float]:
        """The median Focus of each class, and its largest effect; nothing between two scores.

        A model that does not classify enough images correctly yet has no score. It is left as it was.
        Raises SettingsError for options or images that cannot be used.
        """
        if epoch % self.every:
            return {}
        try:
            scores = focus(model, self.dataset, **self.options)
        except NothingToScoreError:
            return {}
        found = {f"focus/{name}": value for name, value in scores.medians().items()}
        for effect in (*reversed(scores.best_effects()), *found_effects(scores)):  # the last of each class is kept
            name = scores.classes[effect.target]
            found |= {
                f"fall/{name}": effect.fall,
                f"transfer/{name}": effect.transfer,
                f"reference/{name}": effect.reference,
                f"p_value/{name}": effect.corrected,
                f"images/{name}": float(effect.own),
                f"apart/{name}": float(effect.apart),
            }
        row = {name: value for name, value in found.items() if not math.isnan(value)}
        if self.log is not None and row:
            self.log(row)
        return row
