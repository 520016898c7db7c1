"""A model in parts that LRP can follow: norms folded away, every layer used once, sums of paths as layers.

unfolded(model)                                          # the same answers, in evaluation mode
"""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SUMS = (operator.add, operator.iadd, torch.add)
"""Functions that add two paths."""

RELUS = (functional.relu, torch.relu, functional.relu_)


class Sum(nn.Module):
    """The sum of two paths, as a layer that LRP can share relevance out by."""

    def forward(self, one: Tensor, two: Tensor) -> Tensor:
        """Their sum."""
        return one + two


def unfolded(model: nn.Module) -> nn.Module:
    """The model taken apart by torch.fx; where that cannot follow it, with the norms of its sequences folded alone."""
    from torch.fx import symbolic_trace

    try:
        traced = symbolic_trace(model)
    except Exception:  # a model may do anything in its forward, and fx raise anything about it
        return _folded(model)
    _part(traced)
    traced.recompile()
    return _fused(traced).eval()


def _part(traced: Any) -> None:
    """Sums and ReLUs become layers, and each use of a layer without weights a layer of its own."""
    used: set[str] = set()
    for node in list(traced.graph.nodes):
        fresh: nn.Module | None = None
        if node.op == "call_function" and node.target in SUMS and all(hasattr(one, "op") for one in node.args):
            fresh = Sum()
        elif node.op == "call_function" and node.target in RELUS:
            fresh, node.args, node.kwargs = nn.ReLU(), node.args[:1], {}
        elif node.op == "call_method" and node.target in ("relu", "relu_"):
            fresh = nn.ReLU()
        elif node.op == "call_module" and node.target in used:
            fresh = copy.deepcopy(traced.get_submodule(node.target))
        if fresh is not None:
            name = f"part_{node.name}"
            traced.add_submodule(name, fresh)
            node.op, node.target, node.kwargs = "call_module", name, {}
        if node.op == "call_module":
            used.add(node.target)
    traced.graph.lint()


def _fused(traced: Any) -> nn.Module:
    """Each batch norm put into the convolution or linear layer before it, where nothing else uses that layer."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

    layers = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(layers[node.target], nn.BatchNorm2d | nn.BatchNorm1d):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1:
            continue
        first = layers[before.target]
        if isinstance(first, nn.Conv2d):
            fused: nn.Module = fuse_conv_bn_eval(first, layers[node.target])
        elif isinstance(first, nn.Linear):
            fused = fuse_linear_bn_eval(first, layers[node.target])
        else:
            continue
        parent, _, name = before.target.rpartition(".")
        setattr(traced.get_submodule(parent), name, fused)
        layers[before.target] = fused
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    model: nn.Module = traced
    return model


def _folded(model: nn.Module) -> nn.Module:
    """The model with each batch norm put into the convolution or linear layer directly before it."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

    for parts in [part for part in model.modules() if isinstance(part, nn.Sequential)]:
        for number in range(len(parts) - 1):
            first, norm = parts[number], parts[number + 1]
            if isinstance(first, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                parts[number], parts[number + 1] = fuse_conv_bn_eval(first, norm), nn.Identity()
            elif isinstance(first, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                parts[number], parts[number + 1] = fuse_linear_bn_eval(first, norm), nn.Identity()
    return model
