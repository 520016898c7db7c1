"""Bias check by attribution, with Captum: does a classifier look at the thing that it names?

from diagnose.integrations.captum import focus
scores = focus(model, dataset, layer="features.28")
scores.write(Path("focus.csv"))                          # then: diagnose focus.csv

Read `command`, then what is given (`models`, `images`, `pixels`, `heads`, `segments`) and whether it fits
(`soundness`); the check itself, `scores`: effects (`counterfactual`, of `regions`) and Focus (`mosaics`, `methods`, of
`layers` and `unfolded` models); what else is looked for (`slices`, `groups`) and done (`repair`); what is said of it
(`page`, `picture`). `callback` is for a training loop. Captum is touched by `methods`, past its public interface by
`_private` alone. The names here are imported when they are asked for, so that the command can
say which library of the extra `bias` is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diagnose.integrations.captum.callback import FocusCurve
    from diagnose.integrations.captum.layers import MethodError
    from diagnose.integrations.captum.methods import METHODS
    from diagnose.integrations.captum.scores import Scores, focus

__all__ = ["METHODS", "FocusCurve", "MethodError", "Scores", "focus"]

_MODULES = {
    "FocusCurve": "callback",
    "METHODS": "methods",
    "MethodError": "layers",
    "Scores": "scores",
    "focus": "scores",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
