"""The layer that GradCAM looks at: the last maps of a network, or the last tokens that make a grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError, unknown
from diagnose.integrations.captum.heads import inner

BEFORE_THE_GRID = (0, 1, 2, 4, 5)
"""Tokens before those of the image that models have: a class token, one for distillation, registers."""


class MethodError(SettingsError):
    """A method that this model cannot take; `str()` is one line with the reason and what to do."""


def check_layer(model: nn.Module, name: str) -> None:
    """Raises MethodError where the user's model has no layer of that name."""
    layers = dict(inner(model).named_modules())
    if name not in layers or not name:
        raise MethodError(f"{unknown('layer', name, [known for known in layers if known])}")


def find_layer(model: nn.Module, name: str | None = None, image: Tensor | None = None) -> tuple[str, nn.Module]:
    """The layer of that name, else the last one with maps or tokens; its name, too. Raises MethodError.

    image: shape (1, channels, height, width). With it, a convolution that is one path of several within a block, such
    as the skip of a residual block, gives way to the block, whose maps hold all paths; and tokens are found.
    """
    layers = dict(inner(model).named_modules())
    if name is not None:
        check_layer(model, name)
        return name, layers[name]
    convolutions = [known for known, layer in layers.items() if isinstance(layer, nn.Conv2d)]
    found = None if image is None else _token_layer(model, image, convolutions[-1] if convolutions else "")
    if found is None and convolutions:
        found = convolutions[-1] if image is None else _block_of(model, convolutions[-1], image)
    if found is None:
        raise MethodError(
            "the model has no 2-d convolution and no tokens that make a grid, whose maps GradCAM reads; name a layer "
            "with --layer, or a --method that needs none: lrp, saliency, occlusion"
        )
    return found, layers[found]


def grid_of(tokens: Tensor, size: tuple[int, int] | torch.Size) -> Tensor | None:
    """Numbers of tokens, shape (n, tokens), as maps (n, 1, rows, columns) of the image's proportions; None for none."""
    height, width = size
    for skipped in BEFORE_THE_GRID:
        count = tokens.shape[1] - skipped
        rows = round((max(count, 0) * height / width) ** 0.5)
        if (
            count >= 4
            and rows
            and count % rows == 0
            and abs(count / rows / rows - width / height) < 0.2 * width / height
        ):
            return tokens[:, skipped:].reshape(len(tokens), 1, rows, count // rows)
    return None


def _token_layer(model: nn.Module, image: Tensor, convolution: str) -> str | None:
    """The last norm after the last convolution whose tokens of the image all reach the answer; None without tokens.

    After the last attention of a model that answers by a class token, the others do not.
    """
    kept: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            kept.pop(name, None)
            if isinstance(output, Tensor) and output.requires_grad:
                output.retain_grad()
                kept[name] = output

        return keep

    layers = dict(inner(model).named_modules())
    watched = [name for name, layer in layers.items() if isinstance(layer, nn.LayerNorm) or name == convolution]
    hooks = [layers[name].register_forward_hook(watch(name)) for name in watched if name]
    try:
        with torch.enable_grad():
            answer = model(image.clone().requires_grad_())
            answer.max().backward()
    finally:
        for hook in hooks:
            hook.remove()
    model.zero_grad(set_to_none=True)
    for name, output in reversed(kept.items()):
        if name == convolution:
            return None
        if output.dim() != 3 or output.grad is None:
            continue
        grid = grid_of(output.grad.abs().sum(dim=2), image.shape[-2:])
        if grid is not None and bool((grid > 0.0).all()):
            return name
    return None


@torch.no_grad()
def _block_of(model: nn.Module, convolution: str, image: Tensor) -> str:
    """The innermost block around the convolution whose maps have the same size; the convolution where none has."""
    parts = convolution.split(".")
    around = [".".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]
    layers = dict(inner(model).named_modules())
    blocks = [name for name in around if not isinstance(layers[name], nn.Sequential | nn.ModuleList)]
    sizes: dict[str, torch.Size] = {}

    def watch(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4:
                sizes[name] = output.shape[-2:]

        return keep

    hooks = [layers[name].register_forward_hook(watch(name)) for name in (convolution, *blocks)]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return next((name for name in blocks if sizes.get(name, ()) == sizes.get(convolution)), convolution)
