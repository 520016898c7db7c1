"""What is used of Captum beside its public interface: here and nowhere else.

used                                     for                                     where a version lacks it
`captum.attr._utils.lrp_rules`           the rules of LRP, layer by layer        `lrp_refused` says so: without them LRP
                                                                                 is another method

They are looked for when this module is imported, which imports Captum. Raises ImportError where that is not installed.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from inspect import signature
from typing import Any

import captum.attr  # noqa: F401 - to fail here where it is missing
from torch import nn

from diagnose.integrations.captum.unfolded import Sum

TRIED = ("0.9.0",)
"""Versions of Captum that all tests passed with; what is used here was the same in 0.8.0."""

SHAPE_ONLY = (Sum, nn.Flatten, nn.Unflatten, nn.Identity, nn.ZeroPad2d, nn.Upsample, nn.Dropout1d, nn.Dropout2d)
"""Layers that hand relevance through LRP as it comes, or share it out, beside those that Captum knows."""


def _rules() -> tuple[Any, Any] | None:
    """The rule of alpha 1 and beta 0, and that of epsilon; None where they are no longer there, or take no options."""
    try:
        module = import_module("captum.attr._utils.lrp_rules")
        positive, epsilon = module.Alpha1_Beta0_Rule, module.EpsilonRule
    except (ImportError, AttributeError):
        return None
    return (positive, epsilon) if "set_bias_to_zero" in signature(positive).parameters else None


_RULES = _rules()


def lrp_refused() -> str:
    """Why LRP cannot be had with this version of Captum, in one line; "" where it can."""
    if _RULES is not None:
        return ""
    return f"captum {version('captum')} has not the rules that it needs (tried with {', '.join(TRIED)})"


def set_rules(model: nn.Module) -> None:
    """Give LRP its rules: alpha 1 and beta 0 for convolutions, epsilon for the layers that Captum has none for.

    They hold for one attribution, after which Captum takes them away again.
    """
    assert _RULES is not None
    positive, epsilon = _RULES
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            part.rule = positive(set_bias_to_zero=True)
        elif isinstance(part, SHAPE_ONLY):
            part.rule = epsilon()
